//! Stores to test, with a clock and processes that tests turn.

#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod repairs;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use trueup_state::clock::SeededEntropy;
use trueup_state::holder::Processes;
use trueup_state::vault::Vault;
use trueup_state::{Clock, Holder, MemoryStore, SqliteStore, Stack, Store, Timestamp};

/// A clock that stands until it is moved on.
#[derive(Debug, Default)]
pub(crate) struct StandingClock(Mutex<Duration>);

impl StandingClock {
    pub(crate) fn pass(&self, span: Duration) {
        *self.0.lock().unwrap() += span;
    }
}

#[async_trait]
impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        entries::AT.plus(self.uptime())
    }

    fn uptime(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, span: Duration) {
        let until = self.uptime() + span;
        while self.uptime() < until {
            tokio::task::yield_now().await;
        }
    }
}

/// Processes that end when they are told to.
#[derive(Debug, Default)]
pub(crate) struct ToldProcesses(Mutex<BTreeSet<u32>>);

impl ToldProcesses {
    pub(crate) fn end(&self, holder: &Holder) {
        self.0.lock().unwrap().insert(holder.pid);
    }
}

impl Processes for ToldProcesses {
    fn is_gone(&self, holder: &Holder) -> bool {
        holder.host == "here" && self.0.lock().unwrap().contains(&holder.pid)
    }
}

/// One storage, and what its stores are made with.
pub(crate) struct House {
    pub(crate) directory: TempDir,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<StandingClock>,
    pub(crate) processes: Arc<ToldProcesses>,
    memory: Option<MemoryStore>,
}

impl House {
    pub(crate) fn sqlite() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            vault: Arc::new(Vault::ephemeral()),
            clock: Arc::default(),
            processes: Arc::default(),
            memory: None,
        }
    }

    pub(crate) fn memory() -> Self {
        let house = Self::sqlite();
        let (vault, clock, processes) = (house.vault.clone(), house.clock.clone(), house.processes.clone());
        let memory = MemoryStore::new(vault, clock, Arc::new(SeededEntropy::new(7)), processes);
        Self { memory: Some(memory), ..house }
    }

    /// Whether its storage is in memory.
    pub(crate) fn is_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Where the SQLite store's file is.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join(".trueup").join("state.db")
    }

    /// The storage as one more process sees it.
    pub(crate) fn open(&self) -> Arc<dyn Store> {
        self.open_with(self.vault.clone())
    }

    pub(crate) fn open_with(&self, vault: Arc<Vault>) -> Arc<dyn Store> {
        match &self.memory {
            Some(memory) => Arc::new(memory.with_vault(vault)),
            None => Arc::new(self.sqlite_at(self.file(), vault)),
        }
    }

    pub(crate) fn sqlite_at(&self, path: PathBuf, vault: Arc<Vault>) -> SqliteStore {
        SqliteStore::new(path, vault, self.clock.clone(), Arc::new(SeededEntropy::new(7)), self.processes.clone())
    }

    pub(crate) fn faults(&self) -> trueup_state::memory::Faults {
        self.memory.as_ref().unwrap().faults()
    }

    /// Another storage with the files of this one, as a machine leaves them that loses power now.
    pub(crate) fn after_a_crash(&self) -> Self {
        let (vault, clock) = (self.vault.clone(), self.clock.clone());
        let crashed = Self { vault, clock, ..Self::sqlite() };
        std::fs::create_dir(crashed.file().parent().unwrap()).unwrap();
        for suffix in files::FILES {
            std::fs::copy(files::beside(&self.file(), suffix), files::beside(&crashed.file(), suffix)).unwrap();
        }
        crashed
    }

    /// Everything that is written on disk.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Ok(directory) = std::fs::read_dir(self.directory.path().join(".trueup")) else { return Vec::new() };
        directory.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }
}

pub(crate) fn stack() -> Stack {
    Stack { blueprint: "llm-serving".to_owned(), environment: "prod".to_owned(), file: "blueprint.yaml".into() }
}

pub(crate) fn holder(pid: u32) -> Holder {
    Holder {
        host: "here".to_owned(),
        boot_id: "boot".to_owned(),
        pid,
        process_start: 1,
        operation: "apply".to_owned(),
        since: entries::AT,
        term: OVER,
    }
}

/// The time after which a lease is over.
pub(crate) const OVER: Duration = Duration::from_mins(1);
