//! Where state is kept: the seam that every backend fills.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp};
use crate::codec::{SealedValue, VaultError};
use crate::entry::{Entry, Serial};
use crate::holder::Holder;
use crate::repair::Repaired;
use crate::state::{IllegalEntry, State};

/// One blueprint in one environment, with one state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stack {
    /// The blueprint's name.
    pub blueprint: String,
    /// The environment; `default` where none is named.
    pub environment: String,
    /// The blueprint's file, relative to the working directory where it is below it. A state that knows the file under
    /// another blueprint's name refuses it; a stack whose file moved goes on under the new one.
    pub file: PathBuf,
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", self.blueprint, self.environment)
    }
}

impl Stack {
    /// Refuses a file that is known under another blueprint's name. `known`: the blueprints and their files.
    pub(crate) fn check_name<'a>(
        &self,
        known: impl IntoIterator<Item = (&'a str, &'a Path)>,
    ) -> Result<(), StoreError> {
        match known.into_iter().find(|(blueprint, file)| *file == self.file && *blueprint != self.blueprint) {
            None => Ok(()),
            Some((blueprint, _)) => Err(StoreError::Renamed {
                file: self.file.display().to_string(),
                known: blueprint.to_owned(),
                asked: self.blueprint.clone(),
            }),
        }
    }
}

/// A stack's state as it stood at one serial.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the journal adds up to; none where the stack has no state yet.
    pub state: Option<State>,
    /// Where it is kept, as people are told: a path or a URL.
    pub location: String,
    /// The blueprint's file as it was last leased with; none where it never was.
    pub file: Option<PathBuf>,
}

impl Snapshot {
    /// The last entry's serial; 0 where there is none.
    pub fn serial(&self) -> Serial {
        self.state.as_ref().map_or(0, |state| state.serial)
    }
}

/// Grows with each lease on a stack. An append with an older one is refused.
pub type Fencing = u64;

/// The version of a note; each write makes the next.
pub type Version = u64;

/// The right to change a stack, until a deadline.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Which stack.
    pub stack: Stack,
    /// Who holds it.
    pub holder: Holder,
    /// Goes with every append.
    pub fencing: Fencing,
    /// When others may take it, by the time of day.
    pub deadline: Timestamp,
    /// The same by this machine's [`Clock::uptime`], which can't be set back.
    pub valid_until: Duration,
}

impl Lease {
    /// How much longer it lasts; zero once it is over.
    pub fn remaining(&self, clock: &dyn Clock) -> Duration {
        self.valid_until.saturating_sub(clock.uptime())
    }

    /// How often it is renewed: every quarter of its term.
    pub fn renewal(&self) -> Duration {
        self.holder.term / 4
    }
}

/// Why a store can't do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another run holds the lease.
    #[error("the stack is held by {0}")]
    Held(Box<Holder>),
    /// The lease is past its deadline, another run took it, or a person broke it.
    #[error("the lease is no longer ours: nothing more is written")]
    Fenced,
    /// A note was written by another since it was read.
    #[error("the note is at version {found:?} now")]
    Conflict {
        /// The version it has now.
        found: Option<Version>,
    },
    /// A newer Trueup wrote it.
    #[error("the state has format {found}; this Trueup knows formats up to {known}")]
    Newer {
        /// The state's format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// It is something else's file.
    #[error("{location} is no state of Trueup's: {reason}")]
    Foreign {
        /// Where.
        location: String,
        /// What gives it away.
        reason: String,
    },
    /// The blueprint's file is known under another blueprint's name.
    #[error("the state knows {file} as the blueprint `{known}`, not `{asked}`")]
    Renamed {
        /// The file.
        file: String,
        /// The name that the state has.
        known: String,
        /// The name that the file has.
        asked: String,
    },
    /// What is kept contradicts itself.
    #[error("the state is damaged{}: {reason}", serial.map(|serial| format!(" at entry {serial}")).unwrap_or_default())]
    Damaged {
        /// Where the damage shows, if at one entry.
        serial: Option<Serial>,
        /// What shows it.
        reason: String,
    },
    /// An entry can't follow what came before it: the caller's fault, and nothing was written.
    #[error(transparent)]
    Illegal(#[from] IllegalEntry),
    /// Secrets could not be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It can't be written to.
    #[error("{location} can't be written to: {reason}")]
    ReadOnly {
        /// Where.
        location: String,
        /// What the operating system says.
        reason: String,
    },
    /// There is no room left; what was there is whole.
    #[error("there is no room left for {location}; what was there is whole")]
    Full {
        /// Where.
        location: String,
    },
    /// Anything else the backend says.
    #[error("{location} can't be used: {reason}")]
    Backend {
        /// Where.
        location: String,
        /// What the backend says.
        reason: String,
    },
}

/// Keeps the journals, leases and notes of stacks. Every backend passes one conformance suite.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The stack's state now. Takes no lease, and creates nothing.
    async fn snapshot(&self, stack: &Stack) -> Result<Snapshot, StoreError>;

    /// The same with its values as they are kept, secrets sealed: it takes no key, and says the same until something is appended.
    async fn sealed(&self, stack: &Stack) -> Result<Option<State<SealedValue>>, StoreError>;

    /// Takes the right to change the stack, for the holder's [`Holder::term`]; makes the stack where it is new. A lease past its deadline, or on this
    /// host with its process gone, is free. [`StoreError::Held`] says who has it otherwise.
    async fn lease(&self, stack: &Stack, holder: &Holder) -> Result<Lease, StoreError>;

    /// Moves the deadline on, if the lease is still ours; [`StoreError::Fenced`] if not, or if the deadline is past: others may count
    /// on that by now, whether or not one came.
    async fn renew(&self, lease: &mut Lease) -> Result<(), StoreError>;

    /// Gives the lease back. One that is no longer ours is left to whoever has it.
    async fn release(&self, lease: Lease) -> Result<(), StoreError>;

    /// Who holds the stack now; none where the lease is free, if only because it ran out.
    async fn holder(&self, stack: &Stack) -> Result<Option<Holder>, StoreError>;

    /// Frees the lease that `seen` holds; [`StoreError::Held`] if another holds it by now.
    async fn break_lease(&self, stack: &Stack, seen: &Holder) -> Result<(), StoreError>;

    /// Adds entries, all or none, and returns the last one's serial once they would survive a loss of power. Concurrent calls
    /// share a commit. [`StoreError::Fenced`] as for [`Store::renew`]; [`StoreError::Illegal`] where one can't follow. Any other error
    /// leaves open whether they were written, until the next snapshot.
    async fn append(&self, lease: &Lease, entries: &[Entry]) -> Result<Serial, StoreError>;

    /// The entries after `from`, oldest first, their chain checked.
    async fn history(&self, stack: &Stack, from: Serial) -> Result<Vec<Entry>, StoreError>;

    /// Puts a damaged journal in order, as far as what is left tells what the state was; none where there is none. It takes the lease,
    /// keeps a copy of what was there, and adds up to the same state, unless `drop_tail` lets it become an earlier one. What is sound is
    /// left as it is, and so is a state of which a part would have to be dropped that may not be.
    ///
    /// A backend that nothing can damage has nothing to repair.
    async fn repair(&self, stack: &Stack, _holder: &Holder, _drop_tail: bool) -> Result<Option<Repaired>, StoreError> {
        let state = self.snapshot(stack).await?.state;
        let sound =
            |state: State| Repaired { serial: state.serial, resources: state.records.len(), ..Repaired::default() };
        Ok(state.map(sound))
    }

    /// Writes a finding or a report if the note is at version `expected` (none: not there yet). Needs no lease.
    async fn note(
        &self,
        stack: &Stack,
        key: &str,
        expected: Option<Version>,
        value: &[u8],
    ) -> Result<Version, StoreError>;

    /// Reads a note with its version.
    async fn read_note(&self, stack: &Stack, key: &str) -> Result<Option<(Version, Vec<u8>)>, StoreError>;
}
