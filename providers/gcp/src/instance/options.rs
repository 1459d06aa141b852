//! What Google alone has for a machine: `options.gcp`.

use std::sync::LazyLock;

use trueup_engine::kinds::{GpuInstance, Kind};
use trueup_engine::provider::unknown_options;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

/// Where it stands in a spec.
pub(super) static OPTIONS: LazyLock<FieldPath> = LazyLock::new(|| FieldPath::from_iter(["options", "gcp"]));

const KNOWN: [&str; 5] = ["checks_bucket", "flex_start", "network", "network_tags", "secure_boot"];

/// What a spec says of one of them.
fn option<'a>(spec: &'a Value, name: &str) -> Option<&'a Value> {
    spec.at(&OPTIONS.field(name)).map(Value::revealed).filter(|value| !matches!(value, Value::Null | Value::Unknown))
}

/// A text.
pub(super) fn text<'a>(spec: &'a Value, name: &str) -> Option<&'a str> {
    option(spec, name)?.as_str()
}

/// The path of a network, which may be said by its name alone.
pub(super) fn network_path(project: &str, network: &str) -> String {
    if network.contains('/') { network.to_owned() } else { format!("projects/{project}/global/networks/{network}") }
}

/// Whether something is said to be so.
pub(super) fn is_so(spec: &Value, name: &str) -> Option<bool> {
    match option(spec, name)? {
        Value::Bool(is) => Some(*is),
        _ => None,
    }
}

/// The network tags that a spec says.
pub(super) fn network_tags(spec: &Value) -> Vec<String> {
    let list = option(spec, "network_tags").and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(|tag| tag.revealed().as_str()).map(str::to_owned).collect()
}

/// What Google can't take of them.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let mut problems = unknown_options("gcp", GpuInstance::NAME, &KNOWN, spec);
    let mut say = |name: &str, message: &str| problems.push(Problem::new(OPTIONS.field(name), message));
    if option(spec, "network").is_some_and(|network| network.as_str().is_none_or(str::is_empty)) {
        say("network", "it is the name of a network, or its path");
    }
    for name in ["flex_start", "secure_boot"] {
        if option(spec, name).is_some_and(|value| !matches!(value, Value::Bool(_))) {
            say(name, "it is `true` or `false`");
        }
    }
    let is_tag = |tag: &Value| match tag.revealed() {
        Value::Unknown => true,
        tag => tag.as_str().is_some_and(|tag| is_label(tag) && !tag.starts_with("trueup-")),
    };
    let is_tags = |tags: &Value| tags.as_list().is_some_and(|tags| tags.len() < 60 && tags.iter().all(is_tag));
    if option(spec, "network_tags").is_some_and(|tags| !is_tags(tags)) {
        say(
            "network_tags",
            "it is a list of names of up to 63 small letters, digits and `-`, a letter first, and none that begins with `trueup-`",
        );
    }
    if is_so(spec, "flex_start") == Some(true) {
        if spec.get("stop_after").is_none_or(|after| matches!(after.revealed(), Value::Null)) {
            say(
                "flex_start",
                "a machine that waits for its turn runs for a time that is said: `stop_after`, of 7 days at most",
            );
        }
        if spec.get("market").is_some_and(|market| market.revealed().as_str() != Some("on_demand")) {
            say("flex_start", "it is a way of its own to buy a machine: leave `market` out");
        }
    }
    problems
}

fn is_label(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_google_can_not_take_is_told_with_its_option() {
        let paths = |options: serde_json::Value| -> Vec<String> {
            let spec = json!({ "market": "on_demand", "options": { "gcp": options } });
            problems(&spec.into()).iter().map(|problem| problem.path.to_string()).collect()
        };
        assert_eq!(paths(json!({ "network": "research", "network_tags": ["a", "b-1"], "secure_boot": true })), [""; 0]);
        assert_eq!(paths(json!({ "netwrk": "research" })), ["options.gcp.netwrk"]);
        assert_eq!(paths(json!({ "network": "" })), ["options.gcp.network"]);
        assert_eq!(paths(json!({ "network_tags": "a" })), ["options.gcp.network_tags"]);
        assert_eq!(paths(json!({ "network_tags": ["A"] })), ["options.gcp.network_tags"]);
        assert_eq!(paths(json!({ "network_tags": ["trueup-closed"] })), ["options.gcp.network_tags"]);
        assert_eq!(paths(json!({ "secure_boot": "yes" })), ["options.gcp.secure_boot"]);
        assert_eq!(paths(json!({ "flex_start": true })), ["options.gcp.flex_start"]);
    }
}
