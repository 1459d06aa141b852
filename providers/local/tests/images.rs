//! Registries and images: OCI layouts as other tools read them.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Bench, local_path, reference, text};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use trueup_engine::provider::Observation;
use trueup_engine::tree::tree_digest;
use trueup_state::{Class, FieldPath, Request};

fn blob(layout: &Path, media_type: &str, content: &[u8]) -> Json {
    let hex = hex::encode(Sha256::digest(content));
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("blobs/sha256").join(&hex), content).unwrap();
    json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": content.len() })
}

fn tar(content: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, "file", content.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> =
        layers.iter().map(|layer| format!("sha256:{}", hex::encode(Sha256::digest(layer)))).collect();
    json!({ "os": "linux", "architecture": "amd64", "config": {}, "rootfs": { "type": "layers", "diff_ids": ids } })
        .to_string()
        .into_bytes()
}

/// An image of two layers, of which the first is the same in all. The digest of its second layer.
fn layout(path: &Path, what: &str) -> String {
    let layers = [tar("base"), tar(what)];
    let config = blob(path, "application/vnd.oci.image.config.v1+json", &config(&layers));
    let layers = layers.map(|layer| blob(path, "application/vnd.oci.image.layer.v1.tar", &layer));
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
    let manifest = blob(path, media_type, manifest.to_string().as_bytes());
    fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(path.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string()).unwrap();
    layers[1]["digest"].as_str().unwrap().to_owned()
}

struct Shelf {
    bench: Bench,
    registry: Request,
    path: PathBuf,
    reference: Json,
}

impl Shelf {
    async fn new(settings: Json) -> Self {
        let bench = Bench::new();
        let (registry, found) = bench.make("registry", "images", settings).await;
        let reference = reference("registry", &registry, &found);
        Self { path: local_path(&text(&found, "uri")), bench, registry, reference }
    }

    fn spec(&self, directory: &str, tag: &[&str]) -> Json {
        let path = self.bench.path(directory);
        json!({
            "registry": self.reference,
            "from": { "oci_layout": path },
            "digest": tree_digest(&path).unwrap(),
            "tag": tag,
        })
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.path.join("blobs/sha256")).unwrap().count()
    }
}

#[tokio::test]
async fn a_registry_keeps_its_settings_and_its_images() {
    let shelf = Shelf::new(json!({})).await;
    let (bench, mut registry) = (&shelf.bench, shelf.registry.clone());
    bench.keeps_its_promises(&registry).await;
    bench.set(&mut registry, "immutable_tags", json!(false)).await;
    bench.set(&mut registry, "tags", json!({ "team": "ads" })).await;
    layout(&bench.path("chat"), "one");
    let (image, _) = bench.make("image", "chat", shelf.spec("chat", &["v1"])).await;
    assert_eq!(bench.delete(&registry).await.unwrap_err().code, "RegistryNotEmpty");
    bench.goes_without_a_trace(&image).await;
    assert_eq!(shelf.blobs(), 0);
    bench.goes_without_a_trace(&registry).await;
    bench.is_clean();
}

#[tokio::test]
async fn an_image_is_copied_by_digest_and_read_by_others() {
    let shelf = Shelf::new(json!({})).await;
    let bench = &shelf.bench;
    layout(&bench.path("chat"), "one");
    let (mut made, found) = bench.make("image", "chat", shelf.spec("chat", &["v1"])).await;
    assert_eq!(text(&found, "ref"), format!("oci:{}@{}", shelf.path.display(), text(&found, "digest")));
    bench.keeps_its_promises(&made).await;
    bench.set(&mut made, "tag", json!(["v1", "stable"])).await;
    bench.set(&mut made, "tag", json!(["stable"])).await;
    match Command::new("skopeo").args(["inspect", &text(&bench.see(&made).await, "uri")]).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let inspected: Json = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(inspected["Digest"], json!(text(&found, "digest")));
        }
        Err(_) => assert!(std::env::var_os("TRUEUP_REQUIRE_ALL").is_none(), "skopeo is required"),
    }
}

#[tokio::test]
async fn a_tag_is_moved_only_where_the_registry_lets_it() {
    let shelf = Shelf::new(json!({})).await;
    let (bench, mut registry) = (&shelf.bench, shelf.registry.clone());
    layout(&bench.path("one"), "one");
    layout(&bench.path("two"), "two");
    let (mut one, _) = bench.make("image", "one", shelf.spec("one", &["v1"])).await;
    let two = bench.request("image", "two", shelf.spec("two", &["v1"])).await;
    let error = bench.create(&two).await.unwrap_err();
    assert_eq!((&error.class, error.code.as_str()), (&Class::Conflict, "TagImmutable"));
    assert_eq!(shelf.blobs(), 4, "what was copied for it is gone again");
    bench.set(&mut registry, "immutable_tags", json!(false)).await;
    let spec = trueup_state::Value::from(shelf.spec("two", &["v1"]));
    let mut changed = one.spec.clone();
    for field in ["from", "digest"] {
        changed.put(&FieldPath::from_iter([field]), spec.get(field).unwrap().clone());
    }
    bench.update(&one, changed.clone()).await.unwrap();
    one.spec = changed;
    assert!(bench.drift(&one).await.is_empty());
    assert_eq!(shelf.blobs(), 4, "the old image's own blobs are gone, the shared one is not");
    bench.goes_without_a_trace(&one).await;
}

#[tokio::test]
async fn images_without_a_tag_never_collide_and_share_their_blobs() {
    let shelf = Shelf::new(json!({})).await;
    let bench = &shelf.bench;
    layout(&bench.path("one"), "one");
    layout(&bench.path("two"), "two");
    let (one, _) = bench.make("image", "one", shelf.spec("one", &[])).await;
    let (two, _) = bench.make("image", "two", shelf.spec("two", &[])).await;
    let (same, _) = bench.make("image", "same", shelf.spec("one", &[])).await;
    assert_eq!(shelf.blobs(), 7);
    bench.goes_without_a_trace(&one).await;
    assert!(bench.drift(&same).await.is_empty(), "the same image is another resource's too");
    bench.goes_without_a_trace(&same).await;
    assert!(bench.drift(&two).await.is_empty());
    assert_eq!(shelf.blobs(), 4);
}

#[tokio::test]
async fn what_is_not_whole_is_refused_and_leaves_nothing() {
    let shelf = Shelf::new(json!({})).await;
    let bench = &shelf.bench;
    let path = bench.path("chat");
    let layer = layout(&path, "one");
    let file = path.join("blobs").join(layer.replace(':', "/"));
    let content = fs::read(&file).unwrap();
    let mut altered = content.clone();
    altered[600] ^= 1;
    fs::write(&file, altered).unwrap();
    let error = bench.create(&bench.request("image", "chat", shelf.spec("chat", &[])).await).await.unwrap_err();
    assert!(error.message.contains("holds something else"), "{error}");
    fs::remove_file(&file).unwrap();
    let error = bench.create(&bench.request("image", "chat", shelf.spec("chat", &[])).await).await.unwrap_err();
    assert_eq!(error.class, Class::Invalid { field: Some("from".to_owned()) });
    assert!(error.message.contains("missing"), "{error}");
    assert_eq!(shelf.blobs(), 0);
}

#[tokio::test]
async fn what_is_altered_by_hand_is_found_and_put_right() {
    let shelf = Shelf::new(json!({})).await;
    let bench = &shelf.bench;
    let layer = layout(&bench.path("chat"), "one");
    let (made, _) = bench.make("image", "chat", shelf.spec("chat", &["v1", "v2"])).await;
    let file = shelf.path.join("blobs").join(layer.replace(':', "/"));
    for content in [None, Some("x")] {
        fs::remove_file(&file).unwrap();
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        assert_eq!(bench.drift(&made).await, ["digest"]);
        bench.update(&made, made.spec.clone()).await.unwrap();
        assert!(bench.drift(&made).await.is_empty());
    }
    let index = shelf.path.join("index.json");
    let mut json: Json = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    json["manifests"].as_array_mut().unwrap().pop();
    fs::write(&index, json.to_string()).unwrap();
    assert_eq!(bench.drift(&made).await, ["tag"]);
    json["manifests"].as_array_mut().unwrap().clear();
    fs::write(&index, json.to_string()).unwrap();
    assert_eq!(bench.look(&made).await, Observation::Absent);
    fs::write(&index, "{").unwrap();
    assert!(matches!(bench.look(&made).await, Observation::Indeterminate(_)));
}

#[tokio::test]
async fn a_docker_archive_becomes_an_image() {
    let shelf = Shelf::new(json!({})).await;
    let bench = &shelf.bench;
    let layers = [tar("base"), tar("one")];
    let manifest = json!([{ "Config": "c.json", "RepoTags": null, "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, content).unwrap();
    };
    add("manifest.json", manifest.to_string().as_bytes());
    add("c.json", &config(&layers));
    add("a/layer.tar", &layers[0]);
    add("b/layer.tar", &layers[1]);
    let archive = bench.path("image.tar");
    fs::write(&archive, builder.into_inner().unwrap()).unwrap();
    let spec = json!({
        "registry": shelf.reference,
        "from": { "docker_archive": archive },
        "digest": tree_digest(&archive).unwrap(),
        "platform": "linux/amd64",
    });
    let (made, _) = bench.make("image", "chat", spec).await;
    layout(&bench.path("same"), "one");
    assert_eq!(shelf.blobs(), 4);
    bench.goes_without_a_trace(&made).await;
    assert_eq!(shelf.blobs(), 0);
    let mut stale = made_spec(&made);
    stale["digest"] = json!("sha256:other");
    let error = bench.create(&bench.request("image", "chat", stale).await).await.unwrap_err();
    assert_eq!((error.code.as_str(), shelf.blobs()), ("SourceChanged", 0));
    fs::write(&archive, "no archive").unwrap();
    let request = bench.request("image", "chat", made_spec(&made)).await;
    let error = bench.create(&request).await.unwrap_err();
    assert_eq!(error.class, Class::Invalid { field: Some("from".to_owned()) }, "{error}");
}

fn made_spec(made: &Request) -> Json {
    trueup_state::codec::reveal(&made.spec).unwrap()
}
