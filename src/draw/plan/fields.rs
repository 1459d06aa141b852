//! The fields of a change, one a line.

use std::collections::BTreeSet;

use owo_colors::OwoColorize;
use trueup_engine::blueprint::Program;
use trueup_engine::plan::{Action, Change, FieldChange, Order};
use trueup_state::{FieldPath, Value};

use super::reference::{self, Index};
use super::{lists, place, said};
use crate::draw::{safe, value};

/// A line of a change.
pub(super) struct Row {
    /// The field.
    name: String,
    /// What is to be said of it, with its line in the blueprint.
    words: String,
    /// Lines of its own.
    more: Vec<String>,
}

impl Row {
    /// What becomes of one field, by itself. `whole`: nothing of it is left out.
    pub(super) fn of_field(field: &FieldChange, whole: bool) -> Self {
        let (before, after) = (field.before.as_ref(), field.after.as_ref());
        let (words, more) = words(&field.path, before, after, whole);
        Self { name: safe::line(&field.path), words: format!("{words}{}", place(field.source.as_ref())), more }
    }

    /// The same with more to be said of it.
    pub(super) fn and(mut self, words: &str) -> Self {
        self.words = format!("{}, {words}", self.words);
        self
    }

    /// A name and what is to be said of it.
    pub(super) fn of(name: &str, words: String) -> Self {
        Self { name: name.to_owned(), words, more: Vec::new() }
    }
}

/// What becomes of a value, and lines for what is too long for one.
fn words(path: &FieldPath, before: Option<&Value>, after: Option<&Value>, whole: bool) -> (String, Vec<String>) {
    if whole {
        return (both(before, after), Vec::new());
    }
    let list = before.zip(after).and_then(|(before, after)| lists::change(path, before, after));
    list.unwrap_or_else(|| (value::change(before, after), Vec::new()))
}

/// A value as it is and as it is to be, nothing of either left out.
fn both(before: Option<&Value>, after: Option<&Value>) -> String {
    let side = |side: Option<&Value>| side.map_or_else(|| value::NONE.to_owned(), value::whole);
    format!("{} → {}", side(before), side(after))
}

/// Lines under a resource, what they are about in a column.
pub(super) fn rows_of(rows: Vec<Row>) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Row { name, words, more } in rows {
        text.push_str(&format!("      {name:width$}  {words}\n"));
        more.iter().for_each(|line| text.push_str(&format!("          {line}\n")));
    }
    text
}

/// What is said of a new resource; all of it, where the blueprint is not at hand.
pub(super) fn said(change: &Change, program: Option<&Program>, changes: &Index<'_>) -> Vec<Row> {
    let fields = program.and_then(|program| said::fields(change, program));
    let fields = fields.unwrap_or_else(|| said::every(&change.after));
    fields.into_iter().map(|(path, value)| Row::of(&safe::line(path), one(value, false, changes))).collect()
}

/// The fields that change. Those inside a whole resource are one.
pub(super) fn changed(change: &Change, changes: &Index<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut told = BTreeSet::new();
    for field in &change.fields {
        let Some(whole) = reference::around(change, &field.path) else {
            let mut row = Row::of_field(&FieldChange { source: None, ..field.clone() }, false);
            row.words.push_str(&remark(change, field));
            rows.push(row);
            continue;
        };
        if told.insert(whole.clone()) {
            let inside = change.fields.iter().filter(|other| whole.covers(&other.path));
            let replaces = inside.clone().find(|other| other.replaces).unwrap_or(field);
            let words = reference::change(change.before.at(&whole), change.after.at(&whole), changes);
            rows.push(Row::of(&safe::line(whole), format!("{words}{}", remark(change, replaces))));
        }
    }
    rows
}

/// What else is to be said of a field that changes: that it needs a new object, and its line.
fn remark(change: &Change, field: &FieldChange) -> String {
    let order = match change.action {
        Action::Replace(Order::CreateFirst) if field.replaces => "replaces it; new one first",
        Action::Replace(Order::DestroyFirst) if field.replaces => "replaces it; old one goes first",
        _ => "",
    };
    let order = if order.is_empty() { String::new() } else { format!("   {}", order.magenta()) };
    format!("{order}{}", place(field.source.as_ref()))
}

/// Every field of a spec and every attribute, whole; those that change as before and after.
pub(super) fn every(change: &Change, program: Option<&Program>, changes: &Index<'_>) -> Vec<Row> {
    let (before, after) = (&change.before, &change.after);
    let mut paths: Vec<FieldPath> = Vec::new();
    let mut known = BTreeSet::new();
    for (path, _) in said::every(after).into_iter().chain(said::every(before)) {
        if known.insert(path.clone()) {
            paths.push(path);
        }
    }
    let mut rows: Vec<Row> = paths.iter().map(|path| field_row(change, path, program, changes)).collect();
    let is_field = |path: &FieldPath| known.iter().any(|field| field.covers(path) || path.covers(field));
    let (before, after) = (&change.attributes_before, &change.attributes_after);
    let mut told = BTreeSet::new();
    for (path, _) in said::every(after).into_iter().chain(said::every(before)) {
        if told.insert(path.clone()) && !is_field(&path) {
            let words = sides(change.action, before.at(&path), after.at(&path), changes);
            rows.push(Row::of(&safe::line(&path), words));
        }
    }
    rows
}

fn field_row(change: &Change, path: &FieldPath, program: Option<&Program>, changes: &Index<'_>) -> Row {
    let inside = change.fields.iter().filter(|field| path.covers(&field.path) || field.path.covers(path));
    let field = inside.clone().find(|field| field.replaces).or_else(|| inside.clone().next());
    let (before, after) = (change.before.at(path), change.after.at(path));
    let words = match (field, before.zip(after)) {
        // That it is no change is not known.
        (None, Some((before, after))) if before != after && before.has_locked() => value::CANNOT_COMPARE.to_owned(),
        _ => sides(change.action, before, after, changes),
    };
    let said = || {
        let program = program?;
        let place = program.resources.get(&change.address)?.place(&program.sources, path);
        // A default is said nowhere: its place is that of the whole.
        place.filter(|place| change.source.as_ref() != Some(place))
    };
    let remark = field.map_or_else(|| place(said().as_ref()), |field| remark(change, field));
    Row::of(&safe::line(path), format!("{words}{remark}"))
}

/// A value as it is and as it is to be; once where that is the same, or where there is only one.
fn sides(action: Action, before: Option<&Value>, after: Option<&Value>, changes: &Index<'_>) -> String {
    let alone = matches!(action, Action::Create | Action::Delete | Action::Forget | Action::Adopt);
    match (before, after) {
        (Some(before), Some(after)) if before == after => one(after, true, changes),
        (None, Some(value)) | (Some(value), None) if alone => one(value, true, changes),
        (before, after) if [before, after].into_iter().flatten().any(reference::is_one) => {
            reference::change(before, after, changes)
        }
        (before, after) => both(before, after),
    }
}

fn one(value: &Value, whole: bool, changes: &Index<'_>) -> String {
    match value {
        value if reference::is_one(value) => reference::name(value, changes),
        value if whole => value::whole(value),
        value => value::short(value),
    }
}
