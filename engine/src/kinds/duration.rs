//! Spans of time as blueprints write them: `30s`, `10m`, `8h`, `7d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const PATTERN: &str = "^[0-9]{1,9}(ms|s|m|h|d)$";

/// A span of time: a whole number and its unit, `ms`, `s`, `m`, `h` or `d`. It keeps the words it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    text: String,
    duration: Duration,
}

/// Why a text is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no span of time: write a whole number and a unit, such as `30s`, `10m`, `8h` or `7d`")]
pub struct SpanError(String);

impl Span {
    /// How long it is.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// A span of whole seconds.
    pub fn seconds(seconds: u64) -> Self {
        Self { text: format!("{seconds}s"), duration: Duration::from_secs(seconds) }
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.to_owned());
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?);
        let count: u64 = number.parse().map_err(|_| error())?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(error()),
        };
        let total = count.checked_mul(millis).filter(|_| number.len() <= 9).ok_or_else(error)?;
        Ok(Self { text: text.to_owned(), duration: Duration::from_millis(total) })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_its_units_and_keeps_its_words() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("8h", 28_800), ("7d", 604_800), ("2000ms", 2)] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.duration(), Duration::from_secs(seconds));
            assert_eq!(span.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_span_says_what_one_is() {
        for text in ["", "30", "h", "-1s", "1.5h", "1 h", "1w", "9999999999d"] {
            assert!(text.parse::<Span>().unwrap_err().to_string().contains("`30s`"), "{text}");
        }
    }
}
