//! Real things on this machine: buckets are directories, registries are OCI layouts, endpoints are processes, and machines with
//! GPUs are this one's GPUs.
//!
//! Everything is made below one directory, private to its owner, and observed as it really is, so that what is changed by hand
//! is found. Ports and GPUs are shared with every other stack of the user, and so claimed in a second directory.

mod artifact;
mod bucket;
mod card;
mod claims;
mod copy;
mod endpoint;
mod gpu_instance;
mod gpus;
mod health;
mod home;
mod image;
mod marks;
mod oci;
mod ports;
mod process;
mod provider;
mod refuse;
mod registry;
mod replica;
mod work;

pub use gpus::{GpuDiscovery, NvmlDiscovery};
pub use home::LocalHome;
pub use provider::LocalProvider;
