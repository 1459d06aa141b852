//! Trueup's provider of Google Cloud: buckets of Cloud Storage and artifacts in them, `gpu_instance` on Compute Engine, and every native kind by the discovery document of its API.
//!
//! Credentials come as they do for every tool of Google's: application default credentials, keys of service accounts, workload identity,
//! or the machine's own account.

mod artifact;
mod binding;
mod bucket;
mod clients;
mod composed;
mod compute;
mod deployed;
mod error;
mod image;
mod instance;
mod labels;
mod metadata;
mod native;
pub mod permissions;
mod provider;
mod settings;
mod version;

pub use native::manageable;
pub use provider::GcpProvider;
