//! What of a machine changes in place, and what needs another one.

use trueup_engine::schema::{Effect, Schema};
use trueup_machines::{Change, has_no_keys};
use trueup_state::Value;

use super::catalog::{COMPUTE, is_arm, takes_hyperdisks_alone};
use super::disk::number;
use super::resize::{can_become, is_on_demand};

/// What a change from one spec to another comes to.
pub(super) fn effect(schema: &Schema, before: &Value, after: &Value) -> Effect {
    trueup_machines::effect(schema, (before, after), |names| change(names, before, after))
}

fn change(names: &[&str], before: &Value, after: &Value) -> Change {
    match *names {
        ["gpu" | "machine_type", ..] => of_type(before, after),
        ["identity"] if is_on_demand(before) && is_on_demand(after) => Change::InPlace,
        ["disk", "size_gb"] => match (size(before), size(after)) {
            (Some(before), Some(after)) if after < before => Change::Anew,
            _ => Change::InPlace,
        },
        // What the rules of its network let in is said by the tags that it bears.
        ["ssh", "ingress"] | ["network", "ports"] | ["tags", ..] | ["options", "gcp", "network_tags", ..] => {
            Change::InPlace
        }
        ["max_price_per_hour"] | ["options", "gcp", "checks_bucket"] => Change::Nothing,
        ["ssh", "user"] if has_no_keys(before) && has_no_keys(after) => Change::Nothing,
        ["options", other, ..] if other != "gcp" => Change::Nothing,
        _ => Change::Anew,
    }
}

/// A type changes on a machine that is stopped meanwhile, with the same GPUs, and the same disks and processors that it can have.
fn of_type(before: &Value, after: &Value) -> Change {
    let (Some(was), Some(will)) = (COMPUTE.machine_type(before), COMPUTE.machine_type(after)) else {
        return Change::Anew;
    };
    let alike = |is: fn(&str) -> bool| is(was) == is(will);
    if trueup_machines::gpus(before) != trueup_machines::gpus(after) {
        Change::Anew
    } else if was == will {
        Change::Nothing
    } else if can_become(was, will)
        && alike(takes_hyperdisks_alone)
        && alike(is_arm)
        && is_on_demand(before)
        && is_on_demand(after)
    {
        Change::InPlace
    } else {
        Change::Anew
    }
}

/// The size of a spec's disk, in GB.
pub(super) fn size(spec: &Value) -> Option<u32> {
    number(spec, "size_gb")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use trueup_engine::kinds::{GpuInstance, Kind};

    use trueup_state::FieldPath;

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "what is asked reads best where it stands")]
    fn of(before: Json, after: Json) -> Effect {
        let spec = |more: &Json| {
            let mut all = json!({ "gpu": { "model": "L4", "count": 1 } });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut spec = Value::from(all);
            GpuInstance::schema().complete(&mut spec);
            spec
        };
        effect(GpuInstance::schema(), &spec(&before), &spec(&after))
    }

    fn replaces(path: &str) -> Effect {
        Effect::Replace([FieldPath::parse(path)].into())
    }

    #[test]
    fn labels_tags_and_who_may_connect_change_in_place() {
        let gcp = |options: Json| json!({ "options": { "gcp": options } });
        assert_eq!(of(json!({}), json!({ "tags": { "b": "c" } })), Effect::InPlace);
        assert_eq!(of(json!({}), json!({ "ssh": { "ingress": ["10.0.0.0/8"] } })), Effect::InPlace);
        assert_eq!(of(gcp(json!({ "network_tags": ["a"] })), gcp(json!({ "network_tags": ["b"] }))), Effect::InPlace);
        assert_eq!(of(json!({}), json!({ "max_price_per_hour": 3 })), Effect::None);
        assert_eq!(of(json!({}), json!({ "machine_type": "g2-standard-4" })), Effect::None);
    }

    #[test]
    fn a_disk_grows_and_all_else_needs_another_machine() {
        let disk = |size: u32, kind: &str| json!({ "disk": { "size_gb": size, "type": kind } });
        assert_eq!(of(disk(100, "balanced"), disk(200, "balanced")), Effect::InPlace);
        assert_eq!(of(disk(200, "balanced"), disk(100, "balanced")), replaces("disk.size_gb"));
        assert_eq!(of(disk(100, "balanced"), disk(100, "fast")), replaces("disk.type"));
        assert_eq!(of(json!({}), json!({ "machine_type": "g2-standard-8" })), Effect::InPlace);
        assert_eq!(of(json!({}), json!({ "identity": "a" })), Effect::InPlace);
        let spot = |more: Json| {
            let mut spec = json!({ "market": "spot" });
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        assert_eq!(of(spot(json!({})), spot(json!({ "machine_type": "g2-standard-8" }))), replaces("machine_type"));
        assert_eq!(of(spot(json!({})), spot(json!({ "identity": "a" }))), replaces("identity"));
        assert_eq!(of(json!({}), json!({ "env": { "A": "b" } })), replaces("env.A"));
        assert_eq!(of(json!({}), json!({ "name": "a" })), replaces("name"));
    }
}
