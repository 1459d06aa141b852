//! `endpoint`: a service of Cloud Run, and a service account that may read the model and nothing else. What Vertex AI runs is in its own room.

use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::kinds::Span;
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, attributes, changed, field, is_said, map, option};
use trueup_state::{FieldPath, Value};

use super::identity::ACCOUNT;
use super::{part_name, project, vertex};
use crate::{binding, deployed};

pub(super) const SERVICE: &str = "run.v2.projects.locations.services";
pub(super) const PARTS: [&str; 6] = [SERVICE, ACCOUNT, binding::KIND, vertex::MODEL, vertex::ENDPOINT, deployed::KIND];
pub(super) const OPTIONS: [&str; 4] = ["ingress", "machine_type", "predict_route", "spot"];
/// Those that Vertex AI alone has.
const OF_VERTEX: [&str; 3] = ["machine_type", "predict_route", "spot"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<2> = [("url", "service", "uri"), ("resource_id", "service", "resource_id")];
/// Where the one container stands.
const CONTAINER: &str = "template.containers[0]";
/// The GPUs that Cloud Run has (*GPU support for services*), and its names for them: one for each replica.
const GPUS: [(&str, &str); 2] = [("L4", "nvidia-l4"), ("RTXPRO6000", "nvidia-rtx-pro-6000")];
/// What a replica with a GPU has at least: processors, and GiB of memory.
const WITH_GPU: (f64, f64) = (4.0, 16.0);
/// How often a replica that starts is asked whether it works, in seconds.
const ASKED: u64 = 10;
/// For how long at most, in seconds (run.v2, `Probe`).
const MOST_ASKED: u64 = 240;

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    if field(wanted, "runtime").revealed().as_str() == Some("vertex") {
        return vertex::compose(wanted);
    }
    let problems = problems(wanted);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut service = Native::new(wanted, "service", SERVICE)
        .beside("name", "name")
        .with("template.containers", Value::List(vec![Value::Map([].into())]))
        .taking(&format!("{CONTAINER}.image"), "image")
        .from(&format!("{CONTAINER}.env"), "env", environment(wanted))
        .from("template.timeout", "request_timeout", seconds(wanted, "request_timeout"))
        .taking("template.scaling.minInstanceCount", "replicas.min");
    service = scaled(wanted, resources(wanted, service));
    service = probed(wanted, service).tagged();
    if is_said(field(wanted, "port")) {
        service = service
            .with(&format!("{CONTAINER}.ports"), Value::List(vec![Value::Map([].into())]))
            .taking(&format!("{CONTAINER}.ports[0].containerPort"), "port");
    }
    let mut parts = Vec::new();
    if is_said(field(wanted, "identity")) {
        service = service.taking("template.serviceAccount", "identity");
    } else {
        parts.extend(account(wanted));
        service = service.reads("template.serviceAccount", "account", "email");
        // What a replica needs to start it has to be let in to before.
        for granted in parts.iter().skip(1) {
            service = service.after(&granted.name);
        }
    }
    service = service.option("ingress", "ingress");
    parts.push(service.part());
    if *field(wanted, "public").revealed() == Value::Bool(true) {
        let open = Native::new(wanted, "open", binding::KIND)
            .from("role", "public", "roles/run.invoker")
            .from("member", "public", "allUsers")
            .reading("resource", Read::of("service", "resource_id").between("//run.googleapis.com/", ""));
        parts.push(open.part());
    }
    Ok(Composition { parts, attributes: attributes(KNOWN) })
}

/// The usual time to start, of all clouds: Cloud Run's longest stands for it, in seconds.
const USUAL_START: u64 = 300;

/// What Cloud Run can't do.
fn problems(wanted: &Wanted<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: &str| problems.push(Problem::new(FieldPath::parse(at), message));
    let text = |path: &str| field(wanted, path).revealed().as_str();
    if is_said(field(wanted, "command")) {
        refuse("command", "Cloud Run serves a container: name its `image`");
    }
    if text("runtime").is_some_and(|runtime| runtime != "run") {
        refuse("runtime", "at Google an endpoint is run by `run`, Cloud Run, or by `vertex`, Vertex AI");
    }
    for name in OF_VERTEX.into_iter().filter(|name| is_said(option(wanted, name))) {
        refuse(&format!("options.gcp.{name}"), "it is of `runtime: vertex` alone");
    }
    if let Some(model) = text("gpu.model").filter(|model| accelerator(model).is_none()) {
        let message = format!("Cloud Run has no GPU called `{model}`: there are L4 and RTX PRO 6000");
        refuse("gpu.model", &message);
    }
    if let Value::Number(count) = field(wanted, "gpu.count").revealed()
        && count.as_u64() != Some(1)
    {
        refuse("gpu.count", "a replica of Cloud Run has one GPU");
    }
    let metric = text("replicas.target.metric");
    if metric.is_some_and(|metric| metric != "concurrency") {
        refuse("replicas.target.metric", "Cloud Run follows the requests under way: `concurrency`");
    }
    if is_said(field(wanted, "replicas.target")) && !is_said(field(wanted, "replicas.max")) {
        refuse("replicas.max", "with a `target`, how many there are at most has to be said");
    }
    let secs = |path: &str| secs(wanted, path);
    if secs("health.start_timeout").is_some_and(|start| start > MOST_ASKED && start != USUAL_START) {
        refuse("health.start_timeout", "Cloud Run waits for 4 minutes at most");
    }
    if secs("health.timeout").zip(secs("health.interval")).is_some_and(|(timeout, interval)| timeout >= interval) {
        refuse(
            "health.timeout",
            "at Cloud Run an answer takes less than `health.interval`, after which it is asked again",
        );
    }
    if text("health.stop_timeout").is_some_and(|span| span.parse::<Span>() != "10s".parse()) {
        refuse("health.stop_timeout", "a replica of Cloud Run has 10 seconds");
    }
    problems
}

fn accelerator(model: &str) -> Option<&'static str> {
    let plain: String = model.to_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
    GPUS.iter().find(|(name, _)| plain.trim_start_matches("NVIDIA") == *name).map(|(_, theirs)| *theirs)
}

/// A service account that may read the model, where that is in a bucket, and the secrets that are named, and nothing else.
pub(super) fn account(wanted: &Wanted<'_>) -> Vec<Part> {
    let account =
        Native::new(wanted, "account", ACCOUNT).with("description", format!("Made by Trueup for `{}`", wanted.address));
    let mut parts = vec![account.part()];
    let model = field(wanted, "model");
    if is_said(model) {
        let bucket = changed(model, |uri| {
            let bucket = uri.trim_start_matches("gs://").split('/').next().unwrap_or_default();
            format!("//storage.googleapis.com/projects/_/buckets/{bucket}")
        });
        parts.push(granted(wanted, "model".to_owned(), ("model", "roles/storage.objectViewer"), bucket));
    }
    let project = project(wanted);
    let path = |secret: &str| {
        let at = if secret.starts_with("projects/") { String::new() } else { format!("projects/{project}/secrets/") };
        format!("//secretmanager.googleapis.com/{at}{secret}")
    };
    let secrets = field(wanted, "secrets").revealed().as_map().cloned().unwrap_or_default();
    for (variable, secret) in &secrets {
        let name = part_name("secret", variable);
        let role = ("secrets", "roles/secretmanager.secretAccessor");
        parts.push(granted(wanted, name, role, changed(secret, path)));
    }
    parts
}

/// What lets the account in to a resource.
fn granted(wanted: &Wanted<'_>, name: String, (origin, role): (&str, &str), resource: Value) -> Part {
    Native::new(wanted, name, binding::KIND)
        .from("resource", origin, resource)
        .from("role", origin, role)
        .reading("member", Read::of("account", "email").between("serviceAccount:", ""))
        .part()
}

/// The processors, memory and GPU of each replica.
fn resources<'a>(wanted: &Wanted<'_>, mut service: Native<'a>) -> Native<'a> {
    let limit = |name: &str| format!("{CONTAINER}.resources.limits.{name}");
    let number = |path: &str| match field(wanted, path).revealed() {
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let model = field(wanted, "gpu.model").revealed().as_str().and_then(accelerator);
    let Some(model) = model else {
        if let Some(cpu) = number("cpu") {
            service = service.from(&limit("cpu"), "cpu", cpu.to_string());
        }
        if let Some(memory) = number("memory_gib") {
            service = service.from(&limit("memory"), "memory_gib", mebibytes(memory));
        }
        return service;
    };
    // A GPU is there for as long as its replica, and so are its processors.
    service
        .from(&format!("{CONTAINER}.resources.limits"), "gpu", limits(number("cpu"), number("memory_gib")))
        .with(&format!("{CONTAINER}.resources.cpuIdle"), false)
        .from("template.nodeSelector.accelerator", "gpu.model", model)
        .with("template.gpuZonalRedundancyDisabled", true)
}

/// All limits of a replica with a GPU: the name of that has dots, and is no path.
fn limits(cpu: Option<f64>, memory: Option<f64>) -> Value {
    map([
        ("cpu", cpu.unwrap_or(WITH_GPU.0).to_string().into()),
        ("memory", mebibytes(memory.unwrap_or(WITH_GPU.1)).into()),
        ("nvidia.com/gpu", "1".into()),
    ])
}

fn mebibytes(gib: f64) -> String {
    format!("{}Mi", (gib * 1024.0).round())
}

/// How many there are at most, and what decides that.
fn scaled<'a>(wanted: &Wanted<'_>, mut service: Native<'a>) -> Native<'a> {
    let most = if is_said(field(wanted, "replicas.max")) { "replicas.max" } else { "replicas.min" };
    let count = match field(wanted, most).revealed() {
        Value::Number(number) => number.as_u64().map_or(Value::Unknown, |count| number_of(count.max(1))),
        _ => Value::Unknown,
    };
    service = service.from("template.scaling.maxInstanceCount", most, count);
    if let Value::Number(number) = field(wanted, "replicas.target.value").revealed() {
        #[allow(clippy::cast_possible_truncation)] // Requests under way, below 1000 at Cloud Run.
        let value = number.as_f64().unwrap_or(1.0).round() as i64;
        service = service.from("template.maxInstanceRequestConcurrency", "replicas.target", value.max(1));
    }
    service
}

/// How it is told that a replica works.
fn probed<'a>(wanted: &Wanted<'_>, service: Native<'a>) -> Native<'a> {
    let secs = |path: &str| secs(wanted, path);
    let number = |seconds: Option<u64>| seconds.map_or(Value::Unknown, |seconds| number_of(seconds.max(1)));
    let starts = secs("health.start_timeout").map(|seconds| seconds.min(MOST_ASKED).div_ceil(ASKED));
    let answer = secs("health.timeout").map(|seconds| seconds.min(ASKED - 1));
    let (start, live) = (format!("{CONTAINER}.startupProbe"), format!("{CONTAINER}.livenessProbe"));
    service
        .taking(&format!("{start}.httpGet.path"), "health.path")
        .with(&format!("{start}.periodSeconds"), number_of(ASKED))
        .from(&format!("{start}.timeoutSeconds"), "health.timeout", number(answer))
        .from(&format!("{start}.failureThreshold"), "health.start_timeout", number(starts))
        .taking(&format!("{live}.httpGet.path"), "health.path")
        .from(&format!("{live}.periodSeconds"), "health.interval", number(secs("health.interval")))
        .from(&format!("{live}.timeoutSeconds"), "health.timeout", number(secs("health.timeout")))
}

pub(super) fn number_of(number: u64) -> Value {
    serde_json::Value::from(number).into()
}

/// A span in seconds; none while it is not known.
pub(super) fn secs(wanted: &Wanted<'_>, path: &str) -> Option<u64> {
    field(wanted, path).revealed().as_str()?.parse::<Span>().ok().map(|span| span.duration().as_secs())
}

/// A span as Google has it.
pub(super) fn seconds(wanted: &Wanted<'_>, path: &str) -> Value {
    secs(wanted, path).map_or(Value::Unknown, |seconds| format!("{seconds}s").into())
}

/// The environment: what is said, where the model is, and what Google's own store of secrets has.
fn environment(wanted: &Wanted<'_>) -> Value {
    let mut all = Vec::new();
    let one = |name: &str, value: Value| map([("name", name.into()), ("value", value)]);
    if is_said(field(wanted, "model")) {
        all.push(one("MODEL", field(wanted, "model").clone()));
    }
    let said = |path: &str| match field(wanted, path).revealed() {
        Value::Map(map) => Some(map.clone()),
        _ => None,
    };
    let (Some(env), Some(secrets)) = (said("env"), said("secrets")) else { return Value::Unknown };
    all.extend(env.iter().map(|(name, value)| one(name, value.clone())));
    let secret = |(name, value): (&String, &Value)| {
        let key = map([("secret", value.clone()), ("version", "latest".into())]);
        map([("name", name.as_str().into()), ("valueSource", map([("secretKeyRef", key)]))])
    };
    all.extend(secrets.iter().map(secret));
    Value::List(all)
}
