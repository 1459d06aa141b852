//! The engine as floor 4 calls it: recover, plan, apply.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use trueup_state::entry::{Entry, Event};
use trueup_state::{
    Address, Clock, Entropy, Holder, Lease, OpenOperation, Record, Serial, Snapshot, Stack, State, Store, StoreError,
    Verb,
};

use crate::apply::durations::{Durations, worth_reading};
use crate::apply::lanes::Lanes;
use crate::apply::operation::{Actor, Outcome, Work, resume};
use crate::apply::run::Run;
use crate::apply::{ApplyEvent, Done, Events, Failure, Report, executor};
use crate::blueprint::Program;
use crate::by_hand::{AdoptError, ByHandError};
use crate::diagnostic::Diagnostics;
use crate::estate::{Estate, EstateError, Providers, attributes_of, observe};
use crate::finish::{Checks, Finisher};
use crate::obstacles;
use crate::paths::file_paths;
use crate::plan::diff::changed_paths;
use crate::plan::moves::Moves;
use crate::plan::{Contents, Existing, Mode, Plan, build};
use crate::provider::Observation;
use crate::tree::Stands;

/// What finds the digest of a file or a directory, or says why it can't.
pub type Digester = Arc<dyn Fn(&Path) -> Result<String, String> + Send + Sync>;

/// What tells what stands at a path, or why that can't be told. It reads nothing of it.
pub type Looker = Arc<dyn Fn(&Path) -> Result<Stands, String> + Send + Sync>;

/// Everything that a run needs of the world.
#[derive(Clone)]
pub struct Engine {
    /// Where state is kept.
    pub store: Arc<dyn Store>,
    /// Who makes things.
    pub providers: Providers,
    /// Who checks them.
    pub checks: Checks,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// What tells what stands at the paths that specs name.
    pub look: Looker,
    /// What finds the digests of files that specs name.
    pub digest: Digester,
    /// How many operations may be under way at once.
    pub parallelism: usize,
}

/// Why a run can't go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The blueprint is not right.
    #[error(transparent)]
    Blueprint(#[from] Diagnostics),
    /// A provider can't be used.
    #[error(transparent)]
    Estate(EstateError),
    /// The state can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state moved on since the plan was made.
    #[error("the state is at serial {found} now, and the plan was made at {planned}")]
    StateMoved {
        /// The state's serial.
        found: Serial,
        /// The plan's.
        planned: Serial,
    },
    /// The state is another one than the plan was made for.
    #[error("the plan was made for another state of this stack")]
    OtherLineage,
    /// What the plan would change, or what it reads and does not manage, is not what it was when the plan was made.
    #[error("{} changed since the plan was made", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    WorldMoved {
        /// The resources.
        addresses: Vec<Address>,
    },
    /// What a person asks of the state can't be.
    #[error(transparent)]
    ByHand(#[from] ByHandError),
    /// The plan is refused by protection or a limit.
    #[error("the plan is refused: {0}")]
    Refused(String),
}

impl From<AdoptError> for EngineError {
    fn from(error: AdoptError) -> Self {
        EngineError::ByHand(error.into())
    }
}

impl From<EstateError> for EngineError {
    fn from(error: EstateError) -> Self {
        match error {
            EstateError::Blueprint(diagnostics) => EngineError::Blueprint(diagnostics),
            other => EngineError::Estate(other),
        }
    }
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    /// What it is for.
    pub mode: Mode,
    /// Whether everything recorded is observed first.
    pub refresh: bool,
}

/// A plan, and what it was made from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The blueprint as it is expanded with what is known by now.
    pub program: Program,
    /// The plan.
    pub plan: Plan,
    /// The stack's state, as it was read.
    pub snapshot: Snapshot,
}

impl Engine {
    /// Settles what a dead run left open, before anything else in a run. Takes the lease only if there is something to settle.
    pub async fn recover(
        &self,
        stack: &Stack,
        holder: &Holder,
        events: &Events,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        let snapshot = self.store.snapshot(stack).await?;
        if snapshot.state.as_ref().is_none_or(|state| state.open.is_empty()) {
            return Ok(Report::default());
        }
        let lease = self.store.lease(stack, holder).await?;
        let recovered = self.recover_leased(stack, &lease, events, cancel).await;
        self.store.release(lease).await?;
        recovered
    }

    async fn recover_leased(
        &self,
        stack: &Stack,
        lease: &Lease,
        events: &Events,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        // Another run may have settled it meanwhile.
        let Some(state) = self.store.snapshot(stack).await?.state else { return Ok(Report::default()) };
        let estate = Estate::prepare(&self.providers, None, Some(&state)).await?;
        let open: Vec<_> = state.open.values().filter(|open| open.parked.is_none()).cloned().collect();
        let run = self.run(lease, state, events, cancel);
        let settle = async {
            let settled = open.iter().map(|open| self.settle(&run, &estate, open));
            futures::future::join_all(settled).await
        };
        let outcomes = with_lease(&run, settle).await;
        let mut report = Report::default();
        for (open, outcome) in open.iter().zip(outcomes) {
            record_outcome(&mut report, open, outcome);
        }
        report.interrupted = run.is_cancelled();
        Ok(report)
    }

    async fn settle(&self, run: &Run, estate: &Estate, open: &OpenOperation) -> Outcome {
        let request = open.request.clone();
        run.tell(ApplyEvent::Resuming { address: request.address.clone(), verb: open.verb });
        let actor = match open.verb {
            Verb::Check => self.checks.get(&request.kind).cloned().map(Actor::Check),
            _ => estate.manager(&request.scope, &request.kind).cloned().map(Actor::Manager),
        };
        let Some(actor) = actor else { return Outcome::Unfinished(format!("nobody here knows a {}", request.kind)) };
        let promised = trueup_state::Value::Unknown;
        resume(run, &Work { verb: open.verb, request, declared: open.declared.clone(), actor, promised }, open).await
    }

    /// Makes a plan. Takes no lease, and changes nothing.
    ///
    /// Which resources there are may depend on others: the blueprint is expanded again with what the plan knows of them, until
    /// that brings no more. What waits for an apply then is in [`Plan::deferred`].
    pub async fn plan(&self, program: &Program, stack: &Stack, options: PlanOptions) -> Result<Planned, EngineError> {
        let since = self.clock.uptime();
        let snapshot = self.store.snapshot(stack).await?;
        let since = self.tell_phase("state", since);
        let mut seen = self.seen(snapshot.state.as_ref().filter(|_| options.refresh)).await?;
        self.tell_phase("refresh", since);
        let (program, plan) = self.plan_on(program, stack, options, snapshot.state.as_ref(), &mut seen).await?;
        Ok(Planned { program, plan, snapshot })
    }

    /// What is there now of what a state knows.
    pub(crate) async fn seen(&self, state: Option<&State>) -> Result<Estate, EngineError> {
        let Some(state) = state else { return Ok(Estate::default()) };
        let mut seen = Estate::prepare(&self.providers, None, Some(state)).await?;
        seen.refresh(state).await;
        Ok(seen)
    }

    /// Makes a plan on a state, and the blueprint as it is expanded for it. `seen`: what was observed, by the addresses as they are
    /// recorded.
    pub(crate) async fn plan_on(
        &self,
        program: &Program,
        stack: &Stack,
        options: PlanOptions,
        state: Option<&State>,
        seen: &mut Estate,
    ) -> Result<(Program, Plan), EngineError> {
        let mut program = program.clone();
        loop {
            let plan = self.plan_once(&program, stack, options, state, seen).await?;
            if plan.known == *program.known() {
                return Ok((program, plan));
            }
            program = program.with_known(plan.known)?;
        }
    }

    /// Logs how long a phase took since a moment of the clock's uptime, and begins the next.
    pub fn tell_phase(&self, phase: &str, since: Duration) -> Duration {
        let now = self.clock.uptime();
        tracing::debug!(phase, millis = now.saturating_sub(since).as_secs_f64() * 1e3);
        now
    }

    /// Makes a plan of a blueprint as it is expanded. `seen`: what was observed, by the addresses as they are recorded.
    async fn plan_once(
        &self,
        program: &Program,
        stack: &Stack,
        options: PlanOptions,
        state: Option<&State>,
        seen: &mut Estate,
    ) -> Result<Plan, EngineError> {
        let mode = options.mode;
        let since = self.clock.uptime();
        let moves = match state.filter(|_| mode == Mode::Apply) {
            Some(state) => Moves::of(program, state)?,
            None => Moves::default(),
        };
        let state = state.map(|state| moves.applied(state, self.clock.now())).transpose()?;
        let state = state.as_deref();
        let wanted = Some(program).filter(|_| mode != Mode::Destroy);
        let mut estate = Estate::prepare(&self.providers, wanted, state).await?;
        estate.take_over(seen, &moves);
        if let Some(program) = wanted {
            estate.look(program).await;
            seen.existing.clone_from(&estate.existing);
        }
        let contents = self.contents(program, &estate, mode).await;
        let since = self.tell_phase("prepare", since);
        let input = build::Input {
            program,
            stack,
            state,
            estate: &estate,
            contents,
            facts: Vec::new(),
            checks: &self.checks.keys().cloned().collect(),
            moves: &moves,
            now: self.clock.now(),
            mode,
        };
        let mut plan = build::plan(&input)?;
        self.tell_phase("plan", since);
        if let (true, Some(state)) = (options.refresh, state) {
            obstacles::refuse(&mut plan, program, state, &estate).await;
        }
        Ok(plan)
    }

    /// What there is of the files that specs name.
    async fn contents(&self, program: &Program, estate: &Estate, mode: Mode) -> Contents {
        if mode == Mode::Destroy {
            return Contents::default();
        }
        let mut paths: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for (address, resource) in &program.resources {
            for scope in estate.scopes.get(address).into_iter().flatten() {
                if let Some(manager) = estate.manager(scope, &resource.kind) {
                    for (path, is_read) in file_paths(program, resource, manager.schema()) {
                        *paths.entry(path).or_default() |= is_read;
                    }
                }
            }
        }
        if paths.is_empty() {
            return Contents::default();
        }
        let (look, digest) = (self.look.clone(), self.digest.clone());
        tokio::task::spawn_blocking(move || find(&paths, &look, &digest)).await.unwrap_or_default()
    }

    /// Carries a plan out: takes the lease, refuses if the state, what is to change or what is read moved on, executes, gives the lease back.
    pub async fn apply(
        &self,
        plan: &Plan,
        program: &Program,
        holder: &Holder,
        events: &Events,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        if let Some(refusal) = plan.refusals.first() {
            return Err(EngineError::Refused(refusal.message.clone()));
        }
        let lease = self.store.lease(&plan.stack, holder).await?;
        let applied = self.apply_leased(plan, program, &lease, events, cancel).await;
        let released = self.store.release(lease).await;
        let report = applied?;
        released?;
        Ok(report)
    }

    /// The state that a plan was made for. Refuses the plan if that is another now, or has moved on.
    pub async fn state_of(&self, plan: &Plan) -> Result<State, EngineError> {
        let snapshot = self.store.snapshot(&plan.stack).await?;
        let state = snapshot.state.unwrap_or_else(|| State::new(plan.lineage.clone().unwrap_or_default()));
        if plan.lineage.as_ref().is_some_and(|lineage| *lineage != state.lineage) {
            return Err(EngineError::OtherLineage);
        }
        if state.serial != plan.serial {
            return Err(EngineError::StateMoved { found: state.serial, planned: plan.serial });
        }
        Ok(state)
    }

    async fn apply_leased(
        &self,
        plan: &Plan,
        program: &Program,
        lease: &Lease,
        events: &Events,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        let state = self.state_of(plan).await?;
        let wanted = Some(program).filter(|_| plan.mode != Mode::Destroy);
        let mut estate = Estate::prepare(&self.providers, wanted, Some(&state)).await?;
        if !plan.existing.is_empty() {
            estate.look(program).await;
        }
        let mut addresses = self.changed(plan, &moved(plan, &state)?, &estate).await;
        addresses.extend(read_otherwise(plan, program, &estate));
        if !addresses.is_empty() {
            return Err(EngineError::WorldMoved { addresses: addresses.into_iter().collect() });
        }
        let durations = self.durations(plan).await;
        let run = self.run(lease, state, events, cancel);
        let execute = async {
            let finisher = Finisher::new(&run, plan, program, &estate, &self.checks);
            let mut report = executor::execute(&run, plan, &finisher, &durations).await;
            let outputs = match plan.mode {
                Mode::Destroy if report.is_complete() => Some(Event::Outputs { outputs: BTreeMap::new() }),
                Mode::Destroy => None,
                Mode::Apply | Mode::Correct => finisher.outputs(),
            };
            if let (Some(event), None) = (outputs, &report.stopped) {
                let entry = Entry { at: self.clock.now(), address: None, event };
                report.stopped = run.append_all(&[entry]).await.err().map(|error| error.to_string());
            }
            report
        };
        Ok(with_lease(&run, execute).await)
    }

    /// How long a plan's operations are likely to take. Only their order hangs on it: a history that can't be read stops nothing.
    async fn durations(&self, plan: &Plan) -> Durations {
        let from = plan.serial.saturating_sub(worth_reading(plan.operations.len()));
        Durations::learned(&self.store.history(&plan.stack, from).await.unwrap_or_default())
    }

    /// Observes again what will change: what of it is not as it was planned from.
    async fn changed(&self, plan: &Plan, state: &State, estate: &Estate) -> BTreeSet<Address> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for operation in
            plan.operations.iter().filter(|operation| matches!(operation.verb, Verb::Update | Verb::Delete))
        {
            let record = state.records.get(&operation.address);
            let object = record.and_then(|record| object_of(record, operation.generation));
            if let Some(object) = object.filter(|object| object.id.is_some()) {
                let group = (object.scope.key(), operation.kind.clone());
                groups.entry(group).or_default().push((operation, object));
            }
        }
        let checked = groups.into_values().map(|group| async move {
            let manager = group.first().and_then(|(operation, object)| estate.manager(&object.scope, &operation.kind));
            let objects: Vec<_> = group.iter().map(|(operation, object)| (&operation.address, *object)).collect();
            let (observations, _) = observe(manager.cloned(), &objects).await;
            let differs = |planned: &trueup_state::Value, found: &trueup_state::Value| {
                manager.is_none_or(|manager| !changed_paths(manager.schema(), planned, found).is_empty())
            };
            let moved = group.iter().zip(observations).filter(|((operation, _), (_, observation))| match observation {
                Observation::Present(found) => differs(&operation.observed, &found.spec),
                // What is to go may be gone; a change needs what it changes.
                Observation::Absent => operation.verb != Verb::Delete,
                Observation::Indeterminate(_) => false,
            });
            moved.map(|((operation, _), _)| operation.address.clone()).collect::<Vec<_>>()
        });
        futures::future::join_all(checked).await.into_iter().flatten().collect()
    }

    pub(crate) fn run(&self, lease: &Lease, state: State, events: &Events, cancel: &watch::Receiver<bool>) -> Run {
        let limits = self.providers.iter().map(|(name, provider)| (name.clone(), provider.concurrency()));
        Run {
            store: self.store.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            lanes: Lanes::new(self.parallelism, limits),
            events: events.clone(),
            cancel: cancel.clone(),
            lease: Mutex::new(lease.clone()),
            state: Mutex::new(state),
        }
    }
}

/// Runs work with the lease renewed beside it. A lost lease does not cut the work off: its next append is refused.
pub(crate) async fn with_lease<T>(run: &Run, work: impl Future<Output = T>) -> T {
    let keep = async {
        run.keep_lease().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        done = work => done,
        () = keep => unreachable!("the lease is kept until the work is done"),
    }
}

/// Looks at paths, and into those that are read.
fn find(paths: &BTreeMap<PathBuf, bool>, look: &Looker, digest: &Digester) -> Contents {
    let mut contents = Contents::default();
    for (path, is_read) in paths {
        let (name, stands) = (path.display().to_string(), look(path));
        if *is_read && matches!(stands, Ok(Stands::File | Stands::Directory)) {
            contents.digests.insert(name.clone(), digest(path));
        }
        contents.stands.insert(name, stands);
    }
    contents
}

/// A state in which what the plan moves has moved already.
fn moved(plan: &Plan, state: &State) -> Result<State, EngineError> {
    let mut state = state.clone();
    for entry in plan.entries.iter().filter(|entry| matches!(entry.event, Event::Moved { .. })) {
        state.apply(entry).map_err(StoreError::from)?;
    }
    Ok(state)
}

/// What is read and never managed, and is gone, another thing, or other than it was planned from. What can't be read now is no reason to
/// think so.
fn read_otherwise(plan: &Plan, program: &Program, estate: &Estate) -> impl Iterator<Item = Address> {
    let differs = |existing: &&Existing| match estate.existing.get(&existing.address) {
        Some(Observation::Present(found)) => {
            let resource = program.resources.get(&existing.address);
            let attributes = resource.map(|resource| attributes_of(resource, found));
            found.id != existing.id || attributes.is_none_or(|attributes| !attributes.same(&existing.attributes))
        }
        Some(Observation::Indeterminate(_)) => false,
        Some(Observation::Absent) | None => true,
    };
    plan.existing.iter().filter(differs).map(|existing| existing.address.clone())
}

fn object_of(record: &Record, generation: u64) -> Option<&trueup_state::Object> {
    record.objects().find(|object| object.generation == generation)
}

fn record_outcome(report: &mut Report, open: &OpenOperation, outcome: Outcome) {
    let (address, verb) = (open.request.address.clone(), open.verb);
    match outcome {
        Outcome::Done => report.done.push(Done { address, verb }),
        Outcome::Failed(error) => {
            let source = open.declared.source.clone();
            let message = error.to_string();
            report.failed.push(Failure { address, verb, message, help: None, no_capacity: false, source });
        }
        Outcome::Unfinished(_) => report.unfinished.push(Done { address, verb }),
        Outcome::Stopped(error) => {
            report.unfinished.push(Done { address, verb });
            report.stopped.get_or_insert(error.to_string());
        }
    }
}
