//! `trueup state list`: what is recorded.

use trueup_state::Stack;

use super::state_of;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(workplace: &Workplace, stack: &Stack, json: bool) -> Result<Exit, Failure> {
    let (state, location) = state_of(workplace, stack).await?;
    if json {
        draw::json(&draw::state::list_json(&state));
    } else {
        draw::put(&draw::state::list(&state, stack, &location));
    }
    Ok(Exit::Done)
}
