//! How values leave the process: sealed for state and saved plans, redacted for people and tools.

use std::fmt;

use serde::de::{self, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value as Json};

use crate::map::Map;
use crate::value::{Secret, Value};

/// The key of a map that stands for a mark. A map of the user's own that has a key like it is wrapped in [`LITERAL`].
const SEALED: &str = "$sealed";
const UNKNOWN: &str = "$unknown";
const LITERAL: &str = "$literal";

/// Why secrets can't be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key can't be read, made or understood.
    #[error("the key {location} can't be used: {reason}")]
    Key {
        /// Where it is looked for.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The state was sealed for another key.
    #[error("the state is sealed for {sealed_for}, and the key here is {found}")]
    OtherKey {
        /// The recipient that the state names.
        sealed_for: String,
        /// The recipient of the key at hand.
        found: String,
    },
    /// A sealed text is not what it was.
    #[error("a sealed value can't be opened: {0}")]
    Damaged(String),
    /// What was read is no value: a mark has a wrong shape.
    #[error("a value can't be read: {0}")]
    Malformed(String),
}

/// Seals and opens text. [`crate::vault::Vault`] does it with `age`.
pub trait Seal: Send + Sync + fmt::Debug {
    /// The sealed form of a plain text; no two are alike.
    fn seal(&self, plain: &[u8]) -> Result<String, VaultError>;

    /// The plain text; none where there is no key to it.
    fn open(&self, sealed: &str) -> Result<Option<Vec<u8>>, VaultError>;
}

/// Stands for the key where there is none, or is not to be used: every secret stays sealed as it is.
#[derive(Clone, Copy, Debug)]
pub struct NoKey;

impl Seal for NoKey {
    fn seal(&self, _: &[u8]) -> Result<String, VaultError> {
        let reason = "there is none".to_owned();
        Err(VaultError::Key { location: "that secrets are sealed with".to_owned(), reason })
    }

    fn open(&self, _: &str) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(None)
    }
}

/// A value as it is kept: each secret in it is one sealed text. It is written as JSON, and read from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SealedValue(Value);

/// The sealed form of a value. What has no secrets shares all that it holds.
pub fn seal(value: &Value, vault: &dyn Seal) -> Result<SealedValue, VaultError> {
    if !value.has_open() {
        return Ok(SealedValue(value.clone()));
    }
    let lock = |value: &Value| seal(value, vault).map(|sealed| sealed.0);
    Ok(SealedValue(match value {
        Value::List(items) => Value::List(items.iter().map(lock).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let locked = map.iter().map(|(name, value)| Ok((name.clone(), lock(value)?)));
            Value::Map(locked.collect::<Result<_, VaultError>>()?)
        }
        Value::Secret(Secret::Open(inner)) => {
            let plain = serde_json::to_vec(&seal(inner, vault)?).map_err(|error| malformed(&error))?;
            Value::Secret(Secret::Locked(vault.seal(&plain)?.into()))
        }
        other => other.clone(),
    }))
}

/// The value of a sealed form. A secret that there is no key for stays locked.
pub fn open(sealed: &SealedValue, vault: &dyn Seal) -> Result<Value, VaultError> {
    unlock(&sealed.0, vault)
}

fn unlock(value: &Value, vault: &dyn Seal) -> Result<Value, VaultError> {
    if !value.has_locked() {
        return Ok(value.clone());
    }
    Ok(match value {
        Value::List(items) => Value::List(items.iter().map(|item| unlock(item, vault)).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let opened = map.iter().map(|(name, value)| Ok((name.clone(), unlock(value, vault)?)));
            Value::Map(opened.collect::<Result<_, VaultError>>()?)
        }
        Value::Secret(Secret::Locked(sealed)) => match vault.open(sealed)? {
            None => value.clone(),
            Some(plain) => {
                let inner = serde_json::from_slice(&plain).map_err(|error| VaultError::Damaged(error.to_string()))?;
                Value::secret(open(&inner, vault)?)
            }
        },
        other => other.clone(),
    })
}

fn malformed(error: &dyn ToString) -> VaultError {
    VaultError::Malformed(error.to_string())
}

impl Serialize for SealedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form(&self.0).serialize(serializer)
    }
}

/// A value on its way out, which has no open secret in it.
struct Form<'a>(&'a Value);

impl Serialize for Form<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(value) => value.serialize(serializer),
            Value::String(value) => serializer.serialize_str(value),
            Value::List(items) => serializer.collect_seq(items.iter().map(Form)),
            Value::Map(map) if map.keys().any(|name| name.starts_with('$')) => {
                serializer.collect_map([(LITERAL, Fields(map))])
            }
            Value::Map(map) => Fields(map).serialize(serializer),
            Value::Unknown => serializer.collect_map([(UNKNOWN, true)]),
            Value::Secret(Secret::Locked(sealed)) => serializer.collect_map([(SEALED, sealed)]),
            Value::Secret(Secret::Open(_)) => Err(S::Error::custom("a secret is not sealed")),
        }
    }
}

struct Fields<'a>(&'a Map);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Form(value))))
    }
}

impl<'de> Deserialize<'de> for SealedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { literal: false }).map(Self)
    }
}

/// Reads a sealed form. `literal`: the fields of a map are all the user's own, whatever they are called.
#[derive(Clone, Copy)]
struct Reader {
    literal: bool,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.literal { deserializer.deserialize_map(self) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.literal { "a map" } else { "a value" })
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Reader { literal: false })? {
            list.push(item);
        }
        list.shrink_to_fit();
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            let mark = !self.literal && fields.is_empty() && [SEALED, UNKNOWN, LITERAL].contains(&name.as_str());
            if mark {
                return marked(&name, entries);
            }
            let value = entries.next_value_seed(Reader { literal: false })?;
            fields.push((name, value));
        }
        Ok(Value::Map(fields.into_iter().collect()))
    }
}

/// What stands for a mark: one field and nothing beside it.
fn marked<'de, A: MapAccess<'de>>(mark: &str, mut entries: A) -> Result<Value, A::Error> {
    let value = match mark {
        LITERAL => entries.next_value_seed(Reader { literal: true })?,
        SEALED => Value::Secret(Secret::Locked(entries.next_value::<String>()?.into())),
        _ if entries.next_value::<bool>()? => Value::Unknown,
        _ => return Err(A::Error::custom(format!("`{mark}` does not hold what it should"))),
    };
    match entries.next_key::<String>()? {
        None => Ok(value),
        Some(other) => Err(A::Error::custom(format!("`{other}` stands beside `{mark}`"))),
    }
}

/// What stands in a redacted form for what is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// Words: `(secret)`, `(known after apply)`.
    Words,
    /// Null, as in Terraform's plan representation.
    Null,
}

/// The redacted form of a value.
pub fn redact(value: &Value, redaction: Redaction) -> Json {
    let hidden = |words: &str| match redaction {
        Redaction::Words => Json::String(words.to_owned()),
        Redaction::Null => Json::Null,
    };
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(value) => Json::Number(value.clone()),
        Value::String(value) => Json::String(value.clone()),
        Value::List(items) => Json::Array(items.iter().map(|item| redact(item, redaction)).collect()),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(name, value)| (name.clone(), redact(value, redaction))).collect())
        }
        Value::Unknown => hidden("(known after apply)"),
        Value::Secret(_) => hidden("(secret)"),
    }
}

/// The JSON of a value with its secrets revealed, for the adapter in front of a typed manager and no one else.
/// None where a part of it is unknown or locked.
pub fn reveal(value: &Value) -> Option<Json> {
    Some(match value.revealed() {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(value) => Json::Number(value.clone()),
        Value::String(value) => Json::String(value.clone()),
        Value::List(items) => Json::Array(items.iter().map(reveal).collect::<Option<_>>()?),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(name, value)| Some((name.clone(), reveal(value)?))).collect::<Option<_>>()?)
        }
        Value::Unknown | Value::Secret(_) => return None,
    })
}
