//! `trueup state`: looks into the state, and does to it by hand what nothing else can. One file a command.

mod export;
mod forget;
mod history;
mod import;
mod list;
mod mv;
mod rekey;
mod repair;
mod resolve;
mod show;
mod verify;

use std::path::PathBuf;

use trueup_state::Address;

use super::{stack_only, state_of};
use crate::arguments::{DEFAULT_BLUEPRINT, StateCommand};
use crate::exit::{Exit, Failure};
use crate::files::from_here;
use crate::workplace::Workplace;

pub(super) async fn run(command: &StateCommand, json: bool) -> Result<Exit, Failure> {
    let workplace = Workplace::here(1)?;
    match command {
        StateCommand::List(arguments) => list::run(&workplace, &stack_only(arguments)?, json).await,
        StateCommand::Show { address, stack } => show::run(&workplace, address, stack, json).await,
        StateCommand::History(arguments) => history::run(&workplace, &stack_only(arguments)?, json).await,
        StateCommand::Mv(arguments) => mv::run(&workplace, arguments, json).await,
        StateCommand::Forget(arguments) => forget::run(&workplace, arguments, json).await,
        StateCommand::Verify(arguments) => verify::run(&workplace, &stack_only(arguments)?, json).await,
        StateCommand::Repair(arguments) => repair::run(&workplace, arguments, json).await,
        StateCommand::Rekey(arguments) => rekey::run(&workplace, arguments, json).await,
        StateCommand::Resolve(arguments) => resolve::run(&workplace, arguments, json).await,
        StateCommand::Export(arguments) => export::run(&workplace, arguments, json).await,
        StateCommand::Import(arguments) => import::run(&workplace, arguments, json).await,
    }
}

/// An address as it is given.
pub(super) fn address_of(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|error: trueup_state::address::AddressError| {
        Failure::new(error.to_string()).help(r#"an address reads like `weights` or `trainer["a"]`"#)
    })
}

/// What may be addresses, and the blueprint if the last of them is none: the names of an address have no `.`, those of a file do.
pub(super) fn split(what: &[String]) -> (&[String], PathBuf) {
    let (addresses, blueprint) = match what.split_last() {
        Some((last, addresses)) if is_file(last) => (addresses, last.as_str()),
        _ => (what, DEFAULT_BLUEPRINT),
    };
    let Ok(blueprint) = from_here(blueprint);
    (addresses, blueprint)
}

fn is_file(text: &str) -> bool {
    match text.parse::<Address>() {
        Ok(address) => address.segments().iter().any(|segment| segment.name.contains('.')),
        Err(_) => !text.contains('[') && (text.contains('.') || text.starts_with('/')),
    }
}
