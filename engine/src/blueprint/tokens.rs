//! The words of an expression, as far as static analysis and the place of an error need them. What an expression means is
//! minijinja's to say.

use std::ops::Range;

/// A word of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or a keyword.
    Name(&'a str),
    /// Text in quotes, without them.
    Text(&'a str),
    /// Digits, perhaps with a point.
    Number(&'a str),
    /// Anything else, one byte or character of it.
    Sign(char),
}

/// One step of a path that stands as such in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// A name: `.uri`, `["us-east-1"]`.
    Name(String),
    /// A position or an integer key: `[0]`, `.0`.
    Index(i64),
}

/// A path as it stands in an expression: `trainer["a"].ip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The name that it begins with.
    pub(super) root: String,
    /// Where that stands in the expression.
    pub(super) at: Range<usize>,
    /// The steps, with their places.
    pub(super) hops: Vec<(Hop, Range<usize>)>,
    /// Whether it ends where the steps end: else something is computed after them, such as `[each.key]`.
    pub(super) exact: bool,
}

/// Words that are no names.
pub(super) const KEYWORDS: [&str; 12] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False"];

/// The words of an expression with their places. An open quote ends at the end.
pub(super) fn tokens(text: &str) -> Vec<(Token<'_>, Range<usize>)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let while_in = |fits: fn(char) -> bool| rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let (token, length) = match first {
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            '"' | '\'' => {
                let length = quoted(rest);
                let end = length.map_or(rest.len(), |length| length - 1);
                (Token::Text(&rest[1..end]), length.unwrap_or(rest.len()))
            }
            '0'..='9' => {
                let length = while_in(|c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Number(&rest[..length]), length)
            }
            _ if first.is_alphabetic() || first == '_' => {
                let length = while_in(|c| c.is_alphanumeric() || c == '_');
                (Token::Name(&rest[..length]), length)
            }
            _ => (Token::Sign(first), first.len_utf8()),
        };
        tokens.push((token, at..at + length));
        at += length;
    }
    tokens
}

/// An expression with its text in single quotes, so that it can stand in a scalar that has double ones; where these would end a text
/// too soon, it keeps its own.
pub(super) fn single_quotes(text: &str) -> String {
    let mut single = String::with_capacity(text.len());
    let mut from = 0;
    for (token, at) in tokens(text) {
        single.push_str(&text[from..at.start]);
        match token {
            Token::Text(inner) if inner.len() + 2 == at.len() && !inner.contains(['\'', '\\']) => {
                single.extend(["'", inner, "'"]);
            }
            _ => single.push_str(&text[at.clone()]),
        }
        from = at.end;
    }
    single + &text[from..]
}

/// How long a text in quotes at the start is, quotes included; none where it is left open.
pub(super) fn quoted(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next()?;
    let mut escaped = false;
    for (at, c) in chars {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// A stretch of a text, widened to where its characters begin and end.
pub(super) fn whole_characters(text: &str, at: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(at.start);
    start..text.ceil_char_boundary(at.end).max(start)
}

/// How many operators may follow each other, those around a bracket counted with those in it.
const DEEPEST: usize = 400;

/// The word with which an expression becomes too deep to be compiled: every operator of a chain is one more level of calls there.
pub(super) fn too_deep(tokens: &[(Token<'_>, Range<usize>)]) -> Option<usize> {
    let mut levels = vec![0_usize];
    let mut deep = 0_usize;
    for (position, (token, _)) in tokens.iter().enumerate() {
        match token {
            Token::Sign(',' | ':') => {
                if let Some(level) = levels.last_mut() {
                    deep -= std::mem::take(level);
                }
            }
            Token::Sign(')' | ']' | '}') if levels.len() > 1 => deep -= levels.pop().unwrap_or_default(),
            Token::Sign(sign) => {
                deep += 1;
                if let Some(level) = levels.last_mut() {
                    *level += 1;
                }
                if matches!(sign, '(' | '[' | '{') {
                    levels.push(0);
                }
            }
            Token::Name("and" | "or" | "not" | "in" | "is" | "if" | "else") => {
                deep += 1;
                if let Some(level) = levels.last_mut() {
                    *level += 1;
                }
            }
            _ => {}
        }
        if deep > DEEPEST {
            return Some(position);
        }
    }
    None
}

/// The paths of an expression: from every name that is neither a keyword, a filter, a test, an attribute nor a named argument.
pub(super) fn chains(tokens: &[(Token<'_>, Range<usize>)]) -> Vec<Chain> {
    let mut chains = Vec::new();
    let mut position = 0;
    while position < tokens.len() {
        match tokens[position].0 {
            Token::Name(name) if is_root(tokens, position) => {
                let (chain, next) = chain(tokens, position, name);
                chains.push(chain);
                position = next;
            }
            _ => position += 1,
        }
    }
    chains
}

fn is_root(tokens: &[(Token<'_>, Range<usize>)], position: usize) -> bool {
    let before = |back: usize| position.checked_sub(back).map(|position| tokens[position].0);
    let after = |on: usize| tokens.get(position + on).map(|(token, _)| *token);
    let Token::Name(name) = tokens[position].0 else { return false };
    let is_test = before(1) == Some(Token::Name("is"))
        || (before(1) == Some(Token::Name("not")) && before(2) == Some(Token::Name("is")));
    let is_argument = after(1) == Some(Token::Sign('=')) && after(2) != Some(Token::Sign('='));
    !KEYWORDS.contains(&name) && !is_test && !is_argument && !matches!(before(1), Some(Token::Sign('.' | '|')))
}

fn chain(tokens: &[(Token<'_>, Range<usize>)], start: usize, name: &str) -> (Chain, usize) {
    let mut chain = Chain { root: name.to_owned(), at: tokens[start].1.clone(), hops: Vec::new(), exact: true };
    let mut position = start + 1;
    let sign = |position: usize| match tokens.get(position) {
        Some((Token::Sign(sign), _)) => Some(*sign),
        _ => None,
    };
    loop {
        let (hop, at, width) = match sign(position) {
            Some('.') => match tokens.get(position + 1) {
                Some((Token::Name(name), at)) => (Hop::Name((*name).to_owned()), at.clone(), 2),
                _ => break,
            },
            Some('[') if sign(position + 2) == Some(']') => match &tokens[position + 1] {
                (Token::Text(text), at) if !text.contains('\\') => (Hop::Name((*text).to_owned()), at.clone(), 3),
                (Token::Number(digits), at) if digits.parse::<i64>().is_ok() => {
                    (Hop::Index(digits.parse().unwrap_or_default()), at.clone(), 3)
                }
                _ => break,
            },
            _ => break,
        };
        chain.hops.push((hop, at));
        position += width;
    }
    chain.exact = !matches!(sign(position), Some('.' | '[' | '('));
    (chain, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_gets_single_quotes_where_they_do() {
        for (text, expected) in [
            (r#"a["x"].uri or "none""#, "a['x'].uri or 'none'"),
            (r#"a | join("it's")"#, r#"a | join("it's")"#),
            (r#"a["\"b"] "#, r#"a["\"b"] "#),
            (r#"a["x"] ~ "left open }}"#, r#"a['x'] ~ "left open }}"#),
        ] {
            assert_eq!(single_quotes(text), expected);
        }
    }

    fn shown(text: &str) -> Vec<String> {
        let show = |chain: Chain| {
            let hop = |(hop, _): &(Hop, Range<usize>)| match hop {
                Hop::Name(name) => format!(".{name}"),
                Hop::Index(index) => format!("[{index}]"),
            };
            let hops: String = chain.hops.iter().map(hop).collect();
            format!("{}{hops}{}", chain.root, if chain.exact { "" } else { "…" })
        };
        chains(&tokens(text)).into_iter().map(show).collect()
    }

    #[test]
    fn finds_the_paths_of_an_expression() {
        for (text, expected) in [
            ("weights.uri", vec!["weights.uri"]),
            (r#"trainer["us-east-1"].ip ~ "a.b""#, vec!["trainer.us-east-1.ip"]),
            ("node[0].ip + node[each.key].ip", vec!["node[0].ip", "node…", "each.key"]),
            ("a if b is defined else c | default(d)", vec!["a", "b", "c", "d"]),
            ("x is not none and y is divisibleby(z)", vec!["x", "y", "z"]),
            ("range(stop=var.n) == q", vec!["range…", "var.n", "q"]),
            ("a[1:2]", vec!["a…"]),
            ("'it\\'s' ~ b", vec!["b"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
