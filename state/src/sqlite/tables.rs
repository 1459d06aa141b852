//! The tables, and every statement on them.
//!
//! ```text
//! stacks       one row a stack: its names, lineage and recipient, as JSON with a digest
//! leases       one row a stack: who may write, as JSON with a digest
//! heads        one row a stack: where its journal ends, kept apart so that a lost tail is noticed
//! entries      the journals; never deleted from but by a repair
//! checkpoints  the last checkpoint of each stack, its body in parts
//! notes        findings and reports
//! ```
//!
//! A commit of entries touches the last pages of `entries` and the one page of `heads`: stack and serial share one integer key,
//! and nothing has a second index.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures::TryStreamExt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor};

use crate::checkpoint::Checkpoint;
use crate::codec::VaultError;
use crate::entry::Serial;
use crate::journal::{Hash, Head, Row, damaged};
use crate::leases::Kept;
use crate::store::{StoreError, Version};

const TABLES: &str = "
BEGIN;
CREATE TABLE stacks (id INTEGER PRIMARY KEY, body TEXT NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE leases (stack INTEGER PRIMARY KEY, body TEXT NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE heads (stack INTEGER PRIMARY KEY, serial INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE entries (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE checkpoints
    (stack INTEGER PRIMARY KEY, serial INTEGER NOT NULL, hash BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
CREATE TABLE checkpoint_parts (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE notes
    (stack INTEGER NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (stack, name)) STRICT;
COMMIT;
";

/// The bits of an integer key that hold the serial, or the number of a checkpoint's part.
const SERIAL_BITS: u32 = 40;

/// A checkpoint's part: far below SQLite's limit on one value.
const PART: usize = 4 * 1024 * 1024;

/// The most entries that one statement inserts.
const ROWS: usize = 64;

/// What is known of a stack besides its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) blueprint: String,
    pub(super) environment: String,
    pub(super) file: PathBuf,
    /// None until the first lease: a note may come before.
    pub(super) lineage: Option<String>,
    /// Whom its secrets are sealed for, once there was one.
    pub(super) recipient: Option<String>,
    /// Its notes and their versions, so that a lost one is noticed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) notes: BTreeMap<String, Version>,
}

/// Why a statement did not do.
#[derive(Debug)]
pub(super) enum TableError {
    Sql(sqlx::Error),
    Store(StoreError),
}

impl From<sqlx::Error> for TableError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for TableError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

type Result<T, E = TableError> = std::result::Result<T, E>;

/// Makes the tables of an empty state.
pub(super) async fn create(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    connection.execute(TABLES).await.map(|_| ())
}

/// The application that a file belongs to, and its format.
pub(super) async fn format(connection: &mut SqliteConnection) -> Result<(u32, u32), sqlx::Error> {
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    let format: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await?;
    let unsigned = |number: i64| u32::try_from(number).unwrap_or_default();
    Ok((unsigned(application), unsigned(format)))
}

/// All stacks. There are few, and their names need no index that could be damaged. Each has a lease: what is in one of the two
/// tables alone was lost from the other, and is not taken for what was never there.
pub(super) async fn stacks(connection: &mut SqliteConnection) -> Result<Vec<(i64, Known)>> {
    let rows: Vec<(i64, String, Vec<u8>)> =
        sqlx::query_as("SELECT id, body, digest FROM stacks ORDER BY id").fetch_all(&mut *connection).await?;
    let leased: Vec<i64> = sqlx::query_scalar("SELECT stack FROM leases ORDER BY stack").fetch_all(connection).await?;
    if !rows.iter().map(|(id, ..)| id).eq(&leased) {
        return Err(damaged(None, "a stack or its lease is missing").into());
    }
    Ok(rows
        .into_iter()
        .map(|(id, body, digest)| Ok((id, checked("stack", id, &body, &digest)?)))
        .collect::<Result<_, StoreError>>()?)
}

/// One stack.
pub(super) async fn stack(connection: &mut SqliteConnection, id: i64) -> Result<Known> {
    let row = sqlx::query_as("SELECT body, digest FROM stacks WHERE id = ?").bind(id);
    let (body, digest): (String, Vec<u8>) = row.fetch_one(connection).await?;
    Ok(checked("stack", id, &body, &digest)?)
}

/// Adds a stack, with a lease that no one holds; its id.
pub(super) async fn add_stack(connection: &mut SqliteConnection, known: &Known) -> Result<i64> {
    let id: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM stacks").fetch_one(&mut *connection).await?;
    save_stack(connection, id, known).await?;
    save_lease(connection, id, &Kept::default()).await?;
    Ok(id)
}

/// Writes what is known of a stack.
pub(super) async fn save_stack(connection: &mut SqliteConnection, id: i64, known: &Known) -> Result<()> {
    let (body, digest) = guarded("stack", id, known)?;
    let query = sqlx::query("INSERT OR REPLACE INTO stacks (id, body, digest) VALUES (?, ?, ?)");
    query.bind(id).bind(body).bind(digest).execute(connection).await?;
    Ok(())
}

/// A stack's lease.
pub(super) async fn lease(connection: &mut SqliteConnection, id: i64) -> Result<Kept> {
    let row = sqlx::query_as("SELECT body, digest FROM leases WHERE stack = ?").bind(id);
    let (body, digest): (String, Vec<u8>) = row.fetch_one(connection).await?;
    Ok(checked("lease", id, &body, &digest)?)
}

/// Writes a stack's lease.
pub(super) async fn save_lease(connection: &mut SqliteConnection, id: i64, kept: &Kept) -> Result<()> {
    let (body, digest) = guarded("lease", id, kept)?;
    let query = sqlx::query("INSERT OR REPLACE INTO leases (stack, body, digest) VALUES (?, ?, ?)");
    query.bind(id).bind(body).bind(digest).execute(connection).await?;
    Ok(())
}

/// Where a stack's journal ends.
pub(super) async fn head(connection: &mut SqliteConnection, id: i64) -> Result<Head> {
    let row = sqlx::query_as("SELECT serial, hash FROM heads WHERE stack = ?").bind(id);
    let (serial, hash): (i64, Vec<u8>) = row.fetch_one(connection).await?;
    Ok(Head { serial: unsigned(serial)?, hash: as_hash(None, &hash)? })
}

/// Writes where a stack's journal ends.
pub(super) async fn save_head(connection: &mut SqliteConnection, id: i64, head: &Head) -> Result<()> {
    let query = sqlx::query("INSERT OR REPLACE INTO heads (stack, serial, hash) VALUES (?, ?, ?)");
    query.bind(id).bind(signed(head.serial)?).bind(&head.hash[..]).execute(connection).await?;
    Ok(())
}

/// The entries after a serial, oldest first.
pub(super) async fn rows_after(connection: &mut SqliteConnection, id: i64, from: Serial) -> Result<Vec<Row>> {
    let query = sqlx::query_as("SELECT id, hash, body FROM entries WHERE id > ? AND id < ? ORDER BY id");
    let query = query.bind(slot(id, from)?).bind(slot(id + 1, 0)?);
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = query.fetch_all(connection).await?;
    Ok(rows
        .into_iter()
        .map(|(slot, hash, body)| {
            let serial = unsigned(slot & ((1 << SERIAL_BITS) - 1))?;
            Ok(Row { serial, hash: as_hash(Some(serial), &hash)?, body })
        })
        .collect::<Result<_, StoreError>>()?)
}

/// All entries, as far as they are such: a hash that is none reads as one that no entry has.
pub(super) async fn rows_as_they_are(connection: &mut SqliteConnection, id: i64) -> Result<Vec<Row>> {
    let query = sqlx::query_as("SELECT id, hash, body FROM entries WHERE id > ? AND id < ? ORDER BY id");
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> =
        query.bind(slot(id, 0)?).bind(slot(id + 1, 0)?).fetch_all(connection).await?;
    let row = |(slot, hash, body): (i64, Vec<u8>, Vec<u8>)| {
        let serial = unsigned(slot & ((1 << SERIAL_BITS) - 1))?;
        Ok(Row { serial, hash: as_hash(None, &hash).unwrap_or_default(), body })
    };
    Ok(rows.into_iter().map(row).collect::<Result<_, StoreError>>()?)
}

/// Removes the entries from a serial on: for a repair, which puts others in their place.
pub(super) async fn remove_rows(connection: &mut SqliteConnection, id: i64, from: Serial) -> Result<()> {
    let query = sqlx::query("DELETE FROM entries WHERE id >= ? AND id < ?");
    query.bind(slot(id, from)?).bind(slot(id + 1, 0)?).execute(connection).await?;
    Ok(())
}

/// The chain at one entry.
pub(super) async fn hash_at(connection: &mut SqliteConnection, id: i64, serial: Serial) -> Result<Head> {
    let query = sqlx::query_scalar("SELECT hash FROM entries WHERE id = ?").bind(slot(id, serial)?);
    let hash: Option<Vec<u8>> = query.fetch_optional(connection).await?;
    let hash = hash.ok_or_else(|| damaged(Some(serial), "it is missing"))?;
    Ok(Head { serial, hash: as_hash(Some(serial), &hash)? })
}

/// Adds entries.
pub(super) async fn add_rows(connection: &mut SqliteConnection, id: i64, mut rows: Vec<Row>) -> Result<()> {
    while !rows.is_empty() {
        let later = rows.split_off(rows.len().min(ROWS));
        let values = vec!["(?, ?, ?)"; rows.len()].join(", ");
        // Only question marks are put together here.
        let mut query = sqlx::query(AssertSqlSafe(format!("INSERT INTO entries (id, hash, body) VALUES {values}")));
        for row in rows {
            query = query.bind(slot(id, row.serial)?).bind(row.hash.to_vec()).bind(row.body);
        }
        query.execute(&mut *connection).await?;
        rows = later;
    }
    Ok(())
}

/// What one commit adds to a stack's journal.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// The lease that is counted on.
    pub(super) lease: &'a Kept,
    /// The head that it follows, and the one it leads to.
    pub(super) from: Head,
    pub(super) to: Head,
    pub(super) rows: Vec<Row>,
}

/// Adds entries in a transaction of its own, in one exchange; false, and nothing is written, where lease or head is another by now.
pub(super) async fn advance(connection: &mut SqliteConnection, id: i64, step: Step<'_>) -> Result<bool> {
    let (_, digest) = guarded("lease", id, step.lease)?;
    let mut statements = String::from(
        "BEGIN IMMEDIATE;
        UPDATE heads SET serial = ?, hash = ? WHERE stack = ? AND serial = ? AND hash = ?
            AND EXISTS (SELECT 1 FROM leases WHERE stack = ? AND digest = ?) RETURNING serial;",
    );
    let mut left = step.rows.len();
    while left > 0 {
        let values = vec!["(?, ?, ?)"; left.min(ROWS)].join(", ");
        statements += "INSERT INTO entries (id, hash, body) SELECT * FROM (VALUES ";
        statements += &values;
        statements += ") WHERE EXISTS (SELECT 1 FROM heads WHERE stack = ? AND hash = ?);";
        left -= left.min(ROWS);
    }
    statements += "COMMIT;";
    // Only question marks are put together here.
    let mut query = sqlx::query(AssertSqlSafe(statements));
    let hash = |head: &Head| head.hash.to_vec();
    query = query.bind(signed(step.to.serial)?).bind(hash(&step.to)).bind(id);
    query = query.bind(signed(step.from.serial)?).bind(hash(&step.from)).bind(id).bind(digest);
    let last = step.rows.len();
    for (number, row) in (1..).zip(step.rows) {
        query = query.bind(slot(id, row.serial)?).bind(row.hash.to_vec()).bind(row.body);
        if number % ROWS == 0 || number == last {
            query = query.bind(id).bind(hash(&step.to));
        }
    }
    Ok(!query.fetch_all(connection).await?.is_empty())
}

/// A stack's last checkpoint.
pub(super) async fn checkpoint(connection: &mut SqliteConnection, id: i64) -> Result<Option<Checkpoint>> {
    let query = sqlx::query_as("SELECT serial, hash, digest FROM checkpoints WHERE stack = ?").bind(id);
    let found: Option<(i64, Vec<u8>, Vec<u8>)> = query.fetch_optional(&mut *connection).await?;
    let Some((serial, hash, digest)) = found else { return Ok(None) };
    let query = sqlx::query_scalar("SELECT body FROM checkpoint_parts WHERE id >= ? AND id < ? ORDER BY id");
    let mut parts = query.bind(slot(id, 0)?).bind(slot(id + 1, 0)?).fetch(connection);
    let mut body: Vec<u8> = Vec::new();
    while let Some(part) = parts.try_next().await? {
        let part: Vec<u8> = part;
        body.extend(part);
    }
    let serial = unsigned(serial)?;
    let (hash, digest) = (as_hash(Some(serial), &hash)?, as_hash(Some(serial), &digest)?);
    Ok(Some(Checkpoint { serial, hash, digest, body }))
}

/// Writes a checkpoint in place of the last one.
pub(super) async fn save_checkpoint(connection: &mut SqliteConnection, id: i64, kept: &Checkpoint) -> Result<()> {
    let query = sqlx::query("DELETE FROM checkpoint_parts WHERE id >= ? AND id < ?");
    query.bind(slot(id, 0)?).bind(slot(id + 1, 0)?).execute(&mut *connection).await?;
    for (number, part) in (0..).zip(kept.body.chunks(PART)) {
        let query = sqlx::query("INSERT INTO checkpoint_parts (id, body) VALUES (?, ?)");
        query.bind(slot(id, number)?).bind(part).execute(&mut *connection).await?;
    }
    let query = sqlx::query("INSERT OR REPLACE INTO checkpoints (stack, serial, hash, digest) VALUES (?, ?, ?, ?)");
    let query = query.bind(id).bind(signed(kept.serial)?).bind(&kept.hash[..]).bind(&kept.digest[..]);
    query.execute(connection).await?;
    Ok(())
}

/// A note of a stack with its version.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    id: i64,
    known: &Known,
    name: &str,
) -> Result<Option<(Version, Vec<u8>)>> {
    let query = sqlx::query_as("SELECT version, value, digest FROM notes WHERE stack = ? AND name = ?");
    let found: Option<(i64, Vec<u8>, Vec<u8>)> = query.bind(id).bind(name).fetch_optional(connection).await?;
    let last = known.notes.get(name).copied();
    let Some((version, value, digest)) = found else {
        return match last {
            Some(_) => Err(damaged(None, format!("the note `{name}` is missing")).into()),
            None => Ok(None),
        };
    };
    let version = unsigned(version)?;
    // A file from before notes were counted has some that are not.
    let is_last = last.is_none_or(|last| last == version);
    if !is_last || digest != note_digest(id, name, version, &value) {
        return Err(damaged(None, format!("the note `{name}` is not what was written")).into());
    }
    Ok(Some((version, value)))
}

/// Writes a note.
pub(super) async fn save_note(
    connection: &mut SqliteConnection,
    id: i64,
    name: &str,
    version: Version,
    value: &[u8],
) -> Result<()> {
    let query =
        sqlx::query("INSERT OR REPLACE INTO notes (stack, name, version, value, digest) VALUES (?, ?, ?, ?, ?)");
    let digest = note_digest(id, name, version, value);
    query.bind(id).bind(name).bind(signed(version)?).bind(value).bind(digest).execute(connection).await?;
    Ok(())
}

fn note_digest(id: i64, name: &str, version: Version, value: &[u8]) -> Vec<u8> {
    let digest =
        Sha256::new().chain_update(b"note\0").chain_update(id.to_be_bytes()).chain_update(version.to_be_bytes());
    digest.chain_update(name).chain_update(b"\0").chain_update(value).finalize().to_vec()
}

/// The JSON of a row, and what shows damage to it.
fn guarded(what: &str, id: i64, row: &impl Serialize) -> Result<(String, Vec<u8>), StoreError> {
    let body = serde_json::to_string(row).map_err(|error| VaultError::Malformed(error.to_string()))?;
    let digest = row_digest(what, id, &body);
    Ok((body, digest))
}

fn checked<T: DeserializeOwned>(what: &str, id: i64, body: &str, digest: &[u8]) -> Result<T, StoreError> {
    if row_digest(what, id, body) != digest {
        return Err(damaged(None, format!("the {what} is not what was written")));
    }
    serde_json::from_str(body).map_err(|error| damaged(None, format!("the {what} can't be read: {error}")))
}

fn row_digest(what: &str, id: i64, body: &str) -> Vec<u8> {
    Sha256::new().chain_update(what).chain_update(id.to_be_bytes()).chain_update(body).finalize().to_vec()
}

/// The integer key of an entry or a part: the stack's id, and the serial below it.
fn slot(id: i64, serial: u64) -> Result<i64, StoreError> {
    let out = || damaged(Some(serial), "no journal is that long");
    if serial >= 1 << SERIAL_BITS || !(0..1 << (62 - SERIAL_BITS)).contains(&id) {
        return Err(out());
    }
    Ok(id << SERIAL_BITS | i64::try_from(serial).map_err(|_| out())?)
}

fn as_hash(serial: Option<Serial>, bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| damaged(serial, "a hash has 32 bytes"))
}

fn unsigned(number: i64) -> Result<u64, StoreError> {
    number.try_into().map_err(|_| damaged(None, format!("{number} is no serial or version")))
}

fn signed(number: u64) -> Result<i64, StoreError> {
    number.try_into().map_err(|_| damaged(None, format!("{number} is no serial or version")))
}
