//! A Google Cloud of one's own for each test: a project in a double of Google's APIs, made of their discovery documents, and an observer
//! that asks it through Google's own Python client.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::python::python;
use crate::script::Script;

/// The region where a test says no other.
pub(crate) const REGION: &str = "europe-west4";

/// What all tests of this process share: who serves, where, and the observer.
struct Shared {
    url: String,
    /// Where Cloud Storage speaks gRPC.
    storage: String,
    /// A service account's key.
    key: PathBuf,
    server: Mutex<Script>,
    observer: Mutex<Script>,
}

static SHARED: LazyLock<Option<Shared>> = LazyLock::new(|| {
    let python = python("gcp", include_str!("google.txt"))?;
    let key = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gcp-key-{}.json", std::process::id()));
    let mut server = Script::start(&python, "gcp/serve.py", &[key.display().to_string()]);
    let said = server.line();
    let mut ports = said.split_whitespace().map(|port| port.parse::<u16>().expect("it says its ports"));
    let [url, storage] = [ports.next(), ports.next()].map(|port| format!("http://127.0.0.1:{}", port.unwrap()));
    let observer = Mutex::new(Script::start(&python, "gcp/observe.py", &[url.clone(), storage.clone()]));
    Some(Shared { url, storage, key, server: Mutex::new(server), observer })
});

/// A project of its own.
pub(crate) struct Gcp {
    shared: &'static Shared,
    /// Its id.
    pub(crate) project: String,
}

impl Gcp {
    /// A new project, empty; none where it can't be had.
    pub(crate) fn start() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let shared = SHARED.as_ref()?;
        Some(Self { shared, project: format!("acme-{}", 1000 + COUNT.fetch_add(1, Ordering::Relaxed)) })
    }

    /// What a blueprint says of it.
    pub(crate) fn settings(&self) -> String {
        format!(
            "{{ project: {}, region: {REGION}, zone: {REGION}-a, endpoint_url: \"{}\" }}",
            self.project, self.shared.url
        )
    }

    /// Where it is served.
    pub(crate) fn url(&self) -> &str {
        &self.shared.url
    }

    /// As whom it was called by REST, since this was asked last.
    pub(crate) fn callers(&self) -> Vec<String> {
        serde_json::from_value(self.tell(json!({ "callers": true }))).unwrap()
    }

    /// What the environment says of it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), self.shared.key.display().to_string()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGECONTROL".to_owned(), self.shared.storage.clone()),
        ]
    }

    /// What Google's own client is answered, or `{"error": STATUS}`. `way`: an API, its version and a collection.
    pub(crate) fn observe(&self, way: &str, call: &str, with: Json) -> Json {
        let mut steps = way.splitn(3, '.');
        let mut next = || steps.next().unwrap();
        let asked = json!({ "api": next(), "version": next(), "way": next(), "call": call, "with": with });
        self.ask(asked)
    }

    fn ask(&self, asked: Json) -> Json {
        let mut observer = self.shared.observer.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(observer.input, "{asked}").unwrap();
        serde_json::from_str(&observer.line()).unwrap()
    }

    fn tell(&self, mut line: Json) -> Json {
        line["project"] = self.project.as_str().into();
        let mut server = self.shared.server.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(server.input, "{line}").unwrap();
        serde_json::from_str(&server.line()).unwrap()
    }

    /// The calls since this was asked last: `pubsub.projects.topics.create`.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        serde_json::from_value(self.tell(json!({ "calls": true }))).unwrap()
    }

    /// From now on the last of each `every` calls of a method (`*`: of any) goes wrong, `times` in all. `what`: `lost`, where the call goes
    /// through and its answer never comes; or `{status, code, reason}`, with which it is refused.
    pub(crate) fn misbehaves(&self, method: &str, what: Json, every: usize, times: usize) {
        self.tell(json!({ "fault": { "method": method, "what": what, "every": every, "times": times } }));
    }

    /// From now on nothing goes wrong.
    pub(crate) fn behaves(&self) {
        self.tell(json!({ "behave": true }));
    }

    /// The next work is taken and fails with these codes.
    pub(crate) fn fails_later(&self, codes: &[&str]) {
        self.tell(json!({ "fails": codes }));
    }

    /// Puts something there, by its host and path, that no call makes.
    pub(crate) fn has(&self, path: &str, collection: &str, body: Json) {
        self.tell(json!({ "thing": [path, collection, body] }));
    }

    /// From now on zones have no machine of types that begin so (`*`: of any).
    pub(crate) fn is_out_of(&self, zones: Json) {
        self.tell(json!({ "stockout": zones }));
    }

    /// Puts a file into a bucket.
    pub(crate) fn puts(&self, bucket: &str, name: &str) {
        self.tell(json!({ "file": [bucket, name] }));
    }

    /// Puts a file with this text into a bucket.
    pub(crate) fn writes(&self, bucket: &str, name: &str, text: &[u8]) {
        self.tell(json!({ "file": [bucket, name, STANDARD.encode(text)] }));
    }

    /// What a file of a bucket holds.
    pub(crate) fn reads(&self, bucket: &str, name: &str) -> Option<Vec<u8>> {
        let text = self.tell(json!({ "text": [bucket, name] }));
        Some(STANDARD.decode(text.as_str()?).unwrap())
    }

    /// What Google's own client of Cloud Storage is answered by gRPC, or `{"error": CODE}`: `get_bucket` with `{"name": …}`.
    pub(crate) fn observe_storage(&self, call: &str, with: Json) -> Json {
        self.ask(json!({ "storage": call, "with": with }))
    }

    /// The paths of all that is there.
    pub(crate) fn things(&self) -> Vec<String> {
        serde_json::from_value(self.tell(json!({ "things": true }))).unwrap()
    }
}
