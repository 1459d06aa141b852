//! What a person does to the state by hand: move, forget, verify, resolve, export, import.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::support::{BUCKETS, DEMO, Place, eventually, mode, require};

/// A secret that must be found nowhere in clear.
const CANARY: &str = "canary-9f86d081884c7d65";

/// Something with a secret: an output and an environment variable.
const SECRET: &str = r#"blueprint: demo
providers: { local: {} }
variables: { token: { type: string, secret: true } }
resources:
  data: { kind: bucket }
  chat: { kind: endpoint, command: [python3, serve.py], working_dir: ., env: { WORDS: "{{ var.token }}" } }
outputs:
  token: "{{ var.token }}"
"#;

const GIVEN: [(&str, &str); 1] = [("TRUEUP_VAR_token", CANARY)];

/// A block with instances, a resource, and a module.
const BLOCKS: &str = r#"blueprint: demo
providers: { local: {} }
modules: { m: { source: m.yaml } }
resources:
  all: { kind: bucket, for_each: [x, y] }
  one: { kind: bucket }
  weights: { kind: artifact, bucket: "{{ one }}", source: ./model }
"#;

const MODULE: &str = "blueprint: m\nresources:\n  inner: { kind: bucket }\n";

/// An endpoint that never becomes healthy.
const SLOW: &str = "  slow: { kind: endpoint, command: [sleep, \"600\"], health: { start_timeout: 90s } }\n";

fn blocks() -> Place {
    let place = Place::with(BLOCKS);
    place.write("m.yaml", MODULE);
    place.run(&["apply", "--yes"]).exits(0);
    place
}

/// The serial of the state.
fn serial(place: &Place) -> u64 {
    place.run(&["state", "list", "--json"]).exits(0).json()["serial"].as_u64().unwrap()
}

/// The command is an error that says this, and the state stays as it is.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], said: &str, help: &str) {
    let before = serial(place);
    place.run(&[&["state"], arguments].concat()).exits(1).complains(said).complains(help);
    assert_eq!(serial(place), before, "{arguments:?}");
}

#[test]
fn what_moves_keeps_what_it_is() {
    let place = blocks();
    place.run(&["state", "mv", "one", "first"]).exits(0).says("  one  →  first").says("Moved: 1 resource.");
    let moved = place.run(&["state", "mv", "all", "several", "--json"]).exits(0).json();
    assert_eq!(
        moved,
        json!({ "moved": [
            { "from": r#"all["x"]"#, "to": r#"several["x"]"# },
            { "from": r#"all["y"]"#, "to": r#"several["y"]"# },
        ] })
    );
    place.run(&["state", "mv", r#"several["y"]"#, "m/second", "blueprint.yaml"]).exits(0);
    place.run(&["state", "mv", "m", "n"]).exits(0).says("m/inner   →  n/inner").says("m/second  →  n/second");
    place.run(&["state", "history"]).exits(0).says("one: moved to first");

    place.edit("m: { source", "n: { source");
    place.edit("all: { kind: bucket, for_each: [x, y] }", "several: { kind: bucket, for_each: [x] }");
    place.edit("  one:", "  first:");
    place.edit("{{ one }}", "{{ first }}");
    place.write("m.yaml", &format!("{MODULE}  second: {{ kind: bucket }}\n"));
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["state", "verify"]).exits(0).says("Sound: 5 resources");
    place.run(&["drift"]).exits(0);
    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

#[test]
fn what_can_not_move_is_told_why() {
    let place = blocks();
    refused(&place, &["mv", "wieghts", "b"], "wieghts is not recorded", "did you mean `weights`?");
    refused(&place, &["mv", "one", "weights"], "which is recorded already", "move weights away first");
    refused(&place, &["mv", "all", r#"b["x"]"#], "all has several instances", "move one instance at a time");
    refused(&place, &["mv", "one", "one["], "`one[` is no address", r#"trainer["a"]"#);
    refused(&place, &["mv", "one", "module.one"], "`module.one` is no name", "a letter first: `one`");
    refused(&place, &["mv", "one", "weights/one"], "weights is a resource, and no module", "choose an address");
    place.run(&["state", "mv", "one"]).exits(1).complains("TO");
    let error = place.run(&["state", "mv", "one", "one", "--json"]).exits(1).json();
    assert_eq!(error["error"]["message"], "one can't move to itself");
    place.run(&["state", "mv", "one", "b", "nowhere.yaml"]).exits(1).complains("nowhere.yaml can't be read");
    place.run(&["state", "mv", "one", "b", "--env", "prod"]).exits(1).complains("demo · prod has no state");
}

#[test]
fn what_is_forgotten_is_still_there() {
    let place = blocks();
    let weights = place.run(&["state", "show", "weights", "--json"]).exits(0).json()["current"]["id"].clone();
    let made = place.made("demo-one");
    place
        .run(&["state", "forget", "weights"])
        .exits(1)
        .complains("there is no terminal to ask at")
        .complains("`--yes`");
    place.run(&["state", "forget", "weights", "--json"]).exits(1);
    place.run(&["state", "show", "weights"]).exits(0);
    let forgotten = place.run(&["state", "forget", "weights", "--yes", "--json"]).exits(0).json();
    assert_eq!(forgotten["forgotten"][0]["address"], "weights");
    assert_eq!(forgotten["forgotten"][0]["objects"][0]["id"], weights);
    let said = place.run(&["state", "forget", "one", r#"all["x"]"#, "m", "./blueprint.yaml", "-y"]).exits(0);
    let said = said.says(r#"all["x"]"#).says("m/inner").says("at local").says("Forgotten: 3 resources.");
    assert!(said.out.contains("still there"), "{}", said.out);
    assert!(made.is_dir());
    place.run(&["state", "list"]).exits(0).says(r#"all["y"]"#).says("1 resource.");
    place.run(&["state", "history"]).exits(0).says("one: forgotten, generation 0");
}

#[test]
fn at_a_terminal_only_yes_forgets() {
    if !require("script") {
        return;
    }
    let place = Place::applied(BUCKETS);
    for typed in [&b"y\n"[..], b"\x03"] {
        place.run_at_terminal("state forget one", typed).exits(1).says("bucket").says("Nothing was changed.");
    }
    place.run(&["state", "show", "one"]).exits(0);
    place
        .run_at_terminal("state forget one", b"yes\n")
        .exits(0)
        .says("Forget this of demo")
        .says("Forgotten: 1 resource");
    place.run(&["state", "show", "one"]).exits(1);
}

#[test]
fn what_can_not_be_forgotten_is_told_why() {
    let place = blocks();
    refused(&place, &["forget", "-y", "wieghts"], "wieghts is not recorded", "did you mean `weights`?");
    refused(&place, &["forget", "-y", "one", "wieghts"], "wieghts is not recorded", "did you mean");
    refused(&place, &["forget", "-y", "blueprint.yaml"], "no address is named", "trueup state list");
    refused(&place, &["forget", "-y", "all["], "`all[` is no address", "an address reads like");
    refused(&place, &["forget", "-y", "one", "nowhere.yaml"], "nowhere.yaml can't be read", "");
    place.run(&["state", "forget"]).exits(1);
    place.run(&["state", "rm", "one"]).exits(1).complains("trueup state forget");
}

/// Runs a statement on the state behind its back.
pub(crate) fn tamper(place: &Place, statement: &str) {
    let script =
        "import sqlite3, sys; c = sqlite3.connect('.trueup/state.db'); c.execute(sys.argv[1]); c.commit(); c.close()";
    let mut python = place.shell("exec python3 -c \"$SCRIPT\" \"$STATEMENT\"");
    let status = python.env("SCRIPT", script).env("STATEMENT", statement).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_sound_state_is_told_from_a_damaged_one() {
    let place = Place::new();
    place.write("blueprint.yaml", DEMO);
    place.run(&["state", "verify"]).exits(1).complains("demo · default has no state");
    place.run(&["apply", "--yes"]).exits(0);
    let before = place.listing();
    let last = serial(&place);
    place.run(&["state", "verify"]).exits(0).says(&format!("Sound: 4 resources, {last} entries."));
    let verified = place.run(&["state", "verify", "--json"]).exits(0).json();
    assert_eq!(verified, json!({ "sound": true, "serial": last, "entries": last, "resources": 4, "findings": [] }));
    place.is_as(&before);

    let whole = fs::read(place.path(".trueup/state.db")).unwrap();
    for (statement, said) in [
        (
            "UPDATE entries SET body = CAST(CAST(body AS TEXT) || ' ' AS BLOB) WHERE rowid = (SELECT min(rowid) + 1 FROM entries)",
            "entry 2: its hash does not follow from it and those before it",
        ),
        ("DELETE FROM entries WHERE rowid = (SELECT min(rowid) + 2 FROM entries)", "entry 3: it is missing"),
        (
            "DELETE FROM entries WHERE rowid = (SELECT max(rowid) FROM entries)",
            "it is the last one, and the journal's head names entry",
        ),
    ] {
        fs::write(place.path(".trueup/state.db"), &whole).unwrap();
        tamper(&place, statement);
        let ran = place.run(&["state", "verify"]).exits(1).says("damage").says(said).says("Damaged:");
        assert!(ran.out.contains("trueup state import"), "{}", ran.out);
        let verified = place.run(&["state", "verify", "--json"]).exits(1).json();
        assert_eq!(verified["sound"], false);
        assert_eq!(verified["findings"].as_array().unwrap().len(), 1, "{verified:#}");
        assert_eq!(verified["findings"][0]["severity"], "damage");
    }
    fs::write(place.path(".trueup/state.db"), "something else").unwrap();
    place.run(&["state", "verify"]).exits(1);
}

#[test]
fn what_is_noted_is_no_damage() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    place.run(&["state", "verify"]).exits(0).says_not("note");
    fs::rename(place.path(".trueup/key"), place.path("key")).unwrap();
    place.run(&["state", "verify"]).exits(0).says("chat: it has secrets that are sealed for a key that is not here");
    let place = blocks();
    place.run(&["state", "forget", "one", "--yes"]).exits(0);
    place
        .run(&["state", "verify"])
        .exits(0)
        .says("weights: it depends on one, of which there is no record")
        .says("Sound");
}

/// What was exported to a file.
fn exported(place: &Place, name: &str) -> Json {
    let said = place.run(&["state", "export", "--out", name]).exits(0);
    assert!(said.out.contains("Its secrets open with the same key alone"), "{}", said.out);
    assert_eq!(mode(&place.path(name)), 0o600);
    serde_json::from_slice(&fs::read(place.path(name)).unwrap()).unwrap()
}

#[test]
fn an_exported_state_comes_back_whole() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    let mut first = exported(&place, "first.json");
    assert_eq!(place.run(&["state", "export"]).exits(0).json(), first, "printed or written, it is the same");
    assert_eq!(first["format_version"], 1);
    assert_eq!(first["stack"], json!({ "blueprint": "demo", "environment": "default" }));
    assert!(!place.files_with(CANARY).iter().any(|file| file.ends_with("first.json")));

    fs::remove_file(place.path(".trueup/state.db")).unwrap();
    place.run(&["state", "list"]).exits(1);
    let said = place.run(&["state", "import", "first.json"]).exits(0);
    said.says("Restored: 2 resources of demo · default, as they were at serial");
    place.run_with(&["plan"], &GIVEN).exits(0).says("Nothing to do.");
    place.run(&["state", "verify"]).exits(0).says("Sound");
    place.run(&["state", "history"]).exits(0).says("2 resources restored from an export");
    let second = exported(&place, "second.json");
    assert_eq!(second["serial"], 1);
    first["serial"] = 1.into();
    assert_eq!(second, first);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    assert_eq!(place.run(&["output", "token", "--reveal"]).exits(0).out.trim(), CANARY);
    place.run_with(&["destroy", "--yes"], &GIVEN).exits(0);
    for name in ["first.json", "second.json"] {
        fs::remove_file(place.path(name)).unwrap();
    }
    place.is_clean();
}

#[test]
fn an_export_tells_machines_where_it_is_and_what_is_in_it() {
    let place = Place::applied(BUCKETS);
    let said = place.run(&["state", "export", "--out", "state.json", "--json"]).exits(0).json();
    assert_eq!(said, json!({ "file": "state.json", "serial": 4, "resources": 2 }));
    fs::remove_file(place.path(".trueup/state.db")).unwrap();
    let said = place.run(&["state", "import", "state.json", "--json"]).exits(0).json();
    assert_eq!((&said["serial"], &said["resources"], &said["exported_at"]), (&json!(1), &json!(2), &json!(4)));
    place
        .run(&["state", "export", "--out", "nowhere/state.json"])
        .exits(1)
        .complains("can't be saved as nowhere/state.json");
    place.run(&["state", "export", "--env", "prod"]).exits(1).complains("demo · prod has no state");
}

/// Whoever imports this is told why not, and nothing is made.
#[track_caller]
fn not_imported(place: &Place, arguments: &[&str], said: &str, help: &str) {
    let before = place.listing();
    place.run(&[&["state", "import"], arguments].concat()).exits(1).complains(said).complains(help);
    place.is_as(&before);
}

#[test]
fn what_can_not_be_imported_is_told_why() {
    let place = Place::applied(BUCKETS);
    let whole = exported(&place, "state.json");
    not_imported(
        &place,
        &["state.json"],
        "demo · default has a state already: 2 resources are recorded",
        "only where nothing",
    );
    not_imported(&place, &["nowhere.json"], "nowhere.json can't be read", "");
    not_imported(&place, &["model"], "it is a directory", "");

    let other = Place::with(BUCKETS);
    let write = |change: &dyn Fn(&mut Json)| {
        let mut document = whole.clone();
        change(&mut document);
        other.write("state.json", &document.to_string());
    };
    for (text, said) in [("", "it is no exported state"), ("{}", "it has no `format_version`"), ("[1]", "it has no")] {
        other.write("state.json", text);
        not_imported(&other, &["state.json"], said, "`trueup state export --out FILE` writes one");
    }
    write(&|document| document["format_version"] = 2.into());
    not_imported(&other, &["state.json"], "its format is 2", "use the Trueup that wrote it");
    write(&|document| document["stack"]["environment"] = "prod".into());
    not_imported(&other, &["state.json"], "it is the state of demo · prod", "choose its environment: `--env prod`");
    write(&|document| document["stack"]["blueprint"] = "llm".into());
    not_imported(&other, &["state.json"], "it is the state of llm · default", "the file of the blueprint `llm`");
    write(&|document| document["lineage"] = "; DROP TABLE".into());
    not_imported(&other, &["state.json"], "its lineage is not of 16 hex digits", "");
    write(&|document| document["records"]["three"] = document["records"]["one"].clone());
    not_imported(&other, &["state.json"], "three is kept with the record of one", "");
    assert!(!other.path(".trueup").exists());
}

#[test]
fn secrets_have_to_open_where_they_are_imported() {
    let place = Place::with(SECRET);
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    exported(&place, "state.json");
    let other = Place::with(SECRET);
    fs::copy(place.path("state.json"), other.path("state.json")).unwrap();
    not_imported(&other, &["state.json"], "sealed for a key that is not here", "set TRUEUP_KEY to that key");
    assert!(!other.path(".trueup").exists(), "no key is made");
    let key = place.path(".trueup/key").display().to_string();
    other.run_with(&["state", "import", "state.json"], &[("TRUEUP_KEY", &key)]).exits(0);
    let output = other.run_with(&["output", "token", "--reveal"], &[("TRUEUP_KEY", &key)]).exits(0);
    assert_eq!(output.out.trim(), CANARY);
    // No key is needed to take it further.
    other.run(&["state", "export", "--out", "again.json"]).exits(0);
    let read = |path: &Path| serde_json::from_slice::<Json>(&fs::read(path).unwrap()).unwrap();
    let (mut first, again) = (read(&other.path("state.json")), read(&other.path("again.json")));
    first["serial"] = 1.into();
    assert_eq!(again, first);
}

#[test]
fn a_state_of_another_lineage_takes_one_in_once_all_of_its_own_is_gone() {
    let place = Place::applied(BUCKETS);
    exported(&place, "state.json");
    let lineage = |place: &Place| place.run(&["state", "list", "--json"]).exits(0).json()["lineage"].clone();
    let other = Place::applied(BUCKETS);
    fs::copy(place.path("state.json"), other.path("state.json")).unwrap();
    not_imported(&other, &["state.json"], "has a state already", "");
    other.run(&["destroy", "--yes"]).exits(0);
    other.run(&["state", "import", "state.json"]).exits(0);
    assert_eq!(lineage(&other), lineage(&place));
    other.run(&["state", "verify"]).exits(0);
}

#[test]
fn a_copy_is_a_second_stack_of_the_same_things() {
    let place = Place::with(&format!("{SECRET}environments: {{ staging: {{}} }}\n"));
    place.run_with(&["apply", "--yes"], &GIVEN).exits(0);
    let first = exported(&place, "state.json");
    let lineage = first["lineage"].as_str().unwrap();
    let other = ["state", "import", "state.json", "--env", "staging"];
    place.run(&other).exits(1).complains("it is the state of demo · default").complains("`--as-copy`");
    let said = place.run(&[&other[..], &["--as-copy"]].concat()).exits(0);
    let said =
        said.says("Copied: 2 resources of demo · default").says("under demo · staging").says("trueup state forget");
    assert!(said.out.contains(lineage), "whose tags they bear: {}", said.out);
    let list = place.run(&["state", "list", "--env", "staging", "--json"]).exits(0).json();
    assert_ne!(list["lineage"], lineage);
    assert_eq!(list["resources"].as_array().unwrap().len(), 2);
    place.run_with(&["plan", "--env", "staging"], &GIVEN).exits(0).says("Nothing to do.");
    assert_eq!(place.run(&["output", "token", "--reveal", "--env", "staging"]).exits(0).out.trim(), CANARY);
    let second = place.run(&["state", "export", "--env", "staging"]).exits(0).json();
    assert_eq!(second["stack"]["environment"], "staging");
    assert_eq!(second["records"], first["records"], "sealed as they came");
    assert!(place.files_with(CANARY).is_empty());
    place.run(&[&other[..], &["--as-copy"]].concat()).exits(1).complains("demo · staging has a state already");
    // One of the two lets go of them.
    place.run(&["state", "forget", "data", "chat", "--env", "staging", "--yes"]).exits(0);
    place.run_with(&["destroy", "--yes"], &GIVEN).exits(0);
    assert!(place.replicas().is_empty());
    place.run(&["state", "verify", "--env", "staging"]).exits(0).says("Sound: 0 resources");
}

#[test]
fn a_copy_tells_machines_its_own_lineage() {
    let place = Place::applied(BUCKETS);
    let first = exported(&place, "state.json");
    let copied = place.run(&["state", "import", "state.json", "--env", "b", "--as-copy", "--json"]).exits(0).json();
    assert_ne!(copied["lineage"], first["lineage"]);
    let list = place.run(&["state", "list", "--env", "b", "--json"]).exits(0).json();
    assert_eq!(copied["lineage"], list["lineage"]);
}

#[test]
fn what_has_not_ended_is_not_copied() {
    let (place, _) = parked();
    exported(&place, "open.json");
    let arguments = ["open.json", "--env", "staging", "--as-copy"];
    not_imported(&place, &arguments, "1 of its operations have not ended", "`trueup apply` there settles them");
    not_imported(&place, &[&arguments[..], &["--json"]].concat(), "", "");
    place.run(&["state", "list", "--env", "staging"]).exits(1);
}

/// A place in which it can't be told whether `two` was made: an export in which that is so, put back. With the id that it has.
fn parked() -> (Place, String) {
    let place = Place::applied(BUCKETS);
    let mut document = exported(&place, "state.json");
    let record = document["records"].as_object_mut().unwrap().remove("two").unwrap();
    let current = &record["current"];
    let declared: serde_json::Map<String, Json> =
        ["dependencies", "protect", "ignore", "correct", "create_first", "verify", "source"]
            .into_iter()
            .map(|field| (field.to_owned(), record[field].clone()))
            .collect();
    let token = current["token"].as_str().unwrap();
    document["open"] = json!({ token: {
        "at": current["made_at"], "verb": "create", "declared": declared, "id": null, "handle": null, "parked": "it can't be told",
        "request": {
            "token": token, "address": "two", "kind": "bucket", "schema_version": record["schema_version"], "generation": 0,
            "scope": current["scope"], "name": "unknown", "id": null, "spec": current["sent"], "before": null, "attributes": null,
            "owner": {},
        },
    } });
    place.write("parked.json", &document.to_string());
    fs::remove_file(place.path(".trueup/state.db")).unwrap();
    place.run(&["state", "import", "parked.json"]).exits(0).says("1 operation had not ended");
    place.run(&["plan"]).says("`trueup state resolve` settles it");
    (place, current["id"].as_str().unwrap().to_owned())
}

#[test]
fn what_became_of_an_operation_is_said_by_a_person() {
    let (place, id) = parked();
    place.run(&["state", "resolve", "two", "--id", &id]).exits(0).says(&format!("two is recorded as {id}."));
    place.run(&["state", "history"]).exits(0).says(&format!("settled by hand: it is {id}"));
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["state", "verify"]).exits(0).says_not("note");

    let (place, id) = parked();
    fs::remove_dir_all(place.made("demo-two")).unwrap();
    refused(
        &place,
        &["resolve", "two", "--id", &id],
        "there is no bucket with the id",
        "`--absent` says that nothing was made",
    );
    let settled = place.run(&["state", "resolve", "two", "--absent", "--json"]).exits(0).json();
    assert_eq!(settled, json!({ "address": "two", "verb": "create", "id": null, "differs": [] }));
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

#[test]
fn what_nobody_can_settle_is_told_why() {
    let (place, _) = parked();
    let taken = place.run(&["state", "show", "one", "--json"]).exits(0).json()["current"]["id"].clone();
    refused(&place, &["resolve", "two", "--id", taken.as_str().unwrap()], "is recorded already, as one", "");
    refused(&place, &["resolve", "tow", "--absent"], "no operation of tow waits to be settled", "these do: `two`");
    refused(&place, &["resolve", "one", "--absent"], "no operation of one waits to be settled", "these do: `two`");
    refused(&place, &["mv", "two", "three"], "a create of two has not ended", "trueup state resolve two");
    refused(&place, &["forget", "two", "-y"], "a create of two has not ended", "trueup state resolve two");
    place.run(&["state", "resolve", "two"]).exits(1).complains("--id");
    place.run(&["state", "resolve", "two", "--id", "x", "--absent"]).exits(1).complains("cannot be used with");
    place.run(&["state", "verify"]).exits(0).says("two: a create of it has an outcome that is not known");
    let place = Place::applied(BUCKETS);
    refused(&place, &["resolve", "one", "--absent"], "no operation of one waits", "nothing of this stack does");
}

#[test]
fn a_run_at_work_is_not_overtaken_and_what_it_left_is_for_the_next() {
    let place = Place::applied(BUCKETS);
    place.write("blueprint.yaml", &format!("{BUCKETS}{SLOW}"));
    let running = place.start(&["apply", "--yes"]);
    eventually("the replica runs", || !place.replicas().is_empty());
    for arguments in [&["mv", "one", "three"][..], &["forget", "one", "-y"], &["resolve", "slow", "--absent"]] {
        place.run(&[&["state"], arguments].concat()).exits(4).complains("held by `trueup apply`");
    }
    place.run(&["state", "verify"]).exits(0).says("slow: a create of it has not ended; the next apply settles it");
    place.run(&["state", "export"]).exits(0);
    eventually("the provider has taken it", || {
        place.run(&["state", "history"]).out.contains("slow: the provider took it")
    });
    running.signal(Signal::KILL);
    running.wait();
    refused(&place, &["mv", "slow", "three"], "a create of slow has not ended", "trueup apply");
    refused(&place, &["resolve", "slow", "--absent"], "the provider took the create of slow", "trueup apply");
}
