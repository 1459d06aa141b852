//! A disk that is full in the middle of an apply: nothing new is begun, it is said, and the next run goes on.
//!
//! The cloud is `sim`'s, in a file that has room: what it was asked tells whether something was begun.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::support::{Place, Ran, require};

/// How many things there are to make.
const NODES: usize = 24;

/// Each step writes so much to the journal that a few fill the disk; the cloud's file stays far smaller.
fn place() -> Place {
    let place = Place::new();
    let cloud = place.path("cloud.db");
    let keys: Vec<String> = (10..10 + NODES).map(|key| format!("n{key}")).collect();
    place.write(
        "blueprint.yaml",
        &format!(
            "blueprint: demo\nproviders: {{ sim: {{ file: {} }} }}\nresources:\n  node: {{ kind: bucket, for_each: [{}], tags: {{ note: {} }} }}\n",
            cloud.display(),
            keys.join(", "),
            "x".repeat(40_000)
        ),
    );
    place
}

const APPLY: &str = "apply --yes --view brief --parallelism 3";

fn ran(mut command: Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// What the cloud was asked to make, in order: the token of each call.
fn creates(place: &Place) -> Vec<String> {
    let calls = place.run(&["sim", "calls", "--file", "cloud.db", "--json"]).exits(0).json_lines();
    let creates = calls.iter().filter(|call| call["call"] == "create");
    creates.map(|call| call["token"].as_str().unwrap().to_owned()).collect()
}

/// The operations that the journal says have begun, and those that it says have ended.
fn begun_and_ended(place: &Place) -> (BTreeSet<String>, BTreeSet<String>) {
    let entries = place.run(&["state", "history", "--json"]).exits(0).json_lines();
    let tokens = |event: &str, token: &dyn Fn(&Json) -> Json| {
        let of = entries.iter().filter(|entry| entry["event"] == event);
        of.map(|entry| token(entry).as_str().unwrap().to_owned()).collect()
    };
    let begun = tokens("begin", &|entry| entry["request"]["token"].clone());
    (begun, tokens("succeeded", &|entry| entry["token"].clone()))
}

/// How many lines of a report begin so.
fn lines(ran: &Ran, start: &str) -> usize {
    ran.out.lines().filter(|line| line.starts_with(start)).count()
}

/// A run that found the disk full: it says so, and nothing was begun that the journal does not know of.
#[track_caller]
fn stopped(place: &Place, ran: Ran) {
    let ran = ran.exits(3).says("stopped: there is no room left for .trueup/state.db; what was there is whole");
    let (done, under_way) = (lines(&ran, "  ✓ "), lines(&ran, "under way: "));
    let left = lines(&ran, "not attempted: ");
    assert!(done > 0 && left > 0 && under_way <= 3, "{}", ran.out);
    assert_eq!(done + under_way + left, NODES, "{}", ran.out);
    place.run(&["state", "verify"]).exits(0).says("Sound");
    let (begun, ended) = begun_and_ended(place);
    assert_eq!(ended.len(), done, "what was said to be done is");
    let asked = creates(place);
    assert!(asked.iter().all(|token| begun.contains(token)), "a call without its durable beginning: {asked:?}");
    assert!(begun.len() <= done + under_way, "nothing was begun once there was no room: {begun:?}");
}

/// With room again all is there, once, and recorded.
fn whole(place: &Place) {
    let objects = place.run(&["sim", "objects", "--file", "cloud.db", "--json"]).exits(0).json_lines();
    let made: BTreeSet<&str> = objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
    let list = place.run(&["state", "list", "--json"]).exits(0).json();
    let records = list["resources"].as_array().unwrap();
    let recorded: Vec<&str> = records.iter().map(|record| record["current"]["id"].as_str().unwrap()).collect();
    assert_eq!((objects.len(), recorded.len()), (NODES, NODES));
    assert_eq!(recorded.into_iter().collect::<BTreeSet<_>>(), made);
    assert_eq!(list["open"].as_array().unwrap().len(), 0);
    let asked = creates(place);
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), NODES, "each made by one operation");
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["state", "verify"]).exits(0).says("Sound");
    place.run(&["destroy", "--yes"]).exits(0);
}

/// The limit on a file's size stands in for a full disk: both make a write fail half way.
#[test]
fn a_full_disk_begins_nothing_more_and_the_next_run_goes_on() {
    let place = place();
    let limited = |blocks: u32| {
        let program = assert_cmd::cargo::cargo_bin!("trueup");
        // A process is ended by the signal of this limit unless it was told before not to be.
        ran(place.shell(&format!("trap '' XFSZ; ulimit -S -f {blocks}; exec {} {APPLY}", program.display())))
    };
    stopped(&place, limited(1600));
    assert!(begun_and_ended(&place).1.len() > 2, "some of it went well");
    // As long as there is no room, no run begins anything.
    let before = creates(&place);
    let again = limited(1);
    assert_ne!(again.code, 0, "{}{}", again.out, again.err);
    assert!(format!("{}{}", again.out, again.err).contains("no room left"), "{}{}", again.out, again.err);
    assert_eq!(creates(&place), before);
    place.run(&["apply", "--yes"]).exits(0);
    whole(&place);
}

/// The same on a disk that is full.
#[test]
fn a_small_disk_begins_nothing_more_and_the_next_run_goes_on() {
    if !require("unshare") {
        return;
    }
    let place = place();
    let inside = |line: &str| ran(place.shell(&format!("exec unshare -rm sh -c '{line}'")));
    let mount = "mkdir -p .trueup && mount -t tmpfs -o size=1m,mode=700 none .trueup";
    if inside(mount).code != 0 {
        assert!(std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "a small disk is needed, and can't be had");
        let _ = writeln!(std::io::stderr(), "skipped: needs a small disk");
        return;
    }
    let program = assert_cmd::cargo::cargo_bin!("trueup").display().to_string();
    // What is on the small disk is gone with the shell: it is kept beside, as it was when it was full.
    let full = inside(&format!("{mount} && {program} {APPLY}; code=$?; cp -r .trueup full; exit $code"));
    fs::remove_dir_all(place.path(".trueup")).unwrap();
    fs::rename(place.path("full"), place.path(".trueup")).unwrap();
    stopped(&place, full);
    place.run(&["apply", "--yes"]).exits(0);
    whole(&place);
}
