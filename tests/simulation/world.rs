//! What outlives every run: the storage, the cloud, the processes, and a ledger of who did what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedReceiver;
use trueup_engine::apply::ApplyEvent;
use trueup_engine::provider::Provider;
use trueup_provider_sim::{Inspector, SimProvider};
use trueup_state::clock::SeededEntropy;
use trueup_state::holder::Processes;
use trueup_state::vault::Vault;
use trueup_state::{Clock, Holder, MemoryStore, Stack, State, Store, Timestamp, Verb};

/// When every simulation begins.
const START: Timestamp = Timestamp(1_790_000_000_000);

/// The time that tokio keeps, paused: it passes when everyone waits.
#[derive(Debug)]
pub(crate) struct PausedClock(tokio::time::Instant);

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        START.plus(self.uptime())
    }

    #[expect(clippy::disallowed_methods, reason = "the time is tokio's own, which is paused")]
    fn uptime(&self) -> Duration {
        tokio::time::Instant::now() - self.0
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// The processes that have died, on the one machine where that can be told.
#[derive(Debug, Default)]
struct Dead(Mutex<BTreeSet<u32>>);

/// The machine on which a dead process is known to be dead.
pub(crate) const HERE: &str = "here";

impl Processes for Dead {
    fn is_gone(&self, holder: &Holder) -> bool {
        holder.host == HERE && self.0.lock().expect("no one panicked").contains(&holder.pid)
    }
}

/// The address of what is another stack's.
pub(crate) const FOREIGN: &str = "foreign";

/// A lease as the world knows it.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    pub(crate) pid: u32,
    pub(crate) fencing: u64,
    pub(crate) until: Duration,
}

/// An operation that has begun, as the world knows it.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) verb: Verb,
    /// Of whose object, and where.
    pub(crate) about: String,
    /// Of an update and a delete, the object's.
    pub(crate) id: Option<String>,
    /// The process that began it.
    pub(crate) pid: u32,
    /// Whether the cloud goes on with it.
    pub(crate) is_handled: bool,
}

/// What the simulation itself writes down of every run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The last entry's serial.
    pub(crate) serial: u64,
    /// What has begun and not ended, by its token.
    pub(crate) begun: BTreeMap<String, Begun>,
    /// The objects that each operation made, by its token.
    pub(crate) made: BTreeMap<String, String>,
    /// How many of the cloud's calls were looked at.
    pub(crate) calls: u64,
    /// The lease that is in force.
    pub(crate) right: Option<Right>,
    /// The plan's serial, of the process that is about to append for the first time.
    pub(crate) planned: BTreeMap<u32, u64>,
    /// What somebody changed since a process made its plan, though the plan is to change it.
    pub(crate) meddled: BTreeMap<u32, String>,
    /// Whatever somebody changed by hand, by id.
    pub(crate) touched: BTreeSet<String>,
    /// What somebody changed before the operation that made or changed it was recorded, by id: nobody can tell then what the cloud
    /// made of what it was sent, and what that person did.
    pub(crate) blurred: BTreeSet<String>,
    /// What must not be deleted, by id.
    pub(crate) protected: BTreeSet<String>,
    /// The addresses that a process's blueprint wants; none of one that destroys.
    pub(crate) wanted: BTreeMap<u32, BTreeSet<String>>,
    /// What went wrong.
    pub(crate) wrongs: Vec<String>,
    /// How often what happened.
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Ledger {
    pub(crate) fn wrong(&mut self, what: String) {
        self.wrongs.push(what);
    }

    /// Somebody changed an object by hand. `token`: that of the operation that made it.
    pub(crate) fn touch(&mut self, id: &str, token: &str) {
        let is_begun = |begun: &Begun| begun.id.as_deref() == Some(id);
        if self.begun.contains_key(token) || self.begun.values().any(is_begun) {
            self.blurred.insert(id.to_owned());
        }
        self.touched.insert(id.to_owned());
    }

    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }
}

/// All that there is.
pub(crate) struct World {
    pub(crate) clock: Arc<PausedClock>,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) store: MemoryStore,
    pub(crate) cloud: Arc<SimProvider>,
    ledger: Mutex<Ledger>,
    dead: Arc<Dead>,
    lineage: Mutex<Option<String>>,
    pids: Mutex<u32>,
    tells: bool,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "the time is tokio's own, which is paused")]
    pub(crate) fn new(seed: u64, tells: bool) -> Arc<Self> {
        let clock = Arc::new(PausedClock(tokio::time::Instant::now()));
        let (entropy, dead) = (Arc::new(SeededEntropy::new(seed)), Arc::new(Dead::default()));
        // Nothing here is secret, so that no key is asked for.
        let vault = Arc::new(Vault::ephemeral());
        let store = MemoryStore::new(vault, clock.clone(), entropy.clone(), dead.clone());
        let cloud = Arc::new(SimProvider::in_memory(clock.clone(), entropy.clone()));
        Arc::new(Self {
            clock,
            entropy,
            store,
            cloud,
            ledger: Mutex::default(),
            dead,
            lineage: Mutex::default(),
            pids: Mutex::default(),
            tells,
        })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no one panicked")
    }

    /// A new process.
    pub(crate) fn process(&self, is_elsewhere: bool) -> Holder {
        let mut pids = self.pids.lock().expect("no one panicked");
        *pids += 1;
        let host = if is_elsewhere { "elsewhere" } else { HERE };
        Holder {
            host: host.to_owned(),
            boot_id: "boot".to_owned(),
            pid: *pids,
            process_start: 1,
            operation: "apply".to_owned(),
            since: self.clock.now(),
            term: trueup_state::holder::TERM,
        }
    }

    /// A process is no more.
    pub(crate) fn end(&self, holder: &Holder) {
        if holder.host == HERE {
            self.dead.0.lock().expect("no one panicked").insert(holder.pid);
        }
    }

    /// Whether a process is known to be no more.
    pub(crate) fn is_gone(&self, pid: u32) -> bool {
        self.dead.0.lock().expect("no one panicked").contains(&pid)
    }

    /// Tells something, where that was asked for.
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            crate::say(&format!("   {:?} {}", self.clock.uptime(), what()));
        }
    }

    /// Tells what a run tells, as it does, where that was asked for.
    pub(crate) fn listen(&self, mut told: UnboundedReceiver<ApplyEvent>) {
        let clock = self.clock.clone();
        if self.tells {
            tokio::spawn(async move {
                while let Some(event) = told.recv().await {
                    crate::say(&format!("   {:?} {event:?}", clock.uptime()));
                }
            });
        }
    }

    /// The stack's lineage, once there is one.
    pub(crate) fn lineage(&self) -> Option<String> {
        self.lineage.lock().expect("no one panicked").clone()
    }

    /// Writes the stack's lineage down.
    pub(crate) fn knows_lineage(&self, state: Option<&State>) {
        if let Some(state) = state {
            *self.lineage.lock().expect("no one panicked") = Some(state.lineage.clone());
        }
    }

    pub(crate) async fn inspector(&self) -> Inspector {
        self.cloud.inspect().await.expect("memory can be looked into")
    }

    pub(crate) async fn state(&self) -> Option<State> {
        self.store.snapshot(&stack()).await.expect("memory can be read").state
    }

    pub(crate) fn provider(&self) -> Arc<dyn Provider> {
        self.cloud.clone()
    }
}

pub(crate) fn stack() -> Stack {
    Stack { blueprint: "sim".to_owned(), environment: "default".to_owned(), file: "sim.yaml".into() }
}
