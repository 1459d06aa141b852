//! `trueup state`: looks into the state, and does to it by hand what nothing else can. What changes it has a file of its own.

mod export;
mod forget;
mod import;
mod mv;
mod resolve;
mod verify;

use trueup_engine::EngineError;
use trueup_engine::by_hand;
use trueup_state::{Address, Stack};

use super::{stack_only, state_of};
use crate::arguments::{StateArgs, StateCommand};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(command: &StateCommand, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    match command {
        StateCommand::List(arguments) => list(&workplace, &stack_only(arguments)?, json).await,
        StateCommand::Show { address, stack } => show(&workplace, address, stack, json).await,
        StateCommand::History(arguments) => history(&workplace, &stack_only(arguments)?, json).await,
        StateCommand::Mv(arguments) => mv::run(&workplace, arguments, json).await,
        StateCommand::Forget(arguments) => forget::run(&workplace, arguments, json).await,
        StateCommand::Verify(arguments) => verify::run(&workplace, &stack_only(arguments)?, json).await,
        StateCommand::Resolve(arguments) => resolve::run(&workplace, arguments, json).await,
        StateCommand::Export(arguments) => export::run(&workplace, arguments, json).await,
        StateCommand::Import(arguments) => import::run(&workplace, arguments, json).await,
    }
}

/// An address as it is given.
fn address_of(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|error: trueup_state::address::AddressError| {
        Failure::new(error.to_string()).help(r#"an address reads like `weights` or `trainer["a"]`"#)
    })
}

async fn list(workplace: &Workplace, stack: &Stack, json: bool) -> Result<Exit, Failure> {
    let (state, location) = state_of(workplace, stack).await?;
    if json {
        draw::json(&draw::state::list_json(&state));
    } else {
        draw::put(&draw::state::list(&state, stack, &location));
    }
    Ok(Exit::Done)
}

async fn show(workplace: &Workplace, address: &str, arguments: &StateArgs, json: bool) -> Result<Exit, Failure> {
    let address = address_of(address)?;
    let (state, _) = state_of(workplace, &stack_only(arguments)?).await?;
    let record = by_hand::recorded(&state, &address).map_err(EngineError::from)?;
    if json {
        draw::json(&draw::state::record_json(record));
    } else {
        draw::put(&draw::state::record(record));
    }
    Ok(Exit::Done)
}

async fn history(workplace: &Workplace, stack: &Stack, json: bool) -> Result<Exit, Failure> {
    state_of(workplace, stack).await?;
    let entries = workplace.engine.store.history(stack, 0).await?;
    if json {
        entries.iter().for_each(|entry| draw::json_line(&draw::state::entry_json(entry)));
    } else {
        draw::put(&draw::state::history(&entries));
    }
    Ok(Exit::Done)
}
