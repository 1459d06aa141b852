//! `trueup state resolve`: a person says what became of an operation.

use trueup_engine::by_hand::Answer;

use super::{address_of, stack_only};
use crate::arguments::ResolveArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(workplace: &Workplace, arguments: &ResolveArgs, json: bool) -> Result<Exit, Failure> {
    let address = address_of(&arguments.address)?;
    let answer = arguments.id.clone().map_or(Answer::Absent, Answer::Id);
    let stack = stack_only(&arguments.stack)?;
    let settled = workplace.engine.resolve(&stack, &workplace.holder("state resolve"), &address, &answer).await?;
    if json {
        draw::json(&draw::state::by_hand::settled_json(&address, &settled));
    } else {
        draw::put(&draw::state::by_hand::settled(&address, &settled));
    }
    Ok(Exit::Done)
}
