//! The provider: its settings, its scope, its managers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use trueup_engine::kinds::{self, Kind};
use trueup_engine::provider::{Candidate, Invalid, Manager, Provider, ProviderError};
use trueup_engine::schema::Schema;
use trueup_state::{Class, KindName, ProviderName, Scope, Value};

use crate::bucket::Buckets;
use crate::clients::{Clients, Pool, usual_region};
use crate::settings::{self, Settings};

/// The provider `aws`.
#[derive(Debug, Default)]
pub struct AwsProvider {
    pool: Pool,
}

impl AwsProvider {
    /// The provider. Nothing is read and nobody is called before a manager is asked for.
    pub fn new() -> Self {
        Self::default()
    }
}

fn manager(kind: &KindName, clients: &Arc<Clients>) -> Result<Arc<dyn Manager>, ProviderError> {
    match kind.as_str() {
        kinds::Bucket::NAME => Ok(Arc::new(Buckets::new(clients.clone()))),
        _ => {
            let message = format!("`aws` does not make the kind `{kind}`");
            Err(ProviderError::new(Class::Invalid { field: None }, message).code("UnknownKind"))
        }
    }
}

#[async_trait]
impl Provider for AwsProvider {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn settings_schema(&self) -> &'static Schema {
        settings::schema()
    }

    fn kinds(&self) -> BTreeSet<KindName> {
        [kinds::Bucket::NAME].into_iter().map(KindName::from).collect()
    }

    fn scope(&self, name: &ProviderName, settings: &Value, candidate: Option<&Candidate>) -> Result<Scope, Invalid> {
        Settings::read(settings, candidate)?.scope(name, usual_region)
    }

    async fn prepare(
        &self,
        scope: &Scope,
        kinds: &BTreeSet<KindName>,
    ) -> Result<BTreeMap<KindName, Arc<dyn Manager>>, ProviderError> {
        let clients = self.pool.of(scope).await?;
        kinds.iter().map(|kind| Ok((kind.clone(), manager(kind, &clients)?))).collect()
    }
}
