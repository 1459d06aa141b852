//! A native kind that can't be managed: what says so, with the line that names it.

use async_trait::async_trait;
use serde_json::json;
use trueup_state::{Class, FieldPath, Handle, Request, Value};

use crate::provider::{Manager, Observed, Progress, ProviderError, RetrySafety, Target};
use crate::schema::{Problem, Schema};

/// The manager of such a kind: it refuses everything.
pub struct Missing {
    why: String,
    schema: Schema,
}

impl Missing {
    /// The manager, and why there is no other.
    pub fn new(why: String) -> Self {
        let anything = json!({ "type": "object" });
        Self { why, schema: Schema::new(1, anything.clone(), anything, false) }
    }

    fn error(&self) -> ProviderError {
        ProviderError::new(Class::Invalid { field: None }, self.why.clone()).code("UnsupportedKind")
    }
}

#[async_trait]
impl Manager for Missing {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, _spec: &Value) -> Vec<Problem> {
        vec![Problem::new(FieldPath::root(), self.why.clone())]
    }

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::None
    }

    async fn observe(&self, _targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        Err(self.error())
    }

    async fn create(&self, _request: &Request) -> Result<Progress, ProviderError> {
        Err(self.error())
    }

    async fn update(&self, _request: &Request) -> Result<Progress, ProviderError> {
        Err(self.error())
    }

    async fn delete(&self, _request: &Request) -> Result<Progress, ProviderError> {
        Err(self.error())
    }

    async fn poll(&self, _request: &Request, _handle: &Handle) -> Result<Progress, ProviderError> {
        Err(self.error())
    }
}
