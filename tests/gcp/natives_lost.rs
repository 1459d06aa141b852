//! Replies that never come, calls that are refused, work that fails later, and runs that are cut off.

use rustix::process::Signal;
use serde_json::json;

use crate::rig::Rig;
use crate::support::eventually;

#[test]
fn fifty_are_made_though_every_fifth_reply_is_lost() {
    let Some(rig) = Rig::with("  t: { kind: pubsub.v1.projects.topics, for_each: \"{{ range(50) }}\" }\n") else {
        return;
    };
    rig.gcp.misbehaves("*", json!("lost"), 5, 1000);
    rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!(rig.gcp.things().len(), 50);
    rig.gcp.behaves();
    let listed = rig.run(&["state", "list", "--json"]).exits(0).json();
    assert_eq!(listed["resources"].as_array().map(Vec::len), Some(50), "{listed}");
    rig.is_level();
}

#[test]
fn what_google_names_is_made_once_though_its_reply_is_lost() {
    let Some(rig) = Rig::with(
        "  page: { kind: monitoring.v3.projects.alertPolicies, properties: { displayName: a, combiner: OR } }\n",
    ) else {
        return;
    };
    rig.gcp.misbehaves("monitoring.projects.alertPolicies.create", json!("lost"), 1, 1);
    rig.up();
    assert_eq!(rig.gcp.things().len(), 1);
    rig.down();
}

#[test]
fn what_is_too_much_is_asked_again() {
    let Some(rig) = Rig::with("  t: { kind: pubsub.v1.projects.topics }\n") else { return };
    let busy = json!({ "status": 429, "code": "RESOURCE_EXHAUSTED", "reason": "RATE_LIMIT_EXCEEDED" });
    rig.gcp.misbehaves("pubsub.projects.topics.create", busy.clone(), 1, 2);
    rig.gcp.misbehaves("pubsub.projects.topics.get", busy, 1, 2);
    rig.up();
}

#[test]
fn a_refusal_is_told_with_googles_code_and_what_to_do() {
    let Some(rig) = Rig::with("  t: { kind: pubsub.v1.projects.topics }\n") else { return };
    let denied = json!({ "status": 403, "code": "PERMISSION_DENIED", "reason": "IAM_PERMISSION_DENIED", "message": "no pubsub.topics.create" });
    rig.gcp.misbehaves("pubsub.projects.topics.create", denied, 1, 1);
    rig.run(&["apply", "--yes"]).exits(3).says("IAM_PERMISSION_DENIED").says("no pubsub.topics.create");
    rig.up();
}

#[test]
fn work_that_fails_later_is_told_and_the_next_run_makes_it() {
    let Some(rig) = Rig::with("  net: { kind: compute.v1.networks, properties: { autoCreateSubnetworks: false } }\n")
    else {
        return;
    };
    rig.gcp.fails_later(&["ZONE_RESOURCE_POOL_EXHAUSTED"]);
    rig.run(&["apply", "--yes"]).exits(3).says("ZONE_RESOURCE_POOL_EXHAUSTED");
    assert_eq!(rig.gcp.things(), [""; 0]);
    rig.up();
    rig.down();
}

#[test]
fn a_run_that_was_cut_off_asks_after_what_it_began() {
    let Some(rig) = Rig::with("  net: { kind: compute.v1.networks, properties: { autoCreateSubnetworks: false } }\n")
    else {
        return;
    };
    let running = rig.start(&["apply", "--yes"]);
    let mut calls = Vec::new();
    eventually("it is asked for", || {
        calls.extend(rig.gcp.take_calls());
        calls.iter().any(|call| call == "compute.networks.insert")
    });
    running.signal(Signal::KILL);
    running.wait();
    rig.up();
    calls.extend(rig.gcp.take_calls());
    assert!(rig.gcp.things().len() == 1, "{calls:?}");
}

#[test]
fn a_name_that_somebody_has_is_not_taken_over() {
    let Some(rig) = Rig::with("  t: { kind: pubsub.v1.projects.topics, name: theirs }\n") else { return };
    let name = format!("projects/{}/topics/theirs", rig.gcp.project);
    rig.sees("pubsub.v1.projects.topics", "create", json!({ "name": name, "body": {} }));
    rig.run(&["apply", "--yes"]).exits(3).says("already exists");
    rig.run(&["adopt", "t", "--yes"]).exits(0);
    rig.up();
}
