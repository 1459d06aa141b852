//! What stands around the changes of a plan: whose it is, what waits, what is to be known, and how much there is to do.

use owo_colors::OwoColorize;
use trueup_engine::plan::{Mode, Notice, Plan, Summary};

use super::{Shown, names, place};
use crate::arguments::View;
use crate::draw::{count, safe, value};

pub(super) fn heading(shown: &Shown<'_>) -> String {
    let name = safe::line(&shown.plan.stack);
    let location = safe::line(shown.location);
    let state = match shown.plan.lineage {
        Some(_) => format!("state: {location}, serial {}", shown.serial),
        None => format!("state: {location}, none yet"),
    };
    let gap = 72_usize.saturating_sub(name.chars().count() + state.chars().count()).max(3);
    format!("{}{}{}\n\n", name.bold(), " ".repeat(gap), state.dimmed())
}

/// What an earlier run left, which is settled first.
pub(super) fn resumes(plan: &Plan) -> String {
    let mut text = String::new();
    for resume in &plan.resumes {
        let what = match &resume.parked {
            Some(message) => safe::line(message),
            None => format!("{} was begun by an earlier run, and is settled first", resume.verb.as_str()),
        };
        text.push_str(&format!("  {} {}: {what}\n", "↻".yellow(), safe::line(&resume.address).bold()));
    }
    text
}

/// What is left to a further phase.
pub(super) fn deferred(plan: &Plan) -> String {
    if plan.deferred.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", "Planned once this is done:".bold());
    for left in &plan.deferred {
        let waits: Vec<String> = left.waits_for.iter().map(safe::line).collect();
        text.push_str(&format!(
            "  {} {}  {}; it waits for {}{}\n",
            "…".cyan(),
            safe::line(&left.address).bold(),
            safe::line(&left.reason),
            waits.join(", "),
            place(left.source.as_ref())
        ));
    }
    text
}

/// The outputs that change. As a line, only their names.
pub(super) fn outputs(plan: &Plan, view: View) -> String {
    if plan.outputs.is_empty() || plan.mode == Mode::Destroy {
        return String::new();
    }
    if view == View::Brief {
        let names = names(plan.outputs.keys().map(safe::line), 8);
        return format!("{}  {names}\n", "Outputs".bold());
    }
    let width = plan.outputs.keys().map(String::len).max().unwrap_or(0);
    let mut text = format!("{}\n", "Outputs".bold());
    for (name, change) in &plan.outputs {
        let words = match (&change.before, &change.after) {
            (None, Some(after)) if view == View::Full => value::whole(after),
            (None, after) => value::optional(after.as_ref()),
            (before, after) if view == View::Full => {
                let side = |side: &Option<_>| side.as_ref().map_or_else(|| value::NONE.to_owned(), value::whole);
                format!("{} → {}", side(before), side(after))
            }
            (before, after) => value::change(before.as_ref(), after.as_ref()),
        };
        text.push_str(&format!("  {name:width$}  {words}\n"));
    }
    text
}

pub(super) fn notices(notices: &[Notice]) -> String {
    let mut text = String::new();
    for notice in notices {
        let about = notice.address.as_ref().map(|address| format!("{}: ", safe::line(address))).unwrap_or_default();
        let mark = if notice.stops { "left as it is:".red().to_string() } else { "note:".cyan().to_string() };
        text.push_str(&format!("{mark} {about}{}\n", safe::line(&notice.message)));
    }
    text
}

pub(super) fn refusals(plan: &Plan) -> String {
    let mut text = String::new();
    for refusal in &plan.refusals {
        text.push_str(&format!(
            "\n{} {}{}\n  {} {}\n",
            "refused:".red().bold(),
            safe::line(&refusal.message),
            place(refusal.source.as_ref()),
            "help:".cyan(),
            safe::line(&refusal.help)
        ));
    }
    text
}

pub(super) fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        let what = if plan.part.is_partial() { "Nothing to do of what was chosen" } else { "Nothing to do" };
        let known = if plan.uncompared.is_empty() { "" } else { ", as far as it can be compared" };
        return format!("{what}{known}.\n");
    }
    let Summary { create, update, replace, destroy, record } = plan.summary();
    let mut text = format!("{create} to create, {update} to change, {replace} to replace, {destroy} to destroy");
    if create + update + replace + destroy == 0 {
        let (set, gone): (Vec<_>, Vec<_>) = plan.outputs.values().partition(|change| change.after.is_some());
        for (outputs, to_do) in [(set, "set"), (gone, "remove")].iter().filter(|(outputs, _)| !outputs.is_empty()) {
            text.push_str(&format!(", {} to {to_do}", count(outputs.len(), "output")));
        }
    }
    if record > 0 {
        text.push_str(&format!(", {record} in the state only"));
    }
    if !plan.deferred.is_empty() {
        text.push_str(&format!(", {} to plan after that", plan.deferred.len()));
    }
    text.push_str(".\n");
    text
}
