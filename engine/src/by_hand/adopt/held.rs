//! What an adopted object is held to have been sent.
//!
//! Nobody sent it anything. But a change is what is wanted and was not sent, and drift is what was seen and is no more: so what is there,
//! in the fields that the blueprint says, is held to have been sent. Then the next plan shows as changes where the two differ, and nothing
//! else: what the blueprint leaves out, which others set or the server filled in, was never sent, and is nobody's to unset.

use std::collections::BTreeSet;

use trueup_state::{Address, FieldPath, Map, Value};

use crate::blueprint::is_reference;
use crate::plan::diff::set;
use crate::plan::echo::mark_secrets;
use crate::provider::Found;
use crate::schema::Schema;

/// What was found, with its secrets marked: those that `wanted` has, those that the schema says are, and whatever equals one of them.
pub(super) fn marked(schema: &Schema, found: &Found, wanted: &Value, address: &Address) -> Found {
    // Filled in, only to learn which fields are secret.
    let mut completed = found.spec.clone();
    schema.complete(&mut completed);
    let mark = |observed: &Value| mark_secrets(observed, &[wanted, &completed], address);
    Found { spec: mark(&found.spec), attributes: mark(&found.attributes), ..found.clone() }
}

/// What is there, in the fields that are wanted and in those that are not compared. What no provider can show, because it only matters to
/// a delete, is as it is wanted; so is what is never shown and can't be changed: to make the thing anew for it would be to destroy it unseen.
pub(super) fn held(schema: &Schema, wanted: &Value, seen: &Value, ignore: &BTreeSet<FieldPath>) -> Value {
    let mut held = common(schema, wanted, Some(seen), &FieldPath::root()).unwrap_or_else(|| Value::Map(Map::new()));
    // An update sends what is not compared as it was sent last: what others made of it.
    for path in ignore {
        set(&mut held, path, seen.at(path));
    }
    held
}

fn common(schema: &Schema, wanted: &Value, seen: Option<&Value>, at: &FieldPath) -> Option<Value> {
    let is_unseen = |at| schema.is("x-on-delete", at) || schema.is("x-write-only", at) && schema.is("x-immutable", at);
    if !at.is_root() && is_unseen(at) {
        return Some(wanted.clone()).filter(|wanted| !wanted.has_unknown());
    }
    match (wanted, seen) {
        (Value::Map(wanted), Some(Value::Map(seen))) if !is_reference(wanted) => {
            let part = |(name, wanted): (&String, &Value)| {
                Some((name.clone(), common(schema, wanted, seen.get(name), &at.field(name))?))
            };
            Some(Value::Map(wanted.iter().filter_map(part).collect()))
        }
        // Of a map of which nothing is there, some fields may be for a delete alone.
        (Value::Map(map), None) if !map.is_empty() && !is_reference(map) => {
            let none = Value::Map(Map::new());
            let part = common(schema, wanted, Some(&none), at)?;
            part.as_map().is_some_and(|map| !map.is_empty()).then_some(part)
        }
        (_, Some(seen)) => Some(seen.clone()),
        // Nothing is wanted, and nothing is there.
        (wanted, None) => is_nothing(wanted).then(|| wanted.clone()),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        let spec = json!({"properties": {
            "force": {"type": "boolean", "x-on-delete": true},
            "deep": {"properties": {"force": {"type": "boolean", "x-on-delete": true}, "size": {"type": "integer"}}},
            "key": {"type": "string", "x-secret": true},
            "parent": {"type": "string", "x-write-only": true, "x-immutable": true},
            "password": {"type": "string", "x-write-only": true},
        }});
        Schema::new(1, spec, json!({}), false)
    }

    fn holds(wanted: serde_json::Value, seen: serde_json::Value, ignore: &[&str]) -> Value {
        let ignore = ignore.iter().map(|path| FieldPath::parse(path)).collect();
        held(&schema(), &wanted.into(), &seen.into(), &ignore)
    }

    #[test]
    fn what_is_there_counts_in_the_fields_that_are_wanted() {
        let wanted = json!({"size": 1, "tags": {"a": "x", "b": "y"}, "list": [1], "new": true});
        let seen = json!({"size": 2, "tags": {"a": "z", "c": "others"}, "list": [1, 2], "zone": "filled in"});
        let expected = json!({"size": 2, "tags": {"a": "z"}, "list": [1, 2]});
        assert_eq!(holds(wanted, seen, &[]), expected.into());
    }

    #[test]
    fn nothing_is_as_good_as_what_is_not_there() {
        let wanted = json!({"tags": {}, "rules": [], "none": null, "one": [1]});
        assert_eq!(holds(wanted, json!({}), &[]), json!({"tags": {}, "rules": [], "none": null}).into());
        assert_eq!(holds(json!({"tags": {}}), json!({"tags": {"a": "others"}}), &[]), json!({"tags": {}}).into());
        assert_eq!(holds(json!({"tags": {"a": "x"}}), json!({}), &[]), json!({}).into());
    }

    #[test]
    fn what_only_a_delete_needs_is_as_it_is_wanted() {
        let wanted = json!({"force": true, "deep": {"force": true, "size": 1}});
        assert_eq!(holds(wanted, json!({}), &[]), json!({"force": true, "deep": {"force": true}}).into());
        let unknown = Value::Map([("force".to_owned(), Value::Unknown)].into());
        assert_eq!(held(&schema(), &unknown, &json!({}).into(), &BTreeSet::new()), json!({}).into());
    }

    #[test]
    fn what_is_never_shown_and_can_not_be_changed_is_as_it_is_wanted() {
        let wanted = json!({"parent": "a", "password": "b"});
        assert_eq!(holds(wanted, json!({}), &[]), json!({"parent": "a"}).into(), "a password can be written");
    }

    #[test]
    fn what_is_not_compared_stays_as_it_is_there() {
        let seen = json!({"tags": {"a": "others", "b": "b"}});
        assert_eq!(holds(json!({"size": 1}), seen.clone(), &["tags.a"]), json!({"tags": {"a": "others"}}).into());
        assert_eq!(holds(json!({"note": "x"}), seen, &["note"]), json!({}).into());
    }

    #[test]
    fn what_is_not_known_yet_is_as_it_is_there() {
        let wanted = Value::Map([("host".to_owned(), Value::Unknown), ("free".to_owned(), Value::Unknown)].into());
        let seen = json!({"host": "h"}).into();
        assert_eq!(held(&schema(), &wanted, &seen, &BTreeSet::new()), json!({"host": "h"}).into());
    }

    #[test]
    fn a_secret_that_the_blueprint_does_not_say_is_none_the_less_one() {
        let spec: Value = json!({"key": "hunter2", "note": "hunter2"}).into();
        let attributes = json!({"echo": "hunter2"}).into();
        let found = Found { id: "x".to_owned(), spec, attributes, owner: [].into(), pending: None };
        let marked = marked(&schema(), &found, &json!({}).into(), &"db".parse().unwrap());
        assert!(!format!("{marked:?}").contains("hunter2"), "{marked:?}");
        assert_eq!(marked.spec.as_map().map(|map| map.len()), Some(2), "nothing is filled in");
    }
}
