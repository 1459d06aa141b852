//! A blueprint to start from.

use std::fs;

use crate::support::Place;

#[test]
fn what_init_writes_can_be_applied_as_it_stands() {
    let place = Place::new();
    fs::create_dir(place.path("my Models")).unwrap();
    let ran = place.run(&["init", "my Models"]).exits(0);
    ran.says("my Models/blueprint.yaml is written").says("trueup plan my Models/blueprint.yaml");
    let at = "my Models/blueprint.yaml";
    place.run(&["validate", at]).exits(0).says("2 resources");
    place.run(&["plan", at]).exits(2).says("my-models").says("2 to create");
    place.run(&["apply", at, "--yes"]).exits(0).says("Done: 2 operations.");
    place.run(&["plan", at]).exits(0);
    place.run(&["destroy", at, "--yes"]).exits(0);
    place.is_clean();
}

#[test]
#[cfg(feature = "aws")]
fn a_blueprint_for_aws_is_right_with_all_that_is_commented_out() {
    let place = Place::new();
    place.run(&["init", "--provider", "aws"]).exits(0).says_not("no provider");
    let text = fs::read_to_string(place.path("blueprint.yaml")).unwrap();
    place.run(&["validate"]).exits(0).says("2 resources");
    place.write("blueprint.yaml", &uncommented(&text));
    place.run(&["validate"]).exits(0).says("3 resources");
}

#[test]
fn what_is_commented_out_is_right_too() {
    let place = Place::new();
    place.run(&["init"]).exits(0).says_not("note:");
    let text = fs::read_to_string(place.path("blueprint.yaml")).unwrap();
    place.write("blueprint.yaml", &uncommented(&text));
    place.run(&["apply", "--yes"]).exits(0).says("Done: 4 operations.").says("http://");
    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

/// The text with its commented-out fields and resources, and without the prose before them.
fn uncommented(text: &str) -> String {
    let is_prose = |line: &str| {
        line == "  #" || line.strip_prefix("  # ").is_some_and(|rest| rest.starts_with(char::is_uppercase))
    };
    let open = |line: &str| line.strip_prefix("  # ").map_or_else(|| line.to_owned(), |rest| format!("  {rest}"));
    text.lines().filter(|line| !is_prose(line)).map(|line| open(line) + "\n").collect()
}

#[test]
fn a_file_that_is_there_is_left_as_it_is() {
    let place = Place::with("mine");
    let before = place.listing();
    let refused = place.run(&["init"]).exits(1);
    refused.complains("blueprint.yaml is there already").complains("name another directory");
    place.run(&["init", "--json"]).exits(1).json_lines();
    place.is_as(&before);
    // A link that leads nowhere is there too.
    fs::remove_file(place.path("blueprint.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("blueprint.yaml")).unwrap();
    place.run(&["init"]).exits(1).complains("is there already");
    assert!(!place.path("nowhere").exists());
}

#[test]
fn a_directory_that_cannot_be_is_told() {
    let place = Place::with("mine");
    place.run(&["init", "blueprint.yaml"]).exits(1).complains("can't be written");
    place.run(&["init", "serve.py/below"]).exits(1).complains("can't be written");
    place.run(&["init", "new/deep"]).exits(0);
    place.run(&["validate", "new/deep/blueprint.yaml"]).exits(0);
    place.run(&["init", "--provider", "azure"]).exits(1).complains("possible values: local, aws, gcp");
}

#[test]
fn a_cloud_is_begun_with_or_what_builds_it_in_is_said() {
    let place = Place::new();
    let validate = ["validate", "gcp/blueprint.yaml", "--var", "project=acme-research"];
    let ran = place.run(&["init", "gcp", "--provider", "gcp"]).exits(0);
    if cfg!(feature = "gcp") {
        ran.says_not("not built into this program");
        place.run(&validate).exits(0).says("4 resources");
    } else {
        ran.says("Build it in: cargo install --path . --features gcp");
        place.run(&validate).exits(1).complains("is not built into this program");
        let told = place.run(&["init", "gcp-2", "--provider", "gcp", "--json"]).exits(0).json();
        assert!(told["missing"].as_str().unwrap().contains("gcp"), "{told}");
    }
}
