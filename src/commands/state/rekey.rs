//! `trueup state rekey`: seals the secrets of a state for another key.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use trueup_engine::EngineError;
use trueup_engine::by_hand::ByHandError;
use trueup_state::StoreError;
use trueup_state::codec::VaultError;
use trueup_state::vault::Vault;

use super::stack_only;
use crate::arguments::RekeyArgs;
use crate::commands::no_key;
use crate::draw;
use crate::exit::{Exit, Failure};
use crate::workplace::{self, Workplace};

pub(super) async fn run(workplace: &Workplace, arguments: &RekeyArgs, json: bool) -> Result<Exit, Failure> {
    let stack = stack_only(&arguments.stack)?;
    let RekeyArgs { to, generate, .. } = arguments;
    let vault = Arc::new(Vault::existing(to));
    if *generate {
        may_be_made(to)?;
    } else {
        is_another(workplace, &vault, to)?;
    }
    let (holder, anew) = (workplace.holder("state rekey"), workplace::store(vault.clone()));
    let make = || if *generate { Vault::made_at(to).map(|_| ()) } else { Ok(()) };
    let rekeyed = workplace.engine.rekey(&stack, &holder, &*anew, make).await.map_err(|error| match error {
        EngineError::ByHand(ByHandError::Locked(stack)) => no_key(&stack.to_string()),
        EngineError::Store(StoreError::Vault(error @ VaultError::Key { .. })) if *generate => not_made(&error),
        other => other.into(),
    })?;
    workplace.desk.is_of(&stack);
    workplace.desk.reseal(&vault).await.map_err(|error| Failure::new(error.to_string()))?;
    if json {
        let recipient = recipient(&vault, to)?;
        draw::json(&draw::state::by_hand::rekeyed_json(&rekeyed, to, &recipient));
    } else {
        draw::put(&draw::state::by_hand::rekeyed(&rekeyed, to, &stack));
    }
    Ok(Exit::Done)
}

/// Refuses to make a key where there is something: before anything else, so that nothing is touched.
fn may_be_made(to: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(not_made(&key_error(to, &error))),
        Ok(_) => Err(not_made(&key_error(to, &"there is such a file already"))),
    }
}

fn not_made(error: &VaultError) -> Failure {
    Failure::new(error.to_string())
        .help("name a file that is not there yet; a key that is there is taken without `--generate`")
}

/// Refuses a key that is not there, and the one that the secrets are sealed for.
fn is_another(workplace: &Workplace, vault: &Vault, to: &Path) -> Result<(), Failure> {
    let recipient = recipient(vault, to)?;
    let former = workplace.vault.recipient().map_err(StoreError::from)?;
    if former.as_ref() == Some(&recipient) {
        let failure = Failure::new(format!("{} is the key that there is already", to.display()));
        return Err(failure.help("name the key to come; the one in TRUEUP_KEY, or in .trueup/key, opens what is there"));
    }
    Ok(())
}

/// Whom a key seals for.
fn recipient(vault: &Vault, to: &Path) -> Result<String, Failure> {
    let recipient = vault.recipient().and_then(|found| found.ok_or_else(|| key_error(to, &"there is no such file")));
    recipient.map_err(|error| {
        Failure::new(error.to_string()).help("name a file with an age identity, or make one with `--generate`")
    })
}

fn key_error(to: &Path, reason: &dyn std::fmt::Display) -> VaultError {
    VaultError::Key { location: to.display().to_string(), reason: reason.to_string() }
}
