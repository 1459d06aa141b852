//! `artifact` in an object store: files in a bucket, each content named by its own checksum, and a manifest that is written last.
//!
//! So a content that is there is never sent again, what is half sent is gone on with by whoever comes next, and a reader who has the
//! manifest has all that it names. Whose an artifact is stands in the manifest, since clouds know no such thing.
//!
//! A cloud's own calls are behind [`Store`]; [`Artifacts`] is the manager of all of them.

mod budget;
mod look;
mod manager;
mod manifest;
mod place;
mod session;
mod source;
mod store;

pub use manager::Artifacts;
pub use place::Place;
pub use source::{Checksum, SourceFile, Sum};
pub use store::{Cut, Listed, Part, Store, To, Unfinished, Upload, extent};
