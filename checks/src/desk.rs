//! What checks keep with a stack, as notes: reports, and the secret that their keys are made from.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use trueup_state::codec::Seal;
use trueup_state::vault::Vault;
use trueup_state::{Address, Entropy, Generation, Stack, Store, StoreError, Timestamp};

use crate::verdict::{Finding, findings};

/// So many checks of a resource are remembered.
const MOST: usize = 8;

/// The note with the secret that keys are made from.
const SEED: &str = "ssh/seed";

/// Notes of a stack.
#[derive(Clone)]
pub struct Desk {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    entropy: Arc<dyn Entropy>,
    stack: OnceLock<Stack>,
}

/// What can't be kept, or read.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret that keys are made from is sealed for another key.
    #[error("the secret that the stack's SSH keys are made from is sealed for another key than the one here")]
    Locked,
    /// A note is not what it was written as.
    #[error("the note `{0}` can't be read: {1}")]
    Damaged(String, String),
    /// No stack is at hand.
    #[error("it is not known which stack this is")]
    NoStack,
}

/// One check that was made of a resource, as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// When it ended.
    pub at: Timestamp,
    /// Which of the resource's objects was checked.
    pub generation: Generation,
    /// The provider's id of it.
    pub id: Option<String>,
    /// Whether it passed.
    pub passed: bool,
    /// What is to be said of it: why it failed, what it was warned of.
    pub message: Option<String>,
    /// What the program printed: `{judgement, report}`; null where it could not measure.
    pub printed: Json,
}

impl Checked {
    /// What the program judged, one by one.
    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.printed)
    }
}

impl Desk {
    /// A desk in a store. What is secret is sealed by a vault.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, vault, entropy, stack: OnceLock::new() }
    }

    /// Says which stack it is of; the first to say so is right.
    pub fn is_of(&self, stack: &Stack) {
        // Once said, it stays so.
        let _ = self.stack.set(stack.clone());
    }

    fn stack(&self) -> Result<&Stack, DeskError> {
        self.stack.get().ok_or(DeskError::NoStack)
    }

    /// The checks that were made of a resource, the latest first.
    pub async fn checks(&self, address: &Address) -> Result<Vec<Checked>, DeskError> {
        let key = of(address);
        let read = self.store.read_note(self.stack()?, &key).await?;
        read.map_or_else(|| Ok(Vec::new()), |(_, bytes)| parse(&key, &bytes))
    }

    /// Remembers a check. One of the same object that was remembered before stays beside it.
    pub(crate) async fn remember(&self, address: &Address, checked: &Checked) -> Result<(), DeskError> {
        let key = of(address);
        loop {
            let read = self.store.read_note(self.stack()?, &key).await?;
            let version = read.as_ref().map(|(version, _)| *version);
            let mut all: Vec<Checked> = read.map_or_else(|| Ok(Vec::new()), |(_, bytes)| parse(&key, &bytes))?;
            if all.contains(checked) {
                return Ok(());
            }
            all.insert(0, checked.clone());
            all.truncate(MOST);
            let bytes = serde_json::to_vec(&all).map_err(|error| DeskError::Damaged(key.clone(), error.to_string()))?;
            match self.store.note(self.stack()?, &key, version, &bytes).await {
                Err(StoreError::Conflict { .. }) => {}
                written => return Ok(written.map(drop)?),
            }
        }
    }

    /// The secret that the stack's keys are made from: 32 random bytes, which are made when they are first asked for.
    pub(crate) async fn seed(&self) -> Result<[u8; 32], DeskError> {
        let damaged = |reason: &str| DeskError::Damaged(SEED.to_owned(), reason.to_owned());
        loop {
            if let Some((_, sealed)) = self.store.read_note(self.stack()?, SEED).await? {
                let sealed = String::from_utf8(sealed).map_err(|_| damaged("it is no text"))?;
                let plain = self.vault.open(&sealed).map_err(StoreError::from)?.ok_or(DeskError::Locked)?;
                return plain.try_into().map_err(|_| damaged("it has another length"));
            }
            let mut seed = [0; 32];
            self.entropy.fill(&mut seed);
            let sealed = self.vault.seal(&seed).map_err(StoreError::from)?;
            match self.store.note(self.stack()?, SEED, None, sealed.as_bytes()).await {
                // Another check was first.
                Err(StoreError::Conflict { .. }) => {}
                written => return Ok(written.map(|_| seed)?),
            }
        }
    }

    /// Seals what is secret for another key, which is the stack's from now on.
    pub async fn reseal(&self, anew: &Vault) -> Result<(), DeskError> {
        loop {
            let Some((version, _)) = self.store.read_note(self.stack()?, SEED).await? else { return Ok(()) };
            let sealed = anew.seal(&self.seed().await?).map_err(StoreError::from)?;
            match self.store.note(self.stack()?, SEED, Some(version), sealed.as_bytes()).await {
                Err(StoreError::Conflict { .. }) => {}
                written => return Ok(written.map(drop)?),
            }
        }
    }

    /// Whether something was marked.
    #[cfg(feature = "ssh")]
    pub(crate) async fn is_marked(&self, key: &str) -> Result<bool, DeskError> {
        Ok(self.store.read_note(self.stack()?, key).await?.is_some())
    }

    /// Marks something.
    #[cfg(feature = "ssh")]
    pub(crate) async fn mark(&self, key: &str) -> Result<(), DeskError> {
        match self.store.note(self.stack()?, key, None, b"").await {
            Err(StoreError::Conflict { .. }) => Ok(()),
            written => Ok(written.map(drop)?),
        }
    }
}

fn of(address: &Address) -> String {
    format!("gpucheck/{address}")
}

fn parse<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, DeskError> {
    serde_json::from_slice(bytes).map_err(|error| DeskError::Damaged(key.to_owned(), error.to_string()))
}
