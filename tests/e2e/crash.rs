//! What is said when Trueup itself fails: by its own hook, in a process of its own.

use std::process::Command;

use trueup_state::Value;

use crate::canary::{CANARY, silent};

#[path = "../../src/crash.rs"]
mod product;

/// Says which panic the process is to end in.
const PANIC: &str = "TRUEUP_TEST_PANIC";

#[test]
#[ignore = "it fails by itself; the tests below run it"]
fn fails() {
    product::install();
    let secret = Value::secret(CANARY.into());
    match std::env::var(PANIC).as_deref() {
        Ok("value") => panic!("no use for {secret:?}"),
        Ok("words") => panic!("no use for {CANARY}"),
        Ok("unwrap") => drop(CANARY.parse::<u8>().map_err(|_| CANARY).unwrap()),
        Ok("slice") => drop(format!("ä{CANARY}")[1..].to_owned()),
        Ok("thread") => std::thread::spawn(|| panic!("no use for {CANARY}")).join().unwrap(),
        Ok("literal") => panic!("a list that is never empty is empty"),
        other => panic!("{other:?} is no way to fail"),
    }
}

/// What is said of a panic.
fn report(way: &str, trace: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::fails", "--ignored", "--nocapture"]).env(PANIC, way).env("RUST_BACKTRACE", trace);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn a_crash_says_where_and_what_to_do_and_repeats_no_value() {
    for way in ["value", "words", "unwrap", "slice", "thread"] {
        let said = report(way, "0");
        silent(way, &said);
        for words in ["error: Trueup has failed", "tests/e2e/crash.rs:", "may repeat a secret", "run the command again"]
        {
            assert!(said.contains(words), "{way}: `{words}` is not in\n{said}");
        }
        assert!(!said.contains("product::install"), "a trace that nobody asked for:\n{said}");
    }
    let said = report("literal", "0");
    assert!(said.contains(": a list that is never empty is empty\n"), "{said}");
}

#[test]
fn a_trace_is_added_where_it_is_asked_for() {
    let said = report("words", "1");
    silent("a trace", &said);
    assert!(said.contains("crash::fails"), "{said}");
}
