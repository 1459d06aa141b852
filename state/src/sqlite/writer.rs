//! The one connection that writes, and what goes through it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::commit::{self, Pages};
use super::tables::TableError;
use super::transactions::{self, Outcome, Taken};
use super::{Shared, file};
use crate::entry::Serial;
use crate::holder::Holder;
use crate::journal::{Batch, More};
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
    /// The stacks as they stood after their last commit here.
    pages: Pages,
    /// The leases taken here and not given back.
    held: BTreeSet<(Names, Fencing)>,
}

impl Writer {
    /// Takes a lease.
    pub(super) async fn lease(&mut self, shared: &Shared, stack: &Stack, holder: &Holder) -> Result<Lease, StoreError> {
        let mut connection = self.connect(shared, true).await?;
        let outcome = transactions::take(&mut connection.0, shared, stack, holder).await;
        let Taken { id, kept, lease, recipient } = self.settle(shared, connection, outcome)?;
        self.keep(id, kept);
        if let Some(recipient) = recipient {
            shared.remember(names(stack), recipient);
        }
        self.held.insert((names(stack), lease.fencing));
        Ok(lease)
    }

    /// Moves a lease's deadline on.
    pub(super) async fn renew(&mut self, shared: &Shared, lease: &Lease) -> Result<Lease, StoreError> {
        let mut connection = self.connect(shared, false).await?;
        let outcome =
            transactions::change_lease(&mut connection.0, &lease.stack, |kept| kept.renew(lease, &*shared.clock)).await;
        let (id, kept, renewed) = self.settle(shared, connection, outcome)?.ok_or(StoreError::Fenced)?;
        self.keep(id, kept);
        Ok(renewed)
    }

    /// Gives a lease back.
    pub(super) async fn release(&mut self, shared: &Shared, lease: &Lease) -> Result<(), StoreError> {
        self.held.remove(&(names(&lease.stack), lease.fencing));
        self.checkpoint(shared, More::Rests).await;
        let mut connection = self.connect(shared, false).await?;
        let outcome = transactions::change_lease(&mut connection.0, &lease.stack, |kept| Ok(kept.release(lease))).await;
        if let Some((id, kept, _)) = self.settle(shared, connection, outcome)? {
            self.keep(id, kept);
        }
        Ok(())
    }

    /// Ends another's lease.
    pub(super) async fn break_off(&mut self, shared: &Shared, stack: &Stack, seen: &Holder) -> Result<(), StoreError> {
        let mut connection = self.connect(shared, false).await?;
        let change = |kept: &mut Kept| kept.break_off(seen, shared.clock.now(), &*shared.processes);
        let outcome = transactions::change_lease(&mut connection.0, stack, change).await;
        if let Some((id, kept, ())) = self.settle(shared, connection, outcome)? {
            self.keep(id, kept);
        }
        Ok(())
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
        let outcome = transactions::write_note(&mut connection.0, stack, name, expected, value).await;
        self.settle(shared, connection, outcome)
    }

    /// Writes the appends that wait, in one commit, and tells each what became of it.
    pub(super) async fn commit(&mut self, shared: &Shared, jobs: Vec<Job>) {
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for job in jobs {
            requests.push((job.lease, job.batch));
            replies.push(job.reply);
        }
        let outcomes = match self.commit_all(shared, &requests).await {
            Ok(outcomes) => outcomes,
            Err(error) => replies.iter().map(|_| Err(error.clone())).collect(),
        };
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // Whoever asked may have gone.
            let _ = reply.send(outcome);
        }
        self.checkpoint(shared, More::Comes).await;
    }

    async fn commit_all(
        &mut self,
        shared: &Shared,
        requests: &[(Lease, Batch)],
    ) -> Result<Vec<Result<Serial, StoreError>>, StoreError> {
        let mut connection = self.connect(shared, false).await?;
        // If it fails, what is in memory goes with the transaction, and the file is read again.
        let pages = std::mem::take(&mut self.pages);
        let outcome = commit::append(&mut connection.0, shared, &mut self.ids, pages, requests).await;
        let (pages, outcomes) = self.settle(shared, connection, outcome)?;
        self.pages = pages;
        Ok(outcomes)
    }

    /// Writes the checkpoints that are due. They only spare reading: a failure is no one's, and is tried again much later.
    async fn checkpoint(&mut self, shared: &Shared, more: More) {
        for id in self.pages.keys().copied().collect::<Vec<_>>() {
            let Some(Ok(Some(checkpoint))) = self.pages.get(&id).map(|page| page.live.checkpoint_due(more)) else {
                continue;
            };
            if let Ok(mut connection) = self.connect(shared, false).await {
                let outcome = transactions::write_checkpoint(&mut connection.0, id, &checkpoint).await;
                let _ = self.settle(shared, connection, outcome);
            }
            if let Some(page) = self.pages.get_mut(&id) {
                page.live.checkpointed(&checkpoint);
            }
        }
    }

    /// A lease changed here.
    fn keep(&mut self, id: i64, kept: Kept) {
        if let Some(page) = self.pages.get_mut(&id) {
            page.kept = kept;
        }
    }

    /// Closes the connection if no lease needs it: then the file alone is the state, with none of SQLite's beside it.
    pub(super) async fn rest(&mut self) {
        if self.held.is_empty()
            && let Some((connection, _)) = self.connection.take()
        {
            self.ids.clear();
            self.pages.clear();
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
        self.pages.clear();
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

/// A stack's names.
pub(super) fn names(stack: &Stack) -> Names {
    (stack.blueprint.clone(), stack.environment.clone())
}
