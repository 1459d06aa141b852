//! Drift as a report, and of many stacks at once.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::python::python;
use crate::support::{BUCKETS, DEMO, Place};

/// Buckets under keys that would be markup.
const ODD: &str = r#"blueprint: odd
providers: { local: {} }
resources:
  a: { kind: bucket, for_each: ["a|b", "`c`", "<img src=x>", "@team [x](y) **z**", "d\u0007"], tags: { "k|`": "v" } }
"#;

#[test]
fn a_report_for_a_pull_request() {
    let place = Place::applied(DEMO);
    let clean = place.run(&["drift", "--markdown"]).exits(0).out;
    fs::remove_dir_all(place.made("demo-images")).unwrap();
    fs::write(place.made("weights.bin"), "tampered").unwrap();
    place.edit("team: a", "team: b");
    let found = place.run(&["drift", "--markdown"]).exits(2).out;
    insta::with_settings!({ omit_expression => true, filters => [(r"sha256:[0-9a-f]{12}", "[digest]")] }, {
        insta::assert_snapshot!(format!("{clean}\n----\n\n{found}"));
    });
    place.run(&["drift", "--markdown", "--json"]).exits(1);
    place.run(&["drift", "--markdown", "--correct", "--yes"]).exits(1);
}

#[test]
fn names_are_no_markup_in_a_report() {
    let place = Place::applied(ODD);
    for directory in fs::read_dir(place.path(".trueup/local/buckets")).unwrap() {
        fs::remove_dir_all(directory.unwrap().path()).unwrap();
    }
    let report = place.run(&["drift", "--markdown"]).exits(2).out;
    assert!(!report.contains('\u{7}'), "{report:?}");
    let Some(python) = python("markdown", include_str!("../support/markdown.txt")) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/markdown.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(report.as_bytes()).unwrap();
    let read: Json = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    let rows = read["tables"][0].as_array().unwrap();
    assert!(rows.iter().all(|row| row.as_array().unwrap().len() == 5), "{rows:#?}");
    let mut names: Vec<&str> = rows.iter().skip(1).filter_map(|row| row[0].as_str()).collect();
    names.sort_unstable();
    let expected =
        [r#"a["<img src=x>"]"#, r#"a["@team [x](y) **z**"]"#, r#"a["`c`"]"#, r#"a["a|b"]"#, r#"a["d\u0007"]"#];
    assert_eq!(names, expected);
    assert_eq!(read["html"], json!([]), "{report}");
}

/// A directory with stacks: one in this directory's state in two environments, one in a directory of its own, a module, and others
/// that were never applied.
fn estate() -> Place {
    let place = Place::new();
    for directory in ["infra/team", "infra/.hidden"] {
        fs::create_dir_all(place.path(directory)).unwrap();
    }
    place.write("infra/one.yaml", &format!("{BUCKETS}environments: {{ prod: {{}}, never: {{}} }}\n"));
    place.run(&["apply", "infra/one.yaml", "--yes"]).exits(0);
    place.run(&["apply", "infra/one.yaml", "--env", "prod", "--yes"]).exits(0);
    place.write("infra/team/own.yml", &BUCKETS.replace("blueprint: demo", "blueprint: own"));
    place.run_in(&place.path("infra/team"), &["apply", "own.yml", "--yes"], &[]).exits(0);
    place.write("infra/never.yaml", &BUCKETS.replace("blueprint: demo", "blueprint: never"));
    place.write("infra/.hidden/copy.yaml", BUCKETS);
    place.write("infra/values.yaml", "replicas: 2\n");
    place
}

#[test]
fn every_stack_with_a_state_is_looked_at() {
    let place = estate();
    let all = |more: &[&str]| place.run(&[&["drift", "--all", "infra"], more].concat());
    let quiet = all(&[]).exits(0);
    quiet
        .says("demo · default")
        .says("demo · prod")
        .says("own · default")
        .says_not("never")
        .says("3 stacks: 0 drifted.");
    fs::remove_dir_all(place.made("demo-prod-one")).unwrap();
    fs::remove_dir_all(Place::made_in(&place.path("infra/team"), "own-two")).unwrap();
    let before = place.listing();
    all(&[]).exits(2).says("! one  bucket  is gone").says("! two  bucket  is gone").says("3 stacks: 2 drifted.");
    all(&["--env", "prod"]).exits(2).says("1 stack: 1 drifted.");
    let json = all(&["--json"]).exits(2).json();
    let stacks: Vec<(&str, &str, usize)> = json["stacks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let drift = one["drift"]["resource_drift"].as_array().unwrap();
            (one["stack"].as_str().unwrap(), one["file"].as_str().unwrap(), drift.len())
        })
        .collect();
    assert_eq!(
        stacks,
        [
            ("demo · default", "infra/one.yaml", 0),
            ("demo · prod", "infra/one.yaml", 1),
            ("own · default", "infra/team/own.yml", 1)
        ]
    );
    let report = all(&["--markdown"]).exits(2).out;
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(report) });
    place.is_as(&before);
    // From where the state is, it is the same.
    place
        .run_in(&place.path("infra"), &["drift", "--all", "."], &[])
        .exits(2)
        .says("own · default")
        .says("1 stack: 1 drifted.");
}

#[test]
fn what_can_not_be_looked_at_keeps_nothing_from_the_rest() {
    let place = estate();
    place.write(
        "infra/team/own.yml",
        "blueprint: own\nproviders: { local: {} }\nresources: { a: { kind: bukket }, b: { kind: c } }\n",
    );
    fs::remove_dir_all(place.made("demo-prod-one")).unwrap();
    place.write("infra/broken.yaml", "blueprint: broken\nresources: [\n");
    let all = |more: &[&str]| place.run(&[&["drift", "--all", "infra"], more].concat()).exits(1);
    let text = all(&[]).complains("infra/broken.yaml").complains("did you mean `bucket`?");
    text.says("demo · prod").says("4 stacks: 1 drifted, 2 could not be looked at.");
    let json = all(&["--json"]).json();
    let stacks = json["stacks"].as_array().unwrap();
    let errors: Vec<&Json> = stacks.iter().filter(|one| !one["error"].is_null()).collect();
    assert_eq!((stacks.len(), errors.len()), (4, 2));
    assert_eq!(errors[1]["error"]["diagnostics"][0]["labels"][0]["line"], 3);
    let report = all(&["--markdown"]).out;
    assert!(report.contains("It could not be looked at: `` there is no kind `bukket` ``, and 1 more"), "{report}");
    assert!(report.contains("4 stacks: 1 drifted, 2 could not be looked at."), "{report}");
}

#[test]
fn looking_at_nothing_is_an_error() {
    let place = Place::with(BUCKETS);
    place.run(&["drift", "--all", "."]).exits(1).complains("no blueprint below . has a state");
    place.run(&["drift", "--all", "nowhere"]).exits(1).complains("nowhere can't be used");
    place.run(&["drift", "--all", ".", "blueprint.yaml"]).exits(1);
    place.run(&["drift", "--all", ".", "--correct", "--yes"]).exits(1);
    place.run(&["drift", "--all", ".", "--var", "a=b"]).exits(1);
    assert!(!place.path(".trueup").exists());
}
