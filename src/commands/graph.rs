//! `trueup graph`: what depends on what, and what an apply would change.

use trueup_engine::plan::Mode;
use trueup_engine::{EngineError, PlanOptions, Planned};

use super::{Loaded, load};
use crate::arguments::{Format, GraphArgs};
use crate::draw;
use crate::draw::graph::{MOST_NODES, Picture};
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &GraphArgs, format: Format) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    let loaded = load(&workplace, &arguments.stack)?;
    draw::warnings(&loaded.program.sources, &loaded.program.warnings, format == Format::Json);
    let planned = if arguments.no_plan { None } else { plan(&workplace, &loaded).await? };
    // The plan may know more of which resources there are.
    let program = planned.as_ref().map_or(&loaded.program, |planned| &planned.program);
    let known = planned.as_ref().map(|planned| (&planned.plan, planned.snapshot.state.as_ref()));
    let picture = Picture::new(loaded.stack.to_string(), program, known);
    let picture = if arguments.each { picture } else { picture.folded() };
    let text = drawn(&picture, format)?;
    let is_for_people = matches!(format, Format::Text | Format::Github);
    match &arguments.out {
        Some(path) => {
            // Only a terminal wants the colours.
            let text = if is_for_people { anstream::adapter::strip_str(&text).to_string() } else { text };
            std::fs::write(path, text)
                .map_err(|error| Failure::new(format!("{} can't be written: {error}", path.display())))?;
        }
        None if is_for_people => draw::put(&text),
        None => draw::put_exactly(&text),
    }
    Ok(Exit::Done)
}

/// What an apply would do as far as is known without looking. What can't be planned is drawn without it: a graph needs neither a
/// provider nor a key.
async fn plan(workplace: &Workplace, loaded: &Loaded) -> Result<Option<Planned>, Failure> {
    let options = PlanOptions { refresh: false, ..PlanOptions::new(Mode::Apply) };
    match workplace.engine.plan(&loaded.program, &loaded.stack, options).await {
        Ok(planned) => Ok(Some(planned)),
        Err(EngineError::Blueprint(diagnostics)) => Err(diagnostics.into()),
        Err(error) => {
            let error = draw::safe::lines(error);
            draw::note(&format!("What would change is not shown: {error}. `--no-plan` leaves it out."));
            Ok(None)
        }
    }
}

fn drawn(picture: &Picture, format: Format) -> Result<String, Failure> {
    match format {
        Format::Text | Format::Github => Ok(draw::graph::text(picture)),
        Format::Json => Ok(format!("{}\n", draw::safe::json(&draw::graph::json(picture), true))),
        Format::Dot => Ok(draw::graph::dot(picture)),
        Format::Svg if picture.nodes.len() > MOST_NODES => {
            let failure = Failure::new(format!("{} nodes are too many for a drawing", picture.nodes.len()));
            Err(failure.help(format!("at most {MOST_NODES} are drawn; `--format dot` takes any number")))
        }
        Format::Svg => Ok(draw::graph::svg(picture)),
    }
}
