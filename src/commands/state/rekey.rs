//! `trueup state rekey`: seals the secrets of a state for another key.

use std::sync::Arc;

use trueup_engine::EngineError;
use trueup_engine::by_hand::ByHandError;
use trueup_state::StoreError;
use trueup_state::codec::VaultError;
use trueup_state::vault::Vault;

use super::stack_only;
use crate::arguments::RekeyArgs;
use crate::commands::{no_key, state_of};
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::{self, Workplace};

pub(super) async fn run(workplace: &Workplace, arguments: &RekeyArgs, json: bool) -> Result<Exit, Failure> {
    let stack = stack_only(&arguments.stack)?;
    // A key is made only for a state that can have it.
    if state_of(workplace, &stack).await?.0.has_locked() {
        return Err(no_key(&stack.to_string()));
    }
    let (vault, recipient) = new_key(workplace, arguments)?;
    let holder = workplace.holder("state rekey");
    let rekeyed = workplace.engine.rekey(&stack, &holder, &*workplace::store(Arc::new(vault))).await;
    let rekeyed = rekeyed.map_err(|error| match error {
        EngineError::ByHand(ByHandError::Locked(stack)) => no_key(&stack.to_string()),
        other => other.into(),
    })?;
    if json {
        draw::json(&draw::state::by_hand::rekeyed_json(&rekeyed, &arguments.to, &recipient));
    } else {
        draw::put(&draw::state::by_hand::rekeyed(&rekeyed, &arguments.to, &stack));
    }
    Ok(Exit::Done)
}

/// The key to come, and whom it seals for.
fn new_key(workplace: &Workplace, arguments: &RekeyArgs) -> Result<(Vault, String), Failure> {
    let fail = |error: VaultError| {
        let help = if arguments.generate {
            "name a file that is not there yet"
        } else {
            "name a file with an age identity, or make one with `--generate`"
        };
        Failure::new(error.to_string()).help(help)
    };
    let vault =
        if arguments.generate { Vault::made_at(&arguments.to).map_err(fail)? } else { Vault::existing(&arguments.to) };
    let recipient = vault.recipient().map_err(fail)?.ok_or_else(|| {
        fail(VaultError::Key {
            location: arguments.to.display().to_string(),
            reason: "there is no such file".to_owned(),
        })
    })?;
    let former = workplace.vault.recipient().map_err(StoreError::from)?;
    if former.as_ref() == Some(&recipient) {
        let failure = Failure::new(format!("{} is the key that there is already", arguments.to.display()));
        return Err(failure.help("name the key to come; the one in TRUEUP_KEY, or in .trueup/key, opens what is there"));
    }
    Ok((vault, recipient))
}
