//! What Cloud Storage can't take of a bucket's spec, told from that alone.

use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::provider::unknown_options;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::aspect::OPTIONS;
use super::lifecycle;
use crate::labels;

/// What Google alone has for a bucket, each a number of days, and its bounds.
const DAYS: [(&str, u64, u64); 2] = [("retention_days", 1, 36_500), ("soft_delete_days", 0, 90)];

/// All of it. `region`: the provider's.
pub(super) fn problems(spec: &Value, region: Option<&str>) -> Vec<Problem> {
    let known: Vec<&str> = DAYS.iter().map(|(name, ..)| *name).collect();
    let mut problems = unknown_options("gcp", Bucket::NAME, &known, spec);
    problems.extend(name_problem(spec));
    problems.extend(lifecycle::problems(spec));
    problems.extend(labels::problems(spec));
    problems.extend(DAYS.iter().filter_map(|(name, least, most)| days_problem(spec, name, *least, *most)));
    let is_placed = spec.get("location").is_some_and(|location| !matches!(location.revealed(), Value::Null));
    if !is_placed && region.is_none() {
        let message = "a bucket is somewhere: say `region` of its provider, or `location`, as `EU`";
        problems.push(Problem::new(FieldPath::parse("location"), message));
    }
    problems
}

fn days_problem(spec: &Value, name: &str, least: u64, most: u64) -> Option<Problem> {
    let at = OPTIONS.field(name);
    let is_days = match spec.at(&at)?.revealed() {
        Value::Number(number) => number.as_u64().is_some_and(|days| (least..=most).contains(&days)),
        Value::Unknown | Value::Null => true,
        _ => false,
    };
    (!is_days).then(|| Problem::new(at, format!("it is a number of days, from {least} to {most}")))
}

/// What Cloud Storage refuses in the name of a bucket (*About buckets*).
fn name_problem(spec: &Value) -> Option<Problem> {
    let name = spec.get("name")?.revealed().as_str()?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let why = match name {
        _ if name.contains('.') && name.split('.').any(|part| part.len() > 63) => {
            "has at most 63 characters between dots"
        }
        _ if !name.contains('.') && !(3..=63).contains(&name.len()) => "has 3 to 63 characters",
        _ if !name.chars().all(allowed) => "has lower-case letters, digits, `-`, `_` and `.` alone",
        _ if !ends(name.chars().next()) || !ends(name.chars().last()) => "begins and ends with a letter or a digit",
        _ if name.parse::<std::net::Ipv4Addr>().is_ok() => "is no IP address",
        _ if name.starts_with("goog") || name.contains("google") => "does not begin with `goog`, and has no `google`",
        _ => return None,
    };
    Some(Problem::new(FieldPath::parse("name"), format!("the name of a bucket of Cloud Storage {why}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cloud_storage_can_not_take_is_told_with_its_field() {
        let paths = |spec: serde_json::Value, region: Option<&str>| -> Vec<String> {
            problems(&spec.into(), region).iter().map(|problem| problem.path.to_string()).collect()
        };
        let here = Some("europe-west4");
        for name in ["acme-weights_1", "acme.example.com"] {
            assert_eq!(paths(json!({ "name": name }), here), [""; 0], "{name}");
        }
        for name in ["ab", "Acme", "-acme", "acme-", "10.0.0.1", "goog-acme", "my-google"] {
            assert_eq!(paths(json!({ "name": name }), here), ["name"], "{name}");
        }
        assert_eq!(paths(json!({}), None), ["location"]);
        assert_eq!(paths(json!({ "location": "EU" }), None), [""; 0]);
        let with = |options: serde_json::Value| json!({ "options": { "gcp": options } });
        assert_eq!(paths(with(json!({ "retention_days": 30, "soft_delete_days": 0 })), here), [""; 0]);
        assert_eq!(paths(with(json!({ "retention_days": 0 })), here), ["options.gcp.retention_days"]);
        assert_eq!(paths(with(json!({ "soft_delete_days": "7d" })), here), ["options.gcp.soft_delete_days"]);
        assert_eq!(paths(with(json!({ "lock": true })), here), ["options.gcp.lock"]);
    }
}
