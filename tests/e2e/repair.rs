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
    assert_eq!(repaired, json!({ "sound": true, "serial": 4, "resources": 2, "done": [], "left": null, "copy": null }));
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
    assert_eq!(mode(&place.path(".trueup/state.db.before-repair-1")), 0o600);
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
    fs::remove_file(place.path(".trueup/state.db.before-repair-1")).unwrap();
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
