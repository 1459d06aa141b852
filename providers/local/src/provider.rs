//! The provider: its settings, its scope, its managers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueup_engine::kinds::{self, Kind};
use trueup_engine::provider::{Candidate, Invalid, Manager, Provider, ProviderError};
use trueup_engine::schema::Schema;
use trueup_engine::typed::Typed;
use trueup_state::{Class, Clock, Entropy, FieldPath, KindName, ProviderName, Scope, Value};

use crate::artifact::Artifacts;
use crate::bucket::Buckets;
use crate::endpoint::Endpoints;
use crate::gpu_instance::GpuInstances;
use crate::gpus::{GpuDiscovery, NvmlDiscovery};
use crate::home::LocalHome;
use crate::image::Images;
use crate::registry::Registries;
use crate::work::Threaded;

/// What may stand under `local` in a blueprint's `providers`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
struct Settings {
    /// The directory that everything is made in, as an absolute path. Default: `.trueup/local` beside the stack's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<String>,
}

/// The provider `local`.
#[derive(Debug)]
pub struct LocalProvider {
    home: LocalHome,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    discovery: Arc<dyn GpuDiscovery>,
    step_bytes: Option<u64>,
}

impl LocalProvider {
    /// The provider with this machine's GPUs. Nothing is made and nothing is read before a manager is asked to.
    pub fn new(home: LocalHome, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { home, clock, entropy, discovery: Arc::new(NvmlDiscovery), step_bytes: None }
    }

    /// The same provider with GPUs told by someone else.
    #[must_use]
    pub fn with_gpus(mut self, discovery: Arc<dyn GpuDiscovery>) -> Self {
        self.discovery = discovery;
        self
    }

    /// The same provider, copying no more than so many bytes of an artifact in one step.
    #[must_use]
    pub fn with_step_bytes(mut self, bytes: u64) -> Self {
        self.step_bytes = Some(bytes);
        self
    }

    fn manager(&self, kind: &KindName, home: &LocalHome) -> Option<Arc<dyn Manager>> {
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let discovery = Arc::clone(&self.discovery);
        Some(match kind.as_str() {
            kinds::Bucket::NAME => managed(Buckets::new(&home.root)),
            kinds::Artifact::NAME => managed(Artifacts::new(&home.root, clock, self.step_bytes)),
            kinds::Registry::NAME => managed(Registries::new(&home.root)),
            kinds::Image::NAME => managed(Images::new(&home.root, clock)),
            kinds::Endpoint::NAME => managed(Endpoints::new(home, discovery, clock, entropy)),
            kinds::GpuInstance::NAME => managed(GpuInstances::new(home, discovery, entropy)),
            _ => return None,
        })
    }
}

fn managed<W: crate::work::Work>(work: W) -> Arc<dyn Manager> {
    Arc::new(Typed(Threaded(Arc::new(work))))
}

fn invalid(path: FieldPath, message: impl Into<String>) -> Invalid {
    Invalid { path, message: message.into() }
}

/// An absolute path without `.` and `..`.
fn plain(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let tidy = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    (path.is_absolute() && tidy).then(|| path.to_owned())
}

#[async_trait]
impl Provider for LocalProvider {
    fn name(&self) -> &'static str {
        "local"
    }

    fn settings_schema(&self) -> &'static Schema {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Settings, BTreeMap<String, String>>(1, false));
        &SCHEMA
    }

    fn kinds(&self) -> BTreeSet<KindName> {
        [
            kinds::Artifact::NAME,
            kinds::Bucket::NAME,
            kinds::Endpoint::NAME,
            kinds::GpuInstance::NAME,
            kinds::Image::NAME,
            kinds::Registry::NAME,
        ]
        .map(KindName::from)
        .into()
    }

    fn scope(&self, name: &ProviderName, settings: &Value, candidate: Option<&Candidate>) -> Result<Scope, Invalid> {
        let at = FieldPath::from_iter(["root"]);
        let given = candidate.and_then(|candidate| candidate.fields.get("root")).and_then(serde_json::Value::as_str);
        let given = given.or_else(|| settings.get("root").and_then(|root| root.revealed().as_str()));
        // The default is left out, so that a working directory that moved finds its things again.
        let Some(text) = given else {
            return Ok(Scope::of(name.clone()));
        };
        if plain(text).is_none() {
            return Err(invalid(at, format!("`{text}` must be an absolute path without `..`")));
        }
        let settings = BTreeMap::from([("root".to_owned(), text.into())]);
        Ok(Scope::at(name.clone(), settings))
    }

    async fn prepare(
        &self,
        scope: &Scope,
        kinds: &BTreeSet<KindName>,
    ) -> Result<BTreeMap<KindName, Arc<dyn Manager>>, ProviderError> {
        let root = match scope.settings.get("root").map(|root| root.as_str().and_then(plain)) {
            None => self.home.root.clone(),
            Some(Some(root)) => root,
            Some(None) => {
                let message = "the `root` of the scope is no absolute path".to_owned();
                return Err(ProviderError::new(Class::Invalid { field: Some("root".to_owned()) }, message));
            }
        };
        let home = LocalHome { root, machine: self.home.machine.clone() };
        kinds
            .iter()
            .map(|kind| {
                let manager = self.manager(kind, &home).ok_or_else(|| {
                    let message = format!("`local` does not make the kind `{kind}`");
                    ProviderError::new(Class::Invalid { field: None }, message)
                })?;
                Ok((kind.clone(), manager))
            })
            .collect()
    }
}
