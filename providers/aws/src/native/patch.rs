//! What takes a type's properties from what they are to what they should be, as the JSON patch that Cloud Control takes.
//!
//! What a blueprint never said stays as AWS filled it in; what it said once, and says no more, goes.

use serde_json::{Map, Value as Json, json};

/// What is there, made what is wanted. `before`: what was wanted before.
pub(crate) fn levelled(
    mut there: Map<String, Json>,
    before: &Map<String, Json>,
    wanted: &Map<String, Json>,
) -> Map<String, Json> {
    there.retain(|name, _| wanted.contains_key(name) || !before.contains_key(name));
    for (name, wanted) in wanted {
        let inner = match (there.shift_remove(name), wanted) {
            (Some(Json::Object(there)), Json::Object(wanted)) => {
                let before = before.get(name).and_then(Json::as_object).cloned().unwrap_or_default();
                levelled(there, &before, wanted).into()
            }
            (_, wanted) => wanted.clone(),
        };
        there.insert(name.clone(), inner);
    }
    there
}

/// The patch. Maps are compared name by name; a list is replaced whole.
pub(crate) fn patch(before: &Map<String, Json>, after: &Map<String, Json>) -> Vec<Json> {
    let mut operations = Vec::new();
    compare("", before, after, &mut operations);
    operations
}

fn compare(at: &str, before: &Map<String, Json>, after: &Map<String, Json>, operations: &mut Vec<Json>) {
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        operations.push(json!({ "op": "remove", "path": path(at, name) }));
    }
    for (name, wanted) in after {
        match (before.get(name), wanted) {
            (Some(there), wanted) if there == wanted => {}
            (Some(Json::Object(there)), Json::Object(wanted)) => compare(&path(at, name), there, wanted, operations),
            // It replaces what is there.
            _ => operations.push(json!({ "op": "add", "path": path(at, name), "value": wanted })),
        }
    }
}

fn path(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(before: Json, after: Json) -> Json {
        let map = |json: Json| json.as_object().cloned().unwrap();
        patch(&map(before), &map(after)).into()
    }

    #[test]
    fn what_was_never_said_stays_and_what_is_said_no_more_goes() {
        let map = |json: Json| json.as_object().cloned().unwrap();
        let there = map(json!({ "auto": 1, "a": 1, "b": { "auto": 2, "c": 3, "d": 4 }, "l": [1] }));
        let before = map(json!({ "a": 1, "b": { "c": 3, "d": 4 } }));
        let wanted = map(json!({ "b": { "c": 5 }, "l": [2] }));
        let levelled = Json::from(levelled(there, &before, &wanted));
        assert_eq!(levelled, json!({ "auto": 1, "b": { "auto": 2, "c": 5 }, "l": [2] }));
    }

    #[test]
    fn a_patch_says_what_differs_and_nothing_else() {
        assert_eq!(of(json!({ "a": 1 }), json!({ "a": 1 })), json!([]));
        assert_eq!(
            of(json!({ "a": 1, "b": { "c": [1], "d": 2 } }), json!({ "b": { "c": [1, 2], "d": 2, "e/f": 3 } })),
            json!([
                { "op": "remove", "path": "/a" },
                { "op": "add", "path": "/b/c", "value": [1, 2] },
                { "op": "add", "path": "/b/e~1f", "value": 3 },
            ])
        );
    }
}
