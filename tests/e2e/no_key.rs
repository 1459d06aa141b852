//! A machine without the key can plan: what it can't compare it says, and nothing that it can't know.

use std::fs;

use serde_json::json;

use crate::support::{Place, Ran};

/// Secrets in a map, in a list, in a set, inside text, of a part, and in outputs.
const SECRETS: &str = r#"blueprint: demo
providers: { sim: {} }
variables: { token: { type: string, secret: true } }
resources:
  thing:
    kind: "Sim::Thing"
    properties:
      text: "is {{ var.token }}"
      secret: "{{ var.token }}"
      size: 1
      items: [open, "{{ var.token }}"]
      labels: { open: seen, sealed: "{{ var.token }}" }
  chat: { kind: endpoint, image: registry/chat, env: { OPEN: seen, TOKEN: "{{ var.token }}" } }
outputs:
  token: "{{ var.token }}"
  both: { open: seen, sealed: "{{ var.token }}" }
  id: "{{ thing.resource_id }}"
"#;

/// A place whose state is sealed for a key that is elsewhere.
fn place() -> Place {
    let place = Place::with(SECRETS);
    ask(&place, &["apply", "--yes"]).exits(0);
    fs::rename(place.path(".trueup/key"), place.path("key")).unwrap();
    place
}

#[track_caller]
fn ask(place: &Place, arguments: &[&str]) -> Ran {
    let ran = place.run_with(arguments, &[("TRUEUP_VAR_token", "canary-4f1e9b7c")]);
    assert!(!ran.out.contains("canary") && !ran.err.contains("canary"), "{}{}", ran.out, ran.err);
    ran
}

macro_rules! assert_shown {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true, filters => [
            (r"-[0-9a-f]{8}\b", "-[id]"),
            (r"/[0-9a-f]{8}0000000(\d)", "/[id]$1"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
        ] }, { insta::assert_snapshot!($text) })
    };
}

#[test]
fn a_plan_says_what_it_can_not_compare_and_changes_nothing() {
    let place = place();
    let shown = |arguments: &[&str]| ask(&place, arguments).exits(0).out;
    let views = ["brief", "normal", "full"].map(|view| shown(&["plan", "--view", view]));
    assert_shown!(views.join("\n----\n\n"));
    let plan = ask(&place, &["plan", "--json"]).exits(0).json();
    let changes = plan["resource_changes"].as_array().unwrap();
    assert!(changes.iter().all(|one| one["change"]["actions"] == json!(["no-op"])), "{plan:#}");
    assert_eq!(plan["output_changes"], json!({}));
    let paths = ["properties.items", "properties.labels.sealed", "properties.secret", "properties.text"];
    assert_eq!(plan["cannot_compare"]["fields"]["thing"], json!(paths));
    assert_eq!(plan["cannot_compare"]["outputs"], json!(["both", "token"]));
    assert!(!place.path(".trueup/key").exists(), "a key was made beside what is sealed for another");
}

#[test]
fn drift_says_so_too_in_all_its_forms() {
    let place = place();
    let clean = ask(&place, &["drift"]).exits(0).out;
    ask(&place, &["sim", "break", "thing", "properties.size=2", "properties.secret=other", "properties.items=[open]"]);
    let found = ask(&place, &["drift"]).exits(2).out;
    let report = ask(&place, &["drift", "--markdown"]).exits(2).out;
    assert_shown!(format!("{clean}\n----\n\n{found}\n----\n\n{report}"));
    let plan = ask(&place, &["drift", "--json"]).exits(2).json();
    assert_eq!(plan["resource_drift"].as_array().unwrap().len(), 1);
    let paths = ["properties.labels.sealed", "properties.secret", "properties.text"];
    assert_eq!(plan["cannot_compare"]["fields"]["thing"], json!(paths), "that a list is shorter can be told");
    assert_eq!(plan["cannot_compare"]["outputs"], json!([]));
}

#[test]
fn what_is_edited_beside_it_is_a_change_and_the_only_one() {
    let place = place();
    place.edit("size: 1", "size: 2");
    place.edit("OPEN: seen, TOKEN: \"{{ var.token }}\"", "OPEN: other");
    place.edit("items: [open, ", "items: [other, ");
    let views = ["normal", "full"].map(|view| ask(&place, &["plan", "--view", view]).exits(2).out);
    assert_shown!(views.join("\n----\n\n"));
}

/// Nothing of it can't be compared: it is compared with nothing.
#[test]
fn of_what_is_left_out_or_made_anew_nothing_is_said() {
    let place = place();
    let fields = || ask(&place, &["plan", "--json"]).exits(2).json()["cannot_compare"]["fields"].clone();
    place.edit("size: 1", "size: 2");
    place.edit("kind: \"Sim::Thing\"", "kind: \"Sim::Thing\"\n    ignore: [properties.text, properties.labels]");
    assert_eq!(fields()["thing"], json!(["properties.items", "properties.secret"]));
    place.edit("sim: {}", "sim: {}, sim.far: { region: eu-west-1 }");
    place.edit("kind: endpoint", "kind: endpoint, provider: sim");
    place.edit("kind: \"Sim::Thing\"", "kind: \"Sim::Thing\"\n    provider: sim.far");
    assert_eq!(fields()["thing"], json!(null), "made elsewhere");
    place.edit("provider: sim.far", "provider: sim");
    ask(&place, &["sim", "break", "thing", "--gone"]).exits(0);
    assert_eq!(fields()["thing"], json!(null), "gone");
}

#[test]
fn what_is_recorded_and_put_out_is_shown_and_reads_secret() {
    let place = place();
    let record = ask(&place, &["state", "show", "thing"]).exits(0).out;
    let outputs = ask(&place, &["output"]).exits(0).out;
    assert_shown!(format!("{record}\n----\n\n{outputs}"));
    ask(&place, &["state", "list"]).exits(0);
    ask(&place, &["state", "history"]).exits(0);
    ask(&place, &["state", "verify"]).exits(0);
    ask(&place, &["graph"]).exits(0);
}

#[test]
fn nothing_is_applied_or_saved_without_the_key_and_what_to_do_is_said() {
    let place = place();
    for command in [&["apply", "--yes"][..], &["plan", "--out", "plan.trueup"], &["drift", "--correct", "--yes"]] {
        let ran = ask(&place, command).exits(1);
        ran.complains("sealed for a key that is not here").complains("set TRUEUP_KEY to that key");
    }
    assert!(!place.path("plan.trueup").exists() && !place.path(".trueup/key").exists());
    let key = place.path("key").display().to_string();
    let given = [("TRUEUP_VAR_token", "canary-4f1e9b7c"), ("TRUEUP_KEY", &key)];
    place.run_with(&["plan"], &given).exits(0).says("Nothing to do.").says_not("compare");
    place.run_with(&["destroy", "--yes"], &given).exits(0);
}
