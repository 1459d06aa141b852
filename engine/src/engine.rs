//! The engine as floor 4 calls it: recover, plan, apply.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use trueup_state::entry::{Entry, Event};
use trueup_state::rules::Rule;
use trueup_state::{
    Address, Clock, Entropy, Holder, Lease, OpenOperation, Record, Serial, Stack, State, Store, StoreError, Verb,
};

use crate::apply::durations::{Durations, worth_reading};
use crate::apply::lanes::Lanes;
use crate::apply::operation::{Actor, Outcome, Work, give_up, resume};
use crate::apply::run::Run;
use crate::apply::{ApplyEvent, Done, Events, Failure, Report, executor};
use crate::asking::Asker;
use crate::blueprint::Program;
use crate::by_hand::{AdoptError, ByHandError};
use crate::diagnostic::Diagnostics;
use crate::estate::{Estate, EstateError, Providers, attributes_of, observe};
use crate::finish::{Checks, Finisher};
use crate::plan::diff::changed_paths;
use crate::plan::select::SelectError;
use crate::plan::{Existing, Mode, Plan};
use crate::provider::Observation;
use crate::reach::reach;
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
    /// What was asked of the plan can't be.
    #[error(transparent)]
    Select(#[from] SelectError),
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

impl Engine {
    /// Settles what a dead run left open, before anything else in a run for a purpose. Takes the lease only if there is something to settle.
    pub async fn recover(
        &self,
        stack: &Stack,
        mode: Mode,
        holder: &Holder,
        events: &Events,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        let snapshot = self.store.snapshot(stack).await?;
        if snapshot.state.as_ref().is_none_or(|state| state.open.is_empty()) {
            return Ok(Report::default());
        }
        let lease = self.store.lease(stack, holder).await?;
        let recovered = self.recover_leased((stack, mode), &lease, events, cancel).await;
        self.give_back(lease, recovered).await
    }

    /// Gives a lease back after a run. What the run did is told in any case: a lease that can't be given back stops it, and ends by itself.
    async fn give_back(&self, lease: Lease, ran: Result<Report, EngineError>) -> Result<Report, EngineError> {
        let released = self.store.release(lease).await;
        let mut report = ran?;
        if let Err(error) = released {
            report.stopped.get_or_insert_with(|| error.to_string());
        }
        Ok(report)
    }

    async fn recover_leased(
        &self,
        (stack, mode): (&Stack, Mode),
        lease: &Lease,
        events: &Events,
        cancel: &watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        // Another run may have settled it meanwhile.
        let Some(state) = self.store.snapshot(stack).await?.state else { return Ok(Report::default()) };
        let open: Vec<_> = state.open.values().filter(|open| open.parked.is_none()).cloned().collect();
        let run = self.run(lease, state.clone(), events, cancel);
        let settle = async {
            let estate = Estate::prepare(&self.providers, None, Some(&state)).await?;
            let settled = open.iter().map(|open| self.settle(&run, &estate, open, mode));
            Ok::<_, EngineError>(futures::future::join_all(settled).await)
        };
        let outcomes = with_lease(&run, settle).await?;
        let mut report = Report::default();
        for (open, outcome) in open.iter().zip(outcomes) {
            record_outcome(&mut report, open, outcome);
        }
        report.interrupted = run.is_cancelled();
        Ok(report)
    }

    async fn settle(&self, run: &Run, estate: &Estate, open: &OpenOperation, mode: Mode) -> Outcome {
        let request = open.request.clone();
        run.tell(ApplyEvent::Resuming { address: request.address.clone(), verb: open.verb });
        let actor = match open.verb {
            Verb::Check => self.checks.get(&request.kind).cloned().map(Actor::Check),
            _ => estate.manager(&request.scope, &request.kind).cloned().map(Actor::Manager),
        };
        let Some(actor) = actor else { return Outcome::Unfinished(format!("nobody here knows a {}", request.kind)) };
        let promised = trueup_state::Value::Unknown;
        let work = Work { verb: open.verb, request, declared: open.declared.clone(), actor, promised };
        match (mode, open.verb) {
            (Mode::Destroy, Verb::Check) => give_up(run, &work).await,
            _ => resume(run, &work, open).await,
        }
    }

    /// Logs how long a phase took since a moment of the clock's uptime, and begins the next.
    pub fn tell_phase(&self, phase: &str, since: Duration) -> Duration {
        let now = self.clock.uptime();
        tracing::debug!(phase, millis = now.saturating_sub(since).as_secs_f64() * 1e3);
        now
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
        self.give_back(lease, applied).await
    }

    /// The state that a plan was made for. Refuses the plan if that is another now, or has moved on.
    pub async fn state_of(&self, plan: &Plan) -> Result<State, EngineError> {
        let snapshot = self.store.snapshot(&plan.stack).await?;
        let state = snapshot.state.unwrap_or_else(|| State::new(plan.lineage.clone().unwrap_or_default()));
        if plan.lineage.as_ref().is_some_and(|lineage| *lineage != state.lineage) {
            return Err(EngineError::OtherLineage);
        }
        if state.serial != plan.serial && Rule::SerialMoved.holds() {
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
        let mut planned = moved(plan, &state)?;
        reach(&mut planned, program, &self.providers);
        let run = self.run(lease, state, events, cancel);
        with_lease(&run, self.carry_out(plan, program, &run, &planned)).await
    }

    /// Looks at what is to change once more, and executes. `planned`: the state, in which what the plan moves has moved.
    async fn carry_out(
        &self,
        plan: &Plan,
        program: &Program,
        run: &Run,
        planned: &State,
    ) -> Result<Report, EngineError> {
        let wanted = Some(program).filter(|_| plan.mode != Mode::Destroy);
        let mut estate = Estate::prepare(&self.providers, wanted, Some(planned)).await?;
        if !plan.existing.is_empty() {
            estate.look(program, &self.asker()).await;
        }
        let mut addresses = self.changed(plan, planned, &estate).await;
        addresses.extend(read_otherwise(plan, program, &estate));
        if !addresses.is_empty() && Rule::WorldMoved.holds() {
            return Err(EngineError::WorldMoved { addresses: addresses.into_iter().collect() });
        }
        let durations = self.durations(plan).await;
        let finisher = Finisher::new(run, plan, program, &estate, &self.checks);
        let mut report = executor::execute(run, plan, &finisher, &durations).await;
        let outputs = match plan.mode {
            Mode::Destroy if report.is_complete() => outputs_left(plan, &run.state().outputs),
            Mode::Destroy => None,
            Mode::Apply | Mode::Correct => finisher.outputs(),
        };
        if let (Some(event), None) = (outputs, &report.stopped) {
            let entry = Entry { at: self.clock.now(), address: None, event };
            report.stopped = run.append_all(&[entry]).await.err().map(|error| error.to_string());
        }
        Ok(report)
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
                let group = (object.scope.clone(), operation.kind.clone());
                groups.entry(group).or_default().push((operation, object));
            }
        }
        let asker = &self.asker();
        let checked = groups.into_values().map(|group| async move {
            let manager = group.first().and_then(|(operation, object)| estate.manager(&object.scope, &operation.kind));
            let objects: Vec<_> = group.iter().map(|(operation, object)| (&operation.address, *object)).collect();
            let (observations, _) = observe(asker, manager.cloned(), &objects).await;
            let differs = |planned: &trueup_state::Value, found: &trueup_state::Value| {
                manager.is_none_or(|manager| !changed_paths(manager.schema(), planned, found).is_empty())
            };
            let moved = group.iter().zip(observations).filter(|((operation, _), (_, observation))| match observation {
                Observation::Present(found) => differs(&operation.observed, &found.spec),
                // What is to go may be gone; a change needs what it changes.
                Observation::Absent | Observation::Ended(_) => operation.verb != Verb::Delete,
                Observation::Indeterminate(_) => false,
            });
            moved.map(|((operation, _), _)| operation.address.clone()).collect::<Vec<_>>()
        });
        futures::future::join_all(checked).await.into_iter().flatten().collect()
    }

    /// Whoever asks what is there.
    pub(crate) fn asker(&self) -> Asker {
        Asker { clock: self.clock.clone(), entropy: self.entropy.clone() }
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
        biased;
        done = work => done,
        () = keep => unreachable!("the lease is kept until the work is done"),
    }
}

/// The entry that takes away the outputs that go with what was deleted; none where they stay.
fn outputs_left(plan: &Plan, before: &BTreeMap<String, trueup_state::Value>) -> Option<Event> {
    let goes = |name: &String| plan.outputs.get(name).is_some_and(|change| change.after.is_none());
    let outputs: BTreeMap<_, _> =
        before.iter().filter(|(name, _)| !goes(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    (outputs.len() != before.len()).then_some(Event::Outputs { outputs })
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
        Some(Observation::Absent | Observation::Ended(_)) | None => true,
    };
    plan.existing.iter().filter(differs).map(|existing| existing.address.clone())
}

fn object_of(record: &Record, generation: u64) -> Option<&trueup_state::Object> {
    record.objects().find(|object| object.generation == generation)
}

fn record_outcome(report: &mut Report, open: &OpenOperation, outcome: Outcome) {
    let (address, verb) = (open.request.address.clone(), open.verb);
    match outcome {
        Outcome::Done | Outcome::NotNeeded => report.done.push(Done { address, verb }),
        Outcome::Failed(error) => {
            let source = open.declared.source.clone();
            let message = error.to_string();
            report.failed.push(Failure {
                address,
                verb,
                message,
                help: None,
                no_capacity: false,
                condemned: false,
                source,
            });
        }
        Outcome::Unfinished(_) => report.unfinished.push(Done { address, verb }),
        Outcome::Stopped(error) => {
            report.unfinished.push(Done { address, verb });
            report.stopped.get_or_insert(error.to_string());
        }
    }
}
