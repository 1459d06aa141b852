//! Why what a person asks of a state can't be, and what can be done instead.

use trueup_state::{Address, Stack, Verb};

use super::AdoptError;
use crate::blueprint::schema::{as_name, has_form};

/// Why what a person asks of a state can't be. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByHandError {
    /// The stack has no state yet.
    #[error("{0} has no state")]
    NoState(Stack),
    /// Nothing is recorded at an address.
    #[error("{address} is not recorded")]
    NotRecorded {
        /// The address.
        address: Address,
        /// What may have been meant.
        close: Option<String>,
    },
    /// A move leads nowhere.
    #[error("{0} can't move to itself")]
    Itself(Address),
    /// A move leads into what moves, or out of it.
    #[error("{from} can't move to {to}: one is a part of the other")]
    Inside {
        /// What was to move.
        from: Address,
        /// Where.
        to: Address,
    },
    /// A move leads to what no blueprint can say.
    #[error("nothing can be at {to}: `{name}` is no name that a blueprint can have")]
    NoName {
        /// Where something was to move.
        to: Address,
        /// The name.
        name: String,
    },
    /// A part was to move without what it is a part of.
    #[error("{part} is a part of {}, and moves only with that", of.as_ref().map_or_else(|| "several resources".to_owned(), ToString::to_string))]
    IsPart {
        /// The part.
        part: Address,
        /// What it is a part of; none where several share it.
        of: Option<Address>,
    },
    /// Several instances were to become one.
    #[error("{from} has several instances, and {to} is one")]
    Several {
        /// The block or module.
        from: Address,
        /// The instance.
        to: Address,
    },
    /// Something is recorded where something was to move.
    #[error("{from} can't move to {to}, which is recorded already")]
    Taken {
        /// What was to move.
        from: Address,
        /// Where.
        to: Address,
    },
    /// A move leads into a resource.
    #[error("nothing can be at {to}: {resource} is a resource, and no module")]
    InResource {
        /// Where something was to move.
        to: Address,
        /// What stands around it.
        resource: Address,
    },
    /// A resource was to take the place of a module.
    #[error("no resource can be at {0}: that is a module")]
    IsModule(Address),
    /// An operation has not ended.
    #[error("a {} of {address} has not ended", verb.as_str())]
    UnderWay {
        /// The resource.
        address: Address,
        /// What has begun.
        verb: Verb,
        /// Whether only a person can settle it.
        is_parked: bool,
    },
    /// The state moved on since a person was asked.
    #[error("the state has moved on since you were asked")]
    Overtaken,
    /// A state was to be put where there is one.
    #[error("{stack} has a state already: {resources} resources are recorded")]
    NotEmpty {
        /// The stack.
        stack: Stack,
        /// How many resources it has.
        resources: usize,
    },
    /// There are secrets that can't be sealed anew.
    #[error("{0} has secrets that are sealed for a key that is not here")]
    Locked(Stack),
    /// There is nothing to be settled at an address.
    #[error("no operation of {address} waits to be settled")]
    NothingOpen {
        /// The address.
        address: Address,
        /// Those at which there is something.
        others: Vec<Address>,
    },
    /// Several operations of an address have not ended.
    #[error("several operations of {0} have not ended, and which one is meant can't be told")]
    SeveralOpen(Address),
    /// What became of an operation is found by looking, and nobody needs to say it.
    #[error("what became of the {} of {address} is not for a person to say", verb.as_str())]
    SettlesItself {
        /// The resource.
        address: Address,
        /// What has begun.
        verb: Verb,
    },
    /// The provider took the operation, and goes on with it.
    #[error("the provider took the {} of {address}, and goes on with it", verb.as_str())]
    GoesOn {
        /// The resource.
        address: Address,
        /// What has begun.
        verb: Verb,
    },
    /// There is no object with the id that was given.
    #[error("there is no {kind} with the id `{id}` in {place}, where {address} would be")]
    NotThere {
        /// The resource.
        address: Address,
        /// Its kind.
        kind: String,
        /// The id.
        id: String,
        /// Where it was looked for.
        place: String,
    },
    /// The object is there, though a person says that it is not.
    #[error("{address} is there: `{id}`")]
    IsThere {
        /// The resource.
        address: Address,
        /// The object.
        id: String,
        /// What is said to have become of what.
        verb: Verb,
    },
    /// The object is recorded already.
    #[error("`{id}` is recorded already, as {address}")]
    RecordedAt {
        /// The object.
        id: String,
        /// Where.
        address: Address,
    },
    /// The object belongs to another stack.
    #[error("`{id}` belongs to another stack, with the lineage {lineage}")]
    OfAnother {
        /// The object.
        id: String,
        /// The lineage that its tag names.
        lineage: String,
    },
    /// It can't be adopted.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// The provider can't tell.
    #[error("whether {address} is there can't be told: {reason}")]
    Unanswered {
        /// The resource.
        address: Address,
        /// What the provider says.
        reason: String,
    },
}

impl ByHandError {
    /// What to do instead, if there is something.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoState(_) => "`trueup apply` makes it".to_owned(),
            Self::NotRecorded { close: Some(close), .. } => format!("did you mean `{close}`?"),
            Self::NotRecorded { close: None, .. } => "`trueup state list` shows what is".to_owned(),
            Self::NoName { name, .. } if has_form(name) => {
                "it has a meaning of its own in expressions: choose another name".to_owned()
            }
            Self::NoName { name, .. } => {
                let right = as_name(name.strip_prefix("module.").unwrap_or(name), '_', 64);
                format!("names have lower-case letters, digits and `_`, a letter first: `{right}`")
            }
            Self::IsPart { of: Some(of), .. } => format!("move {of}"),
            Self::IsPart { of: None, .. } => "it needs no other address: no blueprint names it".to_owned(),
            Self::Several { to, .. } => format!("move one instance at a time, or all of them to {}", to.block()),
            Self::Taken { to, .. } => format!("move {to} away first, or `trueup state forget` it"),
            Self::InResource { .. } | Self::IsModule(_) => "choose an address of its own".to_owned(),
            Self::UnderWay { is_parked: true, address, .. } => {
                format!("settle it with `trueup state resolve {address}`")
            }
            Self::UnderWay { .. } | Self::SeveralOpen(_) | Self::GoesOn { .. } => {
                "`trueup apply` settles what an earlier run left open".to_owned()
            }
            Self::Overtaken => "look at it, and say so again".to_owned(),
            Self::NotEmpty { .. } => "a state is put back only where nothing is recorded".to_owned(),
            Self::Locked(_) => "rekey with the key that they are sealed for".to_owned(),
            Self::NothingOpen { others, .. } if !others.is_empty() => {
                let others: Vec<String> = others.iter().map(|other| format!("`{other}`")).collect();
                format!("these do: {}", others.join(", "))
            }
            Self::NothingOpen { .. } => "nothing of this stack does".to_owned(),
            Self::SettlesItself { verb: Verb::Delete, .. } => {
                "`trueup apply` looks, and goes on; `--absent` says that the object is gone".to_owned()
            }
            Self::SettlesItself { .. } => "`trueup apply` looks at what is there, and goes on".to_owned(),
            Self::NotThere { .. } => {
                "look for its id at the provider; `--absent` says that nothing was made".to_owned()
            }
            Self::IsThere { verb: Verb::Delete, .. } => "`trueup apply` goes on deleting it".to_owned(),
            Self::IsThere { address, id, .. } => format!("take it in: `trueup state resolve {address} --id {id}`"),
            Self::Adopt(error) => error.help(),
            Self::Unanswered { .. } => "try again once the provider answers".to_owned(),
            Self::Itself(_) | Self::Inside { .. } | Self::RecordedAt { .. } | Self::OfAnother { .. } => return None,
        };
        Some(text)
    }
}
