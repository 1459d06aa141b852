//! What is sent and never shown again is kept as a keyed digest: enough to tell a change, and nothing that could be sent once more.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use trueup_state::{Entropy, FieldPath, Map, Value, codec};

use crate::schema::Schema;

/// What a digest begins with; behind it stand the key and the code, each 32 bytes in hexadecimal.
const MARK: &str = "hmac-sha256:";

/// A spec as it is kept once it has been sent: what is never shown again only as a digest, which is a secret too.
pub(crate) fn digested(schema: &Schema, sent: &Value, entropy: &dyn Entropy) -> Value {
    let make = |at: &FieldPath, value: &Value| {
        // What a delete is told is needed then.
        let is_kept_so = schema.is("x-write-only", at) && !schema.is("x-on-delete", at);
        is_kept_so.then(|| {
            let mut key = [0; 32];
            entropy.fill(&mut key);
            code(&key, value).map(|code| text(&key, &code))
        })?
    };
    if schema.has_write_only() { replaced(sent, &FieldPath::root(), &make) } else { sent.clone() }
}

/// What was kept, beside a spec: where that has what was sent, this itself; where not, the digest.
pub(crate) fn revived(kept: &Value, wanted: &Value) -> Value {
    if !kept.has_secret() {
        return kept.clone();
    }
    replaced(kept, &FieldPath::root(), &|at, value| {
        let (key, of) = digest(value)?;
        let there = wanted.at(at)?;
        (code(&key, there)? == of).then(|| there.clone())
    })
}

/// A spec, with the digests that were kept where it has what they are of.
pub(crate) fn keeping(spec: &Value, kept: &Value) -> Value {
    if !kept.has_secret() {
        return spec.clone();
    }
    replaced(spec, &FieldPath::root(), &|at, value| {
        let before = kept.at(at)?;
        let (key, of) = digest(before)?;
        (code(&key, value)? == of).then(|| before.clone())
    })
}

/// A spec without digests: of what is never shown again, nothing is left to be sent.
pub(crate) fn without(kept: &Value) -> Value {
    if !kept.has_secret() {
        return kept.clone();
    }
    match kept {
        Value::Map(map) => {
            let left = map.iter().filter(|(_, value)| !is_digest(value));
            Value::Map(left.map(|(name, value)| (name.clone(), without(value))).collect())
        }
        Value::List(items) => Value::List(items.iter().map(without).collect()),
        digest if is_digest(digest) => Value::secret(Value::Null),
        other => other.clone(),
    }
}

/// Whether there is a digest anywhere in a value.
pub(crate) fn has_digest(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.values().any(has_digest),
        Value::List(items) => items.iter().any(has_digest),
        other => is_digest(other),
    }
}

fn is_digest(value: &Value) -> bool {
    digest(value).is_some()
}

/// A value in which some are replaced, each with all that is in it.
fn replaced(value: &Value, at: &FieldPath, replace: &dyn Fn(&FieldPath, &Value) -> Option<Value>) -> Value {
    if let Some(other) = replace(at, value) {
        return other;
    }
    match value {
        Value::Map(map) => {
            let inner = map.iter().map(|(name, value)| (name.clone(), replaced(value, &at.field(name), replace)));
            Value::Map(inner.collect::<Map>())
        }
        Value::List(items) => {
            let inner = items.iter().enumerate().map(|(index, item)| replaced(item, &at.index(index), replace));
            Value::List(inner.collect())
        }
        other => other.clone(),
    }
}

type Code = [u8; 32];

/// The code of a value; none of nothing, and of what is not known or can't be opened.
fn code(key: &Code, value: &Value) -> Option<Code> {
    let said = codec::reveal(value).filter(|said| !said.is_null())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(said.to_string().as_bytes());
    Some(mac.finalize().into_bytes().into())
}

fn text(key: &Code, code: &Code) -> Value {
    Value::secret(format!("{MARK}{}:{}", hex::encode(key), hex::encode(code)).into())
}

/// The key and the code of a digest.
fn digest(value: &Value) -> Option<(Code, Code)> {
    if !value.has_secret() {
        return None;
    }
    let (key, code) = value.revealed().as_str()?.strip_prefix(MARK)?.split_once(':')?;
    let bytes = |text: &str| hex::decode(text).ok()?.try_into().ok();
    Some((bytes(key)?, bytes(code)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug)]
    struct Counted(std::sync::atomic::AtomicU8);

    impl Entropy for Counted {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn schema() -> Schema {
        let secret = json!({ "x-write-only": true, "x-secret": true });
        let user = json!({ "type": "object", "properties": { "name": { "type": "string" }, "password": secret } });
        let users = json!({ "type": "array", "items": user });
        let spec =
            json!({ "type": "object", "properties": { "size": { "type": "integer" }, "key": secret, "users": users } });
        Schema::new(1, spec, json!({}), false)
    }

    fn spec(key: serde_json::Value, password: &str) -> Value {
        let mut spec: Value = json!({ "size": 1, "users": [{ "name": "a" }] }).into();
        spec.put(&FieldPath::parse("key"), Value::secret(key.into()));
        spec.put(&FieldPath::parse("users[0].password"), Value::secret(password.into()));
        spec
    }

    #[test]
    fn what_is_kept_tells_a_change_and_nothing_else() {
        let (schema, entropy) = (schema(), Counted(0.into()));
        for key in [json!("hunter2"), json!({ "a": 1, "b": ["hunter2"] })] {
            let sent = spec(key.clone(), "pass");
            let kept = digested(&schema, &sent, &entropy);
            let told = codec::reveal(&kept).unwrap().to_string();
            assert!(!told.contains("hunter2") && !told.contains("pass\"") && told.contains("\"size\":1"), "{told}");
            assert!(has_digest(&kept) && kept.at(&FieldPath::parse("key")).unwrap().has_secret());
            assert_eq!(revived(&kept, &sent), sent);
            assert_eq!(keeping(&sent, &kept), kept, "with the digests that it had");
            assert_ne!(digested(&schema, &sent, &entropy), kept, "each has a key of its own");
            let other = spec(json!("hunter3"), "pass");
            let beside = revived(&kept, &other);
            assert_eq!(beside.at(&FieldPath::parse("key")), kept.at(&FieldPath::parse("key")));
            assert_eq!(beside.at(&FieldPath::parse("users")), sent.at(&FieldPath::parse("users")));
            assert_eq!(codec::reveal(&without(&kept)).unwrap(), json!({ "size": 1, "users": [{ "name": "a" }] }));
        }
    }

    #[test]
    fn what_is_not_known_or_not_there_has_no_digest() {
        let (schema, entropy) = (schema(), Counted(0.into()));
        let mut sent = spec(json!(null), "pass");
        let kept = digested(&schema, &sent, &entropy);
        assert_eq!(kept.at(&FieldPath::parse("key")), sent.at(&FieldPath::parse("key")));
        sent.put(&FieldPath::parse("users[0].password"), Value::Unknown);
        assert_eq!(revived(&kept, &sent), kept, "what is not known yet is not the same");
        let plain: Value = json!({ "key": "hmac-sha256:00:00", "size": 1 }).into();
        assert!(!has_digest(&plain));
    }
}
