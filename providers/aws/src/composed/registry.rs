//! `registry`: an ECR repository, or for models a `SageMaker` model package group.

use serde_json::{Value as Json, json};
use trueup_engine::compose::{Composition, Wanted};
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::{Known, attributes};
use trueup_parts::{Native, field, is_said};

pub(super) const REPOSITORY: &str = "AWS::ECR::Repository";
pub(super) const GROUP: &str = "AWS::SageMaker::ModelPackageGroup";
pub(super) const PARTS: [&str; 2] = [REPOSITORY, GROUP];
pub(super) const OPTIONS: [&str; 1] = ["policy"];

/// What is known of it, each as it is of a part.
pub(super) const KNOWN: Known<3> = [
    ("uri", "repository", "RepositoryUri"),
    ("name", "repository", "RepositoryName"),
    ("resource_id", "repository", "Arn"),
];
/// The same of one for models.
pub(super) const KNOWN_OF_MODELS: Known<3> = [
    ("uri", "group", "ModelPackageGroupArn"),
    ("name", "group", "ModelPackageGroupName"),
    ("resource_id", "group", "ModelPackageGroupArn"),
];

pub(super) fn compose(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    match field(wanted, "format").revealed().as_str() {
        Some("model") => of_models(wanted),
        _ => Ok(of_images(wanted)),
    }
}

fn of_images(wanted: &Wanted<'_>) -> Composition {
    let immutable = match field(wanted, "immutable_tags").revealed() {
        Value::Bool(true) => "IMMUTABLE".into(),
        Value::Bool(false) => "MUTABLE".into(),
        _ => Value::Unknown,
    };
    let mut repository = Native::new(wanted, "repository", REPOSITORY)
        .taking("RepositoryName", "name")
        .from("ImageTagMutability", "immutable_tags", immutable)
        .taking("ImageScanningConfiguration.ScanOnPush", "scan_on_push")
        .option("RepositoryPolicyText", "policy");
    if *field(wanted, "force_destroy").revealed() != Value::Bool(false) {
        repository = repository.taking("EmptyOnDelete", "force_destroy");
    }
    let retention = field(wanted, "retention");
    if is_said(retention) {
        repository = repository.from("LifecyclePolicy.LifecyclePolicyText", "retention", lifecycle(retention));
    }
    let key = field(wanted, "encryption.kms_key");
    repository = if is_said(key) {
        repository
            .from("EncryptionConfiguration.EncryptionType", "encryption", "KMS")
            .taking("EncryptionConfiguration.KmsKey", "encryption.kms_key")
    } else {
        repository.from("EncryptionConfiguration.EncryptionType", "encryption", "AES256")
    };
    Composition { parts: vec![repository.tagged().part()], attributes: attributes(KNOWN) }
}

/// The rules by which images go, as ECR's text. Of those that fit an image the one with the least number holds, and the one for any image
/// has to be the last.
fn lifecycle(retention: &Value) -> Value {
    let number = |name: &str| retention.get(name).map(Value::revealed).filter(|value| **value != Value::Null);
    let rules = [("expire_untagged_after_days", "untagged"), ("keep_last", "any")];
    let said: Vec<_> = rules.into_iter().filter_map(|(name, of)| Some((of, number(name)?))).collect();
    if retention.has_unknown() {
        return Value::Unknown;
    }
    let rule = |(index, (of, number)): (usize, &(&str, &Value))| {
        let Value::Number(number) = number else { return Json::Null };
        let (words, selection) = match *of {
            "any" => (
                format!("Only the newest {number} images are kept"),
                json!({ "tagStatus": of, "countType": "imageCountMoreThan", "countNumber": number }),
            ),
            _ => (
                format!("An image without a tag goes after {number} days"),
                json!({ "tagStatus": of, "countType": "sinceImagePushed", "countUnit": "days", "countNumber": number }),
            ),
        };
        json!({ "rulePriority": index + 1, "description": words, "selection": selection, "action": { "type": "expire" } })
    };
    json!({ "rules": said.iter().enumerate().map(rule).collect::<Vec<_>>() }).to_string().into()
}

fn of_models(wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut refuse = |at: &str, message: &str| problems.push(Problem::new(FieldPath::parse(at), message));
    if !is_said(field(wanted, "name")) {
        refuse("", "a registry of models has a `name` at AWS, which makes none up");
    }
    if is_said(field(wanted, "retention")) {
        refuse("retention", "AWS removes no packaged models by itself");
    }
    if is_said(field(wanted, "encryption.kms_key")) {
        refuse("encryption", "a registry of models has no key of its own at AWS: the files of its models have theirs");
    }
    if is_said(trueup_parts::option(wanted, "policy")) {
        refuse("options.aws.policy", "`policy` is that of a registry of images");
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let group = Native::new(wanted, "group", GROUP).taking("ModelPackageGroupName", "name").tagged();
    Ok(Composition { parts: vec![group.part()], attributes: attributes(KNOWN_OF_MODELS) })
}
