//! Trueup's provider of Amazon Web Services: buckets and artifacts through S3's own SDK, machines through EC2's, images through ECR and its
//! registry, every native type through the Cloud Control API, and of native types what else a blueprint may ask for.
//!
//! Credentials come as they do for every tool of AWS: from the environment, profiles, single sign-on, or the machine's own role.

mod artifact;
mod bucket;
mod clients;
mod composed;
mod error;
mod image;
mod instance;
mod native;
pub mod permissions;
mod provider;
mod settings;
mod tags;
mod terraform;

pub use provider::AwsProvider;
