//! What AWS says of a thing, as far as a blueprint should say it: nothing that only AWS can say, nothing that it fills in by itself, no
//! secret.

use std::collections::BTreeSet;

use serde_json::{Map as JsonMap, Value as Json};
use trueup_engine::help::plain;
use trueup_engine::schema::{Schema, child, marked};
use trueup_state::{FieldPath, Step};

/// What holds variables of processes, which may be secret.
const ENVIRONMENTS: [&str; 2] = ["Environment", "EnvironmentVariables"];
/// What says of a bucket that nothing is said.
const UNSAID: [(&str, &str); 2] = [("options.aws.object_lock", "false"), ("options.aws.ownership", "none")];
/// How short a secret is that may stand in anything by chance.
const SHORT: usize = 4;

/// Whether a thing shows a text that is secret, and so would be recorded in clear: nothing here would know it for one.
pub(super) fn shows(there: &Json, secrets: &[String]) -> bool {
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).filter(|secret| secret.len() >= SHORT).collect();
    holds_text(there, &secrets)
}

fn holds_text(value: &Json, secrets: &[&str]) -> bool {
    match value {
        Json::String(text) => secrets.iter().any(|secret| text.contains(secret)),
        Json::Array(items) => items.iter().any(|item| holds_text(item, secrets)),
        Json::Object(map) => map.values().any(|value| holds_text(value, secrets)),
        _ => false,
    }
}

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

/// Takes out of a spec what its kind can't be and has a usual value of, with a note of each: an apply would change it.
pub(super) fn usual(schema: &Schema, spec: &mut Json) -> Vec<String> {
    let problems = schema.problems(&spec.clone().into());
    let first = |path: &FieldPath| match path.steps().first() {
        Some(Step::Field(name)) => Some(name.clone()),
        _ => None,
    };
    let names: BTreeSet<String> = problems.iter().filter_map(|problem| first(&problem.path)).collect();
    let has_usual = |name: &String| schema.spec.pointer(&format!("/properties/{name}/default")).is_some();
    let Some(map) = spec.as_object_mut() else { return Vec::new() };
    let unusual = names.into_iter().filter(has_usual).filter(|name| map.shift_remove(name).is_some());
    unusual.map(|name| format!("its `{name}` can't be said here: a plan shows what an apply makes of it")).collect()
}

/// Takes out of a map what need not or may not be said. Lists are compared whole, so that of one all stays or nothing.
fn prune(map: &mut JsonMap<String, Json>, schema: &Json, at: &str, secrets: &[&str], notes: &mut Vec<String>) {
    let required: Vec<&str> =
        schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let is_closed = schema.get("additionalProperties") == Some(&Json::Bool(false));
    map.retain(|name, value| {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let of = match child(schema, &Step::Field(name.clone())) {
            Some(of) => of,
            None if is_closed => return false,
            None => &Json::Null,
        };
        if UNSAID.iter().any(|(unsaid, text)| *unsaid == path && *text == plain(value)) {
            return false;
        }
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
