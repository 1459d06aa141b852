//! What holds for every composition; of identities, the exact documents.

#![allow(clippy::needless_pass_by_value, reason = "what is asked reads best where it stands")]

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use trueup_engine::compose::Part;
use trueup_state::{Address, Step, Value, codec};

use super::*;

/// An image in ECR.
const IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/chat@sha256:0";

fn scope() -> Scope {
    Scope::at("aws", [("region".to_owned(), "us-east-1".into())])
}

/// A whole resource, as a field that takes one has it.
fn whole(kind: &str, attributes: Json) -> Json {
    json!({ "address": "it", "kind": kind, "provider": "aws.eu", "attributes": attributes })
}

fn bucket(name: &str) -> Json {
    whole(
        "bucket",
        json!({ "uri": format!("s3://{name}"), "name": name, "resource_id": format!("arn:aws:s3:::{name}") }),
    )
}

fn function() -> Json {
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:retrain";
    whole("function", json!({ "name": "retrain", "resource_id": arn, "log": "/log" }))
}

/// What a resource of a kind is made of, once its spec is complete.
fn composed_of(kind: &str, spec: Value) -> Result<Composition, Vec<Problem>> {
    let schema = recipe(kind).unwrap().schema;
    let mut spec = spec;
    schema.complete(&mut spec);
    let (address, kind, scope) = (Address::root("it"), KindName::from(kind), scope());
    assert_eq!(schema.problems(&spec), [], "{kind}");
    compose(&Wanted { address: &address, kind: &kind, spec: &spec, scope: &scope, candidate: None, validate: None })
        .unwrap()
}

fn parts(kind: &str, spec: &Json) -> Vec<Part> {
    composed_of(kind, spec.clone().into()).unwrap_or_else(|problems| panic!("{kind}: {problems:?}")).parts
}

fn names(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(|part| part.name.as_str()).collect()
}

/// The properties of a part, what it reads of others shown as `<part.attribute>`.
fn properties(parts: &[Part], name: &str) -> Json {
    let part = parts.iter().find(|part| part.name == name).unwrap_or_else(|| panic!("{name}: {:?}", names(parts)));
    let mut spec = part.spec.clone();
    for (path, read) in &part.reads {
        spec.put(path, format!("<{}.{}>", read.part, read.attribute).into());
    }
    codec::reveal(spec.get("properties").unwrap()).unwrap_or_else(|| panic!("{name} has an unknown: {:?}", part.reads))
}

/// What a spec can't have, as `PATH: MESSAGE`.
fn refused(kind: &str, spec: Json) -> Vec<String> {
    let problems = composed_of(kind, spec.into()).err().unwrap_or_default().into_iter();
    problems.map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// A spec of each kind that says all that there is to say.
fn full() -> Vec<(&'static str, Json)> {
    let key = json!({ "kms_key": "alias/it" });
    let queue = whole("AWS::SQS::Queue", json!({ "Arn": "arn:aws:sqs:us-east-1:123456789012:events" }));
    let network = whole("network", json!({ "resource_id": "vpc-1" }));
    let named = |spec: Json| {
        let mut spec = spec;
        spec["name"] = "it".into();
        spec["tags"] = json!({ "team": "search" });
        spec
    };
    let archive = json!({ "archive": { "bucket": bucket("code"), "file": "a.zip", "version": "v" } });
    let reachable = json!({ "network": network, "subnets": ["subnet-1", "subnet-2"], "from": "10.0.0.0/16" });
    [
        ("alert", json!({ "watch": { "latency": function() }, "statistic": "p99", "threshold": 5, "periods": 2, "period": "1m",
            "comparison": "at_least", "no_data": "alert", "emails": ["a@x.org", "b@x.org"], "topics": ["arn:t"],
            "options": { "aws": { "variant": "blue" } } })),
        ("alert", json!({ "watch": { "waiting": queue }, "threshold": 5 })),
        ("alert", json!({ "watch": { "metric": { "namespace": "N", "name": "M", "dimensions": { "D": "x" } } }, "threshold": 5 })),
        ("budget", json!({ "amount_usd": 500, "alerts": [{ "percent": 80 }], "emails": ["a@x.org"], "only_tagged": { "team": "a" } })),
        ("endpoint", json!({ "image": IMAGE, "model": "s3://weights/tiny", "gpu": { "model": "L4" }, "env": { "LOG": "b" },
            "replicas": { "min": 1, "max": 4, "target": { "metric": "gpu_utilization", "value": 70 } }, "health": { "start_timeout": "10m" },
            "options": { "aws": { "variant_name": "blue", "network_isolation": true, "subnets": ["subnet-1"], "security_groups": ["sg-1"] } } })),
        ("endpoint", json!({ "image": IMAGE, "model": "s3://weights/tiny.tar.gz", "cpu": 4, "identity": "arn:role", "replicas": { "min": 2 } })),
        ("endpoint", json!({ "image": IMAGE, "memory_gib": 30, "replicas": { "max": 2, "target": { "metric": "requests_per_second", "value": 3 } } })),
        ("endpoint", json!({ "image": IMAGE, "options": { "aws": { "instance_type": "ml.g5.xlarge" } } })),
        ("function", json!({ "code": archive, "handler": "main.handle", "runtime": "python3.13", "memory_mib": 1024,
            "timeout": "2m", "env": { "LOG": "b" }, "identity": "arn:role",
            "options": { "aws": { "architecture": "arm64", "log_retention_days": 7, "reserved_concurrency": 2, "ephemeral_storage_mib": 1024 } } })),
        ("function", json!({ "code": { "image": "r/i@sha256:0" } })),
        ("identity", json!({ "can": [{ "read": bucket("a") }, { "call": function() }], "used_by": ["gpu_instance", "schedule"],
            "options": { "aws": { "path": "/ml/", "permissions_boundary": "arn:aws:iam::123456789012:policy/ml" } } })),
        ("network", json!({ "zones": ["us-east-1a", "us-east-1c"], "cidr": "10.1.0.0/16", "internet": true })),
        ("registry", json!({ "immutable_tags": false, "scan_on_push": false, "retention": { "keep_last": 3, "expire_untagged_after_days": 7 },
            "encryption": key, "force_destroy": true, "options": { "aws": { "policy": { "Statement": [] } } } })),
        ("registry", json!({ "format": "model" })),
        ("schedule", json!({ "cron": "0 3 * * *", "time_zone": "Europe/Berlin", "starts": { "function": function() }, "input": "{}",
            "enabled": false, "options": { "aws": { "flexible_minutes": 15 } } })),
        ("schedule", json!({ "every": "6h", "starts": { "queue": "arn:aws:sqs:us-east-1:123456789012:events.fifo" }, "identity": "arn:role",
            "options": { "aws": { "message_group": "g" } } })),
        ("secret", json!({ "value": "HUNTER2", "description": "a key", "encryption": key })),
        ("volume", json!({ "type": "fast", "size_gb": 500, "iops": 6000, "zone": "us-east-1a", "encryption": key })),
        ("volume", json!({ "zone": "us-east-1a", "options": { "aws": { "throughput_mib": 500 } } })),
        ("volume", json!({ "type": "shared", "encryption": key, "zone": "us-east-1a", "reachable": reachable })),
    ]
    .map(|(kind, spec)| (kind, named(spec)))
    .into()
}

/// The paths of all that stands in a value, the whole first.
fn paths(value: &Value, at: &trueup_state::FieldPath, found: &mut Vec<trueup_state::FieldPath>) {
    found.push(at.clone());
    match value {
        Value::Map(map) => map.iter().for_each(|(name, inner)| paths(inner, &at.field(name), found)),
        Value::List(items) => items.iter().enumerate().for_each(|(index, inner)| paths(inner, &at.index(index), found)),
        _ => {}
    }
}

/// Whether what is known of a part in a plan is what it comes to: the contract of a value.
fn becomes(open: &Value, known: &Value) -> bool {
    match (open, known) {
        (Value::Unknown, _) => true,
        (Value::Map(open), Value::Map(known)) => {
            open.keys().eq(known.keys()) && open.iter().all(|(name, value)| becomes(value, &known[name.as_str()]))
        }
        (Value::List(open), Value::List(known)) => {
            open.len() == known.len() && open.iter().zip(known).all(|(open, known)| becomes(open, known))
        }
        (open, known) => open.same(known),
    }
}

/// A plan shows the parts that an apply makes: what is not known of a spec changes none of their names, or has to be known.
#[test]
fn the_parts_are_the_same_whatever_is_unknown() {
    let mut count = 0;
    for (kind, spec) in full() {
        let spec = Value::from(spec);
        let known = composed_of(kind, spec.clone()).unwrap().parts;
        let mut all = Vec::new();
        paths(&spec, &trueup_state::FieldPath::root(), &mut all);
        for path in all.into_iter().filter(|path| !path.steps().is_empty()) {
            let mut spec = spec.clone();
            spec.put(&path, Value::Unknown);
            match composed_of(kind, spec) {
                Ok(composition) => {
                    assert_eq!(names(&composition.parts), names(&known), "{kind}: {path}");
                    for (open, known) in composition.parts.iter().zip(&known) {
                        assert!(becomes(&open.spec, &known.spec), "{kind}: {path}: {:?} {:?}", open.spec, known.spec);
                        assert_eq!(open.reads, known.reads, "{kind}: {path}");
                    }
                    count += 1;
                }
                Err(problems) => {
                    let said = &problems[0].message;
                    assert!(said.contains("has to be known when the plan is made"), "{kind}: {path}: {said}");
                }
            }
        }
    }
    assert!(count > 150, "{count}");
}

/// What is said of a field is said of what comes of it, so every field has to lead somewhere.
#[test]
fn every_field_of_a_kind_is_one_of_a_part() {
    for kind in KINDS {
        let schema = recipe(kind).unwrap().schema;
        let mut left: BTreeSet<&str> = schema.fields().into_iter().collect();
        for (_, spec) in full().iter().filter(|(of, _)| *of == kind) {
            for part in parts(kind, spec) {
                for origin in part.origins.values() {
                    if let Some(Step::Field(name)) = origin.steps().first() {
                        left.remove(name.as_str());
                    }
                }
            }
        }
        let nowhere: &[&str] = match kind {
            // They are in what `alerts` comes to, as the whole of what is told to whom.
            "budget" => &["emails", "options"],
            // What only other providers take is refused, and so leads nowhere.
            "endpoint" => &["command", "port", "public", "request_timeout", "runtime", "secrets", "working_dir"],
            "network" => &["internet", "options"],
            "registry" => &["format"],
            "alert" | "secret" => &["options"],
            _ => &[],
        };
        assert_eq!(left.into_iter().collect::<Vec<_>>(), nowhere, "{kind}");
    }
}

#[test]
fn attributes_are_those_of_parts_and_all_that_a_kind_has() {
    for (kind, spec) in full() {
        let composition = composed_of(kind, spec.into()).unwrap();
        let known: BTreeSet<&str> = composition.attributes.keys().map(|path| path.split('.').next().unwrap()).collect();
        // Of its replicas AWS shows nothing, and a function is called by its name.
        let hidden: &[&str] = match kind {
            "endpoint" => &["status", "urls"],
            "function" => &["url"],
            _ => &[],
        };
        let names_of_all = recipe(kind).unwrap().schema.attribute_names().into_iter();
        assert_eq!(known, names_of_all.filter(|name| !hidden.contains(name)).collect(), "{kind}");
        let of: BTreeSet<&str> = composition.attributes.values().map(|read| read.part.as_str()).collect();
        assert!(of.iter().all(|part| names(&composition.parts).contains(part)), "{kind}: {of:?}");
        let kinds = recipe(kind).unwrap().parts;
        assert!(composition.parts.iter().all(|part| kinds.contains(&part.kind.as_str())), "{kind}");
    }
}

fn statements(can: Json) -> Json {
    properties(&parts("identity", &json!({ "can": can })), "policy")["PolicyDocument"]["Statement"].clone()
}

#[test]
fn who_may_read_a_bucket_may_list_it_and_read_its_files_and_nothing_else() {
    let expected = json!([
        { "Effect": "Allow", "Action": ["s3:GetBucketLocation", "s3:ListBucket"], "Resource": ["arn:aws:s3:::weights"] },
        { "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::weights/*"] },
        { "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": ["*"], "Condition": {
            "StringEquals": { "kms:ViaService": "s3.us-east-1.amazonaws.com" },
            "StringLike": { "kms:EncryptionContext:aws:s3:arn": ["arn:aws:s3:::weights", "arn:aws:s3:::weights/*"] } } },
    ]);
    assert_eq!(statements(json!([{ "read": bucket("weights") }])), expected);
    let written = statements(json!([{ "write": bucket("results") }]));
    assert_eq!(
        written[1],
        json!({ "Effect": "Allow", "Resource": ["arn:aws:s3:::results/*"], "Action":
            ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:PutObject"] })
    );
    assert!(!written.to_string().contains("s3:GetObject"), "who writes need not read: {written}");
}

#[test]
fn who_may_read_an_artifact_sees_nothing_else_of_its_bucket() {
    let artifact = whole("artifact", json!({ "uri": "s3://weights/models/tiny", "manifest": "m" }));
    let files = "arn:aws:s3:::weights/models/tiny/*";
    let expected = json!([
        { "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::weights"],
          "Condition": { "StringLike": { "s3:prefix": ["models/tiny/*"] } } },
        { "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [files] },
        { "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": ["*"], "Condition": {
            "StringEquals": { "kms:ViaService": "s3.us-east-1.amazonaws.com" },
            "StringLike": { "kms:EncryptionContext:aws:s3:arn": ["arn:aws:s3:::weights", files] } } },
    ]);
    assert_eq!(statements(json!([{ "read": artifact }])), expected);
}

#[test]
fn each_word_means_what_its_kind_needs() {
    let of = |verb: &str, kind: &str, attribute: &str, arn: &str| {
        statements(json!([{ verb: whole(kind, json!({ attribute: arn })) }]))
    };
    let one = |actions: Json, resources: Json| json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
    let repository = "arn:aws:ecr:us-east-1:123456789012:repository/chat";
    assert_eq!(
        of("pull", "registry", "resource_id", repository),
        json!([
            one(
                json!(["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]),
                json!([repository])
            ),
            one(json!(["ecr:GetAuthorizationToken"]), json!(["*"])),
        ])
    );
    assert!(of("push", "AWS::ECR::Repository", "Arn", repository).to_string().contains("ecr:PutImage"));
    let endpoint = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/chat";
    let invoke = json!([
        "sagemaker:InvokeEndpoint",
        "sagemaker:InvokeEndpointAsync",
        "sagemaker:InvokeEndpointWithResponseStream"
    ]);
    assert_eq!(of("call", "endpoint", "resource_id", endpoint), json!([one(invoke, json!([endpoint]))]));
    let lambda = "arn:aws:lambda:us-east-1:123456789012:function:retrain";
    assert_eq!(
        of("call", "function", "resource_id", lambda),
        json!([one(json!(["lambda:InvokeFunction"]), json!([lambda, format!("{lambda}:*")]))])
    );
    let queue = "arn:aws:sqs:us-east-1:123456789012:events";
    assert_eq!(
        of("write", "AWS::SQS::Queue", "Arn", queue),
        json!([one(json!(["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]), json!([queue]))])
    );
    assert!(of("read", "AWS::SQS::Queue", "Arn", queue).to_string().contains("sqs:ReceiveMessage"));
    let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hf-AbCdEf";
    let read = of("read", "secret", "resource_id", secret);
    assert_eq!(
        read[0],
        one(json!(["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]), json!([secret]))
    );
    assert_eq!(read[1]["Condition"]["StringLike"]["kms:EncryptionContext:SecretARN"], json!([secret]));
}

#[test]
fn what_may_act_as_an_identity_stands_in_its_trust_and_a_machine_has_a_profile() {
    let made = parts("identity", &json!({}));
    assert_eq!(names(&made), ["role", "profile"], "a policy of nothing is none");
    let trusted = |made: &[Part]| {
        let document = properties(made, "role")["AssumeRolePolicyDocument"].clone();
        document["Statement"][0]["Principal"]["Service"].clone()
    };
    assert_eq!(trusted(&made), json!(["sagemaker.amazonaws.com", "ec2.amazonaws.com"]));
    let profile = json!({ "InstanceProfileName": "<role.RoleName>", "Roles": ["<role.RoleName>"] });
    assert_eq!(properties(&made, "profile"), profile);
    let made = parts("identity", &json!({ "used_by": ["schedule", "function"], "can": [{ "read": bucket("a") }] }));
    assert_eq!(names(&made), ["role", "policy"]);
    assert_eq!(trusted(&made), json!(["lambda.amazonaws.com", "scheduler.amazonaws.com"]));
}

#[test]
fn what_another_cloud_makes_is_told_with_both() {
    let other =
        json!({ "address": "data", "kind": "bucket", "provider": "local", "attributes": { "uri": "file:///d" } });
    assert_eq!(
        refused("identity", json!({ "can": [{ "read": bucket("a") }, { "read": other }] })),
        ["can[1].read: `it` is made by `aws`, and can't read `data`, which `local` makes"]
    );
    let function = json!({ "address": "f", "kind": "function", "provider": "gcp", "attributes": {} });
    assert_eq!(
        refused("schedule", json!({ "every": "1h", "starts": { "function": function } })),
        ["starts.function: `it` is made by `aws`, and can't start `f`, which `gcp` makes"]
    );
    assert_eq!(refused("alert", json!({ "watch": { "errors": function }, "threshold": 1 })).len(), 1);
    let archive = json!({ "archive": { "bucket": other, "file": "a.zip" } });
    assert_eq!(refused("function", json!({ "code": archive, "handler": "h", "runtime": "python3.13" })).len(), 1);
}

#[test]
fn what_aws_can_not_do_is_told_with_its_field() {
    let said = |kind: &str, spec: Json, expected: &str| {
        let said = refused(kind, spec).join("\n");
        assert!(said.contains(expected), "{kind}: {said:?}");
    };
    let machine = whole("AWS::EC2::Instance", json!({}));
    said(
        "identity",
        json!({ "can": [{ "read": machine }] }),
        "can[0].read: at AWS it is not known what it means to read",
    );
    said("identity", json!({ "options": { "aws": { "boundary": "x" } } }), "has no option `boundary`");
    let starts = json!({ "queue": "arn:aws:kinesis:us-east-1:1:stream/a" });
    said("schedule", json!({ "every": "1h", "starts": starts }), "starts.queue: a schedule starts a function");
    let starts = json!({ "queue": "arn:aws:sqs:us-east-1:1:a" });
    said("schedule", json!({ "every": "90s", "starts": starts }), "every: a schedule at AWS counts in whole minutes");
    said("schedule", json!({ "cron": "0 3 1 * 1", "starts": starts }), "cron: AWS takes a day of the month or");
    let image = json!({ "image": "x" });
    said("function", json!({ "code": image, "runtime": "python3.13" }), "runtime: an image has no `runtime`");
    said("function", json!({ "code": image, "memory_mib": 20_000 }), "memory_mib: a function at AWS has at most 10240");
    said("function", json!({ "code": image, "timeout": "16m" }), "timeout: one call takes");
    said(
        "function",
        json!({ "code": image, "env": { "A": "b" } }),
        "env.A: `A` is no name of a variable at AWS: it has two characters or more",
    );
    let archive = json!({ "archive": { "bucket": bucket("a"), "file": "a.zip" } });
    said("function", json!({ "code": archive, "runtime": "python3.13" }), "the field `handler` is missing");
    said("volume", json!({}), "the field `zone` is missing");
    said("volume", json!({ "type": "shared", "iops": 1 }), "iops: a file system at AWS");
    said("network", json!({ "zones": ["us-east-1a", "us-east-1-lax-1a"] }), "zones[1]: there is a zone `a`");
    said("network", json!({ "zones": ["use1-az1"] }), "zones[0]: a zone of AWS ends with a letter");
    said("registry", json!({ "format": "model" }), "has a `name` at AWS");
    said(
        "registry",
        json!({ "format": "model", "name": "tiny", "retention": { "keep_last": 1 } }),
        "retention: AWS removes no",
    );
    let metric = json!({ "metric": { "namespace": "N", "name": "M" } });
    said("alert", json!({ "watch": metric, "threshold": 1, "period": "90s" }), "period: one measurement at AWS");
    said("secret", json!({ "tags": { "aws:x": "1" } }), "tags");
}

#[test]
fn what_a_schedule_acts_as_may_start_that_alone() {
    let made = parts("schedule", &json!({ "cron": "30 3 * * 1", "starts": { "function": function() } }));
    assert_eq!(names(&made), ["role", "policy", "schedule"]);
    let lambda = "arn:aws:lambda:us-east-1:123456789012:function:retrain";
    let document = properties(&made, "policy")["PolicyDocument"]["Statement"].clone();
    assert_eq!(document, json!([{ "Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": [lambda] }]));
    let trust = properties(&made, "role")["AssumeRolePolicyDocument"]["Statement"][0].clone();
    assert_eq!(trust["Condition"], json!({ "StringEquals": { "aws:SourceAccount": "123456789012" } }));
    assert_eq!(
        properties(&made, "schedule"),
        json!({
            "ScheduleExpression": "cron(30 3 ? * MON *)", "ScheduleExpressionTimezone": "UTC", "State": "ENABLED",
            "FlexibleTimeWindow": { "Mode": "OFF" }, "Target": { "Arn": lambda, "RoleArn": "<role.Arn>" },
        })
    );
}

#[test]
fn a_network_without_internet_has_no_way_there() {
    let made = parts("network", &json!({ "zones": ["us-east-1b"], "internet": false }));
    assert_eq!(names(&made), ["vpc", "routes", "store", "subnet_b", "subnet_b_routes"]);
    assert_eq!(properties(&made, "subnet_b")["CidrBlock"], "10.0.16.0/20");
    assert_eq!(properties(&made, "store")["ServiceName"], "com.amazonaws.us-east-1.s3");
    let made = parts("network", &json!({ "zones": ["us-east-1b"] }));
    assert_eq!(
        properties(&made, "routes"),
        json!({ "VpcId": "<attachment.VpcId>" }),
        "a route waits for the attachment"
    );
}

#[test]
fn a_budget_and_an_alarm_tell_those_who_are_to_know() {
    let spec = json!({ "amount_usd": 500, "alerts": [{ "percent": 80 }, { "percent": 100, "of": "forecast" }],
        "emails": ["a@x.org"], "only_tagged": { "stage": "prod", "team": "search" } });
    let budget = properties(&parts("budget", &spec), "budget");
    let tag = |key: &str, value: &str| json!({ "Tags": { "Key": key, "Values": [value], "MatchOptions": ["EQUALS"] } });
    assert_eq!(budget["Budget"]["FilterExpression"], json!({ "And": [tag("stage", "prod"), tag("team", "search")] }));
    let notice = |of: &str, percent: u32| {
        json!({
        "Notification": { "NotificationType": of, "ComparisonOperator": "GREATER_THAN", "Threshold": percent, "ThresholdType": "PERCENTAGE" },
        "Subscribers": [{ "SubscriptionType": "EMAIL", "Address": "a@x.org" }] })
    };
    assert_eq!(budget["NotificationsWithSubscribers"], json!([notice("ACTUAL", 80), notice("FORECASTED", 100)]));

    let endpoint =
        whole("endpoint", json!({ "resource_id": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/chat" }));
    let spec = json!({ "watch": { "latency": endpoint }, "threshold": 250, "emails": ["b@x.org", "a@x.org"], "topics": ["arn:t"] });
    let made = parts("alert", &spec);
    let alarm = properties(&made, "alarm");
    assert_eq!(
        (&alarm["Threshold"], &alarm["ExtendedStatistic"]),
        (&json!(250_000.0), &json!("p95")),
        "in microseconds"
    );
    assert_eq!(alarm["AlarmActions"], json!(["<topic.TopicArn>", "arn:t"]));
    assert_eq!(alarm["Dimensions"][0], json!({ "Name": "EndpointName", "Value": "chat" }));
    let mails = made.iter().filter(|part| part.name.starts_with("mail_")).count();
    assert_eq!(mails, 2);
}

#[test]
fn a_registry_forgets_images_in_the_order_that_ecr_asks_for() {
    let spec = json!({ "retention": { "keep_last": 10, "expire_untagged_after_days": 7 } });
    let repository = properties(&parts("registry", &spec), "repository");
    let text = repository["LifecyclePolicy"]["LifecyclePolicyText"].as_str().unwrap();
    assert!(text.len() >= 100, "ECR takes no shorter one");
    let rules = serde_json::from_str::<Json>(text).unwrap()["rules"].clone();
    assert_eq!((&rules[0]["rulePriority"], &rules[0]["selection"]["tagStatus"]), (&json!(1), &json!("untagged")));
    assert_eq!((&rules[1]["rulePriority"], &rules[1]["selection"]["tagStatus"]), (&json!(2), &json!("any")));
    assert_eq!(rules[1]["selection"]["countNumber"], 10);
    assert_eq!(repository["EncryptionConfiguration"], json!({ "EncryptionType": "AES256" }));
}

#[test]
fn the_value_of_a_secret_stays_one() {
    let made = parts("secret", &json!({ "value": "HUNTER2" }));
    let value = made[0].spec.get("properties").and_then(|body| body.get("SecretString")).unwrap();
    assert!(matches!(value, Value::Secret(_)));
}
