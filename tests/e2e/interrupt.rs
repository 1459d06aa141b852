//! Runs that are cut off, and runs that meet.

use rustix::process::Signal;

use crate::support::{Place, eventually, http};

/// One endpoint that does not become healthy until a file is there, and a bucket that must wait for it.
const GATED: &str = r#"blueprint: demo
providers: { local: {} }
resources:
  gated:
    kind: endpoint
    command: [python3, gate.py]
    working_dir: .
    health: { start_timeout: 90s }
  after: { kind: bucket, tags: { url: "{{ gated.url }}" } }
outputs: { url: "{{ gated.url }}" }
"#;

/// One process, which serves once the file `open` is there.
const GATE: &str =
    "import os, runpy, time\nwhile not os.path.exists('open'): time.sleep(0.05)\nrunpy.run_path('serve.py')\n";

fn gated() -> Place {
    let place = Place::with(GATED);
    place.write("gate.py", GATE);
    place
}

/// An apply was killed while it waited for the endpoint, which will be healthy from now on.
fn killed() -> Place {
    let place = gated();
    let running = place.start(&["apply", "--yes"]);
    eventually("the replica runs", || !place.replicas().is_empty());
    running.signal(Signal::KILL);
    running.wait();
    place.write("open", "");
    place
}

#[test]
fn an_interrupted_apply_starts_nothing_new_and_is_resumed() {
    let place = gated();
    let running = place.start(&["apply", "--yes"]);
    eventually("the replica runs", || !place.replicas().is_empty());
    running.signal(Signal::INT);
    let ran = running.wait().exits(3);
    ran.says("under way: create gated").says("It was interrupted.").complains("Stopping");
    assert!(!place.path(".trueup/local/buckets").exists(), "the bucket was not begun");
    let replicas = place.replicas();

    place.run(&["plan"]).exits(2).says("↻ gated: create was begun by an earlier run");
    place.write("open", "");
    place.run(&["apply", "--yes"]).exits(0).says("settling the create of an earlier run");
    assert_eq!(place.replicas(), replicas, "the same process, and no second one");
    let url = place.run(&["output", "url"]).exits(0).out;
    assert_eq!(http(url.trim(), "GET", "/", ""), "ok");
    place.run(&["plan"]).exits(0);
    place.run(&["destroy", "--yes"]).exits(0);
    assert!(place.replicas().is_empty());
}

#[test]
fn a_killed_apply_is_finished_by_the_next() {
    let place = killed();
    place.run(&["apply", "--yes"]).exits(0);
    assert_eq!(place.replicas().len(), 1);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["drift"]).exits(0);
}

#[test]
fn a_saved_plan_is_applied_only_once_what_a_killed_apply_left_is_settled() {
    let place = killed();
    place.run(&["plan", "--out", "first.plan"]).exits(2);
    let stale = place.run(&["apply", "first.plan", "--yes"]).exits(1).says("settling the create of an earlier run");
    stale.complains("now, and the plan was made at");
    place.run(&["plan", "--out", "second.plan"]).exits(2);
    place.run(&["apply", "second.plan", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    assert_eq!(place.replicas().len(), 1);
}

#[test]
fn an_apply_killed_at_any_moment_converges() {
    let blueprint = "blueprint: demo\nproviders: { local: {} }\nresources:\n  data: { kind: bucket }\n  \
                     files: { kind: artifact, for_each: [a, b, c, d], bucket: \"{{ data }}\", source: ./model }\n";
    // So many entries are in the journal when the program is killed, or a few more.
    for entries in [1, 3, 5] {
        let place = Place::with(blueprint);
        let running = place.start(&["apply", "--yes", "--json", "--parallelism", "1"]);
        eventually("it has begun", || {
            let history = place.run(&["state", "history", "--json"]);
            history.code == 0 && history.out.lines().count() >= entries
        });
        running.signal(Signal::KILL);
        running.wait();
        place.run(&["apply", "--yes"]).exits(0);
        place.run(&["plan"]).exits(0);
        assert_eq!(place.run(&["state", "list", "--json"]).json()["resources"].as_array().unwrap().len(), 5);
        place.run(&["destroy", "--yes"]).exits(0).says("5 operations");
        place.run(&["plan", "--destroy"]).exits(0);
        place.is_clean();
    }
}

#[test]
fn of_two_applies_one_is_told_who_holds_the_lease_or_waits() {
    let place = gated();
    let first = place.start(&["apply", "--yes"]);
    eventually("the replica runs", || !place.replicas().is_empty());
    place
        .run(&["apply", "--yes"])
        .exits(4)
        .complains("held by `trueup apply`, process")
        .complains("it has been at it since");
    place.run(&["plan"]).exits(2);
    let waiting = place.start(&["apply", "--yes", "--wait"]);
    place.write("open", "");
    first.wait().exits(0);
    waiting.wait().exits(0).complains("Waiting for `trueup apply`");
    assert_eq!(place.replicas().len(), 1);
    place.run(&["plan"]).exits(0);
}

#[test]
fn one_that_waits_can_be_told_to_give_up() {
    let place = gated();
    let first = place.start(&["apply", "--yes"]);
    eventually("the replica runs", || !place.replicas().is_empty());
    let waiting = place.start(&["apply", "--yes", "--wait"]);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    waiting.signal(Signal::INT);
    waiting.wait().exits(4).complains("Waiting for `trueup apply`");
    place.write("open", "");
    first.wait().exits(0);
}

#[test]
fn a_failure_leaves_the_rest_done_and_a_second_apply_finishes() {
    let blueprint = r#"blueprint: demo
providers: { local: {} }
resources:
  other: { kind: bucket }
  broken: { kind: endpoint, command: [sh, -c, "echo out of memory; exit 1"] }
  after: { kind: bucket, tags: { url: "{{ broken.url }}" } }
"#;
    let place = Place::with(blueprint);
    let ran = place.run(&["apply", "--yes"]).exits(3);
    ran.says("failed: create broken").says("out of memory").says("not attempted: create after, because of broken");
    place.run(&["state", "list"]).exits(0).says("other").says_not("after");
    place.write(
        "blueprint.yaml",
        &blueprint
            .replace(r#"[sh, -c, "echo out of memory; exit 1"]"#, "[python3, serve.py]")
            .replace("kind: endpoint,", "kind: endpoint, working_dir: .,"),
    );
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0);
}
