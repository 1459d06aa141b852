//! Files that SQLite has open too, read beside it.
//!
//! A process that closes a file loses every lock that it has on it, those of its SQLite connections among them: another process would then
//! take itself for the only one, truncate the index of the log under this one's feet, or remove the log. So what was opened here stays open
//! for as long as the file has a name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{FlockType, fcntl_getlk};

/// Files by device and inode.
static OPEN: Mutex<BTreeMap<(u64, u64), Arc<File>>> = Mutex::new(BTreeMap::new());

/// The file that stands there; none where there is none.
pub(super) fn open(path: &Path) -> io::Result<Option<Arc<File>>> {
    let there = match fs::metadata(path) {
        Ok(there) => there,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, file| file.metadata().is_ok_and(|metadata| metadata.nlink() > 0));
    if let Some(file) = open.get(&(there.dev(), there.ino())) {
        return Ok(Some(Arc::clone(file)));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Another one may have come to its path meanwhile.
    let opened = file.metadata()?;
    let file = Arc::new(file);
    if let Some(former) = open.insert((opened.dev(), opened.ino()), Arc::clone(&file)) {
        std::mem::forget(former);
    }
    Ok(Some(file))
}

/// Whether another process has a lock on a file, as each has on the index of the log for as long as it has the file open.
pub(super) fn is_open_elsewhere(path: &Path) -> io::Result<bool> {
    let Some(file) = open(path)? else { return Ok(false) };
    Ok(fcntl_getlk(&*file, &FlockType::WriteLock.into())?.is_some())
}

/// All of a file, or its first bytes.
pub(super) fn read(file: &File, most: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(most);
    let (mut bytes, mut read) = (vec![0; length], 0);
    while read < length {
        match file.read_at(&mut bytes[read..], u64::try_from(read).unwrap_or(u64::MAX))? {
            0 => break,
            more => read += more,
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}
