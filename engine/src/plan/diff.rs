//! What differs between two values, field by field.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use trueup_state::{FieldPath, Map, Step, Value};

use crate::blueprint::is_reference;
use crate::schema::{Schema, child, marked};

/// The paths at which two specs differ, through maps, key by key. A list counts whole: in its order, or as a set where the
/// schema says so. A field that only one of them has differs. Secrets are looked through; an unknown differs from all.
pub fn changed_paths(schema: &Schema, before: &Value, after: &Value) -> BTreeSet<FieldPath> {
    let mut changed = BTreeSet::new();
    // What is the same to the last mark needs no walk: so are nearly all that are compared, in a large stack.
    if before != after || after.has_unknown() {
        walk(Some(&schema.spec), Some(before), Some(after), &FieldPath::root(), &mut changed);
    }
    changed
}

/// Whether two values differ, where nothing is known of their fields. What can't be opened can't be compared.
pub fn differ(before: Option<&Value>, after: Option<&Value>) -> bool {
    let mut changed = BTreeSet::new();
    walk(None, before, after, &FieldPath::root(), &mut changed);
    !changed.is_empty()
}

fn walk(
    schema: Option<&Json>,
    before: Option<&Value>,
    after: Option<&Value>,
    at: &FieldPath,
    changed: &mut BTreeSet<FieldPath>,
) {
    match (before.map(Value::revealed), after.map(Value::revealed)) {
        (Some(Value::Map(before)), Some(Value::Map(after))) if is_same_thing(before, after) => {}
        (Some(Value::Map(before)), Some(Value::Map(after))) => {
            for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let schema = schema.and_then(|schema| child(schema, &Step::Field(name.clone())));
                walk(schema, before.get(name), after.get(name), &at.field(name), changed);
            }
        }
        (Some(before), Some(after)) if alike(schema, before, after) => {}
        (None, None) => {}
        _ => {
            changed.insert(at.clone());
        }
    }
}

fn alike(schema: Option<&Json>, before: &Value, after: &Value) -> bool {
    match (before, after) {
        // Sealed for a key that is not here: it can't be compared, and counts as unchanged.
        (Value::Secret(_), _) | (_, Value::Secret(_)) => true,
        (Value::List(before), Value::List(after)) if schema.is_some_and(|schema| marked(schema, "x-unordered")) => {
            same_set(before, after)
        }
        _ => !before.has_unknown() && !after.has_unknown() && same(before, after),
    }
}

/// The paths at which a value has what is sealed for a key that is not here, through maps, key by key. A list counts whole.
pub(crate) fn locked_paths(value: &Value) -> BTreeSet<FieldPath> {
    let mut locked = BTreeSet::new();
    if value.has_locked() {
        lock_walk(value, &FieldPath::root(), &mut locked);
    }
    locked
}

fn lock_walk(value: &Value, at: &FieldPath, locked: &mut BTreeSet<FieldPath>) {
    match value.revealed() {
        Value::Map(map) => map.iter().for_each(|(name, value)| lock_walk(value, &at.field(name), locked)),
        other if other.has_locked() => {
            locked.insert(at.clone());
        }
        _ => {}
    }
}

/// Whether two whole-resource references are of one thing: it may have got another address, its attributes tell what it is.
fn is_same_thing(before: &Map, after: &Map) -> bool {
    let part = |map: &Map, name: &str| map.get(name).cloned();
    let told =
        |map: &Map| map.get("attributes").and_then(Value::as_map).is_some_and(|attributes| !attributes.is_empty());
    let alike =
        |name: &str| part(before, name).zip(part(after, name)).is_some_and(|(before, after)| before.same(&after));
    is_reference(before)
        && is_reference(after)
        && told(after)
        && !after.values().any(Value::has_unknown)
        && ["kind", "provider", "attributes"].into_iter().all(alike)
}

/// Whether two values are the same, references of one thing among them, as far as there is a key to them.
fn same(before: &Value, after: &Value) -> bool {
    match (before.revealed(), after.revealed()) {
        (Value::Secret(_), _) | (_, Value::Secret(_)) => true,
        (Value::Map(before), Value::Map(after)) => {
            is_same_thing(before, after)
                || before.len() == after.len()
                    && before.iter().all(|(name, value)| after.get(name).is_some_and(|other| same(value, other)))
        }
        (Value::List(before), Value::List(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| same(before, after))
        }
        _ => before.same(after),
    }
}

fn same_set(before: &[Value], after: &[Value]) -> bool {
    let mut left: Vec<&Value> = after.iter().collect();
    // What can't be opened is like anything: it takes what the others leave.
    let (locked, open): (Vec<&Value>, Vec<&Value>) = before.iter().partition(|item| item.has_locked());
    let found = open.into_iter().chain(locked).all(|item| {
        let alike = |other: &&Value| !item.has_unknown() && same(item, other);
        let position = left.iter().position(|other| alike(other) && !other.has_locked());
        let position = position.or_else(|| left.iter().position(alike));
        position.map(|position| left.swap_remove(position)).is_some()
    });
    found && left.is_empty()
}

/// Puts what stands at a path elsewhere, or removes what stands there where there is nothing to put.
pub fn set(value: &mut Value, path: &FieldPath, new: Option<&Value>) {
    match new {
        Some(new) => value.put(path, new.clone()),
        None => value.remove(path),
    }
}

/// Whether `after` is what `before` promised: what was known is the same, what was unknown may be anything. The path of the first
/// promise that is broken.
pub fn broken_promise(before: &Value, after: &Value) -> Option<FieldPath> {
    broken(before, after, &FieldPath::root())
}

fn broken(before: &Value, after: &Value, at: &FieldPath) -> Option<FieldPath> {
    match (before.revealed(), after.revealed()) {
        (Value::Unknown, _) => None,
        (Value::Map(before), Value::Map(after)) => {
            let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            names.into_iter().find_map(|name| match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) => broken(before, after, &at.field(name)),
                // What is known in the end to be nothing is left out.
                (Some(before), None) if before.has_unknown() || *before == Value::Null => None,
                _ => Some(at.field(name)),
            })
        }
        (Value::List(before), Value::List(after)) if before.len() == after.len() => {
            let mut pairs = before.iter().zip(after).enumerate();
            pairs.find_map(|(index, (before, after))| broken(before, after, &at.index(index)))
        }
        (before, after) if before.same(after) => None,
        _ => Some(at.clone()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema(spec: Json) -> Schema {
        Schema::new(1, spec, json!({}), false)
    }

    fn value(json: Json) -> Value {
        json.into()
    }

    fn paths(schema: &Schema, before: &Value, after: &Value) -> Vec<String> {
        changed_paths(schema, before, after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn maps_compare_key_by_key_and_lists_whole() {
        let schema = schema(json!({"properties": {"set": {"type": "array", "x-unordered": true}}}));
        let before = value(json!({"tags": {"a": 1, "b": 2}, "list": [1, 2], "set": [1, 2], "same": 1}));
        let after = value(json!({"tags": {"a": 1, "b": 3, "c": 4}, "list": [2, 1], "set": [2, 1], "same": 1.0}));
        assert_eq!(paths(&schema, &before, &after), ["list", "tags.b", "tags.c"]);
    }

    #[test]
    fn an_unknown_differs_and_a_secret_is_looked_through() {
        let schema = schema(json!({}));
        let before = Value::Map([("a".to_owned(), "x".into()), ("b".to_owned(), "y".into())].into());
        let after = Value::Map([("a".to_owned(), Value::Unknown), ("b".to_owned(), Value::secret("y".into()))].into());
        assert_eq!(paths(&schema, &before, &after), ["a"]);
    }

    #[test]
    fn what_can_not_be_opened_can_not_be_compared() {
        let schema = schema(json!({}));
        let locked = Value::Map([("a".to_owned(), Value::Secret(trueup_state::Secret::Locked("x".into())))].into());
        let open = Value::Map([("a".to_owned(), Value::secret("y".into()))].into());
        assert!(paths(&schema, &locked, &open).is_empty());
        assert_eq!(locked_paths(&locked), [FieldPath::parse("a")].into());
        assert!(locked_paths(&open).is_empty());
    }

    #[test]
    fn what_can_not_be_opened_in_a_list_may_be_any_of_it() {
        let schema = schema(json!({"properties": {"set": {"type": "array", "x-unordered": true}}}));
        let lock = || Value::Secret(trueup_state::Secret::Locked("x".into()));
        let of = |name: &str, items: Vec<Value>| Value::Map([(name.to_owned(), Value::List(items))].into());
        let secret = |text: &str| Value::secret(text.into());
        for name in ["set", "list"] {
            let before = of(name, vec![lock(), "a".into()]);
            assert!(paths(&schema, &before, &of(name, vec![secret("y"), "a".into()])).is_empty());
            assert_eq!(paths(&schema, &before, &of(name, vec![secret("y"), "b".into()])), [name]);
            assert_eq!(paths(&schema, &before, &of(name, vec!["a".into()])), [name]);
            assert_eq!(locked_paths(&before), [FieldPath::parse(name)].into());
        }
        let swapped = of("set", vec!["a".into(), secret("y")]);
        assert!(paths(&schema, &of("set", vec![lock(), "a".into()]), &swapped).is_empty());
    }

    #[test]
    fn a_promise_is_kept_by_any_value_for_an_unknown_and_broken_by_another_for_a_known_one() {
        let planned = Value::Map([("ip".to_owned(), Value::Unknown), ("name".to_owned(), "a".into())].into());
        assert_eq!(broken_promise(&planned, &value(json!({"ip": "10.0.0.1", "name": "a"}))), None);
        assert_eq!(broken_promise(&planned, &value(json!({"name": "a"}))), None);
        assert_eq!(broken_promise(&planned, &value(json!({"ip": "x", "name": "b"}))), Some(FieldPath::parse("name")));
        assert_eq!(broken_promise(&planned, &value(json!({"name": "a", "extra": 1}))), Some(FieldPath::parse("extra")));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            ".{1,8}".prop_map(|text: String| Value::secret(text.into())),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| Value::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself(value in any_value()) {
            let schema = schema(json!({}));
            prop_assert!(changed_paths(&schema, &value, &value).is_empty());
            prop_assert_eq!(broken_promise(&value, &value), None);
        }

        #[test]
        fn what_differs_one_way_differs_the_other(a in any_value(), b in any_value()) {
            let schema = schema(json!({}));
            prop_assert_eq!(changed_paths(&schema, &a, &b), changed_paths(&schema, &b, &a));
        }

        #[test]
        fn putting_what_differs_makes_them_alike(a in any_value(), b in any_value()) {
            let schema = schema(json!({}));
            let mut made = a.clone();
            for path in changed_paths(&schema, &a, &b) {
                super::set(&mut made, &path, b.at(&path));
            }
            prop_assert!(changed_paths(&schema, &made, &b).is_empty());
        }
    }
}
