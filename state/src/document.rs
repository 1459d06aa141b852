//! A whole state as one document of JSON: what `trueup state export` prints and `trueup state import` reads.
//!
//! It is the state as it is kept, its secrets sealed, with the stack that it is of and the version of its format on top.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::clock::Entropy;
use crate::codec::{self, NoKey, Seal, SealedValue, VaultError};
use crate::journal;
use crate::state::State;
use crate::store::Stack;
use crate::value::Value;

/// The version of the format. A document of a later one is refused.
pub const FORMAT: u32 = 1;

/// An exported state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// The version of its format.
    pub format_version: u32,
    /// Whose state it is.
    pub stack: Owner,
    /// The state, its secrets sealed.
    #[serde(flatten)]
    pub state: State<SealedValue>,
}

/// The stack of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The blueprint's name.
    pub blueprint: String,
    /// The environment; `default` where none is named.
    pub environment: String,
}

/// Why a document can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is no exported state.
    #[error("it is no exported state: {0}")]
    Malformed(String),
    /// A newer Trueup wrote it.
    #[error("its format is {found}; this Trueup knows formats up to {FORMAT}")]
    Newer {
        /// The document's format.
        found: u64,
    },
    /// It is of another stack.
    #[error("it is the state of {} · {}", .0.blueprint, .0.environment)]
    OtherStack(Owner),
    /// Operations have not ended, so that it can't be copied.
    #[error("{0} of its operations have not ended, and only the stack that began them finds out what became of them")]
    Open(usize),
    /// It has secrets that there is no key to.
    #[error("it has secrets that are sealed for a key that is not here")]
    Locked,
    /// One of its secrets can't be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Document {
    /// The document of a stack's state.
    pub fn new(stack: &Stack, state: State<SealedValue>) -> Self {
        let stack = Owner { blueprint: stack.blueprint.clone(), environment: stack.environment.clone() };
        Self { format_version: FORMAT, stack, state }
    }

    /// Reads a document, and checks that no state but a whole one is in it.
    pub fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        let malformed = |reason: &dyn ToString| DocumentError::Malformed(reason.to_string());
        let mut json: Json = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        match json.get("format_version").and_then(Json::as_u64) {
            Some(found) if found > u64::from(FORMAT) => return Err(DocumentError::Newer { found }),
            Some(found) if found == u64::from(FORMAT) => {}
            _ => return Err(malformed(&"it has no `format_version`")),
        }
        let stack = json.get_mut("stack").map(Json::take).ok_or_else(|| malformed(&"it names no stack"))?;
        let stack = serde_json::from_value(stack).map_err(|error| malformed(&error))?;
        let state: State<SealedValue> = serde_json::from_value(json).map_err(|error| malformed(&error))?;
        let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if state.lineage.len() != 16 || !state.lineage.bytes().all(is_hex) {
            return Err(malformed(&"its lineage is not of 16 hex digits"));
        }
        if let Some(flaw) = state.flaws().first() {
            return Err(malformed(flaw));
        }
        Ok(Self { format_version: FORMAT, stack, state })
    }

    /// The state, to be put into a stack. It has to be that stack's, and every secret has to open with the key at hand; they stay
    /// sealed as they are all the same, so that it is exported again as it came.
    pub fn state_for(&self, stack: &Stack, vault: &dyn Seal) -> Result<State, DocumentError> {
        if self.stack.blueprint != stack.blueprint || self.stack.environment != stack.environment {
            return Err(DocumentError::OtherStack(self.stack.clone()));
        }
        self.locked_state(vault)
    }

    /// The state, to be put into another stack, or into one that has the same names elsewhere: it has an identity of its own in its
    /// clouds. Both record the same things then. What has not ended bears the identity of the stack that began it, and only that can
    /// find out what became of it: such a document is refused.
    pub fn copy(&self, vault: &dyn Seal, entropy: &dyn Entropy) -> Result<State, DocumentError> {
        if !self.state.open.is_empty() {
            return Err(DocumentError::Open(self.state.open.len()));
        }
        let state = self.locked_state(vault)?;
        Ok(State { lineage: journal::lineage(entropy), ..state })
    }

    /// The state with its secrets sealed as they are, if each opens with the key at hand.
    fn locked_state(&self, vault: &dyn Seal) -> Result<State, DocumentError> {
        let opened = self.state.clone().try_map(&mut |value| codec::open(&value, vault))?;
        if opened.any(Value::has_unknown) {
            return Err(DocumentError::Malformed("it has values that are not known".to_owned()));
        }
        if opened.has_locked() {
            return Err(DocumentError::Locked);
        }
        Ok(self.state.clone().try_map(&mut |value| codec::open(&value, &NoKey))?)
    }
}
