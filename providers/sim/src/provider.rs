//! The provider: its settings, its scope, its managers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use trueup_engine::compose::{Composed, Composition, Located, Wanted};
use trueup_engine::kinds;
use trueup_engine::provider::{Candidate, Fact, Invalid, Manager, Provider, ProviderError, Question, Subject};
use trueup_engine::schema::{Problem, Schema};
use trueup_state::{Class, Clock, Entropy, FieldPath, KindName, ProviderName, Scope, Value, codec};

use crate::attributes::schema_of;
use crate::cloud::{Cloud, Place, unavailable};
use crate::endpoint;
use crate::look::Inspector;
use crate::manager::Objects;
use crate::settings::{self, Settings};
use crate::storage::{File, Memory, Storage, StorageError};
use crate::thing::THING;

/// The provider `sim`.
#[derive(Debug)]
pub struct SimProvider {
    /// The file of clouds that say no other; none for a cloud in memory.
    file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The clouds that were opened, by their files.
    clouds: tokio::sync::Mutex<BTreeMap<Option<PathBuf>, Arc<Cloud>>>,
    /// How the cloud behaves in each scope: what the blueprint said last. It is no part of a scope, for it does not say where a thing is.
    manners: Mutex<BTreeMap<Scope, Arc<Settings>>>,
    /// What was asked for last, and its scope: of 100,000 resources nearly all ask for the same.
    asked: Mutex<Option<Asked>>,
}

/// What a scope was asked for with, and the scope.
#[derive(Debug)]
struct Asked {
    name: ProviderName,
    settings: Value,
    candidate: Option<Candidate>,
    scope: Scope,
}

impl SimProvider {
    /// The provider of a cloud in a file. It is opened, and made, when something is first asked of it.
    pub fn in_file(file: impl Into<PathBuf>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { file: Some(file.into()), ..Self::in_memory(clock, entropy) }
    }

    /// The provider of a cloud in memory: of as many as there are providers.
    pub fn in_memory(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            file: None,
            clock,
            entropy,
            clouds: tokio::sync::Mutex::default(),
            manners: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// Looks into the cloud that is in no file of its own.
    pub async fn inspect(&self) -> Result<Inspector, StorageError> {
        Ok(Inspector {
            cloud: self.cloud(self.file.clone()).await?,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        })
    }

    async fn cloud(&self, file: Option<PathBuf>) -> Result<Arc<Cloud>, StorageError> {
        let mut clouds = self.clouds.lock().await;
        if let Some(cloud) = clouds.get(&file) {
            return Ok(cloud.clone());
        }
        let storage: Box<dyn Storage> = match &file {
            Some(file) => Box::new(File::open(file).await?),
            None => Box::new(Memory::default()),
        };
        let cloud = Arc::new(Cloud::new(storage, self.clock.clone(), self.entropy.clone()));
        clouds.insert(file, cloud.clone());
        Ok(cloud)
    }

    fn manners(&self) -> MutexGuard<'_, BTreeMap<Scope, Arc<Settings>>> {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn invalid(field: &str, message: impl Into<String>) -> Invalid {
    Invalid { path: FieldPath::from_iter([field]), message: message.into() }
}

/// The settings of a provider block, with what a candidate says of them besides.
fn read(settings: &Value, candidate: Option<&Candidate>) -> Result<Settings, Invalid> {
    let mut json = codec::reveal(settings).unwrap_or_default();
    if !json.is_object() {
        json = serde_json::json!({});
    }
    let known = settings::schema().fields();
    if let Some(map) = json.as_object_mut() {
        for (name, value) in candidate.into_iter().flat_map(|candidate| &candidate.fields) {
            if known.contains(&name.as_str()) {
                map.insert(name.clone(), value.clone());
            }
        }
    }
    if let Some(problem) = settings::schema().problems(&json.clone().into()).into_iter().next() {
        return Err(Invalid { path: problem.path, message: problem.message });
    }
    let settings: Result<Settings, _> = serde_json::from_value(json);
    settings.map(Settings::of_parts).map_err(|error| invalid("", error.to_string()))
}

/// An absolute path without `.` and `..`.
fn is_plain(path: &str) -> bool {
    let path = Path::new(path);
    path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

fn region_of(scope: &Scope) -> String {
    let region = scope.settings.get("region").and_then(|region| region.as_str());
    region.map_or_else(|| Settings::default().region().to_owned(), str::to_owned)
}

#[async_trait]
impl Provider for SimProvider {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn settings_schema(&self) -> &'static Schema {
        settings::schema()
    }

    fn kinds(&self) -> BTreeSet<KindName> {
        kinds::portable().into_iter().map(|kind| kind.name.into()).chain([THING.into()]).collect()
    }

    fn natives(&self) -> fn(&str) -> bool {
        |name| name.starts_with("Sim::")
    }

    fn scope(&self, name: &ProviderName, settings: &Value, candidate: Option<&Candidate>) -> Result<Scope, Invalid> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |asked: &&Asked| (&asked.name, &asked.settings, asked.candidate.as_ref()) == (name, settings, candidate);
        if let Some(known) = asked.as_ref().filter(same) {
            return Ok(known.scope.clone());
        }
        let read = read(settings, candidate)?;
        let mut place = BTreeMap::from([("region".to_owned(), read.region().into())]);
        if let Some(file) = &read.file {
            if !is_plain(file) {
                return Err(invalid("file", format!("`{file}` must be an absolute path without `..`")));
            }
            if read.memory {
                return Err(invalid("memory", "a cloud in a file is not in memory alone: say one of the two"));
            }
            place.insert("file".to_owned(), file.as_str().into());
        }
        if read.memory {
            place.insert("memory".to_owned(), true.into());
        }
        let scope = Scope::at(name.clone(), place);
        self.manners().insert(scope.clone(), Arc::new(read));
        let (name, candidate) = (name.clone(), candidate.cloned());
        *asked = Some(Asked { name, settings: settings.clone(), candidate, scope: scope.clone() });
        Ok(scope)
    }

    async fn prepare(
        &self,
        scope: &Scope,
        kinds: &BTreeSet<KindName>,
    ) -> Result<BTreeMap<KindName, Arc<dyn Manager>>, ProviderError> {
        let file = scope.settings.get("file").and_then(|file| file.as_str()).map(PathBuf::from);
        let in_file = !scope.settings.contains_key("memory");
        let cloud = self.cloud(file.or_else(|| self.file.clone()).filter(|_| in_file)).await.map_err(unavailable)?;
        let said = self.manners().get(scope).cloned();
        let name = format!("{}/{}", scope.provider, region_of(scope));
        let settings = cloud.manners(&name, said).await.map_err(unavailable)?;
        let manager = |kind: &KindName| {
            let schema = schema_of(kind.as_str()).ok_or_else(|| {
                let message = format!("`sim` does not make the kind `{kind}`");
                ProviderError::new(Class::Invalid { field: None }, message).code("UnknownKind")
            })?;
            let place = Place { kind: kind.to_string(), region: region_of(scope), settings: settings.clone() };
            let manager: Arc<dyn Manager> = Arc::new(Objects { cloud: cloud.clone(), place, schema });
            Ok((kind.clone(), manager))
        };
        kinds.iter().map(manager).collect()
    }

    fn composes(&self, scope: &Scope, kind: &KindName) -> Option<Composed> {
        endpoint::composed(scope, kind)
    }

    fn compose(&self, wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
        endpoint::compose(wanted)
    }

    async fn locate(&self, scope: &Scope, _kind: &KindName, id: &str) -> Result<Option<Located>, ProviderError> {
        let managers = self.prepare(scope, &endpoint::PARTS.into_iter().map(KindName::from).collect()).await?;
        endpoint::locate(scope, &managers, id).await
    }

    async fn facts(&self, questions: &[Question]) -> Vec<Fact> {
        let answer = |question: &Question| {
            let settings = self.manners().get(&question.scope).cloned().unwrap_or_default();
            let region = region_of(&question.scope);
            let answer = match question.subject {
                Subject::Offers => serde_json::json!({ "prices_per_gpu_hour": settings.prices }),
                Subject::Quota => serde_json::json!(settings.quota.get(&region)),
                Subject::Images => serde_json::json!([]),
                Subject::Identity => serde_json::json!({ "account": "sim" }),
            };
            Fact { question: question.clone(), answer, source: "sim".to_owned(), at: self.clock.now() }
        };
        questions.iter().map(answer).collect()
    }
}
