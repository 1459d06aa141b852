//! One run of a process: recover, plan, think, apply; and what may befall it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use trueup_engine::apply::Report;
use trueup_engine::blueprint::{Catalog, Inputs, Program, ProviderEntry, expand};
use trueup_engine::estate::Providers;
use trueup_engine::kinds;
use trueup_engine::plan::{Mode, Operation};
use trueup_engine::provider::Check;
use trueup_engine::tree::Stands;
use trueup_engine::{Engine, EngineError, PlanOptions, Planned};
use trueup_provider_sim::Seen;
use trueup_state::{Holder, KindName, StoreError, Verb};

use crate::files::Files;
use crate::script::{Drift, What};
use crate::storage::WiredStore;
use crate::wire::{Tester, Wire, WiredProvider};
use crate::world::{FOREIGN, World, stack};

/// A run, before it starts.
pub(crate) struct Run {
    pub(crate) text: String,
    pub(crate) what: What,
    pub(crate) condemned: usize,
    pub(crate) pause: Duration,
    pub(crate) meanwhile: Option<Drift>,
    pub(crate) cancel: Option<Duration>,
    /// Whether the cloud may not answer what it is asked.
    pub(crate) is_hazy: bool,
}

/// How a run ended.
pub(crate) enum End {
    /// Its process is no more.
    Died,
    /// With the report of each phase.
    Ended(Vec<Report>),
    /// The plan was refused.
    Refused(String),
    /// It gave up.
    Failed(EngineError),
}

/// The longest that anybody waits for a run, or for another's lease.
const PATIENCE: Duration = Duration::from_mins(40);

/// No blueprint has as many phases.
const MOST_PHASES: usize = 6;

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            End::Failed(error) => write!(f, ": {error}"),
            End::Ended(reports) => reports.iter().try_for_each(|report| {
                let failed = report
                    .failed
                    .iter()
                    .map(|failure| (failure.verb.as_str(), failure.address.to_string(), &failure.message));
                let unfinished = report.unfinished.iter().map(|left| (left.verb.as_str(), left.address.to_string()));
                let (failed, unfinished): (Vec<_>, Vec<_>) = (failed.collect(), unfinished.collect());
                let (done, skipped) = (report.done.len(), report.skipped.len());
                write!(
                    f,
                    "; {done} done, {failed:?} failed, {skipped} skipped, {unfinished:?} left, {:?}",
                    report.stopped
                )
            }),
            End::Died => Ok(()),
            End::Refused(message) => write!(f, ": {message}"),
        }
    }
}

impl End {
    /// Whether it did all that was to be done.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, End::Ended(reports) if reports.iter().all(Report::is_complete))
    }

    /// It, in a word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            End::Died => "died",
            End::Ended(_) if self.is_complete() => "done",
            End::Ended(_) => "partly done",
            End::Refused(_) => "refused",
            End::Failed(EngineError::StateMoved { .. }) => "refused: the state moved",
            End::Failed(EngineError::WorldMoved { .. }) => "refused: the world moved",
            End::Failed(_) => "failed",
        }
    }
}

impl Run {
    /// A run that nothing befalls.
    pub(crate) fn plain(what: What) -> Self {
        let (text, pause) = (String::new(), Duration::ZERO);
        Self { text, what, condemned: 0, pause, meanwhile: None, cancel: None, is_hazy: false }
    }

    /// Lets a process run until it ends or dies.
    pub(crate) async fn go(&self, wire: &Arc<Wire>) -> End {
        let (cancel, cancelled) = watch::channel(false);
        let nap = Nap { wire: wire.clone(), sleep: None, inner: Box::pin(self.phases(wire, &cancelled)) };
        let press = async {
            tokio::time::sleep(self.cancel.unwrap_or(PATIENCE)).await;
            let _ = cancel.send(true);
            tokio::time::sleep(PATIENCE).await;
        };
        let end = tokio::select! {
            biased;
            () = wire.died() => End::Died,
            ended = nap => match ended {
                Ok(end) => end,
                Err(error) => End::Failed(error),
            },
            () = press => {
                wire.world.ledger().wrong(format!("process {} goes on after Ctrl-C", wire.holder.pid));
                End::Died
            }
        };
        wire.world.end(&wire.holder);
        end
    }

    async fn phases(&self, wire: &Arc<Wire>, cancel: &watch::Receiver<bool>) -> Result<End, EngineError> {
        let (world, holder, stack) = (&wire.world, &wire.holder, &stack());
        let engine = engine(wire, self.condemned);
        let program = load(world, &self.text)?;
        let (events, told) = mpsc::unbounded_channel();
        world.listen(told);
        let mode = match self.what {
            What::Apply => Mode::Apply,
            What::Destroy => Mode::Destroy,
            What::Correct => Mode::Correct,
        };
        patient(cancel, || engine.recover(stack, mode, holder, &events, cancel)).await?;
        let mut reports: Vec<Report> = Vec::new();
        loop {
            let Planned { program, plan, .. } = engine.plan(&program, stack, PlanOptions::new(mode)).await?;
            if !plan.refusals.is_empty() {
                world.ledger().count("refused");
                return Ok(End::Refused(plan.refusals[0].message.clone()));
            }
            if plan.changes_nothing() || reports.len() > MOST_PHASES || *cancel.borrow() {
                return Ok(End::Ended(reports));
            }
            if reports.is_empty() {
                tokio::time::sleep(self.pause).await;
                self.meddle(world, holder, &plan.operations).await;
            }
            world.ledger().planned.insert(holder.pid, plan.serial);
            let applied = patient(cancel, || engine.apply(&plan, &program, holder, &events, cancel)).await;
            world.ledger().meddled.remove(&holder.pid);
            reports.push(applied?);
            if plan.deferred.is_empty() || !reports.iter().all(Report::is_complete) {
                return Ok(End::Ended(reports));
            }
        }
    }

    /// Somebody changes something by hand while the plan is looked at.
    async fn meddle(&self, world: &World, holder: &Holder, operations: &[Operation]) {
        let Some(drift) = self.meanwhile else { return };
        let is_changed = |operation: &&Operation| matches!(operation.verb, Verb::Update | Verb::Delete);
        let planned: BTreeSet<&String> =
            operations.iter().filter(is_changed).filter_map(|operation| operation.id.as_ref()).collect();
        // By half it is something that the plan would change.
        let near = planned.iter().nth(drift.pick % planned.len().max(1)).filter(|_| drift.pick % 2 == 0);
        let Some(id) = drift.happen(world, near.map(|id| id.as_str())).await else { return };
        let is_planned = planned.contains(&id);
        // To delete what is gone is no harm. What the cloud does not show, nobody can see.
        if is_planned && !drift.is_gone && !self.is_hazy {
            world.ledger().meddled.insert(holder.pid, id);
        }
    }
}

impl Drift {
    /// Changes an object by hand, that of an id or any, or takes it away; which.
    pub(crate) async fn happen(&self, world: &World, id: Option<&str>) -> Option<String> {
        let inspector = world.inspector().await;
        let objects = inspector.objects().await.expect("memory can be read");
        let is_it = |object: &&Seen| object.address != FOREIGN && id.is_none_or(|id| object.id == id);
        let of_ours: Vec<_> = objects.iter().filter(is_it).collect();
        let object = of_ours.get(self.pick % of_ours.len().max(1))?;
        let field = if object.kind == "Sim::Thing" { "properties.size" } else { "tags.size" };
        if self.is_gone {
            inspector.remove(&object.id).await.expect("memory can be written");
        } else if object.kind.starts_with("Sim::") && object.kind != "Sim::Thing" {
            return None;
        } else {
            let number = world.ledger().counts.get("drift: changed").copied().unwrap_or(0) + 100;
            let value = if field == "tags.size" { format!("drifted-{number}").into() } else { number.into() };
            inspector.edit(&object.id, field, Some(value)).await.expect("memory can be written");
        }
        let mut ledger = world.ledger();
        ledger.count(if self.is_gone { "drift: gone" } else { "drift: changed" });
        ledger.touch(&object.id, &object.token);
        Some(object.id.clone())
    }
}

/// Waits for another's lease, as `--wait` does.
async fn patient<T, F: Future<Output = Result<T, EngineError>>>(
    cancel: &watch::Receiver<bool>,
    call: impl Fn() -> F,
) -> Result<T, EngineError> {
    loop {
        match call().await {
            Err(EngineError::Store(StoreError::Held(_))) if !*cancel.borrow() => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            result => return result,
        }
    }
}

/// A process's engine.
pub(crate) fn engine(wire: &Arc<Wire>, condemned: usize) -> Engine {
    let world = &wire.world;
    let provider = WiredProvider(world.provider(), wire.clone());
    let tester = Tester { wire: wire.clone(), condemned };
    Engine {
        store: Arc::new(WiredStore { inner: world.store.clone(), wire: wire.clone() }),
        providers: Providers::from([("sim".to_owned(), Arc::new(provider) as _)]),
        checks: BTreeMap::from([(KindName::from("gpu_instance"), Arc::new(tester) as Arc<dyn Check>)]),
        clock: world.clock.clone(),
        entropy: world.entropy.clone(),
        look: Arc::new(|_| Ok(Stands::Nothing)),
        digest: Arc::new(|_| Err("there are no files here".to_owned())),
        parallelism: 8,
    }
}

/// Reads a blueprint.
pub(crate) fn load(world: &World, text: &str) -> Result<Program, EngineError> {
    let provider = world.provider();
    let entry =
        ProviderEntry { kinds: provider.kinds(), natives: provider.natives(), settings: provider.settings_schema() };
    let catalog = Catalog {
        kinds: kinds::portable().into_iter().map(|kind| (kind.name.into(), kind.schema)).collect(),
        providers: BTreeMap::from([("sim".to_owned(), entry)]),
        ..Catalog::default()
    };
    let path = Path::new("sim.yaml");
    let files = Files { path, bytes: text.as_bytes() };
    Ok(expand::load(path, &Inputs::default(), &files, &Arc::new(catalog))?)
}

/// A process that may be put to sleep: nothing of it goes on until it wakes.
struct Nap<F> {
    wire: Arc<Wire>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for Nap<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.sleep = None;
            }
            let polled = self.inner.as_mut().poll(context);
            let Some(span) = self.wire.asleep.lock().expect("no one panicked").take() else { return polled };
            if polled.is_ready() {
                return polled;
            }
            self.sleep = Some(Box::pin(tokio::time::sleep(span)));
        }
    }
}
