//! What a user sees, word for word.

use std::fs;

use crate::support::{DEMO, Place};

/// What differs from run to run, and what stands for it.
fn shown(place: &Place, text: &str) -> String {
    text.replace(place.path("").display().to_string().trim_end_matches('/'), "[dir]")
}

macro_rules! assert_shown {
    ($place:expr, $text:expr) => {
        insta::with_settings!({ omit_expression => true, filters => [
            // It is cut where the path of the place is long.
            (r#""file://[^"]*""#, "\"[uri]\""),
            (r"-[0-9a-f]{8}\b", "-[id]"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
            (r"127\.0\.0\.1:\d+", "[host]"),
            (r"sha256:[0-9a-f]{12,64}", "[digest]"),
            (r" in \d+\.\d s", " in [seconds]"),
        ] }, { insta::assert_snapshot!(shown($place, &$text)) })
    };
}

#[test]
fn a_first_plan() {
    let place = Place::with(DEMO);
    assert_shown!(&place, place.run(&["plan"]).exits(2).out);
}

#[test]
fn a_plan_with_every_action() {
    let place = Place::applied(DEMO);
    place.edit("team: a", "team: b, stage: dev");
    place.edit("  images: { kind: registry }\n", "  results: { kind: bucket }\n");
    place.edit("source: ./model", "source: ./model, path: elsewhere");
    place.edit("  where: ", "  place: ");
    assert_shown!(&place, place.run(&["plan"]).exits(2).out);
}

#[test]
fn a_plan_over_drift() {
    let place = Place::applied(DEMO);
    fs::remove_dir_all(place.made("demo-images")).unwrap();
    fs::write(place.made("weights.bin"), "tampered").unwrap();
    place.edit("team: a", "team: b");
    assert_shown!(&place, place.run(&["plan"]).exits(2).out);
}

#[test]
fn drift_that_was_found_and_drift_that_was_not() {
    let place = Place::applied(DEMO);
    let untouched = place.run(&["drift"]).exits(0).out;
    fs::remove_dir_all(place.made("demo-images")).unwrap();
    fs::write(place.made("weights.bin"), "tampered").unwrap();
    place.edit("team: a", "team: b");
    assert_shown!(&place, format!("{untouched}---\n{}", place.run(&["drift"]).exits(2).out));
}

#[test]
fn an_apply_with_a_failure() {
    let place = Place::with(
        r#"blueprint: demo
providers: { local: {} }
resources:
  broken: { kind: endpoint, command: [sh, -c, "echo out of memory; exit 1"] }
  after: { kind: bucket, tags: { url: "{{ broken.url }}" } }
outputs: { url: "{{ broken.url }}" }
"#,
    );
    assert_shown!(&place, place.run(&["apply", "--yes", "--parallelism", "1"]).exits(3).out);
}

#[test]
fn an_apply_and_its_outputs() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nresources:\n  data: { kind: bucket }\n\
         outputs: { where: \"{{ data.uri }}\", list: [1, two], map: { a: true } }\n",
    );
    assert_shown!(&place, place.run(&["apply", "--yes"]).exits(0).out);
}

#[test]
fn a_refused_destruction() {
    let place = Place::applied(
        "blueprint: demo\nproviders: { local: {} }\nresources:\n  data: { kind: bucket, protect: true }\n",
    );
    assert_shown!(&place, place.run(&["destroy", "--yes"]).exits(5).out);
}

#[test]
fn a_record() {
    let place = Place::applied(DEMO);
    assert_shown!(&place, place.run(&["state", "show", "chat"]).exits(0).out);
}

#[test]
fn the_list_of_records_and_their_history() {
    let place = Place::applied("blueprint: demo\nproviders: { local: {} }\nresources:\n  data: { kind: bucket }\n");
    let list = place.run(&["state", "list"]).exits(0).out;
    assert_shown!(&place, format!("{list}---\n{}", place.run(&["state", "history"]).exits(0).out));
}

#[test]
fn what_is_wrong_with_a_blueprint() {
    let place = Place::with(
        r#"blueprint: demo
providers: { local: {} }
resources:
  data: { kind: bukket }
  model: { kind: artifact, bucket: "{{ dta }}", source: ./model, tag: x }
"#,
    );
    assert_shown!(&place, place.run(&["plan"]).exits(1).err);
}

#[test]
fn a_blueprint_with_a_name_twice() {
    let place =
        Place::with("blueprint: demo\nresources:\n  data: { kind: bucket }\n  data: { kind: bucket, tags: {} }\n");
    assert_shown!(&place, place.run(&["plan"]).exits(1).err);
}
