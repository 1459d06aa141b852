//! `trueup drift`: what was changed outside, and with `--correct`, bringing it back.

use trueup_engine::plan::Mode;
use trueup_engine::{PlanOptions, Planned};

use super::apply::Task;
use super::load;
use crate::arguments::DriftArgs;
use crate::draw;
use crate::draw::plan::Shown;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &DriftArgs, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(arguments.run.parallelism)?;
    let loaded = load(&workplace, &arguments.stack)?;
    if arguments.correct {
        let task =
            Task { workplace: &workplace, run: &arguments.run, json, name: "drift --correct", mode: Mode::Correct };
        return task.plan_and_carry_out(&loaded).await;
    }
    let options = PlanOptions { mode: Mode::Correct, refresh: true };
    let Planned { program, plan, snapshot } = workplace.engine.plan(&loaded.program, &loaded.stack, options).await?;
    if json {
        draw::json(&draw::terraform::plan(&plan, Some(&program)));
    } else {
        let (location, serial) = (snapshot.location.as_str(), snapshot.serial());
        let view = arguments.run.view.view;
        draw::put(&draw::plan::drift(&Shown { plan: &plan, program: Some(&program), location, serial, view }));
    }
    Ok(if plan.drift.is_empty() { Exit::Done } else { Exit::Changes })
}
