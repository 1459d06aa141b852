//! Registries and images as other tools read them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::support::{Place, require};

const IMAGE: &str = r#"blueprint: demo
providers: { local: {} }
resources:
  images: { kind: registry }
  chat: { kind: image, registry: "{{ images }}", from: { oci_layout: ./image }, tag: [v1] }
outputs: { ref: "{{ chat.ref }}", uri: "{{ chat.uri }}", digest: "{{ chat.digest }}" }
"#;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn blob(layout: &Path, media_type: &str, content: &[u8]) -> Json {
    let hex = hex::encode(Sha256::digest(content));
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("blobs/sha256").join(&hex), content).unwrap();
    json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": content.len() })
}

/// Writes an image of one layer in the OCI layout. The file of its layer.
fn write_image(place: &Place, words: &str) -> String {
    let layout = place.path("image");
    fs::create_dir_all(&layout).unwrap();
    // An empty tar archive: 1,024 zeros, and what follows them is not read.
    let layer = [vec![0_u8; 1024], words.as_bytes().to_vec()].concat();
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": { "Labels": { "words": words } },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex::encode(Sha256::digest(&layer)))] },
    });
    let config = blob(&layout, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let layer = blob(&layout, "application/vnd.oci.image.layer.v1.tar", &layer);
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
    let manifest = blob(&layout, MANIFEST, manifest.to_string().as_bytes());
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(layout.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string()).unwrap();
    layer["digest"].as_str().unwrap().replace("sha256:", "image/blobs/sha256/")
}

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn output(place: &Place, name: &str) -> String {
    place.run(&["output", name]).exits(0).out.trim().to_owned()
}

#[test]
fn an_image_is_read_and_copied_by_skopeo() {
    if !require("skopeo") {
        return;
    }
    let place = Place::with(IMAGE);
    write_image(&place, "first");
    place.run(&["apply", "--yes"]).exits(0);
    let reference = output(&place, "uri");
    let inspected: Json = serde_json::from_str(&skopeo(&["inspect", &reference])).unwrap();
    assert_eq!(inspected["Labels"]["words"], "first");
    assert_eq!(inspected["Digest"], output(&place, "digest"));
    let copy = format!("oci:{}:copied", place.path("copy").display());
    skopeo(&["--insecure-policy", "copy", "--preserve-digests", &reference, &copy]);
    let copied: Json = serde_json::from_str(&skopeo(&["inspect", &copy])).unwrap();
    assert_eq!(copied["Digest"], inspected["Digest"]);
}

#[test]
fn an_image_taken_from_a_registry_by_hand_is_drift() {
    let place = Place::with(IMAGE);
    write_image(&place, "first");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0);
    let registry = place.made("demo-images");
    fs::write(registry.join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    place.run(&["drift"]).exits(2).says("chat");
    place.run(&["drift", "--correct", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0);
}

#[test]
fn a_tag_that_may_not_move_does_not() {
    let place = Place::with(IMAGE);
    write_image(&place, "first");
    place.run(&["apply", "--yes"]).exits(0);
    fs::remove_dir_all(place.path("image")).unwrap();
    write_image(&place, "second");
    place.run(&["plan"]).exits(2).says("digest");
    let digest = output(&place, "digest");
    place.run(&["apply", "--yes"]).exits(3).says("v1");
    assert_eq!(output(&place, "digest"), digest);
    place.edit("tag: [v1]", "tag: [v2]");
    place.run(&["apply", "--yes"]).exits(0);
    assert_ne!(output(&place, "digest"), digest);
    place.run(&["plan"]).exits(0);
}

#[test]
fn an_image_that_is_not_whole_is_refused() {
    let place = Place::with(IMAGE);
    place.run(&["plan"]).exits(1).complains("image");
    let layer = write_image(&place, "first");
    fs::remove_file(place.path(&layer)).unwrap();
    place.run(&["apply", "--yes"]).exits(3).says("failed: create chat");
    let blobs = place.made("demo-images").join("blobs/sha256");
    assert!(fs::read_dir(&blobs).map_or(0, Iterator::count) == 0, "nothing of it stays");
    write_image(&place, "first");
    fs::write(place.path(&layer), "other bytes").unwrap();
    place.run(&["apply", "--yes"]).exits(3).says("failed: create chat");
    write_image(&place, "first");
    place.run(&["apply", "--yes"]).exits(0);
    place.run(&["plan"]).exits(0);
}

#[test]
fn an_endpoint_without_its_weights_is_refused() {
    let place = Place::with(
        "blueprint: demo\nproviders: { local: {} }\nresources:\n  \
         chat: { kind: endpoint, command: [python3, serve.py], working_dir: ., model: \"file:///nowhere/model\" }\n",
    );
    place.run(&["apply", "--yes"]).exits(3).says("there is nothing at file:///nowhere/model");
    assert!(place.replicas().is_empty());
    place.edit("working_dir: .,", "working_dir: ./nowhere,");
    place.run(&["apply", "--yes"]).exits(1).complains("there is no directory at `nowhere`");
}

#[test]
fn an_artifact_without_its_source_is_refused() {
    let place = Place::with(&crate::support::DEMO.replace("./model", "./nowhere"));
    place.run(&["plan"]).exits(1).complains("nowhere").complains("blueprint.yaml:7");
    place.run(&["apply", "--yes"]).exits(1);
    assert!(!place.path(".trueup").exists());
}
