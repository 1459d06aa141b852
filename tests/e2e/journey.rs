//! The blueprints that are checked in, from the first plan to the end.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, kill_process};

use crate::support::{Place, eventually, http, require};

/// A place with a copy of the checked-in blueprints, of which this one is `blueprint.yaml`.
fn place_with(name: &str) -> Place {
    let place = Place::new();
    let blueprints = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let copied = Command::new("cp").arg("-r").arg(blueprints.join(".")).arg(place.path("")).status().unwrap();
    assert!(copied.success());
    fs::rename(place.path(name), place.path("blueprint.yaml")).unwrap();
    place
}

fn output(place: &Place, name: &str) -> String {
    place.run(&["output", name]).exits(0).out.trim().to_owned()
}

#[test]
fn the_life_of_the_quickstart() {
    if !require("python3") {
        return;
    }
    let place = place_with("quickstart.yaml");
    place.run(&["plan"]).exits(2).says("4 to create");
    place.run(&["apply", "--yes"]).exits(0).says("Done: 4 operations.").says("/predict");
    let url = output(&place, "url");
    let house = r#"{"size_m2": 120, "rooms": 4, "age_years": 10, "distance_km": 3}"#;
    assert!(http(&url, "POST", "/predict", house).contains("price"), "it predicts");
    place.run(&["plan"]).exits(0).says("Nothing to do.");

    place.edit("start_timeout: 30s", "start_timeout: 40s");
    place.run(&["plan"]).exits(2).says("health.start_timeout").says("0 to create, 1 to change, 0 to replace");
    place.run(&["apply", "--yes"]).exits(0).says("Done: 1 operation.");

    tamper(&place);
    let found = place.run(&["drift"]).exits(2).says("weights").says("prices").says("images");
    assert!(!found.out.contains("is made again"), "only looked: {}", found.out);
    place.run(&["drift", "--correct", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["drift"]).exits(0);
    assert_eq!(output(&place, "url"), url, "it comes back where it was");
    assert!(http(&url, "POST", "/predict", house).contains("price"), "it predicts again");

    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

#[test]
fn an_endpoint_that_failed_to_change_is_mended_by_the_next_apply() {
    if !require("python3") {
        return;
    }
    let place = place_with("quickstart.yaml");
    place.run(&["apply", "--yes"]).exits(0);
    let url = output(&place, "url");
    place.edit("[python3, predict.py]", "[python3, nope.py]");
    place.run(&["apply", "--yes"]).exits(3).says("nope.py");
    assert_eq!(output(&place, "url"), url, "an output that is not known keeps what it was");
    place.edit("[python3, nope.py]", "[python3, predict.py]");
    place.run(&["plan"]).exits(2).says("(known after apply)");
    place.run(&["apply", "--yes"]).exits(0).says("Done: 1 operation.");
    assert!(output(&place, "url").starts_with("http://"));
    place.run(&["plan"]).exits(0).says("Nothing to do.");
}

/// Does by hand what should not be done: a bucket with all its files goes, a registry goes, a replica is killed.
fn tamper(place: &Place) {
    fs::remove_dir_all(place.made("quickstart-weights")).unwrap();
    fs::remove_dir_all(place.made("quickstart-images")).unwrap();
    for pid in place.replicas() {
        kill_process(pid, Signal::KILL).unwrap();
    }
    eventually("the replica is gone", || place.replicas().is_empty());
}

#[test]
fn a_tampered_card_is_drift_and_is_brought_back() {
    let place = Place::applied(crate::support::BUCKETS);
    let cards = place.path(".trueup/local/cards/bucket");
    let card = fs::read_dir(&cards).unwrap().flatten().map(|entry| entry.path());
    let card = card.into_iter().find(|path| path.to_string_lossy().contains("demo-one")).unwrap();
    let text = fs::read_to_string(&card).unwrap();
    assert!(text.contains(r#""team":"a""#) || text.contains(r#""team": "a""#), "{text}");
    fs::write(&card, text.replace(r#""a""#, r#""z""#)).unwrap();
    place.run(&["drift"]).exits(2).says("tags.team").says(r#""a" → "z""#);
    place.run(&["drift", "--correct", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0);
}

#[test]
fn several_models_with_a_bucket_that_is_protected() {
    if !require("python3") {
        return;
    }
    let place = place_with("house-prices.yaml");
    place.run(&["apply", "--yes", "--var", "release=2"]).exits(0);
    assert_eq!(place.replicas().len(), 2);
    place.run(&["plan", "--var", "release=2"]).exits(0);
    place.run(&["state", "show", r#"price["berlin"]"#]).exits(0).says("env.CITY");
    for city in ["berlin", "lisbon"] {
        assert!(http(&output(&place, city), "GET", "/healthz", "").contains("ok"), "{city}");
    }

    let refused = place.run(&["destroy", "--yes"]).exits(5);
    refused.says("refused:").says("protect");
    place.run(&["plan", "--destroy"]).exits(5);
    assert_eq!(place.replicas().len(), 2, "nothing was done");

    // What the state knows as protected stays so until an apply.
    place.edit("    protect: true", "    force_destroy: true\n    protect: false");
    place.run(&["destroy", "--yes"]).exits(5);
    place.run(&["apply", "--yes", "--var", "release=2"]).exits(0);
    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

#[test]
fn taking_one_of_many_away_touches_no_other() {
    let blueprint = "blueprint: demo\nproviders: { local: {} }\nresources:\n  \
                     many: { kind: bucket, for_each: [a, b, c] }\n";
    let place = Place::applied(blueprint);
    place.edit("[a, b, c]", "[a, c, d]");
    let plan = place.run(&["plan"]).exits(2);
    plan.says(r#"+ many["d"]"#).says(r#"- many["b"]"#).says("1 to create, 0 to change, 0 to replace, 1 to destroy");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0);
}
