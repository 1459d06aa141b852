//! Carries a plan out: the one place of the engine that acts on the world, through managers, checks and the store.
//!
//! [`executor`] walks the operation graph; [`operation`] carries out one operation, journaled before and after; [`run`] is what all of
//! them share; [`recovery`] settles operations whose outcome is not known. [`schedule`] says what goes first, by [`durations`]; [`lanes`]
//! how much at once, and [`pace`] how fast, at each API; [`retry`] what is tried again; `remedy` what to do about a failure.

pub mod durations;
pub mod executor;
pub mod lanes;
pub mod operation;
pub mod pace;
pub mod recovery;
pub(crate) mod remedy;
pub mod retry;
pub mod run;
pub mod schedule;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;
use trueup_state::{Address, Place, Verb};

use crate::provider::Amount;

/// What happens during an apply, for floor 4 to draw.
#[derive(Clone, Debug, PartialEq)]
pub enum ApplyEvent {
    /// Operations will be carried out.
    Planned {
        /// How many.
        operations: usize,
    },
    /// An operation of an earlier run is being settled.
    Resuming {
        /// The resource.
        address: Address,
        /// What was begun.
        verb: Verb,
    },
    /// An operation has begun.
    Started {
        /// The resource.
        address: Address,
        /// What is done.
        verb: Verb,
    },
    /// A provider goes on with it.
    Progress {
        /// The resource.
        address: Address,
        /// What is done.
        verb: Verb,
        /// How far it is.
        amount: Option<Amount>,
        /// What it is at.
        note: Option<String>,
    },
    /// It failed in a way that may pass, and is tried again.
    Retrying {
        /// The resource.
        address: Address,
        /// What is done.
        verb: Verb,
        /// Which try comes next, from 2.
        attempt: u32,
        /// When.
        after: Duration,
        /// What happened.
        error: String,
    },
    /// A candidate has no room for it; the next one is tried.
    NextCandidate {
        /// The resource.
        address: Address,
        /// What the provider said of the one that was tried.
        error: String,
    },
    /// It is done.
    Finished {
        /// The resource.
        address: Address,
        /// What was done.
        verb: Verb,
        /// How long it took.
        took: Duration,
    },
    /// What was planned turned out not to be needed.
    NotNeeded {
        /// The resource.
        address: Address,
        /// What was planned.
        verb: Verb,
    },
    /// It failed.
    Failed {
        /// The resource.
        address: Address,
        /// What was tried.
        verb: Verb,
        /// Why it failed.
        error: String,
    },
}

/// Where events go.
pub type Events = UnboundedSender<ApplyEvent>;

/// How an apply went: what is done, what failed, and what was not attempted because of what.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// What is done.
    pub done: Vec<Done>,
    /// What failed.
    pub failed: Vec<Failure>,
    /// What was not attempted.
    pub skipped: Vec<Skipped>,
    /// What is under way at the provider still, and is resumed by the next run.
    pub unfinished: Vec<Done>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Why nothing more could be written to the state, if that was so.
    pub stopped: Option<String>,
}

/// An operation that was carried out, or is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The resource.
    pub address: Address,
    /// What was done.
    pub verb: Verb,
}

/// An operation that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// The resource.
    pub address: Address,
    /// What was tried.
    pub verb: Verb,
    /// What happened, with the provider's code and request id.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// Whether capacity or quota was missing.
    pub no_capacity: bool,
    /// Whether a check found the object wanting: another is to be made in its place.
    pub condemned: bool,
    /// Where the resource is declared.
    pub source: Option<Place>,
}

/// An operation that was not attempted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The resource.
    pub address: Address,
    /// What was planned.
    pub verb: Verb,
    /// The resources whose failure is in the way; none where the run was interrupted.
    pub because: BTreeSet<Address>,
}

impl Report {
    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
            && self.skipped.is_empty()
            && self.unfinished.is_empty()
            && !self.interrupted
            && self.stopped.is_none()
    }
}
