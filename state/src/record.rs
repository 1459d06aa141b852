//! What the state knows of a resource that exists.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::clock::Timestamp;
use crate::form::FlatRecord;
use crate::names::{KindName, Token};
use crate::path::FieldPath;
use crate::scope::Scope;
use crate::value::Value;

/// How often a resource was replaced: 0 for its first object.
pub type Generation = u64;

/// A line of a blueprint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file, relative to the working directory where it is below it.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What a blueprint says of a resource besides its spec. A change of it calls no provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// What this one reads or is said to depend on: resources, or blocks and modules as a whole. It is deleted before they are.
    pub dependencies: BTreeSet<Address>,
    /// No delete and no replace, even after its block is gone.
    pub protect: bool,
    /// Paths that are not compared.
    pub ignore: BTreeSet<FieldPath>,
    /// What a scheduled run may put right; none: everything but replace and delete.
    pub correct: Option<BTreeSet<FieldPath>>,
    /// The new object is made before the old one goes.
    pub create_first: bool,
    /// A check must pass before it counts as ready.
    pub verify: bool,
    /// Where it is declared.
    pub source: Option<Place>,
}

/// Whether dependants can rely on a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// They can.
    #[default]
    Ready,
    /// Partly made, or failed its check: the next plan replaces it.
    Tainted,
    /// Made, its check not passed yet: the next run checks again.
    Unverified,
    /// An operation's outcome can't be told: `trueup state resolve` settles it.
    Parked,
}

/// What a machine cost when it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Millionths of the currency's unit, an hour.
    pub micros_per_hour: u64,
    /// ISO 4217, such as `USD`.
    pub currency: String,
    /// Who said so.
    pub source: String,
    /// When they said so.
    pub at: Timestamp,
}

/// One thing a provider made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object<V = Value> {
    /// The provider's id; none for a composition, whose parts have theirs.
    pub id: Option<String>,
    /// Where it was made, and where it is found and deleted, whatever the blueprint says now.
    pub scope: Scope,
    /// Which of the resource's objects it is.
    pub generation: Generation,
    /// The token of the operation that made it.
    pub token: Token,
    /// The spec as last applied.
    pub sent: V,
    /// What was observed right after.
    pub seen: V,
    /// What exists only once it is created: `uri`, `ip`, `url`.
    pub attributes: V,
    /// When it was made.
    pub made_at: Timestamp,
    /// What it cost at that moment, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_at_launch: Option<Price>,
}

/// A resource that exists, or whose deposed objects do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "FlatRecord<V>", bound(deserialize = "V: Deserialize<'de>"))]
pub struct Record<V = Value> {
    /// Its stable name.
    pub address: Address,
    /// What sort of thing it is.
    pub kind: KindName,
    /// The version of the kind's schema that `sent` follows.
    pub schema_version: u32,
    /// How often it was replaced.
    pub generation: Generation,
    /// The object that dependants use; none where only deposed ones are left.
    pub current: Option<Object<V>>,
    /// Objects that a replacement superseded or a failed check condemned: still observed and paid for, deleted by this or the next run.
    pub deposed: Vec<Object<V>>,
    /// Whether dependants can rely on it.
    pub status: Status,
    /// What the blueprint said of it besides its spec.
    #[serde(flatten)]
    pub declared: Declared,
}

impl<V> Object<V> {
    /// The same object with each value put through `f`: the way in and out of a codec.
    pub fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Object<W>, E> {
        Ok(Object {
            id: self.id,
            scope: self.scope,
            generation: self.generation,
            token: self.token,
            sent: f(self.sent)?,
            seen: f(self.seen)?,
            attributes: f(self.attributes)?,
            made_at: self.made_at,
            price_at_launch: self.price_at_launch,
        })
    }
}

impl<V> Record<V> {
    /// The same record with each value put through `f`: the way in and out of a codec.
    pub fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Record<W>, E> {
        Ok(Record {
            address: self.address,
            kind: self.kind,
            schema_version: self.schema_version,
            generation: self.generation,
            current: self.current.map(|object| object.try_map(f)).transpose()?,
            deposed: self.deposed.into_iter().map(|object| object.try_map(f)).collect::<Result<_, E>>()?,
            status: self.status,
            declared: self.declared,
        })
    }

    /// The object that dependants use, and after it the deposed ones.
    pub fn objects(&self) -> impl Iterator<Item = &Object<V>> {
        self.current.iter().chain(&self.deposed)
    }
}
