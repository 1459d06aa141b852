//! Where the provider keeps what it makes, and how it writes there: private, and never half.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

/// The two directories of the provider. Both paths are absolute; they are made when first needed, for their owner alone.
#[derive(Clone, Debug)]
pub struct LocalHome {
    /// What the stacks of one working directory make: its `.trueup/local`.
    pub root: PathBuf,
    /// What all stacks of the user share on this machine: who has which port and which GPU.
    pub machine: PathBuf,
}

/// The failure of a file operation. `doing` says what was tried: `write /a/b`.
pub(crate) fn io_error(doing: impl std::fmt::Display, error: &io::Error) -> ProviderError {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Class::Denied,
        io::ErrorKind::NotFound => Class::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Class::Quota,
        io::ErrorKind::Interrupted | io::ErrorKind::ResourceBusy => Class::Transient,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Class::Invalid { field: None },
        _ => Class::Internal,
    };
    ProviderError::new(class, format!("could not {doing}: {error}"))
}

/// A request that can't be right because of one field.
pub(crate) fn invalid(field: &str, message: impl Into<String>) -> ProviderError {
    ProviderError::new(Class::Invalid { field: Some(field.to_owned()) }, message)
}

/// Adds what was being done to a file operation's failure.
pub(crate) trait Doing<T> {
    /// `what` and `path` read as `could not WHAT PATH`.
    fn doing(self, what: &str, path: &Path) -> Result<T, ProviderError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: &str, path: &Path) -> Result<T, ProviderError> {
        self.map_err(|error| io_error(format!("{what} {}", path.display()), &error))
    }
}

/// How often something is tried that another, who tidies up, may take the ground from.
const TRIES: usize = 16;

/// Tries again where a directory was found empty and removed between two steps.
fn on_firm_ground<T>(step: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut tried = 1;
    loop {
        match step() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tried < TRIES => tried += 1,
            result => return result,
        }
    }
}

/// Makes a directory and those above it, for their owner alone.
pub(crate) fn make_dir(path: &Path) -> Result<(), ProviderError> {
    on_firm_ground(|| make_dirs(path)).doing("make the directory", path)
}

fn make_dirs(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces a file's content in one step, so that a reader or a crash meets the old or the new and nothing between.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<(), ProviderError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let temporary = draft_of(path);
    let write = || {
        make_dirs(parent)?;
        let mut file = private_file(&temporary, true)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(parent)?.sync_all()
    };
    on_firm_ground(write).doing("write", path)
}

/// Where a file's next content is written first. A run that was killed may leave it; the next write takes it over.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Removes a file that [`write_file`] wrote, and its draft where a killed run left one.
pub(crate) fn remove_file(path: &Path) -> Result<(), ProviderError> {
    remove(&draft_of(path))?;
    remove(path)
}

/// Opens a file of the owner alone for writing, from its beginning or to go on at its end.
pub(crate) fn private_file(path: &Path, truncate: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    if truncate {
        options.write(true).truncate(true)
    } else {
        options.append(true)
    };
    options.open(path)
}

/// A file's content; none where there is no such file.
pub(crate) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, ProviderError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(format!("read {}", path.display()), &error)),
    }
}

/// Removes a file or a whole directory; one that is gone already is fine.
pub(crate) fn remove(path: &Path) -> Result<(), ProviderError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("remove {}", path.display()), &error))
        }
        _ => Ok(()),
    }
}

/// Removes a directory and those above it up to `top`, and `top` too, for as long as they are empty.
pub(crate) fn prune_all(path: &Path, top: &Path) {
    prune(path, top);
    // Not empty, or gone already: either is fine.
    let _ = fs::remove_dir(top);
}

/// Removes a directory and those above it up to `top`, which stays, for as long as they are empty.
pub(crate) fn prune(path: &Path, top: &Path) {
    let mut path = path;
    while path.starts_with(top) && path != top && fs::remove_dir(path).is_ok() {
        match path.parent() {
            Some(parent) => path = parent,
            None => return,
        }
    }
}

/// Holds a directory against every other process and thread that locks it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lock, which ends as it closes")] File);

impl Lock {
    /// Makes the directory where needed, and waits for the lock.
    pub(crate) fn hold(directory: &Path) -> Result<Self, ProviderError> {
        loop {
            let open = || make_dirs(directory).and_then(|()| File::open(directory));
            let file = on_firm_ground(open).doing("open", directory)?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)
                .map_err(io::Error::from)
                .doing("lock", directory)?;
            // Whoever had the lock may have removed the directory: then another one is at its path by now, or none.
            if same_file(&file, directory) {
                return Ok(Self(file));
            }
        }
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let ids = |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| (metadata.dev(), metadata.ino())).ok();
    ids(file.metadata()).is_some_and(|held| Some(held) == ids(fs::metadata(path)))
}

/// A name that is one step down from its directory, and not hidden there.
pub(crate) fn checked_name(name: &str) -> Result<&str, ProviderError> {
    name_fault(name).map_or(Ok(name), |message| Err(invalid("name", message)))
}

/// Why a text can't be such a name, if it can't.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.len() > 222 {
        return Some("a name here has at most 222 characters".to_owned());
    }
    let fits = !name.is_empty() && !name.starts_with('.') && name.chars().all(plain);
    (!fits).then(|| format!("`{name}` can't be a name here: use letters, digits, `-`, `_` and `.`, but no `.` first"))
}

/// The path of relative text that stays below where it starts.
pub(crate) fn checked_path(field: &str, text: &str) -> Result<PathBuf, ProviderError> {
    path_fault(text).map_or_else(|| Ok(PathBuf::from(text)), |message| Err(invalid(field, message)))
}

/// Why a text can't be such a path, if it can't.
pub(crate) fn path_fault(text: &str) -> Option<String> {
    use std::path::Component;
    let plain = |part: Component| matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.'));
    if text.is_empty() || !Path::new(text).components().all(plain) {
        let message =
            format!("`{text}` must be a path inside, without `..`, a leading `/` or names that begin with `.`");
        return Some(message);
    }
    let holds = |name: &str| name.len() <= 255 && !name.contains('\0');
    (!text.split('/').all(holds)).then(|| "a name in it has more than 255 bytes, or a NUL".to_owned())
}

/// The directory behind a `file://` address, or behind a plain absolute path.
pub(crate) fn file_path(uri: &str) -> Option<PathBuf> {
    let path = Path::new(uri.strip_prefix("file://").unwrap_or(uri));
    path.is_absolute().then(|| path.to_owned())
}

/// The `file://` address of a path.
pub(crate) fn file_uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_its_directory_is_refused() {
        for name in ["", "..", ".hidden", "a/b", "/a", "a\0b", "a b", &"a".repeat(223)] {
            assert!(checked_name(name).is_err(), "{name:?}");
        }
        assert!(checked_name("chat-weights_1.0").is_ok());
        for path in ["../a", "/a", "a/../b", "", "a/.git/x", "a\0b", &"a".repeat(256)] {
            assert!(checked_path("path", path).is_err(), "{path:?}");
        }
        assert!(checked_path("path", "models/a.b").is_ok());
    }

    #[test]
    fn what_is_written_is_private_and_whole() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.json");
        write_file(&path, b"1").unwrap();
        write_file(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
