//! Values on one line.

use trueup_state::{Value, codec};

/// The longest that a value may be on a line, in characters.
const LONGEST: usize = 60;

/// How a digest begins.
const DIGEST: &str = "sha256:";

/// A value as JSON, cut where it is long. Secrets and unknowns read as such.
pub(crate) fn short(value: &Value) -> String {
    let text = match value {
        Value::Unknown => "(known after apply)".to_owned(),
        Value::Secret(_) => "(secret)".to_owned(),
        other => codec::redact(other, codec::Redaction::Words).to_string(),
    };
    match value {
        // The first digits of a digest tell two apart; the rest is in the JSON.
        Value::String(digest) if digest.starts_with(DIGEST) => head(digest, DIGEST.len() + 12),
        _ => cut(&text, LONGEST),
    }
}

/// A value as JSON, however long it is: for who looks at one thing.
pub(crate) fn whole(value: &Value) -> String {
    match value {
        Value::Secret(_) => "(secret)".to_owned(),
        other => codec::redact(other, codec::Redaction::Words).to_string(),
    }
}

/// A value that may not be there.
pub(crate) fn optional(value: Option<&Value>) -> String {
    value.map_or_else(|| "(none)".to_owned(), short)
}

/// The first characters of a text.
fn head(text: &str, characters: usize) -> String {
    format!("{}…", text.chars().take(characters).collect::<String>())
}

/// A text, cut in its middle where it is longer than so many characters.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= longest {
        return text.to_owned();
    }
    let half = longest.saturating_sub(1) / 2;
    let start: String = characters[..half].iter().collect();
    let end: String = characters[characters.len() - half..].iter().collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_keeps_its_ends() {
        let text = cut(&format!("start{}end", "x".repeat(100)), 11);
        assert_eq!(text, "start…xxend");
        assert_eq!(cut("äöü", 3), "äöü");
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(short(&Value::secret("hunter2".into())), "(secret)");
        let inside = Value::Map([("a".to_owned(), Value::secret("hunter2".into()))].into());
        assert_eq!(short(&inside), r#"{"a":"(secret)"}"#);
    }
}
