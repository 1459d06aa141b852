//! What is between one process and the rest of the world: what it sends goes on when the process is no more, and each thing that it
//! sends is written down, with what may not be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use trueup_engine::compose::{Composed, Composition, Located, Wanted};
use trueup_engine::naming::NameRule;
use trueup_engine::provider::{
    Api, Candidate, Check, Invalid, Manager, Observed, Progress, Provider, ProviderError, RetrySafety, Target,
};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_state::{Clock, Entropy, Handle, Holder, KindName, ProviderName, Request, Scope, Value, Verb};

use crate::script::Fate;
use crate::world::{Begun, World};

/// One process's way to everything.
pub(crate) struct Wire {
    pub(crate) world: Arc<World>,
    pub(crate) holder: Holder,
    events: AtomicUsize,
    fate: Option<(usize, Fate)>,
    died: Notify,
    pub(crate) asleep: Mutex<Option<Duration>>,
}

impl Wire {
    pub(crate) fn new(world: &Arc<World>, holder: Holder, fate: Option<(usize, Fate)>) -> Arc<Self> {
        let (world, asleep) = (world.clone(), Mutex::default());
        Arc::new(Self { world, holder, events: AtomicUsize::new(0), fate, died: Notify::new(), asleep })
    }

    /// Returns once the process has died.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    /// One event of the process: true where it dies after it.
    pub(crate) async fn event(&self) -> bool {
        let number = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fate.filter(|(at, _)| *at == number).map(|(_, fate)| fate) {
            None => false,
            Some(Fate::DieBefore) => self.die("died before an event").await,
            Some(Fate::DieAfter) => true,
            Some(Fate::Sleep(span)) => {
                self.world.ledger().count("slept");
                *self.asleep.lock().expect("no one panicked") = Some(span);
                false
            }
        }
    }

    /// Never returns: the process is dropped.
    pub(crate) async fn die(&self, how: &str) -> bool {
        self.world.ledger().count(how);
        self.died.notify_one();
        std::future::pending().await
    }

    /// A span of the network's, up to so many milliseconds.
    pub(crate) async fn delay(&self, most: u64) {
        let span = Duration::from_millis(self.world.entropy.number() % (most + 1));
        if !span.is_zero() {
            tokio::time::sleep(span).await;
        }
    }

    /// Writes down that a call is sent, and what is wrong with that.
    async fn sends(&self, request: &Request, verb: Verb) {
        let (world, pid) = (&self.world, self.holder.pid);
        let is_torn =
            verb == Verb::Delete && request.kind.as_str() == "gpu_instance" && !self.has_successor(request).await;
        let now = world.clock.uptime();
        let mut ledger = world.ledger();
        ledger.count(format!("call {}", verb.as_str()));
        let about = format!("{} {} (process {pid})", verb.as_str(), request.address);
        if !ledger.right.as_ref().is_some_and(|right| right.pid == pid && now < right.until) {
            let right = ledger.right.clone();
            ledger.wrong(format!("{about} was sent without a lease, at {now:?} with {right:?}"));
        }
        let id = request.id.clone().unwrap_or_default();
        if matches!(verb, Verb::Update | Verb::Delete) && ledger.meddled.get(&pid) == Some(&id) {
            ledger.wrong(format!("{about} was sent, though {id} was changed since it was planned"));
        }
        if verb == Verb::Delete && ledger.protected.contains(&id) {
            ledger.wrong(format!("{about} was sent, though {id} is protected"));
        }
        let is_wanted = ledger.wanted.get(&pid).is_some_and(|wanted| wanted.contains(&request.address.to_string()));
        if is_torn && is_wanted {
            ledger.wrong(format!("{about} was sent before anything was in the place of {id}"));
        }
    }

    /// Whether something else that works is recorded in the place of a machine.
    async fn has_successor(&self, request: &Request) -> bool {
        // What an earlier run began to delete was judged then.
        let is_old = |begun: &Begun| begun.pid != self.holder.pid;
        if self.world.ledger().begun.get(request.token.as_str()).is_some_and(is_old) {
            return true;
        }
        let Some(state) = self.world.state().await else { return false };
        let current = state.records.get(&request.address).and_then(|record| record.current.as_ref());
        let Some(id) = current.and_then(|object| object.id.clone()).filter(|id| Some(id) != request.id.as_ref()) else {
            return false;
        };
        let found = self.world.inspector().await.object(&id).await.expect("memory can be read");
        // What is being changed works meanwhile.
        found.is_some_and(|found| matches!(found.status.as_str(), "active" | "updating"))
            || self.world.ledger().touched.contains(&id)
    }
}

/// The cloud, over the wire.
pub(crate) struct WiredProvider(pub(crate) Arc<dyn Provider>, pub(crate) Arc<Wire>);

#[async_trait]
impl Provider for WiredProvider {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn settings_schema(&self) -> &'static Schema {
        self.0.settings_schema()
    }

    fn kinds(&self) -> BTreeSet<KindName> {
        self.0.kinds()
    }

    fn natives(&self) -> fn(&str) -> bool {
        self.0.natives()
    }

    fn scope(&self, name: &ProviderName, settings: &Value, candidate: Option<&Candidate>) -> Result<Scope, Invalid> {
        self.0.scope(name, settings, candidate)
    }

    async fn prepare(
        &self,
        scope: &Scope,
        kinds: &BTreeSet<KindName>,
    ) -> Result<BTreeMap<KindName, Arc<dyn Manager>>, ProviderError> {
        let managers = self.0.prepare(scope, kinds).await?;
        let wired = |(kind, inner)| (kind, Arc::new(Wired { inner, wire: self.1.clone() }) as Arc<dyn Manager>);
        Ok(managers.into_iter().map(wired).collect())
    }

    fn composes(&self, scope: &Scope, kind: &KindName) -> Option<Composed> {
        self.0.composes(scope, kind)
    }

    fn compose(&self, wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
        self.0.compose(wanted)
    }

    async fn locate(&self, scope: &Scope, kind: &KindName, id: &str) -> Result<Option<Located>, ProviderError> {
        self.0.locate(scope, kind, id).await
    }
}

/// A manager, over the wire.
struct Wired {
    inner: Arc<dyn Manager>,
    wire: Arc<Wire>,
}

impl Wired {
    /// Sends a call, which goes on though the process does not. Of an update whose process dies on the way, nothing arrives any more:
    /// it would come after a successor's, which no token and no name can prevent.
    async fn send(&self, request: &Request, verb: Verb) -> Result<Progress, ProviderError> {
        self.wire.sends(request, verb).await;
        let dies = self.wire.event().await;
        let (inner, request) = (self.inner.clone(), request.clone());
        if verb == Verb::Update {
            let answer = inner.update(&request).await;
            if dies {
                self.wire.die("died after a call").await;
            }
            return answer;
        }
        let call = tokio::spawn(async move {
            match verb {
                Verb::Create => inner.create(&request).await,
                _ => inner.delete(&request).await,
            }
        });
        if dies {
            self.wire.die("died after a call").await;
        }
        call.await.expect("a call does not panic")
    }
}

#[async_trait]
impl Manager for Wired {
    fn schema(&self) -> &Schema {
        self.inner.schema()
    }

    fn effect(&self, before: &Value, after: &Value) -> Effect {
        self.inner.effect(before, after)
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        self.inner.check(spec)
    }

    fn api(&self) -> Api {
        self.inner.api()
    }

    fn retry_safety(&self) -> RetrySafety {
        self.inner.retry_safety()
    }

    fn is_alone_of_its_name(&self) -> bool {
        self.inner.is_alone_of_its_name()
    }

    fn finishes(&self) -> bool {
        self.inner.finishes()
    }

    fn lag(&self) -> Duration {
        self.inner.lag()
    }

    fn name_rule(&self) -> NameRule {
        self.inner.name_rule()
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        self.inner.observe(targets).await
    }

    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        self.inner.obstacles(targets).await
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.send(request, Verb::Create).await
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.send(request, Verb::Update).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.send(request, Verb::Delete).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        self.inner.poll(request, handle).await
    }
}

/// A check that takes a while, and condemns some.
pub(crate) struct Tester {
    pub(crate) wire: Arc<Wire>,
    /// How many in a hundred.
    pub(crate) condemned: usize,
}

#[async_trait]
impl Check for Tester {
    async fn start(&self, _request: &Request) -> Result<Progress, ProviderError> {
        if self.wire.event().await {
            self.wire.die("died after a check began").await;
        }
        self.wire.world.ledger().count("call check");
        let handle = Handle(serde_json::json!({ "test": 1 }));
        let poll_after = Duration::from_secs(10);
        Ok(Progress::Pending { id: None, handle, poll_after, amount: None, note: None })
    }

    async fn poll(&self, request: &Request, _handle: &Handle) -> Result<Progress, ProviderError> {
        self.wire.delay(2_000).await;
        if self.wire.world.entropy.number() % 100 < self.condemned as u64 {
            self.wire.world.ledger().count("a check condemned");
            let class = trueup_state::Class::Invalid { field: None };
            return Err(ProviderError::new(class, format!("{} is too slow", request.address)));
        }
        Ok(Progress::Done(None))
    }
}
