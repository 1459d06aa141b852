//! Which resources a field reads.
//!
//! The blueprint knows, where it is at hand: the field's expressions are evaluated once more, for what they read. Without it, a whole
//! resource names itself, and of a field that is unknown the only dependency that changes must be what it reads.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_engine::blueprint::{Content, Node, Program, Resource, Visible, World, evaluate};
use trueup_engine::plan::{Change, Plan};
use trueup_state::{Address, FieldPath, Step, Value};

use super::reference;

pub(super) struct Reads<'a> {
    seen: Option<Seen<'a>>,
    /// What each resource that something is done to depends on.
    dependencies: BTreeMap<&'a Address, &'a BTreeSet<Address>>,
}

/// The blueprint, and what its expressions see.
struct Seen<'a> {
    program: &'a Program,
    world: Arc<World>,
    shown: RefCell<BTreeSet<Address>>,
    changes: BTreeMap<&'a Address, &'a Change>,
}

impl<'a> Reads<'a> {
    pub(super) fn new(plan: &'a Plan, program: Option<&'a Program>) -> Self {
        let of = |operation: &'a trueup_engine::plan::Operation| (&operation.address, &operation.declared.dependencies);
        let seen = program.map(|program| Seen {
            program,
            world: program.world(),
            shown: RefCell::default(),
            changes: plan.changes.iter().map(|change| (&change.address, change)).collect(),
        });
        Self { seen, dependencies: plan.operations.iter().map(of).collect() }
    }

    /// The resources that a field of a change reads, or the blocks that it reads whole.
    pub(super) fn of(&self, change: &Change, path: &FieldPath) -> BTreeSet<Address> {
        let resource = self.seen.as_ref().and_then(|seen| Some((seen, seen.program.resources.get(&change.address)?)));
        if let Some((seen, resource)) = resource {
            return seen.reads(resource, path);
        }
        let whole = reference::around(change, path).and_then(|field| change.after.at(&field));
        if let Some(address) = whole.and_then(reference::address) {
            return [address].into();
        }
        let dependencies = self.dependencies.get(&change.address).copied();
        let mut changing = dependencies.into_iter().flatten().filter(|address| self.dependencies.contains_key(address));
        match (changing.next(), changing.next()) {
            (Some(only), None) => [only.clone()].into(),
            _ => BTreeSet::new(),
        }
    }
}

impl Seen<'_> {
    fn reads(&self, resource: &Resource, path: &FieldPath) -> BTreeSet<Address> {
        for dependency in self.program.graph.dependencies(&resource.address) {
            self.show(&dependency);
        }
        evaluate(nearest(&resource.spec, path), &resource.scope(&self.world)).reads
    }

    /// Lets expressions see what a resource will be.
    fn show(&self, address: &Address) {
        let (Some(change), Some(resource)) = (self.changes.get(address), self.program.resources.get(address)) else {
            return;
        };
        if self.shown.borrow_mut().insert(address.clone()) {
            let attributes = match &change.attributes_after {
                Value::Null => Value::Unknown,
                known => known.clone(),
            };
            let (kind, provider) = (resource.kind.clone(), resource.provider.clone());
            self.world.show(address.clone(), Visible { kind, provider, stable: attributes.clone(), attributes });
        }
    }
}

/// What stands at a path, or the nearest thing around it.
fn nearest<'a>(spec: &'a Node, path: &FieldPath) -> &'a Node {
    let mut node = spec;
    for step in path.steps() {
        let next = match (&node.content, step) {
            (Content::Map(_), Step::Field(name)) => node.get(name),
            (Content::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}
