//! A toy cloud, an engine over it, and runs that can die at any moment.

#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod crash;
#[path = "../files/mod.rs"]
mod files;
pub(crate) mod kinds;
pub(crate) mod programs;
pub(crate) mod provider;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use trueup_engine::apply::{ApplyEvent, Events, Report};
use trueup_engine::blueprint::{Catalog, Inputs, Program, ProviderEntry, expand};
use trueup_engine::plan::{Action, Change, Mode, Plan};
use trueup_engine::provider::{Check, Provider};
use trueup_engine::tree::Stands;
use trueup_engine::{Engine, EngineError, PlanOptions, Planned};
use trueup_state::clock::SeededEntropy;
use trueup_state::holder::Processes;
use trueup_state::vault::Vault;
use trueup_state::{Holder, KindName, MemoryStore, Stack, State, Store};

use clock::PausedClock;
use cloud::Cloud;
use crash::{Crash, Moment};
use files::Files;
use kinds::KINDS;
use provider::{ToyCheck, ToyProvider};
use store::Mortal;

/// Only the last process that was started is there still.
#[derive(Debug, Default)]
struct LastProcess(AtomicU32);

impl Processes for LastProcess {
    fn is_gone(&self, holder: &Holder) -> bool {
        holder.pid != self.0.load(Ordering::Relaxed)
    }
}

/// A storage and a cloud that outlive every run.
pub(crate) struct House {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) store: MemoryStore,
    pub(crate) vault: Arc<Vault>,
    pub(crate) parallelism: usize,
    /// How many calls the provider `mini` takes at once.
    pub(crate) mini: usize,
    crash: Arc<Crash>,
    entropy: Arc<SeededEntropy>,
    processes: Arc<LastProcess>,
}

/// How a run ended that may die.
pub(crate) enum End {
    Died,
    Lived(Box<Result<Report, EngineError>>),
}

impl House {
    pub(crate) fn new() -> Self {
        Self::seeded(7)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        let crash = Arc::new(Crash::default());
        let vault = Arc::new(Vault::ephemeral());
        let entropy = Arc::new(SeededEntropy::new(seed));
        let processes = Arc::new(LastProcess::default());
        let store = MemoryStore::new(vault.clone(), Arc::new(PausedClock), entropy.clone(), processes.clone());
        let cloud = Arc::new(Cloud::new(crash.clone()));
        Self { cloud, store, vault, parallelism: 8, mini: 2, crash, entropy, processes }
    }

    fn providers(&self) -> BTreeMap<String, Arc<dyn Provider>> {
        let provider = |name, concurrency| {
            let provider = ToyProvider { name, cloud: self.cloud.clone(), concurrency };
            (name.to_owned(), Arc::new(provider) as Arc<dyn Provider>)
        };
        BTreeMap::from([provider("toy", usize::MAX), provider("mini", self.mini)])
    }

    /// A new process's engine.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_dying_at_append(None)
    }

    fn engine_dying_at_append(&self, at: Option<(usize, Moment)>) -> Engine {
        let check = |kind: &kinds::ToyKind| {
            (KindName::from(kind.name), Arc::new(ToyCheck(self.cloud.clone())) as Arc<dyn Check>)
        };
        Engine {
            store: Arc::new(Mortal { inner: self.store.clone(), crash: self.crash.clone(), at: at.into() }),
            providers: self.providers(),
            checks: KINDS.iter().map(check).collect(),
            clock: Arc::new(PausedClock),
            entropy: self.entropy.clone(),
            look: Arc::new(|_| Ok(Stands::Nothing)),
            digest: Arc::new(|_| Err("there are no files here".to_owned())),
            parallelism: self.parallelism,
        }
    }

    pub(crate) fn load(&self, text: &str) -> Program {
        self.try_load(text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))
    }

    fn try_load(&self, text: &str) -> Result<Program, trueup_engine::diagnostic::Diagnostics> {
        let kinds: BTreeMap<KindName, _> =
            KINDS.iter().map(|kind| (kind.name.into(), kinds::schema(kind.create_first))).collect();
        let entry =
            || ProviderEntry { kinds: kinds.keys().cloned().collect(), natives: &[], settings: kinds::settings() };
        let providers = self.providers().into_keys().map(|name| (name, entry())).collect();
        let catalog = Catalog { kinds: kinds.clone(), providers, ..Catalog::default() };
        let path = Path::new("toy.yaml");
        expand::load(path, &Inputs::default(), &Files { path, bytes: text.as_bytes() }, &Arc::new(catalog))
    }

    /// A new process, and so the holder of the next lease; the one before it is gone.
    pub(crate) fn holder(&self) -> Holder {
        let pid = self.processes.0.fetch_add(1, Ordering::Relaxed) + 1;
        Holder {
            host: "here".to_owned(),
            boot_id: "boot".to_owned(),
            pid,
            process_start: 1,
            operation: "apply".to_owned(),
            since: clock::START,
        }
    }

    pub(crate) async fn state(&self) -> State {
        self.store_state().await.unwrap()
    }

    /// The state, if there is one yet.
    pub(crate) async fn store_state(&self) -> Option<State> {
        self.store.snapshot(&stack()).await.unwrap().state
    }

    pub(crate) async fn plan(&self, text: &str) -> Plan {
        self.plan_for(text, Mode::Apply).await
    }

    pub(crate) async fn plan_for(&self, text: &str, mode: Mode) -> Plan {
        self.try_plan(text, mode).await.unwrap_or_else(|error| panic!("{error:#?}"))
    }

    pub(crate) async fn try_plan(&self, text: &str, mode: Mode) -> Result<Plan, EngineError> {
        let program = self.load(text);
        let options = PlanOptions { mode, refresh: true };
        Ok(self.engine().plan(&program, &stack(), options).await?.plan)
    }

    /// Carries a plan out in a process of its own.
    pub(crate) async fn carry_out(&self, plan: &Plan, text: &str) -> Result<Report, EngineError> {
        let (events, _kept) = events();
        let (_cancel, cancelled) = watch::channel(false);
        self.engine().apply(plan, &self.load(text), &self.holder(), &events, &cancelled).await
    }

    /// One whole run: recover, plan, apply.
    pub(crate) async fn run(&self, text: &str) -> Report {
        self.run_for(text, Mode::Apply).await
    }

    pub(crate) async fn run_for(&self, text: &str, mode: Mode) -> Report {
        let (events, _kept) = events();
        let (_cancel, cancelled) = watch::channel(false);
        self.run_with(text, mode, &self.engine(), &events, &cancelled).await.unwrap()
    }

    pub(crate) async fn run_with(
        &self,
        text: &str,
        mode: Mode,
        engine: &Engine,
        events: &Events,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        let program = self.load(text);
        let holder = self.holder();
        engine.recover(&stack(), &holder, events, cancel).await?;
        let Planned { program, plan, .. } =
            engine.plan(&program, &stack(), PlanOptions { mode, refresh: true }).await?;
        if plan.is_empty() {
            return Ok(Report::default());
        }
        engine.apply(&plan, &program, &holder, events, cancel).await
    }

    /// A whole run that must do everything.
    pub(crate) async fn up(&self, text: &str) -> Report {
        let report = self.run(text).await;
        assert!(report.is_complete(), "{report:#?}");
        report
    }

    /// Nothing is left to plan for the blueprint.
    pub(crate) async fn settled(&self, text: &str) {
        let plan = self.plan(text).await;
        assert!(plan.is_empty() && plan.drift.is_empty(), "{plan:#?}");
    }

    /// A whole run that dies at an append or at a call, if it comes to it.
    pub(crate) async fn run_to_death(&self, text: &str, append: Option<(usize, Moment)>) -> End {
        let (events, _kept) = events();
        let (_cancel, cancelled) = watch::channel(false);
        let engine = self.engine_dying_at_append(append);
        tokio::select! {
            biased;
            () = self.crash.died() => End::Died,
            ended = self.run_with(text, Mode::Apply, &engine, &events, &cancelled) => End::Lived(Box::new(ended)),
        }
    }
}

pub(crate) fn events() -> (Events, UnboundedReceiver<ApplyEvent>) {
    mpsc::unbounded_channel()
}

/// Everything that was told so far.
pub(crate) fn told(receiver: &mut UnboundedReceiver<ApplyEvent>) -> Vec<ApplyEvent> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

pub(crate) fn stack() -> Stack {
    Stack { blueprint: "toy".to_owned(), environment: "default".to_owned(), file: "toy.yaml".into() }
}

/// A blueprint with one provider and these resources, each a line such as `a: { kind: box }`.
pub(crate) fn blueprint(resources: &[&str]) -> String {
    blueprint_with("providers: { toy: {} }", resources)
}

pub(crate) fn blueprint_with(head: &str, resources: &[&str]) -> String {
    let lines: Vec<String> = resources.iter().map(|line| format!("  {line}")).collect();
    let resources = if lines.is_empty() { " {}".to_owned() } else { format!("\n{}", lines.join("\n")) };
    format!("blueprint: toy\n{head}\nresources:{resources}\n")
}

pub(crate) fn change<'a>(plan: &'a Plan, address: &str) -> &'a Change {
    let found = plan.changes.iter().find(|change| change.address.to_string() == address);
    found.unwrap_or_else(|| panic!("no change of {address}: {plan:#?}"))
}

pub(crate) fn action(plan: &Plan, address: &str) -> Action {
    change(plan, address).action
}

/// The operations of a plan, as `create a`.
pub(crate) fn operations(plan: &Plan) -> Vec<String> {
    plan.operations.iter().map(|operation| format!("{} {}", operation.verb.as_str(), operation.address)).collect()
}

/// What was done, as `create a`.
pub(crate) fn done(report: &Report) -> Vec<String> {
    report.done.iter().map(|done| format!("{} {}", done.verb.as_str(), done.address)).collect()
}

/// Runs a test of its own paused time.
pub(crate) fn on_paused_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}
