//! The adapter between values and a kind's own Rust types.
//!
//! The engine works on [`Value`]s; a typed `Spec` exists only here, in front of a typed manager, built from fully known values.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trueup_state::entry::{Class, Handle, Request};
use trueup_state::{Value, codec};

use crate::kinds::Kind;
use crate::provider::{Api, Found, Manager, Observed, Progress, ProviderError, RetrySafety, Target};
use crate::schema::{Effect, Problem, Schema};

/// A secret inside a typed spec. It neither shows nor serialises what it holds, except into a [`Value::Secret`] by [`to_value`].
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed<T>(T);

impl<T> Sealed<T> {
    /// Seals a value.
    pub fn new(inner: T) -> Self {
        Self(inner)
    }

    /// What is inside, for the call that needs it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

const SEALED: &str = "$trueup::sealed";

thread_local! {
    /// Whether the serialiser of this thread is [`to_value`]'s.
    static REVEALING: Cell<bool> = const { Cell::new(false) };
}

impl<T: Serialize> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if REVEALING.get() { serializer.collect_map([(SEALED, &self.0)]) } else { serializer.serialize_str("(secret)") }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for Sealed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = T::json_schema(generator);
        schema.insert("x-secret".to_owned(), true.into());
        schema
    }
}

/// The value of a typed spec or of attributes; what is [`Sealed`] becomes a secret, what is null is left out.
pub fn to_value<T: Serialize>(typed: &T) -> Value {
    let before = REVEALING.replace(true);
    let json = serde_json::to_value(typed);
    REVEALING.set(before);
    // Types with string keys and no failing `Serialize` of their own always have a JSON form.
    mark(json.unwrap_or_default())
}

fn mark(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Object(mut map) => match map.remove(SEALED) {
            Some(inner) => Value::secret(mark(inner)),
            None => Value::Map(
                map.into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| (name, mark(value)))
                    .collect(),
            ),
        },
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(mark).collect()),
        other => other.into(),
    }
}

/// The typed form of a value that is fully known. The error names what does not fit, and no value.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ProviderError> {
    let invalid = |message: String| ProviderError::new(Class::Invalid { field: None }, message);
    let json = codec::reveal(value)
        .ok_or_else(|| invalid("a part of the spec is not known, or sealed for another key".to_owned()))?;
    serde_json::from_value(json).map_err(|error| {
        if value.has_secret() {
            invalid("the spec does not fit the kind's schema".to_owned())
        } else {
            invalid(format!("the spec does not fit the kind's schema: {error}"))
        }
    })
}

/// A request with its spec typed.
#[derive(Debug)]
pub struct TypedRequest<'a, S> {
    /// The request as journaled.
    pub request: &'a Request,
    /// What it is to be; for a delete and a poll, what was sent.
    pub spec: S,
}

/// How a typed call went.
#[derive(Debug)]
pub enum TypedProgress<K: Kind> {
    /// Done: what is there now; none after a delete.
    Done(Option<TypedFound<K>>),
    /// As [`Progress::Pending`].
    Pending(Progress),
}

/// An object as a typed manager finds it.
#[derive(Debug)]
pub struct TypedFound<K: Kind> {
    /// The provider's id.
    pub id: String,
    /// What it is.
    pub spec: K::Spec,
    /// What exists of it only since it was created.
    pub attributes: K::Attributes,
    /// The owner tags on it.
    pub owner: BTreeMap<String, String>,
}

impl<K: Kind> TypedFound<K> {
    /// The same in values.
    pub fn into_found(self) -> Found {
        let (spec, attributes) = (to_value(&self.spec), to_value(&self.attributes));
        Found { id: self.id, spec, attributes, owner: self.owner, pending: None }
    }
}

/// A manager of one portable kind, in that kind's types. [`Typed`] makes a [`Manager`] of it.
#[async_trait]
pub trait TypedManager: Send + Sync {
    /// The kind it manages.
    type Kind: Kind;

    /// As [`Manager::api`].
    fn api(&self) -> Api {
        Api::default()
    }

    /// As [`Manager::retry_safety`].
    fn retry_safety(&self) -> RetrySafety;

    /// As [`Manager::effect`].
    fn effect(&self, before: &Value, after: &Value) -> Effect {
        <Self::Kind as Kind>::schema().effect(before, after)
    }

    /// As [`Manager::check`]: of a value, since parts of it may be unknown.
    fn check(&self, _spec: &Value) -> Vec<Problem> {
        Vec::new()
    }

    /// As [`Manager::observe`].
    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError>;

    /// As [`Manager::obstacles`].
    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        vec![None; targets.len()]
    }

    /// As [`Manager::create`].
    async fn create(
        &self,
        request: TypedRequest<'_, <Self::Kind as Kind>::Spec>,
    ) -> Result<TypedProgress<Self::Kind>, ProviderError>;

    /// As [`Manager::update`].
    async fn update(
        &self,
        request: TypedRequest<'_, <Self::Kind as Kind>::Spec>,
    ) -> Result<TypedProgress<Self::Kind>, ProviderError>;

    /// As [`Manager::delete`]. The request's spec is a value: an old one need not fit today's types.
    async fn delete(&self, request: &Request) -> Result<TypedProgress<Self::Kind>, ProviderError>;

    /// As [`Manager::poll`].
    async fn poll(&self, request: &Request, handle: &Handle) -> Result<TypedProgress<Self::Kind>, ProviderError>;
}

/// A [`Manager`] over a [`TypedManager`].
#[derive(Debug)]
pub struct Typed<M>(pub M);

impl<K: Kind> From<TypedProgress<K>> for Progress {
    fn from(progress: TypedProgress<K>) -> Self {
        match progress {
            TypedProgress::Done(found) => Progress::Done(found.map(|found| Box::new(found.into_found()))),
            TypedProgress::Pending(pending) => pending,
        }
    }
}

#[async_trait]
impl<M: TypedManager> Manager for Typed<M> {
    fn schema(&self) -> &Schema {
        <M::Kind as Kind>::schema()
    }

    fn effect(&self, before: &Value, after: &Value) -> Effect {
        self.0.effect(before, after)
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        self.0.check(spec)
    }

    fn api(&self) -> Api {
        self.0.api()
    }

    fn retry_safety(&self) -> RetrySafety {
        self.0.retry_safety()
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        self.0.observe(targets).await
    }

    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        self.0.obstacles(targets).await
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.0.create(TypedRequest { request, spec: from_value(&request.spec)? }).await.map(Into::into)
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.0.update(TypedRequest { request, spec: from_value(&request.spec)? }).await.map(Into::into)
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.0.delete(request).await.map(Into::into)
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        self.0.poll(request, handle).await.map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Login {
        user: String,
        password: Sealed<String>,
    }

    #[test]
    fn a_sealed_field_shows_only_to_its_reader() {
        let login = Login { user: "ada".into(), password: Sealed::new("hunter2".into()) };
        assert!(!format!("{login:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&login).unwrap().contains("hunter2"));
        let value = to_value(&login);
        assert_eq!(value.get("password"), Some(&Value::secret("hunter2".into())));
        assert_eq!(from_value::<Login>(&value).unwrap().password.reveal(), "hunter2");
    }

    #[test]
    fn an_error_repeats_no_secret() {
        let value = Value::Map([("user".to_owned(), Value::secret(vec!["hunter2"].into()))].into());
        assert!(!from_value::<Login>(&value).unwrap_err().to_string().contains("hunter2"));
    }
}
