//! A plan in the shape of Terraform's plan representation, so that what reads those reads ours.
//!
//! <https://developer.hashicorp.com/terraform/internals/json-format>. What is only known after apply is left out of `after` and of
//! `values`, and named in `after_unknown`; a secret is null, and named in `*_sensitive`. Addresses are Trueup's own: the format has
//! them opaque. What the format has no place for stands beside it under names that it does not use.

mod change;
mod selection;
mod value;
mod values;

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map as JsonMap, Value as Json, json};
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Deferred, OutputChange, Plan};
use trueup_state::FieldPath;

use super::plan::takes::Takes;
use super::plan::why::Whys;
use change::Reasons;
use value::{known, unknown};

/// The version of Terraform's format that this follows.
const FORMAT_VERSION: &str = "1.2";

/// The whole plan, which is written as it is made: of a hundred thousand resources one at a time.
pub(crate) struct Document<'a> {
    plan: &'a Plan,
    reasons: Reasons<'a>,
}

/// The whole plan. `program`: the blueprint, where it is at hand.
pub(crate) fn plan<'a>(plan: &'a Plan, program: Option<&'a Program>) -> Document<'a> {
    let whys = Whys::new(plan, program);
    Document { plan, reasons: Reasons { takes: Takes::new(plan, &whys), whys } }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { plan, reasons } = self;
        let changes = Each(|| {
            let changes = plan.changes.iter().map(|change| change::resource(change, reasons));
            changes.chain(change::deposed(plan)).chain(plan.existing.iter().map(change::existing))
        });
        let variables = plan.variables.iter().map(|(name, value)| (name.clone(), json!({ "value": known(value) })));
        let outputs = plan.outputs.iter().map(|(name, change)| (name.clone(), output(change)));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format_version", FORMAT_VERSION)?;
        map.serialize_entry("stack", &plan.stack.to_string())?;
        map.serialize_entry("serial", &plan.serial)?;
        map.serialize_entry("timestamp", &super::time(plan.at))?;
        map.serialize_entry("applyable", &(!plan.is_empty() && plan.refusals.is_empty()))?;
        map.serialize_entry("complete", &is_complete(plan))?;
        map.serialize_entry("errored", &false)?;
        map.serialize_entry("variables", &variables.collect::<JsonMap<_, _>>())?;
        map.serialize_entry("planned_values", &values::planned(plan))?;
        map.serialize_entry("resource_drift", &change::drift(plan))?;
        map.serialize_entry("resource_changes", &changes)?;
        map.serialize_entry("deferred_changes", &plan.deferred.iter().map(deferred).collect::<Vec<_>>())?;
        map.serialize_entry("output_changes", &outputs.collect::<JsonMap<_, _>>())?;
        map.serialize_entry("prior_state", &values::prior(plan))?;
        map.serialize_entry("refreshed", &plan.refreshed)?;
        map.serialize_entry("selection", &selection::of(plan))?;
        map.serialize_entry("cannot_compare", &cannot_compare(plan))?;
        map.serialize_entry("resumes", &plan.resumes)?;
        map.serialize_entry("refusals", &plan.refusals)?;
        map.serialize_entry("notices", &plan.notices)?;
        map.end()
    }
}

/// Whether the plan leaves nothing out that there is to do.
fn is_complete(plan: &Plan) -> bool {
    plan.notices.iter().all(|notice| !notice.stops) && plan.deferred.is_empty() && !plan.part.is_partial()
}

/// A list of which each entry is made as it is written.
pub(super) struct Each<F>(pub(super) F);

impl<T: Serialize, I: Iterator<Item = T>, F: Fn() -> I> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
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

/// `{fields: {ADDRESS: [PATH]}, outputs: [NAME]}`: what is sealed for a key that is not here.
fn cannot_compare(plan: &Plan) -> Json {
    let paths = |fields: &BTreeSet<FieldPath>| fields.iter().map(ToString::to_string).collect::<Vec<_>>();
    let fields = plan.uncompared.fields.iter().map(|(address, fields)| (address.to_string(), json!(paths(fields))));
    json!({ "fields": fields.collect::<JsonMap<_, _>>(), "outputs": plan.uncompared.outputs })
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
