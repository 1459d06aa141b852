//! Who may read a bucket without being named: its public access block, and its policy, of which one statement is ours.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use serde_json::{Value as Json, json};
use trueup_engine::kinds::bucket::{PublicAccess, Spec};
use trueup_engine::provider::ProviderError;
use trueup_engine::typed::to_value;
use trueup_state::{Class, Value};

use super::aspect::{Part, unless};
use super::{OPTIONS, option};
use crate::error::failed;

/// The id of the statement that lets everyone read.
const EVERYONE: &str = "TrueupEveryoneReads";

/// What is there. The policy is asked for only where something hangs on it: where a spec says of it, or where not all is blocked.
pub(super) async fn read(s3: &Client, name: &str, sent: Option<&Value>) -> Result<Part, ProviderError> {
    let block = s3.get_public_access_block().bucket(name).send().await;
    let block = unless("read its public access block", block, "NoSuchPublicAccessBlockConfiguration")?;
    let block = block.and_then(|block| block.public_access_block_configuration);
    let is_blocked = block.is_some_and(|block| {
        let all = [
            block.block_public_acls,
            block.ignore_public_acls,
            block.block_public_policy,
            block.restrict_public_buckets,
        ];
        all == [Some(true); 4]
    });
    let says_policy = sent.is_none_or(|sent| sent.at(&OPTIONS.field("policy")).is_some());
    if is_blocked && !says_policy {
        return Ok(Part::of("public_access", to_value(&PublicAccess::Blocked)));
    }
    let (theirs, everyone) = statements(s3, name).await?;
    let access = match (is_blocked, everyone) {
        (true, _) => to_value(&PublicAccess::Blocked),
        (false, true) => to_value(&PublicAccess::Read),
        // Nobody reads it yet, and nothing keeps anybody from letting all do so.
        (false, false) => Value::from("not_blocked"),
    };
    let mut part = Part::of("public_access", access);
    part.options.insert("policy".to_owned(), theirs.map_or(Value::Null, Value::from));
    Ok(part)
}

/// The policy without the statement that is ours, and whether that was in it.
async fn statements(s3: &Client, name: &str) -> Result<(Option<Json>, bool), ProviderError> {
    let there = s3.get_bucket_policy().bucket(name).send().await;
    let there = unless("read its policy", there, "NoSuchBucketPolicy")?;
    let Some(text) = there.and_then(|there| there.policy) else { return Ok((None, false)) };
    let policy = serde_json::from_str(&text);
    let policy = policy.map_err(|_| ProviderError::new(Class::Internal, "the policy of the bucket is no JSON"))?;
    Ok(apart(policy))
}

/// A policy without the statement that is ours, and whether that was in it; none where nothing else is.
fn apart(mut policy: Json) -> (Option<Json>, bool) {
    let Some(statements) = policy.get_mut("Statement").and_then(Json::as_array_mut) else {
        return (Some(policy), false);
    };
    let before = statements.len();
    statements.retain(|statement| statement.get("Sid").and_then(Json::as_str) != Some(EVERYONE));
    let (now, is_empty) = (statements.len(), statements.is_empty());
    ((!is_empty).then_some(policy), now < before)
}

/// The policy that a spec asks for; none where it asks for none.
fn policy(name: &str, partition: &str, spec: &Spec) -> Option<Json> {
    let given = option(spec, "policy").filter(|policy| !policy.is_null()).cloned();
    if spec.public_access == PublicAccess::Blocked {
        return given;
    }
    let everyone = json!({
        "Sid": EVERYONE,
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": format!("arn:{partition}:s3:::{name}/*"),
    });
    let mut policy = given.unwrap_or_else(|| json!({ "Version": "2012-10-17", "Statement": [] }));
    match policy.get_mut("Statement") {
        Some(Json::Array(statements)) => statements.push(everyone),
        Some(one) => *one = json!([one.take(), everyone]),
        None => policy["Statement"] = json!([everyone]),
    }
    Some(policy)
}

/// Makes it what a spec says: what is closed is closed first, and what is opened is opened last.
pub(super) async fn write(s3: &Client, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    let region = s3.config().region().map(ToString::to_string).unwrap_or_default();
    let policy = policy(name, crate::settings::partition(&region), spec);
    let is_blocked = spec.public_access == PublicAccess::Blocked;
    let says_policy = option(spec, "policy").is_some();
    if is_blocked {
        set_block(s3, name, true).await?;
        // What it says of named readers is theirs to say, unless the blueprint says it.
        let (theirs, everyone) = if says_policy { (None, true) } else { statements(s3, name).await? };
        if everyone {
            set_policy(s3, name, policy.or(theirs)).await?;
        }
        return Ok(());
    }
    set_block(s3, name, false).await?;
    set_policy(s3, name, policy).await
}

async fn set_block(s3: &Client, name: &str, is_blocked: bool) -> Result<(), ProviderError> {
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(is_blocked)
        .restrict_public_buckets(is_blocked)
        .build();
    let written = s3.put_public_access_block().bucket(name).public_access_block_configuration(block).send().await;
    written.map(drop).map_err(|error| failed("set its public access block", &error))
}

async fn set_policy(s3: &Client, name: &str, policy: Option<Json>) -> Result<(), ProviderError> {
    let Some(policy) = policy else {
        let written = s3.delete_bucket_policy().bucket(name).send().await;
        return written.map(drop).map_err(|error| failed("remove its policy", &error));
    };
    let written = s3.put_bucket_policy().bucket(name).policy(policy.to_string()).send().await;
    written.map(drop).map_err(|error| failed("set its policy", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_in_a_policy_is_told_from_what_is_theirs() {
        let theirs = json!({ "Version": "2012-10-17", "Statement": { "Sid": "Theirs", "Effect": "Deny" } });
        let spec = |options: Json| -> Spec {
            serde_json::from_value(json!({ "public_access": "read", "options": { "aws": options } })).unwrap()
        };
        let both = policy("b", "aws", &spec(json!({ "policy": theirs }))).unwrap();
        assert_eq!(both["Statement"].as_array().unwrap().len(), 2);
        let (rest, everyone) = apart(both);
        assert_eq!(rest.unwrap()["Statement"], json!([theirs["Statement"]]));
        assert!(everyone);
        let ours = policy("b", "aws-cn", &spec(json!({}))).unwrap();
        assert_eq!(ours["Statement"][0]["Resource"], "arn:aws-cn:s3:::b/*");
        assert_eq!(apart(ours), (None, true));
        assert!(!apart(theirs).1);
    }
}
