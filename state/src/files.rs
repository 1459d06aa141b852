//! What every file that is written here needs of its directory.

use std::fs;
use std::io;
use std::path::Path;

/// The directory that a file stands in: `.` of a bare name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes it durable which files a directory has.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
