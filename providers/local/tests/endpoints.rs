//! Endpoints: real processes that answer, fail, die and are tampered with.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::process::Command;

use common::{Bench, reference, text};
use serde_json::{Value as Json, json};
use trueup_engine::provider::{Observation, Progress};
use trueup_state::{Class, FieldPath, Request};

const SERVER: &str = r#"
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/become":
            os.execve(sys.executable, sys.orig_argv + ["altered"], {**os.environ, "GREETING": "altered"})
        self.send_response(200)
        self.end_headers()
        self.wfile.write((os.environ.get("GREETING", "none") + " " + os.environ.get("MODEL", "none")).encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

/// Whether there is a Python to serve with. A run that requires all fails without.
fn python_is_there() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there || std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "python3 is required");
    there
}

fn served(env: &Json) -> Json {
    json!({ "command": ["python3", "-c", SERVER, "{port}"], "env": env, "health": { "start_timeout": "30s" } })
}

/// The processes of an endpoint, as its card has them.
fn pids(bench: &Bench, name: &str) -> Vec<u32> {
    let Ok(card) = fs::read(bench.path(&format!("root/cards/endpoint/{name}.json"))) else { return Vec::new() };
    let card: Json = serde_json::from_slice(&card).unwrap();
    let pid = |replica: &Json| u32::try_from(replica["process"]["pid"].as_u64().unwrap()).unwrap();
    card["data"]["replicas"].as_array().unwrap().iter().map(pid).collect()
}

fn is_running(pid: u32) -> bool {
    trueup_state::holder::process_start(pid).is_some()
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    while is_running(pid) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn get(url: &str) -> String {
    ask(url, "GET / HTTP/1.0\r\n\r\n")
}

fn ask(url: &str, request: &str) -> String {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(url.trim_start_matches("http://")) else { return String::new() };
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer); // one that becomes another hangs up
    answer.rsplit_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_answers_and_goes_without_a_trace() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let (mut made, found) = bench.make("endpoint", "chat", served(&json!({ "GREETING": "hello" }))).await;
    let url = text(&found, "url");
    assert_eq!(get(&url), "hello none");
    bench.keeps_its_promises(&made).await;
    let before = pids(&bench, "chat");
    bench.set(&mut made, "tags", json!({ "team": "ads" })).await;
    assert_eq!(pids(&bench, "chat"), before, "a label restarts nothing");
    let found = bench.set(&mut made, "env", json!({ "GREETING": "goodbye" })).await;
    assert_eq!(text(&found, "url"), url, "it stays where it was");
    assert_eq!(get(&url), "goodbye none");
    fs::create_dir(bench.path("model")).unwrap();
    let model = format!("file://{}", bench.path("model").display());
    bench.set(&mut made, "model", json!(model)).await;
    assert_eq!(get(&url), format!("goodbye {model}"));
    let all = pids(&bench, "chat");
    bench.goes_without_a_trace(&made).await;
    assert!(before.iter().chain(&all).all(|pid| !is_running(*pid)));
    bench.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_is_drift_and_the_update_starts_it_again() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let (mut made, _) = bench.make("endpoint", "chat", served(&json!({}))).await;
    let found = bench.set(&mut made, "replicas", json!({ "min": 2 })).await;
    let urls = found.attributes.at(&FieldPath::parse("urls")).unwrap().as_list().unwrap().to_vec();
    assert_eq!(urls.len(), 2);
    assert_ne!(urls[0], urls[1]);
    let before = pids(&bench, "chat");
    kill(before[0]);
    assert_eq!(bench.drift(&made).await, ["replicas.min"]);
    bench.update(&made, made.spec.clone()).await.unwrap();
    assert!(bench.drift(&made).await.is_empty());
    let after = pids(&bench, "chat");
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1], "the one that lived was left alone");
    for pid in &after {
        kill(*pid);
    }
    let gone = bench.see(&made).await;
    assert_eq!(gone.spec.at(&FieldPath::parse("replicas.min")), Some(&0.into()), "stopped, and still there");
    assert_eq!(text(&gone, "status"), "stopped");
    bench.set(&mut made, "replicas", json!({ "min": 1 })).await;
    bench.goes_without_a_trace(&made).await;
    bench.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_became_another_is_drift() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let (made, found) = bench.make("endpoint", "chat", served(&json!({ "GREETING": "hello" }))).await;
    let url = text(&found, "url");
    ask(&url, "GET /become HTTP/1.0\r\n\r\n");
    let mut asked = 0;
    while get(&url) != "altered none" {
        asked += 1;
        assert!(asked < 500, "it never became another");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(bench.drift(&made).await, ["command", "env.GREETING"]);
    bench.update(&made, made.spec.clone()).await.unwrap();
    assert!(bench.drift(&made).await.is_empty());
    assert_eq!(get(&url), "hello none");
    bench.goes_without_a_trace(&made).await;
    bench.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_file() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let mut spec = served(&json!({}));
    spec["env"] = json!({ "GREETING": "canary-4711" });
    let (made, found) = bench.make("endpoint", "chat", spec).await;
    assert!(get(&text(&found, "url")).starts_with("canary-4711"), "the process has it");
    for file in bench.files("") {
        let content = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("canary"), "{}", file.display());
        let bits = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
        assert_eq!(bits & 0o077, 0, "{}", file.display());
    }
    assert!(!format!("{:?}", bench.see(&made).await).contains("canary"));
    bench.goes_without_a_trace(&made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_says_its_last_words_and_leaves_nothing() {
    let bench = Bench::new();
    let spec = json!({
        "command": ["sh", "-c", "echo no weights for $TOKEN >&2; exit 3"],
        "env": { "TOKEN": "canary-4711" },
    });
    let error = bench.create(&bench.request("endpoint", "chat", spec).await).await.unwrap_err();
    assert_eq!(error.class, Class::Invalid { field: Some("command".to_owned()) });
    assert!(error.message.contains("no weights for (env)"), "{error}");
    let endless = json!({ "command": ["sh", "-c", "head -c 9000 /dev/zero | tr '\\0' x; exit 3"] });
    let error = bench.create(&bench.request("endpoint", "chat", endless).await).await.unwrap_err();
    assert!(
        error.message.contains("its last line has more than 4096 bytes") && !error.message.contains("xx"),
        "{error}"
    );
    let missing = json!({ "command": ["/nowhere/server"] });
    let error = bench.create(&bench.request("endpoint", "chat", missing).await).await.unwrap_err();
    assert!(error.message.contains("/nowhere/server"), "{error}");
    let silent = json!({ "command": ["sleep", "600"], "health": { "start_timeout": "300ms" } });
    let error = bench.create(&bench.request("endpoint", "chat", silent).await).await.unwrap_err();
    assert!(error.message.contains("/healthz") && error.message.contains("300ms"), "{error}");
    bench.is_clean();
}

#[tokio::test]
async fn what_can_not_be_served_here_is_refused_by_field() {
    let bench = Bench::new();
    let refused = [
        ("image", json!({ "image": "oci:/x@sha256:0" })),
        ("runtime", json!({ "command": ["x"], "runtime": "sagemaker" })),
        ("model", json!({ "command": ["x"], "model": "file:///nowhere/at/all" })),
        ("working_dir", json!({ "command": ["x"], "working_dir": "/nowhere/at/all" })),
    ];
    for (field, spec) in refused {
        let error = bench.create(&bench.request("endpoint", "chat", spec).await).await.unwrap_err();
        assert_eq!(error.class, Class::Invalid { field: Some(field.to_owned()) }, "{error}");
    }
    bench.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_killed_midway_is_taken_up_without_a_second_process() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let request = bench.request("endpoint", "chat", served(&json!({}))).await;
    let manager = bench.manager("endpoint").await;
    assert!(matches!(manager.create(&request).await.unwrap(), Progress::Pending { .. }));
    assert_eq!(bench.look(&request).await, Observation::Absent, "not yet an endpoint");
    // As if the process had been killed before it noted what it started.
    let card = bench.path("root/cards/endpoint/chat.json");
    let first = pids(&bench, "chat")[0];
    let mut noted: Json = serde_json::from_slice(&fs::read(&card).unwrap()).unwrap();
    noted["data"]["replicas"] = json!([]);
    fs::write(&card, noted.to_string()).unwrap();
    bench.create(&request).await.unwrap();
    assert!(!is_running(first));
    assert_eq!(bench.files("machine/ports").len(), 1);
    bench.goes_without_a_trace(&request).await;
    bench.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_update_shows_and_is_put_right_by_the_next() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let (made, _) = bench.make("endpoint", "chat", served(&json!({}))).await;
    let mut broken = made.spec.clone();
    broken.put(&FieldPath::parse("command"), json!(["false"]).into());
    assert!(bench.update(&made, broken.clone()).await.is_err());
    assert_eq!(bench.drift(&made).await, ["replicas.min"]);
    assert!(bench.update(&made, broken).await.is_err(), "it is tried again, not remembered");
    bench.update(&made, made.spec.clone()).await.unwrap();
    assert!(bench.drift(&made).await.is_empty());
    bench.goes_without_a_trace(&made).await;
    bench.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_heed_the_signal_is_ended_after_its_time() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let deaf = format!("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVER}");
    let spec = json!({ "command": ["python3", "-c", deaf, "{port}"], "health": { "stop_timeout": "4s" } });
    let (made, _) = bench.make("endpoint", "chat", spec).await;
    let pid = pids(&bench, "chat")[0];
    let request = Request { id: Some("chat".to_owned()), ..made.clone() };
    let first = bench.manager("endpoint").await.delete(&request).await.unwrap();
    assert!(matches!(first, Progress::Pending { .. }), "it waits for it, elsewhere");
    assert!(is_running(pid));
    bench.goes_without_a_trace(&made).await;
    assert!(!is_running(pid));
    bench.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstarts_model_predicts_what_it_was_trained_to() {
    if !python_is_there() {
        return;
    }
    let bench = Bench::new();
    let blueprints = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../blueprints").canonicalize().unwrap();
    let (bucket, found) = bench.make("bucket", "weights", json!({})).await;
    let spec = json!({
        "bucket": reference("bucket", &bucket, &found),
        "source": blueprints.join("models/house-prices"),
    });
    let (_, weights) = bench.make("artifact", "house-prices", spec).await;
    let spec = json!({
        "command": ["python3", "predict.py"],
        "working_dir": blueprints.join("serve"),
        "model": text(&weights, "uri"),
    });
    let (made, found) = bench.make("endpoint", "prices", spec).await;
    let post = |body: &str| {
        let request = format!("POST /predict HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        serde_json::from_str::<Json>(&ask(&text(&found, "url"), &request)).unwrap()
    };
    let price = post(r#"{"size_m2": 120, "rooms": 4, "age_years": 10, "distance_km": 3}"#);
    let model: Json =
        serde_json::from_slice(&fs::read(blueprints.join("models/house-prices/model.json")).unwrap()).unwrap();
    let weight = |name: &str| model["coefficients"][name].as_f64().unwrap();
    let expected = model["intercept"].as_f64().unwrap()
        + 120.0 * weight("size_m2")
        + 4.0 * weight("rooms")
        + 10.0 * weight("age_years")
        + 3.0 * weight("distance_km");
    assert!((price["price"].as_f64().unwrap() - expected).abs() < 0.01, "{price}");
    assert!(post(r#"{"size_m2": "big"}"#)["error"].as_str().unwrap().contains("missing: rooms"));
    assert!(post("{")["error"].as_str().unwrap().contains("no JSON"));
    bench.goes_without_a_trace(&made).await;
}
