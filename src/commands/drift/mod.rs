//! `trueup drift`: what was changed outside, and with `--correct`, bringing it back.

mod all;

use serde_json::json;
use trueup_checks::GpuCheck;
use trueup_engine::plan::Mode;
use trueup_engine::{PlanOptions, Planned};
use trueup_state::Record;

use super::apply::Task;
use super::gpucheck::{Examined, examine};
use super::{Loaded, load, state_of};
use crate::arguments::DriftArgs;
use crate::draw;
use crate::draw::markdown::Looked;
use crate::draw::plan::Shown;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &DriftArgs, json: bool) -> Result<Exit, Failure> {
    if arguments.part.asked(&[]).is_limited() && !arguments.correct {
        let failure = Failure::new("only a correction is of a part of the stack: drift is shown of all of it");
        return Err(failure.help("add `--correct`"));
    }
    if let Some(directory) = &arguments.all {
        return all::run(directory, arguments, json).await;
    }
    let mut workplace = Workplace::here(arguments.run.parallelism)?;
    let check = workplace.measure_by(arguments.run.gpucheck_program.as_deref());
    let loaded = load(&workplace, &arguments.stack)?;
    if arguments.correct {
        let options = PlanOptions { asked: arguments.part.asked(&[]), ..PlanOptions::new(Mode::Correct) };
        let task = Task { workplace: &workplace, run: &arguments.run, json, name: "drift --correct", options };
        let exit = task.plan_and_carry_out(&loaded).await?;
        let examined = validate(arguments, &workplace, &check, &loaded, json).await?;
        if json && arguments.validate {
            draw::json_line(&json!({ "checks": checks_json(&examined) }));
        }
        return Ok(if exit == Exit::Done { exit_of_checks(&examined) } else { exit });
    }
    let planned = look(&workplace, &loaded).await?;
    if json {
        let mut drift = json!(draw::terraform::plan(&planned.plan, Some(&planned.program)));
        let examined = validate(arguments, &workplace, &check, &loaded, json).await?;
        if arguments.validate {
            drift["checks"] = checks_json(&examined);
        }
        draw::json(&drift);
        return Ok(worse(exit_of(&planned), exit_of_checks(&examined)));
    }
    if arguments.markdown {
        draw::put_value(&draw::markdown::one(&Looked {
            stack: loaded.stack.to_string(),
            file: arguments.stack.blueprint.clone(),
            environment: arguments.stack.inputs.env.clone(),
            home: None,
            found: Ok(&planned.plan),
        }));
    } else {
        draw::put(&draw::plan::drift(&shown(&planned, arguments)));
    }
    let examined = validate(arguments, &workplace, &check, &loaded, json).await?;
    Ok(worse(exit_of(&planned), exit_of_checks(&examined)))
}

/// Checks every machine again whose block has a `validate`, if that is asked for, all at once, but for those that check themselves at their
/// first start. What fails is only told.
async fn validate(
    arguments: &DriftArgs,
    workplace: &Workplace,
    check: &GpuCheck,
    loaded: &Loaded,
    json: bool,
) -> Result<Vec<Examined>, Failure> {
    if !arguments.validate {
        return Ok(Vec::new());
    }
    let (state, _) = state_of(workplace, &loaded.stack).await?;
    let machines = loaded.program.resources.values().filter_map(|resource| {
        let record = state.records.get(&resource.address).filter(|record| record.current.is_some());
        record.zip(resource.validate.as_ref())
    });
    let (again, once): (Vec<_>, Vec<_>) =
        machines.partition(|(record, asked)| GpuCheck::is_repeatable(asked, provider(record)));
    for (record, _) in once.iter().filter(|_| !json) {
        let address = draw::safe::line(&record.address);
        draw::note(&format!("{address} is not checked again: it checks itself, at its first start alone"));
    }
    let checks = again.into_iter().map(|(record, asked)| examine(check, record, asked, json));
    let examined: Vec<Examined> = futures::future::join_all(checks).await;
    if !json {
        examined.iter().for_each(|examined| draw::put(&format!("{}\n", examined.line())));
    }
    Ok(examined)
}

/// Who made a machine.
fn provider(record: &Record) -> &str {
    record.current.as_ref().map_or("", |object| object.scope.provider.provider())
}

fn checks_json(examined: &[Examined]) -> serde_json::Value {
    examined.iter().map(Examined::json).collect()
}

fn exit_of_checks(examined: &[Examined]) -> Exit {
    examined.iter().map(Examined::exit).fold(Exit::Done, worse)
}

/// Of two ends the one that says more: an error before a finding, a finding before none.
fn worse(one: Exit, other: Exit) -> Exit {
    let weight = |exit: Exit| match exit {
        Exit::Done => 0,
        Exit::Changes => 1,
        _ => 2,
    };
    if weight(other) > weight(one) { other } else { one }
}

/// What is different outside. Nothing is brought back.
async fn look(workplace: &Workplace, loaded: &Loaded) -> Result<Planned, Failure> {
    let options = PlanOptions::new(Mode::Correct);
    Ok(workplace.engine.plan(&loaded.program, &loaded.stack, options).await?)
}

fn shown<'a>(planned: &'a Planned, arguments: &DriftArgs) -> Shown<'a> {
    Shown {
        plan: &planned.plan,
        program: Some(&planned.program),
        location: &planned.snapshot.location,
        serial: planned.snapshot.serial(),
        view: arguments.run.view.view,
    }
}

fn exit_of(planned: &Planned) -> Exit {
    if planned.plan.drift.is_empty() { Exit::Done } else { Exit::Changes }
}
