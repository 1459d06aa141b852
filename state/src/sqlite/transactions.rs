//! Leases, notes and checkpoints: each is read, changed and written in one transaction.

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection, Transaction};

use super::Shared;
use super::tables::{self, Known, TableError};
use crate::checkpoint::Checkpoint;
use crate::holder::Holder;
use crate::journal::{self, Head};
use crate::leases::Kept;
use crate::store::{Lease, Stack, StoreError, Version};

pub(super) type Outcome<T> = Result<T, TableError>;

/// A lease that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) id: i64,
    pub(super) kept: Kept,
    pub(super) lease: Lease,
    pub(super) recipient: Option<String>,
}

pub(super) async fn begin(connection: &mut SqliteConnection) -> Outcome<Transaction<'_, Sqlite>> {
    Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
}

pub(super) async fn end<T>(transaction: Transaction<'_, Sqlite>, outcome: Outcome<T>) -> Outcome<T> {
    match outcome {
        Ok(outcome) => {
            transaction.commit().await?;
            Ok(outcome)
        }
        Err(error) => {
            // SQLite has rolled it back itself after some errors.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}

/// The stack's row, its name checked against those of others.
pub(super) async fn find(connection: &mut SqliteConnection, stack: &Stack) -> Outcome<Option<(i64, Known)>> {
    let stacks = tables::stacks(connection).await?;
    stack.check_name(stacks.iter().map(|(_, known)| (known.blueprint.as_str(), known.file.as_path())))?;
    Ok(stacks.into_iter().find(|(_, known)| known.is(stack)))
}

async fn find_or_add(connection: &mut SqliteConnection, stack: &Stack) -> Outcome<(i64, Known)> {
    if let Some(found) = find(connection, stack).await? {
        return Ok(found);
    }
    let known = Known::new(stack);
    Ok((tables::add_stack(connection, &known).await?, known))
}

pub(super) async fn take(
    connection: &mut SqliteConnection,
    shared: &Shared,
    stack: &Stack,
    holder: &Holder,
) -> Outcome<Taken> {
    let mut transaction = begin(connection).await?;
    let outcome = take_in(&mut transaction, shared, stack, holder).await;
    end(transaction, outcome).await
}

async fn take_in(connection: &mut SqliteConnection, shared: &Shared, stack: &Stack, holder: &Holder) -> Outcome<Taken> {
    let (id, mut known) = find_or_add(connection, stack).await?;
    let mut kept = tables::lease(connection, id).await?;
    let lease = kept.take(stack, holder, &*shared.clock, &*shared.processes)?;
    tables::save_lease(connection, id, &kept).await?;
    if known.file != stack.file {
        move_file(connection, &known, stack).await?;
        known.file.clone_from(&stack.file);
    }
    if known.lineage.is_none() {
        let lineage = journal::lineage(&*shared.entropy);
        tables::save_head(connection, id, &Head::origin(&lineage)).await?;
        known.lineage = Some(lineage);
        tables::save_stack(connection, id, &known).await?;
    }
    Ok(Taken { id, kept, lease, recipient: known.recipient })
}

/// A blueprint's file moved: for all its environments that had it there.
async fn move_file(connection: &mut SqliteConnection, from: &Known, to: &Stack) -> Outcome<()> {
    for (id, mut known) in tables::stacks(connection).await? {
        if known.blueprint == from.blueprint && known.file == from.file {
            known.file.clone_from(&to.file);
            tables::save_stack(connection, id, &known).await?;
        }
    }
    Ok(())
}

/// Reads a lease, changes it and writes it, as one; it comes back with the stack's id. None where there is no such stack.
pub(super) async fn change_lease<T>(
    connection: &mut SqliteConnection,
    stack: &Stack,
    change: impl FnOnce(&mut Kept) -> Result<T, StoreError>,
) -> Outcome<Option<(i64, Kept, T)>> {
    let mut transaction = begin(connection).await?;
    let outcome = match find(&mut transaction, stack).await {
        Ok(Some((id, _))) => {
            change_kept(&mut transaction, id, change).await.map(|(kept, changed)| Some((id, kept, changed)))
        }
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    end(transaction, outcome).await
}

async fn change_kept<T>(
    connection: &mut SqliteConnection,
    id: i64,
    change: impl FnOnce(&mut Kept) -> Result<T, StoreError>,
) -> Outcome<(Kept, T)> {
    let mut kept = tables::lease(connection, id).await?;
    let changed = change(&mut kept)?;
    tables::save_lease(connection, id, &kept).await?;
    Ok((kept, changed))
}

pub(super) async fn write_note(
    connection: &mut SqliteConnection,
    stack: &Stack,
    name: &str,
    expected: Option<Version>,
    value: &[u8],
) -> Outcome<Version> {
    let mut transaction = begin(connection).await?;
    let outcome = write_note_in(&mut transaction, stack, name, expected, value).await;
    end(transaction, outcome).await
}

async fn write_note_in(
    connection: &mut SqliteConnection,
    stack: &Stack,
    name: &str,
    expected: Option<Version>,
    value: &[u8],
) -> Outcome<Version> {
    let (id, mut known) = find_or_add(connection, stack).await?;
    let found = tables::note(connection, id, &known, name).await?.map(|(version, _)| version);
    if found != expected {
        return Err(StoreError::Conflict { found }.into());
    }
    let version = found.unwrap_or(0) + 1;
    tables::save_note(connection, id, name, version, value).await?;
    known.notes.insert(name.to_owned(), version);
    tables::save_stack(connection, id, &known).await?;
    Ok(version)
}

/// Writes a checkpoint in place of the last one.
pub(super) async fn write_checkpoint(
    connection: &mut SqliteConnection,
    id: i64,
    checkpoint: &Checkpoint,
) -> Outcome<()> {
    let mut transaction = begin(connection).await?;
    let outcome = tables::save_checkpoint(&mut transaction, id, checkpoint).await;
    end(transaction, outcome).await
}
