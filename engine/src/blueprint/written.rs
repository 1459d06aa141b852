//! Where the characters of a scalar's value stand in the file. YAML folds lines, drops indentation and reads escapes; an error inside
//! an expression still has to point at what was written.

use std::ops::Range;

use saphyr_parser::ScalarStyle;

use crate::diagnostic::Span;

/// A scalar's value as the file writes it.
#[derive(Debug)]
pub(super) struct Written {
    span: Span,
    places: Places,
}

#[derive(Debug)]
enum Places {
    /// The value stands in the file as it is, from this byte on.
    Verbatim(usize),
    /// Where each byte of the value stands, and after the last one where it ends.
    Table(Vec<usize>),
    /// They could not be told.
    Whole,
}

/// A character that a scalar's text stands for.
struct Unit {
    character: char,
    start: usize,
}

impl Written {
    /// Compares a value with the file's text, in which it has a span.
    pub(super) fn new(value: &str, style: ScalarStyle, file: &str, span: Span) -> Self {
        let text = file.get(span.start..span.end).unwrap_or_default();
        let (skipped, body) = body(text, style);
        let start = span.start + skipped;
        let places = match body.strip_prefix(value) {
            Some(_) => Places::Verbatim(start),
            None => table(value, &units(body, style, start), start + body.len()),
        };
        Self { span, places }
    }

    /// The span of a part of the value in the file; of all of it where that can't be told.
    pub(super) fn span(&self, at: &Range<usize>) -> Span {
        let (start, end) = match &self.places {
            Places::Verbatim(start) => (start + at.start, start + at.end),
            Places::Table(places) => match (places.get(at.start), places.get(at.end)) {
                (Some(start), Some(end)) => (*start, *end),
                _ => return self.span,
            },
            Places::Whole => return self.span,
        };
        Span { start, end: end.max(start), ..self.span }
    }
}

/// The text between a scalar's marks, and how much comes before it.
fn body(text: &str, style: ScalarStyle) -> (usize, &str) {
    let skipped = match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        ScalarStyle::Literal | ScalarStyle::Folded if text.starts_with(['|', '>']) => {
            text.find('\n').map_or(text.len(), |newline| newline + 1)
        }
        _ => 0,
    };
    let body = text.get(skipped..).unwrap_or_default();
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => return (skipped, body),
    };
    (skipped, body.strip_suffix(quote).unwrap_or(body))
}

/// The characters that a text stands for, `start` being its place in the file.
fn units(body: &str, style: ScalarStyle, start: usize) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut at = 0;
    while let Some(first) = body[at..].chars().next() {
        let rest = &body[at..];
        let (character, length) = match (style, first) {
            (ScalarStyle::DoubleQuoted, '\\') => escape(rest),
            (ScalarStyle::SingleQuoted, '\'') if rest.starts_with("''") => ('\'', 2),
            _ => (first, first.len_utf8()),
        };
        units.push(Unit { character, start: start + at });
        at += length.min(rest.len());
    }
    units
}

/// The character that an escape stands for, and how long it is. An escaped end of line stands for nothing, as white space may.
fn escape(text: &str) -> (char, usize) {
    let hex = |digits: usize| {
        let code = text.get(2..2 + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        (code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER), 2 + digits)
    };
    match text[1..].chars().next() {
        Some('x') => hex(2),
        Some('u') => hex(4),
        Some('U') => hex(8),
        Some('n') => ('\n', 2),
        Some('t') => ('\t', 2),
        Some('r') => ('\r', 2),
        Some('0') => ('\0', 2),
        Some('a') => ('\u{7}', 2),
        Some('b') => ('\u{8}', 2),
        Some('v') => ('\u{b}', 2),
        Some('f') => ('\u{c}', 2),
        Some('e') => ('\u{1b}', 2),
        Some('N') => ('\u{85}', 2),
        Some('_') => ('\u{a0}', 2),
        Some('L') => ('\u{2028}', 2),
        Some('P') => ('\u{2029}', 2),
        Some(other) => (other, 1 + other.len_utf8()),
        None => ('\\', 1),
    }
}

/// Lays a value along the characters of its text. All that YAML changes beside escapes is white space: a run of it in the one is a run
/// of it in the other, perhaps of another length.
fn table(value: &str, units: &[Unit], end: usize) -> Places {
    let mut places = Vec::with_capacity(value.len() + 1);
    let mut units = units.iter().peekable();
    for character in value.chars() {
        let white = character.is_whitespace();
        while !white && units.next_if(|unit| unit.character.is_whitespace()).is_some() {}
        let place = match units.peek() {
            Some(unit) if unit.character == character || (white && unit.character.is_whitespace()) => {
                let place = unit.start;
                units.next();
                place
            }
            other if white => other.map_or(end, |unit| unit.start),
            _ => return Places::Whole,
        };
        places.extend(std::iter::repeat_n(place, character.len_utf8()));
    }
    places.push(units.peek().map_or(end, |unit| unit.start));
    Places::Table(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the file where the value has `b c`.
    fn written(value: &str, style: ScalarStyle, text: &str) -> String {
        let file = format!("x: {text}\ny: 1\n");
        let written = Written::new(value, style, &file, Span { start: 3, end: 3 + text.len(), ..Span::default() });
        let at = value.find('b').unwrap();
        let span = written.span(&(at..at + value[at..].find('c').unwrap() + 1));
        file[span.start..span.end].trim_end().to_owned()
    }

    #[test]
    fn finds_each_style_as_it_stands() {
        for (value, style, text, expected) in [
            ("a b c d", ScalarStyle::Plain, "a b c d", "b c"),
            ("a b c d", ScalarStyle::Plain, "a\n  b\n  c d", "b\n  c"),
            ("a'b c' d", ScalarStyle::SingleQuoted, "'a''b c'' d'", "b c"),
            ("é\"b\tc", ScalarStyle::DoubleQuoted, r#""é\"b\tc""#, r"b\tc"),
            ("a\u{e9}b c", ScalarStyle::DoubleQuoted, r#""a\u00e9b c""#, "b c"),
            ("ab c", ScalarStyle::DoubleQuoted, "\"a\\\n   b c\"", "b c"),
            ("a\nb\n c\n", ScalarStyle::Literal, "|\n  a\n  b\n   c\n", "b\n   c"),
            (
                "a b\n\nc d\n",
                ScalarStyle::Folded,
                ">- # folded\r\n  a\r\n  b\r\n\r\n\r\n  c\r\n  d",
                "b\r\n\r\n\r\n  c",
            ),
        ] {
            assert_eq!(written(value, style, text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_the_value_has_no_places() {
        let file = "x: other";
        let span = Span { start: 3, end: 8, ..Span::default() };
        assert_eq!(Written::new("value", ScalarStyle::Plain, file, span).span(&(1..2)), span);
    }
}
