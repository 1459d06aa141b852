//! Values on one line, fit to be shown.

use trueup_state::{Value, codec};

use super::safe;

/// The longest that a value may be on a line, in characters.
const LONGEST: usize = 60;

/// How a digest begins.
const DIGEST: &str = "sha256:";

/// A value as JSON, cut where it is long. Secrets and unknowns read as such.
pub(crate) fn short(value: &Value) -> String {
    match value {
        // The first digits of a digest tell two apart; the rest is in the JSON.
        Value::String(digest) if digest.starts_with(DIGEST) => safe::line(head(digest, DIGEST.len() + 12)),
        _ => cut(&whole(value), LONGEST),
    }
}

/// A value as JSON, however long it is: for who looks at one thing.
pub(crate) fn whole(value: &Value) -> String {
    match value {
        Value::Unknown => "(known after apply)".to_owned(),
        Value::Secret(_) => "(secret)".to_owned(),
        other => safe::json(&codec::redact(other, codec::Redaction::Words), false),
    }
}

/// Stands for a value that is sealed for a key that is not here, beside another.
pub(crate) const CANNOT_COMPARE: &str = "cannot compare";

/// Whether what two values are to each other can't be told: one of them is sealed for a key that is not here.
fn cannot_compare(before: Option<&Value>, after: Option<&Value>) -> bool {
    let is_locked = |value: &Value| matches!(value.revealed(), Value::Secret(_));
    before.zip(after).is_some_and(|(before, after)| is_locked(before) || is_locked(after))
}

/// Stands where there is no value.
pub(crate) const NONE: &str = "(none)";

/// Whether the whole of a value stands on a line.
pub(crate) fn fits(value: &Value) -> bool {
    whole(value).chars().count() <= LONGEST
}

/// A value that may not be there.
pub(crate) fn optional(value: Option<&Value>) -> String {
    value.map_or_else(|| NONE.to_owned(), short)
}

/// A value and what it becomes. Of two long ones, the part in which they differ first.
pub(crate) fn change(before: Option<&Value>, after: Option<&Value>) -> String {
    if cannot_compare(before, after) {
        return CANNOT_COMPARE.to_owned();
    }
    let is_cut = |value: &&Value| short(value).contains('…') && !is_digest(value);
    match (before.filter(is_cut), after.filter(is_cut)) {
        (Some(before), Some(after)) => format!("{} → {}", beside(before, after), beside(after, before)),
        _ => format!("{} → {}", optional(before), optional(after)),
    }
}

/// A long value beside another: the part in which they differ first.
pub(crate) fn beside(value: &Value, other: &Value) -> String {
    let text: Vec<char> = whole(value).chars().collect();
    let same = text.iter().zip(whole(other).chars()).take_while(|(one, other)| **one == *other).count();
    window(&text, same)
}

/// What stands around a place of a long text.
fn window(text: &[char], place: usize) -> String {
    let start = place.saturating_sub(LONGEST / 4).min(text.len().saturating_sub(LONGEST));
    let end = (start + LONGEST).min(text.len());
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < text.len() { "…" } else { "" });
    format!("{before}{}{after}", text[start..end].iter().collect::<String>())
}

fn is_digest(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(DIGEST))
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
    fn of_two_long_values_the_part_that_differs_is_shown() {
        let text = |middle: &str| Value::from(format!("{}{middle}{}", "a".repeat(100), "b".repeat(100)));
        let shown = change(Some(&text("one")), Some(&text("two")));
        assert!(shown.contains("aaaone") && shown.contains("aaatwo"), "{shown}");
        assert_eq!(shown.chars().count(), 2 * (LONGEST + 2) + 3);
        assert_eq!(change(Some(&"x".into()), Some(&text("one"))), format!("\"x\" → {}", short(&text("one"))));
        assert_eq!(change(None, Some(&true.into())), "(none) → true");
        let digest = |digit: &str| Value::from(format!("sha256:{}", digit.repeat(64)));
        assert_eq!(change(Some(&digest("0")), Some(&digest("1"))), "sha256:000000000000… → sha256:111111111111…");
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(short(&Value::secret("hunter2".into())), "(secret)");
        let inside = Value::Map([("a".to_owned(), Value::secret("hunter2".into()))].into());
        assert_eq!(short(&inside), r#"{"a":"(secret)"}"#);
    }
}
