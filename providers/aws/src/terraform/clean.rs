//! What AWS says of a thing, as far as a blueprint should say it: nothing that only AWS can say, nothing that it fills in by itself, no
//! secret.

use serde_json::{Map as JsonMap, Value as Json};
use trueup_engine::schema::{Schema, child, marked};
use trueup_state::Step;

/// What holds variables of processes, which may be secret.
const ENVIRONMENTS: [&str; 2] = ["Environment", "EnvironmentVariables"];
/// How short a secret is that may stand in anything by chance.
const SHORT: usize = 4;

/// The spec, and what was left out of it because it may be secret.
pub(super) fn clean(schema: &Schema, mut spec: Json, secrets: &[String]) -> (Json, Vec<String>) {
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).filter(|secret| secret.len() >= SHORT).collect();
    let mut notes = Vec::new();
    if let Some(tags) = spec.get_mut("tags").and_then(Json::as_object_mut) {
        tags.retain(|key, _| !key.starts_with("aws:"));
    }
    if let Some(map) = spec.as_object_mut() {
        prune(map, &schema.spec, "", &secrets, &mut notes);
    }
    (spec, notes)
}

/// Takes out of a map what need not or may not be said. Lists are compared whole, so that of one all stays or nothing.
fn prune(map: &mut JsonMap<String, Json>, schema: &Json, at: &str, secrets: &[&str], notes: &mut Vec<String>) {
    let required: Vec<&str> =
        schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let is_closed = schema.get("additionalProperties") == Some(&Json::Bool(false));
    map.retain(|name, value| {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let Some(of) = child(schema, &Step::Field(name.clone())) else { return !is_closed };
        if let Some(inner) = value.as_object_mut().filter(|_| !ENVIRONMENTS.contains(&name.as_str())) {
            prune(inner, of, &path, secrets, notes);
        }
        if marked(of, "x-secret") {
            return false;
        }
        if may_be_secret(name, value, secrets) {
            notes.push(format!("`{path}` is left out, and stays as it is: it may be secret"));
            return false;
        }
        required.contains(&name.as_str()) || !is_filled_in(value, of)
    });
}

/// Whether AWS says by itself what a value says, as far as the schema tells.
fn is_filled_in(value: &Json, schema: &Json) -> bool {
    let is_nothing = match value {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        _ => false,
    };
    is_nothing || ["default", "x-default"].iter().any(|key| schema.get(key) == Some(value))
}

fn may_be_secret(name: &str, value: &Json, secrets: &[&str]) -> bool {
    match value {
        Json::Object(_) if ENVIRONMENTS.contains(&name) => true,
        Json::String(text) => secrets.iter().any(|secret| text.contains(secret)),
        Json::Array(items) => items.iter().any(|item| holds_secret(item, secrets)),
        _ => false,
    }
}

fn holds_secret(value: &Json, secrets: &[&str]) -> bool {
    match value {
        Json::Object(map) => {
            map.iter().any(|(name, value)| may_be_secret(name, value, secrets) || holds_secret(value, secrets))
        }
        other => may_be_secret("", other, secrets),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_filled_in_read_only_or_secret_is_left_out() {
        let schema = json!({ "additionalProperties": false, "required": ["Name"], "properties": {
            "Name": {}, "Delay": { "x-default": 0 }, "Size": { "default": 3 }, "Pass": { "x-secret": true }, "Url": {}, "List": {},
            "Environment": {}, "Box": { "additionalProperties": false, "properties": { "A": {}, "B": { "default": 1 } } },
            "Items": { "items": { "properties": { "B": { "default": 1 } } } }, "Free": {} } });
        let schema = Schema::new(1, schema, json!({}), false);
        let there = json!({ "Name": "", "Delay": 0, "Size": 3, "Pass": "x", "Url": "https://HUNTER2@x", "List": [], "Arn": "x",
            "Environment": { "TOKEN": "x" }, "Box": { "A": 1, "B": 1, "C": 1 }, "Items": [{ "B": 1 }], "Free": { "of": "schema" } });
        let (spec, notes) = clean(&schema, there, &["HUNTER2".to_owned(), "ch".to_owned()]);
        assert_eq!(spec, json!({ "Name": "", "Box": { "A": 1 }, "Items": [{ "B": 1 }], "Free": { "of": "schema" } }));
        assert_eq!(notes.len(), 2, "{notes:?}");
        let hidden = json!({ "Name": "a", "Items": [{ "Environment": { "TOKEN": "x" } }] });
        assert_eq!(clean(&schema, hidden, &[]).0, json!({ "Name": "a" }));
        let tags = json!({ "Name": "a", "tags": { "aws:x": "1" } });
        assert_eq!(clean(&schema, tags, &[]).0, json!({ "Name": "a" }));
    }
}
