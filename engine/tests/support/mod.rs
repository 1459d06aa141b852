//! A toy cloud, an engine over it, and runs that can die at any moment.

#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod crash;
#[path = "../files/mod.rs"]
mod files;
pub(crate) mod guest;
pub(crate) mod kinds;
pub(crate) mod limits;
pub(crate) mod programs;
pub(crate) mod provider;
pub(crate) mod store;
pub(crate) mod things;
pub(crate) mod trio;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use trueup_engine::apply::{ApplyEvent, Events, Report};
use trueup_engine::blueprint::{Catalog, Inputs, Program, ProviderEntry, expand};
use trueup_engine::diagnostic::Diagnostics;
use trueup_engine::plan::select::Asked;
use trueup_engine::plan::{Action, Change, Mode, Plan, saved};
use trueup_engine::provider::{Check, Provider};
use trueup_engine::tree::Stands;
use trueup_engine::{Engine, EngineError, PlanOptions, Planned};
use trueup_state::clock::SeededEntropy;
use trueup_state::holder::Processes;
use trueup_state::vault::Vault;
use trueup_state::{Address, Holder, KindName, MemoryStore, Record, Stack, State, Store};

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
    /// How many calls each API, which is a region, takes at once.
    pub(crate) api: usize,
    /// Whether the store has no room to write down that a lease was given back.
    pub(crate) is_full: bool,
    crash: Arc<Crash>,
    entropy: Arc<SeededEntropy>,
    processes: Arc<LastProcess>,
}

/// How a run ended that may die.
pub(crate) enum End {
    Died,
    /// With the report of each phase.
    Lived(Box<Result<Vec<Report>, EngineError>>),
}

/// No blueprint of a test has as many phases.
const MOST_PHASES: usize = 10;

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
        Self {
            cloud,
            store,
            vault,
            parallelism: 8,
            mini: 2,
            api: usize::MAX,
            is_full: false,
            crash,
            entropy,
            processes,
        }
    }

    fn providers(&self) -> BTreeMap<String, Arc<dyn Provider>> {
        let provider = |name, concurrency| {
            let provider = ToyProvider { name, cloud: self.cloud.clone(), concurrency, api: self.api };
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
            store: Arc::new(Mortal {
                inner: self.store.clone(),
                crash: self.crash.clone(),
                at: at.into(),
                is_full: self.is_full,
            }),
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

    pub(crate) fn try_load(&self, text: &str) -> Result<Program, Diagnostics> {
        let kinds: BTreeMap<KindName, _> = KINDS
            .iter()
            .map(|kind| (kind.name, kind.create_first))
            .chain(trio::TRIOS.map(|(name, _)| (name, false)))
            .chain([(kinds::GUEST.name, true)])
            .map(|(name, create_first)| (name.into(), kinds::schema(create_first)))
            .collect();
        let entry = || ProviderEntry {
            kinds: kinds.keys().cloned().collect(),
            natives: |_| false,
            settings: kinds::settings(),
        };
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
            term: trueup_state::holder::TERM,
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
        let options = PlanOptions::new(mode);
        Ok(self.engine().plan(&program, &stack(), options).await?.plan)
    }

    /// A plan of what was asked for.
    pub(crate) async fn try_plan_asked(&self, text: &str, mode: Mode, asked: Asked) -> Result<Plan, EngineError> {
        let options = PlanOptions { asked, ..PlanOptions::new(mode) };
        Ok(self.engine().plan(&self.load(text), &stack(), options).await?.plan)
    }

    /// The same of a plan that there is.
    pub(crate) async fn plan_asked(&self, text: &str, asked: Asked) -> Plan {
        self.try_plan_asked(text, Mode::Apply, asked).await.unwrap_or_else(|error| panic!("{error:#?}"))
    }

    /// Plans what was asked for, and carries it out as a plan that was saved, which must do all of it.
    pub(crate) async fn up_asked(&self, text: &str, mode: Mode, asked: Asked) -> Plan {
        let plan = self.try_plan_asked(text, mode, asked).await.unwrap_or_else(|error| panic!("{error:#?}"));
        let plan = self.saved(&plan);
        if !plan.changes_nothing() {
            let report = self.carry_out(&plan, text).await.unwrap_or_else(|error| panic!("{error:#?}"));
            assert!(report.is_complete(), "{report:#?}");
        }
        plan
    }

    /// A plan, and the blueprint as it is expanded for it.
    pub(crate) async fn planned(&self, text: &str) -> Planned {
        let options = PlanOptions::new(Mode::Apply);
        let planned = self.engine().plan(&self.load(text), &stack(), options).await;
        planned.unwrap_or_else(|error| panic!("{error:#?}"))
    }

    /// What is wrong with a blueprint, as far as only a plan can tell.
    pub(crate) async fn refused(&self, text: &str) -> Diagnostics {
        match self.try_plan(text, Mode::Apply).await {
            Err(EngineError::Blueprint(problems)) => problems,
            other => panic!("{other:#?}"),
        }
    }

    /// A plan after it was saved and read again.
    pub(crate) fn saved(&self, plan: &Plan) -> Plan {
        let opened = saved::read(&saved::write(plan, self.vault.as_ref()).unwrap(), self.vault.as_ref()).unwrap();
        assert_eq!(opened, *plan);
        opened
    }

    /// Carries a plan out in a process of its own, as one that was saved.
    pub(crate) async fn carry_out(&self, plan: &Plan, text: &str) -> Result<Report, EngineError> {
        let (events, _kept) = events();
        let (_cancel, cancelled) = watch::channel(false);
        let program = self.load(text).with_known(plan.known.clone())?;
        self.engine().apply(plan, &program, &self.holder(), &events, &cancelled).await
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
        engine.recover(&stack(), Mode::Apply, &holder, events, cancel).await?;
        let Planned { program, plan, .. } = engine.plan(&program, &stack(), PlanOptions::new(mode)).await?;
        if plan.is_empty() {
            return Ok(Report::default());
        }
        engine.apply(&plan, &program, &holder, events, cancel).await
    }

    /// All phases of a run, as floor 4 goes through them: until nothing waits for one, or nothing of it can be done. The report of
    /// each phase that had something to do.
    pub(crate) async fn phases_with(
        &self,
        text: &str,
        mode: Mode,
        engine: &Engine,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Vec<Report>, EngineError> {
        let ((events, _kept), program, holder) = (events(), self.load(text), self.holder());
        engine.recover(&stack(), Mode::Apply, &holder, &events, cancel).await?;
        let mut reports: Vec<Report> = Vec::new();
        loop {
            // What waited in the phase before may have drifted.
            let options = PlanOptions::new(mode);
            let Planned { program, plan, .. } = engine.plan(&program, &stack(), options).await?;
            if plan.changes_nothing() {
                return Ok(reports);
            }
            reports.push(engine.apply(&plan, &program, &holder, &events, cancel).await?);
            if plan.deferred.is_empty() || !reports.iter().all(Report::is_complete) {
                return Ok(reports);
            }
            assert!(reports.len() < MOST_PHASES, "there is no end of phases: {plan:#?}");
        }
    }

    pub(crate) async fn try_phases(&self, text: &str) -> Result<Vec<Report>, EngineError> {
        let (_cancel, cancelled) = watch::channel(false);
        self.phases_with(text, Mode::Apply, &self.engine(), &cancelled).await
    }

    /// All phases of a run that must do everything: what each of them did.
    pub(crate) async fn phases(&self, text: &str) -> Vec<Vec<String>> {
        let reports = self.try_phases(text).await.unwrap_or_else(|error| panic!("{error:#?}"));
        assert!(reports.iter().all(Report::is_complete), "{reports:#?}");
        let plan = self.plan(text).await;
        assert!(plan.is_empty() && plan.drift.is_empty(), "{plan:#?}");
        reports.iter().map(done).collect()
    }

    /// What is recorded at each address: the ids of its objects, the current one first.
    pub(crate) async fn recorded(&self) -> BTreeMap<String, Vec<String>> {
        let records = self.store_state().await.map(|state| state.records).unwrap_or_default();
        let ids = |record: &Record| record.objects().filter_map(|object| object.id.clone()).collect();
        records.values().map(|record| (record.address.to_string(), ids(record))).collect()
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

    /// A run of all phases that dies at an append or at a call, if it comes to it.
    pub(crate) async fn run_to_death(&self, text: &str, append: Option<(usize, Moment)>) -> End {
        let (_cancel, cancelled) = watch::channel(false);
        let engine = self.engine_dying_at_append(append);
        tokio::select! {
            biased;
            () = self.crash.died() => End::Died,
            ended = self.phases_with(text, Mode::Apply, &engine, &cancelled) => End::Lived(Box::new(ended)),
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

/// A blueprint with these moves, each as `a -> b`.
pub(crate) fn moved(moves: &[&str], resources: &[&str]) -> String {
    with_moves(moves, &blueprint(resources))
}

pub(crate) fn with_moves(moves: &[&str], text: &str) -> String {
    let entry = |line: &&str| {
        let (from, to) = line.split_once(" -> ").unwrap();
        format!("  - {{ from: '{from}', to: '{to}' }}")
    };
    let entries: Vec<String> = moves.iter().map(entry).collect();
    text.replacen("resources:", &format!("moved:\n{}\nresources:", entries.join("\n")), 1)
}

/// A blueprint that uses a module, of which this is the text, once for each of these lines of `modules`.
pub(crate) fn using(calls: &[&str], resources: &[&str], module: &str) -> String {
    format!("{}modules:\n  {}\n# file: m.yaml\n{module}", blueprint(resources), calls.join("\n  "))
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// What the first error points at.
pub(crate) fn pointed<'a>(text: &'a str, problems: &Diagnostics) -> &'a str {
    let span = problems.list[0].labels[0].span;
    &text[span.start..span.end]
}

pub(crate) fn change<'a>(plan: &'a Plan, address: &str) -> &'a Change {
    let found = plan.changes.iter().find(|change| change.address.to_string() == address);
    found.unwrap_or_else(|| panic!("no change of {address}: {plan:#?}"))
}

pub(crate) fn action(plan: &Plan, address: &str) -> Action {
    change(plan, address).action
}

/// The changes of a plan that do something, as `Create a`.
pub(crate) fn acts_of(plan: &Plan) -> Vec<String> {
    let acts = plan.changes.iter().filter(|change| change.action != Action::None);
    acts.map(|change| format!("{:?} {}", change.action, change.address)).collect()
}

/// What is asked of a plan: these alone, without those.
pub(crate) fn asked(targets: &[&str], excludes: &[&str]) -> Asked {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Asked { targets: parse(targets), excludes: parse(excludes), ..Asked::default() }
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
