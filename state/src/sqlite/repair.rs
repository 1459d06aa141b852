//! A repair, as one transaction on the file, with a copy of what was there beside it.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::file::{self, Mark};
use super::keep::keep;
use super::tables::{self, Known, TableError};
use super::transactions::{self, Outcome, begin, end};
use super::{Shared, cut, log};
use crate::codec::{self, SealedValue};
use crate::holder::Holder;
use crate::repair::{self, Change, LostTail, Mended, Remains, Repaired};
use crate::state::State;
use crate::store::{Stack, StoreError};
use crate::value::Value;
use crate::vault::Vault;

/// A repair as it is asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) shared: &'a Shared,
    pub(super) stack: &'a Stack,
    pub(super) holder: &'a Holder,
    /// The state may become an earlier one.
    pub(super) drop_tail: bool,
}

/// A stack as it is found.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) id: i64,
    pub(super) known: Known,
    /// Whether commits are known to be lost, whatever its entries say.
    pub(super) is_cut: bool,
}

/// Puts a stack's journal in order; none where there is no such stack.
pub(super) async fn repair(asked: Asked<'_>) -> Result<Option<Repaired>, StoreError> {
    let path = &asked.shared.path;
    if Mark::read(path)?.is_none() {
        log::check_gone(path)?;
        return Ok(None);
    }
    let fail = |error, writing| match error {
        TableError::Sql(error) => file::failure(path, error, writing),
        TableError::Store(error) => error,
    };
    match log::check(path) {
        Ok(()) => {
            // What needs no repair is not even opened for writing.
            let looked = look(asked).await.map_err(|error| fail(error, false))?;
            if !looked.as_ref().is_some_and(Repaired::is_change) {
                return Ok(looked);
            }
            repair_at_once(asked).await.map_err(|error| fail(error, true))
        }
        Err(StoreError::Damaged { .. }) if asked.drop_tail => {
            cut::repair(asked).await.map_err(|error| fail(error, true))
        }
        // To open it is to drop what is lost, and the trace of it.
        Err(StoreError::Damaged { .. }) => {
            let left = Some(LostTail { kept: None, last: None });
            Ok(Some(Repaired { left, ..Repaired::default() }))
        }
        Err(other) => Err(other),
    }
}

/// What a repair would do.
async fn look(asked: Asked<'_>) -> Outcome<Option<Repaired>> {
    let path = &asked.shared.path;
    let mut connection = file::open_to_read(path, !file::wal(path).exists()).await?;
    let looked = look_in(&mut connection, asked).await;
    // It only reads: there is nothing that closing could lose.
    let _ = connection.close().await;
    looked
}

async fn look_in(connection: &mut SqliteConnection, asked: Asked<'_>) -> Outcome<Option<Repaired>> {
    let mut transaction = connection.begin().await?;
    let Some(case) = find(&mut transaction, asked.stack).await? else { return Ok(None) };
    let Some(remains) = remains(&mut transaction, &case).await? else { return Ok(None) };
    Ok(Some(repair::examine(&remains, asked.drop_tail, asked.shared.clock.now())?.report))
}

async fn repair_at_once(asked: Asked<'_>) -> Outcome<Option<Repaired>> {
    let mut connection = file::open_as_it_is(&asked.shared.path).await?;
    let repaired = repair_in(&mut connection, asked).await;
    // What was committed is durable already.
    let _ = connection.close().await;
    repaired
}

async fn repair_in(connection: &mut SqliteConnection, asked: Asked<'_>) -> Outcome<Option<Repaired>> {
    let mut transaction = begin(connection).await?;
    let outcome = repair_found(&mut transaction, asked).await;
    end(transaction, outcome).await
}

async fn repair_found(connection: &mut SqliteConnection, asked: Asked<'_>) -> Outcome<Option<Repaired>> {
    let path = &asked.shared.path;
    let Some(case) = find(connection, asked.stack).await? else { return Ok(None) };
    let Some(mut repaired) = repair_one(connection, asked, asked.stack, case).await? else { return Ok(None) };
    if repaired.is_change() {
        // What of this transaction is in the log by now is followed by no commit, and no one else writes there.
        repaired.copy = Some(keep(path).map_err(|error| file::io_failure(path, &error))?);
    }
    Ok(Some(repaired))
}

async fn find(connection: &mut SqliteConnection, stack: &Stack) -> Outcome<Option<Case>> {
    let found = transactions::find(connection, stack).await?;
    Ok(found.map(|(id, known)| Case { id, known, is_cut: false }))
}

/// Puts one stack in order, within a transaction; none where it has no journal.
pub(super) async fn repair_one(
    connection: &mut SqliteConnection,
    asked: Asked<'_>,
    stack: &Stack,
    case: Case,
) -> Outcome<Option<Repaired>> {
    let Asked { shared, holder, drop_tail, .. } = asked;
    let id = case.id;
    let mut kept = tables::lease(connection, id).await?;
    // Taken and given back in one: no one else's is overtaken, and one that sleeps is fenced off.
    let lease = kept.take(stack, holder, &*shared.clock, &*shared.processes)?;
    let Some(remains) = remains(connection, &case).await? else { return Ok(None) };
    let remedy = repair::examine(&remains, drop_tail, shared.clock.now())?;
    if let Some(change) = remedy.change {
        kept.release(&lease);
        tables::save_lease(connection, id, &kept).await?;
        if remedy.report.done.iter().any(|done| matches!(done, Mended::Tail(_))) {
            let recipient = recipient(&change.state, &shared.vault);
            shared.forget(stack);
            tables::save_stack(connection, id, &Known { recipient, ..case.known }).await?;
        }
        write(connection, id, change).await?;
    }
    Ok(Some(remedy.report))
}

/// Whom the secrets of an earlier state are sealed for, which entries since may have sealed anew: whom the key at hand is of, where that
/// opens them all. Where it doesn't nobody can tell.
fn recipient(state: &State<SealedValue>, vault: &Vault) -> Option<String> {
    let opened = state.clone().try_map(&mut |value| codec::open(&value, vault)).ok()?;
    let is_ours = opened.any(Value::has_open) && !opened.has_locked();
    vault.recipient().ok().flatten().filter(|_| is_ours)
}

/// What can be read of a stack's journal.
async fn remains(connection: &mut SqliteConnection, case: &Case) -> Outcome<Option<Remains>> {
    let Case { id, known, is_cut } = case;
    let Some(lineage) = known.lineage.clone() else { return Ok(None) };
    let head = readable(tables::head(connection, *id).await)?.ok();
    let checkpoint = readable(tables::checkpoint(connection, *id).await)?.transpose();
    let rows = tables::rows_as_they_are(connection, *id).await?;
    let rows = rows.into_iter().map(|row| (row.serial, row)).collect();
    Ok(Some(Remains { lineage, head, checkpoint, rows, is_cut: *is_cut }))
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

async fn write(connection: &mut SqliteConnection, id: i64, change: Change) -> Outcome<()> {
    let Change { from, rows, head, checkpoint, state: _ } = change;
    tables::remove_rows(connection, id, from).await?;
    tables::add_rows(connection, id, rows).await?;
    tables::save_head(connection, id, &head).await?;
    if let Some(checkpoint) = &checkpoint {
        tables::save_checkpoint(connection, id, checkpoint).await?;
    }
    Ok(())
}
