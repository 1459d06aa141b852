//! The things of the toy cloud: what it makes of a spec, and what it says of one.

use std::collections::BTreeMap;
use std::time::Duration;

use trueup_engine::provider::Found;
use trueup_state::{Map, Value};

/// One thing that is there.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) address: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) spec: Value,
    pub(crate) owner: BTreeMap<String, String>,
    pub(super) revision: u64,
    pub(super) made_at: Duration,
}

/// What the cloud makes of a spec: labels in lower case, a zone where none is said.
pub(super) fn kept(spec: &Value) -> Value {
    let mut map = spec.as_map().cloned().unwrap_or_default();
    for (_, value) in &mut map {
        *value = plain(value);
    }
    if let Some(Value::String(label)) = map.get_mut("label") {
        *label = label.to_lowercase();
    }
    map.entry("zone".to_owned()).or_insert_with(|| "z1".into());
    Value::Map(map)
}

/// A value as a cloud holds it: it knows no secrets.
pub(super) fn plain(value: &Value) -> Value {
    match value.revealed() {
        Value::Map(map) => Value::Map(map.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
        Value::List(items) => Value::List(items.iter().map(plain).collect()),
        other => other.clone(),
    }
}

/// A spec without what is never shown.
fn shown(spec: &Value) -> Value {
    let mut shown = spec.as_map().cloned().unwrap_or_default();
    shown.retain(|name, _| name != "code");
    Value::Map(shown)
}

pub(super) fn found(thing: &Thing) -> Found {
    let mut attributes = Map::from([
        ("id".to_owned(), Value::from(thing.id.as_str())),
        ("zone".to_owned(), thing.spec.get("zone").cloned().unwrap_or_default()),
        ("address".to_owned(), format!("{}.{}", thing.id, thing.revision).into()),
    ]);
    if let Some(password) = thing.spec.get("password") {
        attributes.insert("echo".to_owned(), password.clone());
    }
    Found {
        id: thing.id.clone(),
        spec: shown(&thing.spec),
        attributes: Value::Map(attributes),
        owner: thing.owner.clone(),
        pending: None,
    }
}
