//! `trueup state forget`: lets go of what is recorded.

use tokio::signal::unix::{SignalKind, signal};
use trueup_engine::{EngineError, by_hand};
use trueup_state::Address;

use super::{address_of, split, stack_only, state_of};
use crate::arguments::{ForgetArgs, StateArgs};
use crate::commands::ask::confirmed;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(workplace: &Workplace, arguments: &ForgetArgs, json: bool) -> Result<Exit, Failure> {
    let (addresses, blueprint) = split(&arguments.what);
    if addresses.is_empty() {
        let failure = Failure::new("no address is named");
        return Err(failure.help("`trueup state list` shows what is recorded"));
    }
    let addresses: Vec<Address> = addresses.iter().map(|text| address_of(text)).collect::<Result<_, _>>()?;
    let stack = stack_only(&StateArgs { blueprint, env: arguments.env.clone() })?;
    let (state, _) = state_of(workplace, &stack).await?;
    let chosen = by_hand::forgettable(&state, &addresses).map_err(EngineError::from)?;
    if !json {
        draw::put(&draw::state::by_hand::to_forget(&chosen, &stack));
    }
    if !arguments.yes {
        let question = format!("Forget this of {stack}? Only `yes` does it: ");
        // Heard from before the question is there: who presses it at once is answered, too.
        let mut presses = signal(SignalKind::interrupt()).map_err(|error| Failure::new(error.to_string()))?;
        let cancelled = async {
            let _ = presses.recv().await;
        };
        if !confirmed(&question, json, cancelled).await? {
            draw::put("Nothing was changed.\n");
            return Ok(Exit::Error);
        }
    }
    let holder = workplace.holder("state forget");
    let forgotten = workplace.engine.forget(&stack, &holder, &addresses, state.serial).await?;
    if json {
        draw::json(&draw::state::by_hand::forgotten_json(&forgotten));
    } else {
        draw::put(&draw::state::by_hand::forgotten(&forgotten));
    }
    Ok(Exit::Done)
}
