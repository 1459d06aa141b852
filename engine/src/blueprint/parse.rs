//! From text to the tree of [`super::source`], by `saphyr-parser`. Whatever can be read is read, so that one run tells all errors.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use super::hints::Stumble;
use super::source::{Content, Name, Node};
use super::template::Template;
use super::written::Written;
use super::{bytes, foreign, hidden, hints, scalar};
use crate::diagnostic::{Diagnostic, FileId, Span};

/// How many levels of lists and maps may stand in each other.
pub(super) const MAX_DEPTH: usize = 64;
const MAX_ALIASED: usize = 100_000;
const MAX_COPIED: usize = super::MAX_BYTES;
/// A value inside of several anchors is kept for each.
const MAX_ANCHORED: usize = 2_000_000;

/// What was read of a text.
pub(super) struct Parsed {
    /// Its document. None where the text is no YAML, or there is none in it.
    pub(super) root: Option<Node>,
    /// What is wrong with it.
    pub(super) problems: Vec<Diagnostic>,
    /// Where something stands that is not in the tree, in the sections in which variables are said.
    pub(super) dropped: Vec<Range<usize>>,
}

/// Reads a file's one document.
pub(super) fn parse(text: &str, file: FileId) -> Parsed {
    if let Some(problem) = bytes::control(text, |start, end| Span { file, start, end }) {
        return Parsed { root: None, problems: vec![problem], dropped: Vec::new() };
    }
    let mut told = Vec::new();
    let mut text = Cow::Borrowed(text);
    let mut passed = BTreeSet::new();
    loop {
        let mut reader = Reader {
            parser: Parser::new_from_str(&text),
            text: &text,
            file,
            offsets: Offsets::new(&text),
            problems: Vec::new(),
            anchors: BTreeMap::new(),
            aliased: 0,
            copied: 0,
            anchored: 0,
            passed: &passed,
            stumble: None,
            way: Vec::new(),
            dropped: Vec::new(),
        };
        let root = reader.document().ok().flatten();
        let Reader { problems, stumble, dropped, .. } = reader;
        let again = passed.len() < MAX_PASSED && text.len() < MAX_LENGTH_PASSED;
        match stumble {
            Some((value, problem)) if again => {
                told.push(problem);
                let filler = format!("\"{}\"", "x".repeat(value.len().saturating_sub(2)));
                passed.insert(value.start);
                text.to_mut().replace_range(value, &filler);
            }
            _ => {
                told.extend(problems);
                return Parsed { root, problems: told, dropped };
            }
        }
    }
}

/// How many values that are no YAML are passed over, so that one run tells what else is wrong, and in how long a text at most: each
/// is another reading of all of it.
const MAX_PASSED: usize = 20;
const MAX_LENGTH_PASSED: usize = 1024 * 1024;

/// Nothing more can be read; the reason is among the problems.
struct Stop;

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    file: FileId,
    offsets: Offsets,
    problems: Vec<Diagnostic>,
    anchors: BTreeMap<usize, Anchored>,
    /// How many values, and how many bytes of text, aliases stand for, and how many values anchors name.
    aliased: usize,
    copied: usize,
    anchored: usize,
    /// Where values stood that are no YAML, and that the text is read without.
    passed: &'a BTreeSet<usize>,
    /// The value that can't be read, with what is wrong with it, if that is why nothing more can be.
    stumble: Option<(Range<usize>, Diagnostic)>,
    /// The names of the maps that are being read, the outermost first.
    way: Vec<String>,
    dropped: Vec<Range<usize>>,
}

/// What an anchor names, with its number of nodes, the bytes of their text, and its depth.
struct Anchored {
    node: Node,
    size: usize,
    bytes: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, saphyr_parser::Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let Stumble { problem, value } = self.syntax(&error);
                self.stumble = value.map(|value| (value, problem.clone()));
                let start = |problem: &Diagnostic| problem.labels.first().map(|label| label.span.start);
                // The same cause may have been found before the parser stumbled over it: it knows more now.
                self.problems.retain(|other| other.message != problem.message || start(other) != start(&problem));
                self.problems.push(problem);
                Err(Stop)
            }
            None => Err(Stop),
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    let span = self.span(at);
                    let problem = Diagnostic::error("the file has a second document")
                        .at(span, "it begins here")
                        .help("a blueprint is one document: put the other into a file of its own");
                    self.problems.push(problem);
                    return Ok(root);
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, at, 1)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, at: saphyr_parser::Span, depth: usize) -> Result<Node, Stop> {
        let span = self.span(at);
        if depth > MAX_DEPTH {
            self.problems.push(hints::too_deep(span));
            return Err(Stop);
        }
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.clone())
            }
            _ => (0, None),
        };
        if let Some(tag) = tag {
            self.problems.push(
                Diagnostic::error("tags have no place in a blueprint")
                    .at(
                        span,
                        if tag.is_yaml_core_schema() {
                            format!("this is tagged `!!{}`", tag.suffix)
                        } else {
                            "this is tagged".to_owned()
                        },
                    )
                    .help("leave the tag out; put text that looks like something else in quotes"),
            );
        }
        let node = match event {
            // It was reported.
            Event::Scalar(..) if self.passed.contains(&span.start) => {
                Node { span, content: Content::Template(Arc::new(Template::broken())) }
            }
            Event::Scalar(text, style, ..) => self.scalar(&text, style, span),
            Event::SequenceStart(..) => self.list(span, depth)?,
            Event::MappingStart(..) if self.text[span.start..].starts_with("{{") => self.unquoted(span)?,
            Event::MappingStart(..) => self.map(span, depth)?,
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => Node { span, content: Content::Null },
        };
        if anchor > 0 {
            let Measure { size, bytes, depth } = measure(&node);
            self.anchored += size;
            if self.anchored > MAX_ANCHORED {
                let message = format!("the anchors of this file name more than {MAX_ANCHORED} values");
                let problem = Diagnostic::error(message).at(span, "here it is too much");
                self.problems.push(problem.help("name by an anchor only what an alias repeats"));
                return Err(Stop);
            }
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, bytes, depth });
        }
        Ok(node)
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                let first = items.first().map(|item: &Node| item.span);
                return Ok(Node { span: self.beginning(start, at, first), content: Content::List(items) });
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<(Name, Node)> = Vec::new();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                let first = entries.first().map(|(name, _)| name.span);
                return Ok(Node { span: self.beginning(start, at, first), content: Content::Map(entries) });
            }
            let start = self.span(at).start;
            let name = self.key(event, at, depth)?;
            let (event, at) = self.next()?;
            self.way.push(name.as_ref().map(|name| name.text.clone()).unwrap_or_default());
            let node = self.node(event, at, depth + 1)?;
            let is_kept = name.as_ref().is_some_and(|name| !seen.contains_key(&name.text));
            // What is left out may be the value of a secret.
            if !is_kept && self.way.first().is_some_and(|first| hidden::SECTIONS.contains(&first.as_str())) {
                self.dropped.push(start..hidden::end(&node).max(start));
            }
            self.way.pop();
            let Some(name) = name else { continue };
            if let Some(first) = seen.get(&name.text) {
                let message = format!("`{}` stands here twice", name.text);
                self.problems.push(
                    Diagnostic::error(message)
                        .at(name.span, "for the second time")
                        .at(*first, "for the first time")
                        .help("keep one of them"),
                );
                continue;
            }
            seen.insert(name.text.clone(), name.span);
            entries.push((name, node));
        }
    }

    /// A map's key; none where it is no name, which is a problem.
    fn key(&mut self, event: Event<'a>, at: saphyr_parser::Span, depth: usize) -> Result<Option<Name>, Stop> {
        let span = self.span(at);
        let Event::Scalar(text, style, _, ref tag) = event else {
            let known = self.problems.len();
            self.node(event, at, depth + 1)?;
            if self.problems.len() == known {
                let problem =
                    Diagnostic::error("a key must be a name").at(span, "this is no text").help("write the key as text");
                self.problems.push(problem);
            }
            return Ok(None);
        };
        let problem = if tag.is_some() {
            Some(
                Diagnostic::error("tags have no place in a blueprint")
                    .at(span, "this key is tagged")
                    .help("leave the tag out"),
            )
        } else if style == ScalarStyle::Plain && text == "<<" {
            Some(
                Diagnostic::error("merge keys (`<<`) are not part of the language")
                    .at(span, "this key")
                    .help("repeat the fields, or take the whole map by an alias: `tags: *common`"),
            )
        } else if text.contains("{{") {
            Some(
                Diagnostic::error("a key can't hold an expression")
                    .at(span, "this key")
                    .help("to make one resource for each of several keys, use `for_each`"),
            )
        } else if style == ScalarStyle::Plain && !matches!(scalar::plain(&text), Ok(Content::String(_))) {
            Some(
                Diagnostic::error("a key must be text")
                    .at(span, "YAML does not read this as text")
                    .help("put it in quotes"),
            )
        } else {
            None
        };
        let fine = problem.is_none();
        self.problems.extend(problem);
        Ok(fine.then(|| Name { text: text.into_owned(), span }))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Node {
        let content = if text.contains("{{") || text.contains("{%") || text.contains("{#") {
            Template::read(text, Written::new(text, style, self.text, span), &mut self.problems)
        } else if style == ScalarStyle::Plain {
            scalar::plain(text).unwrap_or_else(|problem| {
                self.problems.push(problem.at(span));
                Content::Template(Arc::new(Template::broken()))
            })
        } else {
            Content::String(text.to_owned())
        };
        if let Content::String(text) = &content {
            self.problems.extend(foreign::in_text(text, |at| Written::new(text, style, self.text, span).span(at)));
        }
        Node { span, content }
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node, Stop> {
        let Some(anchored) = self.anchors.get(&id) else {
            let problem = Diagnostic::error("an alias can't stand inside what it names")
                .at(span, "this alias")
                .help("write out what is meant");
            self.problems.push(problem);
            return Ok(Node { span, content: Content::Template(Arc::new(Template::broken())) });
        };
        self.aliased += anchored.size;
        self.copied += anchored.bytes;
        if self.aliased > MAX_ALIASED || self.copied > MAX_COPIED {
            let message = if self.aliased > MAX_ALIASED {
                format!("the aliases of this file stand for more than {MAX_ALIASED} values")
            } else {
                "the aliases of this file stand for more than 10 MiB of text".to_owned()
            };
            self.problems.push(
                Diagnostic::error(message)
                    .at(span, "here it is too much")
                    .help("use `for_each` to make many of a thing"),
            );
            return Err(Stop);
        }
        if depth + anchored.depth > MAX_DEPTH + 1 {
            self.problems.push(hints::too_deep(span));
            return Err(Stop);
        }
        Ok(anchored.node.clone())
    }

    /// `{{ x }}` without quotes, which YAML takes for a map in a map.
    fn unquoted(&mut self, start: Span) -> Result<Node, Stop> {
        let mut open = 1;
        let mut end = start.end;
        while open > 0 {
            let (event, at) = self.next()?;
            match event {
                Event::MappingStart(..) | Event::SequenceStart(..) => open += 1,
                Event::MappingEnd | Event::SequenceEnd => open -= 1,
                _ => {}
            }
            end = self.span(at).end;
        }
        let span = Span { end: end.max(start.end), ..start };
        let text = self.text[span.start..span.end].trim();
        self.problems.push(hints::unquoted(text).at(span, "YAML reads this as a map"));
        Ok(Node { span, content: Content::Template(Arc::new(Template::broken())) })
    }

    /// The span of a list or a map: of all of it where it is in braces on one line, else of its first entry.
    fn beginning(&self, start: Span, end: saphyr_parser::Span, first: Option<Span>) -> Span {
        let all = Span { end: self.span(end).end.max(start.end), ..start };
        let text = &self.text[all.start..all.end];
        if text.starts_with(['{', '[']) {
            return if text.contains('\n') { Span { end: start.start + 1, ..start } } else { all };
        }
        first.unwrap_or(start)
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = self.offsets.byte(span.start);
        let end = self.offsets.byte(span.end).max(start);
        // A block scalar's span goes on to the next thing, which may be lines away.
        let end = start + self.text[start..end].trim_end().len();
        Span { file: self.file, start, end }
    }

    /// A text that is no YAML, in words that say what to do about it.
    fn syntax(&self, error: &ScanError) -> Stumble {
        hints::syntax(self.text, self.file, self.offsets.byte(*error.marker()), error.info())
    }
}

/// How large a tree is.
#[derive(Default)]
struct Measure {
    size: usize,
    bytes: usize,
    depth: usize,
}

fn measure(node: &Node) -> Measure {
    let children: Box<dyn Iterator<Item = &Node>> = match &node.content {
        Content::List(items) => Box::new(items.iter()),
        Content::Map(entries) => Box::new(entries.iter().map(|(_, node)| node)),
        Content::String(text) => return Measure { size: 1, bytes: text.len(), depth: 1 },
        _ => return Measure { size: 1, bytes: 0, depth: 1 },
    };
    let all = children.map(measure).fold(Measure::default(), |all, one| Measure {
        size: all.size + one.size,
        bytes: all.bytes + one.bytes,
        depth: all.depth.max(one.depth),
    });
    Measure { size: all.size + 1, depth: all.depth + 1, ..all }
}

/// The parser counts characters; spans count bytes.
struct Offsets(Option<Vec<u32>>, usize);

impl Offsets {
    fn new(text: &str) -> Self {
        let table =
            (!text.is_ascii()).then(|| text.char_indices().filter_map(|(byte, _)| u32::try_from(byte).ok()).collect());
        Self(table, text.len())
    }

    fn byte(&self, marker: Marker) -> usize {
        match &self.0 {
            None => marker.index().min(self.1),
            Some(table) => table.get(marker.index()).map_or(self.1, |byte| *byte as usize),
        }
    }
}
