//! What goes wrong with the measuring itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong with the measuring itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Incident {
    /// The process that talks to the driver ended by a signal.
    Crashed {
        /// The signal's number.
        signal: i32,
        /// What was being measured, and on which GPUs.
        during: Vec<String>,
    },
    /// It ended without an end of its report.
    Ended {
        /// Its exit status.
        status: i32,
        /// What was being measured.
        during: Vec<String>,
        /// What it said last.
        said: String,
    },
    /// It was still at it when the time was over, and was ended.
    Hung {
        /// The time that it had, in seconds.
        after: u64,
        /// What was being measured.
        during: Vec<String>,
    },
    /// It said what can't be read.
    Garbled {
        /// The start of what it said.
        said: String,
    },
    /// The driver refused.
    Refused {
        /// What was asked of it.
        what: String,
        /// What it said.
        error: String,
    },
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |during: &[String]| if during.is_empty() { "nothing in particular".into() } else { during.join(", ") };
        match self {
            Self::Crashed { signal, during } => {
                write!(f, "the measuring process died of signal {signal} during {}", at(during))
            }
            Self::Ended { status, during, said } => {
                write!(f, "the measuring process ended with status {status} during {}: {said}", at(during))
            }
            Self::Hung { after, during } => write!(f, "still measuring after {after} s: {}", at(during)),
            Self::Garbled { said } => write!(f, "the measuring process said what can't be read: {said}"),
            Self::Refused { what, error } => write!(f, "the driver refused {what}: {error}"),
        }
    }
}
