//! Identities: roles that may do what is said and nothing else.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::composed::ROLE;
use crate::natives::{QUEUE, all, by_hand, only};
use crate::rig::Rig;

/// The statements of the policy that a role has of us.
fn statements(rig: &Rig) -> Json {
    let role = only(rig, ROLE)["RoleName"].as_str().unwrap().to_owned();
    let asked = json!({ "TypeName": "AWS::IAM::RolePolicy", "Identifier": format!("trueup|{role}") });
    let got = rig.types("get_resource", asked);
    let Some(text) = got["ResourceDescription"]["Properties"].as_str() else { return Json::Null };
    serde_json::from_str::<Json>(text).unwrap()["PolicyDocument"]["Statement"].clone()
}

fn text(can: &str, more: &str) -> String {
    format!(
        "  weights: {{ kind: bucket }}\n  events: {{ kind: {QUEUE}, properties: {{ QueueName: events }} }}\n  runner: {{ kind: identity, can: [{can}]{more} }}\n"
    )
}

#[test]
fn it_may_do_what_is_said_of_what_is_made_beside_it() {
    let Some(rig) = Rig::with(&text("{ read: \"{{ weights }}\" }", "")) else { return };
    rig.up();
    let said = statements(&rig);
    assert_eq!(said[1]["Resource"], json!([format!("arn:aws:s3:::{}/*", rig.buckets()[0])]), "{said}");
    assert_eq!(said[1]["Action"], json!(["s3:GetObject"]), "{said}");
    let (role, profile) = (only(&rig, ROLE), only(&rig, "AWS::IAM::InstanceProfile"));
    assert_eq!((&profile["InstanceProfileName"], &profile["Roles"][0]), (&role["RoleName"], &role["RoleName"]));

    rig.write(&text("{ read: \"{{ weights }}\" }, { write: \"{{ events }}\" }", ""));
    rig.run(&["plan"]).exits(2).says("0 to create, 2 to change").says("can");
}

#[test]
fn it_is_changed_put_right_replaced_and_removed() {
    let Some(rig) = Rig::with(&text("{ write: \"{{ events }}\" }", ", tags: { team: a }")) else { return };
    rig.up();
    assert_eq!(statements(&rig)[0]["Resource"], json!([only(&rig, QUEUE)["Arn"]]));
    rig.write(&text("{ read: \"{{ events }}\" }", ", tags: { team: a }"));
    rig.up();
    assert!(statements(&rig).to_string().contains("sqs:ReceiveMessage"));
    let trusts =
        |rig: &Rig| only(rig, ROLE)["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"].clone();
    rig.write(&text("{ read: \"{{ events }}\" }", ", tags: { team: a }, used_by: [function]"));
    rig.up();
    assert_eq!(trusts(&rig), json!(["lambda.amazonaws.com"]));
    assert_eq!(all(&rig, "AWS::IAM::InstanceProfile"), [""; 0], "only a machine needs one");

    // Whoever lets in more is put right.
    let open = json!([{ "op": "add", "path": "/AssumeRolePolicyDocument", "value": {
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": ["ec2.amazonaws.com"] }, "Action": ["sts:AssumeRole"] }] } }]);
    by_hand(&rig, ROLE, open);
    rig.corrects("properties.AssumeRolePolicyDocument");
    assert_eq!(trusts(&rig), json!(["lambda.amazonaws.com"]));

    let before = only(&rig, ROLE)["RoleName"].clone();
    rig.write(&text("{ read: \"{{ events }}\" }", ", tags: { team: a }, used_by: [function], name: runner"));
    rig.up();
    assert_ne!(only(&rig, ROLE)["RoleName"], before);
    assert_eq!(only(&rig, ROLE)["RoleName"], "runner");
    rig.write(&text("", ", used_by: [function], name: runner"));
    rig.up();
    assert_eq!(statements(&rig), Json::Null, "a policy of nothing is none");
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!([all(&rig, ROLE).len(), all(&rig, QUEUE).len(), rig.buckets().len()], [0; 3]);
}

#[test]
fn a_function_that_acts_as_one_may_write_its_log_besides() {
    let Some(rig) = Rig::with(&text("{ read: \"{{ events }}\" }", ", used_by: [function, schedule]")) else { return };
    rig.place.edit(
        "  runner:",
        "  retrain: { kind: function, code: { image: \"r/i:1\" }, identity: \"{{ runner.resource_id }}\" }\n  hourly: { kind: schedule, every: 1h, starts: { function: \"{{ retrain }}\" }, identity: \"{{ runner.resource_id }}\" }\n  runner:",
    );
    rig.up();
    let (role, function) = (only(&rig, ROLE), only(&rig, "AWS::Lambda::Function"));
    assert_eq!(function["Role"], role["Arn"]);
    assert_eq!(only(&rig, "AWS::Scheduler::Schedule")["Target"]["RoleArn"], role["Arn"]);
    let log = only(&rig, "AWS::Logs::LogGroup")["Arn"].clone();
    // `retrain` is the address: its digest is in the name of the policy.
    let name = format!("trueup-log-{}|{}", &digest("retrain")[..8], role["RoleName"].as_str().unwrap());
    let got = rig.types("get_resource", json!({ "TypeName": "AWS::IAM::RolePolicy", "Identifier": name }));
    let policy: Json = serde_json::from_str(got["ResourceDescription"]["Properties"].as_str().unwrap()).unwrap();
    assert_eq!(policy["PolicyDocument"]["Statement"][0]["Resource"], json!([log]));
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, ROLE), [""; 0]);
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[test]
fn what_another_cloud_makes_is_an_error_that_names_both() {
    let Some(rig) = Rig::with("") else { return };
    rig.place.write(
        "blueprint.yaml",
        "blueprint: demo\nproviders: { aws: {}, local: {} }\nresources:\n  data: { kind: bucket, provider: local }\n  runner: { kind: identity, can: [{ read: \"{{ data }}\" }] }\n",
    );
    let said = rig.run(&["plan"]).exits(1);
    said.complains("`runner` is made by `aws`, and can't read `data`, which `local` makes")
        .complains("blueprint.yaml:5:");
}
