//! Native kinds, through Cloud Control.

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::rig::Rig;

pub(crate) const QUEUE: &str = "AWS::SQS::Queue";

/// The identifiers of all things of a type.
pub(crate) fn all(rig: &Rig, name: &str) -> Vec<String> {
    all_under(rig, name, json!({}))
}

/// The identifiers of all things of a type that have these properties: some types are listed so alone.
pub(crate) fn all_under(rig: &Rig, name: &str, model: Json) -> Vec<String> {
    let (mut keys, mut asked) = (Vec::new(), json!({ "TypeName": name, "ResourceModel": model.to_string() }));
    loop {
        let listed = rig.types("list_resources", asked.clone());
        let key = |described: &Json| described["Identifier"].as_str().unwrap().to_owned();
        let page = listed["ResourceDescriptions"].as_array().unwrap_or_else(|| panic!("{listed}"));
        keys.extend(page.iter().map(key));
        match listed.get("NextToken") {
            Some(next) => asked["NextToken"] = next.clone(),
            None => return keys,
        }
    }
}

/// The properties of the only thing of a type.
pub(crate) fn only(rig: &Rig, name: &str) -> Json {
    let all = all(rig, name);
    let [key] = &all[..] else { panic!("{all:?}") };
    read(rig, name, key)
}

/// The properties of a thing.
pub(crate) fn read(rig: &Rig, name: &str, key: &str) -> Json {
    let got = rig.types("get_resource", json!({ "TypeName": name, "Identifier": key }));
    serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap()
}

/// Changes the first thing of a type, as others do.
pub(crate) fn by_hand(rig: &Rig, name: &str, patch: Json) {
    by_hand_at(rig, name, &all(rig, name).remove(0), patch);
}

/// Changes a thing, as others do.
pub(crate) fn by_hand_at(rig: &Rig, name: &str, key: &str, patch: Json) {
    let asked = json!({ "TypeName": name, "Identifier": key, "PatchDocument": patch.to_string() });
    let answer = rig.types("update_resource", asked);
    assert_eq!(answer.get("error"), None, "{answer}");
    let token = answer["ProgressEvent"]["RequestToken"].clone();
    while rig.types("get_resource_request_status", json!({ "RequestToken": token }))["ProgressEvent"]["OperationStatus"]
        == "IN_PROGRESS"
    {}
}

/// The fake is no friend of ours: what AWS's own library asks of it, it answers.
#[test]
fn boto3_is_answered_as_we_are() {
    let Some(rig) = Rig::with("") else { return };
    let made = rig.types("create_resource", json!({ "TypeName": QUEUE, "DesiredState": "{}", "ClientToken": "t" }));
    let token = made["ProgressEvent"]["RequestToken"].clone();
    assert_eq!(made["ProgressEvent"]["OperationStatus"], "IN_PROGRESS", "{made}");
    let again = rig.types("create_resource", json!({ "TypeName": QUEUE, "DesiredState": "{}", "ClientToken": "t" }));
    assert_eq!(again["ProgressEvent"]["RequestToken"], token);
    let other = json!({ "TypeName": QUEUE, "DesiredState": "{\"DelaySeconds\": 1}", "ClientToken": "t" });
    assert_eq!(rig.types("create_resource", other)["error"], "ClientTokenConflictException");
    let status = rig.types("get_resource_request_status", json!({ "RequestToken": token }));
    assert_eq!(status["ProgressEvent"]["OperationStatus"], "SUCCESS", "{status}");
    let bad = json!({ "TypeName": QUEUE, "DesiredState": "{\"DelaySeconds\": \"x\"}" });
    let bad = rig.types("create_resource", bad);
    assert_eq!(bad["ProgressEvent"]["ErrorCode"], "InvalidRequest", "{bad}");
    let project = json!({ "TypeName": "AWS::CodeBuild::Project", "DesiredState": "{}" });
    assert_eq!(rig.types("create_resource", project)["error"], "UnsupportedActionException");
    let described = rig.aws.boto("cloudformation", "describe_type", json!({ "Type": "RESOURCE", "TypeName": QUEUE }));
    assert!(described["Schema"].as_str().unwrap().contains("primaryIdentifier"));
}

#[test]
fn a_queue_is_made_changed_put_right_replaced_and_removed() {
    let text = |properties: &str| {
        format!("  events:\n    kind: {QUEUE}\n    properties: {{ {properties} }}\n    tags: {{ team: a }}\n")
    };
    let Some(rig) = Rig::with(&text("MessageRetentionPeriod: 86400, DelaySeconds: 5")) else { return };
    rig.up();
    let queue = only(&rig, QUEUE);
    assert_eq!((&queue["MessageRetentionPeriod"], &queue["DelaySeconds"]), (&json!(86400), &json!(5)), "{queue}");
    let tags = queue["Tags"].as_array().unwrap();
    assert!(tags.contains(&json!({ "Key": "team", "Value": "a" })) && tags.len() == 5, "{queue}");
    rig.write(&text("MessageRetentionPeriod: 3600"));
    rig.run(&["plan"]).exits(2).says("1 to change");
    rig.up();
    let queue = only(&rig, QUEUE);
    assert_eq!((&queue["MessageRetentionPeriod"], queue.get("DelaySeconds")), (&json!(3600), None), "{queue}");
    by_hand(&rig, QUEUE, json!([{ "op": "replace", "path": "/MessageRetentionPeriod", "value": 61 }]));
    rig.corrects("MessageRetentionPeriod");
    assert_eq!(only(&rig, QUEUE)["MessageRetentionPeriod"], 3600);
    let before = all(&rig, QUEUE);
    rig.write(&text("MessageRetentionPeriod: 3600, FifoQueue: true, QueueName: a.fifo"));
    rig.run(&["plan"]).exits(2).says("1 to replace").says("FifoQueue");
    rig.up();
    assert_ne!(all(&rig, QUEUE), before);
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, QUEUE), [""; 0]);
}

#[test]
fn what_a_schema_refuses_is_told_at_plan_with_its_line() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |kind: &str, properties: &str, complaint: &str, line: &str| {
        rig.write(&format!("  a:\n    kind: {kind}\n    properties:\n      {properties}\n"));
        rig.run(&["plan"]).exits(1).complains(complaint).complains(&format!("blueprint.yaml:{line}"));
    };
    refused(QUEUE, "DelaySecond: 5", "DelaySeconds", "7");
    refused(QUEUE, "DelaySeconds: soon", "integer", "7");
    refused(QUEUE, "Arn: x", "Arn", "7");
    refused(QUEUE, "Tags: []", "Tags", "7");
    refused("AWS::SQS::Queu", "DelaySeconds: 5", "no type `AWS::SQS::Queu`", "");
    refused("AWS::CodeBuild::Project", "Name: a", "Cloud Control", "");
    assert!(!rig.aws.proxy.take_operations().contains(&"cloudcontrolapi:CreateResource".to_owned()));
}

#[test]
fn what_must_keep_its_name_can_not_be_replaced_before_it_goes() {
    let text = |by: &str| {
        format!(
            "  images:\n    kind: \"AWS::ECR::Repository\"\n    replace: create_first\n    properties: {{ RepositoryName: chat, EncryptionConfiguration: {{ EncryptionType: {by} }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&text("AES256")) else { return };
    rig.up();
    rig.write(&text("KMS"));
    rig.run(&["plan"])
        .exits(1)
        .complains("images can't be replaced create-first under the same name")
        .complains("destroy_first");
}

#[test]
fn a_field_that_is_elsewhere_is_told_where() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE}, properties: {{ Tags: [], QueueUrl: x }} }}\n"))
    else {
        return;
    };
    let ran = rig.run(&["plan"]).exits(1);
    ran.complains("say `tags` beside `properties`").complains("`QueueUrl` here: AWS alone says it");
}

#[test]
fn what_something_else_is_changing_is_waited_for() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE}, properties: {{ DelaySeconds: 5 }} }}\n")) else {
        return;
    };
    rig.up();
    rig.write(&format!("  events: {{ kind: {QUEUE}, properties: {{ DelaySeconds: 6 }} }}\n"));
    rig.aws.proxy.misbehave(
        "cloudcontrolapi:UpdateResource",
        Fault::Refuses(400, "ConcurrentOperationException"),
        1,
        4,
    );
    rig.run(&["apply", "--yes"]).exits(0);
    rig.is_level();
}

#[test]
fn what_is_made_of_another_reads_its_attributes() {
    let Some(rig) = Rig::with(&format!(
        "  dead: {{ kind: {QUEUE} }}\n  events:\n    kind: {QUEUE}\n    properties:\n      RedrivePolicy: {{ deadLetterTargetArn: \"{{{{ dead.Arn }}}}\", maxReceiveCount: 3 }}\n"
    )) else {
        return;
    };
    rig.up();
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, QUEUE), [""; 0]);
}

#[test]
fn a_reply_that_is_lost_makes_no_second_queue() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE}, for_each: [a, b, c, d] }}\n")) else { return };
    rig.aws.proxy.misbehave("cloudcontrolapi:CreateResource", Fault::LosesReply, 2, 2);
    rig.aws.proxy.misbehave("cloudcontrolapi:GetResourceRequestStatus", Fault::LosesReply, 2, 2);
    rig.up();
    assert_eq!(all(&rig, QUEUE).len(), 4);
}

/// Cloud Control takes a request before it looks into it: what is wrong comes with the answer to a later question.
#[test]
fn work_that_fails_later_is_told_and_the_next_run_makes_it() {
    for code in [
        "AccessDenied",
        "Throttling",
        "NotStabilized",
        "ServiceInternalError",
        "InvalidRequest",
        "GeneralServiceException",
    ] {
        let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE}, properties: {{ DelaySeconds: 1 }} }}\n"))
        else {
            return;
        };
        rig.aws.fails_later(&[code]);
        rig.run(&["apply", "--yes"]).exits(3).says(code).says("1 failed").says("0 under way");
        rig.up();
        rig.place.edit("DelaySeconds: 1", "DelaySeconds: 2");
        rig.aws.fails_later(&[code]);
        rig.run(&["apply", "--yes"]).exits(3).says(code).says("1 failed");
        rig.up();
        assert_eq!(only(&rig, QUEUE)["DelaySeconds"], 2, "{code}");
        rig.aws.fails_later(&[code]);
        rig.run(&["destroy", "--yes"]).exits(3).says(code);
        rig.run(&["destroy", "--yes"]).exits(0);
        assert_eq!(all(&rig, QUEUE), [""; 0], "{code}");
    }
}

#[test]
fn a_run_that_was_cut_off_asks_after_what_it_began() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE} }}\n")) else { return };
    rig.aws.proxy.misbehave(
        "cloudcontrolapi:GetResourceRequestStatus",
        Fault::Refuses(403, "AccessDeniedException"),
        1,
        1000,
    );
    rig.run(&["apply", "--yes"]).exits(3);
    rig.aws.proxy.behave();
    rig.up();
    assert_eq!(all(&rig, QUEUE).len(), 1);
}

#[test]
fn the_schema_of_a_type_is_asked_for_once() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE}, for_each: [a, b] }}\n")) else { return };
    rig.up();
    rig.run(&["plan"]).exits(0);
    let asked = rig.aws.proxy.take_operations();
    assert_eq!(asked.iter().filter(|call| *call == "cloudformation:DescribeType").count(), 1, "{asked:?}");
}

#[test]
fn what_is_written_and_never_read_is_kept_sealed() {
    let text = |secret: &str| {
        format!(
            "  token:\n    kind: AWS::SecretsManager::Secret\n    properties: {{ Name: token, SecretString: {secret} }}\n"
        )
    };
    let Some(rig) = Rig::with(&text("HUNTER2-first")) else { return };
    rig.up();
    rig.write(&text("HUNTER2-second"));
    let told = rig.run_with(&["plan"], &[("RUST_LOG", "trace")]).exits(2);
    assert!(told.err.contains("TRACE") && !told.err.contains("HUNTER2"), "{}", told.err);
    let ran = rig.run(&["plan"]).exits(2).says("SecretString").says_not("HUNTER2");
    assert!(ran.out.contains("1 to change"), "{}", ran.out);
    let told = rig.run_with(&["apply", "--yes"], &[("RUST_LOG", "trace")]).exits(0);
    let line = told.err.lines().find(|line| line.contains("HUNTER2"));
    assert!(told.err.contains("TRACE") && line.is_none(), "{line:?}");
    rig.is_level();
    assert_eq!(rig.place.files_with("HUNTER2"), [rig.place.path("blueprint.yaml")]);
}

/// What is fixed when a thing is made, and never read again, is in no update; nor are tags that can't be changed.
#[test]
fn what_is_fixed_and_what_is_never_read_stand_in_no_update() {
    let collection = |words: &str| {
        format!(
            "  search:\n    kind: AWS::OpenSearchServerless::Collection\n    properties: {{ Name: words, Description: {words}, EncryptionConfig: {{ AWSOwnedKey: true }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&collection("first")) else { return };
    rig.up();
    rig.write(&collection("second"));
    rig.run(&["plan"]).exits(2).says("1 to change");
    rig.up();
    assert_eq!(only(&rig, "AWS::OpenSearchServerless::Collection")["Description"], "second");
}

#[test]
fn tags_that_must_say_more_say_it() {
    let name = "AWS::AutoScaling::AutoScalingGroup";
    let text = |most: u32| {
        format!(
            "  group:\n    kind: {name}\n    properties: {{ MinSize: '0', MaxSize: '{most}' }}\n    tags: {{ team: a }}\n"
        )
    };
    let Some(rig) = Rig::with(&text(1)) else { return };
    rig.up();
    let before = only(&rig, name)["Tags"].clone();
    assert!(
        before.as_array().unwrap().contains(&json!({ "Key": "team", "Value": "a", "PropagateAtLaunch": false })),
        "{before}"
    );
    rig.write(&text(2));
    rig.up();
    assert_eq!(only(&rig, name)["Tags"], before, "an update leaves alone what it does not change");
}

#[test]
fn a_secret_that_aws_makes_up_is_sealed() {
    let name = "AWS::Cognito::UserPoolClient";
    let Some(rig) = Rig::with(&format!(
        "  client:\n    kind: {name}\n    properties: {{ UserPoolId: us-east-1_pool, GenerateSecret: true }}\n"
    )) else {
        return;
    };
    rig.place.edit("resources:", "outputs: { secret: \"{{ client.ClientSecret }}\" }\nresources:");
    rig.up();
    let listed = json!({ "TypeName": name, "ResourceModel": r#"{ "UserPoolId": "us-east-1_pool" }"# });
    let listed = rig.types("list_resources", listed);
    let key = &listed["ResourceDescriptions"][0]["Identifier"];
    let got = rig.types("get_resource", json!({ "TypeName": name, "Identifier": key }));
    let model: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
    let secret = model["ClientSecret"].as_str().unwrap();
    assert!(rig.place.files_with(secret).is_empty(), "{:?}", rig.place.files_with(secret));
    rig.run(&["output"]).says_not(secret);
    rig.run(&["state", "show", "client"]).says_not(secret);
}

/// A schema that is kept has to do: nobody is asked.
const OFFLINE: &str = "--offline";

#[test]
fn a_type_is_explained_in_the_words_of_aws() {
    let Some(rig) = Rig::with("") else { return };
    let said = |name: &str| rig.run(&["explain", name]).exits(0).out;
    insta::assert_snapshot!([QUEUE, "AWS::SQS::Queue.properties.RedrivePolicy"].map(said).join("---\n"));
    let of = [
        "AWS::SQS::Queue.Arn",
        "AWS::SQS::Queue.tags",
        "AWS::SQS::Queue.for_each",
        "AWS::SecretsManager::Secret.properties.SecretString",
    ];
    insta::assert_snapshot!(of.map(said).join("---\n"));
    let json = rig.run(&["explain", QUEUE, "--json"]).exits(0).json();
    assert_eq!(json["spec"]["properties"]["properties"]["properties"]["QueueName"]["x-immutable"], true, "{json}");
    assert!(json["permissions"]["create"].as_array().unwrap().contains(&json!("sqs:CreateQueue")), "{json}");
    assert_eq!((&json["taggable"], &json["listed"], &json["searched"]), (&json!(true), &json!(true), &json!(true)));
}

#[test]
fn what_a_type_lacks_is_told() {
    let Some(rig) = Rig::with("") else { return };
    let facts = |name: &str| {
        let out = rig.run(&["explain", name]).exits(0).out;
        let facts: Vec<&str> =
            out.lines().skip_while(|line| !line.contains("made by")).take_while(|line| !line.is_empty()).collect();
        format!("{name}\n{}\n", facts.join("\n"))
    };
    let named = [
        "AWS::SNS::Subscription",
        "AWS::EKS::Addon",
        "AWS::SageMaker::Model",
        "AWS::ApiGateway::Deployment",
        "AWS::Lambda::LayerVersion",
    ];
    insta::assert_snapshot!(named.map(facts).concat());
    for name in [
        "AWS::SQS::Queu",
        "AWS::CodeBuild::Project",
        "AWS::SQS::Queue.RedrivePolicy",
        "AWS::SQS::Queue.properties.Redrive",
        "AWS::SQS::Queue.Queue",
    ] {
        rig.run(&["explain", name]).exits(1);
        rig.run(&["explain", name, "--json"]).exits(1).json_lines();
    }
    let complaints = [
        "AWS::SQS::Queu",
        "AWS::CodeBuild::Project",
        "AWS::SQS::Queue.RedrivePolicy",
        "AWS::SQS::Queue.properties.Redrive",
    ];
    insta::assert_snapshot!(complaints.map(|name| rig.run(&["explain", name]).err).join("---\n"));
}

#[test]
fn a_schema_that_is_a_month_old_is_asked_for_again_where_somebody_can_be_asked() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE} }}\n")) else { return };
    rig.up();
    let kept = rig.place.files_with("\"primaryIdentifier\"");
    let [file] = &kept[..] else { panic!("{kept:?}") };
    let aged = |days: u32| {
        let file = std::fs::File::options().append(true).open(file).unwrap();
        let now = file.metadata().unwrap().modified().unwrap();
        file.set_modified(now - std::time::Duration::from_secs(u64::from(days) * 24 * 60 * 60)).unwrap();
    };
    let asked = || {
        let calls = rig.aws.proxy.take_operations();
        calls.iter().filter(|call| *call == "cloudformation:DescribeType").count()
    };
    asked();
    aged(29);
    rig.run(&["plan"]).exits(0);
    assert_eq!(asked(), 0);
    aged(2);
    rig.run(&["plan", OFFLINE]).exits(0);
    assert_eq!(asked(), 0);
    rig.aws.proxy.misbehave("cloudformation:DescribeType", Fault::Refuses(403, "AccessDenied"), 1, 1);
    rig.run(&["plan"]).exits(0);
    assert_eq!(asked(), 1, "what is old does where it can't be had anew");
    rig.run(&["plan"]).exits(0);
    assert_eq!(asked(), 1);
    rig.run(&["plan"]).exits(0);
    assert_eq!(asked(), 0);
}

#[test]
fn offline_a_schema_that_is_not_kept_is_an_error_that_names_what_fetches_it() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE} }}\n")) else { return };
    let asked = || {
        let calls = rig.aws.proxy.take_operations();
        calls.iter().filter(|call| *call == "cloudformation:DescribeType").count()
    };
    for command in [&["plan"][..], &["apply", "--yes"], &["explain", QUEUE]] {
        let command: Vec<&str> = command.iter().copied().chain([OFFLINE]).collect();
        rig.run(&command)
            .exits(1)
            .complains("is not kept on this machine")
            .complains("`trueup explain AWS::SQS::Queue`");
    }
    assert_eq!(asked(), 0);
    rig.run(&["explain", QUEUE]).exits(0);
    assert_eq!(asked(), 1);
    rig.run(&["apply", "--yes", OFFLINE]).exits(0);
    rig.run(&[OFFLINE, "plan"]).exits(0);
    assert_eq!(asked(), 0);
    rig.run(&["explain", QUEUE, OFFLINE]).exits(0);
    assert_eq!(rig.aws.proxy.take_operations(), [""; 0], "what is kept needs no account");
}
