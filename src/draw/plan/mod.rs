//! A plan as people read it, in three views: one line a resource, what a reader should know, and every field.
//!
//! [`why`] follows reasons from change to change, down to a line of the blueprint; [`takes`] says what goes or changes because something
//! else goes. Both are told to machines too.

mod around;
mod change;
mod drift;
mod fields;
mod lists;
mod part;
mod reads;
mod reference;
mod said;
pub(crate) mod takes;
#[cfg(test)]
mod tests;
mod uncompared;
pub(crate) mod why;

use owo_colors::OwoColorize;
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Action, Plan};
use trueup_state::{Address, FieldPath, KindName, Place, Serial};

pub(crate) use drift::{because, drift, found_fate, no_drift};

use super::safe;
use crate::arguments::View;
use change::Drawing;

/// What is shown of a plan, and what is known around it.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// The blueprint that it was made from, where it is at hand: it knows what was said in it, and what reads what.
    pub(crate) program: Option<&'a Program>,
    /// Where the state is, or the plan.
    pub(crate) location: &'a str,
    /// The serial of the state that it was made at.
    pub(crate) serial: Serial,
    /// How much of it is shown.
    pub(crate) view: View,
}

/// The whole plan.
pub(crate) fn text(shown: &Shown<'_>) -> String {
    let plan = shown.plan;
    let mut text = around::heading(shown);
    text.push_str(&part::before(plan, shown.view));
    text.push_str(&around::resumes(plan));
    text.push_str(&drift::found(plan, shown.view, drift::planned_fate));
    let drawing = Drawing::new(shown);
    for change in plan.changes.iter().filter(|change| change.action != Action::None) {
        text.push_str(&drawing.change(change));
    }
    text.push_str(&drawing.deposed());
    text.push_str(&drawing.existing());
    let uncompared = uncompared::text(&plan.uncompared, shown.view);
    for part in [around::deferred(plan), around::outputs(plan, shown.view), uncompared, around::notices(&plan.notices)]
    {
        if !part.is_empty() {
            blank_line(&mut text);
            text.push_str(&part);
        }
    }
    text.push_str(&around::refusals(plan));
    blank_line(&mut text);
    text.push_str(&around::summary(plan));
    text.push_str(&part::after(plan, shown.view));
    text
}

/// What is found to be adopted, and what the plan would change of it then.
pub(crate) fn adoption(shown: &Shown<'_>, found: &str) -> String {
    let plan = shown.plan;
    let mut text = around::heading(shown) + found;
    if plan.changes.is_empty() {
        return text;
    }
    text.push('\n');
    if !plan.changes_nothing() {
        let drawing = Drawing::new(shown);
        text.push_str("An apply would then change:\n\n");
        for change in plan.changes.iter().filter(|change| change.action != Action::None) {
            text.push_str(&drawing.change(change));
        }
        blank_line(&mut text);
    }
    text.push_str(&around::notices(&plan.notices));
    text.push_str(&around::refusals(plan));
    if plan.changes_nothing() {
        text.push_str("It is what the blueprint says: an apply would change nothing of it.\n");
    } else {
        text.push_str(&around::summary(plan));
    }
    text
}

/// Ends a paragraph, so that the next one begins after exactly one empty line.
fn blank_line(text: &mut String) {
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
}

/// Where something is said, after what is said of it.
pub(crate) fn place(place: Option<&Place>) -> String {
    place.map(|place| format!("   {}", safe::line(place).dimmed())).unwrap_or_default()
}

/// How wide the columns of a list are.
struct Widths {
    address: usize,
    kind: usize,
}

impl Widths {
    fn of<'a>(lines: impl Iterator<Item = (&'a Address, &'a KindName)>) -> Self {
        lines.fold(Self { address: 0, kind: 0 }, |widths, (address, kind)| Self {
            address: widths.address.max(safe::line(address).chars().count()),
            kind: widths.kind.max(kind.as_str().chars().count()),
        })
    }

    /// An address and its kind, each as wide as its column.
    fn columns(&self, address: &Address, kind: &KindName) -> String {
        let (text, width) = (safe::line(address), self.kind);
        let gap = " ".repeat(self.address.saturating_sub(text.chars().count()));
        format!("{}{gap}  {:width$}", text.bold(), safe::line(kind))
    }
}

/// Some names in a row: the first of them, and how many more there are.
fn names(names: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let count = names.len();
    let mut shown: Vec<String> = names.take(if count > most + 1 { most } else { count }).collect();
    if shown.len() < count {
        let more = format!("{} more", count - shown.len());
        return format!("{} and {more}", shown.join(", "));
    }
    match shown.pop() {
        Some(last) if !shown.is_empty() => format!("{} and {last}", shown.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// Some fields in a row.
fn field_names<'a>(paths: impl ExactSizeIterator<Item = &'a FieldPath>) -> String {
    names(paths.map(safe::line), 3)
}
