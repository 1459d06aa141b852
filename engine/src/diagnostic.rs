//! What is wrong with a blueprint, with its place. Floor 4 draws it.

use serde::{Deserialize, Serialize};

pub use crate::sources::{FileId, Source, Sources, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is done.
    Error,
    /// Something may not be as meant.
    Warning,
}

/// A stretch of text and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where: the first label is the place itself, others are what it is about.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The module or instance it is in, where the text alone does not tell.
    pub context: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: clean(message.into()),
            labels: Vec::new(),
            help: None,
            context: None,
        }
    }

    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// The same with a place, and what is to be said of it.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: clean(text.into()) });
        self
    }

    /// The same with what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(clean(help.into()));
        self
    }

    /// The same with the module or instance it is in.
    #[must_use]
    pub fn within(mut self, context: impl Into<String>) -> Self {
        self.context.get_or_insert(context.into());
        self
    }
}

/// A text that repeats what a file says, fit to be shown: control characters are spelled out, and what is very long is cut.
fn clean(text: String) -> String {
    const LONGEST: usize = 1000;
    let text = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    if !text.contains(char::is_control) {
        return text;
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// Everything that is wrong, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
#[error("{}", self.summary())]
pub struct Diagnostics {
    /// The text that they point into.
    pub sources: Sources,
    /// What is wrong.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        any_error(&self.list)
    }

    fn summary(&self) -> String {
        match &self.list[..] {
            [] => "nothing is wrong".to_owned(),
            [one] => one.message.clone(),
            [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
        }
    }
}

/// Whether any of several is an error.
pub fn any_error(list: &[Diagnostic]) -> bool {
    list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The known name that a text is closest to, if it is close: a third of its letters may differ, and of two one.
///
/// Of very many names only the first are looked at: with thousands of errors, to look at all for each would take minutes.
pub fn closest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const MOST: usize = 1000;
    let distance = |name: &str| strsim::damerau_levenshtein(text, name);
    let length = text.chars().count();
    let (allowed, letters) = (if length < 3 { length.saturating_sub(1) } else { length / 3 }, letters(text));
    // Most names are far off, which is cheaper seen by their letters: there may be thousands of names, and of texts.
    let near = |name: &&str| {
        let other = name.chars().count();
        length.abs_diff(other) <= allowed && (letters ^ self::letters(name)).count_ones() as usize <= 2 * allowed
    };
    known
        .into_iter()
        .take(MOST)
        .filter(near)
        .map(|name| (distance(name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name.to_owned())
}

/// Which letters a text has, a bit for each.
fn letters(text: &str) -> u64 {
    text.chars().fold(0, |letters, letter| letters | 1 << (u32::from(letter) & 63))
}

/// A name with its article: `a bucket`, `an artifact`.
pub fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) { "an" } else { "a" };
    format!("{article} {name}")
}
