//! A repair, as one transaction on the file, with a copy of what was there beside it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::file::{self, Mark};
use super::tables::{self, Known, TableError};
use super::transactions::{self, Outcome, begin, end};
use super::{Shared, beside, log};
use crate::holder::Holder;
use crate::repair::{self, LostTail, Remains, Remedy, Repaired};
use crate::store::{Stack, StoreError};

/// Puts a stack's journal in order; none where there is no such stack.
pub(super) async fn repair(
    shared: &Shared,
    stack: &Stack,
    holder: &Holder,
    drop_tail: bool,
) -> Result<Option<Repaired>, StoreError> {
    let path = &shared.path;
    if Mark::read(path)?.is_none() {
        log::check_gone(path)?;
        return Ok(None);
    }
    let is_cut = match log::check(path) {
        Ok(()) => false,
        // To open it is to drop what is lost, and the trace of it.
        Err(StoreError::Damaged { .. }) if !drop_tail => {
            let left = Some(LostTail { kept: None, last: None });
            return Ok(Some(Repaired { left, ..Repaired::default() }));
        }
        Err(StoreError::Damaged { .. }) => true,
        Err(other) => return Err(other),
    };
    let fail = |error, writing| match error {
        TableError::Sql(error) => file::failure(path, error, writing),
        TableError::Store(error) => error,
    };
    if !is_cut {
        // What needs no repair is not even opened for writing.
        let looked = look(shared, stack, drop_tail).await.map_err(|error| fail(error, false))?;
        if !looked.as_ref().is_some_and(Repaired::is_change) {
            return Ok(looked);
        }
    }
    let mut connection = file::open_as_it_is(path).await?;
    let repaired = repair_at_once(&mut connection, shared, stack, holder, (is_cut, drop_tail)).await;
    // What was committed is durable already.
    let _ = connection.close().await;
    repaired.map_err(|error| fail(error, true))
}

/// What a repair would do.
async fn look(shared: &Shared, stack: &Stack, drop_tail: bool) -> Outcome<Option<Repaired>> {
    let path = &shared.path;
    let mut connection = file::open_to_read(path, !file::wal(path).exists()).await?;
    let looked = look_in(&mut connection, shared, stack, drop_tail).await;
    // It only reads: there is nothing that closing could lose.
    let _ = connection.close().await;
    looked
}

async fn look_in(
    connection: &mut SqliteConnection,
    shared: &Shared,
    stack: &Stack,
    drop_tail: bool,
) -> Outcome<Option<Repaired>> {
    let mut transaction = connection.begin().await?;
    let Some((id, known)) = transactions::find(&mut transaction, stack).await? else { return Ok(None) };
    let Some(remains) = remains(&mut transaction, id, &known, false).await? else { return Ok(None) };
    Ok(Some(repair::examine(&remains, drop_tail, shared.clock.now())?.report))
}

async fn repair_at_once(
    connection: &mut SqliteConnection,
    shared: &Shared,
    stack: &Stack,
    holder: &Holder,
    how: (bool, bool),
) -> Outcome<Option<Repaired>> {
    let mut transaction = begin(connection).await?;
    let outcome = repair_in(&mut transaction, shared, stack, holder, how).await;
    end(transaction, outcome).await
}

async fn repair_in(
    connection: &mut SqliteConnection,
    shared: &Shared,
    stack: &Stack,
    holder: &Holder,
    (is_cut, drop_tail): (bool, bool),
) -> Outcome<Option<Repaired>> {
    let Some((id, known)) = transactions::find(connection, stack).await? else { return Ok(None) };
    let mut kept = tables::lease(connection, id).await?;
    // Taken and given back in one: no one else's is overtaken, and one that sleeps is fenced off.
    let lease = kept.take(stack, holder, &*shared.clock, &*shared.processes)?;
    let Some(remains) = remains(connection, id, &known, is_cut).await? else { return Ok(None) };
    let mut remedy = repair::examine(&remains, drop_tail, shared.clock.now())?;
    if remedy.report.is_change() {
        remedy.report.copy = Some(copy(&shared.path)?);
        kept.release(&lease);
        tables::save_lease(connection, id, &kept).await?;
        write(connection, id, &mut remedy).await?;
    }
    Ok(Some(remedy.report))
}

/// What can be read of a stack's journal.
async fn remains(connection: &mut SqliteConnection, id: i64, known: &Known, is_cut: bool) -> Outcome<Option<Remains>> {
    let Some(lineage) = known.lineage.clone() else { return Ok(None) };
    let head = readable(tables::head(connection, id).await)?.ok();
    let checkpoint = readable(tables::checkpoint(connection, id).await)?.transpose();
    let rows = tables::rows_as_they_are(connection, id).await?;
    let rows = rows.into_iter().map(|row| (row.serial, row)).collect();
    Ok(Some(Remains { lineage, head, checkpoint, rows, is_cut }))
}

/// What was read; or why it can't be, where that is for it alone.
fn readable<T>(read: Outcome<T>) -> Outcome<Result<T, String>> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(TableError::Store(StoreError::Damaged { reason, .. })) => Ok(Err(reason)),
        Err(TableError::Sql(sqlx::Error::RowNotFound)) => Ok(Err("it is missing".to_owned())),
        Err(other) => Err(other),
    }
}

async fn write(connection: &mut SqliteConnection, id: i64, remedy: &mut Remedy) -> Outcome<()> {
    tables::remove_rows(connection, id, remedy.from).await?;
    tables::add_rows(connection, id, std::mem::take(&mut remedy.rows)).await?;
    tables::save_head(connection, id, &remedy.head).await?;
    if let Some(checkpoint) = &remedy.checkpoint {
        tables::save_checkpoint(connection, id, checkpoint).await?;
    }
    Ok(())
}

/// Copies the file, and its log, for their owner alone. The path of the copy.
fn copy(path: &Path) -> Result<PathBuf, StoreError> {
    let fail = |error: &io::Error| file::io_failure(path, error);
    let candidates = (1..).map(|number: u32| file::beside(path, &format!(".before-repair-{number}")));
    for candidate in candidates {
        match write_new(path, &candidate) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fail(&error)),
            Ok(()) => {
                let log = file::wal(path);
                if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
                    write_new(&log, &file::wal(&candidate)).map_err(|error| fail(&error))?;
                }
                return Ok(candidate);
            }
        }
    }
    Err(file::backend(path, "there are too many copies beside it"))
}

fn write_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let kept = beside::open(from)?.ok_or(io::ErrorKind::NotFound)?;
    file.write_all(&beside::read(&kept, usize::MAX)?)?;
    file.sync_all()
}
