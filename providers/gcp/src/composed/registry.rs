//! `registry`: a repository of Artifact Registry for images; for models, one of Vertex AI's, whose versions are what is kept.

use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_parts::{Known, Native, attributes, field, is_said, map, option};
use trueup_state::{FieldPath, Value};

use super::vertex::MODEL;

pub(super) const REPOSITORY: &str = "artifactregistry.v1.projects.locations.repositories";
pub(super) const PARTS: [&str; 2] = [REPOSITORY, MODEL];
pub(super) const OPTIONS: [&str; 1] = ["image"];

/// What is known of it, each as it is of a part.
const KNOWN: Known<3> = [
    ("uri", "repository", "registryUri"),
    ("name", "repository", "name"),
    ("resource_id", "repository", "resource_id"),
];

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    if field(wanted, "format").revealed().as_str() == Some("model") {
        return of_models(wanted);
    }
    if is_said(option(wanted, "image")) {
        let message = "it is what serves the versions of a model: say `format: model`";
        return Err(vec![Problem::new(FieldPath::parse("options.gcp.image"), message)]);
    }
    let scanned = match field(wanted, "scan_on_push").revealed() {
        Value::Bool(true) => "INHERITED".into(),
        Value::Bool(false) => "DISABLED".into(),
        _ => Value::Unknown,
    };
    let mut repository = Native::new(wanted, "repository", REPOSITORY)
        .beside("name", "name")
        .beside("force_destroy", "force_destroy")
        .with("format", "DOCKER")
        .taking("dockerConfig.immutableTags", "immutable_tags")
        .from("vulnerabilityScanningConfig.enablementConfig", "scan_on_push", scanned)
        .taking("kmsKeyName", "encryption.kms_key");
    if is_said(field(wanted, "retention")) {
        repository = repository.from("cleanupPolicies", "retention", policies(field(wanted, "retention")));
    }
    Ok(Composition { parts: vec![repository.tagged().part()], attributes: attributes(KNOWN) })
}

/// What is known of one of models.
const KNOWN_MODELS: Known<3> =
    [("uri", "model", "resource_id"), ("name", "model", "resource_id"), ("resource_id", "model", "resource_id")];

/// A model, whose further versions others add: Vertex AI has none without what serves it.
fn of_models(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: &str| problems.push(Problem::new(FieldPath::parse(at), message));
    if !is_said(option(wanted, "image")) {
        let message = "Vertex AI keeps versions of a model with the image that serves them: say `options.gcp.image`, a container's";
        refuse("options.gcp.image", message);
    }
    if is_said(field(wanted, "retention")) {
        refuse("retention", "Vertex AI keeps all versions of a model");
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let name = field(wanted, "name").revealed().as_str().map_or_else(|| wanted.address.to_string(), str::to_owned);
    let model = Native::new(wanted, "model", MODEL)
        .beside("name", "name")
        .beside("force_destroy", "force_destroy")
        .from("displayName", "name", name)
        .option("containerSpec.imageUri", "image")
        .taking("encryptionSpec.kmsKeyName", "encryption.kms_key");
    Ok(Composition { parts: vec![model.tagged().part()], attributes: attributes(KNOWN_MODELS) })
}

/// The rules by which images go. What one keeps, no other deletes.
fn policies(retention: &Value) -> Value {
    if retention.has_unknown() {
        return Value::Unknown;
    }
    let number = |name: &str| match retention.get(name).map(Value::revealed) {
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    let rule = |name: &str, action: &str, what: (&str, Value)| {
        (name.to_owned(), map([("id", name.into()), ("action", action.into()), what]))
    };
    let mut rules = Vec::new();
    if let Some(days) = number("expire_untagged_after_days") {
        let old = map([("tagState", "UNTAGGED".into()), ("olderThan", format!("{}s", days * 24 * 60 * 60).into())]);
        rules.push(rule("untagged", "DELETE", ("condition", old)));
    }
    if let Some(count) = number("keep_last") {
        let newest = map([("keepCount", serde_json::Value::from(count).into())]);
        rules.push(rule("newest", "KEEP", ("mostRecentVersions", newest)));
        // Without a rule that deletes, nothing goes.
        rules.push(rule("rest", "DELETE", ("condition", map([("tagState", "ANY".into())]))));
    }
    Value::Map(rules.into_iter().collect())
}
