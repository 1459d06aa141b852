//! `trueup state verify`: whether what is kept is whole.

use trueup_engine::EngineError;
use trueup_engine::by_hand::ByHandError;
use trueup_state::Stack;
use trueup_state::soundness::verify;

use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(workplace: &Workplace, stack: &Stack, json: bool) -> Result<Exit, Failure> {
    let verified = verify(&*workplace.engine.store, stack).await?;
    let verified = verified.ok_or_else(|| EngineError::from(ByHandError::NoState(stack.clone())))?;
    if json {
        draw::json(&draw::state::by_hand::verified_json(&verified));
    } else {
        draw::put(&draw::state::by_hand::verified(&verified, stack));
    }
    Ok(if verified.is_sound() { Exit::Done } else { Exit::Error })
}
