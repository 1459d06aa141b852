//! Native kinds that are there already come under management.

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::natives::{QUEUE, all};
use crate::rig::Rig;

/// Makes a thing with Cloud Control, as others do: its identifier.
pub(crate) fn made(rig: &Rig, name: &str, properties: &Json) -> String {
    let asked = json!({ "TypeName": name, "DesiredState": properties.to_string() });
    let event = rig.types("create_resource", asked)["ProgressEvent"].clone();
    let status = json!({ "RequestToken": event["RequestToken"] });
    while rig.types("get_resource_request_status", status.clone())["ProgressEvent"]["OperationStatus"] == "IN_PROGRESS"
    {
    }
    event["Identifier"].as_str().unwrap_or_else(|| panic!("{event}")).to_owned()
}

/// How often an operation was called since this was asked last.
fn calls(rig: &Rig) -> impl Fn(&str) -> usize + use<> {
    let calls = rig.aws.proxy.take_operations();
    move |operation| calls.iter().filter(|call| call.ends_with(operation)).count()
}

fn queues(entries: &str) -> String {
    format!("  events:\n    kind: {QUEUE}\n    for_each: [{entries}]\n    properties: {{ DelaySeconds: 5 }}\n")
}

#[test]
fn what_was_forgotten_is_found_by_its_tags_with_one_list() {
    let Some(rig) = Rig::with(&queues("a, b")) else { return };
    rig.up();
    (0..30).for_each(|n| drop(made(&rig, QUEUE, &json!({ "DelaySeconds": n }))));
    rig.aws.proxy.take_operations();
    rig.run(&["drift"]).exits(0);
    let drift = calls(&rig);
    assert_eq!((drift("ListResources"), drift("GetResource")), (0, 2), "drift is one read an object");
    rig.run(&["state", "forget", "events", "--yes"]).exits(0);
    rig.run(&["plan"]).exits(2).says("2 to create");
    assert_eq!(calls(&rig)("ListResources"), 0, "a plan lists nothing");
    rig.run(&["adopt", "--yes"])
        .exits(0)
        .says("by its tags")
        .says("Adopted: 2 resources. It is what the blueprint says.");
    let adopted = calls(&rig);
    // Two pages of 32 queues, each of which is read; once to show it, and once under the lease. Then the two that were found, by their ids.
    assert_eq!((adopted("ListResources"), adopted("GetResource")), (2 * 2, 2 * (32 + 2)));
    rig.is_level();
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, QUEUE).len(), 30, "what others made stays");
}

#[test]
fn a_queue_is_adopted_by_its_id_and_tagged_by_the_next_update() {
    let Some(rig) = Rig::with(&format!("  events: {{ kind: {QUEUE}, properties: {{ DelaySeconds: 9 }} }}\n")) else {
        return;
    };
    let id = made(&rig, QUEUE, &json!({ "DelaySeconds": 5, "VisibilityTimeout": 60 }));
    rig.run(&["adopt", "events", "--yes"]).exits(1).complains("events can't be looked for").complains("--id ID");
    rig.run(&["adopt", "events", "--id", "nowhere", "--yes"])
        .exits(1)
        .complains(&format!("no {QUEUE} with the id `nowhere`"));
    let said = rig.run(&["adopt", "events", "--id", &id, "--yes"]).exits(0);
    said.says("5 → 9").says("Without this stack's tags until an update writes them: 1.").says_not("VisibilityTimeout");
    rig.up();
    let got = rig.types("get_resource", json!({ "TypeName": QUEUE, "Identifier": id }));
    let queue: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
    assert_eq!((&queue["DelaySeconds"], &queue["VisibilityTimeout"]), (&json!(9), &json!(60)), "{queue}");
    assert!(queue["Tags"].to_string().contains("trueup:stack"), "{queue}");
}

#[test]
fn what_a_blueprint_names_itself_is_read_and_no_list_made() {
    let group = |name: &str| {
        format!(
            "  log: {{ kind: \"AWS::Logs::LogGroup\", properties: {{ LogGroupName: {name}, RetentionInDays: 7 }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&group("/apps/other")) else { return };
    made(&rig, "AWS::Logs::LogGroup", &json!({ "LogGroupName": "/apps/chat", "RetentionInDays": 7 }));
    rig.run(&["adopt", "log", "--yes"]).exits(1).complains("no AWS::Logs::LogGroup with the name `/apps/other`");
    rig.write(&group("/apps/chat"));
    rig.run(&["adopt", "--yes"]).exits(0).says("/apps/chat at aws, by its name");
    rig.is_level();
    assert_eq!(calls(&rig)("ListResources"), 0);
}

#[test]
fn what_is_listed_under_a_parent_is_looked_for_there() {
    let kind = "AWS::AppConfig::Environment";
    let text = |parent: &str| {
        format!("  stage: {{ kind: \"{kind}\", properties: {{ ApplicationId: {parent}, Name: stage }} }}\n")
    };
    let Some(rig) = Rig::with(&text("aaaaaaa")) else { return };
    rig.up();
    made(&rig, kind, &json!({ "ApplicationId": "bbbbbbb", "Name": "other" }));
    rig.run(&["state", "forget", "stage", "--yes"]).exits(0);
    rig.write(&text("bbbbbbb"));
    rig.run(&["adopt", "stage", "--yes"]).exits(1).complains(&format!("there is no {kind} with its tags"));
    rig.write(&text("aaaaaaa"));
    rig.aws.proxy.take_operations();
    rig.run(&["adopt", "stage", "--yes"]).exits(0).says("by its tags");
    rig.is_level();
}

#[test]
fn several_that_bear_the_same_tags_are_named_and_a_list_that_is_refused_is_no_absence() {
    let Some(rig) = Rig::with(&queues("a")) else { return };
    rig.up();
    let first = all(&rig, QUEUE).remove(0);
    let got = rig.types("get_resource", json!({ "TypeName": QUEUE, "Identifier": first }));
    let queue: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
    rig.run(&["state", "forget", "events", "--yes"]).exits(0);
    let refuses = Fault::Refuses(403, "AccessDeniedException");
    rig.aws.proxy.misbehave("cloudcontrolapi:ListResources", refuses, 1, 1000);
    let said = rig.run(&["adopt", "--yes"]).exits(3).says("what is there can't be told");
    said.says("AccessDeniedException").says("Nothing was found to adopt.");
    rig.aws.proxy.behave();
    let second = made(&rig, QUEUE, &json!({ "Tags": queue["Tags"] }));
    let said = rig.run(&["adopt", "--yes"]).exits(0).says("several things bear its tags").says(&first).says(&second);
    said.says("Nothing was found to adopt.");
}

#[test]
fn what_has_neither_tags_nor_a_name_needs_its_id() {
    let kind = "AWS::SNS::Subscription";
    let Some(rig) = Rig::with("") else { return };
    let topic = made(&rig, "AWS::SNS::Topic", &json!({ "TopicName": "a" }));
    rig.write(&format!(
        "  mail: {{ kind: \"{kind}\", properties: {{ TopicArn: '{topic}', Protocol: email, Endpoint: a@example.org }} }}\n"
    ));
    rig.up();
    rig.run(&["state", "forget", "mail", "--yes"]).exits(0);
    rig.aws.proxy.take_operations();
    rig.run(&["adopt", "mail", "--yes"]).exits(1).complains("mail can't be looked for");
    assert_eq!(calls(&rig)("ListResources"), 0);
    let id = all(&rig, kind).remove(0);
    rig.run(&["adopt", "mail", "--id", &id, "--yes"]).exits(0).says("Adopted: 1 resource.");
    rig.is_level();
}

#[test]
fn what_aws_writes_otherwise_than_it_was_told_is_the_same() {
    let group = |name: &str| {
        format!(
            "  data: {{ kind: \"AWS::RDS::DBSubnetGroup\", properties: {{ DBSubnetGroupName: {name}, \
             DBSubnetGroupDescription: d, SubnetIds: [subnet-1, subnet-2] }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&group("Ml-Data")) else { return };
    let said = json!({
        "DBSubnetGroupName": "Ml-Data", "DBSubnetGroupDescription": "d", "SubnetIds": ["subnet-1", "subnet-2"],
    });
    made(&rig, "AWS::RDS::DBSubnetGroup", &said);
    rig.run(&["adopt", "--yes"]).exits(0).says("It is what the blueprint says.");
    rig.is_level();
    rig.write(&group("ML-DATA"));
    rig.is_level();
    rig.write(&group("ml-other"));
    rig.run(&["plan"]).exits(2).says(r#""Ml-Data" → "ml-other""#).says("1 to replace");
    rig.write(&group("Ml-Data"));
    rig.run(&["destroy", "--yes"]).exits(0);
    // What Trueup made itself is known by what it sent.
    rig.up();
    rig.is_level();
    assert_eq!(all(&rig, "AWS::RDS::DBSubnetGroup"), ["ml-data"]);
    rig.write(&group("ml-data"));
    rig.is_level();
}

#[test]
fn a_zone_that_is_adopted_by_its_id_may_be_called_without_its_last_dot() {
    let zone =
        |name: &str| format!("  zone: {{ kind: \"AWS::Route53::HostedZone\", properties: {{ Name: {name} }} }}\n");
    let Some(rig) = Rig::with(&zone("Example.com")) else { return };
    let id = made(&rig, "AWS::Route53::HostedZone", &json!({ "Name": "example.com" }));
    rig.run(&["adopt", "zone", "--id", &id, "--yes"]).exits(0).says("It is what the blueprint says.");
    rig.run(&["drift"]).exits(0);
    rig.write(&zone("example.org"));
    rig.run(&["plan"]).exits(2).says(r#""Example.com" → "example.org""#).says("1 to replace");
}

#[test]
fn what_is_listed_under_one_of_two_parents_is_looked_for_by_the_one_that_is_said() {
    let kind = "AWS::ElasticLoadBalancingV2::ListenerRule";
    let rule = |priority: u64| {
        format!(
            "  rule: {{ kind: \"{kind}\", properties: {{ ListenerArn: \"arn:aws:listener/a\", Priority: {priority}, \
             Actions: [{{ Type: fixed-response, FixedResponseConfig: {{ StatusCode: \"200\" }} }}], \
             Conditions: [{{ Field: path-pattern, Values: [/a] }}] }} }}\n"
        )
    };
    let Some(rig) = Rig::with(&rule(1)) else { return };
    rig.up();
    rig.run(&["state", "forget", "rule", "--yes"]).exits(0);
    rig.run(&["adopt", "rule", "--yes"]).exits(0).says("by its tags");
    rig.is_level();
    rig.run(&["explain", kind]).exits(0).says("those of one `ListenerArn`, or of one `RuleArns`");
}

#[test]
fn what_others_made_is_found_by_the_name_that_a_blueprint_gives_it() {
    let queue = |name: &str| format!("  events: {{ kind: {QUEUE}, properties: {{ QueueName: {name} }} }}\n");
    let Some(rig) = Rig::with(&queue("none")) else { return };
    let id = made(&rig, QUEUE, &json!({ "QueueName": "jobs", "DelaySeconds": 3 }));
    made(&rig, QUEUE, &json!({ "QueueName": "other" }));
    rig.run(&["adopt", "events", "--yes"]).exits(1).complains("with the name `none`");
    rig.write(&queue("jobs"));
    rig.run(&["adopt", "--yes"]).exits(0).says("by its name").says(&id);
    rig.is_level();
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, QUEUE).len(), 1, "what is called otherwise stays");
}
