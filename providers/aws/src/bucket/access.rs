//! Who may read a bucket without being named: its public access block, and its policy, of which two statements are ours.

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
/// The id of the statement that lets S3 put logs there.
const LOGS: &str = "TrueupTakesLogs";

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
    let policy = Policy::read(s3, name).await?;
    let access = match (is_blocked, policy.everyone) {
        (true, _) => to_value(&PublicAccess::Blocked),
        (false, true) => to_value(&PublicAccess::Read),
        // Nobody reads it yet, and nothing keeps anybody from letting all do so.
        (false, false) => Value::from("not_blocked"),
    };
    let mut part = Part::of("public_access", access);
    part.options.insert("policy".to_owned(), policy.theirs.map_or(Value::Null, Value::from));
    Ok(part)
}

/// A bucket's policy, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Policy {
    /// What is not ours of it; none where nothing is.
    theirs: Option<Json>,
    /// Whether everyone may read.
    everyone: bool,
    /// The accounts whose buckets' logs S3 may put there, as the statement says it.
    logs: Option<Json>,
}

impl Policy {
    async fn read(s3: &Client, name: &str) -> Result<Self, ProviderError> {
        let there = s3.get_bucket_policy().bucket(name).send().await;
        let there = unless("read its policy", there, "NoSuchBucketPolicy")?;
        let Some(text) = there.and_then(|there| there.policy) else { return Ok(Self::default()) };
        let policy = serde_json::from_str(&text);
        policy.map(Self::of).map_err(|_| ProviderError::new(Class::Internal, "the policy of the bucket is no JSON"))
    }

    fn of(mut policy: Json) -> Self {
        let Some(statements) = policy.get_mut("Statement").and_then(Json::as_array_mut) else {
            return Self { theirs: Some(policy), ..Self::default() };
        };
        let mut take = |id: &str| {
            let is_it = |statement: &Json| statement.get("Sid").and_then(Json::as_str) == Some(id);
            let position = statements.iter().position(is_it)?;
            Some(statements.remove(position))
        };
        let (everyone, logs) = (take(EVERYONE).is_some(), take(LOGS));
        let logs =
            logs.map(|logs| logs.pointer("/Condition/StringEquals/aws:SourceAccount").cloned().unwrap_or_default());
        let is_empty = statements.is_empty();
        Self { theirs: (!is_empty).then_some(policy), everyone, logs }
    }

    /// All of it as one document; none where it says nothing.
    fn document(&self, s3: &Client, name: &str) -> Option<Json> {
        let region = s3.config().region().map(ToString::to_string).unwrap_or_default();
        let files = format!("arn:{}:s3:::{name}/*", crate::settings::partition(&region));
        let everyone = json!({
            "Sid": EVERYONE, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": files,
        });
        let logs = json!({
            "Sid": LOGS, "Effect": "Allow", "Principal": { "Service": "logging.s3.amazonaws.com" },
            "Action": "s3:PutObject", "Resource": files,
            "Condition": { "StringEquals": { "aws:SourceAccount": self.logs } },
        });
        let ours = [(self.everyone, everyone), (self.logs.is_some(), logs)];
        let ours: Vec<Json> =
            ours.into_iter().filter_map(|(is_there, statement)| is_there.then_some(statement)).collect();
        let Some(mut policy) = self.theirs.clone() else {
            return (!ours.is_empty()).then(|| json!({ "Version": "2012-10-17", "Statement": ours }));
        };
        match policy.get_mut("Statement") {
            _ if ours.is_empty() => {}
            Some(Json::Array(statements)) => statements.extend(ours),
            Some(one) => *one = [one.take()].into_iter().chain(ours).collect(),
            None => policy["Statement"] = ours.into(),
        }
        Some(policy)
    }

    async fn write(&self, s3: &Client, name: &str) -> Result<(), ProviderError> {
        let Some(policy) = self.document(s3, name) else {
            let written = s3.delete_bucket_policy().bucket(name).send().await;
            return written.map(drop).map_err(|error| failed("remove its policy", &error));
        };
        let written = s3.put_bucket_policy().bucket(name).policy(policy.to_string()).send().await;
        written.map(drop).map_err(|error| failed("set its policy", &error))
    }
}

/// Whether S3 may put logs into a bucket, as far as these credentials can tell: of another account's bucket they can't.
pub(super) async fn takes_logs(s3: &Client, name: &str) -> Result<bool, ProviderError> {
    match Policy::read(s3, name).await {
        Ok(policy) => Ok(policy.logs.is_some()),
        Err(error) if error.code == "NoSuchBucket" => Ok(false),
        Err(error) if error.class == Class::Denied => Ok(true),
        Err(error) => Err(error),
    }
}

/// Lets S3 put the logs of an account's buckets into a bucket, if it may not yet.
pub(super) async fn take_logs(s3: &Client, name: &str, account: &str) -> Result<(), ProviderError> {
    let policy = Policy::read(s3, name).await?;
    if policy.logs.is_some() {
        return Ok(());
    }
    Policy { logs: Some(account.into()), ..policy }.write(s3, name).await
}

/// Makes it what a spec says: what is closed is closed first, and what is opened is opened last. What others say of named readers is
/// theirs to say, unless the blueprint says it.
pub(super) async fn write(s3: &Client, name: &str, spec: &Spec) -> Result<(), ProviderError> {
    let is_blocked = spec.public_access == PublicAccess::Blocked;
    set_block(s3, name, is_blocked).await?;
    let there = Policy::read(s3, name).await?;
    let said = option(spec, "policy").map(|policy| Some(policy.clone()).filter(|policy| !policy.is_null()));
    let logs = there.logs.clone();
    let wanted = Policy { theirs: said.unwrap_or(there.theirs.clone()), everyone: !is_blocked, logs };
    if wanted == there {
        return Ok(());
    }
    match wanted.write(s3, name).await {
        // The block that was lifted just now holds for some seconds more.
        Err(error) if error.class == Class::Denied && !is_blocked => {
            Err(ProviderError { class: Class::Transient, ..error })
        }
        written => written,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_in_a_policy_is_told_from_what_is_theirs() {
        let region = aws_sdk_s3::config::Region::new("cn-north-1");
        let config = aws_sdk_s3::Config::builder().behavior_version_latest().region(region);
        let s3 = Client::from_conf(config.build());
        let theirs = json!({ "Version": "2012-10-17", "Statement": [{ "Sid": "Theirs", "Effect": "Deny" }] });
        for (theirs, everyone, logs) in [
            (None, true, Some(json!("1"))),
            (Some(theirs.clone()), true, None),
            (Some(theirs), false, Some(json!("1"))),
        ] {
            let policy = Policy { theirs, everyone, logs };
            let document = policy.document(&s3, "b").unwrap();
            assert!(document.to_string().contains("arn:aws-cn:s3:::b/*"), "{document}");
            assert_eq!(Policy::of(document), policy);
        }
        assert_eq!(Policy::default().document(&s3, "b"), None);
        let one = json!({ "Version": "2012-10-17", "Statement": { "Sid": "Theirs", "Effect": "Deny" } });
        assert_eq!(Policy::of(one.clone()).theirs, Some(one.clone()));
        let both = Policy { theirs: Some(one), everyone: true, logs: None }.document(&s3, "b").unwrap();
        assert_eq!(both["Statement"].as_array().unwrap().len(), 2);
    }
}
