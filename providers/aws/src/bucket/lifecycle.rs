//! How a bucket's rules for ageing files, and the storage class of new ones, stand in S3's lifecycle configuration.
//!
//! S3 has no storage class for a bucket's new files: a rule moves them at once instead.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, Transition, TransitionStorageClass,
};
use trueup_engine::kinds::bucket::{self, Spec, StorageClass};
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_state::{Class, FieldPath, Value};

/// The id of the rule that stands for the storage class of new files.
const NEW_FILES: &str = "trueup-new-files";
/// What the ids of the blueprint's rules begin with; their position follows.
const RULE: &str = "trueup-";
/// What a rule may do.
const ACTIONS: [&str; 4] =
    ["expire_after_days", "noncurrent_expire_after_days", "abort_incomplete_uploads_after_days", "transition"];
/// How many days S3 keeps a file before it may move to Standard-IA.
const INFREQUENT_AFTER: u32 = 30;

/// The configuration that a spec asks for.
pub(super) fn rules(spec: &Spec) -> Result<Vec<LifecycleRule>, ProviderError> {
    let written = spec.lifecycle.iter().enumerate().map(|(position, rule)| written(position, rule));
    let new_files = class_of(spec.storage_class).map(|class| {
        let at_once = Transition::builder().days(0).storage_class(class).build();
        build(LifecycleRule::builder().id(NEW_FILES).transitions(at_once), "")
    });
    written.chain(new_files).collect()
}

fn written(position: usize, rule: &bucket::LifecycleRule) -> Result<LifecycleRule, ProviderError> {
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let expiration = rule.expire_after_days.map(|after| LifecycleExpiration::builder().days(days(after)).build());
    let noncurrent = rule.noncurrent_expire_after_days;
    let noncurrent =
        noncurrent.map(|after| NoncurrentVersionExpiration::builder().noncurrent_days(days(after)).build());
    let abort = rule.abort_incomplete_uploads_after_days;
    let abort = abort.map(|after| AbortIncompleteMultipartUpload::builder().days_after_initiation(days(after)).build());
    let transition = rule.transition.as_ref().and_then(|transition| {
        let class = class_of(transition.storage_class)?;
        Some(vec![Transition::builder().days(days(transition.after_days)).storage_class(class).build()])
    });
    let builder = LifecycleRule::builder()
        .id(format!("{RULE}{position}"))
        .set_expiration(expiration)
        .set_noncurrent_version_expiration(noncurrent)
        .set_abort_incomplete_multipart_upload(abort)
        .set_transitions(transition);
    build(builder, &rule.prefix)
}

fn build(
    builder: aws_sdk_s3::types::builders::LifecycleRuleBuilder,
    prefix: &str,
) -> Result<LifecycleRule, ProviderError> {
    let filter = LifecycleRuleFilter::builder().prefix(prefix).build();
    let rule = builder.status(ExpirationStatus::Enabled).filter(filter).build();
    rule.map_err(|error| ProviderError::new(Class::Internal, error.to_string()))
}

/// What a configuration says, in a spec's terms: its rules, and the storage class of new files. A rule of somebody else counts like one
/// of ours, as far as a spec can say what it does.
pub(super) fn read(rules: &[LifecycleRule]) -> (Vec<bucket::LifecycleRule>, StorageClass) {
    let is_enabled = |rule: &&LifecycleRule| *rule.status() == ExpirationStatus::Enabled;
    let (ours, theirs): (Vec<_>, Vec<_>) = rules
        .iter()
        .filter(is_enabled)
        .filter(|rule| rule.id() != Some(NEW_FILES))
        .partition(|rule| position(rule).is_some());
    let mut ours = ours;
    ours.sort_by_key(|rule| position(rule));
    let new_files = rules.iter().filter(is_enabled).find(|rule| rule.id() == Some(NEW_FILES));
    let class = new_files.and_then(transition).map_or(StorageClass::Standard, |transition| transition.storage_class);
    (ours.into_iter().chain(theirs).map(said).collect(), class)
}

fn position(rule: &LifecycleRule) -> Option<usize> {
    rule.id()?.strip_prefix(RULE)?.parse().ok()
}

fn said(rule: &LifecycleRule) -> bucket::LifecycleRule {
    let days = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
    let filter = rule.filter();
    let prefix = filter.and_then(|filter| filter.prefix().or_else(|| filter.and().and_then(|and| and.prefix())));
    bucket::LifecycleRule {
        prefix: prefix.unwrap_or_default().to_owned(),
        expire_after_days: days(rule.expiration().and_then(LifecycleExpiration::days)),
        noncurrent_expire_after_days: days(
            rule.noncurrent_version_expiration().and_then(NoncurrentVersionExpiration::noncurrent_days),
        ),
        abort_incomplete_uploads_after_days: days(
            rule.abort_incomplete_multipart_upload().and_then(AbortIncompleteMultipartUpload::days_after_initiation),
        ),
        transition: transition(rule),
    }
}

fn transition(rule: &LifecycleRule) -> Option<bucket::Transition> {
    let first = rule.transitions().first()?;
    let storage_class = match first.storage_class()? {
        TransitionStorageClass::StandardIa | TransitionStorageClass::OnezoneIa => StorageClass::Infrequent,
        TransitionStorageClass::GlacierIr => StorageClass::Cold,
        TransitionStorageClass::IntelligentTiering => StorageClass::Automatic,
        _ => StorageClass::Archive,
    };
    let after_days = u32::try_from(first.days().unwrap_or_default()).unwrap_or_default();
    Some(bucket::Transition { after_days, storage_class })
}

/// S3's name of a storage class; none for that in which every file begins.
fn class_of(class: StorageClass) -> Option<TransitionStorageClass> {
    Some(match class {
        StorageClass::Standard => return None,
        StorageClass::Infrequent => TransitionStorageClass::StandardIa,
        StorageClass::Cold => TransitionStorageClass::GlacierIr,
        StorageClass::Archive => TransitionStorageClass::DeepArchive,
        StorageClass::Automatic => TransitionStorageClass::IntelligentTiering,
    })
}

/// What S3 can't do of what a spec says of ageing.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let text = |value: Option<&Value>| value.and_then(|value| value.revealed().as_str().map(str::to_owned));
    let mut problems = Vec::new();
    if text(spec.get("storage_class")).as_deref() == Some("infrequent") {
        let message = format!(
            "S3 moves no file to Standard-IA before it is {INFREQUENT_AFTER} days old: say a `lifecycle` rule with a `transition`"
        );
        problems.push(Problem::new(FieldPath::parse("storage_class"), message));
    }
    let rules = spec.get("lifecycle").and_then(|rules| rules.revealed().as_list()).unwrap_or_default();
    for (position, rule) in rules.iter().enumerate() {
        let at = FieldPath::root().field("lifecycle").index(position);
        let says = |name: &str| rule.get(name).is_some_and(|value| *value != Value::Null);
        if !ACTIONS.iter().any(|name| says(name)) {
            let message =
                format!("a rule does something: say {}", ACTIONS.map(|name| format!("`{name}`")).join(" or "));
            problems.push(Problem::new(at.clone(), message));
        }
        let Some(transition) = rule.revealed().get("transition").map(Value::revealed) else { continue };
        let at = at.field("transition");
        let after = transition.get("after_days").and_then(|days| match days.revealed() {
            Value::Number(days) => days.as_u64(),
            _ => None,
        });
        match (text(transition.get("storage_class")).as_deref(), after) {
            (Some("standard"), _) => {
                let message = "S3 moves no file back to `standard`";
                problems.push(Problem::new(at.field("storage_class"), message));
            }
            (Some("infrequent"), Some(days)) if days < u64::from(INFREQUENT_AFTER) => {
                let message = format!("S3 moves no file to Standard-IA before it is {INFREQUENT_AFTER} days old");
                problems.push(Problem::new(at.field("after_days"), message));
            }
            _ => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(json: serde_json::Value) -> Spec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_a_spec_asks_for_is_what_is_read_again() {
        let spec = spec(json!({
            "storage_class": "cold",
            "lifecycle": [
                { "prefix": "checkpoints/", "expire_after_days": 30 },
                { "noncurrent_expire_after_days": 7, "abort_incomplete_uploads_after_days": 1 },
                { "prefix": "old/", "transition": { "after_days": 40, "storage_class": "infrequent" } },
            ],
        }));
        let mut rules = rules(&spec).unwrap();
        rules.reverse();
        assert_eq!(read(&rules), (spec.lifecycle, spec.storage_class));
    }

    #[test]
    fn a_rule_of_somebody_else_is_seen_and_one_that_is_off_is_not() {
        let stranger = |status| {
            let expiration = LifecycleExpiration::builder().days(1).build();
            LifecycleRule::builder().id("by hand").status(status).expiration(expiration).build().unwrap()
        };
        let (rules, class) = read(&[stranger(ExpirationStatus::Enabled), stranger(ExpirationStatus::Disabled)]);
        assert_eq!((rules.len(), rules[0].expire_after_days, class), (1, Some(1), StorageClass::Standard));
    }

    #[test]
    fn what_s3_can_not_do_is_told_with_its_field() {
        let paths = |json: serde_json::Value| -> Vec<String> {
            problems(&json.into()).iter().map(|problem| problem.path.to_string()).collect()
        };
        assert_eq!(paths(json!({ "storage_class": "infrequent" })), ["storage_class"]);
        let moved = |class: &str, days: u32| json!({ "lifecycle": [{ "expire_after_days": 90 }, { "transition": { "after_days": days, "storage_class": class } }] });
        assert_eq!(paths(moved("infrequent", 29)), ["lifecycle[1].transition.after_days"]);
        assert_eq!(paths(moved("standard", 29)), ["lifecycle[1].transition.storage_class"]);
        assert_eq!(paths(moved("cold", 1)), [""; 0]);
        assert_eq!(paths(moved("infrequent", 30)), [""; 0]);
    }
}
