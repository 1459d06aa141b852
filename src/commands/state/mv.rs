//! `trueup state mv`: gives what is recorded another address.

use super::{address_of, stack_only};
use crate::arguments::MoveArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(workplace: &Workplace, arguments: &MoveArgs, json: bool) -> Result<Exit, Failure> {
    let (from, to) = (address_of(&arguments.from)?, address_of(&arguments.to)?);
    let stack = stack_only(&arguments.stack)?;
    let moved = workplace.engine.rename(&stack, &workplace.holder("state mv"), &from, &to).await?;
    if json {
        draw::json(&draw::state::by_hand::moved_json(&moved));
    } else {
        draw::put(&draw::state::by_hand::moved(&moved));
    }
    Ok(Exit::Done)
}
