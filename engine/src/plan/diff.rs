//! What differs between two values, field by field.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use trueup_state::{FieldPath, Step, Value};

use crate::schema::{Schema, child, marked};

/// The paths at which two specs differ, through maps, key by key. A list counts whole: in its order, or as a set where the
/// schema says so. A field that only one of them has differs. Secrets are looked through; an unknown differs from all.
pub fn changed_paths(schema: &Schema, before: &Value, after: &Value) -> BTreeSet<FieldPath> {
    let mut changed = BTreeSet::new();
    walk(Some(&schema.spec), Some(before), Some(after), &FieldPath::root(), &mut changed);
    changed
}

fn walk(
    schema: Option<&Json>,
    before: Option<&Value>,
    after: Option<&Value>,
    at: &FieldPath,
    changed: &mut BTreeSet<FieldPath>,
) {
    match (before.map(Value::revealed), after.map(Value::revealed)) {
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
        (Value::List(before), Value::List(after)) if schema.is_some_and(|schema| marked(schema, "x-unordered")) => {
            same_set(before, after)
        }
        _ => !before.has_unknown() && !after.has_unknown() && before.same(after),
    }
}

fn same_set(before: &[Value], after: &[Value]) -> bool {
    let mut left: Vec<&Value> = after.iter().collect();
    let found = before.iter().all(|item| {
        let position = left.iter().position(|other| !item.has_unknown() && item.same(other));
        position.map(|position| left.swap_remove(position)).is_some()
    });
    found && left.is_empty()
}
