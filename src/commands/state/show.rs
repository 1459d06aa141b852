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
    let (state, _) = state_of(workplace, &stack_only(arguments)?).await?;
    let record = by_hand::recorded(&state, &address).map_err(EngineError::from)?;
    if json {
        draw::json(&draw::state::record_json(record));
    } else {
        draw::put(&draw::state::record(record));
    }
    Ok(Exit::Done)
}
