//! Trueup's provider of Google Cloud: every native kind by the discovery document of its API.
//!
//! Credentials come as they do for every tool of Google's: application default credentials, keys of service accounts, workload identity,
//! or the machine's own account.

mod clients;
mod error;
mod labels;
mod native;
mod provider;
mod settings;

pub use native::manageable;
pub use provider::GcpProvider;
