//! Tags as AWS takes them: a blueprint's, and those that say whose an object is.

use std::collections::BTreeMap;

use trueup_engine::naming::{TAG_ADDRESS, TAG_TOKEN, address_digest};
use trueup_engine::schema::Problem;
use trueup_state::map::Map;
use trueup_state::{FieldPath, Request, Value};

/// What the keys begin with that say whose an object is.
const OURS: &str = "trueup:";
/// What the keys begin with that AWS keeps for itself.
const AWS: &str = "aws:";
/// How many tags AWS takes on one thing, and how many of them say whose it is.
const MOST: (usize, usize) = (50, 4);
/// The most characters of a key and of a value.
const LONGEST: (usize, usize) = (128, 256);

/// The tags that say whose a new object is. An address that AWS does not take in a tag is there as its digest.
pub(crate) fn owner(request: &Request) -> BTreeMap<String, String> {
    let mut owner = request.owner.clone();
    if let Some(address) = owner.get_mut(TAG_ADDRESS).filter(|address| !address.chars().all(is_allowed)) {
        *address = address_digest(&request.address);
    }
    owner
}

/// Of the tags of what is there what no change of ours may lose: those that AWS sets itself, and what it was made by.
pub(crate) fn kept(there: &[(String, String)]) -> Vec<(String, String)> {
    there.iter().filter(|(key, _)| key.starts_with(AWS) || key == TAG_TOKEN).cloned().collect()
}

/// What tags say of whose an object is, and the rest of them, but for those that AWS sets itself.
pub(crate) fn apart(tags: impl IntoIterator<Item = (String, String)>) -> (BTreeMap<String, String>, Map) {
    let tags = tags.into_iter().filter(|(key, _)| !key.starts_with(AWS));
    let (ours, theirs): (Vec<_>, Vec<_>) = tags.partition(|(key, _)| key.starts_with(OURS));
    (ours.into_iter().collect(), theirs.into_iter().map(|(key, value)| (key, value.into())).collect())
}

/// Whether tags are these, in whatever order.
pub(crate) fn are<'a>(tags: &[(String, String)], wanted: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    let there: BTreeMap<&str, &str> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    there == wanted.collect()
}

/// What every service of AWS takes in a tag: letters, digits, spaces, and these.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
}

/// What AWS can't take of a spec's tags.
pub(crate) fn problems(spec: &Value) -> Vec<Problem> {
    let Some(tags) = spec.get("tags").and_then(|tags| tags.revealed().as_map()) else { return Vec::new() };
    let at = FieldPath::parse("tags");
    let mut problems = Vec::new();
    if tags.len() > MOST.0 - MOST.1 {
        let message = format!("AWS takes {} tags on one thing, of which {} say whose it is", MOST.0, MOST.1);
        problems.push(Problem::new(at.clone(), message));
    }
    for (key, value) in tags.iter() {
        let mut say = |message: String| problems.push(Problem::new(at.field(key), message));
        if key.starts_with("aws:") || key.starts_with(OURS) {
            say(format!("tags that begin with `aws:` or `{OURS}` are not a blueprint's to set"));
        } else if key.chars().count() > LONGEST.0 || !key.chars().all(is_allowed) {
            say(format!("the key of a tag has at most {} letters, digits, spaces and `_.:/=+-@` at AWS", LONGEST.0));
        }
        let Some(value) = value.revealed().as_str() else { continue };
        if value.chars().count() > LONGEST.1 || !value.chars().all(is_allowed) {
            say(format!("a tag has at most {} letters, digits, spaces and `_.:/=+-@` at AWS", LONGEST.1));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_aws_can_not_take_is_told_with_its_tag() {
        let paths = |tags: serde_json::Value| -> Vec<String> {
            problems(&json!({ "tags": tags }).into()).iter().map(|problem| problem.path.to_string()).collect()
        };
        assert_eq!(paths(json!({ "team": "search", "Stufe": "größer als 1" })), [""; 0]);
        assert_eq!(paths(json!({ "aws:x": "1" })).len(), 1);
        assert_eq!(paths(json!({ "trueup:stack": "1" })).len(), 1);
        assert_eq!(paths(json!({ "team": "a, b" })), ["tags.team"]);
        assert_eq!(paths(json!({ "te?am": "a" })).len(), 1);
        assert_eq!(paths(json!({ "team": "a".repeat(257) })), ["tags.team"]);
        let many: serde_json::Map<_, _> = (0..47).map(|n| (format!("t{n}"), json!("x"))).collect();
        assert_eq!(paths(many.into()), ["tags"]);
    }
}
