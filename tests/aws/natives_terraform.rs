//! What Terraform manages is written as a blueprint, and adopted.

use serde_json::{Value as Json, json};

use crate::natives::QUEUE;
use crate::natives_adopt::made;
use crate::rig::Rig;

const LOG: &str = "AWS::Logs::LogGroup";

/// A resource as a state has it.
fn resource(kind: &str, name: &str, instances: Vec<Json>) -> Json {
    json!({
        "mode": "managed", "type": kind, "name": name, "instances": instances,
        "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
    })
}

fn one(kind: &str, name: &str, attributes: Json) -> Json {
    resource(kind, name, vec![json!({ "attributes": attributes })])
}

fn state(rig: &Rig, resources: Vec<Json>) {
    rig.place.write("terraform.tfstate", &json!({ "version": 4, "resources": resources }).to_string());
}

/// A bucket, two queues of a `for_each`, a secret, a log group in Ireland, and much that is not taken.
fn estate(rig: &Rig) {
    for (call, with) in [
        ("create_bucket", json!({ "Bucket": "llm-weights" })),
        (
            "put_public_access_block",
            json!({ "Bucket": "llm-weights", "PublicAccessBlockConfiguration": { "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true } }),
        ),
        // Since 2023 S3 does so by itself.
        (
            "put_bucket_encryption",
            json!({ "Bucket": "llm-weights", "ServerSideEncryptionConfiguration": { "Rules": [{ "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" }, "BucketKeyEnabled": true }] } }),
        ),
        (
            "put_bucket_versioning",
            json!({ "Bucket": "llm-weights", "VersioningConfiguration": { "Status": "Enabled" } }),
        ),
        (
            "put_bucket_tagging",
            json!({ "Bucket": "llm-weights", "Tagging": { "TagSet": [{ "Key": "team", "Value": "ml" }] } }),
        ),
    ] {
        let answer = rig.s3(call, with);
        assert_eq!(answer.get("error"), None, "{call}: {answer}");
    }
    let tags = json!([{ "Key": "team", "Value": "ml" }]);
    let queue = |delay: u32| {
        let named = format!("events-{delay}");
        made(rig, QUEUE, &json!({ "DelaySeconds": delay, "QueueName": named, "Tags": tags }))
    };
    let instance = |key: &str, id: String| json!({ "index_key": key, "attributes": { "id": id } });
    let secret = json!({ "Name": "token", "SecretString": "HUNTER2-secret", "Description": "of HUNTER2-described" });
    let secret = made(rig, "AWS::SecretsManager::Secret", &secret);
    let secret = json!({ "attributes": { "arn": secret, "id": secret, "note": "HUNTER2-described" },
        "sensitive_attributes": [[{ "type": "get_attr", "value": "note" }]] });
    made(rig, LOG, &json!({ "LogGroupName": "/apps/chat", "RetentionInDays": 7 }));
    let text = "of {{ no }} expression, with {% signs %}";
    let alarm = json!({ "AlarmName": "slow", "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "AlarmDescription": text });
    made(rig, "AWS::CloudWatch::Alarm", &alarm);
    let version = json!({ "secret_id": secret["attributes"]["id"], "secret_string": "HUNTER2-secret" });
    let other = "arn:aws:logs:us-east-1:999999999999:log-group:x";
    state(
        rig,
        vec![
            one("aws_s3_bucket", "weights", json!({ "bucket": "llm-weights", "id": "llm-weights" })),
            one("aws_s3_bucket_versioning", "weights", json!({ "bucket": "llm-weights" })),
            one("aws_s3_bucket_policy", "other", json!({ "bucket": "elsewhere" })),
            resource("aws_sqs_queue", "events", vec![instance("a-1", queue(5)), instance("b", queue(0))]),
            resource("aws_secretsmanager_secret", "events_b", vec![secret]),
            one("aws_secretsmanager_secret_version", "token", version),
            one("aws_cloudwatch_log_group", "loop", json!({ "name": "/apps/chat" })),
            one("aws_cloudwatch_metric_alarm", "slow", json!({ "alarm_name": "slow" })),
            one("aws_cloudwatch_log_group", "stranger", json!({ "name": "x", "arn": other })),
            one("aws_cloudwatch_log_group", "gone", json!({ "name": "/gone" })),
            one("aws_route53_zone", "zone", json!({ "id": "Z1" })),
            json!({ "mode": "managed", "type": "google_storage_bucket", "name": "b", "instances": [{ "attributes": {} }],
            "provider": "provider[\"registry.terraform.io/hashicorp/google\"]" }),
        ],
    );
}

#[test]
fn what_terraform_manages_is_written_and_adopted_and_nothing_is_left_to_do() {
    let Some(rig) = Rig::with("") else { return };
    estate(&rig);
    let plain = |text: &str| text.replace(&rig.aws.account, "123456789012");
    let printed = rig.run(&["adopt", "--from-terraform", "terraform.tfstate"]).exits(0);
    insta::assert_snapshot!(plain(&format!("{}---\n{}", printed.out, printed.err)));
    rig.run(&["state", "list"]).exits(1);
    let take = ["adopt", "--from-terraform", "terraform.tfstate", "--out", "estate.yaml"];
    rig.aws.proxy.take_operations();
    let said = rig
        .run(&[&take[..], &["--yes"]].concat())
        .exits(0)
        .says("Adopted: 5 resources. It is what the blueprint says.");
    said.says("Written: estate.yaml")
        .says("aws_route53_zone.zone")
        .says("AWS shows what Terraform's state calls sensitive")
        .says_not("HUNTER2");
    let calls = rig.aws.proxy.take_operations();
    assert!(
        !calls
            .iter()
            .any(|call| ["Create", "Update", "Put", "Delete"].iter().any(|verb| call.contains(&format!(":{verb}")))),
        "{calls:?}"
    );
    rig.run(&["plan", "estate.yaml"]).exits(0);
    rig.run(&["drift", "estate.yaml"]).exits(0);
    assert_eq!(rig.place.files_with("HUNTER2"), [rig.place.path("terraform.tfstate")]);
    rig.run(&[&take[..], &["--yes"]].concat())
        .exits(1)
        .complains("estate.yaml is there already")
        .complains("another file");
    rig.run(&["destroy", "estate.yaml", "--yes"]).exits(0);
    assert_eq!(rig.buckets(), [""; 0]);
}

#[test]
fn what_is_no_state_is_refused() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |text: &str, said: &str, help: &str| {
        rig.place.write("terraform.tfstate", text);
        let take = ["adopt", "--from-terraform", "terraform.tfstate", "--out", "estate.yaml", "--yes"];
        let ran = rig.run(&take).exits(1).complains(said).complains(help);
        assert!(!ran.err.contains("HUNTER2") && !rig.place.path("estate.yaml").exists(), "{}", ran.err);
    };
    refused("HUNTER2", "no state of Terraform's (line 1", "terraform state pull");
    refused("{\"version\": 3}", "of version 3", "0.12");
    refused("{\"encrypted_data\": \"HUNTER2\"}", "encrypted", "tofu state pull");
    rig.run(&["adopt", "--from-terraform", "nowhere.tfstate"]).exits(1).complains("nowhere.tfstate can't be read");
    rig.run(&["adopt", "--out", "estate.yaml"]).exits(1).complains("--from-terraform");
    rig.run(&["adopt", "events", "--from-terraform", "terraform.tfstate"]).exits(1).complains("cannot be used with");
    state(&rig, vec![]);
    rig.run(&["adopt", "--from-terraform", "terraform.tfstate"]).exits(0).says("resources: {}");
}

#[test]
fn what_a_bucket_can_not_be_here_is_told_and_changed_by_the_next_apply() {
    let Some(rig) = Rig::with("") else { return };
    rig.s3("create_bucket", json!({ "Bucket": "old-weights" }));
    state(&rig, vec![one("aws_s3_bucket", "old", json!({ "bucket": "old-weights" }))]);
    let take = ["adopt", "--from-terraform", "terraform.tfstate", "--out", "estate.yaml", "--yes"];
    let said =
        rig.run(&take).exits(0).says("its `public_access` can't be said here").says("its `encryption` can't be said");
    said.says("An apply would then change").says("blocked").says("Adopted: 1 resource.");
    rig.run(&["apply", "estate.yaml", "--yes"]).exits(0);
    rig.run(&["plan", "estate.yaml"]).exits(0);
}
