//! The toy cloud behind the engine's traits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use trueup_engine::compose::{Companions, Composed, Composition, Located, Wanted};
use trueup_engine::provider::{
    Api, By, Candidate, Check, Found, Invalid, Manager, Observation, Observed, Progress, Provider, ProviderError,
    RetrySafety, Target,
};
use trueup_engine::schema::{Problem, Schema};
use trueup_state::entry::{Class, Handle, Request};
use trueup_state::{FieldPath, KindName, ProviderName, Scope, Value};

use super::cloud::{Act, Cloud, Fault, region};
use super::kinds::{GUEST, KINDS, ToyKind, kind, schema, settings};
use super::{guest, trio};

/// A provider of toys.
pub(crate) struct ToyProvider {
    pub(crate) name: &'static str,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) concurrency: usize,
    /// How many of them at each API.
    pub(crate) api: usize,
}

struct ToyManager {
    cloud: Arc<Cloud>,
    scope: Scope,
    kind: &'static ToyKind,
    concurrency: usize,
}

/// The check of every toy kind.
pub(crate) struct ToyCheck(pub(crate) Arc<Cloud>);

#[async_trait]
impl Provider for ToyProvider {
    fn name(&self) -> &str {
        self.name
    }

    fn settings_schema(&self) -> &'static Schema {
        settings()
    }

    fn kinds(&self) -> BTreeSet<KindName> {
        let managed = KINDS.iter().chain([&GUEST]).map(|kind| kind.name.into());
        managed.chain(trio::TRIOS.map(|(name, _)| name.into())).collect()
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn scope(&self, name: &ProviderName, settings: &Value, candidate: Option<&Candidate>) -> Result<Scope, Invalid> {
        let own = candidate.and_then(|candidate| candidate.fields.get("region")).cloned();
        let region = own.or_else(|| settings.get("region")?.as_str().map(Into::into)).unwrap_or_else(|| "r1".into());
        Ok(Scope::at(name.clone(), [("region".to_owned(), region)]))
    }

    async fn prepare(
        &self,
        scope: &Scope,
        kinds: &BTreeSet<KindName>,
    ) -> Result<BTreeMap<KindName, Arc<dyn Manager>>, ProviderError> {
        self.cloud.prepare();
        let manager = |name: &KindName| {
            let (cloud, scope) = (self.cloud.clone(), scope.clone());
            let manager = ToyManager { cloud, scope, kind: kind(name.as_str()), concurrency: self.api };
            (name.clone(), Arc::new(manager) as Arc<dyn Manager>)
        };
        Ok(kinds.iter().map(manager).collect())
    }

    fn composes(&self, scope: &Scope, kind: &KindName) -> Option<Composed> {
        trio::composed(scope, kind)
    }

    fn compose(&self, wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
        trio::compose(wanted)
    }

    fn accompanies(&self, scope: &Scope, kind: &KindName) -> BTreeSet<(Scope, KindName)> {
        guest::accompanies(scope, kind)
    }

    fn companions(&self, wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
        guest::companions(wanted)
    }

    async fn locate(&self, scope: &Scope, _kind: &KindName, id: &str) -> Result<Option<Located>, ProviderError> {
        Ok(trio::locate(&self.cloud, scope, id))
    }
}

impl ToyManager {
    fn look(&self, target: &Target<'_>) -> Observation {
        let found: Option<Found> = match target.by {
            By::Id(id) => self.cloud.get(id),
            By::Token(token) => self.cloud.listed(|thing| thing.token == token.as_str()),
            By::Name(name) => {
                let named = matches!(self.kind.safety, RetrySafety::NamedByCaller);
                let matches = |thing: &super::things::Thing| thing.kind == self.kind.name && thing.name == name;
                self.cloud.listed(|thing| named && matches(thing))
            }
        };
        let ended = match target.by {
            By::Id(id) => self.cloud.ended(id),
            _ => None,
        };
        let absent = ended.map_or(Observation::Absent, Observation::Ended);
        found.map_or(absent, |found| Observation::Present(Box::new(found)))
    }
}

#[async_trait]
impl Manager for ToyManager {
    fn schema(&self) -> &Schema {
        schema(self.kind.create_first)
    }

    /// A note may say anything but `forbidden`, on which the password is told.
    fn check(&self, spec: &Value) -> Vec<Problem> {
        let text = |field: &str| spec.get(field).and_then(|value| value.revealed().as_str());
        let problem = |_| {
            let message = format!("a toy takes no such note, says {}", text("password").unwrap_or("nobody"));
            Problem::new(FieldPath::parse("note"), message)
        };
        let learned = self.cloud.manners().takes_no_note;
        text("note").filter(|note| learned || *note == "forbidden").map(problem).into_iter().collect()
    }

    /// Each region is one.
    fn api(&self) -> Api {
        Api { name: region(&self.scope), concurrency: self.concurrency }
    }

    fn retry_safety(&self) -> RetrySafety {
        self.kind.safety
    }

    fn lag(&self) -> std::time::Duration {
        self.cloud.manners().lag
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        match self.cloud.observing(&self.scope) {
            Some(Fault::Fails(class)) => return Err(ProviderError::new(class, "the list can't be had")),
            Some(_) => return std::future::pending().await,
            None => tokio::time::sleep(self.cloud.manners().looks).await,
        }
        let observations = targets.iter().map(|target| self.look(target)).collect();
        Ok(Observed { observations, orphans: Vec::new() })
    }

    /// What is labelled `sticky` goes only by force.
    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        let sticks = |target: &&Target<'_>| {
            let Observation::Present(found) = self.look(target) else { return false };
            let is_forced = target.sent.is_some_and(|sent| sent.get("force") == Some(&true.into()));
            found.spec.get("label") == Some(&"sticky".into()) && !is_forced
        };
        let problem = |_| Problem::new(FieldPath::parse("force"), "it sticks");
        targets.iter().map(|target| Some(target).filter(sticks).map(problem)).collect()
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.cloud.call("create", request, Act::Create(self.kind)).await
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.cloud.call("update", request, Act::Update).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.cloud.call("delete", request, Act::Delete).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        self.cloud.call("poll", request, Act::Poll(handle)).await
    }
}

#[async_trait]
impl Check for ToyCheck {
    async fn start(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.0.call("check", request, Act::Check).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        self.0.call("poll", request, Act::Poll(handle)).await
    }
}

/// A failed check's verdict.
pub(crate) fn condemned() -> Fault {
    Fault::Fails(Class::Invalid { field: None })
}
