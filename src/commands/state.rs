//! `trueup state list | show | history`.

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
    }
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
    let address: Address = address.parse().map_err(|error: trueup_state::address::AddressError| {
        Failure::new(error.to_string()).help(r#"an address reads like `weights` or `trainer["a"]`"#)
    })?;
    let (state, _) = state_of(workplace, &stack_only(arguments)?).await?;
    let record = state.records.get(&address).ok_or_else(|| {
        let known: Vec<String> = state.records.keys().map(ToString::to_string).collect();
        let failure = Failure::new(format!("{address} is not recorded"));
        match trueup_engine::diagnostic::closest(&address.to_string(), known.iter().map(String::as_str)) {
            Some(close) => failure.help(format!("did you mean `{close}`?")),
            None => failure.help("`trueup state list` shows what is"),
        }
    })?;
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
