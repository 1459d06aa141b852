//! A repair where the end of the log is lost, and with it what any stack of the file may have committed there.
//!
//! SQLite takes the end that it finds for the end, and once it has opened the file nothing tells that there was another. So a copy is
//! opened and put in order. The file is left as it is until that is done, and then gets the copy's log, at one stroke: whoever dies
//! on the way leaves a log that is cut still, or one that is whole.

use std::fs;
use std::path::Path;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::keep::{Draft, keep};
use super::repair::{Asked, Case, repair_one};
use super::transactions::{self, Outcome, begin, end};
use super::{beside, file, log, tables};
use crate::files::{directory_of, sync_directory};
use crate::repair::{Other, Repaired};
use crate::store::{Stack, StoreError};

/// Puts the journals of all stacks in order, as far as their log goes; none, and nothing is changed, where there is no such stack.
pub(super) async fn repair(asked: Asked<'_>) -> Outcome<Option<Repaired>> {
    let path = &asked.shared.path;
    let fail = |error| file::io_failure(path, &error);
    if beside::is_open_elsewhere(&file::index(path)).map_err(fail)? {
        // What that one writes from now on would be lost with the log that it knows.
        return Err(file::backend(path, "another process has it open still, which is to be ended first").into());
    }
    let draft = Draft::of(path).map_err(fail)?;
    let Some((mut repaired, log)) = in_copy(asked, draft.file()).await? else { return Ok(None) };
    let log = draft.add("log", &log).map_err(fail)?;
    repaired.copy = Some(keep(path).map_err(fail)?);
    put(path, &log)?;
    Ok(Some(repaired))
}

/// Puts a copy in order. What its log is then.
async fn in_copy(asked: Asked<'_>, copy: &Path) -> Outcome<Option<(Repaired, Vec<u8>)>> {
    let mut connection = file::open_as_it_is(copy).await?;
    let repaired = in_connection(asked, &mut connection, copy).await;
    // The copy is thrown away.
    let _ = connection.close().await;
    repaired
}

async fn in_connection(
    asked: Asked<'_>,
    connection: &mut SqliteConnection,
    copy: &Path,
) -> Outcome<Option<(Repaired, Vec<u8>)>> {
    // What is written is to be in the log alone.
    sqlx::query("PRAGMA wal_autocheckpoint = 0").execute(&mut *connection).await?;
    let mut transaction = begin(connection).await?;
    let outcome = all_stacks(asked, &mut transaction).await;
    match end(transaction, outcome).await? {
        Some(repaired) => Ok(Some((repaired, log::committed(copy)?))),
        None => Ok(None),
    }
}

async fn all_stacks(asked: Asked<'_>, connection: &mut SqliteConnection) -> Outcome<Option<Repaired>> {
    if transactions::find(connection, asked.stack).await?.is_none() {
        return Ok(None);
    }
    let (mut repaired, mut others) = (None, Vec::new());
    for (id, known) in tables::stacks(connection).await? {
        let is_asked = known.is(asked.stack);
        let (blueprint, environment) = (known.blueprint.clone(), known.environment.clone());
        let stack = Stack { blueprint, environment, file: known.file.clone() };
        let case = Case { id, known, is_cut: true };
        let Some(found) = repair_one(connection, asked, &stack, case).await? else { continue };
        if is_asked {
            repaired = Some(found);
        } else {
            let Repaired { serial, resources, done, .. } = found;
            let Stack { blueprint, environment, .. } = stack;
            others.push(Other { blueprint, environment, serial, resources, done });
        }
    }
    Ok(repaired.map(|repaired| Repaired { others, ..repaired }))
}

/// Gives a file another log. The index of the one before is of no use to it.
fn put(path: &Path, log: &Path) -> Result<(), StoreError> {
    let put = || {
        fs::rename(log, file::wal(path))?;
        sync_directory(directory_of(path))?;
        match fs::remove_file(file::index(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => sync_directory(directory_of(path)),
        }
    };
    put().map_err(|error| file::io_failure(path, &error))
}
