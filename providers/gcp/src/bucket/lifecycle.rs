//! Rules by which files age: a kind's, each of which may be several of Cloud Storage's.

use google_cloud_storage::model::bucket::Lifecycle;
use google_cloud_storage::model::bucket::lifecycle::Rule;
use google_cloud_storage::model::bucket::lifecycle::rule::{Action, Condition};
use trueup_engine::kinds::bucket::{LifecycleRule, StorageClass, Transition};
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

/// What is found where somebody made a rule that no blueprint says.
const OTHERS: &str = "a rule that a blueprint does not say";

/// What Cloud Storage calls a storage class; none for that of files which move as they are used.
pub(super) fn class(class: StorageClass) -> Option<&'static str> {
    match class {
        StorageClass::Standard => Some("STANDARD"),
        StorageClass::Infrequent => Some("NEARLINE"),
        StorageClass::Cold => Some("COLDLINE"),
        StorageClass::Archive => Some("ARCHIVE"),
        StorageClass::Automatic => None,
    }
}

/// A kind's word for one of Cloud Storage's classes.
pub(super) fn word(name: &str) -> &str {
    match name {
        "STANDARD" => "standard",
        "NEARLINE" => "infrequent",
        "COLDLINE" => "cold",
        "ARCHIVE" => "archive",
        other => other,
    }
}

fn days(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// The rules of a spec.
pub(super) fn wanted(rules: &[LifecycleRule]) -> Lifecycle {
    Lifecycle::new().set_rule(rules.iter().flat_map(several))
}

/// What one rule is to Cloud Storage. What a bucket with versions deletes stays as a version that is not the newest.
fn several(rule: &LifecycleRule) -> Vec<Rule> {
    let prefix = (!rule.prefix.is_empty()).then(|| rule.prefix.clone());
    let made = |action: Action, condition: Condition| {
        Rule::new().set_action(action).set_condition(condition.set_matches_prefix(prefix.clone()))
    };
    let does = |kind: &str| Action::new().set_type(kind);
    let moves = rule.transition.as_ref().map(|Transition { after_days, storage_class }| {
        let to = class(*storage_class).unwrap_or_default();
        made(does("SetStorageClass").set_storage_class(to), Condition::new().set_age_days(days(*after_days)))
    });
    let expires = rule
        .expire_after_days
        .map(|after| made(does("Delete"), Condition::new().set_age_days(days(after)).set_is_live(true)));
    let forgets = rule
        .noncurrent_expire_after_days
        .map(|after| made(does("Delete"), Condition::new().set_days_since_noncurrent_time(days(after))));
    let aborts = rule
        .abort_incomplete_uploads_after_days
        .map(|after| made(does("AbortIncompleteMultipartUpload"), Condition::new().set_age_days(days(after))));
    [moves, expires, forgets, aborts].into_iter().flatten().collect()
}

/// The rules that are there, in the shape of a spec: as they were sent where they are the same.
pub(super) fn found(there: Option<&Lifecycle>, sent: &[LifecycleRule], said: Option<&Value>) -> Value {
    let rules = there.map(|there| there.rule.as_slice()).unwrap_or_default();
    if wanted(sent).rule == rules {
        return said.cloned().unwrap_or_else(|| Value::List(Vec::new()));
    }
    Value::List(rules.iter().map(|rule| one(rule).unwrap_or_else(|| OTHERS.into())).collect())
}

/// One of Cloud Storage's rules as a kind's; none for what a kind does not say.
fn one(rule: &Rule) -> Option<Value> {
    let condition = rule.condition.as_ref()?;
    let prefix = match &condition.matches_prefix[..] {
        [] => "",
        [one] => one,
        _ => return None,
    };
    let plain = several(&LifecycleRule { prefix: prefix.to_owned(), ..as_said(rule)? });
    if plain != [rule.clone()] {
        return None;
    }
    let mut fields = trueup_engine::typed::to_value(&as_said(rule)?);
    fields.put(&FieldPath::parse("prefix"), prefix.into());
    Some(fields)
}

/// What a rule does, but for what files it is about.
fn as_said(rule: &Rule) -> Option<LifecycleRule> {
    let (action, condition) = (rule.action.as_ref()?, rule.condition.as_ref()?);
    let number = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
    let usual = LifecycleRule::default();
    Some(match (action.r#type.as_str(), condition.days_since_noncurrent_time) {
        ("Delete", Some(days)) => LifecycleRule { noncurrent_expire_after_days: number(Some(days)), ..usual },
        ("Delete", None) => LifecycleRule { expire_after_days: Some(number(condition.age_days)?), ..usual },
        ("AbortIncompleteMultipartUpload", _) => {
            LifecycleRule { abort_incomplete_uploads_after_days: Some(number(condition.age_days)?), ..usual }
        }
        ("SetStorageClass", _) => {
            let storage_class = serde_json::from_value(word(&action.storage_class).into()).ok()?;
            let transition = Transition { after_days: number(condition.age_days)?, storage_class };
            LifecycleRule { transition: Some(transition), ..usual }
        }
        _ => return None,
    })
}

/// What Cloud Storage can't take of a spec's rules.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let at = FieldPath::parse("lifecycle");
    let rules = spec.get("lifecycle").and_then(|rules| rules.revealed().as_list()).unwrap_or_default();
    let is_automatic = spec.get("storage_class").is_some_and(|class| class.revealed().as_str() == Some("automatic"));
    let mut problems = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        let Some(to) = rule.at(&FieldPath::parse("transition.storage_class")).and_then(|to| to.revealed().as_str())
        else {
            continue;
        };
        let at = at.field("transition");
        if is_automatic {
            let message = "files of a bucket whose `storage_class` is `automatic` move by themselves";
            problems.push(Problem::new(at, message));
        } else if ["automatic", "standard"].contains(&to) {
            let message =
                format!("files of Cloud Storage move to `infrequent`, `cold` or `archive`, and not to `{to}`");
            problems.push(Problem::new(at.field("storage_class"), message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(said: serde_json::Value) -> Vec<LifecycleRule> {
        serde_json::from_value(said).unwrap()
    }

    #[test]
    fn a_rule_is_several_of_cloud_storages_and_comes_back_as_it_went() {
        let said = json!([{
            "prefix": "checkpoints/", "expire_after_days": 90, "noncurrent_expire_after_days": 7, "abort_incomplete_uploads_after_days": 1,
            "transition": { "after_days": 30, "storage_class": "cold" },
        }]);
        let sent = rules(said.clone());
        let there = wanted(&sent);
        assert_eq!(there.rule.len(), 4);
        assert!(there.rule.iter().all(|rule| rule.condition.as_ref().unwrap().matches_prefix == ["checkpoints/"]));
        assert_eq!(found(Some(&there), &sent, Some(&said.clone().into())), said.into());
        assert_eq!(found(None, &[], None), json!([]).into());
    }

    #[test]
    fn what_somebody_changed_is_shown_as_it_is() {
        let there = wanted(&rules(json!([{ "expire_after_days": 3 }])));
        let shown = found(Some(&there), &rules(json!([{ "expire_after_days": 2 }])), None);
        assert_eq!(shown.at(&FieldPath::parse("[0].expire_after_days")), Some(&3.into()));
        let condition = Condition::new().set_age_days(3).set_num_newer_versions(2);
        let odd = Lifecycle::new()
            .set_rule([Rule::new().set_action(Action::new().set_type("Delete")).set_condition(condition)]);
        assert_eq!(found(Some(&odd), &[], None), json!([OTHERS]).into());
    }

    #[test]
    fn where_files_can_not_move_is_told() {
        let paths = |spec: serde_json::Value| -> Vec<String> {
            problems(&spec.into()).iter().map(|problem| problem.path.to_string()).collect()
        };
        let moved = |to: &str| json!([{ "transition": { "after_days": 1, "storage_class": to } }]);
        assert_eq!(paths(json!({ "lifecycle": moved("cold") })), [""; 0]);
        assert_eq!(paths(json!({ "lifecycle": moved("standard") })), ["lifecycle[0].transition.storage_class"]);
        assert_eq!(
            paths(json!({ "storage_class": "automatic", "lifecycle": moved("cold") })),
            ["lifecycle[0].transition"]
        );
    }
}
