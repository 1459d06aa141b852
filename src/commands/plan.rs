//! `trueup plan` and `trueup show`.

use trueup_engine::Planned;
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Mode, Plan};
use trueup_state::State;

use super::{Standing, load_beside_state, no_key, warn_of_twin};
use crate::arguments::{PlanArgs, ShowArgs, View, options};
use crate::draw;
use crate::draw::plan::Shown;
use crate::exit::{Exit, Failure};
use crate::planfile;
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &PlanArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    let (loaded, snapshot) = load_beside_state(&workplace, &arguments.stack).await?;
    let mode = if arguments.destroy { Mode::Destroy } else { Mode::Apply };
    let options = options(mode, &arguments.part, &arguments.replace.replaces, &arguments.refresh);
    let Planned { program, plan, snapshot } =
        workplace.engine.plan_from(&loaded.program, &loaded.stack, options, snapshot).await?;
    if let Some(path) = &arguments.out {
        // Nothing is sealed for another key beside what there is, and who could carry it out?
        if snapshot.state.as_ref().is_some_and(State::has_locked) {
            return Err(no_key("the state"));
        }
        planfile::save(path, &plan, workplace.vault.as_ref())?;
    }
    draw::warnings(&loaded.program.sources, &loaded.program.warnings, json);
    warn_of_twin(&loaded, &snapshot, json);
    let standing = Standing { location: snapshot.location.clone(), serial: snapshot.serial() };
    let since = workplace.engine.clock.uptime();
    show_plan(&plan, Some(&program), &standing, arguments.view.view, json);
    workplace.engine.tell_phase("draw", since);
    if let (Some(path), false) = (&arguments.out, json) {
        let name = draw::safe::line(path.display());
        draw::put(&format!("\nSaved as {name}; `trueup apply {name}` carries it out.\n"));
    }
    let exit = exit_of(&plan);
    // The process ends, and gives back all of it at once: of a large stack that is quicker than piece by piece.
    std::mem::forget((loaded, program, plan, snapshot));
    Ok(exit)
}

pub(super) fn show(arguments: &ShowArgs, json: bool) -> Result<Exit, Failure> {
    // A plan holds all there is to show: what is missing here, a key or a provider, only leaves out what it would add.
    let workplace = Workplace::here(1).ok();
    let plan = match &workplace {
        Some(workplace) => planfile::read(&arguments.plan, workplace.vault.as_ref())?,
        None => planfile::read(&arguments.plan, &trueup_state::codec::NoKey)?,
    };
    let program = workplace.and_then(|workplace| workplace.reload(&plan).ok());
    let standing = Standing { location: arguments.plan.display().to_string(), serial: plan.serial };
    show_plan(&plan, program.as_ref(), &standing, arguments.view.view, json);
    Ok(Exit::Done)
}

/// Draws a plan, or prints it in the shape of Terraform's. `program`: the blueprint, where it is at hand.
pub(super) fn show_plan(plan: &Plan, program: Option<&Program>, standing: &Standing, view: View, json: bool) {
    if json {
        draw::json(&draw::terraform::plan(plan, program));
    } else {
        let shown = Shown { plan, program, location: &standing.location, serial: standing.serial, view };
        draw::put(&draw::plan::text(&shown));
    }
}

fn exit_of(plan: &Plan) -> Exit {
    match () {
        () if !plan.refusals.is_empty() => Exit::Refused,
        () if plan.is_empty() => Exit::Done,
        () => Exit::Changes,
    }
}
