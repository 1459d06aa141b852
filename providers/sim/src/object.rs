//! What the cloud has: objects, as they are stored and as they are shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use trueup_state::{Map, Timestamp, Value, Verb};

use crate::host::Host;

/// One object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Object {
    /// `REGION/KIND/` and 16 hexadecimal digits: those of its owner's lineage, so that a list of one owner's is a range of keys, and
    /// its number.
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) region: String,
    pub(crate) name: String,
    /// The address that it was made for.
    pub(crate) address: String,
    /// What it is. Of a secret only a salted digest is kept.
    pub(crate) spec: Json,
    /// What was measured, allotted or drawn when it was made or changed last.
    pub(crate) notes: Json,
    pub(crate) owner: BTreeMap<String, String>,
    /// The token of the call that made it.
    pub(crate) token: String,
    /// The machine that stands for it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<Host>,
    pub(crate) made_at: Timestamp,
    /// The work that goes on with it, or went on last.
    pub(crate) work: Option<Work>,
    /// False of one that was only partly made.
    pub(crate) whole: bool,
    /// How often it was changed.
    pub(crate) revision: u64,
}

/// Work that goes on after its call has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) verb: Verb,
    /// Until when; none for ever.
    pub(crate) until: Option<Timestamp>,
}

impl Work {
    /// Whether it goes on still.
    pub(crate) fn goes_on(self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Object {
    /// Whether work goes on with it.
    pub(crate) fn is_busy(&self, now: Timestamp) -> bool {
        self.work.is_some_and(|work| work.goes_on(now))
    }

    /// Whether it has been deleted by now.
    pub(crate) fn is_gone(&self, now: Timestamp) -> bool {
        self.work.is_some_and(|work| work.verb == Verb::Delete && !work.goes_on(now))
    }

    /// What it is doing, in a word. `at_work`: what it does when nothing is done to it.
    pub(crate) fn status(&self, now: Timestamp, at_work: &'static str) -> &'static str {
        match self.work.filter(|work| work.goes_on(now)).map(|work| work.verb) {
            Some(Verb::Create) => "pending",
            Some(Verb::Delete) => "deleting",
            Some(Verb::Update | Verb::Check) => "updating",
            None => at_work,
        }
    }
}

/// What stands for a secret in a stored spec.
const DIGEST: &str = "$secret";

/// A spec as the cloud stores it.
pub(crate) fn stored(value: &Value, salt: &str) -> Json {
    match value {
        secret @ Value::Secret(_) => json!({ DIGEST: digest(secret.revealed(), salt) }),
        Value::Map(map) => map.iter().map(|(name, value)| (name.clone(), stored(value, salt))).collect(),
        Value::List(items) => items.iter().map(|item| stored(item, salt)).collect(),
        Value::Null | Value::Unknown => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.clone().into(),
        Value::String(text) => text.as_str().into(),
    }
}

/// A stored spec as it is shown to whoever sent `sent`: a secret that is the one that was sent is shown as that, another as one that
/// nobody sent.
pub(crate) fn shown(json: &Json, sent: Option<&Value>, salt: &str) -> Value {
    if let Some(kept) = json.get(DIGEST).and_then(Json::as_str) {
        return match sent {
            Some(secret @ Value::Secret(_)) if digest(secret.revealed(), salt) == kept => secret.clone(),
            _ => Value::secret("(another secret)".into()),
        };
    }
    match json {
        Json::Object(map) => {
            let part = |(name, json): (&String, &Json)| {
                (name.clone(), shown(json, sent.and_then(|sent| sent.get(name)), salt))
            };
            Value::Map(map.iter().map(part).collect::<Map>())
        }
        Json::Array(items) => {
            let sent = sent.and_then(|sent| sent.revealed().as_list());
            let part = |(index, json)| shown(json, sent.and_then(|items| items.get(index)), salt);
            Value::List(items.iter().enumerate().map(part).collect())
        }
        other => other.clone().into(),
    }
}

fn digest(value: &Value, salt: &str) -> String {
    hex::encode(Sha256::digest(format!("{salt}\n{}", canonical(value))))
}

/// The same text for the same value.
fn canonical(value: &Value) -> String {
    match value.revealed() {
        Value::Map(map) => {
            let entries = map.iter().map(|(name, value)| format!("{}:{}", Json::from(name.as_str()), canonical(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::List(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::String(text) => Json::from(text.as_str()).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null | Value::Unknown | Value::Secret(_) => "null".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn a_secret_is_stored_as_a_digest_and_known_again() {
        let sent = map(&[("a", Value::secret("hunter2".into())), ("b", vec!["x"].into()), ("c", 1.into())]);
        let json = stored(&sent, "salt");
        assert!(!json.to_string().contains("hunter2"));
        assert_eq!(shown(&json, Some(&sent), "salt"), sent);
        let other = map(&[("a", Value::secret("hunter3".into()))]);
        for sent in [None, Some(&other)] {
            let seen = shown(&json, sent, "salt");
            let secret = seen.get("a").unwrap();
            assert!(secret.has_secret() && *secret.revealed() != Value::from("hunter3"));
        }
        assert_ne!(stored(&sent, "salt"), stored(&sent, "another"));
    }

    #[test]
    fn work_goes_on_until_its_time() {
        let work = |until| Work { verb: Verb::Create, until };
        assert!(work(Some(Timestamp(5))).goes_on(Timestamp(4)));
        assert!(!work(Some(Timestamp(5))).goes_on(Timestamp(5)));
        assert!(work(None).goes_on(Timestamp(i64::MAX)));
    }
}
