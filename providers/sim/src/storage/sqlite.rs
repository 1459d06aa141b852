//! A cloud in one SQLite file.
//!
//! A commit is in the hands of the operating system when it returns, so it outlives the process, however that ends. It is not forced to
//! the disk: a rehearsal need not survive a power cut, and is ten times as fast for it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tokio::sync::{Mutex, MutexGuard};

use super::{Rows, Storage, StorageError, Table, Transaction, past};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(30);

/// The cloud's file.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    connection: Mutex<Connection>,
}

#[derive(Debug)]
struct Connection {
    sqlite: SqliteConnection,
    /// A transaction was given up, and is still open there.
    open: bool,
}

/// A transaction in the file. What it writes goes there in one exchange, with the commit: each exchange is with another thread.
struct Changes<'a> {
    path: &'a Path,
    connection: MutexGuard<'a, Connection>,
    /// What is to be written, by its key; none for what is removed.
    writes: BTreeMap<(Table, String), Option<Vec<u8>>>,
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> StorageError {
    StorageError::File { file: path.display().to_string(), reason: reason.to_string() }
}

impl File {
    /// Opens the file, and makes it with mode 0600 where it is missing.
    pub(crate) async fn open(path: &Path) -> Result<Self, StorageError> {
        let fail = |reason: &dyn std::fmt::Display| failed(path, reason);
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| fail(&error))?;
        }
        // Made here, so that it is private before anything is in it.
        let made = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        made.map_err(|error| fail(&error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let mut sqlite = options.connect().await.map_err(|error| fail(&error))?;
        let table = "CREATE TABLE IF NOT EXISTS rows (place INTEGER NOT NULL, key TEXT NOT NULL, row BLOB NOT NULL, \
                     PRIMARY KEY (place, key)) WITHOUT ROWID, STRICT";
        sqlx::query(table).execute(&mut sqlite).await.map_err(|error| fail(&error))?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(Connection { sqlite, open: false }) })
    }
}

#[async_trait]
impl Storage for File {
    async fn begin(&self) -> Result<Box<dyn Transaction + '_>, StorageError> {
        let connection = self.connection.lock().await;
        let mut changes = Changes { path: &self.path, connection, writes: BTreeMap::new() };
        if changes.connection.open {
            changes.run("ROLLBACK").await?;
        }
        changes.run("BEGIN IMMEDIATE").await?;
        changes.connection.open = true;
        Ok(Box::new(changes))
    }
}

impl Changes<'_> {
    async fn run(&mut self, statement: &'static str) -> Result<(), StorageError> {
        let done = sqlx::query(statement).execute(&mut self.connection.sqlite).await;
        done.map(|_| ()).map_err(|error| failed(self.path, &error))
    }

    /// Writes what is to be written, and what comes after that.
    async fn flush(&mut self, after: &str) -> Result<(), StorageError> {
        let writes = std::mem::take(&mut self.writes);
        let statement = |row: &Option<Vec<u8>>| match row {
            Some(_) => "INSERT OR REPLACE INTO rows VALUES (?, ?, ?);",
            None => "DELETE FROM rows WHERE place = ? AND key = ?;",
        };
        let statements: String = writes.values().map(statement).chain([after]).collect();
        if statements.is_empty() {
            return Ok(());
        }
        // Only the statements above are put together.
        let mut query = sqlx::query(AssertSqlSafe(statements));
        for ((table, key), row) in writes {
            query = query.bind(table as i64).bind(key);
            if let Some(row) = row {
                query = query.bind(row);
            }
        }
        let done = query.execute(&mut self.connection.sqlite).await;
        done.map(|_| ()).map_err(|error| failed(self.path, &error))
    }
}

#[async_trait]
impl Transaction for Changes<'_> {
    async fn get(&mut self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        if let Some(row) = self.writes.get(&(table, key.to_owned())) {
            return Ok(row.clone());
        }
        let query = sqlx::query("SELECT row FROM rows WHERE place = ? AND key = ?").bind(table as i64).bind(key);
        let row = query.fetch_optional(&mut self.connection.sqlite).await;
        row.map(|row| row.map(|row| row.get(0))).map_err(|error| failed(self.path, &error))
    }

    async fn put(&mut self, table: Table, key: &str, row: Vec<u8>) -> Result<(), StorageError> {
        self.writes.insert((table, key.to_owned()), Some(row));
        Ok(())
    }

    async fn remove(&mut self, table: Table, key: &str) -> Result<(), StorageError> {
        self.writes.insert((table, key.to_owned()), None);
        Ok(())
    }

    async fn page(&mut self, table: Table, prefix: &str, after: &str, limit: usize) -> Result<Rows, StorageError> {
        self.flush("").await?;
        let query = sqlx::query(
            "SELECT key, row FROM rows WHERE place = ? AND key >= ? AND key > ? AND key < ? ORDER BY key LIMIT ?",
        );
        let query = query.bind(table as i64).bind(prefix).bind(after).bind(past(prefix));
        let query = query.bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = query.fetch_all(&mut self.connection.sqlite).await;
        let rows = rows.map_err(|error| failed(self.path, &error))?;
        Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StorageError> {
        self.flush("COMMIT").await?;
        self.connection.open = false;
        Ok(())
    }
}
