//! The file itself: how it comes to be, what tells it from others' files, and what its errors mean.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::{log, tables};
use crate::files::{directory_of, sync_directory};
use crate::journal::damaged;
use crate::store::StoreError;

/// The newest format that is known here, kept as SQLite's `user_version`.
pub(super) const FORMAT: u32 = 1;

/// Tells the file from other programs' SQLite files: "True".
const APPLICATION: u32 = 0x5472_7565;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The length of SQLite's file header.
const HEADER: usize = 100;

/// Small: a commit of one entry writes four pages or five, whatever their size, and most of a large one would be written in vain.
pub(super) const PAGE_SIZE: u32 = 1024;

/// How long one process waits for another's commit.
const BUSY: Duration = Duration::from_secs(10);

/// What a file looked like, to see whether it changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    header: Vec<u8>,
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

impl Mark {
    /// What the file looks like now, if it is ours; none where there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let fail = |error: io::Error| backend(path, &error);
        let Some(file) = super::beside::open(path).map_err(fail)? else { return Ok(None) };
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(foreign(path, "it is no regular file"));
        }
        let header = super::beside::read(&file, HEADER).map_err(fail)?;
        check_header(path, &header)?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Some(Self { header, inode: metadata.ino(), len: metadata.len(), modified }))
    }
}

/// Which file stands there, if one does.
pub(super) fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}

/// The file beside it that holds what is not in it yet.
pub(super) fn wal(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The file beside it that says how far its log goes.
pub(super) fn index(path: &Path) -> PathBuf {
    beside(path, "-shm")
}

/// A file beside it, whose name goes on so.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn check_header(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    let start = &header[..header.len().min(MAGIC.len())];
    if !MAGIC.starts_with(start) {
        return Err(foreign(path, "it is no SQLite file"));
    }
    if header.len() < HEADER {
        return Err(damaged(None, format!("{} is cut short", path.display())));
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    check_format(path, number(68), number(60))
}

fn check_format(path: &Path, application: u32, format: u32) -> Result<(), StoreError> {
    match format {
        _ if application != APPLICATION => Err(foreign(path, "it is another program's SQLite file")),
        FORMAT => Ok(()),
        found if found > FORMAT => Err(StoreError::Newer { found, known: FORMAT }),
        found => Err(damaged(None, format!("there is no format {found}"))),
    }
}

/// Opens for reading alone. `still`: no one writes, and SQLite need not put its own files beside it to find out.
pub(super) async fn open_to_read(path: &Path, still: bool) -> Result<SqliteConnection, StoreError> {
    let options = options(path).read_only(true).immutable(still);
    options.connect().await.map_err(|error| failure(path, error, false))
}

/// Opens for writing, and makes file and directory where they are missing.
pub(super) async fn open_to_write(path: &Path) -> Result<SqliteConnection, StoreError> {
    if Mark::read(path)?.is_none() {
        log::check_gone(path)?;
        create(path).await?;
        Mark::read(path)?;
    }
    log::check(path)?;
    open_as_it_is(path).await
}

/// Opens a file for writing whatever its log has lost: SQLite takes the end that it finds for the end.
pub(super) async fn open_as_it_is(path: &Path) -> Result<SqliteConnection, StoreError> {
    let fail = |error| failure(path, error, true);
    let options = options(path)
        // Durable on return, on a Mac too.
        .synchronous(SqliteSynchronous::Full)
        .pragma("fullfsync", "1")
        .pragma("wal_autocheckpoint", (8 * 1024 * 1024 / PAGE_SIZE).to_string())
        .pragma("journal_size_limit", (64 * 1024 * 1024).to_string());
    let mut connection = options.connect().await.map_err(fail)?;
    // A newer Trueup may have raised the format since, in what is not in the file itself yet.
    let (application, format) = tables::format(&mut connection).await.map_err(fail)?;
    check_format(path, application, format)?;
    Ok(connection)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).busy_timeout(BUSY).disable_statement_logging()
}

/// Makes the file whole or not at all: it appears under its name by a link, which fails where another process was first.
async fn create(path: &Path) -> Result<(), StoreError> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let directory = directory_of(path);
    make_directory(directory).map_err(|error| io_failure(path, &error))?;
    let draft = directory.join(format!(".state-{}-{}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
    let made = fill(&draft).await.and_then(|()| {
        let linked = fs::hard_link(&draft, path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        });
        linked.and_then(|()| sync_directory(directory)).map_err(|error| io_failure(path, &error))
    });
    // Nothing can be done about a draft that can't be removed, and nothing depends on it.
    let _ = fs::remove_file(&draft);
    made
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let new = !directory.exists();
    if new {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    // A directory of someone else's is left as it is.
    if new || directory.file_name().is_some_and(|name| name == ".trueup") {
        match fs::OpenOptions::new().write(true).create_new(true).open(directory.join(".gitignore")) {
            Ok(mut file) => file.write_all(b"*\n")?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes an empty state to a new file. It is in place before it gets its name, so its header is never only in the log.
async fn fill(draft: &Path) -> Result<(), StoreError> {
    let _ = fs::remove_file(draft);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
    let file = file.map_err(|error| io_failure(draft, &error))?;
    let fail = |error| failure(draft, error, true);
    let options = options(draft)
        .page_size(PAGE_SIZE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("application_id", APPLICATION.to_string())
        .pragma("user_version", FORMAT.to_string());
    let mut connection = options.connect().await.map_err(fail)?;
    tables::create(&mut connection).await.map_err(fail)?;
    connection.close().await.map_err(fail)?;
    file.sync_all().map_err(|error| io_failure(draft, &error))
}

/// What an error of SQLite's means to the caller.
pub(super) fn failure(path: &Path, error: sqlx::Error, writing: bool) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
            let message = error.message();
            match code & 0xff {
                8 => read_only(path, message),                                   // SQLITE_READONLY
                13 => StoreError::Full { location: path.display().to_string() }, // SQLITE_FULL
                11 | 26 => damaged(None, message),                               // SQLITE_CORRUPT, SQLITE_NOTADB
                10 if code == 522 => damaged(None, "the file is cut short"),     // SQLITE_IOERR_SHORT_READ
                // Only the operating system knows why a write failed, and SQLite does not pass it on. Who reads beside a log makes room for
                // its index: SQLITE_IOERR_SHMSIZE.
                10 if writing || code == 4874 => match no_room(path) {
                    Some(error) => io_failure(path, &error),
                    None => backend(path, message),
                },
                1 if message.starts_with("no such") => damaged(None, message),
                _ => backend(path, message),
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
            damaged(None, error.to_string())
        }
        other => backend(path, &other),
    }
}

/// Why nothing more can be written next to the file, if that is so: found out by writing as far out as SQLite would.
fn no_room(path: &Path) -> Option<io::Error> {
    let end = [path.to_owned(), wal(path)].iter().filter_map(|path| fs::metadata(path).ok()).map(|at| at.len()).max();
    let probe = path.with_extension("probe");
    let tried = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&probe)?;
        file.seek(SeekFrom::Start(end.unwrap_or_default()))?;
        file.write_all(&vec![0; 64 * 1024])?;
        file.sync_all()
    })();
    let _ = fs::remove_file(&probe);
    tried.err()
}

/// What an error of the operating system's means to the caller, who wanted to write.
pub(super) fn io_failure(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { location: path.display().to_string() }
        }
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::AlreadyExists => read_only(path, error),
        _ => backend(path, error),
    }
}

/// Anything else.
pub(super) fn backend(path: &Path, reason: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::Backend { location: path.display().to_string(), reason: reason.to_string() }
}

fn read_only(path: &Path, reason: &(impl ToString + ?Sized)) -> StoreError {
    StoreError::ReadOnly { location: path.display().to_string(), reason: reason.to_string() }
}

fn foreign(path: &Path, reason: &str) -> StoreError {
    StoreError::Foreign { location: path.display().to_string(), reason: reason.to_owned() }
}
