//! Machines on EC2 where something goes wrong: a reply is lost, a run killed, room lacking.

use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::aws::REGION;
use crate::aws::proxy::Fault;
use crate::fleet::{Fleet, group_in, machines_in, tag, text};
use crate::support::eventually;

#[test]
fn of_fifty_machines_of_which_every_fifth_reply_is_lost_there_are_fifty() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("for_each: \"{{ range(50) | list }}\",");
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::LosesReply, 5, 1000);
    fleet.rig.run(&["apply", "--yes"]).exits(0);
    fleet.rig.aws.proxy.behave();
    fleet.rig.is_level();
    let mut ids: Vec<String> = fleet.machines().iter().map(|machine| text(&machine["InstanceId"])).collect();
    ids.sort();
    assert_eq!(ids.len(), 50);
    let listed = fleet.rig.run(&["state", "list", "--json"]).exits(0).json();
    let records = listed["resources"].as_array().unwrap();
    let mut recorded: Vec<String> = records.iter().map(|record| text(&record["current"]["id"])).collect();
    recorded.sort();
    assert_eq!(recorded, ids);
    let tokens = fleet.rig.aws.proxy.asked("ec2:RunInstances");
    assert!(tokens.len() > 50, "replies were lost");
}

#[test]
fn a_run_that_is_killed_while_machines_are_made_leaves_none_twice() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("for_each: [1, 2, 3, 4, 5, 6],");
    for _ in 0..3 {
        let (told, killed) = mpsc::channel();
        fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Kills(told), 2, 1);
        let running = fleet.rig.start(&["apply", "--yes", "--parallelism", "1"]);
        killed.recv_timeout(Duration::from_mins(1)).unwrap();
        running.signal(Signal::KILL);
        running.wait();
        fleet.rig.aws.proxy.behave();
    }
    fleet.rig.up();
    assert_eq!(fleet.machines().len(), 6);
}

#[test]
fn a_repeat_that_is_no_longer_the_same_finds_what_the_first_call_made() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("");
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::LosesReply, 1, 1);
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(400, "IdempotentParameterMismatch"), 1, 1);
    fleet.rig.up();
    fleet.only();
}

#[test]
fn a_machine_that_takes_its_time_is_waited_for_and_one_that_ends_meanwhile_has_failed() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.aws.machines_are_told(REGION, &json!({ "pending": 2 }));
    fleet.write("");
    fleet.rig.up();
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    fleet.rig.aws.machines_are_told(REGION, &json!({ "pending": 100_000 }));
    let running = fleet.rig.start(&["apply", "--yes"]);
    eventually("a machine is launched", || !fleet.machines().is_empty());
    let told = json!({ "end": fleet.id(), "code": "Server.InsufficientInstanceCapacity" });
    fleet.rig.aws.machines_are_told(REGION, &told);
    running.wait().exits(3).says("Server.InsufficientInstanceCapacity").says("1 failed");
    fleet.rig.aws.machines_are_told(REGION, &json!({ "pending": 0 }));
    fleet.rig.up();
}

#[test]
fn where_there_is_no_room_the_next_place_has_the_machine() {
    let Some(fleet) = Fleet::start() else { return };
    let (here, there) = (&fleet.group, group_in(&fleet.rig, "eu-west-1", "machines"));
    let place = |region: &str, group: &str| {
        format!("{{ provider: aws, region: {region}, options: {{ aws: {{ security_groups: [{group}] }} }} }}")
    };
    fleet.rig.write(&format!(
        "  m: {{ kind: gpu_instance, gpu: {{ model: A10G }}, placement: [{}, {}] }}\n",
        place(REGION, here),
        place("eu-west-1", &there)
    ));
    let full = || Fault::Refuses(500, "InsufficientInstanceCapacity");
    fleet.rig.aws.proxy.misbehave_in(REGION, "ec2:RunInstances", full(), 1000);
    fleet.rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!((fleet.machines().len(), machines_in(&fleet.rig, "eu-west-1").len()), (0, 1));
    // Where it is it stays, once there is room elsewhere.
    fleet.rig.aws.proxy.behave();
    fleet.rig.is_level();
    let shown = fleet.rig.run(&["state", "show", "m", "--json"]).exits(0).json();
    assert_eq!(shown["current"]["attributes"]["price_per_hour"], Json::Null, "{shown}");
}

#[test]
fn a_machine_is_not_given_up_before_there_is_room_for_another() {
    let Some(fleet) = Fleet::with("") else { return };
    let id = fleet.id();
    for code in ["InsufficientInstanceCapacity", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "Unsupported"] {
        fleet.write("env: { A: b },");
        fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(400, code), 1, 1000);
        fleet.rig.run(&["apply", "--yes"]).exits(3).says(code).says("the old one stays");
        assert_eq!((fleet.id(), fleet.only()["State"]["Name"].clone()), (id.clone(), json!("running")));
        fleet.rig.aws.proxy.behave();
        fleet.write("");
        fleet.rig.is_level();
    }
}

#[test]
fn an_instance_profile_that_ec2_does_not_know_yet_is_waited_for() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.aws.boto("iam", "create_instance_profile", json!({ "InstanceProfileName": "one" }));
    let unknown =
        Fault::RefusesFor(400, "InvalidParameterValue", "Value (one) for parameter iamInstanceProfile.name is invalid");
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", unknown, 1, 2);
    fleet.write("identity: one,");
    fleet.rig.up();
    assert!(text(&fleet.only()["IamInstanceProfile"]["Arn"]).ends_with("/one"));
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(400, "InvalidParameterValue"), 1, 1);
    fleet.write("identity: one, env: { A: b },");
    fleet.rig.run(&["apply", "--yes"]).exits(3).says("InvalidParameterValue");
}

#[test]
fn a_machine_that_is_protected_at_aws_is_told_so() {
    let Some(fleet) = Fleet::with("") else { return };
    let protect = |is: bool| json!({ "InstanceId": fleet.id(), "DisableApiTermination": { "Value": is } });
    fleet.by_hand("modify_instance_attribute", protect(true));
    fleet.rig.run(&["destroy", "--yes"]).exits(3).says("protected from termination");
    fleet.by_hand("modify_instance_attribute", protect(false));
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    fleet.is_gone();
}

#[test]
fn replies_that_are_lost_and_calls_that_are_too_many_change_nothing_but_the_time() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.rig.aws.proxy.misbehave("ec2:DescribeInstances", Fault::Refuses(503, "RequestLimitExceeded"), 3, 4);
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Refuses(503, "RequestLimitExceeded"), 1, 2);
    fleet.write("tags: { team: a },");
    fleet.rig.up();
    let id = fleet.id();
    for operation in ["ec2:CreateTags", "ec2:ModifyVolume"] {
        fleet.rig.aws.proxy.misbehave(operation, Fault::LosesReply, 1, 1);
    }
    fleet.write("tags: { team: b }, disk: { size_gb: 200 },");
    // What an interrupted change came to, the next plan compares.
    for _ in 0..3 {
        fleet.rig.run(&["apply", "--yes"]);
    }
    fleet.rig.is_level();
    assert_eq!(
        (fleet.id(), fleet.disk()["Size"].clone(), tag(&fleet.only(), "team")),
        (id, json!(200), Some("b".to_owned()))
    );
    fleet.rig.aws.proxy.misbehave("ec2:TerminateInstances", Fault::LosesReply, 1, 1);
    fleet.rig.run(&["destroy", "--yes"]).exits(0);
    fleet.is_gone();
}

/// The same token answers with the same machine, whatever became of it since.
#[test]
fn a_repeat_that_names_a_machine_that_has_ended_has_failed_and_then_another_is_made() {
    let Some(fleet) = Fleet::start() else { return };
    fleet.write("");
    let (told, killed) = mpsc::channel();
    fleet.rig.aws.proxy.misbehave("ec2:RunInstances", Fault::Kills(told), 1, 1);
    let running = fleet.rig.start(&["apply", "--yes"]);
    killed.recv_timeout(Duration::from_mins(1)).unwrap();
    running.signal(Signal::KILL);
    running.wait();
    fleet.rig.aws.proxy.behave();
    let first = fleet.id();
    fleet.rig.aws.machines_are_told(REGION, &json!({ "end": first, "code": "Server.InternalError" }));
    let ran = fleet.rig.run(&["apply", "--yes"]);
    assert!(format!("{}{}", ran.out, ran.err).contains("ended before it ran"), "{ran:?}");
    fleet.rig.up();
    assert_ne!(fleet.id(), first);
    let asked = fleet.rig.aws.proxy.asked("ec2:RunInstances");
    assert_eq!(
        (asked.len(), asked[0] == asked[1], asked[1]["ClientToken"] == asked[2]["ClientToken"]),
        (3, true, false)
    );
}
