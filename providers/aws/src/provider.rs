//! The provider: its settings, its scope, its managers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use trueup_artifacts::Artifacts;
use trueup_engine::blueprint::terraform::{Ours, Theirs};
use trueup_engine::compose::{Companions, Composed, Composition, Located, Wanted};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::native::Native;
use trueup_engine::provider::{Candidate, Invalid, Manager, Provider, ProviderError};
use trueup_engine::schema::{Problem, Schema};
use trueup_images::Images;
use trueup_state::{Class, Clock, FieldPath, KindName, ProviderName, Scope, Value};

use crate::artifact::S3;
use crate::bucket::Buckets;
use crate::clients::{Clients, Pool, usual_region};
use crate::composed;
use crate::image::Ecr;
use crate::instance::{self, Instances};
use crate::native::{self, Archive};
use crate::settings::{self, Settings};
use crate::terraform;

/// What the names of native kinds begin with.
const NATIVE: &str = "AWS::";

/// The provider `aws`.
#[derive(Debug)]
pub struct AwsProvider {
    pool: Pool,
    archive: Archive,
    clock: Arc<dyn Clock>,
}

impl AwsProvider {
    /// The provider. Nothing is read and nobody is called before a manager is asked for. `types`: the directory that the schemas of
    /// native types are kept in; `is_offline`: whether those that are not kept are an error.
    pub fn new(types: impl Into<PathBuf>, is_offline: bool, clock: Arc<dyn Clock>) -> Self {
        Self { pool: Pool::default(), archive: Archive::new(types.into(), is_offline, clock.clone()), clock }
    }

    /// The clients of where this machine usually is at AWS.
    async fn usual(&self) -> Result<Arc<Clients>, ProviderError> {
        let invalid = |error: Invalid| ProviderError::new(Class::Invalid { field: None }, error.message);
        let scope = self.scope(&ProviderName::from("aws"), &Value::Map([].into()), None).map_err(invalid)?;
        self.pool.of(&scope).await
    }

    /// Whom to call in a scope, and the manager of a kind there.
    pub(crate) async fn at(
        &self,
        scope: &Scope,
        kind: &KindName,
    ) -> Result<(Arc<Clients>, Arc<dyn Manager>), ProviderError> {
        let clients = self.pool.of(scope).await?;
        let manager = self.manager(kind, &clients).await?;
        Ok((clients, manager))
    }

    async fn manager(&self, kind: &KindName, clients: &Arc<Clients>) -> Result<Arc<dyn Manager>, ProviderError> {
        match kind.as_str() {
            kinds::Artifact::NAME => Ok(Arc::new(Artifacts::new(S3::new(clients.clone()), self.clock.clone()))),
            kinds::Bucket::NAME => Ok(Arc::new(Buckets::new(clients.clone()))),
            kinds::Image::NAME => Ok(Arc::new(Images::new(Ecr::new(clients.clone()), self.clock.clone()))),
            kinds::GpuInstance::NAME => Ok(Arc::new(Instances::new(clients.clone(), self.clock.clone()))),
            name if name.starts_with(NATIVE) => {
                let of = self.archive.get(std::future::ready(Ok(clients.clone())), name).await?;
                Ok(native::manager(clients, &self.clock, name, of))
            }
            _ => {
                let message = format!("`aws` does not make the kind `{kind}`");
                Err(ProviderError::new(Class::Invalid { field: None }, message).code("UnknownKind"))
            }
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
        [kinds::Artifact::NAME, kinds::Bucket::NAME, kinds::GpuInstance::NAME, kinds::Image::NAME]
            .into_iter()
            .chain(composed::KINDS)
            .map(KindName::from)
            .collect()
    }

    fn natives(&self) -> fn(&str) -> bool {
        |name| name.starts_with(NATIVE)
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
        let managers = kinds.iter().map(|kind| async { Ok((kind.clone(), self.manager(kind, &clients).await?)) });
        Ok(futures::future::try_join_all(managers).await?.into_iter().collect())
    }

    fn composes(&self, scope: &Scope, kind: &KindName) -> Option<Composed> {
        composed::composed(scope, kind)
    }

    fn compose(&self, wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
        let managed = || vec![Problem::new(FieldPath::root(), format!("`aws` has one thing for {}", wanted.kind))];
        composed::compose(wanted).unwrap_or_else(|| Err(managed()))
    }

    async fn locate(&self, scope: &Scope, kind: &KindName, id: &str) -> Result<Option<Located>, ProviderError> {
        let parts = self.composes(scope, kind).into_iter().flat_map(|composed| composed.parts);
        let managers = self.prepare(scope, &parts.map(|(_, part)| part).collect()).await?;
        // What is in a network names it, and not the other way about.
        let mut there = BTreeMap::new();
        if kind.as_str() == kinds::Network::NAME {
            let clients = self.pool.of(scope).await?;
            for name in composed::IN_A_NETWORK {
                let of = self.archive.get(std::future::ready(Ok(clients.clone())), name).await?;
                there.insert(name, native::all(&clients, &self.clock, name, of).await?);
            }
        }
        composed::locate(scope, &managers, kind, id, &there).await
    }

    fn accompanies(&self, scope: &Scope, kind: &KindName) -> BTreeSet<(Scope, KindName)> {
        if kind.as_str() == kinds::GpuInstance::NAME { instance::beside(scope) } else { BTreeSet::new() }
    }

    fn companions(&self, wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
        instance::companions(wanted)
    }

    async fn describe(&self, kind: &KindName) -> Result<Option<Native>, ProviderError> {
        if !kind.as_str().starts_with(NATIVE) {
            return Ok(None);
        }
        let of = self.archive.get(Box::pin(self.usual()), kind.as_str()).await?;
        native::described(kind.as_str(), of).map(Some)
    }

    fn terraform(&self) -> Option<&'static str> {
        Some(terraform::SOURCE)
    }

    async fn translate(&self, theirs: &[&Theirs]) -> Result<Vec<Ours>, ProviderError> {
        terraform::ours(self, theirs).await
    }
}
