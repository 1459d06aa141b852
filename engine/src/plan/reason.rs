//! Why something is done, down to the line.

use std::fmt;

use serde::{Deserialize, Serialize};
use trueup_state::{Address, FieldPath, Place};

/// One reason for a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The blueprint has it, and it does not exist.
    New {
        /// Where the blueprint has it.
        place: Option<Place>,
    },
    /// A field was edited in the blueprint since it was last applied.
    Edited {
        /// The field.
        path: FieldPath,
        /// Where.
        place: Option<Place>,
    },
    /// A field reads something that only apply can tell.
    Reads {
        /// The field.
        path: FieldPath,
        /// Where.
        place: Option<Place>,
    },
    /// A field was changed outside Trueup.
    Drifted {
        /// The field.
        path: FieldPath,
    },
    /// It was deleted outside Trueup.
    Gone,
    /// It came to an end, and nobody has deleted it.
    Ended {
        /// Why, in words that go on from `it`.
        why: String,
    },
    /// A field can't be changed in place.
    Immutable {
        /// The field.
        path: FieldPath,
    },
    /// It would be made elsewhere now.
    Moved {
        /// What differs: the provider or one of its settings.
        what: String,
    },
    /// It was recorded under another address.
    Renamed {
        /// Which.
        from: Address,
        /// Where the blueprint says so.
        place: Option<Place>,
    },
    /// It is read from now on, and no longer managed.
    Released,
    /// A person asked for its replacement.
    Asked,
    /// It is checked once it is made, before anything relies on it.
    Checked,
    /// An earlier run left it partly made, or its check failed.
    Tainted,
    /// An earlier run left it partly made.
    Partial,
    /// An earlier run left it partly made, and it is brought level as it is.
    Unfinished,
    /// Its check has not passed yet.
    Unverified,
    /// Its block is no longer in the blueprint.
    Removed,
    /// Its block is there, and its key is no longer in the block's `for_each`, or its `when` is false now.
    Left {
        /// The block, or the module that it stands in.
        block: Address,
        /// Where that is said.
        place: Option<Place>,
    },
    /// What it was a part of is made without it now.
    NoPart {
        /// What that is; none of what several shared.
        of: Option<Address>,
    },
    /// A replacement superseded it, or its check failed.
    Deposed,
    /// Everything is to be destroyed.
    Destroyed,
    /// What is there is what is wanted; only the record differs.
    Recorded {
        /// What of it.
        what: String,
    },
    /// What it is made of changes.
    Parts {
        /// Its parts that do.
        parts: Vec<Address>,
    },
    /// It replaces create-first, so what it depends on does too.
    CreateFirstFor {
        /// Who needs it.
        dependant: Address,
    },
}

impl Reason {
    /// That it is gone. `ended`: why it came to an end, where nobody has deleted it.
    pub(crate) fn gone(ended: Option<String>) -> Self {
        ended.map_or(Self::Gone, |why| Self::Ended { why })
    }

    /// The line it points to.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Reason::New { place }
            | Reason::Edited { place, .. }
            | Reason::Reads { place, .. }
            | Reason::Left { place, .. }
            | Reason::Renamed { place, .. } => place.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::New { .. } => f.write_str("the blueprint has it, and it does not exist"),
            Reason::Edited { path, .. } => write!(f, "{path} was edited"),
            Reason::Reads { path, .. } => write!(f, "{path} is known after apply"),
            Reason::Drifted { path } => write!(f, "{path} was changed outside Trueup"),
            Reason::Gone => f.write_str("it was deleted outside Trueup"),
            Reason::Ended { why } => write!(f, "it {why}"),
            Reason::Immutable { path } => write!(f, "{path} can't be changed in place"),
            Reason::Moved { what } => write!(f, "its {what} changed"),
            Reason::Renamed { from, .. } => write!(f, "its address was {from}"),
            Reason::Released => f.write_str("it is read from now on, and no longer managed"),
            Reason::Asked => f.write_str("replacement was asked for"),
            Reason::Checked => f.write_str("it is checked before anything relies on it"),
            Reason::Tainted => f.write_str("it was left partly made, or its check failed"),
            Reason::Partial => f.write_str("it was left partly made"),
            Reason::Unfinished => f.write_str("it was left partly made: the rest is done now"),
            Reason::Unverified => f.write_str("its check has not passed yet"),
            Reason::Removed => f.write_str("its block is no longer in the blueprint"),
            Reason::Left { block, .. } => write!(f, "{block} no longer has it: its `for_each` or its `when` changed"),
            Reason::NoPart { of: Some(of) } => write!(f, "{of} is no longer made of it"),
            Reason::NoPart { of: None } => f.write_str("nothing is made of it any more"),
            Reason::Deposed => f.write_str("its replacement is in place"),
            Reason::Destroyed => f.write_str("everything is to be destroyed"),
            Reason::Recorded { what } => write!(f, "what is there is what is wanted; recorded: {what}"),
            Reason::Parts { parts } => {
                let names: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "what it is made of changes: {}", names.join(", "))
            }
            Reason::CreateFirstFor { dependant } => write!(f, "{dependant} needs the new one before the old one goes"),
        }
    }
}
