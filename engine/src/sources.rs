//! The files of a blueprint, and what of them may be shown.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use trueup_state::Place;

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
#[derive(Clone, Deserialize)]
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

impl PartialEq for Source {
    /// What is known of a text besides says nothing that the text does not.
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.text) == (&other.path, &other.text)
    }
}

impl Eq for Source {}

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

    /// The text as it may be shown: as long as it is, line by line, with an `x` for each byte of what is hidden; all of it, where that
    /// can't be told from the rest.
    pub fn masked(&self) -> Cow<'_, str> {
        if self.hidden.0.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        Cow::Owned(self.masked_in_part().unwrap_or_else(|| mask(&self.text)))
    }

    /// None where stretches overlap, or end within a character.
    fn masked_in_part(&self) -> Option<String> {
        let mut masked = String::with_capacity(self.text.len());
        for stretch in self.hidden.0.iter() {
            masked.push_str(self.text.get(masked.len()..stretch.start)?);
            masked.push_str(&mask(self.text.get(stretch.clone())?));
        }
        masked.push_str(self.text.get(masked.len()..)?);
        Some(masked)
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

/// An `x` for each byte, but for line ends and what a line begins with, which says how deep it stands.
fn mask(text: &str) -> String {
    let mut begins = false;
    let mask = |byte: u8| {
        begins = matches!(byte, b'\n' | b'\r') || (begins && byte == b' ');
        if begins { char::from(byte) } else { 'x' }
    };
    text.bytes().map(mask).collect()
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

    /// Leaves nothing of a file's text but how long its lines are.
    pub(crate) fn mask(&mut self, file: usize) {
        if let Some(source) = self.0.get_mut(file) {
            source.text = mask(&source.text).into();
        }
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

    #[test]
    fn where_it_can_not_be_told_what_is_hidden_all_is() {
        for stretches in [&[(7, 18), (10, 20)][..], &[(15, 18)], &[(7, 15)], &[(7, 100)]] {
            let mut sources = Sources::default();
            let file = sources.add("a.yaml", TEXT);
            sources.hide(file, stretches.iter().map(|(start, end)| *start..*end).collect());
            let masked = sources.get(file).unwrap().masked().into_owned();
            assert_eq!(
                masked.trim_end_matches('x'),
                "xxxxxxxxxxxxxxxxxx\nxxxxxxxx\n  xxx\n  xxx\nxxxxxxxxxx\n",
                "{stretches:?}"
            );
        }
    }
}
