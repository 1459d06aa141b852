//! Images as files, in the form of an OCI layout: small ones, that differ in their words.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::support::Place;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

fn blob(layout: &Path, media_type: &str, content: &[u8]) -> Json {
    let digest = digest(content);
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")), content).unwrap();
    json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
}

/// An image of one small layer and one of so many bytes: what describes it.
pub(crate) fn image(layout: &Path, words: &str, size: usize, architecture: &str) -> Json {
    let large: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let layers = [words.as_bytes().to_vec(), large];
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let config =
        json!({ "os": "linux", "architecture": architecture, "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = blob(layout, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let layers = layers.map(|layer| blob(layout, "application/vnd.oci.image.layer.v1.tar", &layer));
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let mut manifest = blob(layout, MANIFEST, manifest.to_string().as_bytes());
    manifest["platform"] = json!({ "os": "linux", "architecture": architecture });
    manifest
}

/// An index of two images, one for each of two platforms.
pub(crate) fn index(layout: &Path) -> Json {
    let manifests = [image(layout, "a", 100, "amd64"), image(layout, "b", 100, "arm64")];
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    blob(layout, INDEX, index.to_string().as_bytes())
}

/// An image whose small layer holds other bytes than it is called by.
pub(crate) fn broken(layout: &Path) -> Json {
    let manifest = image(layout, "first", 100, "amd64");
    let layer = layout.join("blobs/sha256").join(digest(b"first").trim_start_matches("sha256:"));
    fs::write(layer, "fir5t").unwrap();
    manifest
}

/// Writes a layout of what is made there.
pub(crate) fn layout_at(place: &Place, path: &str, manifest: impl Fn(&Path) -> Json) {
    let at = place.path(path);
    let _ = fs::remove_dir_all(&at);
    fs::create_dir_all(&at).unwrap();
    let manifest = manifest(&at);
    fs::write(at.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(at.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string()).unwrap();
}

/// The same, of one small image.
pub(crate) fn small_layout(place: &Place, path: &str) {
    layout_at(place, path, |at| image(at, "small", 1000, "amd64"));
}
