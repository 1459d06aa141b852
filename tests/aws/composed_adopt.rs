//! What is composed and there already: read as it is, and taken over part by part.

use serde_json::json;

use crate::composed::ROLE;
use crate::natives::{all, only};
use crate::natives_adopt::made;
use crate::rig::Rig;

/// Takes a resource out of the state, and over again by an id: nothing is left to do then.
fn adopts(resources: &str, address: &str, id: impl Fn(&Rig) -> String) {
    let Some(rig) = Rig::with(resources) else { return };
    rig.up();
    rig.run(&["state", "forget", address, "--yes"]).exits(0);
    rig.run(&["plan"]).exits(2).says("to create");
    rig.run(&["adopt", address, "--id", "nobody", "--yes"]).exits(1);
    let id = id(&rig);
    rig.run(&["adopt", address, "--id", &id, "--yes"]).exits(0).says("its parts");
    rig.is_level();
    rig.run(&["destroy", "--yes"]).exits(0);
}

fn text(rig: &Rig, kind: &str, name: &str) -> String {
    only(rig, kind)[name].as_str().unwrap().to_owned()
}

#[test]
fn an_identity_by_its_role() {
    let resources = "  weights: { kind: bucket }\n  runner: { kind: identity, can: [{ read: \"{{ weights }}\" }] }\n";
    adopts(resources, "runner", |rig| text(rig, ROLE, "Arn"));
}

#[test]
fn a_function_by_its_name_and_a_schedule_by_its_arn() {
    let function = "  retrain: { kind: function, code: { image: \"r/i:1\" } }\n";
    let schedule =
        "  hourly: { kind: schedule, every: 1h, starts: { queue: \"arn:aws:sqs:us-east-1:123456789012:a\" } }\n";
    adopts(schedule, "hourly", |rig| text(rig, "AWS::Scheduler::Schedule", "Arn"));
    let Some(rig) = Rig::with(function) else { return };
    rig.up();
    rig.run(&["state", "forget", "retrain", "--yes"]).exits(0);
    let name = text(&rig, "AWS::Lambda::Function", "FunctionName");
    // Its program is never told again, so that the next plan says it once more.
    rig.run(&["adopt", "retrain", "--id", &name, "--yes"]).exits(0).says("its parts");
    rig.up();
    assert_eq!(all(&rig, "AWS::Lambda::Function").len(), 1);
}

#[test]
fn a_registry_a_disk_and_a_budget() {
    adopts("  images: { kind: registry }\n", "images", |rig| text(rig, "AWS::ECR::Repository", "RepositoryUri"));
    let disk = "  disk: { kind: volume, zone: us-east-1a }\n";
    adopts(disk, "disk", |rig| text(rig, "AWS::EC2::Volume", "VolumeId"));
    adopts("  month: { kind: budget, amount_usd: 5 }\n", "month", |rig| text(rig, "AWS::Budgets::Budget", "Id"));
}

#[test]
fn a_network_by_its_vpc_with_all_that_is_in_it() {
    let closed = "  net: { kind: network, zones: [us-east-1a, us-east-1b] }\n";
    adopts(closed, "net", |rig| text(rig, "AWS::EC2::VPC", "VpcId"));
    let open = "  net: { kind: network, zones: [us-east-1c], internet: true }\n";
    adopts(open, "net", |rig| text(rig, "AWS::EC2::VPC", "VpcId"));
}

#[test]
fn what_others_made_is_read_and_stays() {
    let Some(rig) = Rig::with("") else { return };
    let trust = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "Service": ["ec2.amazonaws.com"] }, "Action": ["sts:AssumeRole"] }] });
    made(&rig, ROLE, &json!({ "RoleName": "theirs", "AssumeRolePolicyDocument": trust }));
    rig.write("  theirs: { kind: identity, existing: theirs }\n");
    rig.place.edit("resources:", "outputs: { arn: \"{{ theirs.resource_id }}\" }\nresources:");
    rig.run(&["apply", "--yes"]).exits(0).says(":role/theirs");
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, ROLE), ["theirs"]);
}
