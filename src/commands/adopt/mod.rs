//! `trueup adopt`: takes what is there already under management.

mod terraform;

use tokio::signal::unix::{SignalKind, signal};
use trueup_engine::by_hand::{AdoptError, Adoption, Which};
use trueup_state::State;

use super::ask::confirmed;
use super::state::{address_of, split};
use super::{load, no_key, warn_of_twin};
use crate::arguments::{AdoptArgs, StackArgs};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(arguments: &AdoptArgs, json: bool) -> Result<Exit, Failure> {
    if let Some(state) = &arguments.from_terraform {
        return terraform::run(arguments, state, json).await;
    }
    let (which, blueprint) = which(arguments)?;
    let stack = StackArgs { blueprint, inputs: arguments.inputs.clone() };
    take(arguments, &Workplace::here(1)?, &stack, which, json).await
}

/// Finds what is to be adopted, shows it, asks, and adopts it.
async fn take(
    arguments: &AdoptArgs,
    workplace: &Workplace,
    stack: &StackArgs,
    which: Which,
    json: bool,
) -> Result<Exit, Failure> {
    let loaded = load(workplace, stack)?;
    let engine = &workplace.engine;
    let adoption = engine.adoption(&loaded.program, &loaded.stack, &which).await?;
    // What it is to be can't be compared, and nothing may be sealed for another key beside it.
    if adoption.snapshot.state.as_ref().is_some_and(State::has_locked) {
        return Err(no_key("the state"));
    }
    draw::warnings(&loaded.program.sources, &loaded.program.warnings, json);
    warn_of_twin(&loaded, &adoption.snapshot, json);
    if !json {
        draw::put(&draw::adopt::found(&adoption, arguments.view.view));
    }
    if !adoption.matches.is_empty() {
        if !arguments.yes && !agreed(&adoption, json).await? {
            draw::put("Nothing was changed.\n");
            return Ok(Exit::Error);
        }
        let holder = workplace.holder("adopt");
        engine.adopt(&loaded.program, &loaded.stack, &holder, &which, &adoption).await?;
    }
    if json {
        draw::json(&draw::adopt::adopted_json(&adoption));
    } else {
        draw::put(&draw::adopt::adopted(&adoption));
    }
    // What no provider could tell was not found missing.
    let unsure = adoption.left.iter().any(|left| matches!(left, AdoptError::Unanswered { .. }));
    Ok(if unsure { Exit::Failed } else { Exit::Done })
}

async fn agreed(adoption: &Adoption, json: bool) -> Result<bool, Failure> {
    let question = format!("Adopt this into {}? Only `yes` does it: ", adoption.plan.stack);
    // Heard from before the question is there: who presses it at once is answered, too.
    let mut presses = signal(SignalKind::interrupt()).map_err(|error| Failure::new(error.to_string()))?;
    let cancelled = async {
        let _ = presses.recv().await;
    };
    confirmed(&question, json, cancelled).await
}

/// What is to be adopted, and the blueprint's file.
fn which(arguments: &AdoptArgs) -> Result<(Which, std::path::PathBuf), Failure> {
    let (addresses, blueprint) = split(&arguments.what);
    let which = match (addresses, &arguments.id) {
        ([], None) => Which::All,
        ([address], None) => Which::One(address_of(address)?),
        ([address], Some(id)) => Which::Id { address: address_of(address)?, id: id.clone(), force: arguments.force },
        ([], Some(id)) => {
            let failure = Failure::new(format!("which resource is `{id}`?"));
            return Err(failure.help(format!("name its address: `trueup adopt ADDRESS --id {id}`")));
        }
        ([_, more, ..], _) => {
            let failure = Failure::new(format!("`{more}` is one too many"));
            return Err(failure
                .help("name one address and one blueprint; without an address it is all that is found by its name"));
        }
    };
    Ok((which, blueprint))
}
