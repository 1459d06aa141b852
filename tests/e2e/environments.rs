//! Environments: what one says differently is checked whichever is chosen, and what it does not say stays.

use crate::support::Place;

const TEXT: &str = r#"blueprint: demo
variables: { size: { type: integer, default: 1, maximum: 9 } }
providers: { local: {} }
resources:
  a: { kind: bucket, force_destroy: true }
  b: { kind: bucket, force_destroy: true, tags: { size: "{{ var.size | string }}" } }
environments:
  dev:
    tags: { stage: dev }
    variables:
    resources:
    providers:
  prod:
    variables: { size: { default: 4 } }
    resources: { b: { versioning: true } }
"#;

#[test]
fn a_section_without_anything_in_it_takes_nothing_away() {
    let place = Place::with(TEXT);
    place.run(&["validate", "--env", "dev"]).exits(0).says("2 resources");
    place.run(&["apply", "--env", "dev", "--yes"]).exits(0);
    place.run(&["plan", "--env", "dev"]).exits(0).says("Nothing to do.");
}

#[test]
fn default_is_what_there_is_without_an_environment() {
    let place = Place::with(TEXT);
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan", "--env", "default"]).exits(0).says("Nothing to do.");
    place.run(&["plan", "--env", "prod"]).exits(2).says("2 to create");
    place.edit("  dev:\n", "  default:\n");
    place.run(&["validate"]).exits(1).complains("`default` can't be the name of an environment");
}

#[test]
fn what_an_environment_says_is_checked_whichever_is_chosen() {
    let place = Place::with(TEXT);
    place.run(&["validate"]).exits(0);
    place.edit("{ size: { default: 4 } }", "{ size: { default: 40 } }");
    place.edit("{ b: { versioning: true } }", "{ b: { versioning: 4 }, c: { versionin: true, kind: bucket } }");
    for arguments in [&["validate"][..], &["validate", "--env", "dev"], &["validate", "--env", "prod"]] {
        let ran = place.run(arguments).exits(1);
        ran.complains("the variable `size` is more than 9")
            .complains("`versioning` is an integer, where a boolean belongs")
            .complains("a bucket has no field `versionin`")
            .complains("3 errors in the blueprint");
    }
    // What only another environment gets wrong does not stand in the way of this one.
    place.run(&["plan"]).exits(2);
    place.run(&["plan", "--env", "prod"]).exits(1);
}

#[test]
fn what_is_only_odd_stands_in_nobodys_way() {
    let place = Place::with(TEXT);
    place.edit("tags: { size:", "tags: { odd: \"${var.size}\", size:");
    place.run(&["apply", "--yes"]).exits(0).complains("Terraform would replace this");
    place.run(&["state", "list"]).exits(0).says("b");
    place.run(&["state", "history"]).exits(0);
    place.run(&["unlock"]).exits(0);
    // Nor does what is wrong elsewhere in the file, where only its name is asked for.
    place.edit("maximum: 9", "maximum: \"{{ 9 + }}\"");
    place.run(&["plan"]).exits(1);
    place.run(&["state", "list"]).exits(0).says("b");
}

#[test]
fn two_files_of_one_name_are_warned_of() {
    let place = Place::with(TEXT);
    place.run(&["apply", "--yes"]).exits(0);
    place.write("other.yaml", &TEXT.replace("  a: {", "  c: {"));
    let warning = "blueprint.yaml and other.yaml are both the blueprint `demo`, and share one state";
    place.run(&["plan", "other.yaml"]).exits(2).complains(warning);
    // A file that was moved is no twin, nor is one that has another name by now.
    std::fs::remove_file(place.path("other.yaml")).unwrap();
    std::fs::rename(place.path("blueprint.yaml"), place.path("other.yaml")).unwrap();
    let ran = place.run(&["plan", "other.yaml"]).exits(0);
    assert!(!ran.err.contains("share one state"), "{}", ran.err);
}

#[test]
fn a_blueprint_is_the_same_however_it_is_named() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nresources:\n  data: { kind: bucket, force_destroy: true }\n  \
         weights: { kind: artifact, bucket: \"{{ data }}\", source: ./model }\n",
    );
    place.run(&["apply", "--yes"]).exits(0);
    let absolute = place.path("blueprint.yaml").canonicalize().unwrap();
    place.run(&["plan", absolute.to_str().unwrap()]).exits(0).says("Nothing to do.");
    place.run(&["plan", "./blueprint.yaml"]).exits(0).says("Nothing to do.");
}
