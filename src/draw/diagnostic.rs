//! What is wrong with a blueprint, with its lines.

use miette::{Diagnostic as Miette, LabeledSpan, NamedSource, Severity as Level};
use serde_json::{Value as Json, json};
use trueup_engine::diagnostic::{Diagnostic, Diagnostics, Severity, Source, Sources};

use super::{json_line, note};

/// The most diagnostics that are drawn; the rest is counted.
const MOST: usize = 50;

/// Draws what is wrong, or prints it as JSON, one a line.
pub(crate) fn show(diagnostics: &Diagnostics, as_json: bool) {
    if as_json {
        diagnostics.list.iter().for_each(|diagnostic| json_line(&to_json(&diagnostics.sources, diagnostic)));
        return;
    }
    for diagnostic in diagnostics.list.iter().take(MOST) {
        note(&draw(&diagnostics.sources, diagnostic));
    }
    let errors = diagnostics.list.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    if diagnostics.list.len() > MOST {
        note(&format!("… and {} more", diagnostics.list.len() - MOST));
    }
    if errors > 0 {
        note(&format!("{} in the blueprint; nothing was done.", super::count(errors, "error")));
    }
}

/// One diagnostic with the lines that it points to.
fn draw(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let report = Report::new(sources, diagnostic);
    let colours = anstream::stderr().current_choice() != anstream::ColorChoice::Never;
    let theme = if colours { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    // Writing to a string fails only if the report does; its words are better than nothing.
    if miette::GraphicalReportHandler::new_themed(theme).with_width(110).render_report(&mut text, &report).is_err() {
        text.clone_from(&diagnostic.message);
    }
    text
}

/// `{severity, message, help, context, labels: [{file, line, column, text}]}`; lines and columns count from 1.
fn to_json(sources: &Sources, diagnostic: &Diagnostic) -> Json {
    let labels: Vec<Json> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let source = sources.get(label.span.file)?;
            let (line, column) = position(source, label.span.start);
            Some(json!({ "file": source.path, "line": line, "column": column, "text": label.text }))
        })
        .collect();
    json!({
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "context": diagnostic.context,
        "labels": labels,
    })
}

fn position(source: &Source, offset: usize) -> (usize, usize) {
    let before = source.text.get(..offset).unwrap_or(&source.text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// A diagnostic as `miette` draws it.
#[derive(Debug)]
struct Report {
    message: String,
    help: Option<String>,
    level: Level,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
}

impl Report {
    fn new(sources: &Sources, diagnostic: &Diagnostic) -> Self {
        let file = diagnostic.labels.first().map(|label| label.span.file);
        let source = file.and_then(|file| sources.get(file));
        let in_file = diagnostic.labels.iter().filter(|label| Some(label.span.file) == file);
        let labels = in_file.map(|label| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            LabeledSpan::new(text, label.span.start, label.span.end.saturating_sub(label.span.start))
        });
        let message = match &diagnostic.context {
            Some(context) => format!("{context}: {}", diagnostic.message),
            None => diagnostic.message.clone(),
        };
        Self {
            message,
            help: diagnostic.help.clone(),
            level: match diagnostic.severity {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warning,
            },
            source: source.map(|source| NamedSource::new(source.path.display().to_string(), visible(&source.text))),
            labels: labels.collect(),
        }
    }
}

/// A file's text with nothing in it that would change what a terminal shows, each byte still in its place.
fn visible(text: &str) -> String {
    let hidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if !text.contains(hidden) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| std::iter::repeat_n(if hidden(c) { '?' } else { c }, if hidden(c) { c.len_utf8() } else { 1 }))
        .collect()
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Miette for Report {
    fn severity(&self) -> Option<Level> {
        Some(self.level)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
