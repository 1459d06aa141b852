//! What a field of a blueprint, a request or an observation holds.

use std::fmt;
use std::sync::Arc;

use crate::map::Map;
use crate::path::{FieldPath, Step};

/// JSON with two marks: [`Value::Unknown`] and [`Value::Secret`].
///
/// It implements neither `Serialize` nor a revealing `Debug`. What leaves the process goes through a codec:
/// [`crate::codec::seal`] for state and saved plans, [`crate::codec::redact`] for everything a person or a tool sees.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// Said to be nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole or a decimal number.
    Number(serde_json::Number),
    /// Text.
    String(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Map),
    /// Only apply can tell. Found in plans, never in state.
    Unknown,
    /// Not to be seen: a value inside, or its sealed text where this machine has no key to it.
    Secret(Secret),
}

/// A value that no codec writes in clear.
#[derive(Clone, PartialEq)]
pub enum Secret {
    /// The value itself, in memory only.
    Open(Arc<Value>),
    /// What a machine without the key holds: the sealed text, passed on as it came.
    Locked(Arc<str>),
}

impl Value {
    /// A secret around a value; a secret stays as it is.
    pub fn secret(value: Value) -> Value {
        match value {
            Value::Secret(_) => value,
            other => Value::Secret(Secret::Open(Arc::new(other))),
        }
    }

    /// The value behind a secret, or the value itself. A locked secret stays locked.
    pub fn revealed(&self) -> &Value {
        match self {
            Value::Secret(Secret::Open(inner)) => inner.revealed(),
            other => other,
        }
    }

    /// Whether the two are alike once secrets are looked through. A locked secret is like nothing but itself.
    pub fn same(&self, other: &Value) -> bool {
        match (self.revealed(), other.revealed()) {
            (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Value::Map(a), Value::Map(b)) if a.is_shared_with(b) => true,
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && a.same(b))
            }
            (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
            (a, b) => a == b,
        }
    }

    /// Whether an unknown is anywhere inside.
    pub fn has_unknown(&self) -> bool {
        match self {
            Value::Unknown => true,
            Value::List(items) => items.iter().any(Value::has_unknown),
            Value::Map(map) => map.values().any(Value::has_unknown),
            Value::Secret(Secret::Open(inner)) => inner.has_unknown(),
            _ => false,
        }
    }

    /// Whether a secret is anywhere inside.
    pub fn has_secret(&self) -> bool {
        match self {
            Value::Secret(_) => true,
            Value::List(items) => items.iter().any(Value::has_secret),
            Value::Map(map) => map.values().any(Value::has_secret),
            _ => false,
        }
    }

    /// Whether a secret that is not sealed is anywhere inside.
    pub(crate) fn has_open(&self) -> bool {
        match self {
            Value::Secret(Secret::Open(_)) => true,
            Value::List(items) => items.iter().any(Value::has_open),
            Value::Map(map) => map.values().any(Value::has_open),
            _ => false,
        }
    }

    /// Whether a secret that there is no key to is anywhere inside.
    pub fn has_locked(&self) -> bool {
        match self {
            Value::Secret(Secret::Locked(_)) => true,
            Value::Secret(Secret::Open(inner)) => inner.has_locked(),
            Value::List(items) => items.iter().any(Value::has_locked),
            Value::Map(map) => map.values().any(Value::has_locked),
            _ => false,
        }
    }

    /// Text, if it is text that is no secret.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The fields, if it is a map that is no secret.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items, if it is a list that is no secret.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A field of a map, looking through secrets.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self.revealed() {
            Value::Map(map) => map.get(name),
            _ => None,
        }
    }

    /// What stands at a path, looking through secrets.
    pub fn at(&self, path: &FieldPath) -> Option<&Value> {
        path.steps().iter().try_fold(self, |value, step| match (value.revealed(), step) {
            (Value::Map(map), Step::Field(name)) => map.get(name),
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        })
    }

    /// Puts a value at a path, making maps on the way, also over what is no map. A position that a list does not have changes nothing.
    pub fn put(&mut self, path: &FieldPath, value: Value) {
        let mut place = self;
        for step in path.steps() {
            if matches!(step, Step::Field(_)) && !matches!(place, Value::Map(_)) {
                *place = Value::Map(Map::new());
            }
            place = match (place, step) {
                (Value::Map(map), Step::Field(name)) => map.entry(name.clone()).or_default(),
                (Value::List(items), Step::Index(index)) if *index < items.len() => &mut items[*index],
                _ => return,
            };
        }
        *place = value;
    }

    /// Removes the field at a path. Where there is none, nothing changes.
    pub fn remove(&mut self, path: &FieldPath) {
        let Some((Step::Field(last), way)) = path.steps().split_last() else { return };
        let place = way.iter().try_fold(self, |place, step| match (place, step) {
            (Value::Map(map), Step::Field(name)) => map.get_mut(name),
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        });
        if let Some(Value::Map(map)) = place {
            map.remove(last);
        }
    }

    /// What kind of value it is, as errors name it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Unknown => "not known yet",
            Value::Secret(_) => "secret",
        }
    }
}

/// Shows structure and redacts: a secret reads `(secret)`, an unknown `(known after apply)`.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::Number(value) => fmt::Display::fmt(value, f),
            Value::String(value) => value.fmt(f),
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Map(map) => f.debug_map().entries(map).finish(),
            Value::Unknown => f.write_str("(known after apply)"),
            Value::Secret(_) => f.write_str("(secret)"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(value) => Value::Number(value),
            serde_json::Value::String(value) => Value::String(value),
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(Value::from).collect()),
            serde_json::Value::Object(map) => {
                Value::Map(map.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Number(value.into())
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Value::Map(map)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_redacts_what_is_inside() {
        let value = Value::Map(Map::from([
            ("token".to_owned(), Value::secret("hunter2".into())),
            ("ip".to_owned(), Value::Unknown),
        ]));
        let text = format!("{value:?}");
        assert!(!text.contains("hunter2"));
        assert_eq!(text, r#"{"ip": (known after apply), "token": (secret)}"#);
    }

    #[test]
    fn a_secret_is_the_same_as_what_it_holds() {
        assert!(Value::secret("a".into()).same(&"a".into()));
        assert!(!Value::secret("a".into()).same(&"b".into()));
        let locked = Value::Secret(Secret::Locked("x".into()));
        assert!(locked.same(&locked.clone()));
        assert!(!locked.same(&"x".into()));
    }

    #[test]
    fn put_makes_the_maps_on_the_way() {
        let mut value = Value::Null;
        let path = FieldPath::from_iter(["a", "b"]);
        value.put(&path, true.into());
        assert_eq!(value.at(&path), Some(&Value::Bool(true)));
    }

    #[test]
    fn remove_takes_one_field_and_leaves_the_rest() {
        let mut value = Value::from(serde_json::json!({ "a": { "b": 1, "c": 2 }, "d": [{ "e": 3 }] }));
        for path in ["a.b", "d[0].e", "a.nothing", "d[7].e", ""] {
            value.remove(&FieldPath::parse(path));
        }
        assert_eq!(value, serde_json::json!({ "a": { "c": 2 }, "d": [{}] }).into());
    }
}
