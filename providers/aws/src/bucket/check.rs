//! What S3 can't take of a bucket's spec, told from that alone.

use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::provider::unknown_options;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::{OPTIONS, lifecycle};
use crate::tags;

/// What AWS alone has for a bucket.
const KNOWN_OPTIONS: [&str; 3] = ["object_lock", "ownership", "policy"];
/// Whose files may be.
const OWNERSHIPS: [&str; 3] = ["bucket_owner_enforced", "bucket_owner_preferred", "object_writer"];

/// All of it.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let mut problems = unknown_options("aws", Bucket::NAME, &KNOWN_OPTIONS, spec);
    problems.extend(name_problem(spec));
    problems.extend(lifecycle::problems(spec));
    problems.extend(tags::problems(spec));
    problems.extend(option_problems(spec));
    if spec.get("location").is_some_and(|location| !matches!(location.revealed(), Value::Null)) {
        let message = "a bucket of S3 is in its provider's region: say `region` there";
        problems.push(Problem::new(FieldPath::parse("location"), message));
    }
    problems
}

/// What S3 refuses in the name of a bucket.
fn name_problem(spec: &Value) -> Option<Problem> {
    let name = spec.get("name")?.revealed().as_str()?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let why = match name {
        _ if !(3..=63).contains(&name.len()) => "has 3 to 63 characters",
        _ if !name.chars().all(allowed) => "has lower-case letters, digits, `-` and `.` alone",
        _ if !ends(name.chars().next()) || !ends(name.chars().last()) => "begins and ends with a letter or a digit",
        _ if name.contains("..") || name.parse::<std::net::Ipv4Addr>().is_ok() => "is no IP address, and has no `..`",
        _ if ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix)) => {
            "does not begin with `xn--`, `sthree-` or `amzn-s3-demo-`"
        }
        _ if ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix)) => {
            "does not end with what S3 keeps for itself"
        }
        _ => return None,
    };
    Some(Problem::new(FieldPath::parse("name"), format!("the name of a bucket of S3 {why}")))
}

/// What S3 can't take of AWS's own options.
fn option_problems(spec: &Value) -> Vec<Problem> {
    let Some(options) = spec.at(&OPTIONS) else { return Vec::new() };
    let said = |name: &str| {
        options.get(name).map(Value::revealed).filter(|value| !matches!(value, Value::Unknown | Value::Null))
    };
    let mut problems = Vec::new();
    let mut say = |name: &str, message: &str| problems.push(Problem::new(OPTIONS.field(name), message));
    if let Some(lock) = said("object_lock") {
        match lock {
            Value::Bool(true) if spec.get("versioning").map(Value::revealed) == Some(&false.into()) => {
                say("object_lock", "an object lock needs `versioning: true`");
            }
            Value::Bool(_) => {}
            _ => say("object_lock", "it is `true` or `false`"),
        }
    }
    if said("ownership").is_some_and(|value| value.as_str().is_none_or(|text| !OWNERSHIPS.contains(&text))) {
        say("ownership", "it is `bucket_owner_enforced`, `bucket_owner_preferred` or `object_writer`");
    }
    if said("policy").is_some_and(|policy| policy.as_map().is_none()) {
        say("policy", "it is a map, as AWS's policies are: `{ Version: \"2012-10-17\", Statement: [..] }`");
    }
    problems
}
