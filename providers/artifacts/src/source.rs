//! The files that an artifact is made of: what they hold, and whether they are still what they were. None is ever read whole, but for
//! small ones.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use trueup_engine::kinds::artifact::MANIFEST;
use trueup_engine::provider::ProviderError;
use trueup_engine::tree::{TreeFile, digest_of, tree_files};
use trueup_state::Class;

use crate::budget::Budget;

/// How much is read at once, in bytes.
const CHUNK: usize = 1024 * 1024;

/// A checksum that a store holds contents against.
pub trait Checksum: Send {
    /// Takes more of the content.
    fn update(&mut self, bytes: &[u8]);
    /// The checksum, as the store writes it.
    fn finish(self: Box<Self>) -> String;
}

/// What a file's metadata, a link followed, says of its content: as long as all of it is the same, so is the content. The time of the last status
/// change can't be set by hand, so that a file altered with its time put back is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    inode: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// SHA-256 in hexadecimal: what its content is named by.
    pub sha256: String,
    /// The store's own checksum, as it writes it: it compares that with what it was sent.
    pub checksum: String,
}

/// A file of the source.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path in the artifact.
    pub path: String,
    /// Its path on this machine.
    full: PathBuf,
    stamp: Stamp,
    /// What it holds, once that is known.
    sum: Option<Sum>,
}

/// All files of a source.
pub(crate) struct Source {
    pub(crate) files: Vec<SourceFile>,
    reading: Option<Reading>,
}

/// A file whose content is being summed up.
struct Reading {
    file: File,
    sha256: Sha256,
    checksum: Box<dyn Checksum>,
    done: u64,
}

impl Source {
    /// Looks what files there are.
    ///
    /// # Errors
    /// [`Class::Invalid`] where there is none, one can't be read or none can have its name.
    pub(crate) fn survey(source: &str) -> Result<Self, ProviderError> {
        let unreadable = |error| invalid(format!("{source} can't be read: {error}"));
        let mut files = Vec::new();
        for (path, full) in tree_files(Path::new(source)).map_err(unreadable)? {
            let stamp = Stamp::of(&full).map_err(unreadable)?;
            files.push(SourceFile { path, full, stamp, sum: None });
        }
        match &files[..] {
            [] => Err(invalid(no_file_in(source))),
            files if files.iter().any(|file| file.path == MANIFEST) => {
                Err(invalid(format!("a file of the name {MANIFEST} can't be in an artifact")))
            }
            _ => Ok(Self { files, reading: None }),
        }
    }

    /// Sums up what files hold, until that is known of all or time is up: whether it is.
    ///
    /// # Errors
    /// As [`changed`], and what can't be read.
    pub(crate) fn sum_up(
        &mut self,
        checksum: fn() -> Box<dyn Checksum>,
        budget: &Budget,
    ) -> Result<bool, ProviderError> {
        for file in self.files.iter_mut().filter(|file| file.sum.is_none()) {
            let reading = match self.reading.take() {
                Some(reading) => reading,
                None => Reading::begin(&file.full, checksum).map_err(|error| file.unreadable(&error))?,
            };
            match reading.go_on(file, budget)? {
                Some(reading) => {
                    self.reading = Some(reading);
                    return Ok(false);
                }
                None if budget.is_spent() => break,
                None => {}
            }
        }
        Ok(self.files.iter().all(|file| file.sum.is_some()))
    }

    /// The digest of all files, of which it must be known what they hold.
    pub(crate) fn digest(&self) -> String {
        digest_of(&self.files.iter().map(SourceFile::entry).collect::<Vec<_>>())
    }
}

impl Reading {
    fn begin(path: &Path, checksum: fn() -> Box<dyn Checksum>) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, sha256: Sha256::new(), checksum: checksum(), done: 0 })
    }

    /// Reads on: itself where there is more, nothing once the file has its sum.
    fn go_on(mut self, of: &mut SourceFile, budget: &Budget) -> Result<Option<Self>, ProviderError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = self.file.read(&mut buffer).map_err(|error| of.unreadable(&error))?;
            if read == 0 {
                break;
            }
            self.sha256.update(&buffer[..read]);
            self.checksum.update(&buffer[..read]);
            self.done += read as u64;
            if budget.is_spent() {
                return Ok(Some(self));
            }
        }
        of.is_as_it_was()?;
        if self.done != of.stamp.size {
            return Err(of.changed());
        }
        let sha256 = hex::encode(self.sha256.finalize());
        of.sum = Some(Sum { sha256, checksum: self.checksum.finish() });
        Ok(None)
    }
}

impl SourceFile {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// What it holds; nothing while that is not known.
    pub(crate) fn sum(&self) -> Option<&Sum> {
        self.sum.as_ref()
    }

    /// As a manifest has it.
    pub(crate) fn entry(&self) -> TreeFile {
        let sha256 = self.sum.as_ref().map(|sum| sum.sha256.clone()).unwrap_or_default();
        TreeFile { path: self.path.clone(), size: self.stamp.size, sha256 }
    }

    /// A piece of it: `size` bytes from `offset` on.
    ///
    /// # Errors
    /// As [`changed`], and what can't be read.
    pub async fn piece(&self, offset: u64, size: usize) -> Result<Vec<u8>, ProviderError> {
        let file = self.clone();
        let read = move || {
            let mut piece = vec![0; size];
            let read = File::open(&file.full).and_then(|open| open.read_exact_at(&mut piece, offset));
            match read {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(file.changed()),
                Err(error) => return Err(file.unreadable(&error)),
                Ok(()) => {}
            }
            file.is_as_it_was()?;
            Ok(piece)
        };
        blocking(read).await
    }

    /// # Errors
    /// As [`changed`].
    pub fn is_as_it_was(&self) -> Result<(), ProviderError> {
        match Stamp::of(&self.full) {
            Ok(stamp) if stamp == self.stamp => Ok(()),
            _ => Err(self.changed()),
        }
    }

    fn changed(&self) -> ProviderError {
        changed(&self.full.display().to_string())
    }

    fn unreadable(&self, error: &io::Error) -> ProviderError {
        invalid(format!("{} can't be read: {error}", self.full.display()))
    }
}

/// A source that is no longer what it was.
pub(crate) fn changed(source: &str) -> ProviderError {
    let message = format!("{source} is no longer what it was when the plan was made: plan again");
    ProviderError::new(Class::Conflict, message).code("SourceChanged")
}

/// Why an empty source is none.
pub(crate) fn no_file_in(source: &str) -> String {
    format!("there is no file in `{source}`")
}

fn invalid(message: String) -> ProviderError {
    ProviderError::new(Class::Invalid { field: Some("source".to_owned()) }, message)
}

/// Runs what waits for a disk where that is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
) -> Result<T, ProviderError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let message = if error.is_panic() { "a worker thread failed" } else { "a worker thread was ended" };
        Err(ProviderError::new(Class::Internal, message))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use trueup_engine::tree::tree_digest;
    use trueup_state::clock::SystemClock;

    use super::*;

    /// A checksum that is how long a content is.
    struct Length(usize);

    impl Checksum for Length {
        fn update(&mut self, bytes: &[u8]) {
            self.0 += bytes.len();
        }

        fn finish(self: Box<Self>) -> String {
            self.0.to_string()
        }
    }

    fn length() -> Box<dyn Checksum> {
        Box::new(Length(0))
    }

    fn budget(time: Duration) -> Budget {
        Budget::new(Arc::new(SystemClock), time)
    }

    fn place() -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), vec![7; 3 * CHUNK + 1]).unwrap();
        fs::write(directory.path().join("b"), "123456789").unwrap();
        let path = directory.path().display().to_string();
        (directory, path)
    }

    #[test]
    fn what_is_summed_up_in_steps_is_what_a_plan_digests() {
        let (directory, path) = place();
        let mut source = Source::survey(&path).unwrap();
        let mut steps = 0;
        while !source.sum_up(length, &budget(Duration::ZERO)).unwrap() {
            steps += 1;
        }
        assert!(steps >= 3, "{steps}");
        assert_eq!(source.digest(), tree_digest(directory.path()).unwrap());
        assert_eq!(source.files[1].sum().unwrap().checksum, "9", "the store's own sees all of it");
    }

    #[tokio::test]
    async fn a_link_to_a_file_is_sent_as_what_it_leads_to_and_noticed_when_it_leads_elsewhere() {
        let (blobs, _) = place();
        let directory = tempfile::tempdir().unwrap();
        let link =
            |to: &str| std::os::unix::fs::symlink(blobs.path().join(to), directory.path().join("model")).unwrap();
        link("b");
        let mut source = Source::survey(&directory.path().display().to_string()).unwrap();
        assert!(source.sum_up(length, &budget(Duration::from_mins(1))).unwrap());
        assert_eq!((source.files[0].path.as_str(), source.files[0].size()), ("model", 9));
        assert_eq!(source.digest(), tree_digest(directory.path()).unwrap());
        assert_eq!(source.files[0].piece(3, 4).await.unwrap(), b"4567");
        fs::remove_file(directory.path().join("model")).unwrap();
        link("a");
        assert_eq!(source.files[0].piece(3, 4).await.unwrap_err().code, "SourceChanged");
    }

    #[tokio::test]
    async fn a_file_that_changes_is_noticed_while_it_is_read_and_after() {
        let (directory, path) = place();
        let mut source = Source::survey(&path).unwrap();
        assert!(!source.sum_up(length, &budget(Duration::ZERO)).unwrap());
        fs::write(directory.path().join("a"), "less").unwrap();
        let error = source.sum_up(length, &budget(Duration::from_mins(1))).unwrap_err();
        assert_eq!(error.code, "SourceChanged");
        let mut source = Source::survey(&path).unwrap();
        assert!(source.sum_up(length, &budget(Duration::from_mins(1))).unwrap());
        assert_eq!(source.files[1].piece(3, 4).await.unwrap(), b"4567");
        fs::write(directory.path().join("b"), "987654321").unwrap();
        assert_eq!(source.files[1].piece(3, 4).await.unwrap_err().code, "SourceChanged");
    }
}
