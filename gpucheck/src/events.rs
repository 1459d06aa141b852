//! What the measuring process tells the one that started it: a line of JSON for each.

use serde::{Deserialize, Serialize};

use crate::report::Report;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// There is nothing to measure: no driver, or no GPU.
    Absent {
        /// Why.
        reason: String,
    },
    /// A step begins.
    Begin {
        /// `fp16_rate on GPU 3`.
        step: String,
        /// How many steps are done, and how many there are, as far as is known.
        done: u32,
        /// Of these.
        of: u32,
    },
    /// A step is done, well or not.
    End {
        /// The same.
        step: String,
    },
    /// How far a long step is.
    Tick {
        /// The same.
        step: String,
        /// Seconds that are done.
        seconds: f64,
        /// Of these.
        of: f64,
    },
    /// All that is known so far.
    Report {
        /// The report.
        report: Box<Report>,
    },
    /// All that was to be measured has been.
    Done,
}

/// Takes what is told. Several threads tell.
pub trait Listener: Sync {
    /// One line.
    fn tell(&self, event: Event);
}
