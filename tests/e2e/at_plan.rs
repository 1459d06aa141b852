//! What a blueprint alone tells to be impossible is said when a plan is made, each with its line, and not halfway through an apply.

use std::fs;

use crate::support::Place;

/// All that `local` can't take of what the kinds allow, and two endpoints that it can.
const IMPOSSIBLE: &str = r#"blueprint: demo
providers: { local: {} }
variables:
  token: { type: string, secret: true, default: hunter2 }
resources:
  sealed: { kind: bucket, encryption: { kms_key: k }, options: { local: { mirror: true }, aws: { object_lock: true } } }
  spaced: { kind: bucket, name: my bucket }
  data: { kind: bucket }
  far: { kind: artifact, bucket: "{{ data }}", source: "s3://foo/bar", path: ../outside }
  empty: { kind: artifact, bucket: "{{ data }}", source: ./empty }
  images: { kind: registry, encryption: { kms_key: k } }
  base: { kind: image, registry: "{{ images }}", from: { reference: "docker://python:3.13" } }
  boxed: { kind: endpoint, image: "{{ base.ref }}", runtime: vertex }
  chat:
    kind: endpoint
    command: [python3, serve.py]
    model: "file://relative"
    secrets: { HF_TOKEN: prod/hf, GOOD: "file:/etc/hostname" }
    env: { "A=B": x }
    options: { local: { nice: 5 } }
  machine:
    kind: gpu_instance
    gpu: none
    image: { family: pytorch }
    user_data: "echo {{ var.token }}"
    machine_type: p5.48xlarge
    stop_after: 8h
    market: { reservation: cr-1 }
  fine: { kind: endpoint, command: [python3, serve.py], cpu: 4, public: true, identity: nobody }
"#;

#[test]
fn what_local_can_not_take_is_told_with_its_line() {
    let place = Place::with(IMPOSSIBLE);
    fs::create_dir(place.path("empty")).unwrap();
    let ran = place.run(&["plan"]).exits(1);
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    insta::assert_snapshot!(ran.err);
    place.run(&["apply", "--yes"]).exits(1);
    assert!(!place.path(".trueup").exists(), "nothing was begun");
}

#[test]
fn what_is_wrong_with_many_instances_is_told_once() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nresources:\n  \
         chat: { kind: endpoint, for_each: [a, b, c], command: [x], runtime: vertex }\n",
    );
    let ran = place.run(&["plan"]).exits(1);
    assert_eq!(ran.err.matches("has one runtime").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("chat[\"a\"] and 2 more"), "{}", ran.err);
}

/// What one provider took says nothing of another, though the spec is the same to a letter.
#[test]
fn what_another_provider_can_not_take_is_told_before_anything_is_replaced() {
    let place = Place::applied(
        "blueprint: demo\nproviders: { local: {}, sim: {} }\nresources:\n  \
         chat: { kind: endpoint, provider: sim, image: registry/chat }\n",
    );
    place.edit("provider: sim", "provider: local");
    let objects = || place.run(&["sim", "objects", "--json"]).exits(0).out;
    let before = objects();
    for command in [&["plan"][..], &["apply", "--yes"]] {
        place.run(command).exits(1).complains("`local` runs a command").complains("blueprint.yaml:4");
    }
    assert!(before.contains("endpoint") && objects() == before, "{before}");
}

#[test]
fn a_path_that_leads_nowhere_is_told_with_its_line() {
    let place = Place::with(
        r#"blueprint: demo
providers: { local: {} }
resources:
  data: { kind: bucket }
  images: { kind: registry }
  url: { kind: artifact, bucket: "{{ data }}", source: "s3://theirs/model" }
  one: { kind: endpoint, command: [x], working_dir: nosuch }
  two: { kind: endpoint, command: [x], working_dir: serve.py }
  weights: { kind: artifact, bucket: "{{ data }}", source: ./nowhere }
  base: { kind: image, registry: "{{ images }}", from: { docker_archive: /nowhere/base.tar } }
  other: { kind: image, registry: "{{ images }}", from: { docker_archive: ./model } }
modules:
  inner: { source: ./modules/inner.yaml }
"#,
    );
    fs::create_dir(place.path("modules")).unwrap();
    place.write(
        "modules/inner.yaml",
        "blueprint: inner\nproviders: { local: {} }\nresources:\n  \
         chat: { kind: endpoint, command: [x], working_dir: ./model }\n",
    );
    let ran = place.run(&["plan"]).exits(1);
    insta::assert_snapshot!(ran.err);
    assert!(!place.path(".trueup").exists());
}

#[test]
fn what_shows_can_be_no_secret() {
    let place = Place::with(
        r#"blueprint: demo
providers: { local: {} }
variables:
  token: { type: string, secret: true, default: x }
resources:
  data: { kind: bucket }
  hidden: { kind: endpoint, command: [x], working_dir: "{{ var.token }}" }
  url: { kind: artifact, bucket: "{{ data }}", source: "s3://{{ var.token }}" }
  named: { kind: bucket, name: "{{ var.token }}" }
"#,
    );
    let ran = place.run(&["plan", "--var", "token=hunter2"]).exits(1).complains("`source` can't be secret");
    assert_eq!(ran.err.matches("can't be secret").count(), 3, "{}", ran.err);
    assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{}", ran.err);
}

#[test]
fn more_than_its_most_is_told_by_validate_too() {
    let place = Place::with(
        r"blueprint: demo
providers: { local: {} }
resources:
  chat: { kind: endpoint, command: [x], replicas: { min: 5, max: 4 } }
  data: { kind: bucket, lifecycle: [{ expire_after_days: 30, transition: { after_days: 90, storage_class: cold } }] }
",
    );
    let ran = place.run(&["validate"]).exits(1);
    insta::assert_snapshot!(ran.err);
}

/// A bucket that keeps what is deleted from it, and so is never empty again.
const KEEPER: &str = r#"blueprint: demo
providers: { local: {} }
resources:
  data: { kind: bucket, versioning: true }
  weights: { kind: artifact, bucket: "{{ data }}", source: ./model }
  other: { kind: bucket }
"#;

#[test]
fn a_bucket_that_can_not_go_is_told_before_anything_is_deleted() {
    let place = Place::applied(KEEPER);
    let before = place.listing();
    place.run(&["plan", "--destroy"]).exits(5);
    let ran = place.run(&["destroy", "--yes"]).exits(5);
    assert!(ran.out.contains("set `force_destroy: true`"), "{}", ran.out);
    assert!(ran.out.contains("blueprint.yaml:4"), "{}", ran.out);
    place.is_as(&before);
    place.edit("versioning: true", "versioning: true, force_destroy: true");
    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

#[test]
fn a_bucket_that_turns_out_not_to_be_empty_says_what_to_set() {
    let place = Place::applied(KEEPER);
    // Without a look, it is found only on the way.
    place.run(&["plan", "--destroy", "--no-refresh", "--out", "plan.trueup"]).exits(2);
    let ran = place.run(&["apply", "plan.trueup", "--yes"]).exits(3).says("BucketNotEmpty");
    assert!(
        ran.out.contains("set `force_destroy: true` in the blueprint, and run the same command again"),
        "{}",
        ran.out
    );
    place.edit("versioning: true", "versioning: true, force_destroy: true");
    place.run(&["destroy", "--yes"]).exits(0);
    place.is_clean();
}

#[test]
fn what_matters_only_to_a_delete_is_recorded_without_a_call() {
    let place = Place::applied(KEEPER);
    place.edit("versioning: true", "versioning: true, force_destroy: true");
    let ran = place.run(&["apply", "--yes"]).exits(0);
    assert!(ran.out.contains("1 in the state only") && ran.out.contains("Done: 0 operations."), "{}", ran.out);
    place.run(&["plan"]).exits(0).says("Nothing to do.");
    place.run(&["drift"]).exits(0);
    // Its block is gone: what was recorded counts.
    place.edit("  data: { kind: bucket, versioning: true, force_destroy: true }\n", "");
    place.edit("  weights: { kind: artifact, bucket: \"{{ data }}\", source: ./model }\n", "");
    place.run(&["apply", "--yes"]).exits(0).says("2 to destroy");
}

#[test]
fn the_old_object_of_a_replacement_goes_as_the_blueprint_says_now() {
    let place = Place::applied(KEEPER);
    place.edit("versioning: true", "versioning: true, name: other-name");
    place.run(&["plan"]).exits(5).says("set `force_destroy: true`");
    place.edit("versioning: true", "versioning: true, force_destroy: true");
    place.run(&["apply", "--yes"]).exits(0).says("2 to replace");
    place.run(&["plan"]).exits(0);
}
