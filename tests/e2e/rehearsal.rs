//! What can go wrong in a cloud, rehearsed on `sim`: what no rule can settle, and what a person does then.

use crate::support::Place;

/// A kind that has neither tags nor tokens: nobody can tell whether a create whose reply was lost made something.
const LOST: &str = r"blueprint: demo
providers:
  sim:
    untaggable: [bucket]
    tokenless: [bucket]
    faults: [{ fault: lost, call: create, address: one }]
resources:
  one: { kind: bucket }
  two: { kind: bucket }
";

/// One whose create was lost, and stopped; the other was made all the same.
fn stopped() -> Place {
    let place = Place::with(LOST);
    place.run(&["apply", "--yes"]).exits(3).says("trueup state resolve one");
    place.run(&["state", "show", "two"]).exits(0);
    place.run(&["plan"]).says("`trueup state resolve` settles it");
    // However often it is applied: nothing is made twice.
    place.run(&["apply", "--yes"]);
    assert_eq!(objects(&place).len(), 2);
    place
}

/// The ids of what the cloud has, with the addresses that it was made for.
fn objects(place: &Place) -> Vec<(String, String)> {
    let lines = place.run(&["sim", "objects", "--json"]).exits(0).json_lines();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    lines.iter().map(|object| (text(&object["address"]), text(&object["id"]))).collect()
}

#[test]
fn what_can_not_be_told_now_stays_open_and_ends_no_apply_well() {
    let cloud = |faults: &str, others: &str| {
        format!(
            "blueprint: demo
providers: {{ sim: {{ named_by_caller: [bucket], tokenless: [bucket], faults: [{faults}] }} }}
resources: {{ one: {{ kind: bucket }}, two: {{ kind: registry }}{others} }}
"
        )
    };
    let faults =
        "{ fault: lost, call: create, kind: bucket }, { fault: denied, call: describe, kind: bucket, times: 1000 }";
    let place = Place::with(&cloud(faults, ""));
    place.run(&["apply", "--yes"]).exits(3);
    place.write("blueprint.yaml", &cloud(faults, ", three: { kind: registry }"));
    let again = place.run(&["apply", "--yes"]).exits(3);
    again.says("create was begun by an earlier run").says("1 to create");
    place.run(&["apply", "--yes", "--target", "two"]).exits(3).says("create was begun by an earlier run");
    place.write("blueprint.yaml", &cloud("", ", three: { kind: registry }"));
    // The cloud hears of it from a plan.
    place.run(&["plan"]).says("create was begun by an earlier run");
    place.run(&["apply", "--yes"]).exits(0);
    assert_eq!(objects(&place).len(), 3, "nothing was made twice");
    place.run(&["plan"]).exits(0);
}

#[test]
fn what_no_rule_can_settle_a_person_does() {
    let place = stopped();
    let known = place.run(&["state", "show", "two", "--json"]).exits(0).json()["current"]["id"].clone();
    let all = objects(&place);
    let (_, id) = all.iter().find(|(_, id)| known != **id).unwrap();
    place.run(&["state", "resolve", "one", "--id", id]).exits(0).says(&format!("one is recorded as {id}."));
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["destroy", "--yes"]).exits(0);
    assert!(objects(&place).is_empty(), "what was recorded goes");

    // Whoever says that nothing was made gets another one; the lost one is nobody's then.
    let place = stopped();
    place.run(&["state", "resolve", "one", "--absent"]).exits(0);
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    assert_eq!(objects(&place).len(), 3);
}

#[test]
fn a_destroy_meets_the_cloud_that_its_blueprint_says() {
    let place = Place::applied("blueprint: demo\nproviders: { sim: {} }\nresources: { one: { kind: bucket } }\n");
    place.edit("sim: {}", "sim: { faults: [{ fault: denied, call: delete }] }");
    place.run(&["destroy", "--yes"]).exits(3);
    place.run(&["destroy", "--yes"]).exits(0);
}

#[test]
fn a_cloud_in_memory_leaves_nothing_behind() {
    let text = "blueprint: demo\nproviders: { sim: { memory: true } }\nresources: { one: { kind: bucket } }\n";
    let place = Place::applied(text);
    assert!(!place.path(".trueup/sim.db").exists());
    place.run(&["plan"]).exits(2).says("one").says("1 to create");
    place.edit("memory: true", "memory: true, file: /tmp/sim.db");
    place.run(&["plan"]).exits(1).complains("say one of the two");
}
