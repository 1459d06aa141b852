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

/// A bucket that is made anew takes with it who reads it, at any remove; a module reads it under another name.
const ROW: &str = r#"blueprint: demo
tags: { team: search }
providers: { local: {} }
variables:
  token: { type: string, secret: true, default: hunter2 }
resources:
  data: { kind: bucket, name: data-one, force_destroy: true, tags: { stage: dev } }
  other: { kind: bucket, name: other-one }
  weights: { kind: artifact, bucket: "{{ data }}", source: ./model }
  chat:
    kind: endpoint
    command: [python3, serve.py]
    working_dir: .
    model: "{{ weights.uri }}"
    env: { TOKEN: "{{ var.token }}", OTHER: "{{ other.uri }}" }
  images: { kind: registry }
modules:
  eval: { source: ./eval.yaml, inputs: { bucket: "{{ data }}" } }
"#;

const EVAL: &str = r#"blueprint: eval
variables: { bucket: {} }
resources:
  results: { kind: artifact, bucket: "{{ var.bucket }}", source: ./model }
"#;

fn views(place: &Place) -> String {
    let views = ["brief", "normal", "full"];
    views.map(|view| format!("--- {view}\n{}", place.run(&["plan", "--view", view]).exits(2).out)).join("\n")
}

#[test]
fn three_views_of_a_first_plan() {
    let place = Place::with(ROW);
    place.write("eval.yaml", EVAL);
    assert_shown!(&place, views(&place));
}

#[test]
fn three_views_of_a_plan_in_which_one_change_leads_to_the_next() {
    let place = Place::with(ROW);
    place.write("eval.yaml", EVAL);
    place.run(&["apply", "--yes"]).exits(0);
    place.edit("data-one", "data-two");
    place.edit("other-one", "other-two");
    place.edit("  images: { kind: registry }\n", "");
    place.edit("command: [python3, serve.py]", "command: [python3, -u, serve.py]");
    assert_shown!(&place, views(&place));
}

#[test]
fn three_views_of_drift() {
    let place = Place::applied(DEMO);
    fs::remove_dir_all(place.made("demo-images")).unwrap();
    fs::write(place.made("weights.bin"), "tampered").unwrap();
    let views = ["brief", "normal", "full"];
    let drift = |view| format!("--- {view}\n{}", place.run(&["drift", "--view", view]).exits(2).out);
    assert_shown!(&place, views.map(drift).join("\n"));
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
