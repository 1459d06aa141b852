//! What the machines of all clouds have in common: which machine type has the GPUs that are asked for ([`Catalog`]), and what a machine is
//! told at its first start ([`told`]), what it then measures ([`startup`]), who may connect to it ([`Rules`]), and what a change of it comes to ([`effect`]). It calls nobody.

mod catalog;
mod change;
mod model;
mod rules;
pub mod startup;
pub mod told;

pub use catalog::{Catalog, Gpus, MachineType, gpus};
pub use change::{Change, effect, has_no_keys};
pub use rules::{Rules, SSH};
