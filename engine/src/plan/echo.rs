//! What a cloud repeats of the secrets that it was sent: in what is observed, and in what it says.
//!
//! What is said is for people: there a secret is hidden generously, since a word too much that reads `(secret)` does no harm. A value
//! that is marked can't stand in names any more, nor be shown as an output: there only what surely repeats a secret is one.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use trueup_state::{Address, FieldPath, Value};

use super::spelling::{Readings, Spelling, spellings};
use crate::naming;

/// The shortest text that is hidden wherever it is said, in whatever spelling.
const TELLING: usize = 6;

/// The shortest text that is a secret wherever it stands in a value: shorter ones stand in much by chance.
const SURE: usize = 12;

/// The shortest line of a secret that is one by itself: shorter ones stand in other files too.
const SURE_LINE: usize = 32;

/// Marks as secret, in what was observed of a resource, each value at a path where one of `known` is secret, and each that surely
/// repeats one of theirs. What stands in its address as well is no secret wherever its name is.
pub fn mark_secrets(observed: &Value, known: &[&Value], address: &Address) -> Value {
    let secrets = Secrets::of(known);
    if secrets.values.is_empty() {
        return observed.clone();
    }
    mark(observed, known, &Marks { secrets, address, spellings: OnceCell::new() })
}

fn mark(observed: &Value, known: &[&Value], marks: &Marks<'_>) -> Value {
    if known.iter().any(|value| matches!(value, Value::Secret(_))) || marks.are_repeated_by(observed) {
        return Value::secret(observed.clone());
    }
    match observed {
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(name, value)| {
                    let known: Vec<&Value> = known.iter().filter_map(|known| known.get(name)).collect();
                    (name.clone(), mark(value, &known, marks))
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
                    mark(item, &known, marks)
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// What tells that a value of a resource repeats a secret.
struct Marks<'a> {
    secrets: Secrets,
    address: &'a Address,
    spellings: OnceCell<BTreeSet<Spelling>>,
}

impl Marks<'_> {
    /// Whether an observed value is a secret one, or has the text of one in it.
    fn are_repeated_by(&self, observed: &Value) -> bool {
        let repeats = match observed {
            Value::String(text) => self.tell(text),
            Value::Map(map) => map.keys().any(|name| self.tell(name)),
            _ => false,
        };
        repeats || self.secrets.values.iter().any(|secret| hides(secret, observed))
    }

    fn tell(&self, text: &str) -> bool {
        // Of most that is observed, its length tells enough.
        if text.len() < SURE {
            return false;
        }
        let readings = Readings::of(text);
        self.spellings.get_or_init(|| self.sure()).iter().any(|spelling| readings.have(spelling))
    }

    fn sure(&self) -> BTreeSet<Spelling> {
        let (address, name) = (self.address.to_string(), naming::in_names(self.address));
        let words = self.secrets.words.iter().map(|word| word.trim()).filter(|word| word.len() >= SURE);
        let words: Vec<&str> = words.filter(|word| !address.contains(word) && !name.contains(word)).collect();
        let lines = words.iter().flat_map(|word| lines(word)).filter(|line| is_telling(line));
        lines.chain(words.iter().copied()).flat_map(spellings).collect()
    }
}

/// Whether a line is surely of one file: it is long, has digits in it, and is not what files of its sort begin or end with.
fn is_telling(line: &str) -> bool {
    let begins = ["-----", "<?", "#!"].iter().any(|start| line.starts_with(start));
    line.len() >= SURE_LINE && !begins && line.contains(|c: char| c.is_ascii_digit())
}

/// The lines of a text that has several.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(move |line| line.len() < text.len())
}

/// A text in which each secret text of `known` reads `(secret)`, however it is spelt there: what a provider says may echo what it was
/// sent.
pub fn scrub(text: &str, known: &[&Value]) -> String {
    let secrets = Secrets::of(known);
    let readings = Readings::of(text);
    let mut found: Vec<Range<usize>> = Vec::new();
    for word in secrets.words.iter().map(|word| word.trim()) {
        if word.len() < TELLING {
            found.extend(readings.places(&Spelling::plain(word)));
            continue;
        }
        let lines = lines(word).filter(|line| line.len() >= TELLING);
        let spelt: BTreeSet<Spelling> = lines.chain([word]).flat_map(spellings).collect();
        found.extend(spelt.iter().flat_map(|spelling| readings.places(spelling)));
    }
    for name in &secrets.names {
        let places = readings.places(&Spelling::plain(name));
        found.extend(places.into_iter().filter(|place| name.len() >= TELLING || is_word(text, place)));
    }
    without(text, found)
}

/// Whether a stretch of a text is no piece of a longer word.
fn is_word(text: &str, place: &Range<usize>) -> bool {
    let is_inside = |c: char| c.is_alphanumeric() || c == '_';
    !text[..place.start].ends_with(is_inside) && !text[place.end..].starts_with(is_inside)
}

/// A text with `(secret)` in the place of some stretches.
fn without(text: &str, mut stretches: Vec<Range<usize>>) -> String {
    stretches.sort_by_key(|stretch| stretch.start);
    let (mut said, mut done) = (String::with_capacity(text.len()), 0);
    for stretch in stretches {
        if stretch.start >= done {
            said.push_str(&text[done..stretch.start]);
            said.push_str("(secret)");
        }
        done = done.max(stretch.end);
    }
    said + &text[done..]
}

/// The secrets of some values, each once.
#[derive(Default)]
struct Secrets {
    values: Vec<Value>,
    /// The texts and numbers in them.
    words: BTreeSet<String>,
    /// The names of fields in them.
    names: BTreeSet<String>,
}

impl Secrets {
    fn of(known: &[&Value]) -> Self {
        let mut secrets = Self::default();
        known.iter().for_each(|value| secrets.collect(value));
        secrets
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Secret(_) => {
                let secret = value.revealed();
                if !self.values.contains(secret) {
                    self.values.push(secret.clone());
                    self.collect_words(value);
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Map(map) => map.values().for_each(|item| self.collect(item)),
            _ => {}
        }
    }

    fn collect_words(&mut self, secret: &Value) {
        match secret.revealed() {
            Value::String(text) if !text.trim().is_empty() => {
                self.words.insert(text.clone());
            }
            Value::Number(number) => {
                self.words.insert(number.to_string());
            }
            Value::List(items) => items.iter().for_each(|item| self.collect_words(item)),
            Value::Map(map) => {
                self.names.extend(map.keys().filter(|name| !name.is_empty()).cloned());
                map.values().for_each(|item| self.collect_words(item));
            }
            _ => {}
        }
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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "hunter2\"\n/ä b";

    fn sent(secret: &str) -> Value {
        Value::Map([("token".to_owned(), Value::secret(secret.into()))].into())
    }

    /// Marks what is observed of the resource `weights`, where `secret` is a field.
    fn marked(observed: serde_json::Value, secret: &str) -> Value {
        mark_secrets(&observed.into(), &[&sent(secret), &sent(secret)], &"weights".parse().unwrap())
    }

    fn is_secret(value: &Value, name: &str) -> bool {
        matches!(value.get(name), Some(Value::Secret(_)))
    }

    /// The secret as others may spell it, with something around it.
    fn echoes() -> Vec<String> {
        let standard = |text: String| base64::prelude::BASE64_STANDARD.encode(text);
        let wrapped = |text: String, end: &str| {
            let lines: Vec<&str> = text.as_bytes().chunks(7).map(|line| std::str::from_utf8(line).unwrap()).collect();
            lines.join(end)
        };
        vec![
            format!("refused {SECRET}!"),
            json!({ "token": SECRET }).to_string(),
            format!("{:?}", [SECRET]),
            "https://host/?token=hunter2%22%0A%2F%C3%A4%20b&b=c".to_owned(),
            "https://host/?token=hunter2%22%0a%2f%c3%a4%20b&b=c".to_owned(),
            "https://host/?token=hunter2%22%0a/%c3%a4+b&b=c".to_owned(),
            format!("0x{}", hex::encode(SECRET)),
            format!("0x{}", hex::encode_upper(SECRET)),
            wrapped(hex::encode(SECRET), " "),
            standard(SECRET.to_owned()),
            standard(format!("u:{SECRET}")),
            standard(format!("user:{SECRET}:more")),
            wrapped(standard(format!("user:{SECRET}:more")), "\n"),
            json!(wrapped(standard(SECRET.to_owned()), "\r\n")).to_string(),
        ]
    }

    #[test]
    fn what_echoes_a_secret_is_secret() {
        for echo in echoes() {
            let observed = json!({ "log": [echo, "fine"], "other": "fine", "keys": { echo.as_str(): 1 } });
            let marked = marked(observed, SECRET);
            let list = marked.get("log").and_then(Value::as_list).unwrap();
            assert!(matches!(list, [Value::Secret(_), Value::String(_)]), "{echo}: {list:?}");
            assert!(is_secret(&marked, "keys"), "{echo}");
            assert_eq!(marked.get("other"), Some(&"fine".into()));
        }
    }

    #[test]
    fn what_a_provider_says_is_scrubbed_however_it_spells_it() {
        for echo in echoes().into_iter().chain(["in its first line: hunter2\"".to_owned()]) {
            let said = scrub(&echo, &[&sent(SECRET)]);
            assert!(said.contains("(secret)") && !said.contains("hunter2"), "{echo}: {said}");
        }
        let numbers = Value::secret(json!({ "token": "hunter2", "pin": 1234 }).into());
        assert_eq!(scrub("refused hunter2 and 1234", &[&numbers]), "refused (secret) and (secret)");
        let around = format!("ä {} ä", hex::encode_upper("hunter2"));
        assert_eq!(scrub(&around, &[&sent("hunter2")]), "ä (secret) ä");
        assert_eq!(scrub("a secret is secret", &[&sent("secret")]), "a (secret) is (secret)");
    }

    #[test]
    fn the_names_in_a_secret_map_are_scrubbed_as_its_values() {
        let map = Value::secret(json!({ "hunter2": { "id": "x12345" } }).into());
        assert_eq!(scrub("hunter2s id is x12345, inside", &[&map]), "(secret)s (secret) is (secret), inside");
    }

    #[test]
    fn what_is_short_is_secret_by_itself_alone() {
        let observed = json!({ "pin": "1234", "again": "1234", "longer": "12345", "none": "" });
        let marked = marked(observed, "1234");
        assert_eq!(["pin", "again", "longer", "none"].map(|name| is_secret(&marked, name)), [true, true, false, false]);
        for said in [false, true] {
            let sent = Value::Map([("a".to_owned(), Value::secret(said.into()))].into());
            let observed = json!({ "b": said }).into();
            assert_eq!(mark_secrets(&observed, &[&sent], &"a".parse().unwrap()).get("b"), Some(&said.into()));
        }
    }

    #[test]
    fn what_only_may_repeat_a_secret_stays_a_value() {
        let name = json!({ "name": "demo-postgres-780ba8e7" });
        assert!(!is_secret(&marked(name, "postgres"), "name"));
        let name = json!({ "name": "demo-serving-chat-780ba8e7", "note": "for demo-serving-chat" });
        for (address, secret) in [("serving/chat", "serving-chat"), ("serving-chat", "serving-chat")] {
            let marked = mark_secrets(&name.clone().into(), &[&sent(secret)], &address.parse().unwrap());
            assert_eq!(["name", "note"].map(|name| is_secret(&marked, name)), [false, false], "{address}");
        }
        assert!(is_secret(&marked(name, "serving-chat"), "name"), "of another resource it is no name");
    }

    #[test]
    fn a_line_is_secret_where_no_other_file_has_it() {
        let body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
        let key =
            format!("-----BEGIN PRIVATE KEY-----\npostgres\nset -euo pipefail\n{body}\n-----END PRIVATE KEY-----\n");
        let observed = json!({
            "head": "-----BEGIN PRIVATE KEY-----", "word": "the postgres of old", "shell": "set -euo pipefail # 1",
            "body": format!("key {body}"), "all": key,
        });
        let marked = marked(observed, &key);
        let names = ["head", "word", "shell", "body", "all"];
        assert_eq!(names.map(|name| is_secret(&marked, name)), [false, false, false, true, true]);
        assert_eq!(scrub("postgres has no pipefail", &[&sent(&key)]), "(secret) has no pipefail");
    }
}
