//! `endpoint` with `runtime: vertex`: a model of Vertex AI, an endpoint, and the machines that serve the one at the other.

use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::schema::Problem;
use trueup_machines::{Gpus, MachineType};
use trueup_parts::{Native, field, is_said, map, option};
use trueup_state::{FieldPath, Value};

use super::endpoint::{account, number_of, seconds, secs};
use crate::deployed;
use crate::instance::COMPUTE;

pub(super) const MODEL: &str = "aiplatform.v1.projects.locations.models";
pub(super) const ENDPOINT: &str = "aiplatform.v1.projects.locations.endpoints";

/// Where a model's container is told.
const CONTAINER: &str = "containerSpec";
/// The path that requests go to where none is said: what Google's own containers have.
const PREDICT: &str = "/predict";
/// The metric that follows GPUs (aiplatform.v1, `AutoscalingMetricSpec`).
const BUSY: &str = "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle";
/// How often a replica that starts is asked whether it works, in seconds.
const ASKED: u64 = 10;
/// The path to Trueup's own field that says each.
const MACHINE: &str = "options.gcp.machine_type";

/// Vertex AI's names for GPUs (aiplatform.v1, `MachineSpec`), by the model and the GiB of each.
const GPUS: [(&str, u32, &str); 13] = [
    ("A100", 40, "NVIDIA_TESLA_A100"),
    ("A100", 80, "NVIDIA_A100_80GB"),
    ("B200", 180, "NVIDIA_B200"),
    ("GB200", 186, "NVIDIA_GB200"),
    ("H100", 80, "NVIDIA_H100_80GB"),
    ("H200", 141, "NVIDIA_H200_141GB"),
    ("L4", 24, "NVIDIA_L4"),
    ("P100", 16, "NVIDIA_TESLA_P100"),
    ("P4", 8, "NVIDIA_TESLA_P4"),
    ("RTXPRO6000", 96, "NVIDIA_RTX_PRO_6000"),
    ("T4", 16, "NVIDIA_TESLA_T4"),
    ("V100", 16, "NVIDIA_TESLA_V100"),
    ("H100_MEGA", 80, "NVIDIA_H100_MEGA_80GB"),
];

/// Machines without a GPU (*Machine types* of online inference): the name, cores, GiB.
const PLAIN: [(&str, f64, f64); 10] = [
    ("e2-standard-2", 2.0, 8.0),
    ("e2-standard-4", 4.0, 16.0),
    ("e2-standard-8", 8.0, 32.0),
    ("e2-standard-16", 16.0, 64.0),
    ("e2-standard-32", 32.0, 128.0),
    ("n2-standard-48", 48.0, 192.0),
    ("n2-standard-64", 64.0, 256.0),
    ("n2-standard-80", 80.0, 320.0),
    ("n2-standard-96", 96.0, 384.0),
    ("n2-standard-128", 128.0, 512.0),
];

/// What a replica runs on.
struct Machine {
    name: String,
    /// The GPUs, and how many.
    gpus: Option<(&'static str, u32)>,
}

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let mut problems = problems(wanted);
    let machine = machine(wanted).map_err(|problem| problems.push(problem)).ok();
    let (Some(machine), true) = (machine, problems.is_empty()) else { return Err(problems) };
    let mut deployed = replicas(wanted, on(wanted, &machine)).reads("endpoint", "endpoint", "resource_id").reads(
        "model",
        "served",
        "resource_id",
    );
    let mut parts = Vec::new();
    if is_said(field(wanted, "identity")) {
        deployed = deployed.taking("serviceAccount", "identity");
    } else {
        parts.extend(account(wanted));
        deployed = deployed.reads("serviceAccount", "account", "email");
        // What a replica needs to start it has to be let in to before.
        for granted in parts.iter().skip(1) {
            deployed = deployed.after(&granted.name);
        }
    }
    let name = field(wanted, "name").revealed().as_str().map_or_else(|| wanted.address.to_string(), str::to_owned);
    let endpoint = Native::new(wanted, "endpoint", ENDPOINT)
        .beside("name", "name")
        .from("displayName", "name", name.as_str())
        .from("clientConnectionConfig.inferenceTimeout", "request_timeout", seconds(wanted, "request_timeout"))
        .tagged();
    parts.extend([model(wanted, &name), endpoint.part(), deployed.part()]);
    let region = wanted.scope.settings.get("region").and_then(|region| region.as_str()).unwrap_or_default();
    let resource = || Read::of("endpoint", "resource_id");
    let url = resource().between(format!("https://{region}-aiplatform.googleapis.com/v1/"), ":rawPredict");
    Ok(Composition { parts, attributes: [("url".to_owned(), url), ("resource_id".to_owned(), resource())].into() })
}

/// The model: its files, and what serves them. The next one is there before the one before it goes, which is served until then.
fn model(wanted: &Wanted<'_>, name: &str) -> Part {
    let of = |name: &str| format!("{CONTAINER}.{name}");
    let said = option(wanted, "predict_route").clone();
    let route = if is_said(&said) { said } else { PREDICT.into() };
    let mut model = Native::new(wanted, "served", MODEL)
        // It is the endpoint's own, with what anybody added to it.
        .set("force_destroy", true)
        .with("displayName", name)
        .taking("artifactUri", "model")
        .taking(&of("imageUri"), "image")
        .from(&of("env"), "env", environment(wanted))
        .taking(&of("healthRoute"), "health.path")
        .from(&of("predictRoute"), "options.gcp.predict_route", route);
    let asked = [
        ("startupProbe", Some(ASKED), "health.start_timeout"),
        ("livenessProbe", secs(wanted, "health.interval"), "health.interval"),
    ];
    for (probe, often, path) in asked {
        // An answer may take until it is asked again, and no less (aiplatform.v1, `Probe`).
        let time = secs(wanted, "health.timeout").max(often);
        model = model
            .taking(&of(&format!("{probe}.httpGet.path")), "health.path")
            .from(&of(&format!("{probe}.periodSeconds")), path, spanned(often))
            .from(&of(&format!("{probe}.timeoutSeconds")), "health.timeout", spanned(time));
    }
    let tries = secs(wanted, "health.start_timeout").map(|start| start.div_ceil(ASKED));
    model = model.from(&of("startupProbe.failureThreshold"), "health.start_timeout", spanned(tries));
    if is_said(field(wanted, "port")) {
        model = model
            .with(&of("ports"), Value::List(vec![Value::Map([].into())]))
            .taking(&of("ports[0].containerPort"), "port");
    }
    let mut part = model.tagged().part();
    part.create_first = Some(true);
    part
}

fn spanned(seconds: Option<u64>) -> Value {
    seconds.map_or(Value::Unknown, |seconds| number_of(seconds.max(1)))
}

/// The environment: what is said, and where the model is.
fn environment(wanted: &Wanted<'_>) -> Value {
    let one = |name: &str, value: Value| map([("name", name.into()), ("value", value)]);
    let Value::Map(env) = field(wanted, "env").revealed() else { return Value::Unknown };
    let mut all: Vec<Value> = env.iter().map(|(name, value)| one(name, value.clone())).collect();
    if is_said(field(wanted, "model")) {
        all.insert(0, one("MODEL", field(wanted, "model").clone()));
    }
    Value::List(all)
}

/// Whether an endpoint is one of Vertex AI's, by its id.
pub(super) fn is_of_vertex(id: &str) -> bool {
    id.contains("/endpoints/")
}

/// What it is served on.
fn on<'a>(wanted: &'a Wanted<'a>, machine: &Machine) -> Native<'a> {
    let origin = if is_said(option(wanted, "machine_type")) { MACHINE } else { "gpu" };
    let mut deployed =
        Native::new(wanted, "deployed", deployed::KIND).from("machineType", origin, machine.name.as_str());
    if let Some((name, count)) = machine.gpus {
        deployed =
            deployed.from("acceleratorType", "gpu", name).from("acceleratorCount", "gpu", number_of(count.into()));
    }
    deployed.option("spot", "spot")
}

/// On how many machines, and what decides that.
fn replicas<'a>(wanted: &Wanted<'_>, deployed: Native<'a>) -> Native<'a> {
    let most = if is_said(field(wanted, "replicas.max")) { "replicas.max" } else { "replicas.min" };
    let deployed =
        deployed.taking("minReplicaCount", "replicas.min").from("maxReplicaCount", most, field(wanted, most).clone());
    let Value::Number(value) = field(wanted, "replicas.target.value").revealed() else { return deployed };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a part of a hundred")]
    let target = value.as_f64().unwrap_or(60.0).round().clamp(1.0, 100.0) as u64;
    let metric = map([("metricName", BUSY.into()), ("target", number_of(target))]);
    deployed.from("autoscalingMetricSpecs", "replicas.target", Value::List(vec![metric]))
}

/// The smallest machine that will do.
fn machine(wanted: &Wanted<'_>) -> Result<Machine, Problem> {
    let problem = |at: &str, message: String| Problem::new(FieldPath::parse(at), message);
    let number = |path: &str| match field(wanted, path).revealed() {
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let (cpu, memory) = (number("cpu").unwrap_or_default(), number("memory_gib").unwrap_or_default());
    let said = option(wanted, "machine_type").revealed().as_str();
    let Some(Gpus::Of { model, count }) = trueup_machines::gpus(wanted.spec) else {
        let fits = |(_, cores, gib): &&(&str, f64, f64)| *cores >= cpu && *gib >= memory;
        let name = said.or_else(|| PLAIN.iter().find(fits).map(|(name, ..)| *name));
        let none = || {
            problem(
                "cpu",
                "Vertex AI has no machine as large without a GPU: name one in `options.gcp.machine_type`".to_owned(),
            )
        };
        return Ok(Machine { name: name.ok_or_else(none)?.to_owned(), gpus: None });
    };
    let fits = |one: &&MachineType| {
        one.count == count && f64::from(one.vcpus) >= cpu && f64::from(one.memory_gib) >= memory && gpus(one).is_some()
    };
    // What is attached goes with any size of its family.
    if let Some(name) = said.filter(|name| name.starts_with("n1-"))
        && let Some(gpus) = COMPUTE.with(model).filter(|one| one.name.starts_with("n1-")).find_map(gpus)
    {
        return Ok(Machine { name: name.to_owned(), gpus: Some((gpus, count)) });
    }
    let chosen = COMPUTE.with(model).filter(fits).find(|one| said.is_none_or(|said| said == one.name));
    let chosen = chosen.and_then(|one| Some((one, gpus(one)?)));
    let none = || {
        let models = COMPUTE.models().join(", ");
        problem(
            "gpu",
            format!("Vertex AI has no machine with {count} of `{model}` and as much else: there are {models}"),
        )
    };
    let (chosen, gpus) = chosen.ok_or_else(none)?;
    Ok(Machine { name: chosen.name.to_owned(), gpus: Some((gpus, count)) })
}

/// Vertex AI's name for the GPUs of a machine type; none where it has no such.
fn gpus(of: &MachineType) -> Option<&'static str> {
    let model = if of.name.starts_with("a3-mega") { "H100_MEGA" } else { of.model };
    let is_it = |(name, gib, _): &&(&str, u32, &str)| *name == model && gib * 1024 == of.gpu_mib;
    GPUS.iter().find(is_it).map(|(.., theirs)| *theirs)
}

/// What Vertex AI can't do.
fn problems(wanted: &Wanted<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: &str| problems.push(Problem::new(FieldPath::parse(at), message));
    let text = |path: &str| field(wanted, path).revealed().as_str();
    if is_said(field(wanted, "command")) {
        refuse("command", "Vertex AI serves a container: name its `image`");
    }
    if field(wanted, "secrets").revealed().as_map().is_some_and(|secrets| !secrets.is_empty()) {
        refuse(
            "secrets",
            "Vertex AI fills no variable from Secret Manager: let its `identity` read it, or use `runtime: run`",
        );
    }
    if *field(wanted, "public").revealed() == Value::Bool(true) {
        refuse("public", "an endpoint of Vertex AI asks who calls: `runtime: run` can be open to all");
    }
    if *field(wanted, "replicas.min").revealed() == Value::from(0) {
        refuse("replicas.min", "Vertex AI has one replica at least: `runtime: run` can have none");
    }
    if text("replicas.target.metric").is_some_and(|metric| metric != "gpu_utilization") {
        refuse("replicas.target.metric", "Vertex AI follows how busy the GPUs are: `gpu_utilization`");
    }
    if is_said(field(wanted, "replicas.target")) && !is_said(field(wanted, "gpu")) {
        refuse("replicas.target", "without a GPU Vertex AI follows its processors by itself: leave it out");
    }
    if is_said(option(wanted, "ingress")) {
        refuse("options.gcp.ingress", "it is of Cloud Run alone");
    }
    problems
}
