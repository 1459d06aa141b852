//! What people and machines are shown. What people read goes through [`put`] and [`note`]: colour only where a terminal takes it, and
//! nothing that it would obey. What programs read goes through [`put_exactly`]. A reader that went away is no error.

pub(crate) mod adopt;
pub(crate) mod diagnostic;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod markdown;
pub(crate) mod plan;
pub(crate) mod progress;
#[cfg(test)]
mod replay;
pub(crate) mod safe;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod terraform;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use owo_colors::OwoColorize;
use serde::Serialize;
use serde_json::{Value as Json, json as json_of};
use trueup_engine::apply::{Done, Report};
use trueup_engine::diagnostic::{Diagnostic, Diagnostics, Sources};
use trueup_state::{Timestamp, Value};

use crate::arguments::DEFAULT_BLUEPRINT;
use crate::arguments::Format;
use crate::exit::{Exit, Failure};

/// How this run of the program answers, said once at its start.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Says how this run answers; without it as text.
pub(crate) fn answer_in(format: Format) {
    // Once said, it stays so.
    let _ = FORMAT.set(format);
}

fn format() -> Format {
    FORMAT.get().copied().unwrap_or_default()
}

/// Whether a part of the answer could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes to the standard output what people read.
pub(crate) fn put(text: &str) {
    written(anstream::stdout().write_all(safe::styled(text).as_bytes()));
}

/// Writes to the standard output what a program reads: every byte of it, and nothing else.
pub(crate) fn put_exactly(text: &str) {
    written(io::stdout().write_all(text.as_bytes()));
}

/// Writes a value by itself: exactly, but to a terminal without what that would obey.
pub(crate) fn put_value(text: &str) {
    if io::stdout().is_terminal() { put(&safe::lines(text)) } else { put_exactly(text) }
}

/// Writes a line to the standard error stream: what is no part of the answer.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", safe::styled(text));
}

/// Writes JSON for people's eyes too.
pub(crate) fn json(value: &impl Serialize) {
    put_json(value, true);
}

/// Writes JSON on one line, one of several.
pub(crate) fn json_line(value: &impl Serialize) {
    put_json(value, false);
}

fn put_json(value: &impl Serialize, wide: bool) {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let result = safe::write_json(&mut out, value, wide).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    if result.is_err() {
        // What could not be written is not tried again.
        drop(out.into_parts());
    }
    written(result);
}

fn written(result: io::Result<()>) {
    if result.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// How the program ends once everything is written: an answer that was lost on its way, such as to a full disk, is no answer.
pub(crate) fn finish(exit: Exit) -> Exit {
    written(io::stdout().flush());
    if !LOST.load(Ordering::Relaxed) {
        return exit;
    }
    note(&format!("{} the answer could not be written as a whole", "error:".red().bold()));
    if exit == Exit::Done || exit == Exit::Changes { Exit::Error } else { exit }
}

/// A moment, in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |time| format!("{time:.0}"))
}

/// `1 resource`, `2 resources`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Rows of cells, one a line, each column as wide as its widest cell.
#[cfg(feature = "sim")]
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    use unicode_width::UnicodeWidthStr;
    let safe: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(safe::line).collect()).collect();
    let width =
        |column: usize| safe.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    safe.iter().map(line).collect()
}

/// Why a command failed, as a part of an answer.
pub(crate) fn failure_json(failure: &Failure) -> Json {
    let diagnostics = failure.diagnostics.iter().flat_map(|diagnostics| {
        diagnostics.list.iter().map(|one| diagnostic::json::diagnostic(&diagnostics.sources, one))
    });
    json_of!({ "message": failure.message, "help": failure.help, "diagnostics": diagnostics.collect::<Vec<_>>() })
}

/// Says why a command failed, and how the program ends.
pub(crate) fn failure(failure: &Failure) -> Exit {
    match (&failure.diagnostics, format()) {
        (Some(diagnostics), format) => diagnostic::show(diagnostics, format, failure.done),
        (None, Format::Json) => {
            json_line(&json_of!({ "error": { "message": failure.message, "help": failure.help } }));
        }
        (None, Format::Github) => put(&diagnostic::github::plain(&failure.message, failure.help.as_deref())),
        (None, Format::Text | Format::Dot | Format::Svg) => {
            note(&format!("{} {}", "error:".red().bold(), safe::lines(&failure.message)));
            if let Some(help) = &failure.help {
                note(&format!("  {} {}", "help:".cyan(), safe::lines(help)));
            }
        }
    }
    failure.exit
}

/// Says what may not be as meant. In JSON an answer is one value, so there they are left to who asks for them.
pub(crate) fn warnings(sources: &Sources, warnings: &[Diagnostic], json: bool) {
    if !warnings.is_empty() && !json {
        diagnostic::show(&Diagnostics { sources: sources.clone(), list: warnings.to_vec() }, format(), false);
    }
}

/// What to do with a blueprint that was just written; what keeps it from being used, if anything does.
pub(crate) fn next_steps(path: &Path, missing: Option<&str>) -> String {
    let name = safe::line(path.display());
    let at = if path == Path::new(DEFAULT_BLUEPRINT) { String::new() } else { format!(" {name}") };
    let mut text = format!("{} is written.\n", name.bold());
    if let Some(missing) = missing {
        text.push_str(&format!("{} {missing}\n", "note:".yellow()));
    }
    text.push_str(&format!("\n{}\n", "Next".bold()));
    for (command, what) in [
        (format!("trueup validate{at}"), "checks it"),
        (format!("trueup plan{at}"), "shows what would be made; it touches nothing"),
        (format!("trueup apply{at}"), "makes it"),
        ("trueup explain".to_owned(), "tells what else may stand in it"),
        ("trueup schema > blueprint.schema.json".to_owned(), "writes the JSON Schema of blueprints, for editors"),
    ] {
        text.push_str(&format!("  {command}\n      {what}\n"));
    }
    text
}

/// The outputs, one a line.
pub(crate) fn outputs(outputs: &BTreeMap<String, Value>) -> String {
    if outputs.is_empty() {
        return "There are no outputs.\n".to_owned();
    }
    let width = outputs.keys().map(String::len).max().unwrap_or(0);
    let mut text = format!("{}\n", "Outputs".bold());
    for (name, value) in outputs {
        let value = match value {
            // Words stand as they are, to be copied; what is not fit for a line is told as JSON.
            Value::String(words) if !words.contains(safe::is_obeyed) => words.clone(),
            other => value::whole(other),
        };
        text.push_str(&format!("  {name:width$}  {value}\n"));
    }
    text
}

/// How an apply went: done, failed, and not attempted because of what.
pub(crate) fn report(report: &Report, json: bool) {
    if json {
        json_line(&json_of!({ "report": report }));
    } else {
        put(&report_text(report));
    }
}

/// A message of several lines, such as a program's last words, as part of a list.
fn indented(message: &str) -> String {
    safe::lines(message.trim_end()).replace('\n', "\n      ")
}

fn report_text(report: &Report) -> String {
    let mut text = String::from("\n");
    for failure in &report.failed {
        text.push_str(&format!(
            "{} {} {}: {}{}\n",
            "failed:".red().bold(),
            failure.verb.as_str(),
            safe::line(&failure.address).bold(),
            indented(&failure.message),
            plan::place(failure.source.as_ref())
        ));
        if let Some(help) = &failure.help {
            text.push_str(&format!("  {} {}\n", "help:".cyan(), indented(help)));
        }
    }
    for skipped in &report.skipped {
        let because: Vec<String> = skipped.because.iter().map(safe::line).collect();
        let why = if because.is_empty() { String::new() } else { format!(", because of {}", because.join(", ")) };
        let address = safe::line(&skipped.address);
        text.push_str(&format!("{} {} {address}{why}\n", "not attempted:".yellow(), skipped.verb.as_str()));
    }
    for Done { address, verb } in &report.unfinished {
        let address = safe::line(address);
        text.push_str(&format!("{} {} {address}, which the next run resumes\n", "under way:".yellow(), verb.as_str()));
    }
    if let Some(reason) = &report.stopped {
        text.push_str(&format!("{} {}\n", "stopped:".red().bold(), indented(reason)));
    }
    let interrupted = if report.interrupted { " It was interrupted." } else { "" };
    let done = count(report.done.len(), "operation");
    if report.is_complete() {
        text.push_str(&format!("{} {done}.\n", "Done:".green().bold()));
    } else {
        text.push_str(&format!(
            "{done} done, {} failed, {} not attempted, {} under way.{interrupted}\n",
            report.failed.len(),
            report.skipped.len(),
            report.unfinished.len()
        ));
    }
    text
}
