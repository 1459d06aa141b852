//! `trueup plan` and `trueup show`.

use trueup_engine::plan::{Mode, Plan};
use trueup_engine::{PlanOptions, Planned};

use super::{Standing, load};
use crate::arguments::{PlanArgs, ShowArgs};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::planfile;
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &PlanArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    let loaded = load(&workplace, &arguments.stack)?;
    let mode = if arguments.destroy { Mode::Destroy } else { Mode::Apply };
    let options = PlanOptions { mode, refresh: !arguments.no_refresh };
    let Planned { plan, snapshot, .. } = workplace.engine.plan(&loaded.program, &loaded.stack, options).await?;
    if let Some(path) = &arguments.out {
        planfile::save(path, &plan, workplace.vault.as_ref())?;
    }
    draw::warnings(&loaded.program.sources, &loaded.program.warnings, json);
    let serial = snapshot.serial();
    show_plan(&plan, &Standing { location: snapshot.location, serial }, json);
    if let (Some(path), false) = (&arguments.out, json) {
        draw::put(&format!("\nSaved as {0}; `trueup apply {0}` carries it out.\n", path.display()));
    }
    Ok(exit_of(&plan))
}

pub(super) fn show(arguments: &ShowArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    let plan = planfile::read(&arguments.plan, workplace.vault.as_ref())?;
    let standing = Standing { location: arguments.plan.display().to_string(), serial: plan.serial };
    show_plan(&plan, &standing, json);
    Ok(Exit::Done)
}

/// Draws a plan, or prints it in the shape of Terraform's.
pub(super) fn show_plan(plan: &Plan, standing: &Standing, json: bool) {
    if json {
        draw::json(&draw::terraform::plan(plan));
    } else {
        draw::put(&draw::plan::text(plan, &standing.location, standing.serial));
    }
}

fn exit_of(plan: &Plan) -> Exit {
    match () {
        () if !plan.refusals.is_empty() => Exit::Refused,
        () if plan.is_empty() => Exit::Done,
        () => Exit::Changes,
    }
}
