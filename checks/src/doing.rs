//! What a check is at, as the handle that it is asked after by: plain data that outlives the process.

use serde::{Deserialize, Serialize};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, Handle};

/// What a check is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Doing {
    /// Reaching the machine, and bringing the program there.
    Reach {
        /// Since when, in milliseconds since 1970.
        since: i64,
    },
    /// Measuring.
    Measure {
        /// Since when, in milliseconds since 1970.
        since: i64,
    },
}

impl Doing {
    pub(crate) fn of(handle: &Handle) -> Result<Self, ProviderError> {
        serde_json::from_value(handle.0.clone())
            .map_err(|error| ProviderError::new(Class::Internal, format!("what a check was at can't be read: {error}")))
    }

    pub(crate) fn handle(self) -> Handle {
        Handle(serde_json::to_value(self).unwrap_or_default())
    }
}
