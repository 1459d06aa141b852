//! Text that may hold anything, made fit to be shown.
//!
//! A terminal obeys some characters instead of showing them, and others turn the order in which a line is read. Whoever names a
//! resource, tags it or answers for a provider must not be able to write on the reader's screen. What a program reads is another
//! matter: that is told exactly, as JSON by [`json`], or as it is.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value as Json;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Whether a character is obeyed rather than shown: the controls of ASCII and of Latin-1, DEL, what turns the direction of writing,
/// and what ends a line for some and not for others.
pub(crate) fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Something on one line, as a reader may be shown it. What would be obeyed reads as JSON writes it, so that an address is still one.
pub(crate) fn line(text: impl Display) -> String {
    escaped(text.to_string().into(), |_| false).into_owned()
}

/// The same of several lines: their ends and tabs stay.
pub(crate) fn lines(text: impl Display) -> String {
    escaped(text.to_string().replace("\r\n", "\n").into(), |c| matches!(c, '\n' | '\t')).into_owned()
}

/// JSON in which everything that would be obeyed is escaped, which says the same to whoever parses it. `wide`: on several lines.
pub(crate) fn json(value: &Json, wide: bool) -> String {
    let mut bytes = Vec::new();
    // Neither the value nor memory fails, and what is written are characters.
    let _ = write_json(&mut bytes, value, wide);
    String::from_utf8(bytes).unwrap_or_default()
}

/// The same, written as it is made: a large answer is never held as a whole.
pub(crate) fn write_json(to: &mut impl Write, value: &impl Serialize, wide: bool) -> io::Result<()> {
    if wide {
        value.serialize(&mut Serializer::with_formatter(to, Escaping(PrettyFormatter::new())))?;
    } else {
        value.serialize(&mut Serializer::with_formatter(to, Escaping(CompactFormatter)))?;
    }
    Ok(())
}

/// Writes JSON as another formatter does, but for what would be obeyed in texts.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        to.write_all(escaped(fragment.into(), |_| false).as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_array(to)
    }

    fn end_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array(to)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(to, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array_value(to)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object(to)
    }

    fn end_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object(to)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(to, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object_value(to)
    }
}

/// Text with colours of our own, as the last look at it before it is written: whatever else is in it that would be obeyed, and was
/// not made fit where it was put in, is now.
pub(crate) fn styled(text: &str) -> Cow<'_, str> {
    let mut made = String::new();
    let mut kept = 0;
    for (at, escape) in text.match_indices('\u{1b}') {
        if at >= kept && !is_colour(&text[at..]) {
            made.push_str(&escaped(text[kept..at].into(), stays));
            made.push_str(&unicode(escape.chars().next().unwrap_or_default()));
            kept = at + 1;
        }
    }
    if kept == 0 {
        return escaped(text.into(), stays);
    }
    made.push_str(&escaped(text[kept..].into(), stays));
    made.into()
}

/// What a drawing of our own has: lines, tabs, and the beginnings of colours.
fn stays(character: char) -> bool {
    matches!(character, '\n' | '\t' | '\u{1b}')
}

/// Whether a text begins with a sequence that sets a colour.
fn is_colour(text: &str) -> bool {
    let rest = text.strip_prefix("\u{1b}[").unwrap_or_default();
    rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
}

fn escaped(text: Cow<'_, str>, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let obeyed = |c: char| is_obeyed(c) && !stays(c);
    if !text.contains(obeyed) {
        return text;
    }
    let mut made = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            c if !obeyed(c) => made.push(c),
            '\n' => made.push_str("\\n"),
            '\r' => made.push_str("\\r"),
            '\t' => made.push_str("\\t"),
            c => made.push_str(&unicode(c)),
        }
    }
    made.into()
}

/// A character as JSON escapes it; none that is obeyed needs two of these.
fn unicode(character: char) -> String {
    format!("\\u{:04x}", u32::from(character))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// One of each sort that is obeyed.
    const ODD: &str = "a\u{0}\u{7}\u{1b}[2J\u{7f}\u{85}\u{9b}31m\u{200f}\u{202e}\u{2066}\u{2028}\u{61c}z";

    #[test]
    fn what_would_be_obeyed_is_shown_as_json_writes_it() {
        let shown = line(ODD);
        assert!(!shown.contains(is_obeyed), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&format!("\"{shown}\"")).unwrap(), ODD);
        assert_eq!(line("one\r\n\ttwo ✓ 模型"), "one\\r\\n\\ttwo ✓ 模型");
        assert_eq!(lines("one\r\n\ttwo\u{8}\r"), "one\n\ttwo\\u0008\\r");
    }

    #[test]
    fn json_keeps_apart_what_only_a_control_tells_apart() {
        let value = json!({ "a\u{7f}": ["\u{7f}", "", ODD, "one\ntwo"] });
        for wide in [false, true] {
            let text = json(&value, wide);
            assert!(!text.contains(|c| is_obeyed(c) && c != '\n'), "{text:?}");
            assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), value);
        }
        assert_eq!(json(&json!("\u{7f}"), false), r#""\u007f""#);
    }

    #[test]
    fn colours_pass_and_nothing_else_does() {
        let text = "\u{1b}[1;32m+\u{1b}[0m a\n\tb \u{1b}]0;title\u{7}\u{1b}[2Jc\u{1b}";
        assert_eq!(styled(text), "\u{1b}[1;32m+\u{1b}[0m a\n\tb \\u001b]0;title\\u0007\\u001b[2Jc\\u001b");
        assert_eq!(styled("plain"), "plain");
    }

    proptest! {
        #[test]
        fn no_text_gets_through(text in any::<String>()) {
            prop_assert!(!line(&text).contains(is_obeyed));
            prop_assert!(!lines(&text).contains(|c| is_obeyed(c) && !matches!(c, '\n' | '\t')));
            let shown = line(&text);
            prop_assert_eq!(styled(&shown), shown.as_str());
            let value = Json::from(text);
            prop_assert_eq!(serde_json::from_str::<Json>(&json(&value, true)).unwrap(), value);
        }
    }
}
