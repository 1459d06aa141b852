//! What is wrong with a blueprint, with its place. Floor 4 draws it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use trueup_state::{Place, Value};

/// A file that was read, by its position in [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A stretch of a file's text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The text of a file. Where the values of secret variables stand in it, it is kept and shown masked.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Source {
    /// Where it was read from, relative to the working directory where it is below it.
    pub path: Arc<Path>,
    /// What it holds.
    pub text: Arc<str>,
    #[serde(skip)]
    lines: Lines,
    #[serde(skip)]
    hidden: Hidden,
}

/// The stretches that nobody is shown, in their order.
#[derive(Clone, Default)]
struct Hidden(Arc<[Range<usize>]>);

/// Where the lines of a text begin, looked for when it is first asked: each resource's line is.
#[derive(Clone, Debug, Default)]
struct Lines(OnceLock<Arc<[usize]>>);

impl PartialEq for Lines {
    /// It says nothing that the text does not.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Lines {}

impl PartialEq for Hidden {
    /// As of lines.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Hidden {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).field("text", &self.masked()).finish_non_exhaustive()
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut source = serializer.serialize_struct("Source", 2)?;
        source.serialize_field("path", &self.path)?;
        source.serialize_field("text", &self.masked())?;
        source.end()
    }
}

impl Source {
    /// A file's text.
    pub fn new(path: impl AsRef<Path>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.as_ref().into(), text: text.into(), lines: Lines::default(), hidden: Hidden::default() }
    }

    /// The text as it may be shown: as long as it is, line by line, with an `x` for each byte of what is hidden.
    pub fn masked(&self) -> Cow<'_, str> {
        if self.hidden.0.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut masked = String::with_capacity(self.text.len());
        for stretch in self.hidden.0.iter() {
            let (from, hidden) = (masked.len(), self.text.get(stretch.clone()));
            let Some((before, hidden)) = self.text.get(from..stretch.start).zip(hidden) else { continue };
            masked.push_str(before);
            // What a line begins with says how deep it stands.
            let mut begins = false;
            for byte in hidden.bytes() {
                begins = matches!(byte, b'\n' | b'\r') || (begins && byte == b' ');
                masked.push(if begins { char::from(byte) } else { 'x' });
            }
        }
        masked.push_str(self.text.get(masked.len()..).unwrap_or_default());
        Cow::Owned(masked)
    }

    /// The line of a byte, from 1; none where no character begins there.
    pub fn line(&self, at: usize) -> Option<usize> {
        let begins = || self.text.match_indices('\n').map(|(newline, _)| newline + 1).collect();
        let lines = self.lines.0.get_or_init(begins);
        self.text.is_char_boundary(at).then(|| lines.partition_point(|begins| *begins <= at) + 1)
    }
}

impl Source {
    /// The same file with its whole text, where this is what was shown of it: what was masked is hidden again.
    pub(crate) fn unmasked(&self, whole: &str) -> Self {
        let mut hidden: Vec<Range<usize>> = Vec::new();
        if whole.len() == self.text.len() {
            let pairs = whole.bytes().zip(self.text.bytes()).enumerate();
            for at in pairs.filter(|(_, (whole, shown))| whole != shown).map(|(at, _)| at) {
                match hidden.last_mut() {
                    Some(last) if last.end == at => last.end += 1,
                    _ => hidden.push(at..at + 1),
                }
            }
        } else {
            hidden.push(0..whole.len());
        }
        Self { hidden: Hidden(hidden.into()), ..Self::new(&self.path, whole) }
    }
}

/// The files that a blueprint is made of, the blueprint itself first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sources(pub Vec<Source>);

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, path: impl AsRef<Path>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(Source::new(path, text));
        id
    }

    /// The same file under another path, so that what reads these later finds it under both.
    pub fn also(&mut self, path: &Path, file: FileId) {
        let same = self.get(file).cloned();
        if let Some(same) = same.filter(|_| self.0.iter().all(|source| *source.path != *path)) {
            self.0.push(Source { path: path.into(), ..same });
        }
    }

    /// Hides stretches of a file's text, which are in their order.
    pub(crate) fn hide(&mut self, file: FileId, stretches: Vec<Range<usize>>) {
        if let Some(source) = self.0.get_mut(file.0 as usize) {
            source.hidden = Hidden(stretches.into());
        }
    }

    /// The whole text of each file that hides something, as a secret.
    pub(crate) fn secret_texts(&self) -> BTreeMap<usize, Value> {
        let hiding = self.0.iter().enumerate().filter(|(_, source)| !source.hidden.0.is_empty());
        hiding.map(|(file, source)| (file, Value::secret(source.text.as_ref().into()))).collect()
    }

    /// A file.
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.0.get(file.0 as usize)
    }

    /// The text of a stretch.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).and_then(|source| source.text.get(span.start..span.end)).unwrap_or_default()
    }

    /// The line on which a stretch begins.
    pub fn place(&self, span: Span) -> Option<Place> {
        let source = self.get(span.file)?;
        Some(Place { file: source.path.clone(), line: source.line(span.start)? })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "token: hunter2äx2\nlines: |\n  one\n  two\nopen: seen\n";
    const MASKED: &str = "token: xxxxxxxxxxx\nlines: x\n  xxx\n  xxx\nopen: seen\n";

    #[test]
    fn what_is_hidden_is_masked_line_by_line_and_known_again() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", TEXT);
        sources.hide(file, vec![7..18, 26..39]);
        let source = sources.get(file).unwrap();
        assert_eq!(source.masked(), MASKED);
        assert!(!format!("{source:?}").contains("hunter2"));
        let saved: Source = serde_json::from_str(&serde_json::to_string(source).unwrap()).unwrap();
        assert_eq!(&*saved.text, MASKED);
        let again = saved.unmasked(TEXT);
        assert_eq!((&*again.text, again.masked().as_ref()), (TEXT, MASKED));
        let other = saved.unmasked("token: hunter2");
        assert_eq!(other.masked(), "xxxxxxxxxxxxxx", "of another text all is hidden");
    }
}
