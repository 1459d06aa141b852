//! Where a path leads: from a name that an expression begins with, step by step, to what it sees.

use std::sync::Arc;

use trueup_state::{Address, Key, Map, Secret, Step, Value};

use super::expression::see;
pub(super) use super::miss::{article, in_expression, suggest};
use super::source::{Content, Node};
use super::tracking::Tracker;
use super::world::{EachValue, Instances, Scope, Variable, Visible};

/// What a path leads to. Nothing is copied until it is taken.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// `var`.
    Variables,
    /// `each`.
    Each,
    /// `module`.
    Modules,
    /// All instances of a module with a `for_each`.
    Calls(Address),
    /// One module: its outputs.
    Call(Address),
    /// All of a `for_each`.
    Group(Address),
    /// One resource; what is visible of it.
    Resource(Address, Option<Arc<Visible>>),
    /// A map that a file writes out, as the scope sees it that it is written in: of its entries only those that are read are evaluated.
    Written(Arc<WrittenMap>),
    /// A value, or a part of one.
    Held(Held),
    /// A resource that is not there.
    Absent,
    /// Something that only apply can tell.
    Unknown,
}

/// A map that a file writes out.
#[derive(Debug)]
pub(super) struct WrittenMap {
    /// The path to it, as the blueprint writes it.
    pub(super) name: String,
    pub(super) node: Arc<Node>,
    scope: Scope,
}

/// A part of a value that something else owns, so that a large one is not copied for each who reads from it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    root: Root,
    path: Vec<Step>,
    /// Whether a secret was looked through on the way.
    pub(super) secret: bool,
}

#[derive(Clone, Debug)]
enum Root {
    Variable(String),
    EachKey(Arc<Value>),
    EachValue,
    Attributes(Address, Arc<Visible>),
    /// What something of another scope came to, with its name.
    Owned(String, Arc<Value>),
}

/// One step as an expression takes it.
#[derive(Clone, Debug)]
pub(super) enum Hop<'a> {
    /// By name.
    Name(&'a str),
    /// By position, from the end where it is negative, or by integer key.
    Index(i64),
    /// By something that only apply can tell.
    Unknown,
    /// By something that nothing has.
    Other,
}

/// A step to where there is nothing.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    /// From where; none at the name that the path begins with.
    pub(super) from: Option<Seen>,
    /// The name or key.
    pub(super) name: String,
}

impl Held {
    pub(super) fn value<'a>(&'a self, scope: &'a Scope) -> &'a Value {
        let root = match &self.root {
            Root::Variable(name) => match scope.variable(name) {
                Some(Variable::Given(value)) => Some(value),
                _ => None,
            },
            Root::EachKey(key) => Some(&**key),
            Root::EachValue => match scope.each.as_ref().map(|each| &each.value) {
                Some(EachValue::Known(value)) => Some(value),
                _ => None,
            },
            Root::Attributes(_, visible) => Some(&visible.attributes),
            Root::Owned(_, value) => Some(&**value),
        };
        let step = |value: &'a Value, step: &Step| match (value.revealed(), step) {
            (Value::Map(map), Step::Field(name)) => map.get(name),
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        };
        // Every step was there when it was taken, and a scope does not change.
        root.and_then(|root| self.path.iter().try_fold(root, step)).unwrap_or(&Value::Null)
    }

    fn step(&self, scope: &Scope, hop: &Hop<'_>) -> Option<Seen> {
        let value = self.value(scope);
        let (step, found) = match (value.revealed(), hop) {
            (Value::Unknown | Value::Secret(_), _) | (Value::Map(_) | Value::List(_), Hop::Unknown) => {
                return Some(Seen::Unknown);
            }
            (Value::Map(map), Hop::Name(name)) => match map.get(*name) {
                Some(found) => (Step::Field((*name).to_owned()), found),
                // A whole resource that came here as a value, such as in a list that a module was given.
                None if is_reference(map) => return self.below(Step::Field("attributes".to_owned())).step(scope, hop),
                None => return None,
            },
            (Value::List(items), Hop::Index(index)) => {
                let index = if *index < 0 { index.checked_add_unsigned(items.len() as u64)? } else { *index };
                let index = usize::try_from(index).ok()?;
                (Step::Index(index), items.get(index)?)
            }
            _ => return None,
        };
        if matches!(found, Value::Unknown) && !self.secret && !matches!(value, Value::Secret(_)) {
            return Some(Seen::Unknown);
        }
        let secret = self.secret || matches!(value, Value::Secret(_));
        Some(Seen::Held(Held { secret, ..self.below(step) }))
    }

    fn below(&self, step: Step) -> Held {
        let mut path = self.path.clone();
        path.push(step);
        Held { root: self.root.clone(), path, secret: self.secret }
    }

    /// The path to it, as the blueprint writes it.
    pub(super) fn name(&self) -> String {
        let mut name = match &self.root {
            Root::Variable(name) => format!("var.{name}"),
            Root::EachKey(_) => "each.key".to_owned(),
            Root::EachValue => "each.value".to_owned(),
            Root::Attributes(address, _) => address.to_string(),
            Root::Owned(name, _) => name.clone(),
        };
        for step in &self.path {
            match step {
                Step::Field(field) => name.extend([".", field.as_str()]),
                Step::Index(index) => name.extend(["[", &index.to_string(), "]"]),
            }
        }
        name
    }
}

impl Seen {
    /// What a name leads to.
    pub(super) fn root(scope: &Scope, name: &str, tracker: &Tracker) -> Result<Seen, Miss> {
        match name {
            "var" => return Ok(Seen::Variables),
            "each" if scope.each.is_some() => return Ok(Seen::Each),
            "module" => return Ok(Seen::Modules),
            _ => {}
        }
        let address = inside(scope, name);
        match scope.world.frame().block(&address) {
            Some(Instances::One) => Ok(Seen::resource(scope, address, tracker)),
            Some(Instances::Keyed(_)) => Ok(Seen::Group(address)),
            Some(Instances::Absent) => Ok(Seen::Absent),
            Some(Instances::Unknown) => Ok(Seen::not_yet(&address, tracker)),
            None => Err(Miss { from: None, name: name.to_owned() }),
        }
    }

    /// A value of another scope, or what it is a path to.
    pub(super) fn owned(name: String, value: Value) -> Seen {
        match value {
            Value::Unknown => Seen::Unknown,
            value => Seen::Held(Held { root: Root::Owned(name, Arc::new(value)), path: Vec::new(), secret: false }),
        }
    }

    /// The same as it is seen from any other scope.
    pub(super) fn freed(self, name: String, scope: &Scope, tracker: &Tracker) -> Seen {
        match &self {
            Seen::Variables | Seen::Each | Seen::Modules => Seen::owned(name, self.take(scope, tracker)),
            Seen::Held(Held { root: Root::Variable(_) | Root::EachValue, .. }) => {
                Seen::owned(name, self.take(scope, tracker))
            }
            _ => self,
        }
    }

    fn resource(scope: &Scope, address: Address, tracker: &Tracker) -> Seen {
        let visible = scope.world.visible(&address);
        tracker.read(&address);
        Seen::Resource(address, visible)
    }

    /// Something of which it is not known how often it is there.
    fn not_yet(address: &Address, tracker: &Tracker) -> Seen {
        tracker.read(address);
        Seen::Unknown
    }

    /// What one step from here leads to.
    pub(super) fn step(&self, scope: &Scope, hop: &Hop<'_>, tracker: &Tracker) -> Result<Seen, Miss> {
        let found = match (self, hop) {
            (Seen::Unknown | Seen::Resource(_, None), _) => Some(Seen::Unknown),
            (Seen::Variables, Hop::Name(name)) => variable(scope, name, tracker),
            (Seen::Each, Hop::Name(name)) => each(scope, name, tracker),
            (Seen::Modules, Hop::Name(name)) => call(scope, inside(scope, name), tracker),
            (Seen::Calls(call), Hop::Name(_) | Hop::Index(_)) => {
                let address = hop.key().map(|key| call.with_key(key));
                address.filter(|address| scope.world.frame().module(Some(address)).is_some()).map(Seen::Call)
            }
            (Seen::Call(address), Hop::Name(name)) => output(scope, address, name, tracker),
            (Seen::Group(block), Hop::Unknown) => {
                tracker.read(block);
                Some(Seen::Unknown)
            }
            (Seen::Group(block), Hop::Name(_) | Hop::Index(_)) => {
                let key = hop.key().filter(|key| scope.world.has_key(block, key));
                key.map(|key| Seen::resource(scope, block.with_key(key), tracker))
            }
            (Seen::Resource(address, Some(visible)), _) => {
                let root = Root::Attributes(address.clone(), visible.clone());
                Held { root, path: Vec::new(), secret: false }.step(scope, hop)
            }
            (Seen::Held(held), _) => held.step(scope, hop),
            (Seen::Written(map), Hop::Name(name)) => map
                .node
                .get(name)
                .map(|node| see(node, &map.scope, tracker, &format!("{}.{name} as it is given", map.name)))
                .map(|seen| seen.freed(format!("{}.{name}", map.name), &map.scope, tracker)),
            (Seen::Written(_), Hop::Unknown) => {
                // It may be any of them.
                self.take(scope, tracker);
                Some(Seen::Unknown)
            }
            _ => None,
        };
        found.ok_or_else(|| self.miss(hop))
    }

    fn miss(&self, hop: &Hop<'_>) -> Miss {
        let name = match hop {
            Hop::Name(name) => (*name).to_owned(),
            Hop::Index(index) => index.to_string(),
            Hop::Unknown | Hop::Other => String::new(),
        };
        Miss { from: Some(self.clone()), name }
    }

    /// The names, or the keys, of what it has parts of, where they are known without a value.
    pub(super) fn parts(&self, scope: &Scope, tracker: &Tracker) -> Option<Vec<Value>> {
        let named = |names: Vec<&str>| Some(names.into_iter().map(Value::from).collect());
        match self {
            Seen::Variables => named(variable_names(scope)),
            Seen::Each => named(vec!["key", "value"]),
            Seen::Modules => named(scope.world.frame().names(scope.module.as_ref(), true)),
            Seen::Calls(call) => Some(scope.world.call_keys(call).iter().map(key_value).collect()),
            Seen::Call(address) => named(output_names(scope, address)),
            Seen::Group(block) => {
                tracker.read(block);
                Some(scope.world.keys(block).iter().map(key_value).collect())
            }
            Seen::Resource(_, visible) => {
                let attributes = visible.as_ref().and_then(|seen| seen.attributes.revealed().as_map());
                named(attributes.into_iter().flat_map(|map| map.keys().map(String::as_str)).collect())
            }
            Seen::Written(map) => named(map.node.entries().iter().map(|(name, _)| name.text.as_str()).collect()),
            Seen::Held(_) | Seen::Absent | Seen::Unknown => None,
        }
    }

    /// The whole of it as a value, with every mark it has.
    pub(super) fn take(&self, scope: &Scope, tracker: &Tracker) -> Value {
        match self {
            Seen::Group(block) => {
                tracker.read(block);
                let reference = |key: &Key| {
                    let address = block.with_key(key.clone());
                    let visible = scope.world.visible(&address);
                    (key_text(key), reference(&address, visible.as_deref()))
                };
                Value::Map(scope.world.keys(block).iter().map(reference).collect())
            }
            Seen::Resource(address, visible) => reference(address, visible.as_deref()),
            Seen::Written(map) => {
                see(&map.node, &map.scope, tracker, &format!("{} as it is given", map.name)).take(&map.scope, tracker)
            }
            Seen::Held(held) if held.secret => Value::secret(held.value(scope).clone()),
            Seen::Held(held) => held.value(scope).clone(),
            Seen::Absent => Value::Null,
            Seen::Unknown => Value::Unknown,
            Seen::Variables | Seen::Each | Seen::Modules | Seen::Calls(_) | Seen::Call(_) => {
                let part = |name: Value| {
                    let (text, seen) = match &name {
                        Value::Number(number) => {
                            (number.to_string(), self.step(scope, &Hop::Index(number.as_i64()?), tracker))
                        }
                        name => (name.as_str()?.to_owned(), self.step(scope, &Hop::Name(name.as_str()?), tracker)),
                    };
                    Some((text, seen.ok()?.take(scope, tracker)))
                };
                Value::Map(self.parts(scope, tracker).into_iter().flatten().filter_map(part).collect())
            }
        }
    }
}

impl Hop<'_> {
    fn key(&self) -> Option<Key> {
        match self {
            Hop::Index(index) => Some(Key::Integer(*index)),
            Hop::Name(name) => Some(Key::String((*name).to_owned())),
            Hop::Unknown | Hop::Other => None,
        }
    }
}

/// The address of a name where an expression stands.
fn inside(scope: &Scope, name: &str) -> Address {
    scope.module.as_ref().map_or_else(|| Address::root(name), |module| module.child(name))
}

fn variable(scope: &Scope, name: &str, tracker: &Tracker) -> Option<Seen> {
    match scope.variable(name)? {
        Variable::Given(_) => {
            Some(Seen::Held(Held { root: Root::Variable(name.to_owned()), path: Vec::new(), secret: false }))
        }
        Variable::Input(input) => {
            let name = format!("var.{name}");
            let outside = scope.of_inputs()?;
            if input.declared.takes_maps_as_they_are() && matches!(input.node.content, Content::Map(_)) {
                return Some(Seen::Written(Arc::new(WrittenMap { name, node: input.node.clone(), scope: outside })));
            }
            let seen = see(&input.node, &outside, tracker, &entered(scope.module.as_ref(), &name));
            Some(input.declared.take(seen, name, &outside, input.node.span, tracker))
        }
    }
}

fn each(scope: &Scope, name: &str, tracker: &Tracker) -> Option<Seen> {
    let each = scope.each.as_ref()?;
    let root = match (name, &each.value) {
        ("key", _) => Root::EachKey(Arc::new(key_value(&each.key))),
        ("value", EachValue::Known(_)) => Root::EachValue,
        ("value", EachValue::Resource(address)) => return Some(Seen::resource(scope, address.clone(), tracker)),
        ("value", EachValue::Node { node, part }) => return Some(each_value(scope, node, *part, &each.key, tracker)),
        _ => return None,
    };
    Some(Seen::Held(Held { root, path: Vec::new(), secret: false }))
}

/// A value of a `for_each` that reads resources: what it comes to by now.
fn each_value(scope: &Scope, node: &Arc<Node>, part: bool, key: &Key, tracker: &Tracker) -> Seen {
    let outside = Scope::of_module(&scope.world, scope.module.clone());
    let all = see(node, &outside, tracker, &entered(scope.module.as_ref(), &format!("each.value of {key}")));
    let seen = match key {
        _ if !part => Ok(all),
        Key::Integer(index) => all.step(&outside, &Hop::Index(*index), tracker),
        Key::String(name) => all.step(&outside, &Hop::Name(name), tracker),
    };
    seen.unwrap_or(Seen::Unknown).freed("each.value".to_owned(), &outside, tracker)
}

fn call(scope: &Scope, address: Address, tracker: &Tracker) -> Option<Seen> {
    Some(match scope.world.frame().call(&address)? {
        Instances::One => Seen::Call(address),
        Instances::Keyed(_) => Seen::Calls(address),
        Instances::Absent => Seen::Absent,
        Instances::Unknown => Seen::not_yet(&address, tracker),
    })
}

/// What an output of a module is, seen from outside.
fn output(scope: &Scope, module: &Address, name: &str, tracker: &Tracker) -> Option<Seen> {
    let node = scope.world.frame().module(Some(module))?.outputs.get(name)?;
    let within = Scope::of_module(&scope.world, Some(module.clone()));
    let path = format!("module.{module}.{name}");
    Some(see(node, &within, tracker, &path).freed(path, &within, tracker))
}

pub(super) fn variable_names(scope: &Scope) -> Vec<&str> {
    scope.here().into_iter().flat_map(|module| module.variables.keys().map(String::as_str)).collect()
}

pub(super) fn output_names<'a>(scope: &'a Scope, module: &Address) -> Vec<&'a str> {
    let module = scope.world.frame().module(Some(module));
    module.into_iter().flat_map(|module| module.outputs.keys().map(String::as_str)).collect()
}

/// A name with the module it is read in, to tell a circle.
fn entered(module: Option<&Address>, name: &str) -> String {
    module.map_or_else(|| name.to_owned(), |module| format!("{name} of module {module}"))
}

/// A whole resource.
fn reference(address: &Address, visible: Option<&Visible>) -> Value {
    let (kind, provider, attributes) = match visible {
        Some(seen) => (seen.kind.as_str().into(), seen.provider.as_str().into(), seen.stable.clone()),
        None => (Value::Unknown, Value::Unknown, Value::Unknown),
    };
    let fields =
        [("address", address.to_string().into()), ("kind", kind), ("provider", provider), ("attributes", attributes)];
    Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Whether a map is what a whole resource comes to.
pub(crate) fn is_reference(map: &Map) -> bool {
    map.len() == 4 && ["address", "kind", "provider", "attributes"].iter().all(|name| map.contains_key(*name))
}

/// A key as a value.
pub(super) fn key_value(key: &Key) -> Value {
    match key {
        Key::Integer(number) => (*number).into(),
        Key::String(text) => text.as_str().into(),
    }
}

/// A key as the name of a map's entry.
pub(super) fn key_text(key: &Key) -> String {
    match key {
        Key::Integer(number) => number.to_string(),
        Key::String(text) => text.clone(),
    }
}

/// Whether a value is a secret without a key on this machine: it can be passed on, and not looked into.
pub(super) fn is_locked(value: &Value) -> bool {
    matches!(value.revealed(), Value::Secret(Secret::Locked(_)))
}
