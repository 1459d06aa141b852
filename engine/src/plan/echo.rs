//! What a cloud repeats of the secrets that it was sent: in what is observed, and in what it says.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use trueup_state::{FieldPath, Value};

/// The shortest text that is a secret wherever it stands, and in whatever spelling: shorter ones stand in much by chance.
const TELLING: usize = 6;

/// Marks as secret, in what was observed, each value at a path where one of `known` is secret, and each that repeats one of theirs.
pub fn mark_secrets(observed: &Value, known: &[&Value]) -> Value {
    let secrets = Secrets::of(known);
    if secrets.values.is_empty() { observed.clone() } else { mark(observed, known, &secrets) }
}

fn mark(observed: &Value, known: &[&Value], secrets: &Secrets) -> Value {
    if known.iter().any(|value| matches!(value, Value::Secret(_))) || secrets.are_repeated_by(observed) {
        return Value::secret(observed.clone());
    }
    match observed {
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(name, value)| {
                    let known: Vec<&Value> = known.iter().filter_map(|known| known.get(name)).collect();
                    (name.clone(), mark(value, &known, secrets))
                })
                .collect(),
        ),
        Value::List(items) => Value::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let at = FieldPath::root().index(index);
                    let known: Vec<&Value> = known.iter().filter_map(|known| known.at(&at)).collect();
                    mark(item, &known, secrets)
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// A text in which each secret text of `known` reads `(secret)`, however it is spelt there: what a provider says may echo what it was
/// sent.
pub fn scrub(text: &str, known: &[&Value]) -> String {
    let secrets = Secrets::of(known);
    let mut words: Vec<&String> = secrets.words.iter().chain(&secrets.spellings).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.into_iter().fold(text.to_owned(), |text, word| text.replace(word.as_str(), "(secret)"))
}

/// The secrets of some values.
#[derive(Default)]
struct Secrets {
    values: Vec<Value>,
    /// The texts and numbers in them.
    words: Vec<String>,
    /// What tells a long text wherever it stands: itself, its lines, and both as other formats spell them.
    spellings: Vec<String>,
}

impl Secrets {
    fn of(known: &[&Value]) -> Self {
        let mut secrets = Self::default();
        known.iter().for_each(|value| secrets.collect(value));
        secrets.words.sort();
        secrets.words.dedup();
        let long = secrets.words.iter().filter(|word| word.len() >= TELLING);
        secrets.spellings = long.flat_map(|word| spellings(word)).collect();
        secrets
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Secret(_) => {
                self.values.push(value.revealed().clone());
                self.collect_words(value);
            }
            Value::List(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Map(map) => map.values().for_each(|item| self.collect(item)),
            _ => {}
        }
    }

    fn collect_words(&mut self, secret: &Value) {
        match secret.revealed() {
            Value::String(text) if !text.is_empty() => self.words.push(text.clone()),
            Value::Number(number) => self.words.push(number.to_string()),
            Value::List(items) => items.iter().for_each(|item| self.collect_words(item)),
            Value::Map(map) => map.values().for_each(|item| self.collect_words(item)),
            _ => {}
        }
    }

    /// Whether an observed value is a secret one, or has the text of one in it.
    fn are_repeated_by(&self, observed: &Value) -> bool {
        let tells = |text: &str| self.spellings.iter().any(|spelling| text.contains(spelling.as_str()));
        let repeats = match observed {
            Value::String(text) => tells(text),
            Value::Map(map) => map.keys().any(|name| tells(name)),
            _ => false,
        };
        repeats || self.values.iter().any(|secret| hides(secret, observed))
    }
}

/// Whether an observed value is a secret one. Booleans, nulls and empty text are no secret wherever else they stand.
fn hides(secret: &Value, observed: &Value) -> bool {
    let telling = match secret {
        Value::String(text) => !text.is_empty(),
        Value::Number(_) => true,
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        _ => false,
    };
    telling && secret.same(observed)
}

/// How a text may stand in another: as it is, escaped, encoded, or line by line.
fn spellings(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= TELLING);
    let mut found: Vec<String> = std::iter::once(text).chain(lines).flat_map(spelt).collect();
    found.sort();
    found.dedup();
    found
}

fn spelt(text: &str) -> Vec<String> {
    let unquoted = |text: String| text.get(1..text.len() - 1).unwrap_or_default().to_owned();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let percent = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let mut found = vec![
        text.to_owned(),
        unquoted(serde_json::Value::from(text).to_string()),
        unquoted(format!("{text:?}")),
        text.bytes().map(percent).collect(),
        hex::encode(text),
    ];
    found.extend((0..3).flat_map(|before| in_base64(text, before)));
    found
}

/// What of the base64 of a longer text is of this text alone, where so many bytes more than a multiple of three stand before it.
fn in_base64(text: &str, before: usize) -> Vec<String> {
    let bytes = [&[0; 3][..before], text.as_bytes()].concat();
    let digits = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
    let encoded = [BASE64_STANDARD_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes)];
    encoded.into_iter().filter_map(|encoded| encoded.get(digits.clone()).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "hunter2\"\n/ä";

    fn sent() -> Value {
        Value::Map([("token".to_owned(), Value::secret(SECRET.into()))].into())
    }

    /// The secret as others may spell it, with something around it.
    fn echoes() -> Vec<String> {
        let standard = |text: String| base64::prelude::BASE64_STANDARD.encode(text);
        vec![
            format!("refused {SECRET}!"),
            json!({ "token": SECRET }).to_string(),
            format!("{:?}", [SECRET]),
            "https://host/?token=hunter2%22%0A%2F%C3%A4&b=c".to_owned(),
            format!("0x{}", hex::encode(SECRET)),
            standard(SECRET.to_owned()),
            standard(format!("u:{SECRET}")),
            standard(format!("user:{SECRET}:more")),
            "in its first line: hunter2\"".to_owned(),
        ]
    }

    #[test]
    fn what_echoes_a_secret_is_secret() {
        for echo in echoes() {
            let observed = Value::from(json!({ "log": [echo, "fine"], "other": "fine", "keys": { echo.as_str(): 1 } }));
            let marked = mark_secrets(&observed, &[&sent()]);
            let list = marked.get("log").and_then(Value::as_list).unwrap();
            assert!(matches!(list, [Value::Secret(_), Value::String(_)]), "{echo}: {list:?}");
            assert!(matches!(marked.get("keys"), Some(Value::Secret(_))), "{echo}");
            assert_eq!(marked.get("other"), Some(&"fine".into()));
        }
    }

    #[test]
    fn what_a_provider_says_is_scrubbed_however_it_spells_it() {
        for echo in echoes() {
            let said = scrub(&echo, &[&sent()]);
            assert!(said.contains("(secret)") && !said.contains("hunter2"), "{echo}: {said}");
        }
        let numbers = Value::secret(json!({ "token": "hunter2", "pin": 1234 }).into());
        assert_eq!(scrub("refused hunter2 and 1234", &[&numbers]), "refused (secret) and (secret)");
    }

    #[test]
    fn what_is_short_is_secret_by_itself_alone() {
        let sent = Value::Map([("pin".to_owned(), Value::secret("1234".into()))].into());
        let observed = Value::from(json!({ "pin": "1234", "again": "1234", "longer": "12345", "none": "" }));
        let marked = mark_secrets(&observed, &[&sent]);
        let secret = |name| matches!(marked.get(name), Some(Value::Secret(_)));
        assert_eq!(["pin", "again", "longer", "none"].map(secret), [true, true, false, false]);
        for said in [false, true] {
            let sent = Value::Map([("a".to_owned(), Value::secret(said.into()))].into());
            assert_eq!(mark_secrets(&json!({ "b": said }).into(), &[&sent]).get("b"), Some(&said.into()));
        }
    }
}
