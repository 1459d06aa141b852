//! A scalar with `{{ }}`, compiled once.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Expression;

use super::functions::{self, FILTERS, FUNCTIONS, TESTS};
use super::operators::{self, Rewritten};
use super::source::Content;
use super::tokens::{self, Chain, Hop, KEYWORDS, Token};
use super::written::Written;
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
    Expression(Box<Compiled>),
}

/// One expression, compiled. What is known of it beforehand are plain facts, apart from each other.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Compiled {
    /// Its text, without the braces.
    pub(super) text: String,
    /// Where it stands.
    pub(super) span: Span,
    /// The scalar that it is a part of, as the file writes it.
    written: Arc<Written>,
    /// Where it begins in that scalar's value.
    start: usize,
    /// The paths in it.
    pub(super) chains: Vec<Chain>,
    /// Whether it is one path and nothing else.
    pub(super) is_path: bool,
    /// Whether it asks whether something is there, so that what is missing may be meant.
    pub(super) guarded: bool,
    /// Whether what it reads may depend on what it finds.
    pub(super) branches: bool,
    /// What minijinja made of it; none where it is a path, which is followed without minijinja.
    pub(super) code: Option<Expression<'static, 'static>>,
    /// What that was made of, where it was not the text itself.
    rewritten: Option<Rewritten>,
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

    /// Where a path that begins with a name, and goes on with another, first stands.
    pub(super) fn place_of_path(&self, root: &str, next: Option<&str>) -> Option<Span> {
        let goes_on = |chain: &Chain| {
            next.is_none_or(|next| matches!(chain.hops.first(), Some((Hop::Name(name), _)) if name == next))
        };
        let chain = |compiled: &Compiled| {
            let mut chains = compiled.chains.iter();
            chains.find(|chain| chain.root == root && goes_on(chain)).map(|chain| compiled.within(&chain.at))
        };
        self.expressions().find_map(chain)
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &Compiled> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Expression(compiled) => Some(&**compiled),
            Piece::Text(_) => None,
        })
    }

    /// Reads a scalar that has `{{`, `{%` or `{#` in it.
    pub(super) fn read(text: &str, written: Written, problems: &mut Vec<Diagnostic>) -> Content {
        let known = problems.len();
        let written = Arc::new(written);
        for (open, close) in [("{%", "%}"), ("{#", "#}")] {
            let Some(at) = text.find(open) else { continue };
            let Some(end) = text[at..].find(close) else { continue };
            let message = format!("`{open} {close}` has no place in a blueprint");
            problems.push(Diagnostic::error(message).at(written.span(&(at..at + end + 2)), "only `{{ }}` does").help(
                "write a condition as an expression: `{{ a if b else c }}`; to repeat something, use `for_each`",
            ));
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{").map(|open| at + open) {
            if open > at {
                pieces.push(Piece::Text(text[at..open].to_owned()));
            }
            at = match closing(&text[open..]) {
                Ok(length) => open + length,
                Err(quote) => {
                    problems.push(left_open(&written, open, quote));
                    break;
                }
            };
            match Compiled::read(text, open + 2..at - 2, &written) {
                Ok(compiled) => pieces.push(Piece::Expression(Box::new(compiled))),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.len() > known {
            return Content::Template(Arc::new(Self::broken()));
        }
        if pieces.is_empty() {
            return Content::String(text.to_owned());
        }
        if at < text.len() {
            pieces.push(Piece::Text(text[at..].to_owned()));
        }
        Content::Template(Arc::new(Self { pieces }))
    }
}

/// How long the expression at the start of a text is, braces included; where it is left open, the place of the quote that is too.
fn closing(text: &str) -> Result<usize, Option<usize>> {
    let mut open = 0_usize;
    let mut at = 2;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' => match tokens::quoted(&text[at..]) {
                Some(length) => at += length,
                None => return Err(Some(at)),
            },
            '}' if open == 0 && text[at..].starts_with("}}") => return Ok(at + 2),
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
    Err(None)
}

fn left_open(written: &Written, open: usize, quote: Option<usize>) -> Diagnostic {
    if let Some(quote) = quote.map(|quote| open + quote) {
        return Diagnostic::error("a quote is left open in this expression")
            .at(written.span(&(quote..quote + 1)), "it begins here")
            .at(written.span(&(open..open + 2)), "in this expression")
            .help("close it with the same quote; one inside text is written `\\'` or `\\\"`");
    }
    Diagnostic::error("an expression is left open")
        .at(written.span(&(open..open + 2)), "it begins here")
        .help("close it with `}}`; for two braces as text, write `{{ '{{' }}`")
}

impl Compiled {
    /// Reads the expression at a place of a scalar's value.
    fn read(value: &str, at: Range<usize>, written: &Arc<Written>) -> Result<Self, Diagnostic> {
        let inner = &value[at.clone()];
        let text = inner.trim();
        let start = at.start + inner.len() - inner.trim_start().len();
        let within = |part: &Range<usize>| written.span(&(start + part.start..start + part.end));
        if text.is_empty() {
            return Err(Diagnostic::error("an expression is empty")
                .at(written.span(&(at.start - 2..at.end + 2)), "nothing stands here")
                .help("name what is meant: `{{ var.model }}`"));
        }
        let words = tokens::tokens(text);
        if let Some(position) = tokens::too_deep(&words) {
            return Err(Diagnostic::error("this expression is too long to be read")
                .at(within(&words[position].1), "here it is too much")
                .help("do the same to many values by a filter, such as `join`, `sum` or `map`"));
        }
        let compile = |text: &str| functions::environment().compile_expression_owned(text.to_owned());
        let refuse = |error: minijinja::Error, lead: usize| {
            let at = error.range().map(|at| at.start.saturating_sub(lead)..at.end.saturating_sub(lead));
            unreadable(&error, at, text, &words, within)
        };
        let mut code = compile(text).map_err(|error| refuse(error, 0))?;
        // After text in quotes minijinja passes over what it can't read, unless something must follow.
        if words.iter().any(|(word, _)| matches!(word, Token::Text(_))) {
            compile(&format!("({text})")).map_err(|error| refuse(error, 1))?;
        }
        check_names(&words, within)?;
        // An expression binds no names, so each that it begins a path with is one of the blueprint's. minijinja's own list of them passes
        // over what is sliced.
        let mut chains = tokens::chains(&words);
        chains.retain(|chain| !FUNCTIONS.contains(&chain.root.as_str()));
        let is_path = matches!(&chains[..], [chain] if chain.exact && chain.at.start == 0
            && words.iter().all(|(word, _)| !matches!(word, Token::Sign(sign) if !".[]".contains(*sign)))
            && words.iter().filter(|(word, _)| !matches!(word, Token::Sign(_))).count() == chain.hops.len() + 1);
        let asks = |word: &Token<'_>| {
            let words = ["default", "d", "defined", "undefined", "in", "selectattr", "rejectattr"];
            matches!(word, Token::Name(name) if words.contains(name))
        };
        let guarded = words.iter().any(|(word, _)| asks(word));
        let branches = words.iter().any(|(word, _)| matches!(word, Token::Name("if" | "and" | "or" | "default" | "d")));
        let rewritten = operators::rewritten(text, &words);
        if let Some(rewritten) = &rewritten {
            code = compile(&rewritten.text).map_err(|error| refuse(error, 0))?;
        }
        let code = (!is_path).then_some(code);
        let span = within(&(0..text.len()));
        let written = written.clone();
        Ok(Self { text: text.to_owned(), span, written, start, chains, is_path, guarded, branches, code, rewritten })
    }

    /// The span of what an error of minijinja is about; the whole where it does not say.
    pub(super) fn span_of(&self, error: &minijinja::Error) -> Span {
        let at = error.range().map(|at| match &self.rewritten {
            Some(rewritten) => rewritten.original(&at),
            None => at,
        });
        let at = at.map(|at| tokens::whole_characters(&self.text, at)).filter(|at| !at.is_empty());
        at.map_or(self.span, |at| self.within(&at))
    }

    /// The span of a stretch of it.
    pub(super) fn within(&self, at: &Range<usize>) -> Span {
        self.written.span(&(self.start + at.start..self.start + at.end))
    }

    /// The variables that it names.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let variables = self.chains.iter().filter(|chain| chain.root == "var");
        variables.filter_map(|chain| match chain.hops.first() {
            Some((Hop::Name(name), _)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The place of the first step with a name or key; none where no path in it has one.
    pub(super) fn place_of(&self, name: &str) -> Option<&Range<usize>> {
        let is_it = |hop: &Hop| match hop {
            Hop::Name(text) => text == name,
            Hop::Index(index) => index.to_string() == name,
        };
        self.chains.iter().flat_map(|chain| &chain.hops).find(|(hop, _)| is_it(hop)).map(|(_, at)| at)
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

/// The signs that an expression may have outside of quotes.
const SIGNS: &str = "+-*/%~<>=!.,:|()[]{}";

/// What minijinja stumbled over, at its place.
fn unreadable(
    error: &minijinja::Error,
    at: Option<Range<usize>>,
    text: &str,
    words: &[(Token<'_>, Range<usize>)],
    within: impl Fn(&Range<usize>) -> Span,
) -> Diagnostic {
    let alien = words.iter().find(|(word, _)| matches!(word, Token::Sign(sign) if !SIGNS.contains(*sign)));
    let (at, detail) = match (error.detail().unwrap_or("it can't be read"), alien) {
        (detail, _) if detail.contains("recursion limits") => (at, "here are too many brackets in each other"),
        (detail, Some((_, alien))) if detail.starts_with("unexpected end") => {
            (Some(alien.clone()), "unexpected character")
        }
        (detail, _) => (at, detail),
    };
    let mut at = tokens::whole_characters(text, at.unwrap_or(0..text.len()));
    if at.is_empty() && !detail.starts_with("unexpected end") {
        let last = words.iter().rev().find(|(_, word)| word.start < at.start);
        at = last.map_or(0..text.len(), |(_, word)| word.clone());
    }
    let found = &text[at.clone()];
    Diagnostic::error("this expression can't be read").at(within(&at), detail).help(syntax_help(words, detail, found))
}

/// What to do about an expression that minijinja can't read, from what is usually wrong with one.
fn syntax_help(words: &[(Token<'_>, Range<usize>)], detail: &str, found: &str) -> &'static str {
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
    if found == "=" {
        return "to compare, write `==`";
    }
    if detail.starts_with("unexpected end of input") {
        return "something is missing at the end: is a bracket left open?";
    }
    match detail {
        "unexpected input after expression" => {
            "text is put together by `~`: `a ~ b`; several values are a list: `[a, b]`"
        }
        "here are too many brackets in each other" => "take it apart, or leave out the brackets that are not needed",
        "invalid integer (too large)" => "put it in quotes if it is text",
        "unexpected character" => "names have letters, digits and `_`; text stands in quotes",
        _ => "expressions are as in Jinja: `a.b`, `a[\"b\"]`, `a if b else c`, `a ~ b`, `a | join(\",\")`",
    }
}

/// Whether a word has a meaning of its own in expressions.
pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}
