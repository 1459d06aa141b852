//! What `SageMaker` can't take of an endpoint.

use std::time::Duration;

use trueup_engine::compose::Wanted;
use trueup_engine::diagnostic::closest;
use trueup_engine::kinds::Span;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::access::image_of;
use super::hosts::{self, Host, Need};
use super::number;
use trueup_parts::{field, is_said, option};

/// The port that a container has to listen on, by `SageMaker`'s documentation.
const PORT: f64 = 8080.0;
/// How long one request may take at the most, and how long a container may take to start.
const REQUEST: Duration = Duration::from_mins(1);
const START: std::ops::RangeInclusive<u64> = 60..=3600;

/// Whether a model is packed: one file, and not what stands below a path.
pub(super) fn is_packed(uri: &str) -> bool {
    [".tar.gz", ".tgz"].iter().any(|end| uri.ends_with(end))
}

/// All that is known to be wrong.
pub(super) fn problems(wanted: &Wanted<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: String| problems.push(Problem::new(FieldPath::parse(at), message));
    for (name, why) in [
        ("command", "SageMaker runs container images: say `image`"),
        ("working_dir", "SageMaker runs container images, which have directories of their own"),
        ("secrets", "SageMaker fills no environment from a store of secrets: let the program read them, or use `env`"),
    ] {
        let said = field(wanted, name);
        if is_said(said) && said.revealed().as_map().is_none_or(|map| !map.is_empty()) {
            refuse(name, why.to_owned());
        }
    }
    if text(wanted, "runtime").is_some_and(|runtime| runtime != "sagemaker") {
        refuse("runtime", "AWS runs endpoints by `sagemaker`".to_owned());
    }
    if *field(wanted, "public").revealed() == Value::Bool(true) {
        refuse("public", "an endpoint of SageMaker is called by those whom IAM lets, and by nobody else".to_owned());
    }
    if number(field(wanted, "port")).is_some_and(|port| (port - PORT).abs() > 0.5) {
        refuse("port", "a container of SageMaker listens on port 8080".to_owned());
    }
    if span(wanted, "request_timeout").is_some_and(|timeout| timeout > REQUEST) {
        refuse("request_timeout", "SageMaker gives a request 60 s at the most".to_owned());
    }
    if span(wanted, "health.start_timeout").is_some_and(|start| !START.contains(&start.as_secs())) {
        refuse("health.start_timeout", "SageMaker gives a container 60 s to 1 h to start".to_owned());
    }
    if number(field(wanted, "replicas.min")).is_some_and(|min| min < 1.0) {
        refuse("replicas.min", "an endpoint of SageMaker has at least one replica".to_owned());
    }
    if is_said(field(wanted, "replicas.target")) && !is_said(field(wanted, "replicas.max")) {
        refuse("replicas.target", "it decides nothing while `replicas.max` is not said".to_owned());
    }
    if text(wanted, "image").is_some_and(|image| image_of(image).is_none()) {
        let why = "SageMaker runs images of ECR: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, such as the `ref` of an `image`";
        refuse("image", why.to_owned());
    }
    if text(wanted, "model").is_some_and(|uri| !uri.starts_with("s3://")) {
        refuse(
            "model",
            "SageMaker takes a model from S3: `s3://BUCKET/PATH`, such as the `uri` of an `artifact`".to_owned(),
        );
    }
    if is_said(option(wanted, "subnets")) != is_said(option(wanted, "security_groups")) {
        refuse("options.aws", "`subnets` and `security_groups` go together".to_owned());
    }
    problems.extend(host(wanted).err());
    problems
}

/// What it runs on; none while that is not known.
pub(super) fn host(wanted: &Wanted<'_>) -> Result<Option<&'static Host>, Problem> {
    let gpu = field(wanted, "gpu");
    let (cpu, memory) = (field(wanted, "cpu"), field(wanted, "memory_gib"));
    if is_said(option(wanted, "instance_type")) || [gpu, cpu, memory].into_iter().any(Value::has_unknown) {
        return Ok(None);
    }
    let count = number(field(wanted, "gpu.count")).unwrap_or(1.0);
    let gpus = text(wanted, "gpu.model").zip((1..=64).find(|one| (f64::from(*one) - count).abs() < 0.5));
    let need = Need { gpus, cpu: number(cpu).unwrap_or(0.0), memory_gib: number(memory).unwrap_or(0.0) };
    if let Some(host) = hosts::smallest(&need) {
        return Ok(Some(host));
    }
    let Some((model, _)) = gpus else {
        let message = "SageMaker has no instance with so many processor cores and so much memory";
        return Err(Problem::new(FieldPath::parse(if is_said(cpu) { "cpu" } else { "memory_gib" }), message));
    };
    let counts: Vec<String> = hosts::counts(model).iter().map(ToString::to_string).collect();
    if counts.is_empty() {
        let models = hosts::models();
        let message = format!("SageMaker has no `{model}`; it has {}", models.join(", "));
        let suggestion = closest(&model.to_uppercase(), models);
        return Err(Problem { suggestion, ..Problem::new(FieldPath::parse("gpu.model"), message) });
    }
    let at = if hosts::smallest(&Need { gpus, ..Need::default() }).is_some() { "gpu" } else { "gpu.count" };
    let message =
        format!("SageMaker has no instance with these GPUs, cores and memory: of {model} it has {}", counts.join(", "));
    Err(Problem::new(FieldPath::parse(at), message))
}

fn text<'a>(wanted: &'a Wanted<'_>, name: &str) -> Option<&'a str> {
    field(wanted, name).revealed().as_str()
}

fn span(wanted: &Wanted<'_>, name: &str) -> Option<Duration> {
    text(wanted, name)?.parse::<Span>().ok().map(|span| span.duration())
}
