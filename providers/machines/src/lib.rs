//! What the machines of all clouds have in common: which machine type has the GPUs that are asked for ([`Catalog`]), and what a machine is
//! told at its first start ([`told`]), and who may connect to it ([`Rules`]). It calls nobody.

mod catalog;
mod model;
mod rules;
pub mod told;

pub use catalog::{Catalog, Gpus, MachineType, gpus};
pub use rules::{Rules, SSH};
