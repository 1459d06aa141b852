//! A part of a stack, replacements that nothing but a person asks for, and plans from what was seen last.

use std::fs;

use serde_json::Value as Json;

use crate::support::{BUCKETS, Place};

/// Two chains and one that stands alone, on the cloud to rehearse on.
const STACK: &str = r#"blueprint: demo
providers: { sim: {} }
resources:
  data: { kind: bucket, tags: { team: search }, force_destroy: true }
  weights: { kind: artifact, bucket: "{{ data }}", source: ./model }
  shard: { kind: bucket, for_each: [a, b], tags: { team: ads }, force_destroy: true }
  logs: { kind: bucket, tags: { team: ops }, force_destroy: true }
outputs:
  uri: "{{ weights.uri }}"
  logs: "{{ logs.uri }}"
"#;

fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("blueprint.yaml"), STACK).unwrap();
    place
}

fn recorded(place: &Place) -> Vec<String> {
    let listed = place.run(&["state", "list", "--json"]).exits(0).json();
    let resources = listed["resources"].as_array().unwrap().iter();
    resources.map(|one| one["address"].as_str().unwrap().to_owned()).collect()
}

/// The address and the first action of each change that is one.
fn changes(plan: &Json) -> Vec<String> {
    let all = plan["resource_changes"].as_array().unwrap().iter();
    let done = all.filter(|change| change["change"]["actions"][0] != "no-op");
    done.map(|change| {
        format!("{} {}", change["change"]["actions"][0].as_str().unwrap(), change["address"].as_str().unwrap())
    })
    .collect()
}

#[test]
fn a_part_is_planned_saved_shown_and_applied() {
    let place = place();
    let plan = place.run(&["plan", "--target", "weights", "--out", "part.plan"]).exits(2);
    for text in [
        "Only a part: weights",
        "beside what was chosen: data, because weights needs it",
        "2 to create",
        "This plan is partial: 3 resources that differ are left as they are: logs, shard[\"a\"] and shard[\"b\"].",
    ] {
        assert!(plan.out.contains(text), "{text}\n{}", plan.out);
    }
    let shown = place.run(&["show", "part.plan"]).exits(0).says("Only a part: weights").says("This plan is partial");
    shown.says_not("shard[\"a\"]  bucket");
    place.run(&["apply", "part.plan", "--yes", "--target", "logs"]).exits(1).complains("carried out as it is");
    place.run(&["apply", "part.plan", "--yes"]).exits(0).says("uri").says_not("logs:");
    assert_eq!(recorded(&place), ["data", "weights"]);
    place.run(&["plan", "--target", "weights"]).exits(0).says("Nothing to do of what was chosen.");
    place.run(&["apply", "--yes", "--exclude", "shard[a]"]).exits(0).says("Only a part: all without shard[a]");
    assert_eq!(recorded(&place), ["data", "logs", "shard[\"b\"]", "weights"]);
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.").says_not("part");
}

#[test]
fn what_is_excluded_takes_along_what_needs_it_and_may_not_be_needed() {
    let place = place();
    let plan = place.run(&["plan", "--exclude", "tag:team=search", "--exclude", "shard[*]"]).exits(2);
    plan.says("left out too: weights, because it needs data").says("1 to create");
    place
        .run(&["plan", "--target", "weights", "--exclude", "kind:bucket"])
        .exits(1)
        .complains("data is excluded, and weights can't be done without it")
        .complains("leave weights out as well");
    place.run(&["apply", "--yes", "--target", "tag:team=*", "--exclude", "data", "--exclude", "logs"]).exits(0);
    assert_eq!(recorded(&place), ["shard[\"a\"]", "shard[\"b\"]"]);
}

#[test]
fn a_part_is_destroyed_dependants_first() {
    let place = place();
    place.run(&["apply", "--yes"]).exits(0);
    let plan = place.run(&["plan", "--destroy", "--target", "data"]).exits(2);
    plan.says("beside what was chosen: weights, because it depends on data, which goes").says("2 to destroy");
    let plan = place.run(&["plan", "--destroy", "--exclude", "weights"]).exits(2);
    plan.says("left out too: data, because weights, which stays, depends on it").says("3 to destroy");
    place.run(&["destroy", "--yes", "--target", "data"]).exits(0).says("2 to destroy");
    assert_eq!(recorded(&place), ["logs", "shard[\"a\"]", "shard[\"b\"]"]);
    place.run(&["output", "logs"]).exits(0);
    place.run(&["output", "uri"]).exits(1);
    place.run(&["destroy", "--yes", "--exclude", "kind:bucket"]).exits(0).says("Nothing to do of what was chosen.");
    place.run(&["destroy", "--yes"]).exits(0).says("3 to destroy").says_not("partial");
    assert!(recorded(&place).is_empty());
}

#[test]
fn machines_are_told_what_a_plan_is_of() {
    let place = place();
    let plan = place.run(&["plan", "--json", "--target", "weights"]).exits(2).json();
    assert_eq!(changes(&plan), ["create data", "create weights"]);
    assert_eq!((&plan["complete"], &plan["refreshed"]), (&Json::Bool(false), &Json::Bool(true)));
    let selection = &plan["selection"];
    assert_eq!(selection["targets"], serde_json::json!(["weights"]));
    assert_eq!(selection["beside"][0]["address"], "data");
    assert_eq!(selection["beside"][0]["because"], "needed_by");
    assert_eq!(selection["beside"][0]["other"], "weights");
    assert_eq!(selection["left_out"].as_array().unwrap().len(), 3);
    assert_eq!(selection["outputs"], serde_json::json!(["logs"]));
    place.run(&["apply", "--yes"]).exits(0);
    place.edit("team: search", "team: other");
    place.edit("team: ads", "team: more");
    let plan = place.run(&["plan", "--json", "--exclude", "shard", "--refresh=false"]).exits(2).json();
    assert_eq!((changes(&plan), &plan["refreshed"]), (vec!["update data".to_owned()], &Json::Bool(false)));
    // What is left out stays as it is, and is there all the same.
    let shard =
        plan["resource_changes"].as_array().unwrap().iter().find(|one| one["address"] == "shard[\"a\"]").unwrap();
    assert_eq!(shard["change"]["after"]["tags"]["team"], "ads");
    let whole = place.run(&["plan", "--json"]).exits(2).json();
    assert_eq!((&whole["complete"], whole["selection"]["left_out"].as_array().unwrap().len()), (&Json::Bool(true), 0));
}

#[test]
fn what_is_asked_for_is_replaced() {
    let place = Place::applied(BUCKETS);
    place.edit("one: { kind: bucket,", "one: { kind: bucket, force_destroy: true,");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan", "--replace", "one"]).exits(2).says("replacement was asked for").says("1 to replace");
    let plan = place.run(&["plan", "--replace", "one", "--json"]).exits(2).json();
    let one = plan["resource_changes"].as_array().unwrap().iter().find(|one| one["address"] == "one").unwrap();
    assert_eq!(one["action_reason"], "replace_by_request");
    place.run(&["plan", "--replace", "oen"]).exits(1).complains("there is no resource `oen` to replace");
    place.run(&["plan", "--replace", "one["]).exits(1).complains("a key is a quoted string or an integer in brackets");
    place.run(&["plan", "--replace", "one", "--destroy"]).exits(1).complains("--destroy");
    place.run(&["plan", "--replace", "one", "--target", "two"]).exits(1).complains("is left out of this plan");
    place.run(&["apply", "--replace", "one", "--yes"]).exits(0).says("1 to replace");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.edit("one: { kind: bucket,", "one: { kind: bucket, protect: true,");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["apply", "--replace", "one", "--yes"]).exits(5).says("one is protected");
}

#[test]
fn selectors_that_select_nothing_are_told_apart() {
    let place = place();
    for (selector, message, help) in [
        ("wieghts", "`wieghts` matches no resource", "did you mean `weights`?"),
        ("kind:buckt", "`kind:buckt` matches no resource", "did you mean `kind:bucket`?"),
        ("shard[c]", "`shard[c]` matches no resource", "did you mean `shard[\"a\"]`?"),
    ] {
        for option in ["--target", "--exclude"] {
            place.run(&["plan", option, selector]).exits(1).complains(message).complains(help);
        }
    }
    for (selector, message) in [("team:search", "is `kind` or `tag`"), ("shard[", "a `]` is missing"), ("", "")] {
        place.run(&["plan", "--target", selector]).exits(1).complains(message);
    }
    place.run(&["plan", "-target=weights"]).exits(1).complains("write `--target SELECTOR`");
    place.run(&["taint", "weights"]).exits(1).complains("write `trueup apply --replace ADDRESS`");
    let answer = place.run(&["plan", "--json", "--target", "wieghts"]).exits(1);
    assert!(answer.out.contains("did you mean `weights`?") || answer.err.contains("did you mean `weights`?"));
}

#[test]
fn a_correction_may_be_of_a_part() {
    let place = place();
    place.run(&["apply", "--yes"]).exits(0);
    for address in ["logs", "shard[\"a\"]"] {
        place.run(&["sim", "break", address, "tags.team=nobody"]).exits(0);
    }
    place.edit("team: ads", "team: more");
    place.run(&["drift", "--target", "logs"]).exits(1).complains("add `--correct`");
    place.run(&["drift", "--correct", "--yes", "--target", "shard"]).exits(0).says("Only a part: shard");
    place.run(&["drift"]).exits(2).says("! logs").says_not("! shard");
}

#[test]
fn what_was_seen_last_is_planned_from_and_looked_at_before_it_changes() {
    let place = place();
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["sim", "break", "logs", "tags.team=nobody"]).exits(0);
    let before = place.run(&["sim", "calls"]).exits(0).out.lines().count();
    let plan = place.run(&["plan", "--refresh=false"]).exits(0).says("Planned from what was seen last");
    plan.says("Nothing to do.");
    assert_eq!(place.run(&["sim", "calls"]).exits(0).out.lines().count(), before);
    place.run(&["plan", "--refresh=true"]).exits(2).says_not("seen last");
    place.run(&["plan", "--refresh"]).exits(2);
    place.run(&["plan", "--refresh=maybe"]).exits(1);
    place.edit("logs: { kind: bucket,", "logs: { kind: bucket, versioning: true,");
    place.run(&["apply", "--yes", "--refresh=false"]).exits(1).complains("logs changed since the plan was made");
    place.run(&["apply", "--yes", "--refresh=false", "--exclude", "logs"]).exits(0);
    place.run(&["destroy", "--yes", "--refresh=false", "--target", "shard"]).exits(0).says("2 to destroy");
    place.run(&["apply", "--yes"]).exits(0);
}

#[test]
fn a_further_phase_keeps_the_selection() {
    let place = Place::new();
    let text = r#"blueprint: demo
providers: { sim: {} }
resources:
  data: { kind: bucket, force_destroy: true }
  copy: { kind: bucket, force_destroy: true, for_each: "{{ [data.name] }}" }
  other: { kind: bucket, force_destroy: true, for_each: "{{ [data.name] }}" }
  alone: { kind: bucket, force_destroy: true }
"#;
    fs::write(place.path("blueprint.yaml"), text).unwrap();
    place.run(&["apply", "--yes", "--target", "copy[*]", "--replace", "data"]).exits(0);
    let recorded = recorded(&place);
    assert!(recorded.len() == 2 && recorded[0].starts_with("copy[") && recorded[1] == "data", "{recorded:?}");
    // To replace it makes another of each copy, once.
    let ran = place.run(&["apply", "--yes=all", "--exclude", "other", "--replace", "data"]).exits(0);
    assert_eq!(ran.out.matches("replacement was asked for").count(), 1, "{}", ran.out);
    place.run(&["plan"]).exits(2).says("1 to create");
}
