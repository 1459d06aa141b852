//! Where things are and by whom they are asked for: an account, a profile, a name that is somebody's.

use serde_json::json;

use crate::natives::all;
use crate::rig::Rig;

const TWO: &str = "  data: { kind: bucket, force_destroy: true }\n  events: { kind: \"AWS::SQS::Queue\" }\n";

#[test]
fn whoever_is_asked_as_another_has_the_same_things() {
    let Some(rig) = Rig::with(TWO) else { return };
    rig.up();
    let buckets = rig.buckets();
    rig.place.write("config", "[profile research]\naws_access_key_id = RESEARCH\naws_secret_access_key = x\n");
    let config = rig.place.path("config").display().to_string();
    let as_research = |arguments: &[&str]| rig.run_with(arguments, &[("AWS_CONFIG_FILE", config.as_str())]);
    rig.place.edit("aws: {}", &format!("aws: {{ account: \"{}\" }}", rig.aws.account));
    rig.is_level();
    rig.place.edit("aws: { account", "aws: { profile: research, account");
    rig.aws.proxy.take_keys();
    as_research(&["plan"]).exits(0);
    as_research(&["drift"]).exits(0);
    assert_eq!(rig.aws.proxy.take_keys(), ["RESEARCH"], "and not whom the environment has");
    // What was recorded as asked for by one profile is asked for by the one that is named now.
    rig.place.edit("force_destroy: true", "force_destroy: true, versioning: true");
    as_research(&["apply", "--yes"]).exits(0);
    rig.place.write("config", "[profile science]\naws_access_key_id = SCIENCE\naws_secret_access_key = x\n");
    rig.place.edit("profile: research", "profile: science");
    rig.aws.proxy.take_keys();
    as_research(&["plan"]).exits(0);
    rig.place.edit("events", "other");
    as_research(&["apply", "--yes"]).exits(0);
    assert_eq!(rig.aws.proxy.take_keys(), ["SCIENCE"]);
    assert_eq!((rig.buckets(), all(&rig, "AWS::SQS::Queue").len()), (buckets, 1));
    as_research(&["destroy", "--yes"]).exits(0);
}

#[test]
fn a_profile_that_is_not_there_is_an_error_whatever_the_environment_has() {
    let Some(rig) = Rig::with(TWO) else { return };
    rig.place.edit("aws: {}", "aws: { profile: nosuch }");
    rig.run(&["plan"]).exits(1).complains("nosuch");
    assert_eq!(rig.aws.proxy.take_keys(), [""; 0]);
}

#[test]
fn two_blocks_of_one_name_are_refused() {
    let bucket = |name: &str| format!("  {name}: {{ kind: bucket, name: the-same-one }}\n");
    let queue = |name: &str, url: &str| {
        format!("  {name}: {{ kind: \"AWS::Logs::LogGroup\", properties: {{ LogGroupName: {url} }} }}\n")
    };
    let Some(rig) = Rig::with(&format!("{}{}", bucket("a"), bucket("b"))) else { return };
    rig.run(&["plan"]).exits(1).complains("a and b are both the bucket `the-same-one`").complains("blueprint.yaml:5");
    rig.write(&format!("{}{}{}", queue("one", "/x"), queue("two", "/y"), queue("three", "/x")));
    rig.run(&["plan"]).exits(1).complains("one and three are both the AWS::Logs::LogGroup `/x`");
    // The same name elsewhere is another thing.
    let one = queue("one", "/x");
    rig.place.write(
        "blueprint.yaml",
        &format!(
            "blueprint: demo\nproviders: {{ aws: {{}}, aws.eu: {{ region: eu-west-1 }} }}\nresources:\n{}{}",
            one.replace("kind", "provider: aws, kind"),
            queue("two", "/x").replace("kind", "provider: aws.eu, kind")
        ),
    );
    rig.up();
}

#[test]
fn what_a_destroy_can_not_remove_is_told_before_anything_goes() {
    let Some(rig) = Rig::with(&TWO.replace(", force_destroy: true", "")) else { return };
    rig.up();
    let bucket = rig.buckets().remove(0);
    rig.s3("put_object", json!({ "Bucket": bucket, "Key": "by/hand.txt", "Body": "x" }));
    rig.run(&["destroy", "--yes"]).exits(5).says("by/hand.txt").says("force_destroy: true");
    assert_eq!(all(&rig, "AWS::SQS::Queue").len(), 1, "nothing went");
    rig.s3("delete_object", json!({ "Bucket": bucket, "Key": "by/hand.txt" }));
    rig.run(&["destroy", "--yes"]).exits(0);
}

#[test]
fn what_goes_with_its_artifact_is_in_nobodys_way_but_its_versions_stay() {
    let text = |more: &str| {
        format!(
            "  data: {{ kind: bucket{more} }}\n  model: {{ kind: artifact, bucket: \"{{{{ data }}}}\", source: ./model }}\n"
        )
    };
    for (more, exit) in [("", 0), (", versioning: true", 5), (", versioning: true, force_destroy: true", 0)] {
        let Some(rig) = Rig::with(&text(more)) else { return };
        std::fs::create_dir_all(rig.place.path("model")).unwrap();
        rig.place.write("model/weights", "1234");
        rig.up();
        rig.run(&["destroy", "--yes"]).exits(exit);
        assert_eq!(rig.buckets().is_empty(), exit == 0, "{more}");
    }
}

#[test]
fn a_registry_that_changes_takes_no_image_along() {
    let Some(rig) = Rig::with("") else { return };
    crate::layout::small_layout(&rig.place, "chat");
    let text = |keep: u32| {
        format!(
            "  r: {{ kind: registry, retention: {{ keep_last: {keep} }}, force_destroy: true }}\n  \
             i: {{ kind: image, registry: \"{{{{ r }}}}\", from: {{ oci_layout: ./chat }} }}\n"
        )
    };
    rig.write(&text(3));
    rig.up();
    rig.write(&text(4));
    rig.run(&["plan"]).exits(2).says("0 to replace").says_not("± i").says_not("∓ i");
    rig.up();
}
