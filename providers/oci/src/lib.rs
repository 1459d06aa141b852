//! Container images as files: directories in the OCI image layout, and archives as `docker save` writes them. Both are read as the same thing:
//! blobs named by digest, and what they add up to. Nothing is written here.

mod docker_archive;
mod layout;
mod source;

pub use docker_archive::Archive;
pub use layout::{Descriptor, Index, Layout, MANIFEST};
pub use source::{Place, Source};

use std::fs;
use std::io;
use std::path::Path;

use trueup_engine::provider::ProviderError;
use trueup_state::Class;

/// What is wrong with an image, whoever asks for it.
pub fn broken(message: impl Into<String>) -> ProviderError {
    ProviderError::new(Class::Invalid { field: Some("from".to_owned()) }, message)
}

/// A file's content; none where there is no such file.
fn read_file(path: &Path) -> Result<Option<Vec<u8>>, ProviderError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// A file that can't be read.
fn unreadable(path: &Path, error: &io::Error) -> ProviderError {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied => Class::Denied,
        io::ErrorKind::NotFound => Class::NotFound,
        _ => Class::Internal,
    };
    ProviderError::new(class, format!("could not read {}: {error}", path.display()))
}
