//! A secret is never written in clear, wherever one looks.

use std::fs;

use crate::support::{Place, Ran, http, mode};

/// Found nowhere but in the process that it is for.
const CANARY: &str = "canary-4f1e9b7c";

/// A secret on its way into an endpoint and out of the stack, alone and inside a text.
const SECRET: &str = r#"blueprint: demo
providers: { local: {} }
variables:
  token: { type: string, secret: true }
resources:
  chat:
    kind: endpoint
    command: [python3, serve.py]
    working_dir: .
    env: { WORDS: "{{ var.token }}", HEADER: "Bearer {{ var.token }}" }
outputs:
  url: "{{ chat.url }}"
  token: "{{ var.token }}"
  header: "Bearer {{ var.token }}"
"#;

const GIVEN: [(&str, &str); 2] = [("TRUEUP_VAR_token", CANARY), ("RUST_LOG", "trace")];

#[track_caller]
fn keeps_quiet(ran: Ran) -> Ran {
    assert!(!ran.out.contains(CANARY) && !ran.err.contains(CANARY), "{}{}", ran.out, ran.err);
    ran
}

#[test]
fn a_secret_is_in_no_file_and_in_no_word() {
    let place = Place::with(SECRET);
    let run = |arguments: &[&str]| keeps_quiet(place.run_with(arguments, &GIVEN));
    run(&["plan"]).exits(2);
    run(&["plan", "--out", "plan.trueup"]).exits(2);
    run(&["show", "plan.trueup"]).exits(0);
    run(&["show", "plan.trueup", "--json"]).exits(0);
    run(&["apply", "plan.trueup", "--yes", "--json"]).exits(0);
    let url = run(&["output", "url"]).exits(0).out;
    assert_eq!(http(url.trim(), "GET", "/env", ""), CANARY, "it arrives");
    run(&["plan", "--json"]).exits(0);
    for command in [&["output"][..], &["state", "list"], &["state", "show", "chat"], &["state", "history"]] {
        run(command).exits(0);
        run(&[command, &["--json"]].concat()).exits(0);
    }
    run(&["output", "token"]).exits(0).says("(secret)");
    assert_eq!(place.files_with(CANARY), Vec::<std::path::PathBuf>::new());

    assert_eq!(place.run(&["output", "header", "--reveal"]).exits(0).out, format!("Bearer {CANARY}\n"));
    place.run(&["output", "--reveal"]).exits(0).says(CANARY);
    assert_eq!(place.run(&["output", "--reveal", "--json"]).exits(0).json()["token"], CANARY);
    run(&["destroy", "--yes"]).exits(0);
    assert_eq!(place.files_with(CANARY), Vec::<std::path::PathBuf>::new());
}

#[test]
fn another_secret_is_a_change_that_shows_neither() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    let other = [("TRUEUP_VAR_token", "canary-4f1e9b7c-other"), ("RUST_LOG", "trace")];
    let plan = keeps_quiet(place.run_with(&["plan"], &other)).exits(2);
    plan.says("env.WORDS").says("(secret) → (secret)").says("1 to change");
    keeps_quiet(place.run_with(&["plan", "--json"], &other)).exits(2);
    keeps_quiet(place.run_with(&["apply", "--yes"], &other)).exits(0);
    assert_eq!(place.files_with(CANARY), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_failure_does_not_repeat_a_secret() {
    let place = Place::with(&SECRET.replace("[python3, serve.py]", r#"[sh, -c, "echo $HEADER; exit 1"]"#));
    keeps_quiet(place.run_with(&["apply", "--yes"], &GIVEN)).exits(3).says("(env)");
    keeps_quiet(place.run_with(&["apply", "--yes", "--json"], &GIVEN)).exits(3);
    keeps_quiet(place.run_with(&["state", "history"], &GIVEN)).exits(0);

    let place = Place::with(&SECRET.replace("type: string, secret", "type: integer, secret"));
    keeps_quiet(place.run_with(&["plan"], &GIVEN)).exits(1).complains("token");
    keeps_quiet(place.run_with(&["plan", "--json"], &GIVEN)).exits(1);
    let place = Place::with(&SECRET.replace("\"Bearer {{ var.token }}\" }", "\"{{ var.token + 1 }}\" }"));
    keeps_quiet(place.run_with(&["plan"], &GIVEN)).exits(1);
}

#[test]
fn state_and_key_are_their_owners_alone() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    assert_eq!(mode(&place.path(".trueup")), 0o700);
    assert_eq!(mode(&place.path(".trueup/key")), 0o600);
    assert_eq!(mode(&place.path(".trueup/state.db")), 0o600);
    assert_eq!(fs::read_to_string(place.path(".trueup/.gitignore")).unwrap().trim(), "*");
}

#[test]
fn the_key_may_be_given_as_it_is_or_as_a_path() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    let key = fs::read_to_string(place.path(".trueup/key")).unwrap();
    fs::rename(place.path(".trueup/key"), place.path("elsewhere")).unwrap();
    let elsewhere = place.path("elsewhere").display().to_string();
    for given in [key.trim(), elsewhere.as_str()] {
        let revealed = place.run_with(&["output", "token", "--reveal"], &[("TRUEUP_KEY", given)]).exits(0);
        assert_eq!(revealed.out.trim(), CANARY);
        place.run_with(&["plan"], &[("TRUEUP_KEY", given), GIVEN[0]]).exits(0);
    }
    assert!(!place.path(".trueup/key").exists(), "none is made beside the one that is given");
}

#[test]
fn a_wrong_key_is_told_and_spoils_nothing() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    let other = Place::with(SECRET);
    other.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    let wrong = other.path(".trueup/key").display().to_string();
    let ran = place.run_with(&["output", "token", "--reveal"], &[("TRUEUP_KEY", &wrong)]);
    assert!(!ran.out.contains(CANARY));
    for what in [&["token"][..], &["header"], &["token", "--json"], &[], &["--json"]] {
        let ran = keeps_quiet(place.run_with(&[&["output", "--reveal"], what].concat(), &[("TRUEUP_KEY", &wrong)]));
        let ran = ran.exits(1);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("sealed for a key that is not here") && said.contains("set TRUEUP_KEY to"), "{said}");
    }
    place.run_with(&["output", "url", "--reveal"], &[("TRUEUP_KEY", &wrong)]).exits(0).says("http://");
    place.run_with(&["output", "token"], &[("TRUEUP_KEY", &wrong)]).exits(0).says("(secret)");
    let applied = place.run_with(&["apply", "--yes"], &[("TRUEUP_KEY", &wrong), ("TRUEUP_VAR_token", "another")]);
    applied.exits(1).complains("sealed for a key that is not here").complains("TRUEUP_KEY");
    let planned = place.run_with(&["plan"], &[("TRUEUP_KEY", &wrong), GIVEN[0]]).exits(0);
    assert!(planned.out.contains("cannot compare"), "{}", planned.out);
    place.run_with(&["plan"], &GIVEN).exits(0);
}

#[test]
fn a_key_that_can_not_be_read_is_told_before_anything_is_done() {
    let place = Place::with(SECRET);
    place.write("no-key", "hello\n");
    for (given, said) in
        [("nowhere", "there is no such file"), ("AGE-SECRET-KEY-NONSENSE", "given"), ("no-key", "no-key")]
    {
        for command in [&["apply", "--yes"][..], &["plan"]] {
            let ran = place.run_with(command, &[("TRUEUP_KEY", given), GIVEN[0]]);
            ran.exits(1).complains(said).complains("TRUEUP_KEY holds an age identity");
        }
    }
    assert!(place.kept().is_empty(), "{:?}", place.kept());
}

#[test]
fn without_the_key_a_plan_still_works_and_says_nothing_false() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    fs::remove_file(place.path(".trueup/key")).unwrap();
    let plan = keeps_quiet(place.run_with(&["plan", "--json"], &GIVEN)).json();
    let changes = plan["resource_changes"].as_array().unwrap();
    assert!(changes.iter().all(|one| one["change"]["actions"][0] == "no-op"), "{plan:#}");
    keeps_quiet(place.run_with(&["state", "show", "chat"], &GIVEN)).exits(0).says("(secret)");
    keeps_quiet(place.run_with(&["output"], &GIVEN)).exits(0).says("(secret)");
}

/// A word that stands in a resource's name is no secret there, or nothing could be made of the name.
#[test]
fn a_password_that_is_a_common_word_leaves_names_alone() {
    let place = Place::with(
        r#"blueprint: demo
providers: { sim: {} }
variables: { password: { type: string, secret: true } }
resources:
  postgres: { kind: "Sim::Thing", properties: { secret: "{{ var.password }}" } }
  beside: { kind: bucket, name: "x-{{ postgres.name | lower }}" }
outputs: { id: "{{ postgres.name }}" }
"#,
    );
    place.run_with(&["apply", "--yes"], &[("TRUEUP_VAR_password", "postgres")]).exits(0);
    let id = place.run(&["output", "--json"]).exits(0).json()["id"].clone();
    assert!(id.as_str().is_some_and(|id| id.contains("postgres")), "{id}");
}
