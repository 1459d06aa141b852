//! Values as Terraform's representation has them: what is known, and apart from that what is not, and what is secret.

use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_state::Value;

/// What of a value is known. Of a map, what is not is left out; in a list it is null, so that the rest keeps its place. A secret is
/// null.
pub(super) fn known(value: &Value) -> Json {
    match value {
        Value::Null | Value::Unknown | Value::Secret(_) => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(value) => Json::Number(value.clone()),
        Value::String(value) => Json::String(value.clone()),
        Value::List(items) => Json::Array(items.iter().map(known).collect()),
        Value::Map(map) => {
            let known_only = map.iter().filter(|(_, value)| **value != Value::Unknown);
            Json::Object(known_only.map(|(name, value)| (name.clone(), known(value))).collect())
        }
    }
}

/// True where a value is unknown, in its shape.
pub(super) fn unknown(value: &Value) -> Json {
    marks(value, &|value| *value.revealed() == Value::Unknown)
}

/// True where a value is secret, in its shape.
pub(super) fn sensitive(value: &Value) -> Json {
    marks(value, &|value| matches!(value, Value::Secret(_)))
}

/// True where a mark is, in the shape of the value; what has none inside is left out of maps.
fn marks(value: &Value, is: &dyn Fn(&Value) -> bool) -> Json {
    if is(value) {
        return Json::Bool(true);
    }
    match value {
        Value::Map(map) => {
            let marked = map.iter().map(|(name, value)| (name.clone(), marks(value, is)));
            let some = |mark: &Json| *mark != Json::Bool(false) && *mark != json!({}) && *mark != json!([]);
            Json::Object(marked.filter(|(_, mark)| some(mark)).collect::<JsonMap<_, _>>())
        }
        Value::List(items) => {
            let marked: Vec<Json> = items.iter().map(|item| marks(item, is)).collect();
            // A list without a mark in it has nothing to say.
            let some = |mark: &Json| !matches!(mark, Json::Bool(false)) && *mark != json!({}) && *mark != json!([]);
            Json::Array(if marked.iter().any(some) { marked } else { Vec::new() })
        }
        _ => Json::Bool(false),
    }
}

/// A spec and its attributes as one object. An attribute wins over a field of its name, unless only the field is known yet: what is
/// asked for is what it will be.
pub(super) fn merged(spec: &Value, attributes: &Value) -> Value {
    match (spec, attributes) {
        (Value::Map(spec), Value::Map(attributes)) => {
            let mut merged = spec.clone();
            for (name, attribute) in attributes {
                let asked = spec.get(name).is_some_and(|field| *field != Value::Null);
                if !asked || *attribute != Value::Unknown {
                    merged.insert(name.clone(), attribute.clone());
                }
            }
            Value::Map(merged)
        }
        (spec, _) => spec.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, Value)]) -> Value {
        Value::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn unknowns_and_secrets_are_marked_where_they_stand() {
        let secret = || Value::secret("hunter2".into());
        let inner = map(&[("a", Value::Unknown), ("b", "x".into()), ("c", secret())]);
        let list = |items: &[Value]| Value::List(items.to_vec());
        let value = map(&[
            ("list", list(&["x".into(), Value::Unknown])),
            ("maps", list(&[map(&[("a", secret())]), map(&[])])),
            ("plain", list(&["x".into(), "y".into()])),
            ("inner", inner),
            ("later", Value::secret(Value::Unknown)),
        ]);
        let shown = json!({
            "list": ["x", null], "maps": [{ "a": null }, {}], "plain": ["x", "y"], "inner": { "b": "x", "c": null }, "later": null
        });
        assert_eq!(known(&value), shown);
        assert_eq!(unknown(&value), json!({ "list": [false, true], "inner": { "a": true }, "later": true }));
        assert_eq!(sensitive(&value), json!({ "maps": [{ "a": true }, {}], "inner": { "c": true }, "later": true }));
        assert_eq!((known(&Value::Null), unknown(&Value::Null)), (Json::Null, json!(false)));
    }

    #[test]
    fn a_name_that_was_asked_for_is_known_before_the_thing_is() {
        let spec = map(&[("name", "asked".into()), ("size", 1.into()), ("location", Value::Null)]);
        let new = map(&[("name", Value::Unknown), ("location", Value::Unknown), ("uri", Value::Unknown)]);
        let merged_new = merged(&spec, &new);
        assert_eq!(known(&merged_new), json!({ "name": "asked", "size": 1 }));
        assert_eq!(unknown(&merged_new), json!({ "location": true, "uri": true }));
        let there = map(&[("name", "found".into())]);
        assert_eq!(known(&merged(&spec, &there))["name"], "found");
    }
}
