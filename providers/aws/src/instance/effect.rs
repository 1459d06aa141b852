//! What of a machine changes in place, and what needs another one.

use std::collections::BTreeSet;

use trueup_engine::schema::{Effect, Schema};
use trueup_machines::{Change, has_no_keys};
use trueup_state::{FieldPath, Value};

use super::OPTIONS;
use super::catalog::{Architecture, EC2};

/// What a change from one spec to another comes to.
pub(super) fn effect(schema: &Schema, before: &Value, after: &Value) -> Effect {
    trueup_machines::effect(schema, (before, after), |names| change(names, before, after))
}

fn change(names: &[&str], before: &Value, after: &Value) -> Change {
    match *names {
        ["gpu" | "machine_type", ..] => of_type(before, after),
        ["image", ..] if is_same_image(before, after) => Change::Nothing,
        ["disk", "size_gb"] => of_size(before, after),
        ["max_price_per_hour"] if !is(before, "market", "spot") => Change::Nothing,
        // What the security group is, and what a machine is launched with and keeps.
        ["ssh", "ingress"] | ["network", "ports"] | ["options", "aws", "root_device" | "checks_bucket"] => {
            Change::Nothing
        }
        ["ssh", "user"] if has_no_keys(before) && has_no_keys(after) => Change::Nothing,
        ["options", other, ..] if other != "aws" => Change::Nothing,
        // The same of one that is not known yet.
        ["options", "aws", "key_name"] if !has_no_keys(before) && !has_no_keys(after) => Change::Nothing,
        // What a machine is told at its start it is told once.
        ["options", "aws", "placement_group" | "key_name" | "vpc" | "zone"]
        | ["image" | "market" | "max_price_per_hour" | "user_data" | "env" | "ssh" | "stop_after" | "network", ..] => {
            Change::Anew
        }
        _ => Change::InPlace,
    }
}

/// What was sent, with what is wanted of it where that makes no difference to a machine: other words behind the same keys, and another key
/// pair, where who may log in is told to the machine in both: the pair is only what EC2 shows.
pub(super) fn respelled(wanted: &Value, sent: &Value) -> Value {
    let (keys, at) = (FieldPath::parse("ssh.public_keys"), OPTIONS.field("key_name"));
    let mut sent = sent.clone();
    if let (Some(said), Some(known)) = (keys_of(wanted), keys_of(&sent))
        && said == known
        && let Some(wanted) = wanted.at(&keys)
    {
        sent.put(&keys, wanted.clone());
    }
    if let (Some(pair), Some(_)) = (wanted.at(&at), sent.at(&at))
        && !has_no_keys(wanted)
        && !has_no_keys(&sent)
    {
        sent.put(&at, pair.clone());
    }
    sent
}

/// The keys that may log in, without what is said of whose they are; none where they are not known.
fn keys_of(spec: &Value) -> Option<BTreeSet<String>> {
    let keys = spec.at(&FieldPath::parse("ssh.public_keys"))?.revealed().as_list()?;
    let key =
        |key: &Value| key.revealed().as_str().map(|key| key.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    keys.iter().map(key).collect()
}

fn is(spec: &Value, field: &str, text: &str) -> bool {
    spec.get(field).is_some_and(|value| value.revealed().as_str() == Some(text))
}

/// A type changes on a machine that is stopped meanwhile, where both have the same processors and it starts again where it will: what is
/// bought in another way is not given back.
fn of_type(before: &Value, after: &Value) -> Change {
    match (EC2.machine_type(before), EC2.machine_type(after)) {
        (Some(before), Some(after)) if before == after => Change::Nothing,
        (Some(was), Some(will)) => {
            let is_on_demand = is(before, "market", "on_demand") && is(after, "market", "on_demand");
            if is_on_demand && Architecture::of(was) == Architecture::of(will) { Change::InPlace } else { Change::Anew }
        }
        _ => Change::Anew,
    }
}

/// A disk grows, and never shrinks.
fn of_size(before: &Value, after: &Value) -> Change {
    let size = |spec: &Value| match spec.at(&FieldPath::parse("disk.size_gb"))?.revealed() {
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    match (size(before), size(after)) {
        (Some(before), Some(after)) if after < before => Change::Anew,
        _ => Change::InPlace,
    }
}

/// Whether an image is named by the id of the one that was chosen.
fn is_same_image(before: &Value, after: &Value) -> bool {
    let id =
        |spec: &Value| spec.at(&FieldPath::parse("image.id")).and_then(|id| id.revealed().as_str().map(str::to_owned));
    id(after).is_some_and(|after| id(before) == Some(after))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use trueup_engine::kinds::{GpuInstance, Kind};

    use super::*;

    fn spec(more: &Json) -> Value {
        let mut all = json!({ "gpu": { "model": "A10G", "count": 1 } });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut spec = Value::from(all);
        GpuInstance::schema().complete(&mut spec);
        spec
    }

    #[allow(clippy::needless_pass_by_value, reason = "what is asked reads best where it stands")]
    fn of(before: Json, after: Json) -> Effect {
        effect(GpuInstance::schema(), &spec(&before), &spec(&after))
    }

    fn replaces(path: &str) -> Effect {
        Effect::Replace([FieldPath::parse(path)].into())
    }

    #[test]
    fn a_type_changes_in_place_where_aws_allows_it() {
        let four = || json!({ "gpu": { "model": "A10G", "count": 4 } });
        assert_eq!(of(json!({}), four()), Effect::InPlace);
        assert_eq!(of(json!({}), json!({ "machine_type": "g5.2xlarge" })), Effect::InPlace);
        assert_eq!(of(json!({}), json!({ "machine_type": "g5.xlarge" })), Effect::None);
        assert_eq!(of(json!({}), json!({ "gpu": "none", "machine_type": "m7i.large" })), Effect::InPlace);
        // Another processor needs another image.
        assert_eq!(of(json!({}), json!({ "gpu": { "model": "T4G", "count": 1 } })), replaces("gpu.model"));
        let bought = |market: Json, count: u32| json!({ "market": market, "gpu": { "model": "A10G", "count": count } });
        for market in [json!("spot"), json!({ "reservation": "cr-1" }), json!({ "capacity_block": "cb-1" })] {
            assert_eq!(of(bought(market.clone(), 1), bought(market, 4)), replaces("gpu.count"));
        }
    }

    #[test]
    fn a_disk_grows_and_never_shrinks() {
        let disk = |size: u32, kind: &str| json!({ "disk": { "size_gb": size, "type": kind } });
        assert_eq!(of(disk(100, "balanced"), disk(200, "fast")), Effect::InPlace);
        assert_eq!(of(disk(200, "fast"), disk(100, "fast")), replaces("disk.size_gb"));
    }

    #[test]
    fn what_a_machine_is_told_at_its_start_needs_another_one() {
        assert_eq!(of(json!({}), json!({ "env": { "A": "b" } })), replaces("env.A"));
        assert_eq!(of(json!({}), json!({ "stop_after": "8h" })), replaces("stop_after"));
        assert_eq!(of(json!({}), json!({ "ssh": { "public_keys": ["ssh-ed25519 A"] } })), replaces("ssh.public_keys"));
        assert_eq!(of(json!({}), json!({ "ssh": { "user": "ada" } })), Effect::None);
        assert_eq!(of(json!({}), json!({ "ssh": { "ingress": ["10.0.0.0/8"] } })), Effect::None);
        assert_eq!(of(json!({}), json!({ "max_price_per_hour": 9 })), Effect::None);
        assert_eq!(
            of(json!({ "market": "spot" }), json!({ "market": "spot", "max_price_per_hour": 9 })),
            replaces("max_price_per_hour")
        );
        assert_eq!(
            of(json!({ "image": { "family": "a" } }), json!({ "image": { "family": "b" } })),
            replaces("image.family")
        );
    }

    #[test]
    fn labels_groups_and_who_it_acts_as_change_in_place() {
        let aws = |options: Json| json!({ "options": { "aws": options } });
        assert_eq!(of(json!({}), json!({ "name": "a", "tags": { "b": "c" }, "identity": "d" })), Effect::InPlace);
        assert_eq!(
            of(aws(json!({ "security_groups": ["a"] })), aws(json!({ "security_groups": ["b"] }))),
            Effect::InPlace
        );
        assert_eq!(
            of(aws(json!({ "key_name": "a" })), aws(json!({ "key_name": "b" }))),
            replaces("options.aws.key_name")
        );
        let with_keys = |name: &str| json!({ "ssh": { "public_keys": ["ssh-ed25519 A"] }, "options": { "aws": { "key_name": name } } });
        assert_eq!(of(with_keys("a"), with_keys("b")), Effect::None, "its keys are the same");
        let unknown = {
            let mut spec = spec(&json!({}));
            spec.put(&FieldPath::parse("machine_type"), Value::Unknown);
            spec
        };
        let told = effect(GpuInstance::schema(), &spec(&json!({})), &unknown);
        assert_eq!(told, replaces("machine_type"), "what is not known may be anything");
    }
}
