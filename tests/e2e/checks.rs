//! Checks of machines by scripts in the place of the program that measures: what becomes of each way in which it can end.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::gpucheck::with_script;
use crate::support::{Place, Ran, eventually};

/// What the program prints, of one finding.
fn printed(verdict: &str) -> Json {
    let finding = json!({ "subject": { "gpu": 0 }, "what": "fp8", "verdict": verdict, "reason": "half of it" });
    json!({ "judgement": { "verdict": verdict, "findings": [finding] }, "report": {} })
}

/// A machine that is checked here, by a script.
fn place(validate: &str, script: &str) -> Place {
    let place = with_script(script);
    let blueprint = format!(
        "blueprint: checked
providers: {{ sim: {{}} }}
resources:
  trainer:
    kind: gpu_instance
    gpu: {{ model: H100, count: 2 }}
    validate: {{ via: here, {validate} }}
  results: {{ kind: bucket, depends_on: [trainer] }}
"
    );
    place.write("blueprint.yaml", &blueprint);
    place
}

fn apply(place: &Place) -> Ran {
    place.run(&["apply", "--yes", "--gpucheck-program", "measures"])
}

fn says(verdict: &str, code: i32) -> String {
    format!("echo '{}'; exit {code}", printed(verdict))
}

fn status(place: &Place) -> Json {
    place.run(&["state", "show", "trainer", "--json"]).exits(0).json()["status"].clone()
}

#[test]
fn the_program_is_asked_for_what_validate_says_of_what_the_machine_is_to_be() {
    let script = format!("echo \"$@\" > $HOME/words; {}", says("pass", 0));
    let place = place("level: burn, seconds: 60, minimum: 0.9, require: [ecc, nvlink]", &script);
    apply(&place).exits(0);
    let words = fs::read_to_string(place.path("../home/words")).unwrap();
    let wanted = "--json --level burn --seconds 60 --minimum 0.9 --require ecc,nvlink --count 2 --model H100";
    assert_eq!(words.trim(), wanted);
    place.run(&["plan"]).exits(0);
}

#[test]
fn a_warning_passes_and_is_remembered() {
    let place = place("", &says("warn", 0));
    apply(&place).exits(0).says("trainer passes its check, with a warning: GPU 0: fp8: half of it");
    let shown = place.run(&["state", "show", "trainer", "--json"]).exits(0).json();
    assert_eq!((&shown["status"], &shown["checks"][0]["passed"]), (&json!("ready"), &json!(true)));
    assert_eq!(shown["checks"][0]["message"], "GPU 0: fp8: half of it");
}

#[test]
fn a_failure_that_is_only_to_be_told_is_told() {
    let place = place("on_failure: warn", &says("fail", 2));
    apply(&place).exits(0).says("trainer fails its check, and goes on: GPU 0: fp8: half of it");
    place.run(&["destroy", "--yes"]).exits(0);
    let told = place.run(&["apply", "--yes", "--json", "--gpucheck-program", "measures"]).exits(0).json_lines();
    let told = told.iter().find(|line| line["checks"].is_array()).expect("it is told");
    assert_eq!((&told["checks"][0]["address"], &told["checks"][0]["passed"]), (&json!("trainer"), &json!(false)));
}

#[test]
fn a_machine_that_is_to_go_is_not_waited_for_and_its_check_ends() {
    let place = place("", "echo $$ > $HOME/pid; sleep 3600; exit 0");
    let pid = place.path("../home/pid");
    let running = place.start(&["apply", "--yes", "--gpucheck-program", "measures"]);
    eventually("it is begun", || fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
    running.signal(Signal::KILL);
    running.wait();
    place.run(&["destroy", "--yes"]).exits(0);
    let process = format!("/proc/{}", fs::read_to_string(&pid).unwrap().trim());
    eventually("its process is gone", || !std::path::Path::new(&process).exists());
    assert_eq!(place.run(&["state", "list", "--json"]).exits(0).json()["resources"], json!([]));
}

#[test]
fn what_can_be_required_is_what_the_program_looks_at() {
    let place = with_script("exit 0");
    let schema = place.run(&["schema"]).exits(0).json();
    let names = find(&schema, "require").and_then(any_enum).expect("they are told");
    let names: Vec<String> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let said = place.run(&["gpucheck", "--require", "luck"]);
    let (_, known) = said.err.split_once("there are ").unwrap_or_else(|| panic!("{}", said.err));
    let known: Vec<&str> = known.trim().split(", ").collect();
    assert_eq!(names, known);
}

/// The first list of choices in a schema.
fn any_enum(json: &Json) -> Option<&Json> {
    match json {
        Json::Object(map) => map.get("enum").or_else(|| map.values().find_map(any_enum)),
        Json::Array(items) => items.iter().find_map(any_enum),
        _ => None,
    }
}

/// The first schema of a property, wherever it stands.
fn find<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    match json {
        Json::Object(map) => {
            let here = map.get("properties").and_then(|properties| properties.get(name));
            here.filter(|found| any_enum(found).is_some()).or_else(|| map.values().find_map(|inner| find(inner, name)))
        }
        Json::Array(items) => items.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

#[test]
fn a_machine_without_a_driver_is_not_what_was_paid_for() {
    let place = place("attempts: 1", "echo 'gpucheck: nothing to check: no driver' >&2; exit 3");
    apply(&place).exits(3).says("nothing to check: no driver");
    assert_eq!(status(&place), "tainted");
}

#[test]
fn a_program_that_fails_says_nothing_of_the_machine() {
    for (script, said) in [
        ("echo 'gpucheck: no GPU model is named `H1`' >&2; exit 1", "no GPU model is named"),
        ("kill -KILL $$", "exit code 137"),
        ("echo '{}'; exit 0", "report can't be read"),
        ("echo 'no JSON'; exit 2", "report can't be read"),
    ] {
        let place = place("", script);
        apply(&place).exits(3).says(said);
        assert_eq!(status(&place), "unverified", "{script}");
        // Once it does what it should, the machine is checked, and not made anew.
        place.write("text", &format!("#!/bin/sh\n{}\n", says("pass", 0)));
        assert!(place.shell("cp text measures").status().unwrap().success());
        let ran = apply(&place).exits(0);
        assert!(!ran.out.contains("made anew"), "{}", ran.out);
    }
}

#[test]
fn nothing_is_made_that_could_not_be_checked() {
    let none = place("", "exit 0");
    let ran = none.run(&["apply", "--yes", "--gpucheck-program", "nowhere"]).exits(3);
    ran.says("the program gpucheck was looked for at");
    none.run(&["state", "show", "trainer"]).exits(1);
    let strange = place("", "exit 0");
    strange.write("notes", "no program");
    strange.run(&["apply", "--yes", "--gpucheck-program", "notes"]).exits(3).says("is no program for Linux");
    let bare = place("", "exit 0");
    bare.edit("gpu: { model: H100, count: 2 }", "gpu: none");
    apply(&bare).exits(3).says("leave out `validate`");
    bare.run(&["state", "show", "trainer"]).exits(1);
}

#[test]
fn what_validate_can_not_say_is_an_error_at_its_place() {
    for (wrong, said) in [
        ("level: slow", "slow"),
        ("minimum: 2", "minimum"),
        ("attempts: 0", "attempts"),
        ("via: post", "post"),
        ("require: ecc", "require"),
        ("luck: good", "luck"),
        ("seconds: 0", "seconds"),
        ("require: [luck]", "luck"),
        ("level: burn, seconds: 604801", "seconds"),
        ("seconds: 60", "`seconds` goes with `level: burn`"),
        ("from: 203.0.113.7/32", "`from` goes with `via: ssh`"),
        ("from: me", "are a CIDR block, as `203.0.113.7/32`, and not `me`"),
        ("from: 203.0.113.7/33", "are a CIDR block"),
        ("from: 203.0.113.7", "are a CIDR block"),
        ("require: [ecc, burn]", "`level: quick` burns nothing"),
    ] {
        let place = place(wrong, "exit 0");
        place.run(&["validate"]).exits(1).complains(said).complains("blueprint.yaml:7");
    }
}

#[test]
fn a_run_that_is_killed_finds_its_check_again() {
    let script =
        format!("echo start >> $HOME/starts; while [ ! -e $HOME/go ]; do sleep 0.1; done; {}", says("pass", 0));
    let place = place("", &script);
    let starts = place.path("../home/starts");
    let running = place.start(&["apply", "--yes", "--gpucheck-program", "measures"]);
    eventually("it is begun", || starts.exists());
    running.signal(Signal::KILL);
    running.wait();
    fs::write(place.path("../home/go"), "").unwrap();
    apply(&place).exits(0);
    assert_eq!(fs::read_to_string(&starts).unwrap(), "start\n");
}

#[test]
fn a_program_that_was_ended_by_something_is_run_again_by_the_next_apply() {
    let script =
        format!("[ -e $HOME/once ] || {{ touch $HOME/once; kill -KILL $PPID; kill -KILL $$; }}; {}", says("pass", 0));
    let place = place("", &script);
    apply(&place).exits(3).says("something ended gpucheck");
    assert_eq!(status(&place), "unverified");
    apply(&place).exits(0);
    assert_eq!(status(&place), "ready");
}
