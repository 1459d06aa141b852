//! Copies of a file with all that SQLite has beside it: each whole or not at all, and for its owner alone.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{beside, file, log};
use crate::files::{directory_of, sync_directory};

/// A copy in a directory of its own, which goes with it unless it is kept.
#[derive(Debug)]
pub(super) struct Draft {
    directory: PathBuf,
    /// The copy of the file itself.
    file: PathBuf,
}

impl Draft {
    /// Copies a file, its log and the log's index as they are, under the names that they have.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let directory = directory_of(path).join(format!(".repair-{}-{number}", std::process::id()));
        // A process of the same id may have died here once.
        let _ = fs::remove_dir_all(&directory);
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let draft = Self { file: directory.join(name), directory };
        let (log, index) = (read(&file::wal(path))?, read(&file::index(path))?);
        // An empty log says nothing, and neither does its index, unless that there was more.
        let is_empty = log.as_ref().is_some_and(Vec::is_empty) && log::check(path).is_ok();
        for (to, bytes) in [
            (draft.file.clone(), Some(read(path)?.ok_or(io::ErrorKind::NotFound)?)),
            (file::wal(&draft.file), log.filter(|_| !is_empty)),
            (file::index(&draft.file), index.filter(|_| !is_empty)),
        ] {
            bytes.map_or(Ok(()), |bytes| write_new(&to, &bytes))?;
        }
        sync_directory(&draft.directory)?;
        Ok(draft)
    }

    /// The copy of the file itself.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Puts one more file there.
    pub(super) fn add(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.directory.join(name);
        write_new(&path, bytes)?;
        Ok(path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing can be done about one that can't be removed, and nothing depends on it. One that is kept has another name by now.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Copies a file, its log and the log's index into a new directory beside it, `before-repair-1` or the next. The directory.
pub(super) fn keep(path: &Path) -> io::Result<PathBuf> {
    let draft = Draft::of(path)?;
    let around = directory_of(path);
    let mut number = 1_u32;
    loop {
        let kept = around.join(format!("before-repair-{number}"));
        let renamed = if fs::symlink_metadata(&kept).is_ok() {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            fs::rename(&draft.directory, &kept)
        };
        match renamed {
            Ok(()) => {
                sync_directory(around)?;
                return Ok(kept);
            }
            // Another process may have been first.
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty) => {
                number += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    beside::open(path)?.map(|file| beside::read(&file, usize::MAX)).transpose()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
