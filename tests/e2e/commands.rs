//! Each command with what it is given, good and bad, and how it ends.

use std::fs;

use rustix::process::Signal;

use crate::support::{BUCKETS, DEMO, Place, eventually, mode, require};

const EMPTY: &str = "blueprint: demo\nproviders: { local: {} }\nresources: {}\n";

/// An endpoint that never becomes healthy, and gives up in time.
const SLOW: &str = r#"blueprint: demo
providers: { local: {} }
resources:
  slow: { kind: endpoint, command: [sleep, "600"], health: { start_timeout: 90s } }
"#;

#[test]
fn every_help_has_an_example() {
    let place = Place::new();
    let commands = [
        "init",
        "explain",
        "schema",
        "validate",
        "plan",
        "show",
        "apply",
        "destroy",
        "drift",
        "output",
        "graph",
        "gpucheck",
        "schedule print",
        "state list",
        "state show",
        "state history",
        "state mv",
        "state forget",
        "state verify",
        "state repair",
        "state rekey",
        "state resolve",
        "state export",
        "state import",
        "unlock",
        "completions",
    ];
    for command in commands {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = place.run(&words).exits(0);
        assert!(help.out.contains(&format!("trueup {command}")), "{command}: {}", help.out);
        assert!(help.out.contains("Example"), "{command}: {}", help.out);
    }
    place.run(&["--help"]).exits(0).says("Exit codes: 0 nothing to do, or done");
    place.run(&["--version"]).exits(0).says("trueup ");
}

#[test]
fn a_mistake_in_the_arguments_is_an_error_and_no_finding() {
    let place = Place::with(BUCKETS);
    for arguments in [&["plan", "--frobnicate"][..], &["sing"], &[], &["apply", "--parallelism", "0"], &["show"]] {
        place.run(arguments).exits(1);
    }
    place.run(&["apply", "--parallelism", "1025"]).exits(1).complains("from 1 to 1024");
    place.run(&["apply", "--lease", "2h"]).exits(1).complains("from `1s` to `1h`");
    place.run(&["apply", "--lease", "soon"]).exits(1).complains("no span of time");
    assert!(!place.path(".trueup").exists());
}

#[test]
fn completions_for_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        place.run(&["completions", shell]).exits(0).says("trueup").says("destroy");
    }
    place.run(&["completions", "cmd"]).exits(1);
}

#[test]
fn validate_tells_good_from_bad() {
    let place = Place::with(DEMO);
    place.run(&["validate"]).exits(0).says("blueprint.yaml is valid: 4 resources.");
    assert_eq!(place.run(&["validate", "--json"]).exits(0).json()["resources"], 4);
    place.edit("kind: bucket", "kind: bukket");
    place.run(&["validate"]).exits(1).complains("did you mean `bucket`?").complains("blueprint.yaml:6");
    let lines = place.run(&["validate", "--json"]).exits(1).json_lines();
    assert_eq!(lines[0]["labels"][0]["line"], 6);
    assert!(!place.path(".trueup").exists());
}

#[test]
fn a_file_that_is_not_there_is_told_by_name() {
    let place = Place::new();
    for command in ["validate", "plan", "apply", "destroy", "drift"] {
        place.run(&[command, "nowhere.yaml"]).exits(1).complains("nowhere.yaml").complains("can't be read");
        place.run(&[command, "nowhere.yaml", "--json"]).exits(1).json_lines();
    }
    for command in [&["output", "nowhere.yaml"][..], &["state", "list", "nowhere.yaml"], &["unlock", "nowhere.yaml"]] {
        place.run(command).exits(1).complains("nowhere.yaml can't be read");
    }
    place.run(&["show", "nowhere.trueup"]).exits(1).complains("nowhere.trueup");
    assert!(!place.path(".trueup").exists());
}

#[test]
fn a_plan_touches_nothing() {
    let place = Place::with(DEMO);
    let before = place.listing();
    place.run(&["plan"]).exits(2).says("4 to create");
    place.run(&["plan", "--destroy"]).exits(0).says("Nothing to do.");
    place.is_as(&before);

    place.run(&["apply", "--yes"]).exits(0);
    place.edit("team: a", "team: b");
    let before = place.listing();
    place.run(&["plan"]).exits(2);
    place.run(&["plan", "--no-refresh"]).exits(2);
    place.run(&["plan", "--destroy", "--json"]).exits(2);
    place.run(&["drift"]).exits(0);
    place.run(&["output"]).exits(0);
    place.run(&["state", "list"]).exits(0);
    place.run(&["state", "history"]).exits(0);
    place.run(&["unlock"]).exits(0);
    place.is_as(&before);
}

#[test]
fn a_plan_without_refresh_does_not_look() {
    let place = Place::applied(BUCKETS);
    fs::remove_dir_all(place.made("demo-one")).unwrap();
    place.run(&["plan", "--no-refresh"]).exits(0).says("Nothing to do.");
    place.run(&["plan"]).exits(2).says("is gone; it is made again").says("1 to create");
}

#[test]
fn without_a_terminal_nothing_is_done_unasked() {
    let place = Place::with(BUCKETS);
    place.run(&["apply"]).exits(1).complains("there is no terminal to ask at").complains("add `--yes`");
    place.run(&["apply", "--json"]).exits(1).json_lines();
    assert!(!place.path(".trueup").exists());
    place.run(&["apply", "-y"]).exits(0);
    place.run(&["destroy"]).exits(1).complains("add `--yes`");
    fs::remove_dir_all(place.made("demo-one")).unwrap();
    place.run(&["drift", "--correct"]).exits(1).complains("add `--yes`");
}

#[test]
fn at_a_terminal_only_yes_does_it() {
    if !require("script") {
        return;
    }
    let place = Place::with(BUCKETS);
    place.run_at_terminal("apply", b"y\n").exits(1).says("Nothing was changed.");
    // Ctrl-C, at the question.
    place.run_at_terminal("apply", b"\x03").exits(1).says("Nothing was changed.");
    assert!(!place.path(".trueup").exists());
    place.run_at_terminal("apply", b"yes\n").exits(0).says("Do this to demo").says("2 operations");
    place.run_at_terminal("destroy", b"yes\n").exits(0).says("Destroy all of demo");
    place.is_clean();
}

#[test]
fn a_saved_plan_is_shown_and_carried_out() {
    let place = Place::with(DEMO);
    place.run(&["plan", "--out", "plan.trueup"]).exits(2).says("`trueup apply plan.trueup` carries it out");
    assert_eq!(mode(&place.path("plan.trueup")), 0o600);
    fs::remove_file(place.path("blueprint.yaml")).unwrap();
    place.run(&["show", "plan.trueup"]).exits(0).says("4 to create");
    assert_eq!(place.run(&["show", "plan.trueup", "--json"]).exits(0).json()["applyable"], true);
    assert!(!place.path(".trueup/state.db").exists());
    place.run(&["apply", "plan.trueup", "--yes"]).exits(0).says("Done: 4 operations.");
    place.write("blueprint.yaml", DEMO);
    place.run(&["plan"]).exits(0);
}

#[test]
fn a_saved_plan_is_shown_with_nothing_but_itself() {
    let place = Place::with(&DEMO.replace("type: string, default", "type: string, secret: true, default"));
    let made = place.run(&["plan", "--out", "plan.trueup", "--view", "full"]).exits(2);
    let (plan, _) = made.out.split_once("\nSaved as").unwrap();
    let elsewhere = Place::new();
    fs::copy(place.path("plan.trueup"), elsewhere.path("plan.trueup")).unwrap();
    // No home, no key, no state, no blueprint.
    let bare = |arguments: &[&str]| elsewhere.run_bare(&[&["show", "plan.trueup"], arguments].concat());
    let shown =
        bare(&["--view", "full"]).exits(0).says("env.WORDS             (secret)").says("depends on  weights").out;
    assert_eq!(plan.lines().skip(1).collect::<Vec<_>>().len(), shown.lines().skip(1).collect::<Vec<_>>().len());
    bare(&[]).exits(0).says("4 to create").says(r#"source  "model""#);
    bare(&["--view", "brief"]).exits(0).says("chat     endpoint  local");
    assert_eq!(bare(&["--json"]).exits(0).json()["resource_changes"].as_array().unwrap().len(), 4);
    assert!(!elsewhere.path(".trueup").exists());
}

#[test]
fn a_saved_plan_is_refused_when_the_state_moved() {
    let place = Place::with(BUCKETS);
    place.run(&["plan", "--out", "plan.trueup"]).exits(2);
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["apply", "plan.trueup", "--yes"]).exits(1).complains("help: plan again");
    place.run(&["plan"]).exits(0);
}

#[test]
fn a_saved_plan_is_refused_when_what_it_changes_moved() {
    let place = Place::applied(BUCKETS);
    place.edit("team: a", "team: b");
    place.run(&["plan", "--out", "plan.trueup"]).exits(2);
    fs::remove_dir_all(place.made("demo-one")).unwrap();
    let refused = place.run(&["apply", "plan.trueup", "--yes"]).exits(1);
    refused.complains("one changed since the plan was made").complains("plan again");
}

#[test]
fn a_saved_plan_that_is_none_is_told_so() {
    let place = Place::with(BUCKETS);
    place.run(&["show", "blueprint.yaml"]).exits(1).complains("is no plan").complains("trueup plan --out");
    place.write("cut.trueup", r#"{"format":1,"stack""#);
    place.run(&["show", "cut.trueup"]).exits(1).complains("is no plan");
    place.run(&["apply", "cut.trueup", "--yes"]).exits(1).complains("is no plan");
    place.write("new.trueup", r#"{"format":999}"#);
    place.run(&["show", "new.trueup"]).exits(1).complains("its format is 999").complains("plan again with this Trueup");
    place.run(&["plan", "--out", "no/such/directory/plan"]).exits(1).complains("can't be saved");
}

#[test]
fn destroy_leaves_nothing_behind() {
    let place = Place::applied(DEMO);
    assert_eq!(place.replicas().len(), 1);
    place.run(&["plan", "--destroy"]).exits(2).says("4 to destroy");
    place.run(&["destroy", "--yes"]).exits(0).says("Done: 4 operations.").says_not("Outputs");
    place.is_clean();
    place.run(&["destroy", "--yes"]).exits(0).says("Nothing to do.");
    place.run(&["output"]).exits(0).says("There are no outputs.");
    place.run(&["state", "list"]).exits(0).says("0 resources.");
    place.run(&["plan"]).exits(2).says("4 to create");
}

#[test]
fn outputs_alone_are_set_and_removed() {
    let place = Place::with("blueprint: demo\nproviders: { local: {} }\nresources: {}\noutputs: { a: 1, b: 2 }\n");
    place.run(&["apply", "--yes"]).exits(0).says("0 to destroy, 2 outputs to set.");
    place.run(&["destroy", "--yes"]).exits(0).says("0 to destroy, 2 outputs to remove.").says_not("to set");
}

#[test]
fn a_variable_that_is_not_declared_is_told_by_where_it_is_given() {
    let place =
        Place::with("blueprint: demo\nproviders: { local: {} }\nvariables: { model: { default: a } }\nresources: {}\n");
    place.write("given.yaml", "sizes: [1]\n");
    let declare = |what: &str| format!("declare this one, `variables: {{ {what} }}`");
    let ran = place.run_with(&["plan"], &[("TRUEUP_VAR_token", "x"), ("COLUMNS", "300")]).exits(1);
    ran.complains(&declare("token: { type: string }")).complains("`unset TRUEUP_VAR_token`");
    let ran = place.run_with(&["plan"], &[("TRUEUP_VAR_modle", "x")]).exits(1);
    ran.complains("did you mean `model`? If not").complains("`unset TRUEUP_VAR_modle`");
    let ran = place.run_with(&["plan", "--var-file", "given.yaml"], &[]).exits(1);
    ran.complains("sizes: { type: list }").complains("or take it");
}

#[test]
fn drift_is_found_told_and_brought_back() {
    let place = Place::applied(DEMO);
    place.run(&["drift"]).exits(0).says("No drift");
    fs::write(place.made("weights.bin"), "tampered").unwrap();
    place.run(&["drift"]).exits(2).says("weights  artifact  was changed").says("1 resource drifted");
    let found = place.run(&["drift", "--json"]).exits(2).json();
    assert_eq!(found["resource_drift"][0]["address"], "weights");
    place.run(&["drift", "--correct", "--yes"]).exits(0).says("Done: 1 operation.");
    assert_eq!(fs::read_to_string(place.made("weights.bin")).unwrap(), "0123456789");
    place.run(&["drift"]).exits(0);
}

#[test]
fn correcting_leaves_edits_for_an_apply() {
    let place = Place::applied(DEMO);
    fs::write(place.made("weights.bin"), "tampered").unwrap();
    place.edit("team: a", "team: b");
    let corrected = place.run(&["drift", "--correct", "--yes"]).exits(0);
    corrected.says("note: data:").says("Done: 1 operation.");
    place.run(&["drift"]).exits(0);
    place.run(&["plan"]).exits(2).says("tags.team").says("0 to create, 1 to change");
}

#[test]
fn output_prints_all_or_one() {
    let place = Place::applied(BUCKETS);
    place.run(&["output"]).exits(0).says("There are no outputs.");
    place.write("blueprint.yaml", &format!("{BUCKETS}outputs: {{ list: [1, 2], text: plain }}\n"));
    place.run(&["apply", "--yes"]).exits(0).says("text  plain");
    place.run(&["output"]).exits(0).says("list  [1,2]").says("text  plain");
    assert_eq!(place.run(&["output", "--json"]).exits(0).json()["list"][1], 2);
    for arguments in
        [&["output", "text"][..], &["output", "text", "blueprint.yaml"], &["output", "blueprint.yaml", "text"]]
    {
        assert_eq!(place.run(arguments).exits(0).out, "plain\n");
    }
    assert_eq!(place.run(&["output", "text", "--json"]).exits(0).json(), "plain");
    place.run(&["output", "nothing"]).exits(1).complains("there is no output `nothing`; there are: list, text");
    place.run(&["output", "one", "two"]).exits(1).complains("one too many");
}

#[test]
fn state_is_listed_shown_and_told() {
    let place = Place::with(BUCKETS);
    place.run(&["state", "list"]).exits(1).complains("has no state").complains("`trueup apply` makes it");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["state", "list"]).exits(0).says("one  bucket  demo-one-").says("2 resources.");
    place.run(&["state", "show", "one"]).exits(0).says("tags.team").says("resource_id");
    place.run(&["state", "history"]).exits(0).says("one: create begins").says("two: done, demo-two-");
    let list = place.run(&["state", "list", "--json"]).exits(0).json();
    assert_eq!(list["resources"].as_array().unwrap().len(), 2);
    assert_eq!(place.run(&["state", "show", "one", "--json"]).exits(0).json()["address"], "one");
    let history = place.run(&["state", "history", "--json"]).exits(0).json_lines();
    assert_eq!(history.len(), usize::try_from(list["serial"].as_u64().unwrap()).unwrap());
    place.run(&["state", "show", "ones"]).exits(1).complains("did you mean `one`?");
    place.run(&["state", "show", "o ne"]).exits(1).complains("is no address");
    place.run(&["state", "list", "--env", "prod"]).exits(1).complains("demo · prod has no state");
}

#[test]
fn a_live_run_keeps_its_lease_and_a_dead_one_does_not() {
    let place = Place::with(SLOW);
    place.run(&["unlock"]).exits(0).says("Nobody holds demo · default.");
    let running = place.start(&["apply", "--yes"]);
    eventually("the replica runs", || !place.replicas().is_empty());
    place
        .run(&["unlock"])
        .exits(4)
        .complains("held by `trueup apply`")
        .complains("under way: create")
        .complains("unlock --force");
    place.run(&["unlock", "--json"]).exits(4).json_lines();
    place.run(&["apply", "--yes"]).exits(4).complains("held by `trueup apply`");
    running.signal(Signal::KILL);
    running.wait();
    place.run(&["unlock"]).exits(0);
    place.run(&["unlock"]).exits(0).says("Nobody holds");
}

#[test]
fn a_blueprint_of_another_name_is_no_new_stack() {
    let place = Place::applied(BUCKETS);
    place.edit("blueprint: demo", "blueprint: other");
    place.run(&["plan"]).exits(1).complains("name the blueprint `demo` again");
}

#[test]
fn validate_finds_what_is_wrong_in_any_environment_alone() {
    let place = Place::with(
        "blueprint: demo
providers: { local: {} }
variables: { on: { type: boolean, default: true }, who: { type: string } }
environments:
  dev: { tags: { stage: dev } }
  prod: { variables: { on: { default: false } } }
resources:
  a: { kind: bucket, when: \"{{ var.on }}\" }
  b: { kind: bucket, for_each: [x, y], tags: { a: \"{{ a.uri }}\", who: \"{{ var.who }}\" } }
",
    );
    let ran = place.run(&["validate", "--var", "who=ada"]).exits(1);
    ran.complains("blueprint.yaml:9").complains("environment prod").complains("1 error in the blueprint");
    place.run(&["validate", "--var", "who=ada", "--env", "dev"]).exits(1).complains("environment prod");
    // A value that none of them has is missed once.
    place.run(&["validate"]).exits(1).complains("`who` has no value").complains("2 errors in the blueprint");
}

#[test]
fn environments_are_stacks_of_their_own() {
    let place = Place::with(&format!("{BUCKETS}environments: {{ prod: {{ tags: {{ stage: prod }} }} }}\n"));
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan", "--env", "prod"]).exits(2).says("demo · prod").says("2 to create");
    place.run(&["plan"]).exits(0);
    place.run(&["plan", "--env", "nowhere"]).exits(1).complains("nowhere");
}

#[test]
fn the_nearest_source_of_a_variable_wins() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nvariables: { who: { type: string, default: default } }\n\
         resources: {}\noutputs: { who: \"{{ var.who }}\" }\n",
    );
    place.write("one.yaml", "who: first file\n");
    place.write("two.yaml", "who: second file\n");
    let environment = [("TRUEUP_VAR_who", "environment")];
    let says = |arguments: &[&str], environment: &[(&str, &str)]| {
        let plan = place.run_with(&[&["plan", "--json"], arguments].concat(), environment).exits(2);
        plan.json()["output_changes"]["who"]["after"].as_str().unwrap().to_owned()
    };
    assert_eq!(says(&[], &[]), "default");
    assert_eq!(says(&[], &environment), "environment");
    assert_eq!(says(&["--var-file", "one.yaml"], &environment), "first file");
    assert_eq!(says(&["--var-file", "one.yaml", "--var-file", "two.yaml"], &environment), "second file");
    assert_eq!(says(&["--var", "who=a=b", "--var-file", "one.yaml"], &environment), "a=b");
    assert_eq!(says(&["--var", "who=a", "--var", "who=b"], &[]), "b");
}

#[test]
fn what_is_wrong_with_a_variable_is_told() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nvariables:\n  count: { type: integer, minimum: 1 }\nresources: {}\n",
    );
    place.write("list.yaml", "- 1\n");
    place.write("broken.yaml", "count: [\n");
    place.run(&["plan"]).exits(1).complains("count");
    place.run(&["plan", "--var", "count"]).exits(1).complains("write `--var name=value`");
    place.run(&["plan", "--var", "count=many"]).exits(1).complains("count");
    place.run(&["plan", "--var", "count=0"]).exits(1).complains("count");
    place.run(&["plan", "--var", "counts=1"]).exits(1).complains("there is no variable `counts`");
    place.run(&["plan", "--var-file", "list.yaml"]).exits(1).complains("does not hold a map of variables");
    place.run(&["plan", "--var-file", "broken.yaml"]).exits(1).complains("broken.yaml can't be used");
    place.run(&["plan", "--var-file", "nowhere.yaml"]).exits(1).complains("nowhere.yaml can't be used");
    place.run(&["plan", "--var", "count=2"]).exits(0);
}

#[test]
fn one_at_a_time_and_many_at_once_come_to_the_same() {
    for parallelism in ["1", "1024"] {
        let place = Place::with(BUCKETS);
        place.run(&["apply", "--yes", "--parallelism", parallelism]).exits(0).says("Done: 2 operations.");
    }
}

#[test]
fn an_empty_blueprint_has_nothing_to_do() {
    let place = Place::with(EMPTY);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["apply", "--yes"]).exits(0);
    assert!(!place.path(".trueup").exists(), "nothing to do makes no state");
}
