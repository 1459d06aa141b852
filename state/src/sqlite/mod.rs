//! The store in one SQLite file: the embedded default.
//!
//! Several stacks live in one file, which is made with the first write. Reading makes nothing. Everything is written through one
//! connection, opened by the first write and closed when the last lease taken through it is given back.

mod beside;
mod commit;
mod cut;
mod file;
mod keep;
mod log;
mod reader;
mod repair;
mod tables;
mod transactions;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::clock::{Clock, Entropy};
use crate::codec::{self, SealedValue};
use crate::entry::{Entry, Serial};
use crate::holder::{Holder, Processes};
use crate::journal;
use crate::repair::Repaired;
use crate::state::State;
use crate::store::{Lease, Snapshot, Stack, Store, StoreError, Version};
use crate::vault::Vault;
use reader::Ask;
use repair::Asked;
use writer::{Job, Names, Writer};

/// A store in one SQLite file. It works within a tokio runtime. A call that is given up half way leaves nothing half done.
pub struct SqliteStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    processes: Arc<dyn Processes>,
    writer: tokio::sync::Mutex<Writer>,
    /// The appends that wait for a commit.
    queue: Mutex<Vec<Job>>,
    /// Whom the secrets of stacks are sealed for, as far as that is known.
    recipients: Mutex<BTreeMap<Names, String>>,
}

impl SqliteStore {
    /// The store in the file at `path`. Nothing is opened yet.
    pub fn new(
        path: impl Into<PathBuf>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        processes: Arc<dyn Processes>,
    ) -> Self {
        let shared = Shared {
            path: path.into(),
            vault,
            clock,
            entropy,
            processes,
            writer: tokio::sync::Mutex::default(),
            queue: Mutex::default(),
            recipients: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where the file is, or will be.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteStore({})", self.shared.path.display())
    }
}

impl Shared {
    fn recipient(&self, stack: &Stack) -> Option<String> {
        lock(&self.recipients).get(&writer::names(stack)).cloned()
    }

    fn remember(&self, names: Names, recipient: String) {
        lock(&self.recipients).insert(names, recipient);
    }

    /// Whom they are sealed for is read again.
    fn forget(&self, stack: &Stack) {
        lock(&self.recipients).remove(&writer::names(stack));
    }

    /// Runs to its end, whether or not the caller waits for it: a transaction is never left open.
    async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        tokio::spawn(work).await.unwrap_or_else(|error| Err(file::backend(&self.path, &error)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for SqliteStore {
    async fn snapshot(&self, stack: &Stack) -> Result<Snapshot, StoreError> {
        let found = reader::find(&self.shared.path, stack, Ask::State).await?;
        let (file, journal) = found.map(|found| (found.file, found.journal)).unzip();
        let state = match journal.flatten() {
            Some(journal) => Some(journal.replay(&|value| codec::open(&value, &*self.shared.vault))?.state),
            None => None,
        };
        Ok(Snapshot { state, location: self.shared.path.display().to_string(), file })
    }

    async fn sealed(&self, stack: &Stack) -> Result<Option<State<SealedValue>>, StoreError> {
        let found = reader::find(&self.shared.path, stack, Ask::State).await?;
        let live = found.and_then(|found| found.journal).map(|journal| journal.replay(&Ok)).transpose()?;
        Ok(live.map(|live| live.state))
    }

    async fn lease(&self, stack: &Stack, holder: &Holder) -> Result<Lease, StoreError> {
        let (shared, stack, holder) = (Arc::clone(&self.shared), stack.clone(), holder.clone());
        let work = async move {
            let mut writer = shared.writer.lock().await;
            let lease = writer.lease(&shared, &stack, &holder).await;
            writer.rest().await;
            lease
        };
        self.shared.detached(work).await
    }

    async fn renew(&self, lease: &mut Lease) -> Result<(), StoreError> {
        let (shared, old) = (Arc::clone(&self.shared), lease.clone());
        let work = async move { shared.writer.lock().await.renew(&shared, &old).await };
        *lease = self.shared.detached(work).await?;
        Ok(())
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let work = async move {
            let mut writer = shared.writer.lock().await;
            let released = writer.release(&shared, &lease).await;
            writer.rest().await;
            released
        };
        self.shared.detached(work).await
    }

    async fn holder(&self, stack: &Stack) -> Result<Option<Holder>, StoreError> {
        let found = reader::find(&self.shared.path, stack, Ask::Nothing).await?;
        let Some(kept) = found.map(|found| found.lease) else { return Ok(None) };
        Ok(kept.holder(self.shared.clock.now(), &*self.shared.processes).cloned())
    }

    async fn break_lease(&self, stack: &Stack, seen: &Holder) -> Result<(), StoreError> {
        if file::inode(&self.shared.path).is_none() {
            return Ok(());
        }
        let (shared, stack, seen) = (Arc::clone(&self.shared), stack.clone(), seen.clone());
        let work = async move {
            let mut writer = shared.writer.lock().await;
            let broken = writer.break_off(&shared, &stack, &seen).await;
            writer.rest().await;
            broken
        };
        self.shared.detached(work).await
    }

    async fn append(&self, lease: &Lease, entries: &[Entry]) -> Result<Serial, StoreError> {
        let known = self.shared.recipient(&lease.stack);
        let batch = journal::seal(entries, &self.shared.vault, known.as_deref())?;
        let (reply, answer) = oneshot::channel();
        lock(&self.shared.queue).push(Job { lease: lease.clone(), batch, reply });
        let shared = Arc::clone(&self.shared);
        // Each append brings a task that commits all that wait by the time it gets the writer; many find nothing left to do.
        tokio::spawn(async move {
            let mut writer = shared.writer.lock().await;
            // Those whom the last commit answered get to ask again before this one begins: more share it.
            tokio::task::yield_now().await;
            let jobs = std::mem::take(&mut *lock(&shared.queue));
            if !jobs.is_empty() {
                writer.commit(&shared, jobs).await;
            }
        });
        answer.await.unwrap_or_else(|_| Err(file::backend(&self.shared.path, "the writer stopped")))
    }

    async fn history(&self, stack: &Stack, from: Serial) -> Result<Vec<Entry>, StoreError> {
        let found = reader::find(&self.shared.path, stack, Ask::After(from)).await?;
        match found.and_then(|found| found.journal) {
            Some(kept) => journal::history(kept.from, kept.head, &kept.rows, &*self.shared.vault),
            None => Ok(Vec::new()),
        }
    }

    async fn repair(&self, stack: &Stack, holder: &Holder, drop_tail: bool) -> Result<Option<Repaired>, StoreError> {
        let (shared, stack, holder) = (Arc::clone(&self.shared), stack.clone(), holder.clone());
        let work = async move {
            let mut writer = shared.writer.lock().await;
            writer.rest().await;
            repair::repair(Asked { shared: &shared, stack: &stack, holder: &holder, drop_tail }).await
        };
        self.shared.detached(work).await
    }

    async fn note(
        &self,
        stack: &Stack,
        key: &str,
        expected: Option<Version>,
        value: &[u8],
    ) -> Result<Version, StoreError> {
        let (shared, stack) = (Arc::clone(&self.shared), stack.clone());
        let (key, value) = (key.to_owned(), value.to_vec());
        let work = async move {
            let mut writer = shared.writer.lock().await;
            let version = writer.note(&shared, &stack, &key, expected, &value).await;
            writer.rest().await;
            version
        };
        self.shared.detached(work).await
    }

    async fn read_note(&self, stack: &Stack, key: &str) -> Result<Option<(Version, Vec<u8>)>, StoreError> {
        Ok(reader::find(&self.shared.path, stack, Ask::Note(key)).await?.and_then(|found| found.note))
    }
}
