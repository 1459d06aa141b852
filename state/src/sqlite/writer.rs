//! The one connection that writes, and what goes through it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection, Transaction};
use tokio::sync::oneshot;

use super::reader::{self, Ask};
use super::tables::{self, Known, TableError};
use super::{Shared, file};
use crate::entry::Serial;
use crate::holder::Holder;
use crate::journal::{self, Batch, Checkpoint, Head, Live, Row};
use crate::leases::Kept;
use crate::store::{Fencing, Lease, Stack, StoreError, Version};

/// A stack's names in the file.
pub(super) type Names = (String, String);

/// An append that waits for its commit.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) lease: Lease,
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<Serial, StoreError>>,
}

/// The connection, and what it saves from being read again.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// With the file's inode, to see whether the file is still there.
    connection: Option<(SqliteConnection, u64)>,
    /// The ids of stacks; they never change.
    ids: BTreeMap<Names, i64>,
    /// What the journals add up to. Good for as long as their heads are those in the file.
    live: BTreeMap<i64, Live>,
    /// The leases taken here and not given back.
    held: BTreeSet<(Names, Fencing)>,
}

type Outcome<T> = Result<T, TableError>;

impl Writer {
    /// Takes a lease.
    pub(super) async fn lease(&mut self, shared: &Shared, stack: &Stack, holder: &Holder) -> Result<Lease, StoreError> {
        let mut connection = self.connect(shared, true).await?;
        let outcome = take(&mut connection.0, shared, stack, holder).await;
        let (lease, recipient) = self.settle(shared, connection, outcome)?;
        if let Some(recipient) = recipient {
            shared.remember(names(stack), recipient);
        }
        self.held.insert((names(stack), lease.fencing));
        Ok(lease)
    }

    /// Moves a lease's deadline on.
    pub(super) async fn renew(&mut self, shared: &Shared, lease: &Lease) -> Result<Lease, StoreError> {
        let mut connection = self.connect(shared, false).await?;
        let outcome = change_lease(&mut connection.0, &lease.stack, |kept| kept.renew(lease, &*shared.clock)).await;
        self.settle(shared, connection, outcome)?.ok_or(StoreError::Fenced)
    }

    /// Gives a lease back.
    pub(super) async fn release(&mut self, shared: &Shared, lease: &Lease) -> Result<(), StoreError> {
        self.held.remove(&(names(&lease.stack), lease.fencing));
        let mut connection = self.connect(shared, false).await?;
        let outcome = change_lease(&mut connection.0, &lease.stack, |kept| Ok(kept.release(lease))).await;
        self.settle(shared, connection, outcome).map(|_| ())
    }

    /// Ends another's lease.
    pub(super) async fn break_off(&mut self, shared: &Shared, stack: &Stack, seen: &Holder) -> Result<(), StoreError> {
        let mut connection = self.connect(shared, false).await?;
        let change = |kept: &mut Kept| kept.break_off(seen, shared.clock.now(), &*shared.processes);
        let outcome = change_lease(&mut connection.0, stack, change).await;
        self.settle(shared, connection, outcome).map(|_| ())
    }

    /// Writes a note.
    pub(super) async fn note(
        &mut self,
        shared: &Shared,
        stack: &Stack,
        name: &str,
        expected: Option<Version>,
        value: &[u8],
    ) -> Result<Version, StoreError> {
        let mut connection = self.connect(shared, true).await?;
        let outcome = write_note(&mut connection.0, stack, name, expected, value).await;
        self.settle(shared, connection, outcome)
    }

    /// Writes the appends that wait, in one commit, and tells each what became of it.
    pub(super) async fn commit(&mut self, shared: &Shared, jobs: Vec<Job>) {
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for job in jobs {
            requests.push((job.lease, job.batch));
            replies.push(job.reply);
        }
        let outcomes = match self.commit_all(shared, requests).await {
            Ok(outcomes) => outcomes,
            Err(error) => replies.iter().map(|_| Err(error.clone())).collect(),
        };
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // Whoever asked may have gone.
            let _ = reply.send(outcome);
        }
        self.checkpoint(shared).await;
    }

    async fn commit_all(
        &mut self,
        shared: &Shared,
        requests: Vec<(Lease, Batch)>,
    ) -> Result<Vec<Result<Serial, StoreError>>, StoreError> {
        let mut connection = self.connect(shared, false).await?;
        // If it fails, what is in memory goes with the transaction, and the file is read again.
        let lives = std::mem::take(&mut self.live);
        let outcome = append(&mut connection.0, shared, &mut self.ids, lives, requests).await;
        let (lives, outcomes) = self.settle(shared, connection, outcome)?;
        self.live = lives;
        Ok(outcomes)
    }

    /// Writes the checkpoints that are due. They only spare reading: a failure is no one's, and is tried again much later.
    async fn checkpoint(&mut self, shared: &Shared) {
        for id in self.live.keys().copied().collect::<Vec<_>>() {
            let Some(Ok(Some(checkpoint))) = self.live.get(&id).map(Live::checkpoint_due) else { continue };
            if let Ok(mut connection) = self.connect(shared, false).await {
                let outcome = write_checkpoint(&mut connection.0, id, &checkpoint).await;
                let _ = self.settle(shared, connection, outcome);
            }
            if let Some(live) = self.live.get_mut(&id) {
                live.checkpointed(&checkpoint);
            }
        }
    }

    /// Closes the connection if no lease needs it: then the file alone is the state, with none of SQLite's beside it.
    pub(super) async fn rest(&mut self) {
        if self.held.is_empty()
            && let Some((connection, _)) = self.connection.take()
        {
            self.ids.clear();
            self.live.clear();
            // What was committed is durable already.
            let _ = connection.close().await;
        }
    }

    /// The connection, opened where it is not. `make`: so is the file.
    async fn connect(&mut self, shared: &Shared, make: bool) -> Result<(SqliteConnection, u64), StoreError> {
        let there = file::inode(&shared.path);
        match self.connection.take() {
            // What is written to a file that was removed or replaced would be lost.
            Some((connection, inode)) if there == Some(inode) => return Ok((connection, inode)),
            _ => {}
        }
        self.ids.clear();
        self.live.clear();
        if there.is_none() && !make {
            return Err(file::backend(&shared.path, "it is no longer there"));
        }
        let connection = file::open_to_write(&shared.path).await?;
        let inode = file::inode(&shared.path).ok_or_else(|| file::backend(&shared.path, "it is no longer there"))?;
        Ok((connection, inode))
    }

    /// Keeps the connection unless it failed.
    fn settle<T>(
        &mut self,
        shared: &Shared,
        connection: (SqliteConnection, u64),
        outcome: Outcome<T>,
    ) -> Result<T, StoreError> {
        match outcome {
            Ok(outcome) => {
                self.connection = Some(connection);
                Ok(outcome)
            }
            Err(TableError::Store(error)) if !matches!(error, StoreError::Damaged { .. }) => {
                self.connection = Some(connection);
                Err(error)
            }
            Err(TableError::Store(error)) => Err(error),
            Err(TableError::Sql(error)) => Err(file::failure(&shared.path, error, true)),
        }
    }
}

async fn begin(connection: &mut SqliteConnection) -> Outcome<Transaction<'_, Sqlite>> {
    Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
}

async fn end<T>(transaction: Transaction<'_, Sqlite>, outcome: Outcome<T>) -> Outcome<T> {
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
async fn find(connection: &mut SqliteConnection, stack: &Stack) -> Outcome<Option<(i64, Known)>> {
    let stacks = tables::stacks(connection).await?;
    stack.check_name(stacks.iter().map(|(_, known)| (known.blueprint.as_str(), known.file.as_path())))?;
    Ok(stacks.into_iter().find(|(_, known)| known.is(stack)))
}

async fn take(
    connection: &mut SqliteConnection,
    shared: &Shared,
    stack: &Stack,
    holder: &Holder,
) -> Outcome<(Lease, Option<String>)> {
    let mut transaction = begin(connection).await?;
    let outcome = take_in(&mut transaction, shared, stack, holder).await;
    end(transaction, outcome).await
}

async fn take_in(
    connection: &mut SqliteConnection,
    shared: &Shared,
    stack: &Stack,
    holder: &Holder,
) -> Outcome<(Lease, Option<String>)> {
    let (id, mut known) = if let Some(found) = find(connection, stack).await? {
        found
    } else {
        let known = Known::new(stack);
        (tables::add_stack(connection, &known).await?, known)
    };
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
    Ok((lease, known.recipient))
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

/// Reads a lease, changes it and writes it, as one. None where there is no such stack.
async fn change_lease<T>(
    connection: &mut SqliteConnection,
    stack: &Stack,
    change: impl FnOnce(&mut Kept) -> Result<T, StoreError>,
) -> Outcome<Option<T>> {
    let mut transaction = begin(connection).await?;
    let outcome = match find(&mut transaction, stack).await {
        Ok(Some((id, _))) => change_kept(&mut transaction, id, change).await.map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    end(transaction, outcome).await
}

async fn change_kept<T>(
    connection: &mut SqliteConnection,
    id: i64,
    change: impl FnOnce(&mut Kept) -> Result<T, StoreError>,
) -> Outcome<T> {
    let mut kept = tables::lease(connection, id).await?;
    let changed = change(&mut kept)?;
    tables::save_lease(connection, id, &kept).await?;
    Ok(changed)
}

async fn write_note(
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
    let id = match find(connection, stack).await? {
        Some((id, _)) => id,
        None => tables::add_stack(connection, &Known::new(stack)).await?,
    };
    let found = tables::note(connection, id, name).await?.map(|(version, _)| version);
    if found != expected {
        return Err(StoreError::Conflict { found }.into());
    }
    let version = found.unwrap_or(0) + 1;
    tables::save_note(connection, id, name, version, value).await?;
    Ok(version)
}

async fn write_checkpoint(connection: &mut SqliteConnection, id: i64, checkpoint: &Checkpoint) -> Outcome<()> {
    let mut transaction = begin(connection).await?;
    let outcome = tables::save_checkpoint(&mut transaction, id, checkpoint).await;
    end(transaction, outcome).await
}

type Lives = BTreeMap<i64, Live>;

async fn append(
    connection: &mut SqliteConnection,
    shared: &Shared,
    ids: &mut BTreeMap<Names, i64>,
    lives: Lives,
    requests: Vec<(Lease, Batch)>,
) -> Outcome<(Lives, Vec<Result<Serial, StoreError>>)> {
    let mut transaction = begin(connection).await?;
    let outcome = append_in(&mut transaction, shared, ids, lives, requests).await;
    end(transaction, outcome).await
}

async fn append_in(
    connection: &mut SqliteConnection,
    shared: &Shared,
    ids: &mut BTreeMap<Names, i64>,
    mut lives: Lives,
    requests: Vec<(Lease, Batch)>,
) -> Outcome<(Lives, Vec<Result<Serial, StoreError>>)> {
    let mut pages: BTreeMap<i64, Page> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for (lease, batch) in requests {
        let Some(id) = id_of(connection, ids, &lease.stack).await? else {
            outcomes.push(Err(StoreError::Fenced));
            continue;
        };
        let page = match pages.entry(id) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(place) => place.insert(Page::read(connection, id, lives.remove(&id)).await?),
        };
        outcomes.push(page.add(shared, &lease, batch));
    }
    for (id, page) in pages {
        lives.insert(id, page.write(connection, shared, id).await?);
    }
    Ok((lives, outcomes))
}

async fn id_of(
    connection: &mut SqliteConnection,
    ids: &mut BTreeMap<Names, i64>,
    stack: &Stack,
) -> Outcome<Option<i64>> {
    let names = names(stack);
    if !ids.contains_key(&names) {
        for (id, known) in tables::stacks(connection).await? {
            ids.insert((known.blueprint, known.environment), id);
        }
    }
    Ok(ids.get(&names).copied())
}

/// A stack as it stands within one commit.
struct Page {
    known: Known,
    kept: Kept,
    live: Live,
    rows: Vec<Row>,
    /// Whether the stack's first secrets are among the rows.
    sealed: bool,
}

impl Page {
    async fn read(connection: &mut SqliteConnection, id: i64, live: Option<Live>) -> Outcome<Self> {
        let known = tables::stack(connection, id).await?;
        let kept = tables::lease(connection, id).await?;
        let head = tables::head(connection, id).await?;
        let live = match live.filter(|live| live.head() == head) {
            Some(live) => live,
            None => read_live(connection, id, &known).await?,
        };
        Ok(Self { known, kept, live, rows: Vec::new(), sealed: false })
    }

    fn add(&mut self, shared: &Shared, lease: &Lease, batch: Batch) -> Result<Serial, StoreError> {
        self.kept.check(lease, &*shared.clock)?;
        let recipient = batch.recipient.clone();
        if let (Some(known), Some(found)) = (&self.known.recipient, &recipient) {
            journal::check_recipient(known, Some(found))?;
        }
        let serial = self.live.add(batch, &mut self.rows)?;
        if self.known.recipient.is_none() && recipient.is_some() {
            self.known.recipient = recipient;
            self.sealed = true;
        }
        Ok(serial)
    }

    async fn write(self, connection: &mut SqliteConnection, shared: &Shared, id: i64) -> Outcome<Live> {
        if !self.rows.is_empty() {
            tables::add_rows(connection, id, self.rows).await?;
            tables::save_head(connection, id, &self.live.head()).await?;
        }
        if self.sealed {
            tables::save_stack(connection, id, &self.known).await?;
        }
        if let Some(recipient) = self.known.recipient {
            shared.remember((self.known.blueprint, self.known.environment), recipient);
        }
        Ok(self.live)
    }
}

async fn read_live(connection: &mut SqliteConnection, id: i64, known: &Known) -> Outcome<Live> {
    let missing = || journal::damaged(None, "the stack has no journal");
    let lineage = known.lineage.as_deref().ok_or_else(missing)?;
    let journal = reader::journal(connection, id, lineage, Ask::State).await?.ok_or_else(missing)?;
    Ok(journal.replay()?)
}

/// A stack's names.
pub(super) fn names(stack: &Stack) -> Names {
    (stack.blueprint.clone(), stack.environment.clone())
}
