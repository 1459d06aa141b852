//! What expressions can name, and what is seen of it so far: variables, resources and modules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use trueup_state::{Address, Key, KindName, Map, ProviderName, Value};

use super::source::Node;
use super::variables::Declared;
use crate::diagnostic::Span;
use crate::schema::Schema;

/// What expressions can read: names, and the resources that are visible so far.
#[derive(Debug)]
pub struct World {
    frame: Arc<Frame>,
    known: Arc<Known>,
    shown: RwLock<BTreeMap<Address, Arc<Visible>>>,
}

/// What is known of resources before a blueprint is expanded.
pub type Known<V = Value> = BTreeMap<Address, Visible<V>>;

/// The names of a blueprint and its modules.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    modules: BTreeMap<Option<Address>, Arc<Module>>,
    calls: BTreeMap<Address, Group>,
    blocks: BTreeMap<Address, Group>,
    /// Where blocks and modules are named.
    places: BTreeMap<Address, Span>,
    /// The names of the blocks and of the modules that stand in a module.
    names: BTreeMap<Option<Address>, [BTreeSet<String>; 2]>,
}

/// What expressions see of a module from inside, and of its outputs from outside. The blueprint itself is the outermost one.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) outputs: BTreeMap<String, Arc<Node>>,
    /// Where each variable is given its value; those that have their defaults are not in it.
    pub(super) given: BTreeMap<String, Span>,
    /// The instance it is of a `for_each`, which its inputs may read.
    pub(super) each: Option<Each>,
}

/// A variable's value, or where it comes from.
#[derive(Debug)]
pub(super) enum Variable {
    /// It is known.
    Given(Value),
    /// An input of a module that reads resources: evaluated where the module stands, whenever it is read.
    Input(Arc<Input>),
}

/// An input of a module.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) node: Arc<Node>,
    pub(super) declared: Declared,
}

#[derive(Clone, Debug)]
struct Group {
    instances: Instances,
    keys: Arc<BTreeSet<Key>>,
    /// What is seen of an instance that was not shown.
    unseen: Option<Arc<Visible>>,
    /// The schema of its kind, where that is known.
    schema: Option<&'static Schema>,
}

/// How many resources a block stands for, or how often a module is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instances {
    /// One: there is no `for_each`.
    One,
    /// One for each key.
    Keyed(Arc<[Key]>),
    /// None: its `when` is false. A reference to it is null.
    Absent,
    /// Only apply can tell.
    Unknown,
}

/// What expressions see of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visible<V = Value> {
    /// Its kind.
    pub kind: KindName,
    /// Who makes it.
    pub provider: ProviderName,
    /// Its attributes: a map, unknown where only apply can tell.
    pub attributes: V,
    /// Those of them that stay for as long as it lives: what a whole-resource expression gives.
    pub stable: V,
}

/// An instance of a `for_each`.
#[derive(Clone, Debug)]
pub struct Each {
    /// `each.key`.
    pub key: Key,
    /// `each.value`.
    pub value: EachValue,
}

/// What `each.value` is.
#[derive(Clone, Debug)]
pub enum EachValue {
    /// It is known.
    Known(Value),
    /// An instance of another block, of which the `for_each` is over all.
    Resource(Address),
    /// What a node of the file comes to, or the part of it under the key.
    Node {
        /// The node.
        node: Arc<Node>,
        /// Whether it is what stands there under the key.
        part: bool,
    },
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

impl<V> Visible<V> {
    /// The same with each value put through `f`: the way in and out of a codec.
    pub fn try_map<W, E>(self, f: &mut impl FnMut(V) -> Result<W, E>) -> Result<Visible<W>, E> {
        Ok(Visible {
            kind: self.kind,
            provider: self.provider,
            attributes: f(self.attributes)?,
            stable: f(self.stable)?,
        })
    }
}

impl Group {
    fn new(instances: Instances, unseen: Option<Arc<Visible>>, schema: Option<&'static Schema>) -> Self {
        let keys = match &instances {
            Instances::Keyed(keys) => keys.iter().cloned().collect(),
            _ => BTreeSet::new(),
        };
        Self { instances, keys: Arc::new(keys), unseen, schema }
    }

    fn keys(&self) -> &[Key] {
        match &self.instances {
            Instances::Keyed(keys) => keys,
            _ => &[],
        }
    }
}

impl Frame {
    /// Names a block of which nothing more is known.
    pub(super) fn name_block(&mut self, address: Address, instances: Instances) {
        self.name(&address, false);
        self.blocks.insert(address, Group::new(instances, None, None));
    }

    /// Sets how many resources a block stands for, what is seen of one of which nothing is known, and the schema of its kind.
    pub(super) fn set_block(
        &mut self,
        address: Address,
        instances: Instances,
        unseen: Option<Arc<Visible>>,
        schema: Option<&'static Schema>,
    ) {
        self.blocks.insert(address, Group::new(instances, unseen, schema));
    }

    /// Sets where a block or a module is named.
    pub(super) fn set_place(&mut self, address: Address, place: Span) {
        self.places.insert(address, place);
    }

    /// The outermost block or module at an address, or around it, that is declared and does not have it any more, and where it is
    /// named.
    pub(super) fn without(&self, address: &Address) -> Option<(Address, Span)> {
        let around: Vec<Address> = std::iter::successors(Some(address.clone()), Address::parent).collect();
        around.iter().rev().find_map(|part| {
            let block = part.block();
            let group = self.blocks.get(&block).or_else(|| self.calls.get(&block))?;
            let has = match (&group.instances, part.key()) {
                (Instances::Keyed(_), Some(key)) => group.keys.contains(key),
                (Instances::One, None) | (Instances::Unknown, _) => true,
                _ => false,
            };
            Some((block.clone(), *self.places.get(&block)?)).filter(|_| !has)
        })
    }

    fn name(&mut self, address: &Address, module: bool) {
        let names = self.names.entry(address.parent()).or_default();
        names[usize::from(module)].insert(address.name().to_owned());
    }

    /// Names a module of which nothing more is known.
    pub(super) fn name_call(&mut self, address: Address) {
        self.name(&address, true);
        self.set_call(address, Instances::Unknown);
    }

    /// Whether an address has keys where, and only where, what is declared has instances. What is not declared says nothing.
    pub(super) fn has_shape_of(&self, address: &Address) -> bool {
        let mut around = std::iter::successors(Some(address.clone()), Address::parent);
        around.all(|part| {
            let block = part.block();
            let group = self.blocks.get(&block).or_else(|| self.calls.get(&block));
            match (group.map(|group| &group.instances), part.key()) {
                (Some(Instances::One), key) => key.is_none(),
                (Some(Instances::Keyed(_)), key) => key.is_some(),
                _ => true,
            }
        })
    }

    /// Sets how often a module is there.
    pub(super) fn set_call(&mut self, address: Address, instances: Instances) {
        self.calls.insert(address, Group::new(instances, None, None));
    }

    /// Sets what is in a module.
    pub(super) fn set_module(&mut self, address: Option<Address>, module: Module) {
        self.modules.insert(address, Arc::new(module));
    }

    /// How many resources a block stands for; none where there is no such block.
    pub fn block(&self, address: &Address) -> Option<&Instances> {
        self.blocks.get(address).map(|group| &group.instances)
    }

    /// How often a module is there; none where there is no such module.
    pub fn call(&self, address: &Address) -> Option<&Instances> {
        self.calls.get(address).map(|group| &group.instances)
    }

    /// The names of the blocks, or of the modules, that stand in a module.
    pub(super) fn names(&self, module: Option<&Address>, modules: bool) -> Vec<&str> {
        self.members(module, modules).into_iter().flatten().map(String::as_str).collect()
    }

    /// Whether a block, or a module, of a name stands in a module.
    pub(super) fn has_name(&self, module: Option<&Address>, modules: bool, name: &str) -> bool {
        self.members(module, modules).is_some_and(|names| names.contains(name))
    }

    fn members(&self, module: Option<&Address>, modules: bool) -> Option<&BTreeSet<String>> {
        self.names.get(&module.cloned()).map(|names| &names[usize::from(modules)])
    }

    /// The addresses of all blocks and modules.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.blocks.keys().chain(self.calls.keys()).map(ToString::to_string).collect()
    }

    pub(super) fn module(&self, module: Option<&Address>) -> Option<&Arc<Module>> {
        self.modules.get(&module.cloned())
    }
}

impl World {
    /// A world in which no resource is visible yet but those that are known.
    pub fn new(frame: Arc<Frame>, known: Arc<Known>) -> Self {
        Self { frame, known, shown: RwLock::default() }
    }

    /// A world of variables alone.
    pub fn of_variables(variables: Map) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name, Variable::Given(value))).collect();
        let mut frame = Frame::default();
        frame.set_module(None, Module { variables, ..Module::default() });
        Self::new(Arc::new(frame), Arc::default())
    }

    /// Makes a resource visible, or changes what is seen of it.
    pub fn show(&self, address: Address, visible: Visible) {
        self.shown.write().unwrap_or_else(PoisonError::into_inner).insert(address, Arc::new(visible));
    }

    /// What is seen of a resource.
    pub fn visible(&self, address: &Address) -> Option<Arc<Visible>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner).get(address).cloned();
        shown
            .or_else(|| self.known.get(address).map(|visible| Arc::new(visible.clone())))
            .or_else(|| self.frame.blocks.get(&address.block())?.unseen.clone())
    }

    /// What there is to name.
    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The keys of a block with a `for_each`.
    pub(super) fn keys(&self, block: &Address) -> &[Key] {
        self.frame.blocks.get(block).map(Group::keys).unwrap_or_default()
    }

    /// The keys of a module with a `for_each`.
    pub(super) fn call_keys(&self, call: &Address) -> &[Key] {
        self.frame.calls.get(call).map(Group::keys).unwrap_or_default()
    }

    /// The schema of a resource's kind, where that is known.
    pub(super) fn schema(&self, address: &Address) -> Option<&'static Schema> {
        self.frame.blocks.get(&address.block())?.schema
    }

    pub(super) fn has_key(&self, block: &Address, key: &Key) -> bool {
        self.frame.blocks.get(block).is_some_and(|group| group.keys.contains(key))
    }
}

impl Scope {
    /// What the expressions of a module see.
    pub(super) fn of_module(world: &Arc<World>, module: Option<Address>) -> Self {
        Self { world: world.clone(), module, each: None }
    }

    /// The module it stands in, as its own expressions see it.
    pub(super) fn here(&self) -> Option<&Module> {
        self.world.frame().module(self.module.as_ref()).map(|module| &**module)
    }

    /// A variable of its module.
    pub(super) fn variable(&self, name: &str) -> Option<&Variable> {
        self.here()?.variables.get(name)
    }

    /// Where the inputs of its module are evaluated; none in the blueprint itself, which has no inputs.
    pub(super) fn of_inputs(&self) -> Option<Scope> {
        let module = self.module.as_ref()?;
        Some(Self { world: self.world.clone(), module: module.parent(), each: self.here()?.each.clone() })
    }
}
