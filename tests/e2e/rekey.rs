//! Another key for the secrets of a state, without an apply.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use trueup_state::clock::{Clock, SystemClock};

use crate::support::{Place, Ran, eventually, mode};

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

/// An endpoint that never becomes healthy, beside a secret.
const SLOW: &str = r#"blueprint: demo
providers: { sim: {}, local: {} }
variables: { token: { type: string, secret: true } }
resources:
  chat: { kind: endpoint, provider: sim, image: "registry.example/chat:1", env: { TOKEN: "{{ var.token }}" } }
  slow: { kind: endpoint, provider: local, command: [sleep, "600"], health: { start_timeout: 90s } }
"#;

#[test]
fn a_key_is_made_only_by_who_has_the_lease_and_where_it_is_named_from_here() {
    let place = Place::with(SLOW);
    place.run_with(&["apply", "--yes", "--target", "chat"], &[GIVEN]).exits(0);
    let running = place.start(&["apply", "--yes", "--var", &format!("token={CANARY}")]);
    eventually("the replica runs", || !place.replicas().is_empty());
    let rekey = ["state", "rekey", "--to", "new.key", "--generate"];
    place.run(&rekey).exits(4).complains("held by `trueup apply`");
    assert!(!place.path("new.key").exists());
    running.signal(Signal::KILL);
    running.wait();
    place.run(&rekey).exits(0).says("for the key in new.key");
    assert_eq!(mode(&place.path("new.key")), 0o600);
    place.run(&rekey).exits(1).complains("there is such a file already").complains("without `--generate`");
    place.run_with(&["state", "verify"], &[("TRUEUP_KEY", "new.key")]).exits(0).says_not("sealed");
}

/// Rekeys with the one key for the other, killed after a while; whether it was still there to be killed.
fn killed_after(place: &Place, from: &str, to: &str, after: Duration) -> bool {
    let line = format!("exec {} state rekey --to {to}", assert_cmd::cargo::cargo_bin!("trueup").display());
    let mut running = place.shell(&line).env("TRUEUP_KEY", from).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    // It may be done by now.
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&running), Signal::KILL);
    running.wait().unwrap().signal() == Some(9)
}

#[test]
fn a_rekey_that_is_killed_leaves_one_key_or_the_other() {
    let (place, key) = applied();
    let (other, _) = applied();
    fs::copy(other.path(".trueup/key"), &key).unwrap();
    let keys = [former(&place), key];
    let begun = SystemClock.uptime();
    place.run_with(&["state", "rekey", "--to", &keys[1]], &[("TRUEUP_KEY", &keys[0])]).exits(0);
    let whole = SystemClock.uptime().saturating_sub(begun);
    let (mut is_new, mut kills) = (true, [0, 0]);
    // One process is quicker than another: as often as it takes to hit both sides of the commit, and later each time round, where all are
    // slower than the first.
    for round in 0..400_u32 {
        let (from, to) = (&keys[usize::from(is_new)], &keys[usize::from(!is_new)]);
        let was_killed = killed_after(&place, from, to, whole * (round * 5 % 24) * (10 + round / 24) / 200);
        let opens = keys.each_ref().map(|key| revealed(&place, key).code == 0);
        assert!(opens[0] != opens[1], "{round}: {opens:?}");
        place.run_with(&["state", "verify"], &[("TRUEUP_KEY", &keys[usize::from(opens[1])])]).exits(0).says_not("note");
        kills[usize::from(opens[1] != is_new)] += u32::from(was_killed);
        is_new = opens[1];
        if round >= 24 && kills.iter().all(|kills| *kills > 0) {
            return;
        }
    }
    panic!("of the kills {kills:?} came before the commit and after it");
}
