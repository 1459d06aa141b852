//! The manager of what is composed: the parts are all there is of it, and only its record is written.

use std::time::Duration;

use async_trait::async_trait;
use trueup_state::{Class, Handle, Request, Value};

use crate::provider::{Api, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target};
use crate::schema::{Effect, Schema};

/// The manager of a composed kind. It calls nobody: the engine gives it the attributes that it answers with.
pub(crate) struct Whole {
    pub(crate) schema: &'static Schema,
}

impl Whole {
    fn is_there(request: &Request) -> Progress {
        let (spec, attributes) = (request.spec.clone(), request.attributes.clone());
        Progress::Done(Some(Box::new(Found { id: String::new(), spec, attributes, owner: [].into(), pending: None })))
    }
}

#[async_trait]
impl Manager for Whole {
    fn schema(&self) -> &Schema {
        self.schema
    }

    /// What can't be changed in place is so of a part, which is made anew.
    fn effect(&self, before: &Value, after: &Value) -> Effect {
        match self.schema.effect(before, after) {
            Effect::None => Effect::None,
            Effect::InPlace | Effect::Replace(_) => Effect::InPlace,
        }
    }

    /// No limit is shared with anything that calls a provider.
    fn api(&self) -> Api {
        Api { name: "composition".to_owned(), ..Api::default() }
    }

    /// To write the same once more is harmless at any time.
    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::ClientToken { valid_for: Duration::MAX }
    }

    /// It is there as long as its record is: what is not there of it, its parts tell.
    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let look = |target: &Target<'_>| {
            let spec = target.sent.cloned().unwrap_or_default();
            Observation::Present(Box::new(Found {
                id: String::new(),
                spec,
                attributes: Value::Null,
                owner: [].into(),
                pending: None,
            }))
        };
        Ok(Observed { observations: targets.iter().map(look).collect(), orphans: Vec::new() })
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        Ok(Self::is_there(request))
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        Ok(Self::is_there(request))
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        match &request.id {
            None => Ok(Progress::Done(None)),
            // Nothing may be forgotten that is there still.
            Some(id) => {
                let message = format!("`{id}` was made as one thing, and is made of parts now: delete it by hand");
                Err(ProviderError::new(Class::Conflict, message))
            }
        }
    }

    async fn poll(&self, request: &Request, _handle: &Handle) -> Result<Progress, ProviderError> {
        Ok(Self::is_there(request))
    }
}
