//! Plain scalars as YAML 1.2's core schema reads them.

use super::source::Content;
use crate::diagnostic::{Diagnostic, Span};

/// A plain scalar that has no place in a blueprint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    message: String,
    help: String,
}

impl Unfit {
    /// The same as a diagnostic.
    pub(super) fn at(self, span: Span) -> Diagnostic {
        Diagnostic::error(self.message).at(span, "this value").help(self.help)
    }
}

/// What a plain scalar is.
pub(super) fn plain(text: &str) -> Result<Content, Unfit> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "true" | "True" | "TRUE" => Content::Bool(true),
        "false" | "False" | "FALSE" => Content::Bool(false),
        _ if is_special_float(text) => {
            let message = format!("`{text}` is no number that a blueprint can hold");
            return Err(Unfit { message, help: "write a finite number, or put the text in quotes".to_owned() });
        }
        _ => match number(text)? {
            Some(number) => Content::Number(number),
            None => Content::String(text.to_owned()),
        },
    })
}

fn is_special_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// A number; none where the text is none.
fn number(text: &str) -> Result<Option<serde_json::Number>, Unfit> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let all = |digits: &str, fits: fn(&u8) -> bool| !digits.is_empty() && digits.bytes().all(|byte| fits(&byte));
    if let Some(octal) = text.strip_prefix("0o").filter(|octal| all(octal, |byte| (b'0'..=b'7').contains(byte))) {
        return whole(text, u64::from_str_radix(octal, 8).ok(), false).map(Some);
    }
    if let Some(hex) = text.strip_prefix("0x").filter(|hex| all(hex, u8::is_ascii_hexdigit)) {
        return whole(text, u64::from_str_radix(hex, 16).ok(), false).map(Some);
    }
    if all(digits, u8::is_ascii_digit) {
        if digits.len() > 1 && digits.starts_with('0') {
            let message = format!("`{text}` would lose its leading zeros as a number");
            let help = format!("put it in quotes if it is text: `\"{text}\"`; else leave the zeros out");
            return Err(Unfit { message, help });
        }
        return whole(text, digits.parse().ok(), negative).map(Some);
    }
    if !is_decimal(digits) {
        return Ok(None);
    }
    let number = text.strip_prefix('+').unwrap_or(text).parse().ok().and_then(serde_json::Number::from_f64);
    number.map(Some).ok_or_else(|| too_large(text))
}

fn whole(text: &str, size: Option<u64>, negative: bool) -> Result<serde_json::Number, Unfit> {
    let number = match size {
        Some(size) if !negative => Some(size.into()),
        Some(size) => 0_i64.checked_sub_unsigned(size).map(Into::into),
        None => None,
    };
    number.ok_or_else(|| too_large(text))
}

fn too_large(text: &str) -> Unfit {
    let message = format!("`{text}` is too large a number");
    Unfit { message, help: format!("put it in quotes if it is text: `\"{text}\"`") }
}

/// `1.5`, `.5`, `1.`, `1e3`: digits with a point or an exponent.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fits = digits(whole) && digits(fraction) && (!whole.is_empty() || !fraction.is_empty());
    fits && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_core_schema() {
        let json = |text: &str| match plain(text).unwrap() {
            Content::Null => serde_json::Value::Null,
            Content::Bool(value) => value.into(),
            Content::Number(number) => number.into(),
            Content::String(text) => text.into(),
            other => panic!("{other:?}"),
        };
        for (text, expected) in [
            ("~", serde_json::json!(null)),
            ("True", true.into()),
            ("yes", "yes".into()),
            ("on", "on".into()),
            ("0", 0.into()),
            ("-17", (-17).into()),
            ("+5", 5.into()),
            ("0x1F", 31.into()),
            ("0o17", 15.into()),
            ("-9223372036854775808", i64::MIN.into()),
            ("18446744073709551615", u64::MAX.into()),
            ("1.5", 1.5.into()),
            (".5", 0.5.into()),
            ("1e3", 1000.0.into()),
            ("1.2.3", "1.2.3".into()),
            ("20ms", "20ms".into()),
            ("-", "-".into()),
            (".", ".".into()),
            ("1_000", "1_000".into()),
            ("2024-01-01", "2024-01-01".into()),
            ("12e", "12e".into()),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_would_be_misread() {
        for text in [".nan", "-.inf", "012", "-007", "18446744073709551616", "-9223372036854775809", "1e999"] {
            assert!(plain(text).is_err(), "{text}");
        }
    }
}
