//! Where a path leads: from a name that an expression begins with, step by step, to what it sees.

use std::sync::Arc;

use trueup_state::{Address, Key, Map, Secret, Step, Value};

use super::expression::{Instances, Scope, Visible};
use super::tracking::Tracker;
use crate::diagnostic::{closest, with_article};

/// What a path leads to. Nothing is copied until it is taken.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// `var`.
    Variables,
    /// `each`.
    Each,
    /// All of a `for_each`.
    Group(Address),
    /// One resource; what is visible of it.
    Resource(Address, Option<Arc<Visible>>),
    /// A value, or a part of one.
    Held(Held),
    /// A resource that is not there.
    Absent,
    /// Something that only apply can tell.
    Unknown,
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
            Root::Variable(name) => scope.world.variable(scope.module.as_ref(), name),
            Root::EachKey(key) => Some(&**key),
            Root::EachValue => scope.each.as_ref().map(|each| &each.value),
            Root::Attributes(_, visible) => Some(&visible.attributes),
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
            (Value::Map(map), Hop::Name(name)) => (Step::Field((*name).to_owned()), map.get(*name)?),
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
        let mut path = self.path.clone();
        path.push(step);
        Some(Seen::Held(Held {
            root: self.root.clone(),
            path,
            secret: self.secret || matches!(value, Value::Secret(_)),
        }))
    }

    /// The path to it, as the blueprint writes it.
    fn name(&self) -> String {
        let mut name = match &self.root {
            Root::Variable(name) => format!("var.{name}"),
            Root::EachKey(_) => "each.key".to_owned(),
            Root::EachValue => "each.value".to_owned(),
            Root::Attributes(address, _) => address.to_string(),
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
            _ => {}
        }
        let address = scope.module.as_ref().map_or_else(|| Address::root(name), |module| module.child(name));
        match scope.world.block(&address) {
            Some(Instances::One) => Ok(Seen::resource(scope, address, tracker)),
            Some(Instances::Keyed(_)) => Ok(Seen::Group(address)),
            Some(Instances::Absent) => Ok(Seen::Absent),
            None => Err(Miss { from: None, name: name.to_owned() }),
        }
    }

    fn resource(scope: &Scope, address: Address, tracker: &Tracker) -> Seen {
        let visible = scope.world.visible(&address);
        tracker.read(&address);
        Seen::Resource(address, visible)
    }

    /// What one step from here leads to.
    pub(super) fn step(&self, scope: &Scope, hop: &Hop<'_>, tracker: &Tracker) -> Result<Seen, Miss> {
        let found = match (self, hop) {
            (Seen::Unknown | Seen::Resource(_, None), _) => Some(Seen::Unknown),
            (Seen::Variables, Hop::Name(name)) => scope.world.variable(scope.module.as_ref(), name).map(|_| {
                Seen::Held(Held { root: Root::Variable((*name).to_owned()), path: Vec::new(), secret: false })
            }),
            (Seen::Each, Hop::Name(name)) => each(scope, name),
            (Seen::Group(block), Hop::Unknown) => {
                tracker.read(block);
                Some(Seen::Unknown)
            }
            (Seen::Group(block), Hop::Name(_) | Hop::Index(_)) => {
                let key = match hop {
                    Hop::Index(index) => Key::Integer(*index),
                    Hop::Name(name) => Key::String((*name).to_owned()),
                    _ => return Err(self.miss(hop)),
                };
                scope.world.has_key(block, &key).then(|| Seen::resource(scope, block.with_key(key), tracker))
            }
            (Seen::Resource(address, Some(visible)), _) => {
                let root = Root::Attributes(address.clone(), visible.clone());
                Held { root, path: Vec::new(), secret: false }.step(scope, hop)
            }
            (Seen::Held(held), _) => held.step(scope, hop),
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

    /// The whole of it as a value, with every mark it has.
    pub(super) fn take(&self, scope: &Scope, tracker: &Tracker) -> Value {
        match self {
            Seen::Variables => Value::Map(scope.world.variables(scope.module.as_ref()).cloned().unwrap_or_default()),
            Seen::Each => Value::Map(
                scope
                    .each
                    .iter()
                    .flat_map(|each| {
                        [("key".to_owned(), key_value(&each.key)), ("value".to_owned(), each.value.clone())]
                    })
                    .collect(),
            ),
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
            Seen::Held(held) if held.secret => Value::secret(held.value(scope).clone()),
            Seen::Held(held) => held.value(scope).clone(),
            Seen::Absent => Value::Null,
            Seen::Unknown => Value::Unknown,
        }
    }
}

fn each(scope: &Scope, name: &str) -> Option<Seen> {
    let each = scope.each.as_ref()?;
    let root = match name {
        "key" => Root::EachKey(Arc::new(key_value(&each.key))),
        "value" => Root::EachValue,
        _ => return None,
    };
    Some(Seen::Held(Held { root, path: Vec::new(), secret: false }))
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
pub(super) fn is_reference(map: &Map) -> bool {
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

impl Miss {
    /// What is wrong, what to say at its place, and what to do.
    pub(super) fn describe(&self, scope: &Scope) -> (String, String, String) {
        let name = &self.name;
        let label = match &self.from {
            None => "nothing has this name",
            Some(Seen::Variables) => "no variable has this name",
            Some(Seen::Resource(..)) => "no such attribute",
            Some(Seen::Group(_)) => "no such instance",
            Some(_) => "this is not there",
        };
        let (message, help) = match &self.from {
            None => nothing_called(scope, name),
            Some(Seen::Variables) => {
                let known: Vec<&str> = names(scope.world.variables(scope.module.as_ref()));
                let help = suggest(
                    name,
                    &known,
                    "there are",
                    &format!("declare it: `variables: {{ {name}: {{ type: string }} }}`"),
                );
                (format!("there is no variable `{name}`"), help)
            }
            Some(Seen::Each) => (format!("`each` has no `{name}`"), "it has `each.key` and `each.value`".to_owned()),
            Some(Seen::Group(block)) => no_instance(scope, block, name),
            Some(Seen::Resource(address, Some(visible))) => {
                let known = names(visible.attributes.revealed().as_map());
                let none = format!(
                    "{} has no attributes: use it whole, `{{{{ {address} }}}}`",
                    with_article(visible.kind.as_str())
                );
                let message = format!("the {} `{address}` has no attribute `{name}`", visible.kind);
                (message, suggest(name, &known, "its attributes are", &none))
            }
            Some(Seen::Absent) => (
                format!("`{name}` is read from a resource that is not there"),
                "its `when` is false: ask for it first, `{{ a.b if a else c }}`".to_owned(),
            ),
            Some(Seen::Held(held)) => no_part(scope, held, name),
            Some(_) => (format!("there is no `{name}` here"), "read one of its attributes by name".to_owned()),
        };
        (message, label.to_owned(), help)
    }
}

fn names(map: Option<&Map>) -> Vec<&str> {
    map.into_iter().flat_map(|map| map.keys().map(String::as_str)).collect()
}

fn nothing_called(scope: &Scope, name: &str) -> (String, String) {
    let message = format!("there is nothing called `{name}`");
    let known = scope.world.names(scope.module.as_ref());
    let help = match name {
        "each" => "`each` is there only in a resource that has `for_each`".to_owned(),
        "module" => "modules are not supported yet".to_owned(),
        "env" => "the environment can't be read: declare a variable, and give it by `TRUEUP_VAR_name`".to_owned(),
        _ if scope.world.variable(scope.module.as_ref(), name).is_some() => {
            format!("a variable is read as `var.{name}`")
        }
        _ => suggest(
            name,
            &known,
            "there are `var` and the resources",
            "the only name here is `var`: there are no resources",
        ),
    };
    (message, help)
}

fn no_instance(scope: &Scope, block: &Address, name: &str) -> (String, String) {
    let keys = scope.world.keys(block);
    let texts: Vec<String> = keys.iter().map(key_text).collect();
    let first = keys.first().map(|key| block.with_key(key.clone()));
    let is_attribute = first
        .as_ref()
        .and_then(|first| scope.world.visible(first))
        .is_some_and(|seen| seen.attributes.get(name).is_some());
    if let (true, Some(first)) = (is_attribute, &first) {
        let message = format!("`{block}` stands for several resources, and `{name}` is an attribute of each");
        return (message, format!("say of which: `{first}.{name}`"));
    }
    let message = format!("`{block}` has no instance `{name}`");
    if keys.iter().any(|key| key_text(key) == *name) {
        let right = keys.iter().find(|key| key_text(key) == *name).map(|key| block.with_key(key.clone()).to_string());
        return (message, format!("its keys are of another type: write `{}`", right.unwrap_or_default()));
    }
    let known: Vec<&str> = texts.iter().map(String::as_str).collect();
    (message, suggest(name, &known, "its keys are", "its `for_each` is empty"))
}

fn no_part(scope: &Scope, held: &Held, name: &str) -> (String, String) {
    let value = held.value(scope).revealed();
    let path = held.name();
    match value {
        Value::Map(map) => {
            let known = if held.secret { Vec::new() } else { names(Some(map)) };
            (format!("there is no `{name}` in `{path}`"), suggest(name, &known, "there are", "check what it holds"))
        }
        Value::List(items) => {
            let message = format!("`{path}` has no item `{name}`");
            (message, format!("it is a list of {}: items are read by position, from `[0]`", items.len()))
        }
        other => (format!("`{path}` is {}, and has no `{name}`", article(other)), "use it as it is".to_owned()),
    }
}

/// A value's type with its article.
pub(super) fn article(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        other => with_article(other.type_name()),
    }
}

/// `did you mean`, or a list of what there is, or what to say where there is nothing.
pub(super) fn suggest<S: AsRef<str>>(name: &str, known: &[S], listing: &str, none: &str) -> String {
    const MOST: usize = 12;
    if let Some(meant) = closest(name, known.iter().map(AsRef::as_ref)) {
        return format!("did you mean `{meant}`?");
    }
    if known.is_empty() {
        return none.to_owned();
    }
    if let ([only], Some(_)) = (known, listing.strip_suffix("are")) {
        return format!("there is only `{}`", only.as_ref());
    }
    let shown: Vec<String> = known.iter().take(MOST).map(|name| format!("`{}`", name.as_ref())).collect();
    let more = known.len().saturating_sub(MOST);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{listing} {}{rest}", shown.join(", "))
}
