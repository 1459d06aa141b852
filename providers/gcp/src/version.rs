//! `secretmanager.v1.projects.secrets.versions`: one value of a secret, the newest. Google's document has no call that makes one: a secret is told
//! to add it, and gives it its number.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use trueup_engine::native::{Listed, Native};
use trueup_engine::provider::{
    Api, By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target,
};
use trueup_engine::schema::{Problem, Schema};
use trueup_engine::typed::{Sealed, to_value};
use trueup_state::{Class, FieldPath, Handle, Request, Value};

use crate::clients::{Call, Clients};

/// The kind.
pub(crate) const KIND: &str = "secretmanager.v1.projects.secrets.versions";
/// The API.
const API: (&str, &str) = ("secretmanager", "https://secretmanager.googleapis.com/");

/// What may be said of one.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Which value of what.
    properties: Properties,
}

/// Which value of what.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Properties {
    /// The secret, by its path. Example: `projects/p/secrets/hf`.
    #[schemars(extend("x-immutable" = true))]
    secret: String,
    /// The value. Example: `"{{ var.token }}"`.
    #[schemars(extend("x-immutable" = true, "x-write-only" = true))]
    value: Sealed<String>,
}

/// What is known of one.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Attributes {
    /// Its path, with its number.
    resource_id: String,
}

/// The next value is there before the one before it goes.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Spec, Attributes>(1, true));

/// What is known of the kind without making anything of it.
pub(crate) fn described() -> Native {
    Native {
        description: "One value of a secret, the newest. A change adds the next, and destroys the one before it."
            .to_owned(),
        spec: SCHEMA.spec.clone(),
        attributes: SCHEMA.attributes.clone(),
        is_updatable: false,
        has_tags: false,
        listed: Listed::No,
        permissions: Vec::new(),
    }
}

/// The manager of values in a project.
pub(crate) struct Versions {
    clients: Arc<Clients>,
}

fn call<'a>(doing: &'a str, method: Method, at: &str) -> Call<'a> {
    Call { doing, method, api: API, path: format!("v1/{at}"), query: Vec::new(), body: None }
}

/// A path apart: the secret's, and the number.
fn apart(id: &str) -> Option<(&str, &str)> {
    id.split_once("/versions/")
        .filter(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The number of a version, as Google shows it: by the project's own number, which a blueprint does not say.
fn number(shown: &Json) -> Option<&str> {
    shown.get("name")?.as_str()?.rsplit('/').next()
}

/// What is known of a version: never its value.
fn found(secret: &str, number: &str) -> Found {
    let id = format!("{secret}/versions/{number}");
    let properties = Value::Map([("secret".to_owned(), secret.into())].into());
    let spec = Value::Map([("properties".to_owned(), properties)].into());
    let attributes = to_value(&Attributes { resource_id: id.clone() });
    Found { id, spec, attributes, owner: [].into(), pending: None }
}

impl Versions {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    /// The number of the newest value, where that can be read; none where there is none.
    async fn newest(&self, secret: &str) -> Result<Option<String>, ProviderError> {
        match self.clients.read(&call("look at the secret", Method::GET, &format!("{secret}/versions/latest"))).await {
            Ok(shown) if shown["state"] == "ENABLED" => Ok(number(&shown).map(str::to_owned)),
            Ok(_) => Ok(None),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a value is what is to be said. Whoever may not read it takes it for another: then there is one more.
    async fn is(&self, secret: &str, number: &str, payload: &str) -> Result<bool, ProviderError> {
        let path = format!("{secret}/versions/{number}:access");
        match self.clients.read(&call("compare the secret", Method::GET, &path)).await {
            Ok(shown) => Ok(shown["payload"]["data"] == payload),
            Err(error) if matches!(error.class, Class::Denied | Class::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, target: &Target<'_>) -> Observation {
        // By its content it is found when it is made.
        let By::Id(id) = target.by else { return Observation::Absent };
        let Some((secret, number)) = apart(id) else { return Observation::Absent };
        match self.newest(secret).await {
            // What others said since then is not what is to be read.
            Ok(newest) if newest.as_deref() != Some(number) => Observation::Absent,
            Ok(_) => Observation::Present(Box::new(found(secret, number))),
            Err(error) => Observation::Indeterminate(error.to_string()),
        }
    }
}

#[async_trait]
impl Manager for Versions {
    fn schema(&self) -> &Schema {
        &SCHEMA
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        let at = FieldPath::parse("properties.secret");
        let Some(secret) = spec.at(&at).and_then(|secret| secret.revealed().as_str()) else { return Vec::new() };
        let words: Vec<&str> = secret.split('/').collect();
        if matches!(words[..], ["projects", project, "secrets", name] if !project.is_empty() && !name.is_empty()) {
            return Vec::new();
        }
        vec![Problem::new(at, "it is the path of a secret: `projects/PROJECT/secrets/NAME`")]
    }

    fn api(&self) -> Api {
        self.clients.api("secretmanager")
    }

    /// A value that is there already is not said again.
    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    fn is_alone_of_its_name(&self) -> bool {
        false
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let mut observations = Vec::with_capacity(targets.len());
        for target in targets {
            observations.push(self.look(target).await);
        }
        Ok(Observed { observations, orphans: Vec::new() })
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Spec { properties } = trueup_engine::typed::from_value(&request.spec)?;
        let (secret, payload) = (&properties.secret, STANDARD.encode(properties.value.reveal()));
        let made = |number: &str| Progress::Done(Some(Box::new(found(secret, number))));
        if let Some(newest) = self.newest(secret).await?
            && self.is(secret, &newest, &payload).await?
        {
            return Ok(made(&newest));
        }
        let sum = crc32c::crc32c(properties.value.reveal().as_bytes()).to_string();
        let mut add = call("say the secret", Method::POST, &format!("{secret}:addVersion"));
        add.body = Some(json!({ "payload": { "data": payload, "dataCrc32c": sum } }));
        let shown = self.clients.send(&add).await?;
        let unnamed = || ProviderError::new(Class::Internal, "Google does not say which value it is").outcome_unknown();
        Ok(made(number(&shown).ok_or_else(unnamed)?))
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.create(request).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some(id) = &request.id else { return Ok(Progress::Done(None)) };
        let destroy = Call {
            body: Some(json!({})),
            ..call("destroy the secret's value", Method::POST, &format!("{id}:destroy"))
        };
        match self.clients.send(&destroy).await {
            // One that is destroyed can't be so again.
            Err(error) if !matches!(error.class, Class::NotFound | Class::Conflict) => Err(error),
            _ => Ok(Progress::Done(None)),
        }
    }

    async fn poll(&self, _request: &Request, _handle: &Handle) -> Result<Progress, ProviderError> {
        Err(ProviderError::new(Class::Internal, "nothing goes on with a secret's value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_secrets_by_its_number() {
        assert_eq!(apart("projects/p/secrets/s/versions/3"), Some(("projects/p/secrets/s", "3")));
        for id in ["projects/p/secrets/s", "projects/p/secrets/s/versions/", "projects/p/secrets/s/versions/latest"] {
            assert_eq!(apart(id), None, "{id}");
        }
        assert_eq!(number(&json!({ "name": "projects/1234/secrets/s/versions/7" })), Some("7"));
    }
}
