//! An image wherever a blueprint has it from: its blobs, and where each stands.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use trueup_engine::kinds::image::From;
use trueup_engine::provider::ProviderError;

use crate::broken;
use crate::docker_archive::Archive;
use crate::layout::{Descriptor, Layout};

/// Where a blob stands.
#[derive(Clone, Debug)]
pub enum Place {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file, from some byte on.
    File {
        /// The file.
        path: PathBuf,
        /// The first byte.
        start: u64,
    },
}

impl Place {
    /// Up to `most` bytes of a blob of `size` bytes, from its byte `offset` on.
    pub fn read(&self, size: u64, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let length = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(most);
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes[start..bytes.len().min(start + length)].to_vec())
            }
            Self::File { path, start } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(start + offset))?;
                let mut bytes = vec![0; length];
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

/// An image and all that it is made of.
#[derive(Clone, Debug)]
pub struct Source {
    /// The image itself, or the index of its platforms.
    pub root: Descriptor,
    /// All blobs, each once, and whoever describes others before them.
    pub blobs: Vec<(Descriptor, Place)>,
}

impl Source {
    /// The image that a spec has. One in another registry is nobody's here.
    pub fn open(from: &From, platform: Option<&str>) -> Result<Self, ProviderError> {
        match from {
            From::OciLayout(path) => {
                let layout = Layout::new(Path::new(path));
                let root = layout.select(platform)?;
                let of = |blob: Descriptor| {
                    let place = Place::File { path: layout.blob(&blob)?, start: 0 };
                    Ok((blob, place))
                };
                let blobs: Result<_, ProviderError> = layout.reach(&root)?.into_iter().map(of).collect();
                Ok(Self { root, blobs: blobs? })
            }
            From::DockerArchive(path) => {
                let Archive { root, blobs } = Archive::read(Path::new(path))?;
                Ok(Self { root, blobs })
            }
            From::Reference(reference) => Err(broken(format!("`{reference}` is in another registry"))),
        }
    }

    /// The size of all its blobs, in bytes.
    pub fn size(&self) -> u64 {
        self.blobs.iter().map(|(blob, _)| blob.size).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_blob_is_read_from_where_it_stands() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("archive");
        fs::write(&path, b"..hello world..").unwrap();
        for place in [Place::Bytes(b"hello world".to_vec()), Place::File { path, start: 2 }] {
            assert_eq!(place.read(11, 0, 5).unwrap(), b"hello");
            assert_eq!(place.read(11, 6, 100).unwrap(), b"world");
            assert_eq!(place.read(11, 11, 100).unwrap(), b"");
        }
    }
}
