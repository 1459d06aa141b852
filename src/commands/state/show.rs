//! `trueup state show`: one record.

use trueup_engine::{EngineError, by_hand};

use super::{address_of, stack_only, state_of};
use crate::arguments::StateArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(
    workplace: &Workplace,
    address: &str,
    arguments: &StateArgs,
    json: bool,
) -> Result<Exit, Failure> {
    let address = address_of(address)?;
    let stack = stack_only(arguments)?;
    workplace.desk.is_of(&stack);
    let (state, _) = state_of(workplace, &stack).await?;
    let record = by_hand::recorded(&state, &address).map_err(EngineError::from)?;
    let checks = workplace.desk.checks(&address).await.map_err(|error| Failure::new(error.to_string()))?;
    if json {
        let mut shown = draw::state::record_json(record);
        if !checks.is_empty() {
            shown["checks"] = draw::state::checks::json(&checks);
        }
        draw::json(&shown);
    } else {
        draw::put(&format!("{}{}", draw::state::record(record), draw::state::checks::text(&checks)));
    }
    Ok(Exit::Done)
}
