//! What a person is told of a damaged state, and how it is put in order.

use std::fs;

use serde_json::json;

use crate::state_commands::tamper;
use crate::support::{BUCKETS, Place, mode};

macro_rules! assert_shown {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!($text) })
    };
}

/// Its journal has four entries: a beginning and an end for each of two buckets.
fn applied() -> Place {
    let place = Place::applied(BUCKETS);
    place.run(&["state", "verify"]).exits(0).says("2 resources, 4 entries");
    place
}

#[test]
fn what_is_sound_is_not_repaired() {
    let place = applied();
    let before = place.listing();
    place.run(&["state", "repair", "--drop-tail"]).exits(0).says("Sound: 2 resources, serial 4. Nothing was changed.");
    let repaired = place.run(&["state", "repair", "--json"]).exits(0).json();
    assert_eq!(
        repaired,
        json!({
            "sound": true, "serial": 4, "resources": 2, "done": [], "others": [], "left": null, "findings": [], "copy": null
        })
    );
    place.is_as(&before);
    let empty = Place::with(BUCKETS);
    empty.run(&["state", "repair"]).exits(1).complains("demo · default has no state");
    assert!(empty.kept().is_empty());
}

#[test]
fn a_head_that_fell_behind_names_the_last_entry_again() {
    let place = applied();
    tamper(&place, "UPDATE heads SET (serial, hash) = (SELECT 3, hash FROM entries WHERE id & 255 = 3)");
    place.run(&["plan"]).exits(1).complains("the state is damaged at entry 4").complains("trueup state repair");
    place.run(&["state", "verify"]).exits(1).says("trueup state repair");
    assert_shown!(place.run(&["state", "repair"]).exits(0).out);
    assert_eq!(mode(&place.path(".trueup/before-repair-1/state.db")), 0o600);
    place.run(&["state", "verify"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

#[test]
fn a_lost_end_is_dropped_by_who_says_so_and_what_was_made_then_is_found_again() {
    let place = applied();
    tamper(&place, "DELETE FROM entries WHERE id & 255 = 4");
    let damaged = fs::read(place.path(".trueup/state.db")).unwrap();
    assert_shown!(place.run(&["state", "repair"]).exits(1).out);
    let left = place.run(&["state", "repair", "--json"]).exits(1).json();
    assert_eq!(left["left"], json!({ "kept": 3, "last": 4 }));
    assert_eq!((&left["sound"], &left["copy"]), (&json!(false), &json!(null)));
    assert!(fs::read(place.path(".trueup/state.db")).unwrap() == damaged);
    assert_shown!(place.run(&["state", "repair", "--drop-tail"]).exits(0).out);
    place.run(&["state", "history"]).exits(0).says("lost: this could not be read").says("repaired: 1 resource");
    place.run(&["state", "verify"]).exits(0);
    // Whether it was made, nobody says any more; whoever looks finds it.
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["destroy", "--yes"]).exits(0);
    fs::remove_dir_all(place.path(".trueup/before-repair-1")).unwrap();
    place.is_clean();
}

#[test]
fn what_was_made_since_is_adopted() {
    let place = applied();
    tamper(&place, "DELETE FROM entries WHERE id & 255 > 0");
    assert_shown!(place.run(&["state", "repair", "--drop-tail"]).exits(0).out);
    place.run(&["plan"]).exits(2).says("2 to create");
    place.run(&["adopt", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["state", "verify"]).exits(0).says("Sound: 2 resources");
}

#[test]
fn a_file_that_can_not_be_read_is_put_back_from_an_export() {
    let place = applied();
    place.run(&["state", "export", "--out", "state.json"]).exits(0);
    let whole = fs::read(place.path(".trueup/state.db")).unwrap();
    fs::write(place.path(".trueup/state.db"), &whole[..whole.len() / 2]).unwrap();
    let refused = place.run(&["state", "repair", "--drop-tail"]).exits(1);
    refused.complains("the state is damaged").complains("move it away and `trueup state import` an export");
    assert_eq!(fs::read(place.path(".trueup/state.db")).unwrap(), &whole[..whole.len() / 2]);
    fs::rename(place.path(".trueup/state.db"), place.path("state.db")).unwrap();
    place.run(&["state", "import", "state.json"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

/// As a machine leaves them that loses power after a commit, whose end is lost besides.
fn cut_the_log(place: &Place) {
    let script = "import os, sqlite3; c = sqlite3.connect('.trueup/state.db'); c.execute('CREATE TABLE late (x)'); c.commit(); \
                  os.truncate('.trueup/state.db-wal', os.path.getsize('.trueup/state.db-wal') - 1); os._exit(0)";
    assert!(place.shell("exec python3 -c \"$SCRIPT\"").env("SCRIPT", script).status().unwrap().success());
}

#[test]
fn a_log_that_was_cut_is_told_and_all_stacks_of_the_file_go_back() {
    let place = Place::applied(&format!("{BUCKETS}environments: {{ prod: {{}}, test: {{}} }}\n"));
    place.run(&["apply", "--yes", "--env", "prod"]).exits(0);
    cut_the_log(&place);
    let before = place.listing();
    assert_shown!(place.run(&["state", "repair"]).exits(1).out);
    let left = place.run(&["state", "repair", "--json"]).exits(1).json();
    assert_eq!(
        (&left["serial"], &left["resources"], &left["left"]["kept"]),
        (&json!(null), &json!(null), &json!(null))
    );
    place.is_as(&before);
    let files =
        || ["", "-wal", "-shm"].map(|suffix| fs::read(place.path(&format!(".trueup/state.db{suffix}"))).unwrap());
    let before = files();
    place.run(&["state", "repair", "--drop-tail", "--env", "test"]).exits(1).complains("demo · test has no state");
    assert!(files() == before);
    let repaired = place.run(&["state", "repair", "--drop-tail"]).exits(0);
    assert_shown!(repaired.out);
    for environment in ["default", "prod"] {
        place.run(&["state", "verify", "--env", environment]).exits(0).says("2 resources, 6 entries");
        place.run(&["plan", "--env", environment]).exits(0).says("Nothing to do.");
    }
}

#[test]
fn a_file_that_is_gone_is_put_back_or_its_log_goes_too() {
    let place = applied();
    place.run(&["state", "export", "--out", "state.json"]).exits(0);
    cut_the_log(&place);
    fs::remove_file(place.path(".trueup/state.db")).unwrap();
    let said = "is gone, and its log is still there: put the file back, or move the log away as well";
    place.run(&["state", "import", "state.json"]).exits(1).complains(said);
    place.run(&["state", "repair"]).exits(1).complains("`-wal` and `-shm` beside it go with it");
    for suffix in ["wal", "shm"] {
        fs::remove_file(place.path(&format!(".trueup/state.db-{suffix}"))).unwrap();
    }
    place.run(&["state", "import", "state.json"]).exits(0);
}

/// As a secret that no key opens any more, under hashes that fit: what is written says that it is whole.
#[test]
fn what_no_repair_mends_is_told_after_what_it_mended() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nvariables: { token: { type: string, secret: true } }\n\
         resources:\n  one: { kind: bucket }\noutputs: { token: \"{{ var.token }}\" }\n",
    );
    place.run_with(&["apply", "--yes"], &[("TRUEUP_VAR_token", "canary-2c26b46b68ffc68f")]).exits(0);
    let script = "
import hashlib, re, sqlite3
c = sqlite3.connect('.trueup/state.db')
serial, hash = c.execute('SELECT serial, hash FROM heads').fetchone()
rows = c.execute('SELECT id & 255, hash, body FROM entries ORDER BY id').fetchall()
(_, before, _), (_, _, body) = rows[-2:]
assert rows[-1][0] == serial and b'canary' not in body
cut = re.sub(rb'([A-Za-z0-9+/]{200,})', lambda found: found[1][:100], body)
assert cut != body
hash = hashlib.sha256(before + serial.to_bytes(8, 'big') + cut).digest()
c.execute('UPDATE entries SET body = ?, hash = ? WHERE id & 255 = ?', (cut, hash, serial))
c.execute('UPDATE heads SET hash = zeroblob(32)')
c.commit()
c.close()
";
    assert!(place.shell("exec python3 -c \"$SCRIPT\"").env("SCRIPT", script).status().unwrap().success());
    assert_shown!(place.run(&["state", "repair"]).exits(1).out);
    assert_shown!(place.run(&["state", "repair"]).exits(1).out);
    let again = place.run(&["state", "repair", "--json"]).exits(1).json();
    assert_eq!(
        (&again["sound"], &again["done"], &again["findings"][0]["severity"]),
        (&json!(false), &json!([]), &json!("damage"))
    );
}
