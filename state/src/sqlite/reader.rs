//! Reading without leaving a trace.
//!
//! SQLite puts two files of its own beside a database in WAL mode, even to read it. Where none is there no one writes: the file is
//! read as one that can't change, and looked at again afterwards. Where one is there, reading with it adds nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::file::{self, Mark};
use super::log;
use super::tables::{self, Known, TableError};
use crate::checkpoint::Checkpoint;
use crate::entry::Serial;
use crate::journal::{Head, Live, Open, Row};
use crate::leases::Kept;
use crate::store::{Stack, StoreError, Version};

/// How often a file is read as one that can't change before that is given up.
const TRIES: usize = 3;

/// What is asked for besides the stack and its lease.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask<'a> {
    Nothing,
    /// The last checkpoint, and what follows it.
    State,
    /// The entries after a serial.
    After(Serial),
    Note(&'a str),
}

/// What is kept of a stack.
#[derive(Debug)]
pub(super) struct Found {
    /// The blueprint's file as it was last leased with.
    pub(super) file: PathBuf,
    pub(super) lease: Kept,
    pub(super) journal: Option<Journal>,
    pub(super) note: Option<(Version, Vec<u8>)>,
}

/// A stack's journal, or its end.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) lineage: String,
    pub(super) head: Head,
    pub(super) checkpoint: Option<Checkpoint>,
    /// The entry that the rows follow.
    pub(super) from: Head,
    pub(super) rows: Vec<Row>,
}

/// What is kept of a stack; none where it, or the file, is not there.
pub(super) async fn find(path: &Path, stack: &Stack, ask: Ask<'_>) -> Result<Option<Found>, StoreError> {
    for _ in 0..TRIES {
        let Some(before) = Mark::read(path)? else {
            log::check_gone(path)?;
            return Ok(None);
        };
        log::check(path)?;
        if file::wal(path).exists() {
            break;
        }
        let found = find_once(path, stack, ask, true).await;
        if !file::wal(path).exists() && Mark::read(path)? == Some(before) {
            return found;
        }
    }
    find_once(path, stack, ask, false).await
}

async fn find_once(path: &Path, stack: &Stack, ask: Ask<'_>, still: bool) -> Result<Option<Found>, StoreError> {
    let mut connection = file::open_to_read(path, still).await?;
    let found = find_in(&mut connection, stack, ask).await;
    // It only reads: there is nothing that closing could lose.
    let _ = connection.close().await;
    found.map_err(|error| match error {
        TableError::Sql(error) => file::failure(path, error, false),
        TableError::Store(error) => error,
    })
}

async fn find_in(connection: &mut SqliteConnection, stack: &Stack, ask: Ask<'_>) -> Result<Option<Found>, TableError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    let stacks = tables::stacks(connection).await?;
    stack.check_name(stacks.iter().map(|(_, known)| (known.blueprint.as_str(), known.file.as_path())))?;
    let Some((id, known)) = stacks.into_iter().find(|(_, known)| known.is(stack)) else { return Ok(None) };
    let lease = tables::lease(connection, id).await?;
    let journal = match &known.lineage {
        Some(lineage) => journal(connection, id, lineage, ask).await?,
        None => None,
    };
    let note = match ask {
        Ask::Note(name) => tables::note(connection, id, &known, name).await?,
        _ => None,
    };
    Ok(Some(Found { file: known.file, lease, journal, note }))
}

/// What is asked for of a stack's journal.
pub(super) async fn journal(
    connection: &mut SqliteConnection,
    id: i64,
    lineage: &str,
    ask: Ask<'_>,
) -> Result<Option<Journal>, TableError> {
    let head = tables::head(connection, id).await?;
    let checkpoint = match ask {
        Ask::State => tables::checkpoint(connection, id).await?,
        Ask::After(_) => None,
        Ask::Nothing | Ask::Note(_) => return Ok(None),
    };
    let from = match (ask, &checkpoint) {
        (Ask::After(serial), _) if serial >= head.serial => head,
        (Ask::After(serial), _) if serial > 0 => tables::hash_at(connection, id, serial).await?,
        (_, Some(checkpoint)) => Head { serial: checkpoint.serial, hash: checkpoint.hash },
        _ => Head::origin(lineage),
    };
    let rows = tables::rows_after(connection, id, from.serial).await?;
    Ok(Some(Journal { lineage: lineage.to_owned(), head, checkpoint, from, rows }))
}

impl Journal {
    /// What it adds up to.
    pub(super) fn replay<V: Clone + Send>(&self, open: Open<'_, V>) -> Result<Live<V>, StoreError> {
        Live::replay(&self.lineage, self.head, self.checkpoint.as_ref(), &self.rows, open)
    }
}

impl Known {
    /// A stack that was never leased.
    pub(super) fn new(stack: &Stack) -> Self {
        Self {
            blueprint: stack.blueprint.clone(),
            environment: stack.environment.clone(),
            file: stack.file.clone(),
            lineage: None,
            recipient: None,
            notes: BTreeMap::new(),
        }
    }

    /// Whether it is this stack.
    pub(super) fn is(&self, stack: &Stack) -> bool {
        self.blueprint == stack.blueprint && self.environment == stack.environment
    }
}
