//! What the journal is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::clock::Timestamp;
use crate::form::FlatEntry;
use crate::names::{KindName, Token};
use crate::record::{Declared, Generation, Object};
use crate::scope::Scope;
use crate::state::State;
use crate::value::Value;

/// The position of an entry in its stack's journal: the first is 1, and 0 stands before it.
pub type Serial = u64;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Makes an object.
    Create,
    /// Changes an object in place.
    Update,
    /// Removes an object.
    Delete,
    /// Proves that an object is what it should be.
    Check,
}

impl Verb {
    /// As a sentence has it: `create`, `update`, `delete`, `check`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Check => "check",
        }
    }
}

/// Everything a provider is told for one operation, as it is journaled before the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request<V = Value> {
    /// The operation's token, for the provider's own idempotency.
    pub token: Token,
    /// The resource.
    pub address: Address,
    /// What sort of thing it is.
    pub kind: KindName,
    /// The version of the kind's schema that `spec` follows.
    pub schema_version: u32,
    /// Which of the resource's objects it is about.
    pub generation: Generation,
    /// Where.
    pub scope: Scope,
    /// The cloud's name for a new object, fixed here once for all repeats.
    pub name: String,
    /// The object's id; none for a create.
    pub id: Option<String>,
    /// What it is to be, fully known; for a delete and a check, what was sent last.
    pub spec: V,
    /// What it was, as last seen; null for a create and a check.
    pub before: V,
    /// What exists of it only since it was created; null for a create.
    pub attributes: V,
    /// For a check, what `validate` asks for; for a create, what the new object is given besides, so that it can be checked.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub check: Option<V>,
    /// The tags that say whose it is: `trueup:stack`, `trueup:address`, `trueup:generation`, `trueup:token`.
    pub owner: BTreeMap<String, String>,
}

/// What a provider gives for work that goes on: plain data that outlives the process, and no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(pub serde_json::Value);

/// What sort of failure it was. Policy is decided from this and [`Applied`], never from a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The request can't be right, whoever sends it.
    Invalid {
        /// The field at fault, where the provider says.
        field: Option<String>,
    },
    /// Permission is missing.
    Denied,
    /// The object, or something it needs, is not there.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// Something else is changing it.
    Conflict,
    /// An account's limit is reached.
    Quota,
    /// The provider has none left of it there.
    NoCapacity,
    /// Too many requests.
    Throttled {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
    },
    /// It may work when repeated.
    Transient,
    /// The provider's own fault, or ours.
    Internal,
}

/// What a failed call left behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied<V = Value> {
    /// Nothing.
    No,
    /// An object that is not whole.
    Partly(Box<Object<V>>),
    /// It can't be told: the reply was lost.
    Unknown,
}

/// What a person says became of a parked operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It took effect: this is the object.
    Id(String),
    /// It did not.
    Absent,
}

/// One thing that happened to a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FlatEntry<V>", bound(deserialize = "V: Deserialize<'de>"))]
pub struct Entry<V = Value> {
    /// When.
    pub at: Timestamp,
    /// To which resource; none where it is about the whole stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// What.
    #[serde(flatten)]
    pub event: Event<V>,
}

/// What an entry says. `Begin`, `Submitted` and one of the ends make an operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<V = Value> {
    /// An operation is about to be called; durable before it is.
    Begin {
        /// What it does.
        verb: Verb,
        /// With what.
        request: Box<Request<V>>,
        /// What the blueprint says of the resource besides its spec.
        declared: Box<Declared>,
    },
    /// The provider took it and goes on with it.
    Submitted {
        /// Which operation.
        token: Token,
        /// The object's id, where it has one already.
        id: Option<String>,
        /// What to poll.
        handle: Handle,
    },
    /// It is done.
    Succeeded {
        /// Which operation.
        token: Token,
        /// What it made or changed; none for a delete and a check.
        object: Option<Box<Object<V>>>,
    },
    /// It failed, and what that left behind is known: `applied` is never [`Applied::Unknown`] here.
    Failed {
        /// Which operation.
        token: Token,
        /// What sort of failure.
        class: Class,
        /// The provider's code and words.
        message: String,
        /// What it left behind.
        applied: Applied<V>,
    },
    /// No rule can tell what became of it: it waits for a person.
    Parked {
        /// Which operation.
        token: Token,
        /// What is known.
        message: String,
    },
    /// A person settled a parked operation.
    Resolved {
        /// Which operation.
        token: Token,
        /// What became of it.
        resolution: Resolution,
    },
    /// The resource has another address now; the entry's address is the old one.
    Moved {
        /// The new address.
        to: Address,
    },
    /// An object is no longer there, found so without an operation of ours, or is no longer ours to manage.
    Forgotten {
        /// Which of the resource's objects.
        generation: Generation,
    },
    /// What was there already, made by somebody else or forgotten since, is recorded from now on, without a call.
    Adopted {
        /// What sort of thing it is.
        kind: KindName,
        /// The version of the kind's schema that what is held to have been sent follows.
        schema_version: u32,
        /// What the blueprint says of the resource besides its spec.
        declared: Box<Declared>,
        /// It, as it is known: what is held to have been sent, and what was seen.
        object: Box<Object<V>>,
    },
    /// Only the record changes: what is declared, or what is held to have been sent and seen.
    Annotated {
        /// What the blueprint says of the resource besides its spec.
        declared: Box<Declared>,
        /// The current object as it is now known; none where that stays.
        object: Option<Box<Object<V>>>,
    },
    /// The stack's outputs.
    Outputs {
        /// By name.
        outputs: BTreeMap<String, V>,
    },
    /// The secrets of a state are sealed for another key from now on. Who appends this has that key, and the former one to open them.
    Rekeyed {
        /// What of the state has secrets, sealed anew: records, operations that have not ended, outputs.
        state: Box<State<V>>,
    },
    /// What stood here can't be read any more. What follows can't be added up, until a [`Event::Restored`] says what there is. Only a
    /// repair writes this.
    Lost,
    /// A state that was exported, put into one that had nothing; or what is known of a state that was repaired.
    Restored {
        /// All of it, with the serial that it had where it was exported.
        state: Box<State<V>>,
    },
}

impl<V> Request<V> {
    /// All of its values: whatever may be secret is in one of them.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        [&self.spec, &self.before, &self.attributes].into_iter().chain(&self.check)
    }

    /// The same request with each value put through `f`: the way in and out of a codec.
    pub fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Request<W>, E> {
        Ok(Request {
            token: self.token,
            address: self.address,
            kind: self.kind,
            schema_version: self.schema_version,
            generation: self.generation,
            scope: self.scope,
            name: self.name,
            id: self.id,
            spec: f(self.spec)?,
            before: f(self.before)?,
            attributes: f(self.attributes)?,
            check: self.check.map(&mut *f).transpose()?,
            owner: self.owner,
        })
    }
}

impl<V> Applied<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Applied<W>, E> {
        Ok(match self {
            Applied::No => Applied::No,
            Applied::Unknown => Applied::Unknown,
            Applied::Partly(object) => Applied::Partly(Box::new(object.try_map(f)?)),
        })
    }
}

impl<V> Entry<V> {
    /// The same entry with each value put through `f`: the way in and out of a codec.
    pub fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Entry<W>, E> {
        Ok(Entry { at: self.at, address: self.address, event: self.event.try_map(f)? })
    }
}

impl<V> Event<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Event<W>, E> {
        let boxed = |object: Option<Box<Object<V>>>, f: &mut _| {
            object.map(|object| object.try_map(f).map(Box::new)).transpose()
        };
        Ok(match self {
            Event::Begin { verb, request, declared } => {
                Event::Begin { verb, request: Box::new(request.try_map(f)?), declared }
            }
            Event::Submitted { token, id, handle } => Event::Submitted { token, id, handle },
            Event::Succeeded { token, object } => Event::Succeeded { token, object: boxed(object, f)? },
            Event::Failed { token, class, message, applied } => {
                Event::Failed { token, class, message, applied: applied.try_map(f)? }
            }
            Event::Parked { token, message } => Event::Parked { token, message },
            Event::Resolved { token, resolution } => Event::Resolved { token, resolution },
            Event::Moved { to } => Event::Moved { to },
            Event::Forgotten { generation } => Event::Forgotten { generation },
            Event::Adopted { kind, schema_version, declared, object } => {
                Event::Adopted { kind, schema_version, declared, object: Box::new(object.try_map(f)?) }
            }
            Event::Annotated { declared, object } => Event::Annotated { declared, object: boxed(object, f)? },
            Event::Outputs { outputs } => Event::Outputs {
                outputs: outputs.into_iter().map(|(name, value)| Ok((name, f(value)?))).collect::<Result<_, E>>()?,
            },
            Event::Rekeyed { state } => Event::Rekeyed { state: Box::new(state.try_map(f)?) },
            Event::Lost => Event::Lost,
            Event::Restored { state } => Event::Restored { state: Box::new(state.try_map(f)?) },
        })
    }
}
