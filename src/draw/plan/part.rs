//! That a plan is of a part of the stack, or of what was seen last: said before it and after it.

use owo_colors::OwoColorize;
use trueup_engine::plan::Plan;
use trueup_engine::plan::select::{Because, Selector};
use trueup_state::Address;

use super::names;
use crate::arguments::View;
use crate::draw::{count, safe};

/// The most resources of a list that are told, where not everything is.
const MOST: usize = 8;

/// What the plan is of, what comes along, and that nobody was asked.
pub(super) fn before(plan: &Plan, view: View) -> String {
    let mut text = String::new();
    if !plan.refreshed {
        text.push_str("Planned from what was seen last: what is there now was not asked for.\n");
    }
    if plan.asked.is_limited() {
        text.push_str(&format!("{} {}\n", "Only a part:".bold(), wanted(plan)));
    }
    let beside = plan.part.beside.iter().map(|along| (&along.address, &along.because));
    let left = plan.part.left_out.iter().filter_map(|left| Some((&left.address, left.because.as_ref()?)));
    text.push_str(&list("beside what was chosen", &beside.collect::<Vec<_>>(), view));
    text.push_str(&list("left out too", &left.collect::<Vec<_>>(), view));
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// `trainer, kind:bucket, without eval`.
fn wanted(plan: &Plan) -> String {
    let list = |selectors: &[Selector]| names(selectors.iter().map(safe::line), MOST);
    let (targets, excludes) = (&plan.asked.targets, &plan.asked.excludes);
    match (targets.is_empty(), excludes.is_empty()) {
        (true, _) => format!("all without {}", list(excludes)),
        (false, true) => list(targets),
        (false, false) => format!("{}, without {}", list(targets), list(excludes)),
    }
}

fn list(what: &str, along: &[(&Address, &Because)], view: View) -> String {
    let most = if view == View::Full { along.len() } else { MOST };
    let line = |(address, because): &(&Address, &Because)| {
        format!("  {what}: {}, because {}\n", safe::line(address).bold(), safe::line(because))
    };
    let mut text: String = along.iter().take(most).map(line).collect();
    if along.len() > most {
        text.push_str(&format!("  {what}: {} more\n", along.len() - most));
    }
    text
}

/// What is left, once all is told.
pub(super) fn after(plan: &Plan, view: View) -> String {
    let left = &plan.part.left_out;
    if left.is_empty() {
        return String::new();
    }
    let most = if view == View::Full { left.len() } else { MOST };
    let names = names(left.iter().map(|left| safe::line(&left.address)), most);
    let differs = if left.len() == 1 { "that differs is left as it is" } else { "that differ are left as they are" };
    format!("This plan is partial: {} {differs}: {names}.\n", count(left.len(), "resource"))
}
