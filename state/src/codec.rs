//! How values leave the process: sealed for state and saved plans, redacted for people and tools.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json};

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

/// The sealed form of a value: JSON in which each secret is one sealed text.
pub fn seal(value: &Value, vault: &dyn Seal) -> Result<Json, VaultError> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(value) => Json::Number(value.clone()),
        Value::String(value) => Json::String(value.clone()),
        Value::List(items) => Json::Array(items.iter().map(|item| seal(item, vault)).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let sealed: JsonMap<_, _> = map
                .iter()
                .map(|(name, value)| Ok((name.clone(), seal(value, vault)?)))
                .collect::<Result<_, VaultError>>()?;
            if map.keys().any(|name| name.starts_with('$')) {
                marked(LITERAL, Json::Object(sealed))
            } else {
                Json::Object(sealed)
            }
        }
        Value::Unknown => marked(UNKNOWN, Json::Bool(true)),
        Value::Secret(Secret::Locked(sealed)) => marked(SEALED, Json::String(sealed.to_string())),
        Value::Secret(Secret::Open(inner)) => {
            let plain = seal(inner, vault)?.to_string();
            marked(SEALED, Json::String(vault.seal(plain.as_bytes())?))
        }
    })
}

/// The value of a sealed form. A secret that there is no key for stays locked.
pub fn open(json: &Json, vault: &dyn Seal) -> Result<Value, VaultError> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => Value::Number(value.clone()),
        Json::String(value) => Value::String(value.clone()),
        Json::Array(items) => Value::List(items.iter().map(|item| open(item, vault)).collect::<Result<_, _>>()?),
        Json::Object(map) => match mark(map) {
            Some((UNKNOWN, _)) => Value::Unknown,
            Some((LITERAL, Json::Object(map))) => open_map(map, vault)?,
            Some((SEALED, Json::String(sealed))) => open_secret(sealed, vault)?,
            Some((name, _)) => return Err(VaultError::Malformed(format!("`{name}` does not hold what it should"))),
            None => open_map(map, vault)?,
        },
    })
}

fn open_map(map: &JsonMap<String, Json>, vault: &dyn Seal) -> Result<Value, VaultError> {
    map.iter().map(|(name, value)| Ok((name.clone(), open(value, vault)?))).collect::<Result<_, _>>().map(Value::Map)
}

fn open_secret(sealed: &str, vault: &dyn Seal) -> Result<Value, VaultError> {
    let Some(plain) = vault.open(sealed)? else {
        return Ok(Value::Secret(Secret::Locked(Arc::from(sealed))));
    };
    let json: Json = serde_json::from_slice(&plain).map_err(|error| VaultError::Damaged(error.to_string()))?;
    Ok(Value::secret(open(&json, vault)?))
}

fn marked(mark: &str, inner: Json) -> Json {
    Json::Object(JsonMap::from_iter([(mark.to_owned(), inner)]))
}

fn mark(map: &JsonMap<String, Json>) -> Option<(&'static str, &Json)> {
    let (name, inner) = map.iter().next()?;
    let known = [SEALED, UNKNOWN, LITERAL].into_iter().find(|known| known == name)?;
    (map.len() == 1).then_some((known, inner))
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
