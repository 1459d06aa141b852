//! The OCI image layout, as it is written: what of an image is read, other providers read too.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use trueup_engine::provider::ProviderError;
use trueup_oci::{Archive, Place};
pub(crate) use trueup_oci::{Descriptor, Index, Layout, broken};

use crate::home::{self, Doing};

/// A layout that is written to.
pub(crate) trait Written {
    /// Makes an empty layout, or completes one.
    fn init(&self) -> Result<(), ProviderError>;

    /// Replaces its index.
    fn write_index(&self, index: &Index) -> Result<(), ProviderError>;

    /// Where a blob is copied to until it is whole.
    fn part(&self, descriptor: &Descriptor) -> Result<PathBuf, ProviderError>;

    /// Removes what no copy goes on with.
    fn clear_parts(&self, descriptors: &[Descriptor]) -> Result<(), ProviderError>;

    /// Copies an archive's one image into it, each blob under its digest. What is there already is not written again.
    fn import(&self, archive: &Path) -> Result<Descriptor, ProviderError>;
}

impl Written for Layout {
    fn init(&self) -> Result<(), ProviderError> {
        home::make_dir(&self.path().join("blobs/sha256"))?;
        if !self.path().join("oci-layout").exists() {
            home::write_file(&self.path().join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        if !self.path().join("index.json").exists() {
            self.write_index(&Index::empty())?;
        }
        Ok(())
    }

    fn write_index(&self, index: &Index) -> Result<(), ProviderError> {
        let content = serde_json::to_vec(index).unwrap_or_default();
        home::write_file(&self.path().join("index.json"), &content)
    }

    fn part(&self, descriptor: &Descriptor) -> Result<PathBuf, ProviderError> {
        Ok(self.path().join(".incoming").join(descriptor.hex()?))
    }

    fn clear_parts(&self, descriptors: &[Descriptor]) -> Result<(), ProviderError> {
        for descriptor in descriptors {
            home::remove(&self.part(descriptor)?)?;
        }
        home::prune(&self.path().join(".incoming"), self.path());
        Ok(())
    }

    fn import(&self, archive: &Path) -> Result<Descriptor, ProviderError> {
        // Hashed before anything is written, so that what is there already stays untouched and nothing wrong is ever kept.
        let Archive { root, blobs } = Archive::read(archive)?;
        for (blob, place) in blobs {
            match place {
                Place::Bytes(content) => store(self, &blob, &content)?,
                Place::File { path, start } => copy(self, &blob, &path, start)?,
            }
        }
        Ok(root)
    }
}

fn store(into: &Layout, blob: &Descriptor, content: &[u8]) -> Result<(), ProviderError> {
    let path = into.blob(blob)?;
    if home::read_file(&path)?.is_none_or(|known| known != content) {
        home::write_file(&path, content)?;
    }
    Ok(())
}

/// Copies a blob out of a file, from some byte on.
fn copy(into: &Layout, blob: &Descriptor, from: &Path, start: u64) -> Result<(), ProviderError> {
    let path = into.blob(blob)?;
    if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == blob.size) {
        return Ok(());
    }
    let part = into.part(blob)?;
    home::make_dir(part.parent().unwrap_or(&part))?;
    let mut file = File::open(from).doing("open", from)?;
    let mut copy = home::private_file(&part, true).doing("write", &part)?;
    file.seek(SeekFrom::Start(start)).doing("read", from)?;
    io::copy(&mut file.take(blob.size), &mut copy).and_then(|_| copy.sync_all()).doing("write", &part)?;
    std::fs::rename(&part, &path).doing("move into place", &part)
}
