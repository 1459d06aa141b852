//! Machines whose launches lose their replies, fail, or are cut off.

use rustix::process::Signal;
use serde_json::json;

use crate::rig::Rig;
use crate::support::eventually;

const MACHINE: &str = "  m: { kind: gpu_instance, gpu: { model: L4, count: 1 } }\n";

/// The paths of all machines.
fn machines(rig: &Rig) -> Vec<String> {
    rig.gcp.things().into_iter().filter(|path| path.contains("/instances/")).collect()
}

#[test]
fn fifty_are_made_though_every_fifth_reply_is_lost() {
    let many = "  m: { kind: gpu_instance, for_each: \"{{ range(50) }}\", gpu: { model: L4, count: 1 } }\n";
    let Some(rig) = Rig::with(many) else { return };
    rig.gcp.misbehaves("*", json!("lost"), 5, 1000);
    rig.run(&["apply", "--yes"]).exits(0);
    rig.gcp.behaves();
    assert_eq!(machines(&rig).len(), 50);
    let listed = rig.run(&["state", "list", "--json"]).exits(0).json();
    let of_machines = |one: &&serde_json::Value| one["kind"] == "gpu_instance";
    assert_eq!(listed["resources"].as_array().map(|all| all.iter().filter(of_machines).count()), Some(50), "{listed}");
    rig.is_level();
}

#[test]
fn a_run_that_was_cut_off_finds_its_machine_again() {
    for after in ["compute.instances.insert", "compute.zoneOperations.get"] {
        let Some(rig) = Rig::with(MACHINE) else { return };
        let running = rig.start(&["apply", "--yes"]);
        let mut calls = Vec::new();
        eventually("it is asked for", || {
            calls.extend(rig.gcp.take_calls());
            calls.iter().any(|call| call == after)
        });
        running.signal(Signal::KILL);
        running.wait();
        rig.up();
        assert_eq!(machines(&rig).len(), 1, "{calls:?}");
        rig.down();
    }
}

#[test]
fn what_is_refused_is_told_and_what_may_pass_is_tried_again() {
    let Some(rig) = Rig::with(MACHINE) else { return };
    let denied = json!({ "status": 403, "code": "PERMISSION_DENIED", "reason": "forbidden", "message": "no compute.instances.create" });
    rig.gcp.misbehaves("compute.instances.insert", denied, 1, 1);
    rig.run(&["apply", "--yes"]).exits(3).says("no compute.instances.create");
    assert_eq!(machines(&rig), [""; 0]);
    let busy = json!({ "status": 403, "code": "RESOURCE_EXHAUSTED", "reason": "rateLimitExceeded" });
    rig.gcp.misbehaves("compute.instances.insert", busy.clone(), 1, 2);
    rig.gcp.misbehaves("compute.instances.aggregatedList", busy, 1, 2);
    rig.gcp.misbehaves("compute.zoneOperations.get", json!({ "status": 503 }), 1, 2);
    rig.up();
    rig.down();
}

#[test]
fn a_name_that_somebody_has_is_not_taken_over() {
    let Some(rig) = Rig::with("  m: { kind: gpu_instance, name: theirs, gpu: none }\n") else { return };
    let body = json!({
        "name": "theirs", "machineType": "zones/europe-west4-a/machineTypes/e2-standard-2",
        "disks": [{ "boot": true, "autoDelete": true, "initializeParams": { "diskSizeGb": "100" } }],
        "networkInterfaces": [{ "network": "projects/x/global/networks/default" }],
    });
    let made = rig.sees("compute.v1.instances", "insert", rig.in_zone(json!({ "body": body })));
    for _ in 0..2 {
        rig.sees("compute.v1.zoneOperations", "get", rig.in_zone(json!({ "operation": made["name"] })));
    }
    rig.run(&["apply", "--yes"]).exits(3).says("already exists");
    let there = rig.sees("compute.v1.instances", "get", rig.in_zone(json!({ "instance": "theirs" })));
    assert_eq!(there.get("labels"), None, "{there}");
}
