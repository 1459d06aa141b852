//! Labels as Google takes them: a blueprint's tags, and those that say whose an object is. They hold less than tags: small letters, digits,
//! `_` and `-`.

use std::collections::BTreeMap;

use trueup_engine::naming::{TAG_ADDRESS, address_digest};
use trueup_engine::schema::Problem;
use trueup_state::map::Map;
use trueup_state::{FieldPath, Request, Value};

/// What the keys of owner tags begin with, as the engine has them and as Google does.
const OURS: (&str, &str) = ("trueup:", "trueup_");
/// What the keys begin with that Google keeps for itself.
const GOOGLES: &str = "goog";
/// How many labels Google takes on one thing, and how many of them say whose it is.
const MOST: (usize, usize) = (64, 4);
/// The most characters of a key and of a value.
const LONGEST: usize = 63;

/// The label that stands for an owner tag.
pub(crate) fn key(tag: &str) -> String {
    tag.replacen(OURS.0, OURS.1, 1)
}

/// The labels that say whose a new object is. An address that Google does not take in a label is there as its digest.
pub(crate) fn owner(request: &Request) -> BTreeMap<String, String> {
    let label = |(key, value): (&String, &String)| {
        let value =
            if key == TAG_ADDRESS && !is_value(value) { address_digest(&request.address) } else { value.clone() };
        (self::key(key), value)
    };
    request.owner.iter().map(label).collect()
}

/// All labels that a thing is to have: the blueprint's, and those that say whose it is. `there`: those that it has.
pub(crate) fn all(request: &Request, there: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let tags = request.spec.get("tags").and_then(|tags| tags.revealed().as_map()).into_iter().flatten();
    let said = tags.filter_map(|(key, value)| Some((key.clone(), value.revealed().as_str()?.to_owned())));
    let is_new = there.is_empty();
    // What a thing was made by stays: it is no change of it.
    let owner = owner(request).into_iter().filter(|(key, _)| is_new || !is_kept(key));
    let kept = there.iter().filter(|(key, _)| is_kept(key)).map(|(key, value)| (key.clone(), value.clone()));
    said.chain(owner).chain(kept).collect()
}

/// What labels say of whose an object is, as owner tags, and the rest of them, but for those that Google sets itself.
pub(crate) fn apart(labels: impl IntoIterator<Item = (String, String)>) -> (BTreeMap<String, String>, Map) {
    let labels = labels.into_iter().filter(|(key, _)| !key.starts_with(GOOGLES));
    let (ours, theirs): (Vec<_>, Vec<_>) = labels.partition(|(key, _)| key.starts_with(OURS.1));
    let ours = ours.into_iter().map(|(key, value)| (key.replacen(OURS.1, OURS.0, 1), value));
    (ours.collect(), theirs.into_iter().map(|(key, value)| (key, value.into())).collect())
}

/// Whether a label is one that Google sets itself, or says what an object was made by: no change of ours may lose it.
pub(crate) fn is_kept(key: &str) -> bool {
    key.starts_with(GOOGLES) || key == "trueup_token"
}

fn is_value(text: &str) -> bool {
    text.chars().count() <= LONGEST && text.chars().all(is_allowed)
}

fn is_allowed(c: char) -> bool {
    c == '_' || c == '-' || c.is_numeric() || c.is_alphabetic() && !c.is_uppercase()
}

/// What Google can't take of a spec's tags.
pub(crate) fn problems(spec: &Value) -> Vec<Problem> {
    let Some(tags) = spec.get("tags").and_then(|tags| tags.revealed().as_map()) else { return Vec::new() };
    let at = FieldPath::parse("tags");
    let mut problems = Vec::new();
    if tags.len() > MOST.0 - MOST.1 {
        let message = format!("Google takes {} labels on one thing, of which {} say whose it is", MOST.0, MOST.1);
        problems.push(Problem::new(at.clone(), message));
    }
    for (key, value) in tags.iter() {
        let mut say = |message: String| problems.push(Problem::new(at.field(key), message));
        if key.starts_with(GOOGLES) || key.starts_with(OURS.0) || key.starts_with(OURS.1) {
            say(format!("labels that begin with `{GOOGLES}` or `{}` are not a blueprint's to set", OURS.1));
        } else if !is_value(key) || !key.starts_with(|c: char| c.is_alphabetic()) {
            say(format!(
                "the key of a label has at most {LONGEST} small letters, digits, `_` and `-` at Google, a letter first"
            ));
        }
        if value.revealed().as_str().is_some_and(|value| !is_value(value)) {
            say(format!("a label has at most {LONGEST} small letters, digits, `_` and `-` at Google"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_google_can_not_take_is_told_with_its_tag() {
        let paths = |tags: serde_json::Value| -> Vec<String> {
            problems(&json!({ "tags": tags }).into()).iter().map(|problem| problem.path.to_string()).collect()
        };
        assert_eq!(paths(json!({ "team": "search", "größe": "klein-1_a", "empty": "" })), [""; 0]);
        assert_eq!(paths(json!({ "team": "Search" })), ["tags.team"]);
        assert_eq!(paths(json!({ "Team": "search" })), ["tags.Team"]);
        assert_eq!(paths(json!({ "1st": "a" })), ["tags.1st"]);
        assert_eq!(paths(json!({ "team": "a b" })), ["tags.team"]);
        assert_eq!(paths(json!({ "goog-x": "1" })), ["tags.goog-x"]);
        assert_eq!(paths(json!({ "trueup_stack": "1" })), ["tags.trueup_stack"]);
        assert_eq!(paths(json!({ "team": "a".repeat(64) })), ["tags.team"]);
        let many: serde_json::Map<_, _> = (0..61).map(|n| (format!("t{n}"), json!("x"))).collect();
        assert_eq!(paths(many.into()), ["tags"]);
    }

    #[test]
    fn owner_tags_come_back_as_they_went() {
        let labels = [("trueup_stack", "l"), ("team", "a"), ("goog-managed", "x")];
        let (owner, theirs) = apart(labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(owner, BTreeMap::from([("trueup:stack".to_owned(), "l".to_owned())]));
        assert_eq!(theirs, [("team".to_owned(), "a".into())].into());
    }
}
