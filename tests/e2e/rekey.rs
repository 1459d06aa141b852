//! Another key for the secrets of a state, without an apply.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Place, Ran, mode};

/// Found nowhere but in the process that it is for.
const CANARY: &str = "canary-2c26b46b68ffc68f";

/// A secret in a resource and in an output.
const SECRET: &str = r#"blueprint: demo
providers: { sim: {} }
variables: { token: { type: string, secret: true } }
resources:
  data: { kind: bucket }
  chat: { kind: endpoint, image: "registry.example/chat:1", env: { TOKEN: "{{ var.token }}" } }
outputs:
  token: "{{ var.token }}"
"#;

const GIVEN: (&str, &str) = ("TRUEUP_VAR_token", CANARY);

/// A place whose state has secrets, and the path of the key to come.
fn applied() -> (Place, String) {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &[GIVEN]).exits(0);
    let key = place.path("new.key").display().to_string();
    (place, key)
}

fn revealed(place: &Place, key: &str) -> Ran {
    place.run_with(&["output", "token", "--reveal"], &[("TRUEUP_KEY", key)])
}

fn former(place: &Place) -> String {
    place.path(".trueup/key").display().to_string()
}

#[test]
fn from_then_on_the_new_key_opens_the_state_and_the_former_does_not() {
    let (place, key) = applied();
    let calls = place.run(&["sim", "calls"]).exits(0).out;
    let said = place.run(&["state", "rekey", "--to", &key, "--generate"]).exits(0);
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(said.out.replace(&key, "[key]"));
    });
    assert_eq!(mode(&place.path("new.key")), 0o600);
    assert_eq!(place.run(&["sim", "calls"]).exits(0).out, calls, "no one was called");
    assert_eq!(revealed(&place, &key).exits(0).out.trim(), CANARY);
    let former = former(&place);
    let refused = revealed(&place, &former).exits(1).complains("sealed for a key that is not here");
    assert!(!refused.out.contains(CANARY));
    let with_former = [GIVEN, ("TRUEUP_KEY", former.as_str())];
    place.run_with(&["plan"], &with_former).exits(0).says("cannot compare");
    let edited = [("TRUEUP_VAR_token", "another"), with_former[1]];
    place.run_with(&["apply", "--yes"], &edited).exits(1).complains("sealed for a key that is not here");

    let with_new = [GIVEN, ("TRUEUP_KEY", key.as_str())];
    place.run_with(&["plan"], &with_new).exits(0).says("Nothing to do.").says_not("cannot compare");
    place.run_with(&["state", "verify"], &with_new).exits(0).says("Sound").says_not("note");
    place.run_with(&["state", "history"], &with_new).exits(0).says("secrets sealed for another key");
    place.run_with(&["apply", "--yes"], &[("TRUEUP_VAR_token", "canary-2c26b46b68ffc68f-2"), with_new[1]]).exits(0);
    assert_eq!(revealed(&place, &key).exits(0).out.trim(), "canary-2c26b46b68ffc68f-2");
    assert_eq!(place.run_with(&["state", "export"], &with_new).exits(0).code, 0);
    let clear: Vec<_> = place.files_with(CANARY).into_iter().filter(|path| !path.ends_with("sim.db")).collect();
    assert!(clear.is_empty(), "{clear:?}");
    place.run_with(&["destroy", "--yes"], &with_new).exits(0);
}

#[test]
fn a_key_that_is_there_may_be_named_and_machines_are_told_whose_it_is() {
    let (place, key) = applied();
    let (other, _) = applied();
    fs::copy(other.path(".trueup/key"), &key).unwrap();
    let rekeyed = place.run(&["state", "rekey", "--to", &key, "--json"]).exits(0).json();
    assert_eq!(rekeyed["outputs"], 1);
    assert!(rekeyed["resources"].as_u64().unwrap() >= 1, "{rekeyed}");
    assert_eq!(rekeyed["key"], key.as_str());
    assert!(rekeyed["recipient"].as_str().unwrap().starts_with("age1"), "{rekeyed}");
    assert_eq!(revealed(&place, &key).exits(0).out.trim(), CANARY);
    // And back, from the new key to the first.
    let former = former(&place);
    place.run_with(&["state", "rekey", "--to", &former], &[("TRUEUP_KEY", &key)]).exits(0);
    assert_eq!(revealed(&place, &former).exits(0).out.trim(), CANARY);
    revealed(&place, &key).exits(1);
}

#[test]
fn what_can_not_be_rekeyed_is_told_why_and_stays() {
    let (place, key) = applied();
    place.write("no.key", "hello\n");
    let former = former(&place);
    let before = place.listing();
    for (arguments, environment, said) in [
        (&["--to", key.as_str()][..], &[][..], "there is no such file"),
        (&["--to", "no.key"], &[], "it holds no age identity"),
        (&["--to", "no.key", "--generate"], &[], "there is such a file already"),
        (&["--to", &former], &[], "is the key that there is already"),
        (&[], &[], "--to"),
        (&["--to", &key, "--generate", "--env", "prod"], &[], "demo · prod has no state"),
    ] {
        place.run_with(&[&["state", "rekey"], arguments].concat(), environment).exits(1).complains(said);
        place.is_as(&before);
    }
    let (other, _) = applied();
    let wrong = other.path(".trueup/key").display().to_string();
    let refused = place.run_with(&["state", "rekey", "--to", &key, "--generate"], &[("TRUEUP_KEY", &wrong)]);
    refused.exits(1).complains("sealed for a key that is not here").complains("set TRUEUP_KEY to that key");
    place.is_as(&before);
    assert_eq!(revealed(&place, &former).exits(0).out.trim(), CANARY);
}

#[test]
fn a_rekey_that_is_killed_leaves_one_key_or_the_other() {
    let (place, key) = applied();
    let (other, _) = applied();
    fs::copy(other.path(".trueup/key"), &key).unwrap();
    let keys = [former(&place), key];
    let mut is_new = false;
    for round in 0..12_u64 {
        let (from, to) = (&keys[usize::from(is_new)], &keys[usize::from(!is_new)]);
        let line = format!("exec {} state rekey --to {to}", assert_cmd::cargo::cargo_bin!("trueup").display());
        let mut running = place.shell(&line).env("TRUEUP_KEY", from).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 4));
        let pid = rustix::process::Pid::from_child(&running);
        // It may be done by now.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        running.wait().unwrap();
        let opens = keys.each_ref().map(|key| revealed(&place, key).code == 0);
        assert!(opens[0] != opens[1], "{round}: {opens:?}");
        place.run_with(&["state", "verify"], &[("TRUEUP_KEY", &keys[usize::from(opens[1])])]).exits(0).says_not("note");
        is_new = opens[1];
    }
}
