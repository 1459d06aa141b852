//! Copying and hashing files in steps, and telling from a file's metadata that it was not touched since.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trueup_engine::tree::file_sha256;
use trueup_state::Clock;

use crate::home::private_file;

/// What a file's metadata says of its content: as long as all of it is the same, so is the content. The time of the last status
/// change can't be set by hand, so that a file altered with its time put back is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    size: u64,
    inode: u64,
    device: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a regular file, or of the one that a link leads to.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        Ok(Self {
            size: metadata.size(),
            inode: metadata.ino(),
            device: metadata.dev(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The file's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// A short text that another stamp has not.
    pub(crate) fn key(&self) -> String {
        hex::encode(&Sha256::digest(format!("{self:?}"))[..8])
    }
}

/// A checksum, and the stamp of the file at the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: String,
    /// What the file was like.
    pub(crate) stamp: Stamp,
}

impl Sum {
    /// The sum of a file, from `known` where the file was not touched since.
    pub(crate) fn of(path: &Path, known: Option<&Sum>) -> io::Result<Self> {
        let stamp = Stamp::of(path)?;
        match known.filter(|known| known.stamp == stamp) {
            Some(known) => Ok(known.clone()),
            None => Ok(Self { sha256: file_sha256(path)?.0, stamp }),
        }
    }
}

/// Waits until a file system's clock has moved on, so that a later change can't have the stamp of an earlier one.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(20));
}

/// How much one step may do.
pub(crate) struct Budget<'a> {
    clock: &'a dyn Clock,
    end: Duration,
    bytes: u64,
}

impl<'a> Budget<'a> {
    /// About a second's work, and no more than so many bytes.
    pub(crate) fn step(clock: &'a dyn Clock, bytes: u64) -> Self {
        Self { clock, end: clock.uptime() + Duration::from_secs(1), bytes }
    }

    /// Takes note of work done.
    pub(crate) fn spend(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whether it is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.bytes == 0 || self.clock.uptime() >= self.end
    }
}

/// A copy under way. What was copied stands in a part file: after a crash the next one goes on there.
#[derive(Debug)]
pub(crate) struct Copy {
    source: File,
    from: PathBuf,
    stamp: Stamp,
    part: PathBuf,
    hash: Sha256,
    /// How much is copied and hashed.
    done: u64,
    /// How much stands in the part file; more than `done` only until an earlier process's part is hashed.
    written: u64,
}

impl Copy {
    /// Begins to copy a file into a part file, or goes on.
    pub(crate) fn begin(from: &Path, part: &Path) -> io::Result<Self> {
        let stamp = Stamp::of(from)?;
        let source = File::open(from)?;
        let written = fs::metadata(part).map_or(0, |metadata| metadata.len());
        if written > stamp.size() {
            fs::remove_file(part)?;
        }
        let written = if written > stamp.size() { 0 } else { written };
        Ok(Self { source, from: from.into(), stamp, part: part.into(), hash: Sha256::new(), done: 0, written })
    }

    /// How many bytes are copied.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Copies on within a budget. The SHA-256 once the part is whole and safely on disk; none while there is more.
    pub(crate) fn step(&mut self, budget: &mut Budget<'_>) -> io::Result<Option<String>> {
        let mut part = private_file(&self.part, false)?;
        let mut earlier = if self.done < self.written { Some(File::open(&self.part)?) } else { None };
        if let Some(earlier) = &mut earlier {
            earlier.seek(SeekFrom::Start(self.done))?;
        }
        let mut buffer = vec![0; 1024 * 1024];
        while self.done < self.stamp.size() {
            if budget.is_spent() {
                return Ok(None);
            }
            let again = self.done < self.written;
            let read = match &mut earlier {
                Some(earlier) if again => {
                    let most = usize::try_from(self.written - self.done).unwrap_or(usize::MAX).min(buffer.len());
                    earlier.read(&mut buffer[..most])?
                }
                _ => self.copy_chunk(&mut part, &mut buffer)?,
            };
            if read == 0 {
                return Err(self.changed());
            }
            self.hash.update(&buffer[..read]);
            self.done += read as u64;
            self.written = self.written.max(self.done);
            // What an earlier process copied is only hashed: each process comes further than the one before.
            budget.spend(if again { 0 } else { read as u64 });
        }
        part.sync_all()?;
        if Stamp::of(&self.from)? != self.stamp {
            return Err(self.changed());
        }
        Ok(Some(hex::encode(self.hash.clone().finalize())))
    }

    fn copy_chunk(&mut self, part: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.seek(SeekFrom::Start(self.done))?;
        let left = usize::try_from(self.stamp.size() - self.done).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.source.read(&mut buffer[..left])?;
        part.write_all(&buffer[..read])?;
        Ok(read)
    }

    fn changed(&self) -> io::Error {
        let message = format!("{} changed while it was copied", self.from.display());
        io::Error::new(io::ErrorKind::ResourceBusy, message)
    }
}

#[cfg(test)]
mod tests {
    use trueup_state::clock::SystemClock;

    use super::*;

    #[test]
    fn a_copy_goes_on_where_another_process_left_it() {
        let directory = tempfile::tempdir().unwrap();
        let (from, part) = (directory.path().join("from"), directory.path().join("part"));
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        fs::write(&from, &content).unwrap();
        let mut first = Copy::begin(&from, &part).unwrap();
        assert_eq!(first.step(&mut Budget::step(&SystemClock, 1)).unwrap(), None);
        drop(first);
        assert_eq!(fs::metadata(&part).unwrap().len(), 1024 * 1024);
        let mut second = Copy::begin(&from, &part).unwrap();
        let sum = second.step(&mut Budget::step(&SystemClock, u64::MAX)).unwrap().unwrap();
        assert_eq!(fs::read(&part).unwrap(), content);
        assert_eq!(sum, file_sha256(&from).unwrap().0);
    }

    #[test]
    fn a_time_put_back_does_not_hide_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "one").unwrap();
        let before = Sum::of(&path, None).unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        settle();
        fs::write(&path, "two").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_ne!(Sum::of(&path, Some(&before)).unwrap().sha256, before.sha256);
    }
}
