//! What EC2 can't take of a machine's spec, told from that alone.

use trueup_engine::kinds::{GpuInstance, Kind};
use trueup_engine::provider::unknown_options;
use trueup_engine::schema::Problem;
use trueup_machines::told;
use trueup_state::{FieldPath, Value};

use super::catalog::EC2;
use super::launch::MOST_TOLD;
use super::{NAME, OPTIONS, disk, image};
use crate::tags;

/// What AWS alone has for a machine.
const KNOWN_OPTIONS: [&str; 8] =
    ["checks_bucket", "hop_limit", "key_name", "placement_group", "root_device", "security_groups", "vpc", "zone"];
/// Those of them that are text.
const TEXTS: [&str; 6] = ["checks_bucket", "key_name", "placement_group", "root_device", "vpc", "zone"];

/// All of it.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let mut problems = unknown_options("aws", GpuInstance::NAME, &KNOWN_OPTIONS, spec);
    problems.extend(EC2.problems(spec));
    problems.extend(image::problems(spec));
    problems.extend(disk::problems(spec));
    problems.extend(told::problems(spec, MOST_TOLD));
    problems.extend(option_problems(spec));
    problems.extend(tags::problems(spec));
    if spec.get("tags").and_then(|tags| tags.get(NAME)).is_some() {
        let message = "a machine's name is its tag `Name`: say it as `name`";
        problems.push(Problem::new(FieldPath::parse("tags").field(NAME), message));
    }
    problems
}

/// What EC2 can't take of AWS's own options.
fn option_problems(spec: &Value) -> Vec<Problem> {
    let said = |name: &str| {
        let value = spec.at(&OPTIONS.field(name)).map(Value::revealed);
        value.filter(|value| !matches!(value, Value::Unknown | Value::Null))
    };
    let mut problems = Vec::new();
    let mut say = |name: &str, message: &str| problems.push(Problem::new(OPTIONS.field(name), message));
    for name in TEXTS {
        if said(name).is_some_and(|value| value.as_str().is_none_or(str::is_empty)) {
            say(name, "it is a text");
        }
    }
    let is_group = |group: &Value| match group.revealed() {
        Value::Unknown => true,
        group => group.as_str().is_some_and(|id| id.starts_with("sg-")),
    };
    let is_groups = |groups: &Value| match groups.as_list() {
        Some(list) => !list.is_empty() && list.iter().all(is_group),
        // The one that is made beside it.
        None => is_group(groups),
    };
    if said("security_groups").is_some_and(|groups| !is_groups(groups)) {
        say("security_groups", "it is a list of ids of security groups: `[sg-0123456789abcdef0]`");
    }
    let is_hops = |hops: &Value| match hops {
        Value::Number(number) => number.as_u64().is_some_and(|hops| (1..=64).contains(&hops)),
        _ => false,
    };
    if said("hop_limit").is_some_and(|hops| !is_hops(hops)) {
        say("hop_limit", "it is a number from 1 to 64: containers are reached by 2");
    }
    problems
}
