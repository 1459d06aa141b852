//! What differs outside, as text.

use owo_colors::OwoColorize;
use trueup_engine::plan::{Drift, FieldChange, Plan};

use super::fields::{Row, rows_of};
use super::{Shown, Widths, around, blank_line, field_names, place, uncompared};
use crate::arguments::View;
use crate::draw::count;

/// Only what differs outside.
pub(crate) fn drift(shown: &Shown<'_>) -> String {
    let plan = shown.plan;
    let mut text = around::heading(shown);
    text.push_str(&found(plan, shown.view, found_fate));
    text.push_str(&uncompared::text(&plan.uncompared, shown.view));
    text.push_str(&around::notices(&plan.notices));
    blank_line(&mut text);
    if plan.drift.is_empty() {
        text.push_str(no_drift(plan));
    } else {
        let what = count(plan.drift.len(), "resource");
        text.push_str(&format!("{what} drifted. `trueup drift --correct` brings back what it may.\n"));
    }
    text
}

/// What is said where nothing drifted, as far as that can be told.
pub(crate) fn no_drift(plan: &Plan) -> &'static str {
    if plan.uncompared.is_empty() {
        "No drift: everything is as it was last seen.\n"
    } else {
        "No drift in what can be compared: that is as it was last seen.\n"
    }
}

/// What becomes of a drifted resource as the plan is carried out.
pub(super) fn planned_fate(drift: &Drift) -> &'static str {
    match (drift.gone, drift.corrected) {
        (true, true) => "is gone; it is made again",
        (true, false) => "is gone",
        (false, true) => "is brought back",
        (false, false) => "is left as it is",
    }
}

/// What happened to a drifted resource, and whether `--correct` leaves it alone: looking brings nothing back.
pub(crate) fn found_fate(drift: &Drift) -> &'static str {
    match (drift.gone, drift.corrected) {
        (true, true) => "is gone",
        (true, false) => "is gone, and is not made again",
        (false, true) => "was changed",
        (false, false) => "was changed, and is left as it is",
    }
}

/// Why a resource is gone, where its provider says that it came to an end.
pub(crate) fn because(drift: &Drift) -> String {
    drift.ended.as_ref().map(|why| format!(" (it {why})")).unwrap_or_default()
}

pub(super) fn found(plan: &Plan, view: View, fate: fn(&Drift) -> &'static str) -> String {
    if plan.drift.is_empty() {
        return String::new();
    }
    let widths = Widths::of(plan.drift.iter().map(|drift| (&drift.address, &drift.kind)));
    let mut text = format!("{}\n", "Changed outside Trueup since the last apply:".bold());
    for one in &plan.drift {
        let columns = widths.columns(&one.address, &one.kind);
        let fields = if view == View::Brief && !one.fields.is_empty() {
            format!(": {}", field_names(one.fields.iter().map(|field| &field.path)))
        } else {
            String::new()
        };
        let mark = "!".yellow();
        let (fate, because, place) = (fate(one), because(one), place(one.source.as_ref()));
        text.push_str(&format!("  {} {columns}  {fate}{because}{fields}{place}\n", mark.bold()));
        if view != View::Brief {
            let row = |field: &FieldChange| {
                let row = Row::of_field(field, view == View::Full);
                if one.kept.contains(&field.path) { row.and("stays as it is now") } else { row }
            };
            let rows = one.fields.iter().map(row).collect();
            text.push_str(&rows_of(rows));
        }
    }
    text.push('\n');
    text
}
