//! What stands in `{{ }}`: compiled once, evaluated against what is visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use trueup_state::{Address, Key, KindName, Map, ProviderName, Value};

use super::{Each, Node};
use crate::diagnostic::Diagnostic;

/// A scalar with expressions, compiled once.
#[derive(Debug)]
pub struct Template;

/// What expressions can read: variables, and the resources that are visible so far.
#[derive(Debug)]
pub struct World {
    variables: BTreeMap<Option<Address>, Map>,
    blocks: BTreeMap<Address, Instances>,
    visible: RwLock<BTreeMap<Address, Arc<Visible>>>,
}

/// How many resources a block stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instances {
    /// One: the block has no `for_each`.
    One,
    /// One for each key.
    Keyed(Vec<Key>),
    /// None: its `when` is false. A reference to it is null.
    Absent,
}

/// What expressions see of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Visible {
    /// Its kind.
    pub kind: KindName,
    /// Who makes it.
    pub provider: ProviderName,
    /// Its attributes: a map, unknown where only apply can tell.
    pub attributes: Value,
    /// Those of them that stay for as long as it lives: what a whole-resource expression gives.
    pub stable: Value,
}

impl World {
    /// A world of variables, by module, in which no resource is visible yet.
    pub fn new(variables: BTreeMap<Option<Address>, Map>, blocks: BTreeMap<Address, Instances>) -> Self {
        Self { variables, blocks, visible: RwLock::default() }
    }

    /// Makes a resource visible, or changes what is seen of it.
    pub fn show(&self, address: Address, visible: Visible) {
        self.visible.write().unwrap_or_else(PoisonError::into_inner).insert(address, Arc::new(visible));
    }

    /// What is seen of a resource.
    pub fn visible(&self, address: &Address) -> Option<Arc<Visible>> {
        self.visible.read().unwrap_or_else(PoisonError::into_inner).get(address).cloned()
    }
}

/// From where an expression looks at the world.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What there is to see.
    pub world: Arc<World>,
    /// The module it stands in.
    pub module: Option<Address>,
    /// The instance it stands in.
    pub each: Option<Each>,
}

/// What a node came to.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Its value; null where there are problems.
    pub value: Value,
    /// The resources it read, or the blocks it read whole.
    pub reads: BTreeSet<Address>,
    /// What is wrong with it.
    pub problems: Vec<Diagnostic>,
}

/// Evaluates a node and everything in it.
pub fn evaluate(_node: &Node, _scope: &Scope) -> Evaluated {
    todo!()
}
