//! `trueup apply` and `trueup destroy`: recover, plan, show, ask, carry out, report.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use trueup_checks::Asked;
use trueup_engine::apply::{Events, Report};
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Action, Change, Mode, Plan};
use trueup_engine::{EngineError, PlanOptions, Planned};
use trueup_state::{Address, Holder, Stack, State, StoreError, Verb};

use super::ask::confirmed;
use super::plan::show_plan;
use super::{Loaded, Standing, load, no_key, state_of, warn_of_twin};
use crate::arguments::{ApplyArgs, DestroyArgs, RunArgs, StackArgs, Yes, options};
use crate::draw::{self, progress::Progress};
use crate::exit::{Exit, Failure};
use crate::planfile;
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &ApplyArgs, json: bool) -> Result<Exit, Failure> {
    let mut workplace = Workplace::here(arguments.run.parallelism)?;
    workplace.measure_by(arguments.run.gpucheck_program.as_deref());
    let options = options(Mode::Apply, &arguments.part, &arguments.replace.replaces, &arguments.refresh);
    if planfile::is_plan(&arguments.file) {
        if options.asked.is_limited() || !options.asked.replaces.is_empty() || !options.refresh {
            let failure = Failure::new("a saved plan is carried out as it is: what it is of was said when it was made");
            return Err(failure.help("give these options to `trueup plan --out FILE`"));
        }
        return apply_saved(&workplace, &arguments.file, &arguments.run, json).await;
    }
    let stack = StackArgs { blueprint: arguments.file.clone(), inputs: arguments.inputs.clone() };
    let loaded = load(&workplace, &stack)?;
    let task = Task { workplace: &workplace, run: &arguments.run, json, name: "apply", options };
    task.plan_and_carry_out(&loaded).await
}

pub(super) async fn destroy(arguments: &DestroyArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(arguments.run.parallelism)?;
    let loaded = load(&workplace, &arguments.stack)?;
    let options = options(Mode::Destroy, &arguments.part, &[], &arguments.refresh);
    let task = Task { workplace: &workplace, run: &arguments.run, json, name: "destroy", options };
    task.plan_and_carry_out(&loaded).await
}

async fn apply_saved(workplace: &Workplace, path: &Path, run: &RunArgs, json: bool) -> Result<Exit, Failure> {
    let plan = planfile::read(path, workplace.vault.as_ref())?;
    workplace.desk.is_of(&plan.stack);
    let program = workplace.reload(&plan)?;
    let task = Task { workplace, run, json, name: "apply", options: PlanOptions::new(plan.mode) };
    let watch = Watch::start(json);
    // A plan that was made before what this settles is refused, and the next one is whole.
    task.recover(&plan.stack, &task.holder(), &watch).await?;
    workplace.engine.state_of(&plan).await?;
    let standing = Standing { location: path.display().to_string(), serial: plan.serial };
    let (exit, _) = task.show_and_carry_out(&plan, &program, standing, &watch, &Phase::First).await?;
    if exit != Exit::Done || plan.deferred.is_empty() {
        return Ok(exit);
    }
    // A saved plan ends where what is left must be planned anew.
    if !json {
        let left: Vec<String> = plan.deferred.iter().map(|left| draw::safe::line(&left.address)).collect();
        draw::put(&format!("\nLeft for another plan, now that this is done: {}.\n", left.join(", ")));
    }
    Ok(Exit::Changes)
}

/// Which phase of an apply: what only the first can tell is planned in further ones.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    First,
    Further,
    /// What these failed to be is tried anew, as their `validate` says.
    Again(BTreeSet<Address>),
}

/// Machines that were tried and failed their checks, by resource: how many.
type Tried = BTreeMap<Address, u32>;

/// One command that changes a stack.
pub(super) struct Task<'a> {
    pub(super) workplace: &'a Workplace,
    pub(super) run: &'a RunArgs,
    pub(super) json: bool,
    pub(super) name: &'a str,
    pub(super) options: PlanOptions,
}

impl Task<'_> {
    pub(super) async fn plan_and_carry_out(&self, loaded: &Loaded) -> Result<Exit, Failure> {
        let watch = Watch::start(self.json);
        let holder = self.holder();
        self.recover(&loaded.stack, &holder, &watch).await?;
        draw::warnings(&loaded.program.sources, &loaded.program.warnings, self.json);
        let (mut phase, mut options, mut tried) = (Phase::First, self.options.clone(), Tried::new());
        loop {
            // What had to wait is compared with what is there only now.
            let planned = self.workplace.engine.plan(&loaded.program, &loaded.stack, options.clone()).await;
            let Planned { program, plan, snapshot } = planned.map_err(|error| match phase {
                Phase::First => Failure::from(error),
                Phase::Further | Phase::Again(_) => Failure::from(error).after_a_phase(),
            })?;
            // What can't be compared can't be brought level; to delete it takes no secret.
            if self.options.mode != Mode::Destroy && snapshot.state.as_ref().is_some_and(State::has_locked) {
                return Err(no_key("the state"));
            }
            if phase == Phase::First {
                warn_of_twin(loaded, &snapshot, self.json);
            }
            let serial = snapshot.serial();
            let standing = Standing { location: snapshot.location, serial };
            let (exit, report) = self.show_and_carry_out(&plan, &program, standing, &watch, &phase).await?;
            if let Some(again) = report.and_then(|report| to_try_again(&report, &program, &mut tried)) {
                phase = Phase::Again(again);
                continue;
            }
            if exit != Exit::Done || plan.deferred.is_empty() {
                return Ok(exit);
            }
            if plan.changes_nothing() {
                let left: Vec<String> = plan.deferred.iter().map(|left| left.address.to_string()).collect();
                let failure =
                    Failure::new(format!("{} can't be planned: what it waits for stays unknown", left.join(", ")));
                return Err(failure.help("see in the plan above what it waits for").exit(Exit::Failed));
            }
            phase = Phase::Further;
            options.asked = options.asked.after(&plan);
        }
    }

    /// This process, as the holder of a lease.
    fn holder(&self) -> Holder {
        Holder { term: self.run.lease, ..self.workplace.holder(self.name) }
    }

    async fn recover(&self, stack: &Stack, holder: &Holder, watch: &Watch) -> Result<(), Failure> {
        let engine = &self.workplace.engine;
        let recovered = self
            .waiting(watch, || engine.recover(stack, self.options.mode, holder, &watch.events, &watch.cancel))
            .await?;
        watch.settle().await;
        for failure in recovered.failed.iter().filter(|_| !self.json) {
            let (address, message) = (draw::safe::line(&failure.address), draw::safe::lines(&failure.message));
            draw::note(&format!("  {address}: could not {}: {message}", failure.verb.as_str()));
        }
        if recovered.stopped.is_some() || recovered.interrupted {
            draw::report(&recovered, self.json);
            return Err(Failure::new("what an earlier run left could not be settled").exit(Exit::Failed));
        }
        Ok(())
    }

    async fn show_and_carry_out(
        &self,
        plan: &Plan,
        program: &Program,
        standing: Standing,
        watch: &Watch,
        phase: &Phase,
    ) -> Result<(Exit, Option<Report>), Failure> {
        if let (Some(heading), false) = (phase.heading(), self.json) {
            draw::put(&format!("\n{heading}:\n\n"));
        }
        if self.json {
            // One of several answers, so one line, as the events after it.
            draw::json_line(&draw::terraform::plan(plan, Some(program)));
        } else {
            show_plan(plan, Some(program), &standing, self.run.view.view, false);
        }
        if !plan.refusals.is_empty() {
            return Ok((Exit::Refused, None));
        }
        if plan.changes_nothing() {
            let stops = plan.notices.iter().any(|notice| notice.stops);
            return Ok((if stops || is_anything_open(plan) { Exit::Failed } else { Exit::Done }, None));
        }
        if !self.is_answered(plan, phase)? && !self.ask(plan, watch).await? {
            draw::put("Nothing was changed.\n");
            return Ok((Exit::Error, None));
        }
        let holder = self.holder();
        let engine = &self.workplace.engine;
        let applied = self.waiting(watch, || engine.apply(plan, program, &holder, &watch.events, &watch.cancel)).await;
        watch.settle().await;
        let report = applied?;
        draw::report(&report, self.json);
        self.show_checks(&report).await?;
        self.show_outputs(&plan.stack).await?;
        let exit = if report.is_complete() && !is_anything_open(plan) { Exit::Done } else { Exit::Failed };
        Ok((exit, Some(report)))
    }

    /// What checks found that went on all the same: warnings, and failures of which their `validate` says to be told alone.
    async fn show_checks(&self, report: &Report) -> Result<(), Failure> {
        for done in report.done.iter().filter(|done| done.verb == Verb::Check) {
            let checks =
                self.workplace.desk.checks(&done.address).await.map_err(|error| Failure::new(error.to_string()))?;
            let Some(last) = checks.first().filter(|last| last.message.is_some()) else { continue };
            let message = last.message.clone().unwrap_or_default();
            if self.json {
                let check = json!({ "address": done.address, "passed": last.passed, "message": message });
                draw::json_line(&json!({ "checks": [check] }));
                continue;
            }
            let verdict = if last.passed { "passes its check, with a warning" } else { "fails its check, and goes on" };
            let (address, message) = (draw::safe::line(&done.address), draw::safe::line(&message));
            draw::put(&format!("{address} {verdict}: {message}\n"));
        }
        Ok(())
    }

    /// Whether the plan was said yes to beforehand.
    fn is_answered(&self, plan: &Plan, phase: &Phase) -> Result<bool, Failure> {
        let Some(yes) = self.run.yes else { return Ok(false) };
        let takes_away = |change: &&Change| {
            matches!(change.action, Action::Replace(_) | Action::Delete) && !phase.replaces(&change.address)
        };
        let taken: Vec<String> =
            plan.changes.iter().filter(takes_away).map(|change| change.address.to_string()).collect();
        if *phase == Phase::First || yes == Yes::All || taken.is_empty() {
            return Ok(true);
        }
        if !self.json && std::io::stdin().is_terminal() {
            return Ok(false);
        }
        let failure = Failure::new(format!(
            "this phase replaces or deletes {}, and `--yes` does not cover that",
            taken.join(", ")
        ));
        Err(failure.help("look at it, and apply again with `--yes=all`").exit(Exit::Refused))
    }

    /// Calls again for as long as another run holds the lease, if that is to be waited for and nobody interrupts.
    async fn waiting<T, F: Future<Output = Result<T, EngineError>>>(
        &self,
        watch: &Watch,
        call: impl Fn() -> F,
    ) -> Result<T, Failure> {
        let mut told = false;
        loop {
            match call().await {
                Err(EngineError::Store(StoreError::Held(holder))) if self.run.wait && !*watch.cancel.borrow() => {
                    if !std::mem::replace(&mut told, true) && !self.json {
                        draw::note(&format!("Waiting for {}…", draw::safe::line(&holder)));
                    }
                    self.workplace.engine.clock.sleep(Duration::from_secs(1)).await;
                }
                result => return Ok(result?),
            }
        }
    }

    async fn ask(&self, plan: &Plan, watch: &Watch) -> Result<bool, Failure> {
        let question = match plan.mode {
            _ if plan.part.is_partial() => format!("Do this to a part of {}? Only `yes` does it: ", plan.stack),
            Mode::Destroy => format!("Destroy all of {}? Only `yes` does it: ", plan.stack),
            Mode::Apply | Mode::Correct => format!("Do this to {}? Only `yes` does it: ", plan.stack),
        };
        let mut cancel = watch.cancel.clone();
        let cancelled = async { drop(cancel.wait_for(|cancelled| *cancelled).await) };
        confirmed(&question, self.json, cancelled).await
    }

    async fn show_outputs(&self, stack: &Stack) -> Result<(), Failure> {
        if self.options.mode == Mode::Destroy || self.json {
            return Ok(());
        }
        let (state, _) = state_of(self.workplace, stack).await?;
        if !state.outputs.is_empty() {
            draw::put(&format!("\n{}", draw::outputs(&state.outputs)));
        }
        Ok(())
    }
}

impl Phase {
    /// What its plan is headed by.
    fn heading(&self) -> Option<&'static str> {
        match self {
            Phase::First => None,
            Phase::Further => Some("What had to wait for that"),
            Phase::Again(_) => Some("What failed its check is made anew"),
        }
    }

    /// Whether its replacement was said yes to with the first phase: its `validate` was shown there.
    fn replaces(&self, address: &Address) -> bool {
        matches!(self, Phase::Again(failed) if failed.contains(address))
    }
}

/// The resources of which another machine is tried, where nothing else has failed and each may be tried once more.
fn to_try_again(report: &Report, program: &Program, tried: &mut Tried) -> Option<BTreeSet<Address>> {
    if report.failed.is_empty() || report.stopped.is_some() || report.interrupted {
        return None;
    }
    let mut again = BTreeSet::new();
    for failure in &report.failed {
        let resource = program.resources.get(&failure.address).filter(|_| failure.condemned)?;
        let asked = Asked::of(resource.validate.as_ref()?, resource.provider.provider());
        let count = tried.entry(failure.address.clone()).or_default();
        *count += 1;
        if *count >= asked.tries() {
            return None;
        }
        again.insert(failure.address.clone());
    }
    Some(again)
}

/// Whether an earlier run's operation could not be settled, so that its resource stays as it is.
fn is_anything_open(plan: &Plan) -> bool {
    !plan.resumes.is_empty()
}

/// Events on their way to the terminal, and Ctrl-C on its way to the engine.
pub(super) struct Watch {
    pub(super) events: Events,
    pub(super) cancel: watch::Receiver<bool>,
    drawn: mpsc::UnboundedSender<tokio::sync::oneshot::Sender<()>>,
}

impl Watch {
    pub(super) fn start(json: bool) -> Self {
        let (events, mut received) = mpsc::unbounded_channel();
        let (drawn, mut asked) = mpsc::unbounded_channel::<tokio::sync::oneshot::Sender<()>>();
        let (cancelled, cancel) = watch::channel(false);
        tokio::spawn(async move {
            let mut progress = Progress::new(json);
            loop {
                tokio::select! {
                    biased;
                    Some(event) = received.recv() => progress.draw(event),
                    Some(answer) = asked.recv() => {
                        progress.clear();
                        let _ = answer.send(());
                    }
                    else => return,
                }
            }
        });
        tokio::spawn(async move {
            let mut presses = 0;
            while tokio::signal::ctrl_c().await.is_ok() {
                presses += 1;
                if presses > 1 {
                    std::process::exit(Exit::Failed as i32);
                }
                draw::note(
                    "Stopping: nothing new starts, and what is under way is resumed by the next run. Again to leave at once.",
                );
                let _ = cancelled.send(true);
            }
        });
        Self { events, cancel, drawn }
    }

    /// Returns once every event so far is drawn.
    pub(super) async fn settle(&self) {
        let (answer, drawn) = tokio::sync::oneshot::channel();
        if self.drawn.send(answer).is_ok() {
            let _ = drawn.await;
        }
    }
}
