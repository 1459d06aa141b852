//! Images, pushed to a registry by the OCI distribution API; what is there is what ECR's own API says to boto3.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::aws::proxy::Fault;
use crate::layout::{broken, image, index, layout_at};
use crate::natives::{all, only};
use crate::rig::Rig;

const REPOSITORY: &str = "AWS::ECR::Repository";

/// Writes a layout of one image.
fn layout(rig: &Rig, manifest: impl Fn(&Path) -> Json) {
    layout_at(&rig.place, "image", manifest);
}

fn text(tag: &str) -> String {
    format!(
        "  images: {{ kind: registry, force_destroy: true }}\n  chat: {{ kind: image, registry: \"{{{{ images }}}}\", from: {{ oci_layout: ./image }}{tag} }}\n"
    )
}

/// What boto3 sees in the only repository: each image with its tags.
fn images(rig: &Rig) -> Vec<(String, Vec<String>)> {
    let name = only(rig, REPOSITORY)["RepositoryName"].clone();
    let described = rig.aws.boto("ecr", "describe_images", json!({ "repositoryName": name }));
    let texts = |tags: &Json| {
        let tags = tags.as_array().into_iter().flatten();
        tags.map(|tag| tag.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let one = |image: &Json| (image["imageDigest"].as_str().unwrap().to_owned(), texts(&image["imageTags"]));
    described["imageDetails"].as_array().unwrap_or_else(|| panic!("{described}")).iter().map(one).collect()
}

#[test]
fn an_image_is_pushed_changed_put_right_and_removed() {
    let Some(rig) = Rig::with(&text(", tag: [v1]")) else { return };
    rig.place.edit("resources:", "outputs: { ref: \"{{ chat.ref }}\" }\nresources:");
    layout(&rig, |at| image(at, "first", 1000, "amd64"));
    rig.up();
    let first = images(&rig);
    let [(one, tags)] = &first[..] else { panic!("{first:?}") };
    assert_eq!(tags, &["v1"]);
    let uri = only(&rig, REPOSITORY)["RepositoryUri"].as_str().unwrap().to_owned();
    rig.run(&["output", "ref"]).exits(0).says(&format!("{uri}@{one}"));
    rig.aws.proxy.take_operations();
    rig.run(&["drift"]).exits(0);
    let asked = rig.aws.proxy.take_operations();
    assert_eq!(asked.iter().filter(|call| call.starts_with("ecr:")).count(), 1, "{asked:?}");

    // Another image under a tag of its own takes the place of the first, and what both have is not sent again.
    layout(&rig, |at| image(at, "second", 1000, "amd64"));
    rig.place.edit("[v1]", "[v2, stable]");
    rig.run(&["plan"]).exits(2);
    rig.up();
    let sent = rig.aws.proxy.take_operations();
    assert_eq!(sent.iter().filter(|call| *call == "registry:PUT blobs/uploads").count(), 2, "{sent:?}");
    let second = images(&rig);
    let [(two, tags)] = &second[..] else { panic!("{second:?}") };
    assert!(two != one && tags == &["stable", "v2"], "{second:?}");

    // A tag that others took off is put back; an image that is gone is sent again.
    let name = only(&rig, REPOSITORY)["RepositoryName"].clone();
    let taken = json!({ "repositoryName": name, "imageIds": [{ "imageTag": "stable" }] });
    rig.aws.boto("ecr", "batch_delete_image", taken);
    rig.corrects("tag");
    let gone = json!({ "repositoryName": name, "imageIds": [{ "imageDigest": two }] });
    rig.aws.boto("ecr", "batch_delete_image", gone);
    assert_eq!(images(&rig).len(), 0);
    rig.corrects("chat");
    assert_eq!(images(&rig), second);
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, REPOSITORY), [""; 0]);
}

#[test]
fn a_large_layer_goes_in_pieces_and_lost_replies_send_nothing_twice() {
    let Some(rig) = Rig::with(&text("")) else { return };
    layout(&rig, |at| image(at, "large", 20_000_000, "amd64"));
    rig.aws.proxy.misbehave("registry:PATCH blobs/uploads", Fault::LosesReply, 2, 1);
    rig.aws.proxy.misbehave("registry:PUT blobs/uploads", Fault::LosesReply, 2, 1);
    rig.aws.proxy.misbehave("registry:PUT manifests", Fault::LosesReply, 1, 1);
    rig.up();
    let pushed = images(&rig);
    let [(digest, tags)] = &pushed[..] else { panic!("{pushed:?}") };
    assert_eq!(tags[0], format!("sha256-{}", &digest.trim_start_matches("sha256:")[..16]));
    // 8 MiB at a time: three pieces, of which the second is asked after and not sent again.
    let sent = rig.aws.proxy.take_operations();
    assert_eq!(sent.iter().filter(|call| *call == "registry:PATCH blobs/uploads").count(), 3, "{sent:?}");
}

#[test]
fn an_image_for_several_platforms_goes_whole_and_leaves_none_behind() {
    let Some(rig) = Rig::with(&text(", tag: [v1]")) else { return };
    layout(&rig, index);
    rig.up();
    assert_eq!(images(&rig).len(), 3);
    rig.place.edit("tag: [v1]", "tag: [v1], platform: linux/arm64");
    rig.place.edit("force_destroy: true", "force_destroy: true, immutable_tags: false");
    rig.up();
    let left = images(&rig);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].1, ["v1"]);
}

#[test]
fn layers_that_another_repository_has_are_taken_over_from_there() {
    let base = "  base: { kind: registry, name: base, force_destroy: true }\n  first: { kind: image, registry: \"{{ base }}\", from: { oci_layout: ./image } }\n";
    let Some(rig) = Rig::with(base) else { return };
    layout(&rig, |at| image(at, "first", 1000, "amd64"));
    rig.up();
    rig.aws.proxy.take_operations();
    let more = "  images: { kind: registry, name: chat }\n  chat: { kind: image, registry: \"{{ images }}\", from: { oci_layout: ./image }, options: { aws: { mount_from: base } } }\n";
    rig.write(&format!("{base}{more}"));
    rig.up();
    let sent = rig.aws.proxy.take_operations();
    assert_eq!(sent.iter().filter(|call| *call == "registry:PUT blobs/uploads").count(), 0, "{sent:?}");
    assert_eq!(sent.iter().filter(|call| *call == "registry:PUT manifests").count(), 1, "{sent:?}");
}

#[test]
fn a_tag_that_is_another_images_is_refused_and_what_others_tagged_stays() {
    let Some(rig) = Rig::with(&text(", tag: [v1]")) else { return };
    layout(&rig, |at| image(at, "first", 100, "amd64"));
    rig.up();
    let before = images(&rig);
    layout(&rig, |at| image(at, "second", 100, "amd64"));
    rig.run(&["apply", "--yes"]).exits(3).says("TagImmutable").says("choose another `tag`");
    assert_eq!(images(&rig), before);
    // Two images of one digest: the tag of one goes, and the other's stays.
    layout(&rig, |at| image(at, "first", 100, "amd64"));
    let both = text(", tag: [v1]")
        + "  same: { kind: image, registry: \"{{ images }}\", from: { oci_layout: ./image }, tag: [same] }\n";
    rig.write(&both);
    rig.up();
    rig.write(&text(", tag: [v1]"));
    rig.run(&["apply", "--yes"]).exits(0);
    assert_eq!(images(&rig), before);
}

#[test]
fn a_registry_with_images_of_others_goes_only_when_it_is_asked() {
    let Some(rig) = Rig::with(&text("")) else { return };
    layout(&rig, |at| image(at, "first", 100, "amd64"));
    rig.up();
    // Three images that no blueprint has any more.
    for words in ["a", "b", "c"] {
        layout(&rig, |at| image(at, words, 100, "amd64"));
        rig.up();
        rig.run(&["state", "forget", "chat", "--yes"]).exits(0);
    }
    rig.place.edit("force_destroy: true", "force_destroy: false");
    rig.up();
    rig.run(&["destroy", "--yes"]).exits(3).says("still contains images");
    assert_eq!(all(&rig, REPOSITORY).len(), 1);
    rig.write("  images: { kind: registry, force_destroy: true }\n");
    rig.up();
    rig.run(&["destroy", "--yes"]).exits(0);
    assert_eq!(all(&rig, REPOSITORY), [""; 0]);
}

#[test]
fn what_can_not_be_sent_is_told() {
    let Some(rig) = Rig::with(&text("")) else { return };
    layout(&rig, |at| image(at, "first", 100, "amd64"));
    rig.place.edit("{ oci_layout: ./image }", "{ reference: \"docker://docker.io/library/python:3.13\" }");
    rig.run(&["plan"]).exits(1).complains("`aws` asks no other registry").complains("blueprint.yaml:5:");
    rig.write(&text(", platform: linux/s390x"));
    rig.run(&["apply", "--yes"]).exits(3).says("no image for linux/s390x");
    // A blob that is not what it is called never becomes an image.
    rig.write(&text(""));
    layout(&rig, broken);
    rig.run(&["apply", "--yes"]).exits(3).says("DIGEST_INVALID");
    assert_eq!(images(&rig).len(), 0);
}
