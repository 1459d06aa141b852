//! A scalar with `{{ }}`, compiled once.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Expression;

use super::functions::{self, FILTERS, TESTS};
use super::source::Content;
use super::tokens::{self, Chain, Hop, KEYWORDS, Token};
use crate::diagnostic::{Diagnostic, Span, closest};

/// A scalar with expressions, compiled once.
pub struct Template {
    pub(super) pieces: Vec<Piece>,
}

/// A stretch of a template.
pub(super) enum Piece {
    /// Text as it stands.
    Text(String),
    /// An expression.
    Expression(Compiled),
}

/// One expression, compiled. What is known of it beforehand are plain facts, apart from each other.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Compiled {
    /// Its text, without the braces.
    pub(super) text: String,
    /// Where it stands: the text itself, or the whole scalar where YAML's escapes are in the way.
    pub(super) span: Span,
    /// Whether `span` is that of the text, byte for byte.
    exact: bool,
    /// The paths in it.
    pub(super) chains: Vec<Chain>,
    /// Whether it is one path and nothing else.
    pub(super) is_path: bool,
    /// Whether it asks whether something is there, so that what is missing may be meant.
    pub(super) guarded: bool,
    /// Whether what it reads may depend on what it finds.
    pub(super) branches: bool,
    /// What minijinja made of it.
    pub(super) code: Expression<'static, 'static>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => list.entry(text),
                Piece::Expression(compiled) => list.entry(&format_args!("{{{{{}}}}}", compiled.text)),
            };
        }
        list.finish()
    }
}

impl Template {
    /// Stands for a scalar that could not be read, and was reported. It is unknown, so that nothing more is said of it.
    pub(super) fn broken() -> Self {
        Self { pieces: Vec::new() }
    }

    /// Whether it could not be read, and was reported.
    pub(super) fn is_broken(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether it may read a name.
    pub(super) fn may_read(&self, name: &str) -> bool {
        self.expressions().any(|compiled| compiled.text.contains(name))
    }

    /// Where a path that begins with a name first stands.
    pub(super) fn place_of_root(&self, name: &str) -> Option<Span> {
        let chain = |compiled: &Compiled| {
            compiled.chains.iter().find(|chain| chain.root == name).map(|chain| compiled.within(&chain.at))
        };
        self.expressions().find_map(chain)
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &Compiled> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Expression(compiled) => Some(compiled),
            Piece::Text(_) => None,
        })
    }

    /// Reads a scalar that has `{{`, `{%` or `{#` in it. `file` is the file's text, `span` the scalar's in it.
    pub(super) fn read(text: &str, file: &str, span: Span, problems: &mut Vec<Diagnostic>) -> Content {
        let known = problems.len();
        for (open, close) in [("{%", "%}"), ("{#", "#}")] {
            if text.find(open).is_some_and(|at| text[at..].contains(close)) {
                let message = format!("`{open} {close}` has no place in a blueprint");
                problems.push(Diagnostic::error(message).at(span, "only `{{ }}` does").help(
                    "write a condition as an expression: `{{ a if b else c }}`; to repeat something, use `for_each`",
                ));
            }
        }
        let mut place = Place { file, span, searched: span.start };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            if open > 0 {
                pieces.push(Piece::Text(rest[..open].to_owned()));
            }
            let Some(end) = closing(&rest[open..]) else {
                let (span, _) = place.find("{{");
                problems.push(
                    Diagnostic::error("an expression is left open")
                        .at(span, "it begins here")
                        .help("close it with `}}`; for two braces as text, write `{{ '{{' }}`"),
                );
                break;
            };
            let inner = &rest[open + 2..open + end - 2];
            match Compiled::read(inner, &mut place) {
                Ok(compiled) => pieces.push(Piece::Expression(compiled)),
                Err(problem) => problems.push(problem),
            }
            rest = &rest[open + end..];
        }
        if problems.len() > known {
            return Content::Template(Arc::new(Self::broken()));
        }
        if pieces.is_empty() {
            return Content::String(text.to_owned());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Content::Template(Arc::new(Self { pieces }))
    }
}

/// How long the expression at the start of a text is, braces included; none where it is left open.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut at = 2;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' => at += tokens::quoted(&text[at..]),
            '}' if open == 0 && text[at..].starts_with("}}") => return Some(at + 2),
            _ => {
                match c {
                    '{' => open += 1,
                    '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                at += c.len_utf8();
            }
        }
    }
    None
}

/// Finds what a scalar's value says in the file's text, where escapes and folded lines may differ from it.
struct Place<'a> {
    file: &'a str,
    span: Span,
    searched: usize,
}

impl Place<'_> {
    /// The next stretch of the scalar with this text, and whether it was found; else the whole scalar.
    fn find(&mut self, text: &str) -> (Span, bool) {
        match self.file.get(self.searched..self.span.end).and_then(|scalar| scalar.find(text)) {
            Some(at) => {
                let start = self.searched + at;
                self.searched = start + text.len();
                (Span { start, end: start + text.len(), ..self.span }, true)
            }
            None => (self.span, false),
        }
    }
}

impl Compiled {
    fn read(inner: &str, place: &mut Place<'_>) -> Result<Self, Diagnostic> {
        let (span, exact) = place.find(inner);
        let lead = inner.len() - inner.trim_start().len();
        let text = inner.trim();
        let span =
            if exact { Span { start: span.start + lead, end: span.start + lead + text.len(), ..span } } else { span };
        let within = |at: &Range<usize>| {
            if exact { Span { start: span.start + at.start, end: span.start + at.end, ..span } } else { span }
        };
        if text.is_empty() {
            return Err(Diagnostic::error("an expression is empty")
                .at(span, "nothing stands here")
                .help("name what is meant: `{{ var.model }}`"));
        }
        let words = tokens::tokens(text);
        check_names(&words, within)?;
        let code = functions::environment().compile_expression_owned(text.to_owned()).map_err(|error| {
            let detail = error.detail().unwrap_or("it can't be read").to_owned();
            Diagnostic::error("this expression can't be read").at(span, detail).help(syntax_help(&words))
        })?;
        // The truth about names is minijinja's; the chains say where they stand.
        let free: BTreeSet<String> = code.undeclared_variables(false).into_iter().collect();
        let mut chains = tokens::chains(&words);
        chains.retain(|chain| free.contains(&chain.root));
        let is_path = matches!(&chains[..], [chain] if chain.exact && chain.at.start == 0
            && words.iter().all(|(word, _)| !matches!(word, Token::Sign(sign) if !".[]".contains(*sign)))
            && words.iter().filter(|(word, _)| !matches!(word, Token::Sign(_))).count() == chain.hops.len() + 1);
        let asks = |word: &Token<'_>| matches!(word, Token::Name("default" | "d" | "defined" | "undefined" | "in"));
        let guarded = words.iter().any(|(word, _)| asks(word));
        let branches = words.iter().any(|(word, _)| matches!(word, Token::Name("if" | "and" | "or" | "default" | "d")));
        Ok(Self { text: text.to_owned(), span, exact, chains, is_path, guarded, branches, code })
    }

    /// The span of a stretch of it.
    pub(super) fn within(&self, at: &Range<usize>) -> Span {
        if self.exact {
            Span { start: self.span.start + at.start, end: self.span.start + at.end, ..self.span }
        } else {
            self.span
        }
    }

    /// The span of the first step with a name or key; none where no path in it has one.
    pub(super) fn place_of(&self, name: &str) -> Option<Span> {
        let is_it = |hop: &Hop| match hop {
            Hop::Name(text) => text == name,
            Hop::Index(index) => index.to_string() == name,
        };
        let place = |chain: &Chain| chain.hops.iter().find(|(hop, _)| is_it(hop)).map(|(_, at)| self.within(at));
        self.chains.iter().find_map(place)
    }
}

/// Whether every filter and test is one there is: minijinja only finds out when it gets there.
fn check_names(words: &[(Token<'_>, Range<usize>)], within: impl Fn(&Range<usize>) -> Span) -> Result<(), Diagnostic> {
    for (position, (word, at)) in words.iter().enumerate() {
        let Token::Name(name) = *word else { continue };
        let before = |back: usize| position.checked_sub(back).map(|position| words[position].0);
        let negated = before(1) == Some(Token::Name("not")) && before(2) == Some(Token::Name("is"));
        let (what, known): (_, &[&str]) = if before(1) == Some(Token::Sign('|')) {
            ("filter", &FILTERS)
        } else if (before(1) == Some(Token::Name("is")) && name != "not") || negated {
            ("test", &TESTS)
        } else {
            continue;
        };
        if !known.contains(&name) {
            let help = match closest(name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are: {}", known.join(", ")),
            };
            return Err(Diagnostic::error(format!("there is no {what} `{name}`"))
                .at(within(at), format!("no {what} has this name"))
                .help(help));
        }
    }
    Ok(())
}

/// What to do about an expression that minijinja can't read, from what is usually wrong with one.
fn syntax_help(words: &[(Token<'_>, Range<usize>)]) -> &'static str {
    let sign = |position: usize, sign| matches!(words.get(position), Some((Token::Sign(c), _)) if *c == sign);
    for position in 0..words.len() {
        if sign(position, '&') && sign(position + 1, '&') {
            return "write `and`";
        }
        if sign(position, '|') && sign(position + 1, '|') {
            return "write `or`";
        }
        if sign(position, '?') {
            return "write a condition as `a if b else c`";
        }
        if sign(position, '!') && !sign(position + 1, '=') {
            return "write `not`";
        }
        if sign(position, '$') {
            return "names stand in the braces as they are: `{{ var.model }}`";
        }
    }
    "expressions are as in Jinja: `a.b`, `a[\"b\"]`, `a if b else c`, `a ~ b`, `a | join(\",\")`"
}

/// Whether a word has a meaning of its own in expressions.
pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}
