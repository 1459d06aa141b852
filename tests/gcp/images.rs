//! Images, pushed to Artifact Registry by the OCI distribution API; what is there is what Google's own client for it sees.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::layout::{broken, image, index, layout_at};
use crate::rig::Rig;

const IMAGES: &str = "artifactregistry.v1.projects.locations.repositories.dockerImages";

/// Writes a layout of one image, or of one index.
fn layout(rig: &Rig, manifest: impl Fn(&Path) -> Json) {
    layout_at(&rig.place, "image", manifest);
}

fn small(rig: &Rig, words: &str) {
    layout(rig, |at| image(at, words, 1000, "amd64"));
}

/// A registry whose tags may move, and an image in it.
fn chat(more: &str) -> String {
    registry(", immutable_tags: false", more)
}

fn registry(of: &str, more: &str) -> String {
    format!(
        "  images: {{ kind: registry, name: images, force_destroy: true{of} }}\n  chat: {{ kind: image, registry: \"{{{{ images }}}}\", from: {{ oci_layout: ./image }}{more} }}\n"
    )
}

/// What Google's own client sees in the repository: each image with its tags.
fn images(rig: &Rig) -> Vec<(String, Vec<String>)> {
    let parent = format!("projects/{}/locations/europe-west4/repositories/images", rig.gcp.project);
    let listed = rig.sees(IMAGES, "list", json!({ "parent": parent }));
    let one = |image: &Json| {
        let tags = image["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().to_owned());
        (image["name"].as_str().unwrap().split_once('@').unwrap().1.to_owned(), tags.collect())
    };
    listed["dockerImages"].as_array().into_iter().flatten().map(one).collect()
}

/// How many calls that end so were made since this was asked last.
fn calls(rig: &Rig, what: &str) -> usize {
    rig.gcp.take_calls().iter().filter(|call| *call == what).count()
}

#[test]
fn an_image_is_pushed_changed_put_right_and_removed() {
    let Some(rig) = Rig::with(&chat(", tag: [v1]")) else { return };
    rig.place.edit("resources:", "outputs: { ref: \"{{ chat.ref }}\" }\nresources:");
    small(&rig, "first");
    rig.up();
    let first = images(&rig);
    let [(one, tags)] = &first[..] else { panic!("{first:?}") };
    assert_eq!(tags, &["v1"]);
    let at = format!("europe-west4-docker.pkg.dev/{}/images/", rig.gcp.project);
    rig.run(&["output", "ref"]).exits(0).says(&at).says(&format!("@{one}"));

    // A tag that moves leaves the image that nobody has another of.
    small(&rig, "second");
    rig.place.edit("[v1]", "[v1, stable]");
    rig.run(&["plan"]).exits(2);
    rig.up();
    let second = images(&rig);
    let [(two, tags)] = &second[..] else { panic!("{second:?}") };
    assert!(two != one && tags == &["stable", "v1"], "{second:?}");
    rig.down();
}

#[test]
fn what_is_lost_on_the_way_is_not_sent_twice() {
    let Some(rig) = Rig::with(&chat("")) else { return };
    layout(&rig, |at| image(at, "large", 20_000_000, "amd64"));
    rig.gcp.misbehaves("images.PATCH", json!("lost"), 2, 1);
    rig.gcp.misbehaves("images.PUT", json!("lost"), 1, 3);
    rig.up();
    let pushed = images(&rig);
    let [(digest, tags)] = &pushed[..] else { panic!("{pushed:?}") };
    assert_eq!(tags[0], format!("sha256-{}", &digest.trim_start_matches("sha256:")[..16]));
    // 8 MiB at a time: three pieces, of which the second is asked after and not sent again.
    assert_eq!(calls(&rig, "images.PATCH"), 3);
}

#[test]
fn an_index_goes_with_its_platforms_and_leaves_none_behind() {
    let Some(rig) = Rig::with(&chat(", tag: [v1]")) else { return };
    layout(&rig, index);
    rig.up();
    assert_eq!(images(&rig).len(), 3);
    rig.place.edit("tag: [v1]", "tag: [v1], platform: linux/arm64");
    rig.up();
    let left = images(&rig);
    assert_eq!((left.len(), &left[0].1), (1, &vec!["v1".to_owned()]), "{left:?}");
}

#[test]
fn a_tag_that_is_another_images_is_refused_and_what_others_tagged_stays() {
    let Some(rig) = Rig::with(&registry("", ", tag: [v1]")) else { return };
    small(&rig, "first");
    rig.up();
    let before = images(&rig);
    small(&rig, "second");
    rig.run(&["apply", "--yes"]).exits(3).says("choose another `tag`");
    assert_eq!(images(&rig), before);
    // Two images of one digest: the tag of one goes, and the other's stays.
    small(&rig, "first");
    let same =
        "  same: { kind: image, registry: \"{{ images }}\", name: chat, from: { oci_layout: ./image }, tag: [same] }\n";
    rig.write(&(registry("", ", tag: [v1]") + same));
    rig.up();
    rig.write(&registry("", ", tag: [v1]"));
    rig.up();
    assert_eq!(images(&rig), before);
}

#[test]
fn an_image_that_is_gone_is_sent_again() {
    let Some(rig) = Rig::with(&chat(", tag: [v1]")) else { return };
    small(&rig, "first");
    rig.up();
    let there = images(&rig);
    let refers = rig.run(&["state", "show", "chat", "--json"]).exits(0).json()["current"]["attributes"]["ref"].clone();
    let name = refers.as_str().unwrap().rsplit('/').next().unwrap().split('@').next().unwrap().to_owned();
    let package = format!("projects/{}/locations/europe-west4/repositories/images/packages/{name}", rig.gcp.project);
    let version = format!("{package}/versions/{}", there[0].0);
    let versions = "artifactregistry.v1.projects.locations.repositories.packages.versions";
    let answer = rig.sees(versions, "delete", json!({ "name": version, "force": true }));
    assert_eq!(answer.get("error"), None, "{answer}");
    assert_eq!(images(&rig), []);
    rig.corrects("chat");
    assert_eq!(images(&rig), there);
}

#[test]
fn what_can_not_be_sent_is_told() {
    let Some(rig) = Rig::with(&chat("")) else { return };
    small(&rig, "first");
    rig.place.edit("{ oci_layout: ./image }", "{ reference: \"docker://docker.io/library/python:3.13\" }");
    rig.run(&["plan"]).exits(1).complains("`gcp` asks no other registry");
    rig.write(&chat(", platform: linux/s390x"));
    rig.run(&["apply", "--yes"]).exits(3).says("no image for linux/s390x");
    // A blob that is not what it is called never becomes an image.
    rig.write(&chat(""));
    layout(&rig, broken);
    rig.run(&["apply", "--yes"]).exits(3).says("DIGEST_INVALID");
    assert_eq!(images(&rig), []);
}
