//! `endpoint`: one of `SageMaker`, the configuration that it serves by, the model in that, a role that may read the model and nothing else,
//! and what scales it.
//!
//! A model and a configuration can't be changed: new ones are made, the endpoint is moved to them, and only then the old ones go.

mod access;
mod hosts;
mod locate;
mod refused;

pub(super) use locate::locate;

use std::collections::BTreeMap;

use trueup_engine::compose::{Composition, Part, Read, Wanted};
use trueup_engine::kinds::Span;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Scope, Value};

use super::ID;
use super::policy::{ROLE, ROLE_POLICY, own_role, trust};
use crate::settings::Settings;
use trueup_parts::changed;
use trueup_parts::{Native, field, is_said, map, option};

const ENDPOINT: &str = "AWS::SageMaker::Endpoint";
const CONFIG: &str = "AWS::SageMaker::EndpointConfig";
const MODEL: &str = "AWS::SageMaker::Model";
const TARGET: &str = "AWS::ApplicationAutoScaling::ScalableTarget";
const SCALING: &str = "AWS::ApplicationAutoScaling::ScalingPolicy";
pub(super) const PARTS: [&str; 7] = [ENDPOINT, CONFIG, MODEL, TARGET, SCALING, ROLE, ROLE_POLICY];
pub(super) const OPTIONS: [&str; 5] =
    ["instance_type", "network_isolation", "security_groups", "subnets", "variant_name"];

/// Where a container of `SageMaker`'s finds its model, by its documentation.
const MODEL_PATH: &str = "/opt/ml/model";
/// What the one variant is called that an endpoint has, where nothing is said.
pub(super) const VARIANT: &str = "primary";
/// What of a variant is scaled, and the service that it is of.
const DIMENSION: &str = "sagemaker:variant:DesiredInstanceCount";
const SERVICE: &str = "sagemaker";
/// The name of the one scaling policy of a variant that is ours.
const SCALING_NAME: &str = "trueup";

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let problems = refused::problems(wanted);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut parts = Vec::new();
    let mut model = model(wanted);
    if is_said(field(wanted, "identity")) {
        model = model.taking("ExecutionRoleArn", "identity");
    } else {
        parts.extend(own_role(wanted, trust(&["sagemaker"], None), access::document(wanted)));
        // What the role may read is tried when a model is made.
        model = model.reads("ExecutionRoleArn", "role", "Arn").after("policy");
    }
    let is_scaled = is_said(field(wanted, "replicas.max"));
    let mut endpoint = Native::new(wanted, "endpoint", ENDPOINT).taking("EndpointName", "name").tagged();
    if is_scaled {
        // How many there are is what scales it to say: a new configuration doesn't begin anew.
        endpoint = endpoint.with("RetainAllVariantProperties", true);
    }
    let endpoint = reading(endpoint.part(), "EndpointConfigName", named("config"));
    parts.extend([new_first(model.tagged().part()), config(wanted), endpoint]);
    if is_scaled {
        parts.extend(scaling(wanted));
    }
    Ok(Composition { parts, attributes: known(wanted.scope) })
}

/// What is known of it, each as it is of a part.
fn known(scope: &Scope) -> BTreeMap<String, Read> {
    let region = Settings::of(scope).region.unwrap_or_default();
    let calls = format!("https://runtime.sagemaker.{region}.amazonaws.com/endpoints/");
    let attributes = [
        ("resource_id", Read::of("endpoint", ID)),
        ("url", named("endpoint").between(calls, "/invocations")),
        ("log", named("endpoint").between("/aws/sagemaker/Endpoints/", "")),
    ];
    attributes.map(|(name, read)| (name.to_owned(), read)).into()
}

/// The name of a part, which is the end of its ARN.
fn named(part: &str) -> Read {
    Read::of(part, ID).after_last('/')
}

fn reading(mut part: Part, property: &str, read: Read) -> Part {
    part.reads.insert(FieldPath::parse(&format!("properties.{property}")), read);
    part
}

/// What an endpoint serves by stays until it serves by the next one.
fn new_first(part: Part) -> Part {
    Part { create_first: Some(true), ..part }
}

/// The container, what it serves, and its environment.
fn model<'a>(wanted: &'a Wanted<'a>) -> Native<'a> {
    let mut model = Native::new(wanted, "model", MODEL)
        .taking("PrimaryContainer.Image", "image")
        .from("PrimaryContainer.Environment", "env", environment(wanted))
        .option("EnableNetworkIsolation", "network_isolation");
    if is_said(option(wanted, "subnets")) {
        model = model.option("VpcConfig.Subnets", "subnets").option("VpcConfig.SecurityGroupIds", "security_groups");
    }
    let uri = field(wanted, "model");
    if !is_said(uri) {
        return model;
    }
    // What is packed is one file; all else is what stands below a path.
    let packed = |packed: &str, other: &str| {
        changed(uri, |uri| if refused::is_packed(uri) { packed.to_owned() } else { other.to_owned() })
    };
    let (sort, compression) = (packed("S3Object", "S3Prefix"), packed("Gzip", "None"));
    let is_whole = |uri: &str| refused::is_packed(uri) || uri.ends_with('/');
    let place = changed(uri, |uri| if is_whole(uri) { uri.to_owned() } else { format!("{uri}/") });
    let source = "PrimaryContainer.ModelDataSource.S3DataSource";
    model.from(&format!("{source}.S3Uri"), "model", place).from(&format!("{source}.S3DataType"), "model", sort).from(
        &format!("{source}.CompressionType"),
        "model",
        compression,
    )
}

/// What a program finds in its environment: where its model is, and what the blueprint says.
fn environment(wanted: &Wanted<'_>) -> Value {
    let said = field(wanted, "env");
    if *said.revealed() == Value::Unknown {
        return Value::Unknown;
    }
    let mut environment = map([]);
    if is_said(field(wanted, "model")) {
        environment.put(&["MODEL"].into_iter().collect(), MODEL_PATH.into());
    }
    for (name, value) in said.revealed().as_map().into_iter().flatten() {
        environment.put(&[name.as_str()].into_iter().collect(), value.clone());
    }
    environment
}

/// On what it runs, and how many.
fn config(wanted: &Wanted<'_>) -> Part {
    let at = |name: &str| format!("ProductionVariants[0].{name}");
    let instance_type = option(wanted, "instance_type");
    let (host_from, host) = if is_said(instance_type) {
        ("options.aws.instance_type", instance_type.clone())
    } else {
        let said = ["gpu", "cpu", "memory_gib"].into_iter().find(|name| is_said(field(wanted, name)));
        let host = refused::host(wanted).ok().flatten();
        (said.unwrap_or("gpu"), host.map_or(Value::Unknown, |host| host.name.into()))
    };
    let start = field(wanted, "health.start_timeout");
    let config = Native::new(wanted, "config", CONFIG)
        .with("ProductionVariants", vec![map([])])
        .from(&at("VariantName"), "options.aws.variant_name", variant(wanted))
        .from(&at("InstanceType"), host_from, host)
        .taking(&at("InitialInstanceCount"), "replicas.min")
        .with(&at("InitialVariantWeight"), 1)
        .from(&at("ContainerStartupHealthCheckTimeoutInSeconds"), "health.start_timeout", seconds(start));
    new_first(reading(config.tagged().part(), &at("ModelName"), named("model")))
}

fn variant(wanted: &Wanted<'_>) -> Value {
    let said = option(wanted, "variant_name");
    if is_said(said) { said.clone() } else { VARIANT.into() }
}

/// A span in whole seconds; unknown until it is known.
fn seconds(span: &Value) -> Value {
    let span = span.revealed().as_str().and_then(|text| text.parse::<Span>().ok());
    span.map_or(Value::Unknown, |span| Value::Number(span.duration().as_secs().into()))
}

/// Between how many it is scaled, and by what.
fn scaling(wanted: &Wanted<'_>) -> Vec<Part> {
    let variant = variant(wanted);
    let Some(variant) = variant.revealed().as_str() else { return Vec::new() };
    let scaled = named("endpoint").between("endpoint/", format!("/variant/{variant}"));
    let target = Native::new(wanted, "target", TARGET)
        .with("ServiceNamespace", SERVICE)
        .with("ScalableDimension", DIMENSION)
        .taking("MinCapacity", "replicas.min")
        .taking("MaxCapacity", "replicas.max")
        .tagged();
    let mut parts = vec![reading(target.part(), "ResourceId", scaled)];
    if is_said(field(wanted, "replicas.target")) {
        let policy = Native::new(wanted, "scaling", SCALING)
            .with("PolicyName", SCALING_NAME)
            .with("PolicyType", "TargetTrackingScaling")
            .with("ServiceNamespace", SERVICE)
            .with("ScalableDimension", DIMENSION)
            .reads("ResourceId", "target", "ResourceId");
        parts.push(followed(wanted, policy, variant));
    }
    parts
}

/// With what a scaling policy follows.
fn followed(wanted: &Wanted<'_>, policy: Native<'_>, variant: &str) -> Part {
    let at = |name: &str| format!("TargetTrackingScalingPolicyConfiguration.{name}");
    let value = field(wanted, "replicas.target.value");
    let predefined = |policy: Native<'_>, metric: &str, value: Value| {
        policy
            .from(&at("TargetValue"), "replicas.target.value", value)
            .from(&at("PredefinedMetricSpecification.PredefinedMetricType"), "replicas.target.metric", metric)
            .part()
    };
    match field(wanted, "replicas.target.metric").revealed().as_str() {
        // SageMaker counts them by the minute.
        Some("requests_per_second") => {
            let a_minute = number(value).map_or(Value::Unknown, |value| number_of(value * 60.0));
            predefined(policy, "SageMakerVariantInvocationsPerInstance", a_minute)
        }
        Some("concurrency") => {
            predefined(policy, "SageMakerVariantConcurrentRequestsPerModelHighResolution", value.clone())
        }
        _ => {
            let metric = map([
                ("Namespace", "/aws/sagemaker/Endpoints".into()),
                ("MetricName", "GPUUtilization".into()),
                ("Statistic", "Average".into()),
                (
                    "Dimensions",
                    vec![
                        map([("Name", "EndpointName".into()), ("Value", Value::Unknown)]),
                        map([("Name", "VariantName".into()), ("Value", variant.into())]),
                    ]
                    .into(),
                ),
            ]);
            let policy = policy.from(&at("TargetValue"), "replicas.target.value", value.clone()).from(
                &at("CustomizedMetricSpecification"),
                "replicas.target.metric",
                metric,
            );
            reading(policy.part(), &at("CustomizedMetricSpecification.Dimensions[0].Value"), named("endpoint"))
        }
    }
}

/// A number of a spec.
fn number(value: &Value) -> Option<f64> {
    match value.revealed() {
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}

fn number_of(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or(Value::Unknown, Value::Number)
}
