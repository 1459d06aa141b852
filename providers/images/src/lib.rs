//! `image` in a registry: a container image, sent by the OCI distribution API and known by its digest.
//!
//! What is there is never sent again, what is half sent is gone on with, and the image itself comes last: who finds it finds it whole.
//! Registries know no owner of an image. So an image has its tags to itself, and goes only when nobody else has a tag on it.
//!
//! A cloud's own calls are behind [`Repositories`]; [`Images`] is the manager of all of them.

mod manager;
mod push;
mod registry;

pub use manager::{Images, Repositories, Shown};
pub use registry::{Registry, Reply, Transport};
