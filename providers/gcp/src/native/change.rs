//! What an update sends: what changes, and how it is told.

use std::collections::BTreeSet;

use serde_json::{Map as Object, Value as Json};

use super::collection::Mask;
use super::schema::STATES;

/// What an update sends of a thing, and the list of fields that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) body: Object<String, Json>,
    /// The paths of what changes, `a.b`; empty where nothing does.
    pub(crate) paths: BTreeSet<String>,
}

/// From what was sent last, and what is there, to what is wanted. What nobody ever asked for stays as it is there. `is_map`: whether there is
/// a map with keys of people's own at a path, which changes as a whole.
pub(crate) fn change(
    before: &Object<String, Json>,
    there: &Object<String, Json>,
    wanted: &Object<String, Json>,
    (mask, is_map): (Mask, &dyn Fn(&str) -> bool),
) -> Change {
    let mut paths = BTreeSet::new();
    compare(before, there, wanted, ("", is_map), &mut paths);
    let mut body = match mask {
        Mask::All => {
            let mut body = there.clone();
            level(&mut body, before, wanted, ("", is_map));
            body
        }
        Mask::Query | Mask::Body | Mask::Merge => picked(wanted, &paths, mask == Mask::Merge),
    };
    // Whoever changed it meanwhile is not overwritten.
    for name in STATES {
        if let Some(state) = there.get(name).filter(|_| !paths.is_empty()) {
            body.insert(name.to_owned(), state.clone());
        }
    }
    Change { body, paths }
}

/// The paths at which something changes: what is wanted and is not there so, and what was asked for once and is not any more.
fn compare(
    before: &Object<String, Json>,
    there: &Object<String, Json>,
    wanted: &Object<String, Json>,
    (at, is_map): (&str, &dyn Fn(&str) -> bool),
    paths: &mut BTreeSet<String>,
) {
    let none = Object::new();
    let object = |of: &Object<String, Json>, name: &str| of.get(name).and_then(Json::as_object).cloned();
    let names: BTreeSet<&String> = before.keys().chain(wanted.keys()).collect();
    for name in names {
        let path = format!("{at}{name}");
        match (wanted.get(name), there.get(name)) {
            (Some(Json::Object(inner)), Some(Json::Object(is))) if !is_map(&path) => {
                let before = object(before, name).unwrap_or_default();
                compare(&before, is, inner, (&format!("{path}."), is_map), paths);
            }
            (Some(value), is) if is != Some(value) && !(is.is_none() && is_nothing(value)) => drop(paths.insert(path)),
            (None, Some(_)) => match before.get(name) {
                // What was said of it goes; the rest of it was never ours.
                Some(Json::Object(inner)) if there.get(name).is_some_and(Json::is_object) && !is_map(&path) => {
                    let is = object(there, name).unwrap_or_default();
                    compare(inner, &is, &none, (&format!("{path}."), is_map), paths);
                }
                _ => drop(paths.insert(path)),
            },
            _ => {}
        }
    }
}

/// Whether a value is what Google leaves out of its answers: nothing, no, or none.
pub(crate) fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty() || text == "0",
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.values().all(is_nothing),
        Json::Bool(true) => false,
    }
}

/// What is wanted at some paths; with `nulls`, null where nothing is.
fn picked(wanted: &Object<String, Json>, paths: &BTreeSet<String>, nulls: bool) -> Object<String, Json> {
    let mut body = Object::new();
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        let found = steps.iter().try_fold(&Json::Object(wanted.clone()), |at, step| at.get(*step)).cloned();
        let Some(value) = found.or(nulls.then_some(Json::Null)) else { continue };
        put(&mut body, &steps, value);
    }
    body
}

fn put(body: &mut Object<String, Json>, steps: &[&str], value: Json) {
    let Some((first, rest)) = steps.split_first() else { return };
    if rest.is_empty() {
        body.insert((*first).to_owned(), value);
        return;
    }
    let inner = body.entry((*first).to_owned()).or_insert_with(|| Json::Object(Object::new()));
    if let Some(inner) = inner.as_object_mut() {
        put(inner, rest, value);
    }
}

/// Brings all that is there to what is wanted, but for what nobody ever asked for.
fn level(
    there: &mut Object<String, Json>,
    before: &Object<String, Json>,
    wanted: &Object<String, Json>,
    (at, is_map): (&str, &dyn Fn(&str) -> bool),
) {
    for name in before.keys().filter(|name| !wanted.contains_key(*name)) {
        there.shift_remove(name);
    }
    for (name, value) in wanted {
        let path = format!("{at}{name}");
        match (there.get_mut(name), value) {
            (Some(Json::Object(is)), Json::Object(inner)) if !is_map(&path) => {
                let before = before.get(name).and_then(Json::as_object).cloned().unwrap_or_default();
                level(is, &before, inner, (&format!("{path}."), is_map));
            }
            _ => drop(there.insert(name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(json: &Json) -> Object<String, Json> {
        json.as_object().cloned().unwrap()
    }

    #[allow(clippy::needless_pass_by_value, reason = "what is compared reads best where it stands")]
    fn changed(before: Json, there: Json, wanted: Json, mask: Mask) -> (Json, Vec<String>) {
        let is_map = |path: &str| path == "env";
        let change = change(&object(&before), &object(&there), &object(&wanted), (mask, &is_map));
        (change.body.into(), change.paths.into_iter().collect())
    }

    #[test]
    fn what_changes_is_named_as_deep_as_it_goes() {
        let before = json!({ "a": { "b": 1, "c": 2 }, "d": "x", "gone": true });
        let there = json!({ "a": { "b": 1, "c": 2, "theirs": 3 }, "d": "x", "gone": true, "etag": "e" });
        let wanted = json!({ "a": { "b": 5, "c": 2 }, "d": "x" });
        let (body, paths) = changed(before.clone(), there.clone(), wanted.clone(), Mask::Query);
        assert_eq!((body, paths), (json!({ "a": { "b": 5 }, "etag": "e" }), vec!["a.b".to_owned(), "gone".to_owned()]));
        let (body, _) = changed(before.clone(), there.clone(), wanted.clone(), Mask::Merge);
        assert_eq!(body, json!({ "a": { "b": 5 }, "gone": null, "etag": "e" }));
        let (body, _) = changed(before, there, wanted, Mask::All);
        assert_eq!(body, json!({ "a": { "b": 5, "c": 2, "theirs": 3 }, "d": "x", "etag": "e" }));
    }

    #[test]
    fn what_is_so_already_changes_nothing() {
        let nothing = |before, there, wanted| changed(before, there, wanted, Mask::Query).1.is_empty();
        assert!(nothing(json!({ "a": 1 }), json!({ "a": 2 }), json!({ "a": 2 })));
        assert!(
            nothing(json!({}), json!({}), json!({ "off": false, "none": [], "zero": 0 })),
            "Google leaves such out"
        );
        assert!(
            nothing(json!({ "a": { "b": 1 } }), json!({ "a": { "c": 1 } }), json!({})),
            "what is there was never ours"
        );
    }

    #[test]
    fn maps_of_peoples_own_keys_change_as_a_whole() {
        let (body, paths) =
            changed(json!({}), json!({ "env": { "a": "1" } }), json!({ "env": { "a": "2" } }), Mask::Query);
        assert_eq!((body, paths), (json!({ "env": { "a": "2" } }), vec!["env".to_owned()]));
    }
}
