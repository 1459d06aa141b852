//! From what is wanted, recorded and observed to what is to be done.
//!
//! Planning is synchronous, deterministic and does no I/O: [`build::plan`] takes values and returns a [`Plan`], in which every choice
//! is already made. [`decide`] looks at one resource; [`operations`] turns decisions into a graph of operations; [`placement`]
//! says where a resource may go; [`reason`] says why; [`select`] limits a plan to a part of the stack.

pub mod build;
pub mod decide;
pub mod diff;
pub mod echo;
pub mod moves;
pub mod operations;
pub mod placement;
pub mod reason;
pub mod saved;
pub mod select;
mod spelling;
mod uncompared;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trueup_state::{
    Address, Declared, Entry, FieldPath, Generation, KindName, Place, Scope, Serial, Stack, Timestamp, Value, Verb,
};

use crate::blueprint::Known;
use crate::diagnostic::Sources;
use crate::provider::{Candidate, Fact};
use crate::tree::Stands;
pub use reason::Reason;
use select::{Asked, Part};
pub use uncompared::Uncompared;

/// The format of a saved plan.
pub const FORMAT: u32 = 6;

/// What a plan is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// To bring the stack level with its blueprint.
    #[default]
    Apply,
    /// To delete everything the stack has.
    Destroy,
    /// To bring back what has drifted, and only that.
    Correct,
}

/// What is to be done to a stack: pure data, self-contained, and the same for the same inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan<V = Value> {
    /// The format it is saved in.
    pub format: u32,
    /// What it is for.
    pub mode: Mode,
    /// What was asked of it beyond all that differs.
    pub asked: Asked,
    /// Whether providers were asked what is there now; else it is made from what was seen last.
    pub refreshed: bool,
    /// Where it is limited: what it does beside what was selected, and what it leaves as it is.
    pub part: Part,
    /// The stack.
    pub stack: Stack,
    /// The stack's lineage; none where it has no state yet.
    pub lineage: Option<String>,
    /// The serial that it was made at: it is refused at another.
    pub serial: Serial,
    /// When it was made.
    pub at: Timestamp,
    /// The files of the blueprint, the blueprint itself first.
    pub sources: Sources,
    /// The texts of those files that are sealed for a key that is not here, by their place among all: there they are masked. Those of
    /// a plan that is not saved yet are all there.
    pub texts: BTreeMap<usize, V>,
    /// The resolved variables.
    pub variables: BTreeMap<String, V>,
    /// What was known of resources when the blueprint was expanded: what there is may depend on it.
    pub known: Known<V>,
    /// The answers of providers that it rests on.
    pub facts: Vec<Fact>,
    /// What was found of the files that specs name.
    pub contents: Contents,
    /// What is read and never managed.
    pub existing: Vec<Existing<V>>,
    /// What is left to a further phase of the apply, because only this one can tell what it is.
    pub deferred: Vec<Deferred>,
    /// Operations of an earlier run that have not ended: the apply settles them first.
    pub resumes: Vec<Resume>,
    /// What differs between what was seen after the last apply and what is there now.
    pub drift: Vec<Drift<V>>,
    /// What can't be compared, since it is sealed for a key that is not here.
    pub uncompared: Uncompared,
    /// What becomes of each resource, in the order of their dependencies; those with nothing to do too.
    pub changes: Vec<Change<V>>,
    /// Journal entries that need no provider: what is found gone, and records that differ from what is there.
    pub entries: Vec<Entry<V>>,
    /// The calls and checks.
    pub operations: Vec<Operation<V>>,
    /// How many joints there are: see [`Plan::edges`].
    pub joints: usize,
    /// What waits for what: from the earlier to the later one. Numbers past those of the operations are of joints, which do nothing:
    /// through one, m operations wait for n others by m + n edges.
    pub edges: Vec<(usize, usize)>,
    /// The outputs that change, or may.
    pub outputs: BTreeMap<String, OutputChange<V>>,
    /// What protection or a limit forbids: the plan can't be applied.
    pub refusals: Vec<Refusal>,
    /// What a person should know, and what stops a resource without stopping the rest.
    pub notices: Vec<Notice>,
}

/// The first of some addresses that a dependency is about: a resource's own, or one in a block or module that is depended on as a
/// whole. What stands in one stands together in the order of addresses.
pub(crate) fn first_in<'a>(addresses: &'a BTreeSet<Address>, dependency: &Address) -> Option<&'a Address> {
    addresses.range(dependency..).next().filter(|address| address.is_in(dependency))
}

/// What was found of the files that specs name, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// What stands there, or why that can't be told.
    pub stands: BTreeMap<String, Result<Stands, String>>,
    /// The digests of those that are read, or why they can't be had.
    pub digests: BTreeMap<String, Result<String, String>>,
}

/// An operation of an earlier run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The resource.
    pub address: Address,
    /// What was begun.
    pub verb: Verb,
    /// When.
    pub since: Timestamp,
    /// What is known of it, where it waits for a person.
    pub parked: Option<String>,
}

/// Something that is read and never managed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Existing<V = Value> {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: KindName,
    /// Where it is.
    pub scope: Scope,
    /// The provider's id.
    pub id: String,
    /// What is known of it: a map by attribute.
    pub attributes: V,
    /// Where it is declared.
    pub source: Option<Place>,
}

/// A resource, a block with a `for_each` or a module that is left to a further phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// Its address.
    pub address: Address,
    /// Why it can't be planned yet.
    pub reason: String,
    /// What it waits for: addresses of resources, of blocks with a `for_each`, or of modules.
    pub waits_for: Vec<Address>,
    /// Where that is said.
    pub source: Option<Place>,
}

/// What differs at one address between what was seen after the last apply and what is there now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift<V = Value> {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: KindName,
    /// Whether it is gone altogether.
    pub gone: bool,
    /// Why it came to an end, where nobody has deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The fields that differ: before is what was seen, after is what is there now.
    pub fields: Vec<FieldChange<V>>,
    /// Where it is declared.
    pub source: Option<Place>,
    /// Whether this plan puts it right.
    pub corrected: bool,
    /// The fields that stay as they are all the same: what may be corrected does not name them.
    pub kept: BTreeSet<FieldPath>,
}

/// The order of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The new object is made before the old one goes.
    CreateFirst,
    /// The old object goes before the new one is made.
    DestroyFirst,
}

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    None,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is made anew.
    Replace(Order),
    /// It goes.
    Delete,
    /// An existing object becomes ours.
    Adopt,
    /// It is no longer recorded; there is nothing to delete.
    Forget,
    /// It is looked at again: its check has not passed yet.
    Read,
    /// Only the record changes.
    Record,
}

/// What becomes of one address, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change<V = Value> {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: KindName,
    /// Where it is, or is to be; with a placement, the first candidate's.
    pub scope: Scope,
    /// What becomes of it.
    pub action: Action,
    /// Its spec as it is now; null where it does not exist.
    pub before: V,
    /// Its spec as it is to be; null where it goes.
    pub after: V,
    /// Its attributes now; null where it does not exist.
    pub attributes_before: V,
    /// Its attributes then, unknown where only apply can tell; null where it goes.
    pub attributes_after: V,
    /// The fields that change.
    pub fields: Vec<FieldChange<V>>,
    /// Why, down to the line.
    pub reasons: Vec<Reason>,
    /// Where it is declared.
    pub source: Option<Place>,
    /// The candidates that are tried in order; empty without a placement.
    pub candidates: Vec<Candidate>,
    /// The resource that it is a part of; of one that several share, the first of them.
    pub part_of: Option<Address>,
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange<V = Value> {
    /// Which.
    pub path: FieldPath,
    /// What it is; none where it is not there.
    pub before: Option<V>,
    /// What it is to be; none where it goes.
    pub after: Option<V>,
    /// Whether it needs a new object.
    pub replaces: bool,
    /// The line that says so.
    pub source: Option<Place>,
}

/// A node of the operation graph: one provider call, or one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation<V = Value> {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: KindName,
    /// What is done.
    pub verb: Verb,
    /// To which of the resource's objects.
    pub generation: Generation,
    /// Where.
    pub scope: Scope,
    /// The object's id; none for a create, and for the check of what is yet to be made.
    pub id: Option<String>,
    /// What it is to be, as far as is known; for a delete, what was sent last, and of what matters to a delete alone what the blueprint
    /// says now.
    pub spec: V,
    /// What was sent before it; null for a create.
    pub before: V,
    /// What the object is observed to be now: the apply refuses to touch one that is something else by then. Null for a create.
    pub observed: V,
    /// What its attributes are to be, as far as is known; for a delete, what they are.
    pub attributes: V,
    /// What the blueprint says of the resource besides its spec.
    pub declared: Declared,
    /// The other operation, where the two make a replacement.
    pub partner: Option<usize>,
    /// The candidate that it is a branch for, where the resource has a placement.
    pub candidate: Option<Candidate>,
    /// The resource that it is a part of: what is yet unknown of it comes from composing that again.
    pub part_of: Option<Address>,
}

/// What becomes of an output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputChange<V = Value> {
    /// What it is; none where it is new.
    pub before: Option<V>,
    /// What it is to be; none where it goes.
    pub after: Option<V>,
}

/// Why a plan can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The resource.
    pub address: Address,
    /// What forbids what.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The line that forbids it.
    pub source: Option<Place>,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The resource it is about.
    pub address: Option<Address>,
    /// What.
    pub message: String,
    /// Whether the resource can't be planned, and what depends on it waits.
    pub stops: bool,
}

/// How many resources each action touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Made.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Made anew.
    pub replace: usize,
    /// Gone.
    pub destroy: usize,
    /// State only: recorded, forgotten, adopted, or checked again.
    pub record: usize,
}

impl<V> Plan<V> {
    /// Whether there is nothing to do, in this phase or a further one, and nothing of an earlier run is left to settle.
    pub fn is_empty(&self) -> bool {
        self.changes_nothing() && self.deferred.is_empty() && self.resumes.is_empty()
    }

    /// Whether carrying it out would do nothing. What an earlier run left is settled before a plan is made: what is left of that then
    /// does not come of the plan.
    pub fn changes_nothing(&self) -> bool {
        self.entries.is_empty() && self.operations.is_empty() && self.outputs.is_empty()
    }

    /// How many resources each action touches.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for change in &self.changes {
            match change.action {
                Action::None => {}
                Action::Create => summary.create += 1,
                Action::Update => summary.update += 1,
                Action::Replace(_) => summary.replace += 1,
                Action::Delete => summary.destroy += 1,
                Action::Adopt | Action::Forget | Action::Read | Action::Record => summary.record += 1,
            }
        }
        summary
    }

    /// The same plan with each value put through `f`: the way in and out of a codec.
    pub fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Plan<W>, E> {
        Ok(Plan {
            format: self.format,
            mode: self.mode,
            asked: self.asked,
            refreshed: self.refreshed,
            part: self.part,
            stack: self.stack,
            lineage: self.lineage,
            serial: self.serial,
            at: self.at,
            sources: self.sources,
            texts: self.texts.into_iter().map(|(file, text)| Ok((file, f(text)?))).collect::<Result<_, E>>()?,
            variables: self
                .variables
                .into_iter()
                .map(|(name, value)| Ok((name, f(value)?)))
                .collect::<Result<_, E>>()?,
            known: self
                .known
                .into_iter()
                .map(|(address, visible)| Ok((address, visible.try_map(f)?)))
                .collect::<Result<_, E>>()?,
            existing: self.existing.into_iter().map(|existing| existing.try_map(f)).collect::<Result<_, E>>()?,
            deferred: self.deferred,
            facts: self.facts,
            contents: self.contents,
            resumes: self.resumes,
            uncompared: self.uncompared,
            drift: self.drift.into_iter().map(|drift| drift.try_map(f)).collect::<Result<_, E>>()?,
            changes: self.changes.into_iter().map(|change| change.try_map(f)).collect::<Result<_, E>>()?,
            entries: self.entries.into_iter().map(|entry| entry.try_map(f)).collect::<Result<_, E>>()?,
            operations: self.operations.into_iter().map(|operation| operation.try_map(f)).collect::<Result<_, E>>()?,
            joints: self.joints,
            edges: self.edges,
            outputs: self
                .outputs
                .into_iter()
                .map(|(name, change)| {
                    let before = change.before.map(&mut *f).transpose()?;
                    let after = change.after.map(&mut *f).transpose()?;
                    Ok((name, OutputChange { before, after }))
                })
                .collect::<Result<_, E>>()?,
            refusals: self.refusals,
            notices: self.notices,
        })
    }
}

impl<V> Existing<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Existing<W>, E> {
        Ok(Existing {
            address: self.address,
            kind: self.kind,
            scope: self.scope,
            id: self.id,
            attributes: f(self.attributes)?,
            source: self.source,
        })
    }
}

impl<V> Drift<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Drift<W>, E> {
        Ok(Drift {
            address: self.address,
            kind: self.kind,
            gone: self.gone,
            ended: self.ended,
            fields: self.fields.into_iter().map(|field| field.try_map(f)).collect::<Result<_, E>>()?,
            source: self.source,
            corrected: self.corrected,
            kept: self.kept,
        })
    }
}

impl<V> Change<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Change<W>, E> {
        Ok(Change {
            address: self.address,
            kind: self.kind,
            scope: self.scope,
            action: self.action,
            before: f(self.before)?,
            after: f(self.after)?,
            attributes_before: f(self.attributes_before)?,
            attributes_after: f(self.attributes_after)?,
            fields: self.fields.into_iter().map(|field| field.try_map(f)).collect::<Result<_, E>>()?,
            reasons: self.reasons,
            source: self.source,
            candidates: self.candidates,
            part_of: self.part_of,
        })
    }
}

impl<V> FieldChange<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<FieldChange<W>, E> {
        Ok(FieldChange {
            path: self.path,
            before: self.before.map(&mut *f).transpose()?,
            after: self.after.map(&mut *f).transpose()?,
            replaces: self.replaces,
            source: self.source,
        })
    }
}

impl<V> Operation<V> {
    fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Operation<W>, E> {
        Ok(Operation {
            address: self.address,
            kind: self.kind,
            verb: self.verb,
            generation: self.generation,
            scope: self.scope,
            id: self.id,
            spec: f(self.spec)?,
            before: f(self.before)?,
            observed: f(self.observed)?,
            attributes: f(self.attributes)?,
            declared: self.declared,
            partner: self.partner,
            candidate: self.candidate,
            part_of: self.part_of,
        })
    }
}
