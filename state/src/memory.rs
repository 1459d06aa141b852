//! A store in memory, for simulation and tests: the same journal, leases and refusals as on disk, and faults on request.
//!
//! Clones share one storage, as processes share a file. What was acknowledged is never lost.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::checkpoint::Checkpoint;
use crate::clock::{Clock, Entropy};
use crate::codec::{self, SealedValue};
use crate::entry::{Entry, Serial};
use crate::holder::{Holder, Processes};
use crate::journal::{self, Batch, Head, Live, More, Open, Row};
use crate::leases::Kept;
use crate::state::State;
use crate::store::{Lease, Snapshot, Stack, Store, StoreError, Version};
use crate::vault::Vault;

const LOCATION: &str = "memory";

/// A handle on a storage in memory.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    processes: Arc<dyn Processes>,
}

/// What is to go wrong with a [`MemoryStore`]'s appends.
#[derive(Clone, Debug)]
pub struct Faults {
    disk: Arc<Mutex<Disk>>,
}

/// What becomes of an append that is answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It took no effect.
    Lost,
    /// It took effect, and only the answer was lost.
    Unanswered,
}

#[derive(Debug, Default)]
struct Disk {
    stacks: BTreeMap<(String, String), Book>,
    /// What is to happen to the append of a number, counted from the first.
    faults: BTreeMap<u64, Fault>,
    /// How many appends were asked for.
    asked: u64,
    delay: Option<Duration>,
    /// The delayed ones, by number.
    pending: BTreeMap<u64, (Lease, Batch)>,
}

/// All of one stack.
#[derive(Debug, Default)]
struct Book {
    file: PathBuf,
    /// None until the first lease: a note may come before.
    lineage: Option<String>,
    recipient: Option<String>,
    lease: Kept,
    head: Option<Head>,
    rows: Vec<Row>,
    checkpoint: Option<Checkpoint>,
    live: Option<Live>,
    /// What a snapshot came to, by whose key, at which head: as long as nothing is written, another is the same.
    shown: Option<(Arc<Vault>, Head, State)>,
    notes: BTreeMap<String, (Version, Vec<u8>)>,
}

impl MemoryStore {
    /// An empty storage.
    pub fn new(
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        processes: Arc<dyn Processes>,
    ) -> Self {
        Self { disk: Arc::default(), vault, clock, entropy, processes }
    }

    /// The same storage as a process with another key sees it.
    #[must_use]
    pub fn with_vault(&self, vault: Arc<Vault>) -> Self {
        Self { vault, ..self.clone() }
    }

    /// What is to go wrong, for this handle and all that share its storage.
    pub fn faults(&self) -> Faults {
        Faults { disk: Arc::clone(&self.disk) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, lease: &Lease, batch: &Batch) -> Result<Serial, StoreError> {
        self.disk().write(lease, batch, &*self.clock)
    }
}

impl Faults {
    /// Answers an append from now with an error: 1 is the next one.
    pub fn fail_append(&self, nth: u64, fault: Fault) {
        let mut disk = self.disk();
        let number = disk.asked + nth.saturating_sub(1);
        disk.faults.insert(number, fault);
    }

    /// From now, lets each append take so long by the clock before it takes effect.
    pub fn delay_appends(&self, span: Option<Duration>) {
        self.disk().delay = span;
    }

    /// How many appends are asked for and have not taken effect.
    pub fn pending(&self) -> usize {
        self.disk().pending.len()
    }

    /// Loses power. Of the appends that are delayed the first `kept` take effect, the others none, and all are answered with an
    /// error. What was acknowledged stays, leases too.
    pub fn crash(&self, kept: usize, clock: &dyn Clock) {
        let mut disk = self.disk();
        let pending = std::mem::take(&mut disk.pending);
        for (lease, batch) in pending.into_values().take(kept) {
            // No one is left to hear of a refusal.
            let _ = disk.write(&lease, &batch, clock);
        }
        for book in disk.stacks.values_mut() {
            (book.live, book.shown) = (None, None);
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn check_name(&self, stack: &Stack) -> Result<(), StoreError> {
        stack.check_name(self.stacks.iter().map(|((blueprint, _), book)| (blueprint.as_str(), book.file.as_path())))
    }

    /// The stack's book, where there is one.
    fn book(&self, stack: &Stack) -> Result<Option<&Book>, StoreError> {
        self.check_name(stack)?;
        Ok(self.stacks.get(&key(stack)))
    }

    /// The stack's book, made where there is none.
    fn book_mut(&mut self, stack: &Stack) -> Result<&mut Book, StoreError> {
        self.check_name(stack)?;
        Ok(self.stacks.entry(key(stack)).or_insert_with(|| Book { file: stack.file.clone(), ..Book::default() }))
    }

    /// The book that a lease is on.
    fn leased(&mut self, lease: &Lease) -> Result<&mut Book, StoreError> {
        self.stacks.get_mut(&key(&lease.stack)).ok_or(StoreError::Fenced)
    }

    fn write(&mut self, lease: &Lease, batch: &Batch, clock: &dyn Clock) -> Result<Serial, StoreError> {
        let book = self.leased(lease)?;
        book.lease.check(lease, clock)?;
        let recipient = batch.check_recipient(book.recipient.as_deref())?;
        let mut live = match book.live.take() {
            Some(live) => live,
            None => book.replay(&Ok)?.ok_or(StoreError::Fenced)?,
        };
        let added = live.add(batch, &mut book.rows);
        if added.is_ok() {
            book.head = Some(live.head());
            book.recipient = recipient;
            if let Some(checkpoint) = live.checkpoint_due(More::Comes)? {
                live.checkpointed(&checkpoint);
                book.checkpoint = Some(checkpoint);
            }
        }
        book.live = Some(live);
        Ok(added?)
    }
}

impl Book {
    /// From what is kept, as another process would.
    fn replay<V: Clone + Send>(&self, open: Open<'_, V>) -> Result<Option<Live<V>>, StoreError> {
        let (Some(lineage), Some(head)) = (&self.lineage, self.head) else { return Ok(None) };
        let from = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.serial);
        Live::replay(lineage, head, self.checkpoint.as_ref(), self.after(from), open).map(Some)
    }

    /// The state as the holder of a key sees it.
    fn show(&mut self, vault: &Arc<Vault>) -> Result<Option<State>, StoreError> {
        if let Some((whose, at, state)) = &self.shown
            && Arc::ptr_eq(whose, vault)
            && Some(*at) == self.head
        {
            return Ok(Some(state.clone()));
        }
        let state = self.replay(&|value| codec::open(&value, &**vault))?.map(|live| live.state);
        self.shown = self.head.zip(state.clone()).map(|(head, state)| (vault.clone(), head, state));
        Ok(state)
    }

    fn after(&self, serial: Serial) -> &[Row] {
        let first = self.rows.partition_point(|row| row.serial <= serial);
        &self.rows[first..]
    }
}

fn key(stack: &Stack) -> (String, String) {
    (stack.blueprint.clone(), stack.environment.clone())
}

fn lost(reason: &str) -> StoreError {
    StoreError::Backend { location: LOCATION.to_owned(), reason: reason.to_owned() }
}

/// Takes a delayed append back when its caller no longer waits for it.
struct Ticket<'a> {
    disk: &'a Mutex<Disk>,
    number: u64,
}

impl Ticket<'_> {
    fn redeem(&self) -> Option<(Lease, Batch)> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner).pending.remove(&self.number)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.redeem();
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn snapshot(&self, stack: &Stack) -> Result<Snapshot, StoreError> {
        let mut disk = self.disk();
        disk.check_name(stack)?;
        let book = disk.stacks.get_mut(&key(stack));
        let file = book.as_ref().map(|book| book.file.clone());
        let state = book.map(|book| book.show(&self.vault)).transpose()?.flatten();
        Ok(Snapshot { state, location: LOCATION.to_owned(), file })
    }

    async fn sealed(&self, stack: &Stack) -> Result<Option<State<SealedValue>>, StoreError> {
        let live = self.disk().book(stack)?.map(|book| book.replay(&Ok)).transpose()?.flatten();
        Ok(live.map(|live| live.state))
    }

    async fn lease(&self, stack: &Stack, holder: &Holder) -> Result<Lease, StoreError> {
        let mut disk = self.disk();
        let book = disk.book_mut(stack)?;
        let lease = book.lease.take(stack, holder, &*self.clock, &*self.processes)?;
        let lineage = book.lineage.get_or_insert_with(|| journal::lineage(&*self.entropy));
        book.head.get_or_insert_with(|| Head::origin(lineage));
        let moved = std::mem::replace(&mut book.file, stack.file.clone());
        for ((blueprint, _), book) in &mut disk.stacks {
            if *blueprint == stack.blueprint && book.file == moved {
                book.file.clone_from(&stack.file);
            }
        }
        Ok(lease)
    }

    async fn renew(&self, lease: &mut Lease) -> Result<(), StoreError> {
        *lease = self.disk().leased(lease)?.lease.renew(lease, &*self.clock)?;
        Ok(())
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        if let Ok(book) = self.disk().leased(&lease) {
            book.lease.release(&lease);
        }
        Ok(())
    }

    async fn holder(&self, stack: &Stack) -> Result<Option<Holder>, StoreError> {
        let disk = self.disk();
        let book = disk.book(stack)?;
        Ok(book.and_then(|book| book.lease.holder(self.clock.now(), &*self.processes)).cloned())
    }

    async fn break_lease(&self, stack: &Stack, seen: &Holder) -> Result<(), StoreError> {
        let mut disk = self.disk();
        disk.check_name(stack)?;
        match disk.stacks.get_mut(&key(stack)) {
            Some(book) => book.lease.break_off(seen, self.clock.now(), &*self.processes),
            None => Ok(()),
        }
    }

    async fn append(&self, lease: &Lease, entries: &[Entry]) -> Result<Serial, StoreError> {
        let known = self.disk().leased(lease)?.recipient.clone();
        let batch = journal::seal(entries, &self.vault, known.as_deref())?;
        let (number, fault, delay) = {
            let mut disk = self.disk();
            let number = disk.asked;
            disk.asked += 1;
            (number, disk.faults.remove(&number), disk.delay)
        };
        if fault == Some(Fault::Lost) {
            return Err(lost("the write failed"));
        }
        let batch = match delay {
            None => batch,
            Some(span) => {
                self.disk().pending.insert(number, (lease.clone(), batch));
                let ticket = Ticket { disk: &self.disk, number };
                self.clock.sleep(span).await;
                ticket.redeem().ok_or_else(|| lost("the power went before the write was durable"))?.1
            }
        };
        let serial = self.write(lease, &batch)?;
        if fault == Some(Fault::Unanswered) {
            return Err(lost("the answer was lost"));
        }
        Ok(serial)
    }

    async fn history(&self, stack: &Stack, from: Serial) -> Result<Vec<Entry>, StoreError> {
        let disk = self.disk();
        let Some(book) = disk.book(stack)? else { return Ok(Vec::new()) };
        let (Some(lineage), Some(head)) = (&book.lineage, book.head) else { return Ok(Vec::new()) };
        if from >= head.serial {
            return Ok(Vec::new());
        }
        let start = match book.rows.iter().find(|row| row.serial == from) {
            Some(row) => Head { serial: row.serial, hash: row.hash },
            None => Head::origin(lineage),
        };
        journal::history(start, head, book.after(from), &*self.vault)
    }

    async fn note(
        &self,
        stack: &Stack,
        key: &str,
        expected: Option<Version>,
        value: &[u8],
    ) -> Result<Version, StoreError> {
        let mut disk = self.disk();
        let notes = &mut disk.book_mut(stack)?.notes;
        let found = notes.get(key).map(|(version, _)| *version);
        if found != expected {
            return Err(StoreError::Conflict { found });
        }
        let version = found.unwrap_or(0) + 1;
        notes.insert(key.to_owned(), (version, value.to_vec()));
        Ok(version)
    }

    async fn read_note(&self, stack: &Stack, key: &str) -> Result<Option<(Version, Vec<u8>)>, StoreError> {
        Ok(self.disk().book(stack)?.and_then(|book| book.notes.get(key)).cloned())
    }
}
