//! What a plan was asked to be of, and what that makes of it.

use serde_json::{Value as Json, json};
use trueup_engine::plan::Plan;
use trueup_engine::plan::select::Because;

/// `{targets, excludes, replaces, beside: [{address, because, other, message}], left_out: [the same], outputs}`: `because`, `other` and
/// `message` are null where something was left out by itself.
pub(super) fn of(plan: &Plan) -> Json {
    let (asked, part) = (&plan.asked, &plan.part);
    let beside = part.beside.iter().map(|along| {
        json!({
            "address": along.address,
            "because": word(&along.because),
            "other": along.because.other(),
            "message": along.because.to_string(),
        })
    });
    let left_out = part.left_out.iter().map(|left| {
        json!({
            "address": left.address,
            "because": left.because.as_ref().map(word),
            "other": left.because.as_ref().map(Because::other),
            "message": left.because.as_ref().map(ToString::to_string),
        })
    });
    json!({
        "targets": asked.targets,
        "excludes": asked.excludes,
        "replaces": asked.replaces,
        "beside": beside.collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "outputs": part.outputs,
    })
}

fn word(because: &Because) -> &'static str {
    match because {
        Because::NeededBy { .. } => "needed_by",
        Because::Needs { .. } => "needs",
        Because::Outlives { .. } => "outlives",
        Because::StillUsed { .. } => "still_used",
    }
}
