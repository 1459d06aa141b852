//! The lines of a file that a diagnostic points to, fit to be shown: long ones cut around what is pointed at, and nothing in them that
//! a terminal would obey.

use std::collections::BTreeMap;
use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use trueup_engine::diagnostic::{Label, Sources, Span};

use super::position;
use crate::draw::safe;

/// The longest that a line may be, in characters, and how much of a longer one stands before what is pointed at.
const WIDEST: usize = 120;
const BEFORE: usize = 50;

/// The lines above and below that are shown too.
const AROUND: usize = 1;

/// Some lines of a file.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    text: String,
    /// How many lines of the file stand before it.
    skipped: usize,
    lines: Vec<Line>,
    /// The columns, from 0, of what is pointed at, by where it begins in the text.
    columns: BTreeMap<usize, usize>,
}

/// A line of the file and what is left of it.
#[derive(Debug)]
struct Line {
    /// Where it stands in the file, without its end.
    source: Range<usize>,
    /// What of it is kept.
    kept: Range<usize>,
    /// Where that stands in the text.
    start: usize,
}

impl Excerpt {
    /// The lines that labels of one file point to, with what is between them. None where the file is not known.
    pub(super) fn new(sources: &Sources, labels: &[&Label]) -> Option<Self> {
        let source = sources.get(labels.first()?.span.file)?;
        let first = labels.iter().map(|label| label.span.start).min()?;
        let last = labels.iter().map(|label| label.span.end).max()?;
        let text = source.masked();
        let all = lines_of(&text);
        let line_of = |offset: usize| all.partition_point(|line| line.start <= offset).saturating_sub(1);
        let skipped = line_of(first).saturating_sub(AROUND);
        let end = (line_of(last) + AROUND + 1).min(all.len());
        let mut excerpt = Self {
            name: safe::line(source.path.display()),
            text: String::new(),
            skipped,
            lines: Vec::new(),
            columns: BTreeMap::new(),
        };
        for line in &all[skipped..end] {
            let pointed = labels.iter().map(|label| label.span.start).filter(|at| (line.start..=line.end).contains(at));
            excerpt.add(&text, line.clone(), pointed.min());
        }
        for label in labels {
            let (_, column) = position(source, label.span.start);
            excerpt.columns.entry(excerpt.place(label.span).start).or_insert(column - 1);
        }
        Some(excerpt)
    }

    fn add(&mut self, text: &str, line: Range<usize>, pointed: Option<usize>) {
        let kept = window(text, &line, pointed);
        if kept.start > line.start {
            self.text.push('…');
        }
        let start = self.text.len();
        self.text.extend(text[kept.clone()].chars().map(harmless));
        if kept.end < line.end {
            self.text.push('…');
        }
        self.text.push('\n');
        self.lines.push(Line { source: line, kept, start });
    }

    /// Where a stretch of the file stands in the text. What was cut away is pointed at where it was.
    pub(super) fn place(&self, span: Span) -> Range<usize> {
        let start = self.offset(span.start);
        start..self.offset(span.end.max(span.start)).max(start)
    }

    fn offset(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|line| line.source.start <= at).saturating_sub(1);
        let Some(line) = self.lines.get(line) else { return 0 };
        line.start + at.clamp(line.kept.start, line.kept.end) - line.kept.start
    }
}

/// The lines of a text without their ends: LF, or CR and LF.
fn lines_of(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut lines: Vec<Range<usize>> = Vec::new();
    for line in text.split('\n') {
        lines.push(start..start + line.strip_suffix('\r').unwrap_or(line).len());
        start += line.len() + 1;
    }
    // A line's end ends a line; it begins none.
    if text.ends_with('\n') {
        lines.pop();
    }
    lines
}

/// What is kept of a line: all of it, or the part around what is pointed at.
fn window(text: &str, line: &Range<usize>, pointed: Option<usize>) -> Range<usize> {
    let starts: Vec<usize> = text[line.clone()].char_indices().map(|(at, _)| line.start + at).collect();
    if starts.len() <= WIDEST {
        return line.clone();
    }
    let at = pointed.map_or(0, |pointed| starts.partition_point(|start| *start < pointed));
    let first = at.saturating_sub(BEFORE).min(starts.len() - WIDEST);
    let end = starts.get(first + WIDEST).copied().unwrap_or(line.end);
    starts[first]..end
}

/// A character that a terminal only shows. As many bytes as before, so that places stay right: nothing can be escaped here.
fn harmless(character: char) -> char {
    match character.len_utf8() {
        _ if matches!(character, '\t' | '\n') || !safe::is_obeyed(character) => character,
        1 => '?',
        2 => '·',
        _ => '\u{fffd}',
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.text.as_bytes().read_span(span, before, after)?;
        // Asked for nothing around it, `miette` wants the place for its heading: that is the file's, not the excerpt's.
        let heading = if before == 0 { self.columns.get(&span.offset()).copied() } else { None };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            found.data(),
            *found.span(),
            self.skipped + found.line(),
            heading.unwrap_or(found.column()),
            found.line_count(),
        )))
    }
}
