//! `trueup state repair`: puts a damaged state in order, as far as what is left of it allows.

use trueup_engine::EngineError;
use trueup_engine::by_hand::ByHandError;
use trueup_state::StoreError;
use trueup_state::soundness::{Verified, verify};

use super::stack_only;
use crate::arguments::RepairArgs;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::Workplace;

pub(super) async fn run(workplace: &Workplace, arguments: &RepairArgs, json: bool) -> Result<Exit, Failure> {
    let stack = stack_only(&arguments.stack)?;
    let (store, holder) = (&workplace.engine.store, workplace.holder("state repair"));
    let repaired = store.repair(&stack, &holder, arguments.drop_tail).await.map_err(beyond_repair)?;
    let repaired = repaired.ok_or_else(|| EngineError::from(ByHandError::NoState(stack.clone())))?;
    // What a repair can't put in order, as a secret that is no longer one, is found again.
    let looked = if repaired.left.is_none() { verify(&**store, &stack).await } else { Ok(None) };
    let verified = looked.as_ref().ok().and_then(Option::as_ref);
    let is_sound = verified.is_some_and(Verified::is_sound);
    if json {
        let findings = verified.map_or(&[][..], |verified| &verified.findings);
        draw::json(&draw::state::repair::repaired_json(&repaired, is_sound, findings));
    } else {
        draw::put(&draw::state::repair::repaired(&repaired, &stack, is_sound));
        let damaged = verified.filter(|_| !is_sound);
        draw::put(&damaged.map_or_else(String::new, draw::state::by_hand::damaged_still));
    }
    looked?;
    Ok(if is_sound { Exit::Done } else { Exit::Error })
}

/// What keeps a repair from reading what is left.
fn beyond_repair(error: StoreError) -> Failure {
    let is_damage = matches!(error, StoreError::Damaged { .. });
    let failure = Failure::from(error);
    if is_damage { failure.help(draw::state::repair::FROM_A_COPY) } else { failure }
}
