//! What the tests of all kinds need: a provider in a directory of its own, requests, and a run of an operation to its end.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use trueup_engine::kinds::gpu_instance::AllottedGpu;
use trueup_engine::plan::diff::changed_paths;
use trueup_engine::provider::{By, Found, Manager, Observation, Observed, Progress, Provider, ProviderError, Target};
use trueup_provider_local::{GpuDiscovery, LocalHome, LocalProvider};
use trueup_state::clock::{SystemClock, SystemEntropy};
use trueup_state::{Address, KindName, Map, Request, Scope, Token, Value};

/// A machine's GPUs as the test says.
#[derive(Debug, Default)]
pub struct FakeGpus(pub Mutex<Vec<AllottedGpu>>);

impl GpuDiscovery for FakeGpus {
    fn gpus(&self) -> Result<Vec<AllottedGpu>, String> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// A provider with all it makes in a directory that goes with it.
pub struct Bench {
    _guard: Guard,
    pub directory: tempfile::TempDir,
    pub gpus: Arc<FakeGpus>,
    pub step_bytes: u64,
}

/// Ends the processes of endpoints that a failed test leaves.
struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        for card in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let card = std::fs::read(card.path()).unwrap_or_default();
            let card: Json = serde_json::from_slice(&card).unwrap_or_default();
            for replica in card["data"]["replicas"].as_array().into_iter().flatten() {
                let number = |name: &str| replica["process"][name].as_u64().unwrap_or(0);
                let pid = u32::try_from(number("pid")).unwrap_or(0);
                if trueup_state::holder::process_start(pid) == Some(number("start")) {
                    let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
                }
            }
        }
    }
}

impl Bench {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let guard = Guard(directory.path().join("root/cards/endpoint"));
        Self { _guard: guard, directory, gpus: Arc::default(), step_bytes: u64::MAX }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub fn provider(&self) -> LocalProvider {
        let home = LocalHome { root: self.root(), machine: self.path("machine") };
        LocalProvider::new(home, Arc::new(SystemClock), Arc::new(SystemEntropy))
            .with_gpus(self.gpus.clone())
            .with_step_bytes(self.step_bytes)
    }

    pub fn scope(&self) -> Scope {
        self.provider().scope(&"local".into(), &Value::Map(Map::new()), None).unwrap()
    }

    /// A manager as another process would have it.
    pub async fn manager(&self, kind: &str) -> Arc<dyn Manager> {
        let kinds = BTreeSet::from([KindName::from(kind)]);
        self.provider().prepare(&self.scope(), &kinds).await.unwrap().remove(&KindName::from(kind)).unwrap()
    }

    /// A request to make something for the stack `lineage-1`.
    pub async fn request(&self, kind: &str, name: &str, spec: Json) -> Request {
        let mut spec = Value::from(spec);
        let manager = self.manager(kind).await;
        manager.schema().complete(&mut spec);
        assert_eq!(manager.schema().problems(&spec), []);
        let token = Token::new(&SystemEntropy);
        Request {
            token: token.clone(),
            address: Address::root(name.replace('-', "_")),
            kind: kind.into(),
            schema_version: 1,
            generation: 0,
            scope: self.scope(),
            name: name.to_owned(),
            id: None,
            spec,
            before: Value::Null,
            attributes: Value::Null,
            check: None,
            owner: owner("lineage-1", &token),
        }
    }

    pub async fn create(&self, request: &Request) -> Result<Found, ProviderError> {
        let manager = self.manager(request.kind.as_str()).await;
        let first = manager.create(request).await?;
        Ok(*finish(&*manager, request, first).await?.unwrap())
    }

    pub async fn make(&self, kind: &str, name: &str, spec: Json) -> (Request, Found) {
        let request = self.request(kind, name, spec).await;
        let found = self.create(&request).await.unwrap();
        assert_same(&*self.manager(kind).await, &request.spec, &found.spec);
        (request, found)
    }

    pub async fn update(&self, made: &Request, spec: Value) -> Result<Found, ProviderError> {
        let manager = self.manager(made.kind.as_str()).await;
        let before = made.spec.clone();
        let request =
            Request { id: Some(made.name.clone()), token: Token::new(&SystemEntropy), spec, before, ..made.clone() };
        let first = manager.update(&request).await?;
        Ok(*finish(&*manager, &request, first).await?.unwrap())
    }

    /// Updates one field, which must then be observed as it was asked for.
    pub async fn set(&self, made: &mut Request, field: &str, value: Json) -> Found {
        let mut spec = made.spec.clone();
        spec.put(&trueup_state::FieldPath::parse(field), value.into());
        let found = self.update(made, spec.clone()).await.unwrap();
        assert_same(&*self.manager(made.kind.as_str()).await, &spec, &found.spec);
        made.spec = spec;
        assert_same(&*self.manager(made.kind.as_str()).await, &made.spec, &self.see(made).await.spec);
        found
    }

    pub async fn delete(&self, made: &Request) -> Result<(), ProviderError> {
        let manager = self.manager(made.kind.as_str()).await;
        let request = Request { id: Some(made.name.clone()), ..made.clone() };
        let first = manager.delete(&request).await?;
        assert_eq!(finish(&*manager, &request, first).await?, None);
        Ok(())
    }

    pub async fn observe(&self, made: &Request, by: By<'_>) -> Observed {
        let target = Target { address: &made.address, generation: 0, by, sent: Some(&made.spec) };
        self.manager(made.kind.as_str()).await.observe(&[target]).await.unwrap()
    }

    pub async fn look(&self, made: &Request) -> Observation {
        self.observe(made, By::Id(&made.name)).await.observations.remove(0)
    }

    pub async fn see(&self, made: &Request) -> Found {
        match self.look(made).await {
            Observation::Present(found) => *found,
            other => panic!("{other:?}"),
        }
    }

    /// The fields that are not as they were sent.
    pub async fn drift(&self, made: &Request) -> Vec<String> {
        let seen = self.see(made).await;
        let manager = self.manager(made.kind.as_str()).await;
        changed_paths(manager.schema(), &made.spec, &seen.spec).iter().map(ToString::to_string).collect()
    }

    /// All files below a directory of the bench.
    pub fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut open = vec![self.path(below)];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() { open.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        files
    }

    /// What every kind promises of one object: adopted when repeated, found by each key, refused to others, gone without a trace.
    pub async fn keeps_its_promises(&self, made: &Request) {
        let manager = self.manager(made.kind.as_str()).await;
        let again = self.create(made).await.unwrap();
        assert_same(&*manager, &made.spec, &again.spec);
        assert_eq!(again.owner, made.owner);
        for by in [By::Id(&made.name), By::Name(&made.name), By::Token(&made.token)] {
            let observed = self.observe(made, by).await;
            assert!(matches!(observed.observations[0], Observation::Present(_)), "{observed:?}");
        }
        let token = Token::new(&SystemEntropy);
        let foreign = Request { owner: owner("lineage-2", &token), token, ..made.clone() };
        let refused = self.create(&foreign).await.unwrap_err();
        assert_eq!(refused.class, trueup_state::Class::AlreadyExists, "{refused}");
        assert_same(&*manager, &made.spec, &self.see(made).await.spec);
        let as_theirs = Request { id: Some(made.name.clone()), ..foreign.clone() };
        assert_eq!(manager.delete(&as_theirs).await.unwrap_err().class, trueup_state::Class::Conflict);
    }

    /// Deletes it, twice.
    pub async fn goes_without_a_trace(&self, made: &Request) {
        self.delete(made).await.unwrap();
        assert_eq!(self.look(made).await, Observation::Absent);
        self.delete(made).await.unwrap();
    }

    pub fn is_clean(&self) {
        for below in ["root", "machine"] {
            assert!(!self.path(below).exists(), "{:?}", self.files(below));
        }
    }
}

pub fn owner(stack: &str, token: &Token) -> BTreeMap<String, String> {
    [("trueup:stack", stack), ("trueup:token", token.as_str())].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

/// Polls until it is done, each time with a manager of a process that knows nothing but the handle.
pub async fn finish(
    manager: &dyn Manager,
    request: &Request,
    first: Progress,
) -> Result<Option<Box<Found>>, ProviderError> {
    let mut progress = first;
    for _ in 0..600 {
        match progress {
            Progress::Done(found) => return Ok(found),
            Progress::Failed(error) => return Err(*error),
            Progress::Pending { handle, poll_after, .. } => {
                tokio::time::sleep(poll_after.min(Duration::from_millis(200))).await;
                progress = manager.poll(request, &handle).await?;
            }
        }
    }
    panic!("it never ends");
}

pub fn assert_same(manager: &dyn Manager, sent: &Value, seen: &Value) {
    let changed = changed_paths(manager.schema(), sent, seen);
    assert!(changed.is_empty(), "{changed:?}\nsent {sent:?}\nseen {seen:?}");
}

/// A whole resource, as an expression gives it.
pub fn reference(kind: &str, request: &Request, found: &Found) -> Json {
    let attributes = trueup_state::codec::reveal(&found.attributes).unwrap();
    json!({ "address": request.address.to_string(), "kind": kind, "provider": "local", "attributes": attributes })
}

pub fn text(found: &Found, attribute: &str) -> String {
    found.attributes.get(attribute).unwrap().as_str().unwrap().to_owned()
}

pub fn local_path(uri: &str) -> PathBuf {
    Path::new(uri.trim_start_matches("file://").trim_start_matches("oci:")).to_owned()
}
