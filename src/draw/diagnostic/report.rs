//! A diagnostic as people read it: drawn by `miette`, a picture a file.

use std::fmt::{self, Display, Write};

use miette::{Diagnostic as Miette, GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity as Level};
use trueup_engine::diagnostic::{Diagnostic, FileId, Label, Severity, Sources};

use super::excerpt::Excerpt;
use super::{labels, message};
use crate::draw::{safe, value};

/// How wide text is set, and the longest that a message may be: what is quoted in it may be anything.
const WIDTH: usize = 110;
const LONGEST: usize = 600;

/// One diagnostic with the lines that it points to, those of its own file first.
pub(super) fn draw(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let mut files: Vec<FileId> = Vec::new();
    let (places, left) = labels(diagnostic);
    for label in places {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    let of = |file: &FileId| {
        let labels = places.iter().filter(|label| label.span.file == *file).collect::<Vec<_>>();
        Excerpt::new(sources, &labels).map(|excerpt| Picture { labels: spans(&labels, &excerpt), excerpt })
    };
    let help = match (diagnostic.help.as_deref().map(shown), left) {
        (Some(help), Some(left)) => Some(format!("{left}; {help}")),
        (help, left) => help.or(left),
    };
    let mut pictures: Vec<Picture> = files.iter().filter_map(of).collect();
    let rest = if pictures.is_empty() { Vec::new() } else { pictures.split_off(1) };
    let report = Report {
        message: shown(&message(diagnostic)),
        // Help ends what is said: with more pictures it stands under the last.
        help: help.clone().filter(|_| rest.is_empty()),
        level: match diagnostic.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        },
        picture: pictures.pop(),
    };
    let mut text = rendered(&report);
    let last = rest.len();
    for (at, picture) in rest.into_iter().enumerate() {
        let help = help.clone().filter(|_| at + 1 == last);
        let more = Report { message: String::new(), help, level: report.level, picture: Some(picture) };
        text.push_str(&without_header(&rendered(&more)));
    }
    text
}

/// Words as a terminal may have them.
fn shown(text: &str) -> String {
    value::cut(&safe::lines(text), LONGEST)
}

fn spans(labels: &[&Label], excerpt: &Excerpt) -> Vec<LabeledSpan> {
    let span = |label: &&Label| {
        let text = Some(shown(&label.text)).filter(|text| !text.is_empty());
        let place = excerpt.place(label.span);
        LabeledSpan::new(text, place.start, place.len())
    };
    labels.iter().map(span).collect()
}

fn rendered(report: &Report) -> String {
    let colours = anstream::stderr().current_choice() != anstream::ColorChoice::Never;
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
    let mut text = String::new();
    // Writing to a string fails only if the report does; its words are better than nothing.
    if handler.render_report(&mut text, report).is_err() {
        text.clone_from(&report.message);
    }
    text
}

/// A further picture of the same diagnostic begins with its frame, not with a sign and a message.
fn without_header(text: &str) -> String {
    let mut rest = String::new();
    for line in text.lines().skip_while(|line| !line.contains('╭')) {
        let _ = writeln!(rest, "{line}");
    }
    rest
}

/// What is shown of one file.
#[derive(Debug)]
struct Picture {
    excerpt: Excerpt,
    labels: Vec<LabeledSpan>,
}

/// A diagnostic, or a part of it, as `miette` draws it.
#[derive(Debug)]
struct Report {
    message: String,
    help: Option<String>,
    level: Level,
    picture: Option<Picture>,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Miette for Report {
    fn severity(&self) -> Option<Level> {
        Some(self.level)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.picture.as_ref().map(|picture| &picture.excerpt as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.picture.iter().flat_map(|picture| picture.labels.iter().cloned())))
    }
}
