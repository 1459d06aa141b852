//! Records and entries as they are read: flat, each field where it is written.
//!
//! They are written by serde's `flatten` and `tag`. Read back through those, each would be buffered whole before it is looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::address::Address;
use crate::clock::Timestamp;
use crate::entry::{Applied, Class, Entry, Event, Handle, Request, Resolution, Verb};
use crate::names::{KindName, Token};
use crate::path::FieldPath;
use crate::record::{Declared, Generation, Object, Place, Record, Status};
use crate::state::State;

/// A record, field by field.
#[derive(Deserialize)]
pub(crate) struct FlatRecord<V> {
    address: Address,
    kind: KindName,
    schema_version: u32,
    generation: Generation,
    current: Option<Object<V>>,
    deposed: Vec<Object<V>>,
    status: Status,
    dependencies: BTreeSet<Address>,
    protect: bool,
    ignore: BTreeSet<FieldPath>,
    correct: Option<BTreeSet<FieldPath>>,
    create_first: bool,
    verify: bool,
    source: Option<Place>,
}

impl<V> From<FlatRecord<V>> for Record<V> {
    fn from(flat: FlatRecord<V>) -> Self {
        Self {
            address: flat.address,
            kind: flat.kind,
            schema_version: flat.schema_version,
            generation: flat.generation,
            current: flat.current,
            deposed: flat.deposed,
            status: flat.status,
            declared: Declared {
                dependencies: flat.dependencies,
                protect: flat.protect,
                ignore: flat.ignore,
                correct: flat.correct,
                create_first: flat.create_first,
                verify: flat.verify,
                source: flat.source,
            },
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tag {
    Begin,
    Submitted,
    Succeeded,
    Failed,
    Parked,
    Resolved,
    Moved,
    Forgotten,
    Adopted,
    Annotated,
    Outputs,
    Rekeyed,
    Lost,
    Restored,
}

/// An entry, field by field, those of every event.
#[derive(Deserialize)]
pub(crate) struct FlatEntry<V> {
    at: Timestamp,
    address: Option<Address>,
    event: Tag,
    verb: Option<Verb>,
    request: Option<Box<Request<V>>>,
    declared: Option<Box<Declared>>,
    token: Option<Token>,
    id: Option<String>,
    handle: Option<Handle>,
    object: Option<Box<Object<V>>>,
    class: Option<Class>,
    message: Option<String>,
    applied: Option<Applied<V>>,
    resolution: Option<Resolution>,
    to: Option<Address>,
    generation: Option<Generation>,
    kind: Option<KindName>,
    schema_version: Option<u32>,
    outputs: Option<BTreeMap<String, V>>,
    state: Option<Box<State<V>>>,
}

fn needed<T>(field: Option<T>, name: &'static str) -> Result<T, String> {
    field.ok_or_else(|| format!("it has no `{name}`"))
}

impl<V> TryFrom<FlatEntry<V>> for Entry<V> {
    type Error = String;

    fn try_from(flat: FlatEntry<V>) -> Result<Self, String> {
        let token = || needed(flat.token.clone(), "token");
        let event = match flat.event {
            Tag::Begin => Event::Begin {
                verb: needed(flat.verb, "verb")?,
                request: needed(flat.request, "request")?,
                declared: needed(flat.declared, "declared")?,
            },
            Tag::Submitted => Event::Submitted { token: token()?, id: flat.id, handle: needed(flat.handle, "handle")? },
            Tag::Succeeded => Event::Succeeded { token: token()?, object: flat.object },
            Tag::Failed => Event::Failed {
                token: token()?,
                class: needed(flat.class, "class")?,
                message: needed(flat.message, "message")?,
                applied: needed(flat.applied, "applied")?,
            },
            Tag::Parked => Event::Parked { token: token()?, message: needed(flat.message, "message")? },
            Tag::Resolved => Event::Resolved { token: token()?, resolution: needed(flat.resolution, "resolution")? },
            Tag::Moved => Event::Moved { to: needed(flat.to, "to")? },
            Tag::Forgotten => Event::Forgotten { generation: needed(flat.generation, "generation")? },
            Tag::Adopted => Event::Adopted {
                kind: needed(flat.kind, "kind")?,
                schema_version: needed(flat.schema_version, "schema_version")?,
                declared: needed(flat.declared, "declared")?,
                object: needed(flat.object, "object")?,
            },
            Tag::Annotated => Event::Annotated { declared: needed(flat.declared, "declared")?, object: flat.object },
            Tag::Outputs => Event::Outputs { outputs: needed(flat.outputs, "outputs")? },
            Tag::Rekeyed => Event::Rekeyed { state: needed(flat.state, "state")? },
            Tag::Lost => Event::Lost,
            Tag::Restored => Event::Restored { state: needed(flat.state, "state")? },
        };
        Ok(Self { at: flat.at, address: flat.address, event })
    }
}
