//! Fields that hold a whole resource: one thing to a reader, whatever attributes travel with it.

use std::collections::BTreeMap;

use trueup_engine::plan::{Action, Change};
use trueup_state::{Address, FieldPath, Map, Value};

use crate::draw::safe;

/// The changes of a plan by address.
pub(super) type Index<'a> = BTreeMap<&'a Address, &'a Change>;

/// The fields of a whole resource as a value.
const FIELDS: [&str; 4] = ["address", "kind", "provider", "attributes"];

fn reference(value: &Value) -> Option<&Map> {
    value.as_map().filter(|map| map.len() == FIELDS.len() && FIELDS.iter().all(|name| map.contains_key(*name)))
}

/// Whether a value is a whole resource.
pub(super) fn is_one(value: &Value) -> bool {
    reference(value).is_some()
}

/// The resource that a value is, if it is a whole one.
pub(super) fn address(value: &Value) -> Option<Address> {
    reference(value)?.get("address")?.as_str()?.parse().ok()
}

/// The field around a path that holds a whole resource, before or after; none where the path leads into none.
pub(super) fn around(change: &Change, path: &FieldPath) -> Option<FieldPath> {
    let steps = path.steps();
    (1..=steps.len())
        .map(|length| FieldPath::from(steps[..length].to_vec()))
        .find(|prefix| [&change.before, &change.after].into_iter().any(|spec| spec.at(prefix).is_some_and(is_one)))
}

/// What a whole resource is called: its provider's name for it, where that is known, else its address.
pub(super) fn name(value: &Value, changes: &Index<'_>) -> String {
    let Some(map) = reference(value) else { return String::new() };
    let address = map.get("address").and_then(Value::as_str).unwrap_or_default();
    let own = map.get("attributes").and_then(|attributes| attributes.get("name")).and_then(Value::as_str);
    if let Some(name) = own {
        return safe::line(name);
    }
    let shown = safe::line(address);
    if !map.values().any(Value::has_unknown) {
        return shown;
    }
    let change = address.parse().ok().and_then(|address: Address| changes.get(&address).copied());
    // What is to be made may have been given a name.
    let given = change.and_then(|change| change.after.get("name")).and_then(Value::as_str);
    match (given, change.map(|change| change.action)) {
        (Some(name), _) => safe::line(name),
        (None, Some(Action::Replace(_))) => format!("{shown}, made anew"),
        (None, Some(Action::Create)) => shown,
        (None, _) => format!("{shown}, known after apply"),
    }
}

/// What becomes of a field that holds a whole resource before or after.
pub(super) fn change(before: Option<&Value>, after: Option<&Value>, changes: &Index<'_>) -> String {
    let side = |value: Option<&Value>| match value {
        Some(value) if is_one(value) => name(value, changes),
        other => crate::draw::value::optional(other),
    };
    let (was, is) = (side(before), side(after));
    if was == is { format!("{is}, which changes") } else { format!("{was} → {is}") }
}
