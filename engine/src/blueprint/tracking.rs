//! What minijinja sees: objects that note what is read through them, so that edges and the marks of unknown and secret values
//! are never lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind};
use trueup_state::{Address, Key, Map, Value};

use super::functions;
use super::sight::{Hop, Miss, Seen, is_locked};
use super::source::Node;
use super::world::Scope;
use crate::diagnostic::Diagnostic;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    unknown: AtomicBool,
    secret: AtomicBool,
    miss: Mutex<Option<Miss>>,
    shared: Arc<Shared>,
}

/// What the evaluations that one asks for have in common.
#[derive(Debug, Default)]
struct Shared {
    reads: Mutex<BTreeSet<Address>>,
    problems: Mutex<Vec<Diagnostic>>,
    /// The values of other scopes that are being evaluated, outermost first.
    way: Mutex<Vec<(Origin, String)>>,
    /// Those that were: what several read on the way is evaluated once.
    found: Mutex<BTreeMap<Origin, Seen>>,
    room: Mutex<Room>,
}

/// What tells a value of another scope: the node that it comes from, and the module and the instance that the node is seen from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    /// Where the node is in memory: it stays there for as long as the evaluation.
    node: usize,
    module: Option<Address>,
    key: Option<Key>,
}

impl Origin {
    /// The origin of what a node comes to as it is seen from a scope.
    pub(super) fn of(node: &Node, scope: &Scope) -> Self {
        let key = scope.each.as_ref().map(|each| each.key.clone());
        Self { node: std::ptr::from_ref(node).addr(), module: scope.module.clone(), key }
    }
}

/// How many values of other scopes may lead to each other.
const FURTHEST: usize = 100;

/// Why a value of another scope can't be evaluated.
pub(super) enum Astray {
    /// It is reached by itself: the way.
    Circle(Vec<String>),
    /// Too many lead to each other.
    TooFar,
}

/// Marks a value as being evaluated.
pub(super) struct Entered<'a>(&'a Shared);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        lock(&self.0.way).pop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracker {
    /// A tracker of its own marks, for a value of another scope.
    pub(super) fn nested(&self) -> Self {
        Self { shared: self.shared.clone(), ..Self::default() }
    }

    /// Begins with a value of another scope, if it can be reached.
    pub(super) fn enter(&self, origin: &Origin, name: &str) -> Result<Entered<'_>, Astray> {
        let mut way = lock(&self.shared.way);
        if let Some(first) = way.iter().position(|(entered, _)| entered == origin) {
            let names = way[first..].iter().map(|(_, name)| name.clone());
            return Err(Astray::Circle(names.chain([name.to_owned()]).collect()));
        }
        if way.len() >= FURTHEST {
            return Err(Astray::TooFar);
        }
        way.push((origin.clone(), name.to_owned()));
        Ok(Entered(&self.shared))
    }

    /// What the results of this evaluation may still take.
    pub(super) fn room(&self) -> MutexGuard<'_, Room> {
        lock(&self.shared.room)
    }

    /// What a value of another scope came to, if it was evaluated already.
    pub(super) fn found(&self, origin: &Origin) -> Option<Seen> {
        lock(&self.shared.found).get(origin).cloned()
    }

    /// Keeps what a value of another scope came to.
    pub(super) fn keep(&self, origin: Origin, seen: Seen) {
        lock(&self.shared.found).insert(origin, seen);
    }

    /// Forgets the marks and the miss of one expression; what was read stays.
    pub(super) fn begin(&self) {
        self.unknown.store(false, Ordering::Relaxed);
        self.secret.store(false, Ordering::Relaxed);
        *lock(&self.miss) = None;
    }

    /// Notes that a resource was read, or a block as a whole.
    pub(super) fn read(&self, address: &Address) {
        let mut reads = lock(&self.shared.reads);
        if !reads.contains(address) {
            reads.insert(address.clone());
        }
    }

    /// Notes what is wrong with a value of another scope.
    pub(super) fn problem(&self, problem: Diagnostic) {
        lock(&self.shared.problems).push(problem);
    }

    /// All that was read.
    pub(super) fn reads(&self) -> BTreeSet<Address> {
        lock(&self.shared.reads).clone()
    }

    /// What is wrong with values of other scopes.
    pub(super) fn problems(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut lock(&self.shared.problems))
    }

    /// Whether an unknown was read.
    pub(super) fn unknown(&self) -> bool {
        self.unknown.load(Ordering::Relaxed)
    }

    /// Whether a secret was read.
    pub(super) fn secret(&self) -> bool {
        self.secret.load(Ordering::Relaxed)
    }

    /// The last step to where there is nothing.
    pub(super) fn miss(&self) -> Option<Miss> {
        lock(&self.miss).clone()
    }

    fn note_miss(&self, miss: Miss) {
        *lock(&self.miss) = Some(miss);
    }

    fn note_marks(&self, value: &Value) {
        if value.has_unknown() || is_locked(value) {
            self.unknown.store(true, Ordering::Relaxed);
        }
        if value.has_secret() {
            self.secret.store(true, Ordering::Relaxed);
        }
    }
}

/// The names that an expression can begin with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) scope: Arc<Scope>,
    pub(super) tracker: Arc<Tracker>,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<minijinja::Value> {
        match Seen::root(&self.scope, name, &self.tracker) {
            Ok(seen) => Some(show(seen, &self.scope, &self.tracker)),
            // minijinja asks here first, and for what it has itself afterwards.
            Err(_) if functions::is_function(name) => None,
            Err(miss) => {
                self.tracker.note_miss(miss);
                None
            }
        }
    }
}

/// Something with parts.
struct Tracked {
    seen: Seen,
    scope: Arc<Scope>,
    tracker: Arc<Tracker>,
}

/// Shows nothing: what is inside may be secret.
impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(tracked)")
    }
}

/// Something that only apply can tell. Whatever is computed from it is unknown too.
#[derive(Debug)]
struct Unknown;

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _key: &minijinja::Value) -> Option<minijinja::Value> {
        Some(minijinja::Value::from_dyn_object(self.clone()))
    }
}

/// Whether a value is something that only apply can tell.
pub(super) fn is_unknown(value: &minijinja::Value) -> bool {
    value.downcast_object_ref::<Unknown>().is_some()
}

/// What minijinja gets for what a path leads to. A scalar is read by this; a map or a list is not read until its parts are.
fn show(seen: Seen, scope: &Arc<Scope>, tracker: &Arc<Tracker>) -> minijinja::Value {
    let seen = match seen {
        Seen::Absent => return minijinja::Value::from(()),
        Seen::Unknown => {
            tracker.note_marks(&Value::Unknown);
            return minijinja::Value::from_object(Unknown);
        }
        Seen::Held(mut held) => {
            let value = held.value(scope);
            let secret = held.secret || matches!(value, Value::Secret(_));
            let scalar = match value.revealed() {
                Value::Null => Some(minijinja::Value::from(())),
                Value::Bool(value) => Some(minijinja::Value::from(*value)),
                Value::Number(number) => Some(number_value(number)),
                Value::String(text) => Some(minijinja::Value::from(text.as_str())),
                Value::Unknown | Value::Secret(_) => {
                    tracker.note_marks(&Value::Unknown);
                    Some(minijinja::Value::from_object(Unknown))
                }
                Value::List(_) | Value::Map(_) => None,
            };
            if secret && scalar.is_some() {
                tracker.secret.store(true, Ordering::Relaxed);
            }
            if let Some(scalar) = scalar {
                return scalar;
            }
            held.secret = secret;
            Seen::Held(held)
        }
        other => other,
    };
    minijinja::Value::from_object(Tracked { seen, scope: scope.clone(), tracker: tracker.clone() })
}

fn number_value(number: &serde_json::Number) -> minijinja::Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => whole.into(),
        (_, Some(whole)) => whole.into(),
        _ => number.as_f64().unwrap_or_default().into(),
    }
}

impl Tracked {
    /// Notes that it is looked into: how much there is in a secret is secret.
    fn look(&self) {
        if let Seen::Held(held) = &self.seen
            && held.secret
        {
            self.tracker.secret.store(true, Ordering::Relaxed);
        }
    }

    fn names(&self) -> Vec<minijinja::Value> {
        let text = |name: &str| minijinja::Value::from(name);
        let part = |part: &Value| match part {
            Value::Number(number) => number_value(number),
            other => text(other.as_str().unwrap_or_default()),
        };
        match (self.seen.parts(&self.scope, &self.tracker), &self.seen) {
            (Some(parts), _) => parts.iter().map(part).collect(),
            (None, Seen::Held(held)) => match held.value(&self.scope).revealed() {
                Value::Map(map) => map.keys().map(|name| text(name)).collect(),
                _ => Vec::new(),
            },
            (None, _) => Vec::new(),
        }
    }

    /// How many items it has, if it is a list.
    fn items(&self) -> Option<usize> {
        match &self.seen {
            Seen::Held(held) => held.value(&self.scope).revealed().as_list().map(<[Value]>::len),
            _ => None,
        }
    }

    fn step(&self, hop: &Hop<'_>) -> Option<minijinja::Value> {
        self.look();
        match self.seen.step(&self.scope, hop, &self.tracker) {
            Ok(seen) => Some(show(seen, &self.scope, &self.tracker)),
            Err(miss) => {
                self.tracker.note_miss(miss);
                None
            }
        }
    }
}

impl Object for Tracked {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.items().is_some() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let hop = match (key.as_str(), key.as_i64()) {
            (Some(name), _) => Hop::Name(name),
            (_, Some(index)) if key.kind() == ValueKind::Number => Hop::Index(index),
            _ if is_unknown(key) => Hop::Unknown,
            _ => Hop::Other,
        };
        self.step(&hop)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<minijinja::Value> {
        self.step(&Hop::Name(name))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.look();
        match self.items() {
            Some(length) => Enumerator::Seq(length),
            None => Enumerator::Values(self.names()),
        }
    }
}

/// The value that minijinja came to. What was not looked into keeps its own marks.
pub(super) fn value(result: &minijinja::Value, room: &mut Room) -> Result<Value, String> {
    convert(result, false, room)
}

/// A value as JSON, for a filter that looks into all of it.
pub(super) fn read(value: &minijinja::Value) -> Result<serde_json::Value, Error> {
    let value = convert(value, true, &mut Room::default())
        .map_err(|message| Error::new(ErrorKind::InvalidOperation, message))?;
    Ok(plain(&value))
}

fn plain(value: &Value) -> serde_json::Value {
    match value.revealed() {
        Value::Null | Value::Unknown | Value::Secret(_) => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.clone().into(),
        Value::String(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(map) => map.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
    }
}

/// What is said of a result with something in it that is not there.
pub(super) const NOT_THERE: &str = "a part of this is not there";

/// How many bytes the results of one evaluation may still take, with all that it asks other scopes for. minijinja's lists may hold the
/// same large thing many times over at no cost, and modules may double what they are given.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(64 * 1024 * 1024)
    }
}

impl Room {
    /// Takes what a value and some text of it need.
    pub(super) fn take(&mut self, text: usize) -> Result<(), String> {
        let left = self.0.checked_sub(text.saturating_add(32));
        self.0 = left.ok_or_else(|| "this comes to more than 64 MiB".to_owned())?;
        Ok(())
    }

    /// Takes what a value and all that is in it need.
    pub(super) fn take_all(&mut self, value: &Value) -> Result<(), String> {
        match value.revealed() {
            Value::List(items) => items.iter().try_for_each(|item| self.take_all(item))?,
            Value::Map(map) => map.iter().try_for_each(|(name, value)| {
                self.take(name.len())?;
                self.take_all(value)
            })?,
            Value::String(text) => self.take(text.len())?,
            _ => {}
        }
        self.take(0)
    }
}

fn convert(result: &minijinja::Value, noting: bool, room: &mut Room) -> Result<Value, String> {
    room.take(result.as_str().map_or(0, str::len))?;
    if let Some(tracked) = result.downcast_object_ref::<Tracked>() {
        let value = tracked.seen.take(&tracked.scope, &tracked.tracker);
        room.take_all(&value)?;
        if noting {
            tracked.tracker.note_marks(&value);
        }
        return Ok(value);
    }
    if is_unknown(result) {
        return Ok(Value::Unknown);
    }
    match result.kind() {
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(result.is_true())),
        ValueKind::Number => match serde_json::to_value(result) {
            Ok(serde_json::Value::Number(number)) => Ok(Value::Number(number)),
            _ => Err("this comes to no number that a blueprint can hold".to_owned()),
        },
        ValueKind::String => Ok(Value::String(result.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = result.try_iter().map_err(|error| error.to_string())?;
            items.map(|item| convert(&item, noting, room)).collect::<Result<_, _>>().map(Value::List)
        }
        ValueKind::Map => entries(result, noting, room).map(Value::Map),
        ValueKind::Undefined => Err(NOT_THERE.to_owned()),
        _ => Err("this comes to nothing that a blueprint can hold".to_owned()),
    }
}

fn entries(map: &minijinja::Value, noting: bool, room: &mut Room) -> Result<Map, String> {
    let keys = map.try_iter().map_err(|error| error.to_string())?;
    let entry = |key: minijinja::Value| {
        let name = match key.kind() {
            ValueKind::String | ValueKind::Number => key.to_string(),
            _ => return Err("the keys of a map must be text".to_owned()),
        };
        let value = map.get_item(&key).map_err(|error| error.to_string())?;
        Ok((name, convert(&value, noting, room)?))
    };
    keys.map(entry).collect()
}
