//! The provider: its settings, its scope, its managers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use trueup_artifacts::Artifacts;
use trueup_engine::compose::{Companions, Composed, Composition, Wanted};
use trueup_engine::kinds::{Artifact, Bucket, GpuInstance, Image, Kind};
use trueup_engine::native::Native;
use trueup_engine::provider::{Candidate, Invalid, Manager, Provider, ProviderError};
use trueup_engine::schema::{Problem, Schema};
use trueup_images::Images;
use trueup_state::{Class, Clock, FieldPath, KindName, ProviderName, Scope, Value};

use crate::artifact::Gcs;
use crate::binding::{self, Bindings};
use crate::bucket::Buckets;
use crate::clients::{Clients, Pool, usual};
use crate::composed;
use crate::deployed::{self, Deployed};
use crate::image::Repos;
use crate::instance::{self, Machines};
use crate::native::{self, Archive};
use crate::settings::{self, Settings};
use crate::version::{self, Versions};

/// The provider `gcp`.
#[derive(Debug)]
pub struct GcpProvider {
    pool: Pool,
    archive: Archive,
    clock: Arc<dyn Clock>,
}

impl GcpProvider {
    /// The provider. Nothing is read and nobody is called before a manager is asked for. `apis`: the directory that discovery documents are
    /// kept in; `is_offline`: whether those that are not kept are an error.
    pub fn new(apis: impl Into<PathBuf>, is_offline: bool, clock: Arc<dyn Clock>) -> Self {
        Self { pool: Pool::default(), archive: Archive::new(apis.into(), is_offline, clock.clone()), clock }
    }

    /// The clients of where this machine usually is at Google.
    async fn usual(&self) -> Result<Arc<Clients>, ProviderError> {
        let invalid = |error: Invalid| ProviderError::new(Class::Invalid { field: None }, error.message);
        let scope = self.scope(&ProviderName::from("gcp"), &Value::Map([].into()), None).map_err(invalid)?;
        self.pool.of(&scope).await
    }

    async fn manager(&self, kind: &KindName, clients: &Arc<Clients>) -> Result<Arc<dyn Manager>, ProviderError> {
        if kind.as_str() == binding::KIND {
            return Ok(Arc::new(Bindings::new(clients.clone())));
        }
        if kind.as_str() == version::KIND {
            return Ok(Arc::new(Versions::new(clients.clone())));
        }
        if kind.as_str() == deployed::KIND {
            return Ok(Arc::new(Deployed::new(clients.clone())));
        }
        if native::is_native(kind.as_str()) {
            let of = self.archive.get(std::future::ready(Ok(clients.clone())), kind.as_str()).await?;
            return Ok(native::manager(clients, &self.clock, of));
        }
        match kind.as_str() {
            Artifact::NAME => {
                return Ok(Arc::new(Artifacts::new(Gcs::new(clients.clone()), self.clock.clone())));
            }
            Bucket::NAME => return Ok(Arc::new(Buckets::new(clients.clone()))),
            Image::NAME => return Ok(Arc::new(Images::new(Repos::new(clients.clone()), self.clock.clone()))),
            GpuInstance::NAME => return Ok(Arc::new(Machines::new(clients.clone(), self.clock.clone()))),
            _ => {}
        }
        let message = format!("`gcp` does not make the kind `{kind}`");
        Err(ProviderError::new(Class::Invalid { field: None }, message).code("UnknownKind"))
    }
}

#[async_trait]
impl Provider for GcpProvider {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn settings_schema(&self) -> &'static Schema {
        settings::schema()
    }

    fn kinds(&self) -> BTreeSet<KindName> {
        [Artifact::NAME, Bucket::NAME, GpuInstance::NAME, Image::NAME]
            .into_iter()
            .chain(composed::KINDS)
            .map(KindName::from)
            .collect()
    }

    fn natives(&self) -> fn(&str) -> bool {
        native::is_native
    }

    fn scope(&self, name: &ProviderName, settings: &Value, candidate: Option<&Candidate>) -> Result<Scope, Invalid> {
        Settings::read(settings, candidate)?.scope(name, usual)
    }

    async fn prepare(
        &self,
        scope: &Scope,
        kinds: &BTreeSet<KindName>,
    ) -> Result<BTreeMap<KindName, Arc<dyn Manager>>, ProviderError> {
        let clients = self.pool.of(scope).await?;
        let managers = kinds.iter().map(|kind| async { Ok((kind.clone(), self.manager(kind, &clients).await?)) });
        Ok(futures::future::try_join_all(managers).await?.into_iter().collect())
    }

    fn composes(&self, scope: &Scope, kind: &KindName) -> Option<Composed> {
        composed::composed(scope, kind)
    }

    fn compose(&self, wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
        let none = || Err(vec![Problem::new(FieldPath::root(), "`gcp` does not compose it")]);
        composed::compose(wanted).unwrap_or_else(none)
    }

    fn accompanies(&self, scope: &Scope, kind: &KindName) -> BTreeSet<(Scope, KindName)> {
        if kind.as_str() == GpuInstance::NAME { instance::beside(scope) } else { BTreeSet::new() }
    }

    fn companions(&self, wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
        match wanted.kind.as_str() {
            GpuInstance::NAME => instance::companions(wanted),
            _ => Ok(Companions::default()),
        }
    }

    async fn describe(&self, kind: &KindName) -> Result<Option<Native>, ProviderError> {
        if kind.as_str() == binding::KIND {
            return Ok(Some(binding::described()));
        }
        if kind.as_str() == version::KIND {
            return Ok(Some(version::described()));
        }
        if kind.as_str() == deployed::KIND {
            return Ok(Some(deployed::described()));
        }
        if !native::is_native(kind.as_str()) {
            return Ok(None);
        }
        let of = self.archive.get(Box::pin(self.usual()), kind.as_str()).await?;
        native::described(of).map(Some)
    }
}
