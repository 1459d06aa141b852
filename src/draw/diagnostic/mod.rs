//! What is wrong with a blueprint, with its lines: drawn for people, as JSON, or as annotations of GitHub Actions.

mod excerpt;
pub(super) mod github;
pub(crate) mod json;
mod report;
#[cfg(test)]
mod tests;

use trueup_engine::diagnostic::{Diagnostic, Diagnostics, Label, Severity, Source, Span};

use super::{count, json_line, note, put};
use crate::arguments::Format;

/// The most diagnostics that people are shown; the rest is counted.
const MOST: usize = 50;

/// The most diagnostics that machines are told.
const MOST_JSON: usize = 1000;

/// The most places of one diagnostic that people are shown: a circle may have thousands of links.
const MOST_LABELS: usize = 12;

/// Says what is wrong, the first of it at length, and how much there is. `done`: whether an earlier phase was carried out.
pub(crate) fn show(diagnostics: &Diagnostics, format: Format, done: bool) {
    let Diagnostics { sources, list } = diagnostics;
    match format {
        Format::Json => {
            list.iter().take(MOST_JSON).for_each(|one| json_line(&json::diagnostic(sources, one)));
            json_line(&json::summary(list, list.len().saturating_sub(MOST_JSON)));
        }
        Format::Github => {
            list.iter().take(MOST).for_each(|one| put(&github::annotation(sources, one)));
            if let Some(rest) = rest(list) {
                put(&github::plain(&rest, None));
            }
        }
        Format::Text | Format::Dot | Format::Svg => {
            list.iter().take(MOST).for_each(|one| note(&report::draw(sources, one)));
            rest(list).into_iter().for_each(|rest| note(&format!("{rest}\n")));
            let errors = errors(list);
            if errors > 0 {
                let done = if done { "nothing more was done" } else { "nothing was done" };
                note(&format!("{} in the blueprint; {done}.", count(errors, "error")));
            }
        }
    }
}

/// What is not shown, and what to do about it.
fn rest(list: &[Diagnostic]) -> Option<String> {
    let more = list.len().checked_sub(MOST).filter(|more| *more > 0)?;
    Some(format!("… and {more} more. Mend these first: one mistake may be the cause of many."))
}

fn errors(list: &[Diagnostic]) -> usize {
    list.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

/// What is wrong, with the module or instance it is in.
fn message(diagnostic: &Diagnostic) -> String {
    match &diagnostic.context {
        Some(context) => format!("{context}: {}", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}

/// The places that are shown, and in words how many are not.
fn labels(diagnostic: &Diagnostic) -> (&[Label], Option<String>) {
    let (shown, left) = diagnostic.labels.split_at(diagnostic.labels.len().min(MOST_LABELS));
    (shown, (!left.is_empty()).then(|| format!("… and {}", count(left.len(), "more place"))))
}

/// Where a stretch begins and ends. Lines and columns count from 1, columns in characters; the end is the first column after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

fn extent(source: &Source, span: Span) -> Extent {
    let (line, column) = position(source, span.start);
    let (end_line, end_column) = position(source, span.end.max(span.start));
    Extent { line, column, end_line, end_column }
}

fn position(source: &Source, offset: usize) -> (usize, usize) {
    let end = if source.text.is_char_boundary(offset) { offset } else { source.text.len() };
    let column = source.text[..end].rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (source.line(end).unwrap_or(1), column)
}
