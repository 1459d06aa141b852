//! `trueup state history`: what happened.

use trueup_state::Stack;

use super::state_of;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(workplace: &Workplace, stack: &Stack, json: bool) -> Result<Exit, Failure> {
    state_of(workplace, stack).await?;
    let entries = workplace.engine.store.history(stack, 0).await?;
    if json {
        entries.iter().for_each(|entry| draw::json_line(&draw::state::entry_json(entry)));
    } else {
        draw::put(&draw::state::history(&entries));
    }
    Ok(Exit::Done)
}
