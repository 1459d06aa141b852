//! What makes up a bucket, in a kind's words and in Cloud Storage's.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use google_cloud_storage::model::Bucket;
use google_cloud_storage::model::bucket::{
    Autoclass, Cors, Encryption, IamConfig, Logging, RetentionPolicy, SoftDeletePolicy, Versioning, iam_config,
};
use google_cloud_wkt::Duration;
use trueup_engine::kinds::bucket::{self, PublicAccess, Spec};
use trueup_engine::provider::{Found, ProviderError};
use trueup_engine::typed::{from_value, to_value};
use trueup_state::map::Map;
use trueup_state::{FieldPath, Request, Value};

use super::{lifecycle, path};
use crate::clients::Clients;
use crate::labels;

/// Where what Google alone has stands in a spec.
pub(super) static OPTIONS: LazyLock<FieldPath> = LazyLock::new(|| FieldPath::from_iter(["options", "gcp"]));
/// What nobody may make public, and what may be.
const PREVENTION: (&str, &str) = ("enforced", "inherited");
const DAY: i64 = 24 * 60 * 60;
/// For how many days what is deleted can be had back where nobody says it (*Soft delete*).
const USUAL_SOFT_DELETE: i64 = 7;

/// A number of days that a spec says in one of Google's own options.
pub(super) fn days(spec: &Value, name: &str) -> Option<i64> {
    match spec.at(&OPTIONS.field(name))?.revealed() {
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}

/// A bucket as a request asks for it. `there`: the labels that it has.
pub(super) fn wanted(
    clients: &Clients,
    request: &Request,
    there: &BTreeMap<String, String>,
) -> Result<Bucket, ProviderError> {
    let spec: Spec = from_value(&request.spec)?;
    let place = spec.location.clone().or_else(|| clients.region.clone()).unwrap_or_default();
    let cors = spec.cors.iter().map(|rule| {
        Cors::new()
            .set_origin(rule.origins.clone())
            .set_method(rule.methods.clone())
            .set_response_header(rule.headers.clone())
            .set_max_age_seconds(i32::try_from(rule.max_age_seconds).unwrap_or(i32::MAX))
    });
    let is_automatic = spec.storage_class == bucket::StorageClass::Automatic;
    let retention = days(&request.spec, "retention_days");
    let soft = days(&request.spec, "soft_delete_days");
    // What is said no more is as usual again.
    let soft = soft.or_else(|| days(&request.before, "soft_delete_days").map(|_| USUAL_SOFT_DELETE));
    let rules = lifecycle::wanted(&spec.lifecycle);
    Ok(Bucket::new()
        .set_project(format!("projects/{}", clients.project))
        .set_location(place.to_uppercase())
        .set_storage_class(lifecycle::class(spec.storage_class).unwrap_or("STANDARD"))
        .set_or_clear_autoclass(is_automatic.then(|| Autoclass::new().set_enabled(true)))
        .set_or_clear_versioning(spec.versioning.then(|| Versioning::new().set_enabled(true)))
        .set_or_clear_encryption(key(&spec).map(|key| Encryption::new().set_default_kms_key(key)))
        .set_or_clear_lifecycle((!rules.rule.is_empty()).then_some(rules))
        .set_cors(cors)
        .set_or_clear_logging(spec.logging.as_ref().map(|to| {
            Logging::new()
                .set_log_bucket(path(to.bucket.attribute("name").unwrap_or_default()))
                .set_log_object_prefix(to.prefix.clone())
        }))
        .set_or_clear_retention_policy(retention.map(|days| RetentionPolicy::new().set_retention_duration(span(days))))
        .set_or_clear_soft_delete_policy(soft.map(|days| SoftDeletePolicy::new().set_retention_duration(span(days))))
        .set_iam_config(closed(spec.public_access))
        .set_labels(labels::all(request, there)))
}

fn span(days: i64) -> Duration {
    Duration::clamp(days.saturating_mul(DAY), 0)
}

fn key(spec: &Spec) -> Option<&str> {
    match &spec.encryption {
        bucket::Encryption::ProviderManaged => None,
        bucket::Encryption::KmsKey(key) => Some(key),
    }
}

/// What says who may read is the bucket alone, and not each file; and nobody is everybody, unless that is said.
fn closed(access: PublicAccess) -> IamConfig {
    let prevention = if access == PublicAccess::Blocked { PREVENTION.0 } else { PREVENTION.1 };
    let uniform = iam_config::UniformBucketLevelAccess::new().set_enabled(true);
    IamConfig::new().set_public_access_prevention(prevention).set_uniform_bucket_level_access(uniform)
}

/// The fields in which what is there is not what is wanted, by Cloud Storage's names. What is Google's usual is not said by a request that
/// says nothing.
pub(super) fn differing(wanted: &Bucket, there: &Bucket) -> Vec<&'static str> {
    let is_on = |versioning: Option<&Versioning>| versioning.is_some_and(|versioning| versioning.enabled);
    let is_automatic = |autoclass: Option<&Autoclass>| autoclass.is_some_and(|autoclass| autoclass.enabled);
    let rules = |bucket: &Bucket| bucket.lifecycle.clone().unwrap_or_default().rule;
    let key = |bucket: &Bucket| bucket.encryption.clone().unwrap_or_default().default_kms_key;
    let log = |bucket: &Bucket| bucket.logging.clone().map(|to| (to.log_bucket, to.log_object_prefix));
    let kept = |bucket: &Bucket| bucket.retention_policy.clone().and_then(|policy| policy.retention_duration);
    let automatic = is_automatic(wanted.autoclass.as_ref());
    let all = [
        ("versioning", is_on(wanted.versioning.as_ref()) == is_on(there.versioning.as_ref())),
        ("autoclass", automatic == is_automatic(there.autoclass.as_ref())),
        // What moves files by itself has a class of its own.
        ("storage_class", automatic || wanted.storage_class == there.storage_class),
        ("lifecycle", rules(wanted) == rules(there)),
        ("cors", wanted.cors == there.cors),
        ("encryption", key(wanted) == key(there)),
        ("logging", log(wanted) == log(there)),
        ("retention_policy", kept(wanted) == kept(there)),
        ("soft_delete_policy", wanted.soft_delete_policy.is_none() || softly(wanted) == softly(there)),
        ("iam_config", is_closed(wanted, there)),
        ("labels", wanted.labels == there.labels),
    ];
    all.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
}

fn softly(bucket: &Bucket) -> Option<Duration> {
    bucket.soft_delete_policy.clone().and_then(|policy| policy.retention_duration)
}

fn is_closed(wanted: &Bucket, there: &Bucket) -> bool {
    prevention(wanted) == prevention(there) && is_uniform(there)
}

fn prevention(bucket: &Bucket) -> &str {
    let said = bucket.iam_config.as_ref().map(|config| config.public_access_prevention.as_str());
    said.filter(|said| !said.is_empty()).unwrap_or(PREVENTION.1)
}

/// Whether only the bucket says who may read.
fn is_uniform(bucket: &Bucket) -> bool {
    let uniform = bucket.iam_config.as_ref().and_then(|config| config.uniform_bucket_level_access.as_ref());
    uniform.is_some_and(|uniform| uniform.enabled)
}

/// Whether everybody could be let in.
pub(super) fn may_be_public(bucket: &Bucket) -> bool {
    prevention(bucket) != PREVENTION.0
}

/// A bucket in the shape of a spec. `is_public`: whether everybody may read it. `sent`: what its spec says, whose words are kept where they
/// mean what is there.
pub(super) fn found(bucket: &Bucket, is_public: bool, sent: Option<&Value>) -> Found {
    let name = bucket.bucket_id.clone();
    let (owner, tags) = labels::apart(bucket.labels.clone());
    let said = |field: &str| sent.and_then(|sent| sent.get(field));
    let spec: Option<Spec> = sent.and_then(|sent| from_value(sent).ok());
    let rules = spec.as_ref().map(|spec| spec.lifecycle.clone()).unwrap_or_default();
    let is_automatic = bucket.autoclass.as_ref().is_some_and(|autoclass| autoclass.enabled);
    let class = if is_automatic { "automatic" } else { lifecycle::word(&bucket.storage_class) };
    let mut fields = Map::from([
        ("name".to_owned(), name.as_str().into()),
        ("versioning".to_owned(), bucket.versioning.as_ref().is_some_and(|versioning| versioning.enabled).into()),
        ("storage_class".to_owned(), class.into()),
        ("public_access".to_owned(), public_access(bucket, is_public).into()),
        ("encryption".to_owned(), encryption(bucket)),
        ("lifecycle".to_owned(), lifecycle::found(bucket.lifecycle.as_ref(), &rules, said("lifecycle"))),
        ("cors".to_owned(), Value::List(bucket.cors.iter().map(cors).collect())),
        ("tags".to_owned(), Value::Map(tags)),
        ("options".to_owned(), options(bucket, sent)),
    ]);
    // Without a word it is where the provider is.
    let place = said("location").filter(|place| !matches!(place.revealed(), Value::Null));
    fields.extend(place.map(|_| ("location".to_owned(), bucket.location.as_str().into())));
    fields.extend(bucket.logging.as_ref().map(|to| ("logging".to_owned(), logging(to, said("logging")))));
    let attributes = bucket::Attributes {
        uri: format!("gs://{name}"),
        resource_id: format!("//storage.googleapis.com/{}", path(&name)),
        location: bucket.location.to_lowercase(),
        name: name.clone(),
    };
    Found { id: name, spec: Value::Map(fields), attributes: to_value(&attributes), owner, pending: None }
}

fn public_access(bucket: &Bucket, is_public: bool) -> &'static str {
    match (is_uniform(bucket), may_be_public(bucket), is_public) {
        (false, ..) => "each file says who may read it",
        (true, false, _) => "blocked",
        (true, true, true) => "read",
        (true, true, false) => "not blocked, and not read",
    }
}

fn encryption(bucket: &Bucket) -> Value {
    let key = bucket.encryption.as_ref().map(|encryption| encryption.default_kms_key.as_str());
    match key.filter(|key| !key.is_empty()) {
        Some(key) => Value::Map([("kms_key".to_owned(), key.into())].into()),
        None => "provider_managed".into(),
    }
}

fn cors(rule: &Cors) -> Value {
    let list = |items: &[String]| Value::List(items.iter().map(|item| item.as_str().into()).collect());
    let fields = [
        ("origins", list(&rule.origin)),
        ("methods", list(&rule.method)),
        ("headers", list(&rule.response_header)),
        ("max_age_seconds", i64::from(rule.max_age_seconds).into()),
    ];
    Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Where its log goes: in the words that were sent where they lead there.
fn logging(there: &Logging, said: Option<&Value>) -> Value {
    let name = there.log_bucket.rsplit('/').next().unwrap_or_default();
    let said = said.and_then(|said| said.get("bucket"));
    let is_it = |said: &&Value| said.at(&FieldPath::parse("attributes.name")).and_then(Value::as_str) == Some(name);
    let bucket = said.filter(is_it).cloned().unwrap_or_else(|| name.into());
    let prefix = ("prefix".to_owned(), there.log_object_prefix.as_str().into());
    Value::Map([("bucket".to_owned(), bucket), prefix].into())
}

/// Of Google's own options those that the spec says.
fn options(bucket: &Bucket, sent: Option<&Value>) -> Value {
    let in_days = |span: Option<Duration>| span.map(|span| Value::from(span.seconds() / DAY));
    let kept = bucket.retention_policy.clone().and_then(|policy| policy.retention_duration);
    let all = [("retention_days", in_days(kept)), ("soft_delete_days", in_days(softly(bucket)))];
    let is_said = |name: &str| sent.is_none_or(|sent| sent.at(&OPTIONS.field(name)).is_some());
    // Google keeps what is deleted for a week where nobody says otherwise; that nothing may be deleted, somebody said.
    let is_told = |name: &str| is_said(name) || name == "retention_days";
    let told = all.into_iter().filter(|(name, _)| is_told(name));
    let told: Map = told.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if told.is_empty() { Value::Map(Map::new()) } else { Value::Map([("gcp".to_owned(), Value::Map(told))].into()) }
}
