//! A cloud with a clock that stands still until it is told otherwise, and requests for it.

#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use trueup_engine::naming::owner_tags;
use trueup_engine::provider::{By, Found, Manager, Observation, Progress, Provider, ProviderError, Target};
use trueup_provider_sim::SimProvider;
use trueup_state::clock::SeededEntropy;
use trueup_state::{Address, Clock, Handle, Request, Scope, Timestamp, Token, Value};

/// Time that passes only by sleep.
#[derive(Debug, Default)]
pub(crate) struct StillClock {
    millis: AtomicI64,
    pub(crate) slept: Mutex<Vec<Duration>>,
}

impl StillClock {
    pub(crate) fn pass(&self, span: Duration) {
        self.millis.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.millis.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst).unsigned_abs())
    }

    async fn sleep(&self, span: Duration) {
        self.slept.lock().unwrap().push(span);
        self.pass(span);
    }
}

/// A cloud, and what asks it.
pub(crate) struct House {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) clock: Arc<StillClock>,
    pub(crate) provider: SimProvider,
    settings: Json,
}

impl House {
    /// A cloud in a file, with settings.
    pub(crate) fn new(settings: Json) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(StillClock::default());
        let provider = provider(directory.path(), &clock, 1);
        Self { directory, clock, provider, settings }
    }

    /// The same cloud as another process meets it, perhaps with other settings.
    pub(crate) fn again(&self, settings: Json) -> House {
        let directory = tempfile::tempdir().unwrap();
        let provider = provider(self.directory.path(), &self.clock, 2);
        House { directory, clock: self.clock.clone(), provider, settings }
    }

    pub(crate) fn scope(&self) -> Scope {
        self.provider.scope(&"sim".into(), &self.settings.clone().into(), None).unwrap()
    }

    pub(crate) async fn manager(&self, kind: &str) -> Arc<dyn Manager> {
        let scope = self.scope();
        let mut managers = self.provider.prepare(&scope, &BTreeSet::from([kind.into()])).await.unwrap();
        managers.remove(&kind.into()).unwrap()
    }

    /// A request for a new object.
    pub(crate) fn request(&self, kind: &str, address: &str, spec: Json) -> Request {
        let address: Address = address.parse().unwrap();
        let token = Token::from(format!("token-{kind}-{address}").as_str());
        let schema_of = trueup_engine::kinds::portable().into_iter().find(|portable| portable.name == kind);
        let mut spec = Value::from(spec);
        schema_of.into_iter().for_each(|portable| portable.schema.complete(&mut spec));
        Request {
            owner: owner_tags("lineage", &address, 0, &token),
            token,
            name: format!("name-{address}"),
            address,
            kind: kind.into(),
            schema_version: 1,
            generation: 0,
            scope: self.scope(),
            id: None,
            spec,
            before: Value::Null,
            attributes: Value::Null,
            check: None,
        }
    }

    /// Makes an object, and waits for it.
    pub(crate) async fn make(&self, kind: &str, address: &str, spec: Json) -> Result<Found, ProviderError> {
        let request = self.request(kind, address, spec);
        let manager = self.manager(kind).await;
        let progress = manager.create(&request).await?;
        Ok(self.end(manager.as_ref(), &request, progress).await?.unwrap())
    }

    /// Waits for the end of what a call began.
    pub(crate) async fn end(
        &self,
        manager: &dyn Manager,
        request: &Request,
        mut progress: Progress,
    ) -> Result<Option<Found>, ProviderError> {
        loop {
            match progress {
                Progress::Done(found) => return Ok(found.map(|found| *found)),
                Progress::Failed(error) => return Err(*error),
                Progress::Pending { handle, poll_after, .. } => {
                    self.clock.pass(poll_after);
                    progress = manager.poll(request, &handle).await?;
                }
            }
        }
    }

    /// What is found of an object.
    pub(crate) async fn look(&self, kind: &str, by: By<'_>, sent: Option<&Value>) -> Observation {
        let address = Address::root("any");
        let target = Target { address: &address, generation: 0, by, sent };
        self.manager(kind).await.observe(&[target]).await.unwrap().observations.remove(0)
    }

    /// How often each call was made.
    pub(crate) async fn calls(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.provider.inspect().await.unwrap().calls(0).await.unwrap() {
            *counts.entry(call.call).or_default() += 1;
        }
        counts
    }
}

fn provider(directory: &std::path::Path, clock: &Arc<StillClock>, seed: u64) -> SimProvider {
    SimProvider::in_file(directory.join("sim.db"), clock.clone(), Arc::new(SeededEntropy::new(seed)))
}

/// The spec of a thing.
#[allow(clippy::needless_pass_by_value, reason = "it reads as what it is given")]
pub(crate) fn thing(properties: Json) -> Json {
    json!({ "properties": properties, "tags": {} })
}

/// The handle of pending work.
pub(crate) fn handle_of(progress: &Progress) -> Option<Handle> {
    match progress {
        Progress::Pending { handle, .. } => Some(handle.clone()),
        Progress::Done(_) | Progress::Failed(_) => None,
    }
}
