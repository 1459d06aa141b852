//! What only apply can tell is planned in further phases; what has another address, or is only read, is never made again.

use std::fs;

use crate::support::Place;

const TWO: &str = r#"blueprint: demo
providers: { local: {} }
resources:
  data: { kind: bucket, force_destroy: true }
  copy: { kind: bucket, force_destroy: true, for_each: "{{ [data.name] }}" }
  tail: { kind: bucket, force_destroy: true, when: "{{ copy | length > 0 }}" }
"#;

fn place(text: &str) -> Place {
    let place = Place::new();
    fs::write(place.path("blueprint.yaml"), text).unwrap();
    place
}

#[test]
fn a_saved_plan_ends_where_the_next_phase_begins() {
    let place = place(TWO);
    place.run(&["plan", "--out", "first.plan"]).exits(2).says("1 to create").says("2 to plan after that");
    place.run(&["show", "first.plan"]).exits(0).says("it waits for data");
    place
        .run(&["apply", "first.plan", "--yes"])
        .exits(2)
        .says("Left for another plan, now that this is done: copy, tail.");
    place.run(&["plan", "--out", "second.plan"]).exits(2).says("2 to create");
    place.run(&["apply", "second.plan", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

#[test]
fn machines_are_told_what_is_left() {
    let place = place(TWO);
    let plan = place.run(&["plan", "--json"]).exits(2).json();
    assert_eq!(plan["complete"], false);
    let left: Vec<&str> =
        plan["deferred_changes"].as_array().unwrap().iter().filter_map(|left| left["address"].as_str()).collect();
    assert_eq!(left, ["copy", "tail"]);
}

#[test]
fn a_later_phase_takes_nothing_away_unless_it_is_told_to() {
    let place = place(TWO);
    place.run(&["apply", "--yes"]).exits(0);
    // Another name is another bucket, and so another copy: what depends on it is only known once it is made.
    place.edit("data: { kind: bucket,", "data: { kind: bucket, name: other-data,");
    place.run(&["apply", "--yes"]).exits(5).complains("and `--yes` does not cover that").complains("--yes=all");
    place.run(&["state", "list"]).exits(0).says("other-data").says("copy[\"demo-data-");
    place.run(&["apply", "--yes=all"]).exits(0).says("copy[\"other-data\"]");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

#[test]
fn what_exists_is_read_and_never_touched() {
    let ours = place(
        "blueprint: ours\nproviders: { local: {} }\nresources:\n  data: { kind: bucket, name: acme-data, force_destroy: true }\n",
    );
    ours.run(&["apply", "--yes"]).exits(0);
    let theirs = r#"blueprint: theirs
providers: { local: {} }
resources:
  shared: { kind: bucket, existing: acme-data }
  own: { kind: bucket, force_destroy: true, tags: { from: "{{ shared.uri }}" } }
"#;
    fs::write(ours.path("theirs.yaml"), theirs).unwrap();
    ours.run(&["apply", "theirs.yaml", "--yes"]).exits(0).says("acme-data, only read").says("Done: 1 operation.");
    ours.run(&["plan", "theirs.yaml"]).exits(0).says("Nothing to do.");
    ours.run(&["state", "list", "theirs.yaml"]).exits(0).says("own").says_not("shared");
    ours.run(&["destroy", "theirs.yaml", "--yes"]).exits(0).says_not("acme-data");
    ours.run(&["plan"]).exits(0).says("Nothing to do.");
    fs::write(ours.path("theirs.yaml"), theirs.replace("acme-data", "nowhere")).unwrap();
    ours.run(&["plan", "theirs.yaml"]).exits(1).complains("there is no bucket `nowhere` at local");
}

#[test]
fn another_kind_at_an_address_is_another_thing() {
    let place = place("blueprint: demo\nproviders: { local: {} }\nresources:\n  store: { kind: registry }\n");
    place.run(&["apply", "--yes"]).exits(0);
    place.edit("kind: registry", "kind: bucket");
    place.run(&["plan"]).exits(2).says("its kind changed").says("1 to replace");
    place.run(&["apply", "--yes"]).exits(0).says("Done: 2 operations.");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

#[test]
fn both_addresses_recorded_is_no_move() {
    let place =
        place("blueprint: demo\nproviders: { local: {} }\nresources:\n  a: { kind: bucket }\n  b: { kind: bucket }\n");
    place.run(&["apply", "--yes"]).exits(0);
    place.edit("  a: { kind: bucket }\n", "");
    place.edit("resources:", "moved: [{ from: a, to: b }]\nresources:");
    place.run(&["plan"]).exits(1).complains("both are recorded");
}
