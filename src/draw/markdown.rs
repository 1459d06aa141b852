//! Drift as a report in Markdown, for a pull request or an issue.
//!
//! Whatever names and values say, they say it between backticks: there it is neither markup, nor HTML, nor somebody's name to be called.

use std::path::PathBuf;

use trueup_engine::plan::{Drift, Notice, Plan, Uncompared};

use super::plan::{because, found_fate, no_drift};
use super::{count, safe, value};
use crate::exit::Failure;

/// The most resources of a stack, and fields of a resource, that are listed: a comment has an end.
const MOST: usize = 100;
const MOST_FIELDS: usize = 6;

/// One stack that was looked at.
pub(crate) struct Looked<'a> {
    /// Which.
    pub(crate) stack: String,
    /// Its blueprint, from the directory that keeps its state.
    pub(crate) file: PathBuf,
    /// Its environment, where it is not the default one.
    pub(crate) environment: Option<String>,
    /// That directory, where it is another than this one.
    pub(crate) home: Option<PathBuf>,
    /// What was found, or why nothing could be.
    pub(crate) found: Result<&'a Plan, &'a Failure>,
}

/// The report of one stack.
pub(crate) fn one(looked: &Looked<'_>) -> String {
    format!("## Drift of {}\n\n{}", code(&looked.stack), section(looked))
}

/// The report of several.
pub(crate) fn all(looked: &[Looked<'_>]) -> String {
    let mut text = format!("## Drift\n\n{}", summary(looked));
    for one in looked {
        text.push_str(&format!("\n### {}\n\n{}", code(&one.stack), section(one)));
    }
    text
}

/// How many of several drifted.
pub(crate) fn summary(looked: &[Looked<'_>]) -> String {
    let drifted = looked.iter().filter(|one| one.found.is_ok_and(|plan| !plan.drift.is_empty())).count();
    let failed = looked.iter().filter(|one| one.found.is_err()).count();
    let failed = if failed == 0 { String::new() } else { format!(", {failed} could not be looked at") };
    format!("{}: {drifted} drifted{failed}.\n", count(looked.len(), "stack"))
}

fn section(looked: &Looked<'_>) -> String {
    let plan = match looked.found {
        Ok(plan) => plan,
        Err(failure) => return format!("It could not be looked at: {}\n", failed(failure)),
    };
    if plan.drift.is_empty() {
        return format!("{}{}{}", no_drift(plan), not_compared(&plan.uncompared), notes(&plan.notices));
    }
    let mut text = format!(
        "**{} drifted.** {} {}.\n\n\
         | resource | kind | what is different | declared at | with `--correct` |\n\
         | --- | --- | --- | --- | --- |\n",
        count(plan.drift.len(), "resource"),
        command(looked),
        would(plan),
    );
    plan.drift.iter().take(MOST).for_each(|drift| text.push_str(&row(drift)));
    if plan.drift.len() > MOST {
        text.push_str(&format!("\nAnd {} more: `trueup drift` shows them.\n", plan.drift.len() - MOST));
    }
    text + &not_compared(&plan.uncompared) + &notes(&plan.notices)
}

/// What is sealed for a key that is not here, a line for each resource.
fn not_compared(uncompared: &Uncompared) -> String {
    let mut text = String::new();
    for (address, fields) in uncompared.fields.iter().take(MOST) {
        let fields: Vec<String> = fields.iter().map(|path| code(&path.to_string())).collect();
        let words = value::CANNOT_COMPARE;
        text.push_str(&format!("- {}: {words} {}\n", code(&address.to_string()), fields.join(", ")));
    }
    if uncompared.fields.len() > MOST {
        let more = uncompared.fields.len() - MOST;
        text.push_str(&format!("\nAnd {more} more: `trueup drift` shows them.\n"));
    }
    if text.is_empty() { text } else { format!("\nSealed for a key that is not here:\n\n{text}") }
}

/// What corrects it, and where.
fn command(looked: &Looked<'_>) -> String {
    let environment = looked.environment.as_ref().map(|name| format!(" --env {name}")).unwrap_or_default();
    let command = code(&format!("trueup drift {}{environment} --correct", looked.file.display()));
    match &looked.home {
        Some(home) => format!("{command} in {}", code(&home.display().to_string())),
        None => command,
    }
}

/// What a correction would do, in numbers.
fn would(plan: &Plan) -> String {
    let number = |gone: bool, corrected: bool| {
        plan.drift.iter().filter(|drift| (drift.gone, drift.corrected) == (gone, corrected)).count()
    };
    let left = number(true, false) + number(false, false);
    let parts =
        [(number(false, true), "brings back", ""), (number(true, true), "makes", " again"), (left, "leaves", "")];
    let some = parts.into_iter().filter(|(number, ..)| *number > 0);
    let parts: Vec<String> = some.map(|(number, verb, after)| format!("{verb} {number}{after}")).collect();
    parts.join(", ")
}

fn row(drift: &Drift) -> String {
    let corrected = match (drift.gone, drift.corrected) {
        (true, true) => "is made again",
        (true, false) => "stays gone",
        (false, true) => "is brought back",
        (false, false) => "stays as it is now",
    };
    let place = drift.source.as_ref().map(|place| cell(&place.to_string())).unwrap_or_default();
    let cells =
        [cell(&drift.address.to_string()), cell(drift.kind.as_str()), differences(drift), place, corrected.to_owned()];
    format!("| {} |\n", cells.join(" | "))
}

fn differences(drift: &Drift) -> String {
    if drift.fields.is_empty() {
        let why = because(drift);
        let why = if why.is_empty() { why } else { format!(": {}", cell(why.trim())) };
        return format!("{}{why}", found_fate(drift));
    }
    let field = |field: &trueup_engine::plan::FieldChange| {
        let (before, after) = (value::optional(field.before.as_ref()), value::optional(field.after.as_ref()));
        format!("{}: {} → {}", cell(&field.path.to_string()), cell(&before), cell(&after))
    };
    let mut lines: Vec<String> = drift.fields.iter().take(MOST_FIELDS).map(field).collect();
    if drift.fields.len() > MOST_FIELDS {
        lines.push(format!("and {} more", drift.fields.len() - MOST_FIELDS));
    }
    lines.join("<br>")
}

fn notes(notices: &[Notice]) -> String {
    let mut text = String::new();
    for notice in notices.iter().take(MOST) {
        let about = notice.address.as_ref().map(|address| format!("{}: ", code(&address.to_string())));
        let stops = if notice.stops { "**stops** " } else { "" };
        text.push_str(&format!("- {stops}{}{}\n", about.unwrap_or_default(), words(&notice.message)));
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn failed(failure: &Failure) -> String {
    let mistakes = failure.diagnostics.as_ref().map(|diagnostics| &diagnostics.list);
    let Some(first) = mistakes.and_then(|list| list.first()) else {
        return words(&failure.message);
    };
    let more = mistakes.map_or(0, |list| list.len() - 1);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("{}{more}", words(&first.message))
}

/// Words of ours as they are; what may have markup in it between backticks.
fn words(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || " ,.;:'-/()".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { code(text) }
}

/// A text between as many backticks as it takes.
fn code(text: &str) -> String {
    let text = safe::line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // What begins or ends with a backtick, or is nothing but spaces, needs room.
    let room = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}

/// The same in a table, where a bar would end the cell.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use trueup_state::FieldPath;

    use super::*;

    #[test]
    fn what_is_quoted_is_no_markup() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a`"), "`` `a` ``");
        assert_eq!(cell("a|b\n"), "`a\\|b\\n`");
        assert_eq!(words("its edits are not applied yet"), "its edits are not applied yet");
        assert_eq!(words("ask @team <b>"), "`ask @team <b>`");
    }

    #[test]
    fn of_very_many_that_can_not_be_compared_it_says_how_many_are_left_out() {
        let field = |number: usize| (format!("a{number}").parse().unwrap(), [FieldPath::parse("token")].into());
        let listed = |count| {
            let uncompared = Uncompared { fields: (0..count).map(field).collect(), ..Uncompared::default() };
            let text = not_compared(&uncompared);
            (text.matches("token").count(), text.contains("\nAnd 7 more: "), text.contains("more"))
        };
        assert_eq!(listed(MOST), (MOST, false, false));
        assert_eq!(listed(MOST + 7), (MOST, true, true));
    }
}
