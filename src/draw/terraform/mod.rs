//! A plan in the shape of Terraform's plan representation, so that what reads those reads ours.
//!
//! <https://developer.hashicorp.com/terraform/internals/json-format>. What is only known after apply is left out of `after` and of
//! `values`, and named in `after_unknown`; a secret is null, and named in `*_sensitive`. Addresses are Trueup's own: the format has
//! them opaque. What the format has no place for stands beside it under names that it does not use.

mod change;
mod value;
mod values;

use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Deferred, OutputChange, Plan};

use super::plan::takes::Takes;
use super::plan::why::Whys;
use change::Reasons;
use value::{known, unknown};

/// The version of Terraform's format that this follows.
const FORMAT_VERSION: &str = "1.2";

/// The whole plan. `program`: the blueprint, where it is at hand.
pub(crate) fn plan(plan: &Plan, program: Option<&Program>) -> Json {
    let whys = Whys::new(plan, program);
    let reasons = Reasons { takes: Takes::new(plan, &whys), whys };
    let changes = plan.changes.iter().map(|change| change::resource(change, &reasons));
    let changes = changes.chain(change::deposed(plan)).chain(plan.existing.iter().map(change::existing));
    let variables: JsonMap<_, _> =
        plan.variables.iter().map(|(name, value)| (name.clone(), json!({ "value": known(value) }))).collect();
    let outputs: JsonMap<_, _> = plan.outputs.iter().map(|(name, change)| (name.clone(), output(change))).collect();
    json!({
        "format_version": FORMAT_VERSION,
        "stack": plan.stack.to_string(),
        "serial": plan.serial,
        "timestamp": super::time(plan.at),
        "applyable": !plan.is_empty() && plan.refusals.is_empty(),
        "complete": plan.notices.iter().all(|notice| !notice.stops) && plan.deferred.is_empty(),
        "errored": false,
        "variables": variables,
        "planned_values": values::planned(plan),
        "resource_drift": change::drift(plan),
        "resource_changes": changes.collect::<Vec<_>>(),
        "deferred_changes": plan.deferred.iter().map(deferred).collect::<Vec<_>>(),
        "output_changes": outputs,
        "prior_state": values::prior(plan),
        "resumes": plan.resumes,
        "refusals": plan.refusals,
        "notices": plan.notices,
    })
}

fn output(change: &OutputChange) -> Json {
    let (before, after) = (change.before.clone().unwrap_or_default(), change.after.clone().unwrap_or_default());
    let actions = match (&change.before, &change.after) {
        (None, _) => json!(["create"]),
        (_, None) => json!(["delete"]),
        _ => json!(["update"]),
    };
    json!({
        "actions": actions,
        "before": known(&before),
        "after": known(&after),
        "after_unknown": unknown(&after),
        "before_sensitive": before.has_secret(),
        "after_sensitive": after.has_secret(),
    })
}

/// What is left to a further phase: how many of it there are, only this one can tell.
fn deferred(left: &Deferred) -> Json {
    json!({
        "reason": "instance_count_unknown",
        "resource_change": {
            "address": left.address,
            "mode": "managed",
            "name": left.address.name(),
            "change": { "actions": ["create"], "before": null, "after_unknown": true },
        },
        "address": left.address,
        "message": left.reason,
        "waits_for": left.waits_for,
        "source": left.source,
    })
}
