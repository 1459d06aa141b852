//! What `docker save` writes, read as if it were an OCI image layout.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use trueup_engine::provider::ProviderError;

use crate::layout::{Descriptor, MANIFEST};
use crate::source::Place;
use crate::{broken, unreadable};

/// Where a file stands in the archive.
#[derive(Clone, Copy)]
struct Extent {
    start: u64,
    size: u64,
}

/// One image, as the archive's `manifest.json` lists it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// An archive's one image: what it is made of, and where that stands.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The image itself, which the archive does not have: it is made of what is there.
    pub root: Descriptor,
    /// All blobs, the image first, each once.
    pub blobs: Vec<(Descriptor, Place)>,
}

impl Archive {
    /// Reads an archive. All of it is read once: an archive does not say the digests of what is in it.
    pub fn read(path: &Path) -> Result<Self, ProviderError> {
        let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let entries = entries(&file).map_err(|error| broken(format!("{} is no archive: {error}", path.display())))?;
        let images: Vec<Listed> = document(&mut file, &entries, "manifest.json")?.1;
        let [image] = &images[..] else {
            return Err(broken(format!("{} has {} images in it, where one belongs", path.display(), images.len())));
        };
        let (content, config): (_, Config) = document(&mut file, &entries, &image.config)?;
        let config_blob = described("application/vnd.oci.image.config.v1+json", &content);
        if config.rootfs.diff_ids.len() != image.layers.len() {
            return Err(broken("the image's configuration and its list of layers disagree"));
        }
        let mut layers = Vec::new();
        for (name, diff_id) in image.layers.iter().zip(&config.rootfs.diff_ids) {
            let extent = extent(&entries, name)?;
            let place = Place::File { path: path.to_owned(), start: extent.start };
            layers.push((layer(&mut file, extent, diff_id)?, place));
        }
        let listed: Vec<&Descriptor> = layers.iter().map(|(layer, _)| layer).collect();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config_blob, "layers": listed }).to_string();
        let root = described(MANIFEST, manifest.as_bytes());
        let mut blobs = vec![(root.clone(), Place::Bytes(manifest.into_bytes())), (config_blob, Place::Bytes(content))];
        for (layer, place) in layers {
            if !blobs.iter().any(|(known, _)| known.digest == layer.digest) {
                blobs.push((layer, place));
            }
        }
        Ok(Self { root, blobs })
    }
}

/// The files of an archive by name, and what its links lead to.
fn entries(file: &File) -> io::Result<BTreeMap<String, Result<Extent, String>>> {
    let mut entries = BTreeMap::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let kind = entry.header().entry_type();
        if kind.is_file() {
            entries.insert(name, Ok(Extent { start: entry.raw_file_position(), size: entry.size() }));
        } else if let (true, Some(target)) = (kind.is_symlink() || kind.is_hard_link(), entry.link_name()?) {
            let base =
                if kind.is_symlink() { Path::new(&name).parent().unwrap_or(Path::new("")) } else { Path::new("") };
            entries.insert(name.clone(), Err(flatten(&base.join(target))));
        }
    }
    Ok(entries)
}

/// A path inside the archive without `..`.
fn flatten(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.iter().filter_map(|part| part.to_str()) {
        match part {
            ".." => drop(parts.pop()),
            "." | "/" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn extent(entries: &BTreeMap<String, Result<Extent, String>>, name: &str) -> Result<Extent, ProviderError> {
    let mut name = name;
    for _ in 0..8 {
        match entries.get(name) {
            Some(Ok(extent)) => return Ok(*extent),
            Some(Err(target)) => name = target,
            None => break,
        }
    }
    Err(broken(format!("the archive has no file {name}, which its manifest names")))
}

fn document<T: serde::de::DeserializeOwned>(
    file: &mut File,
    entries: &BTreeMap<String, Result<Extent, String>>,
    name: &str,
) -> Result<(Vec<u8>, T), ProviderError> {
    const MOST: u64 = 16 * 1024 * 1024;
    let extent = extent(entries, name)?;
    if extent.size > MOST {
        return Err(broken(format!("{name} is too large to be what it should be")));
    }
    let failed = |error: io::Error| broken(format!("{name} can't be read: {error}"));
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(extent.start)).map_err(failed)?;
    file.take(extent.size).read_to_end(&mut content).map_err(failed)?;
    let parsed = serde_json::from_slice(&content).map_err(|error| broken(format!("{name}: {error}")))?;
    Ok((content, parsed))
}

fn descriptor(media_type: &str, digest: String, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest, size, annotations: BTreeMap::new(), rest: BTreeMap::new() }
}

fn described(media_type: &str, content: &[u8]) -> Descriptor {
    descriptor(media_type, format!("sha256:{}", hex::encode(Sha256::digest(content))), content.len() as u64)
}

/// A layer, hashed, and held against what the configuration says of it where that can be told.
fn layer(file: &mut File, at: Extent, diff_id: &str) -> Result<Descriptor, ProviderError> {
    let failed = |error: io::Error| broken(format!("the layer {diff_id} can't be read: {error}"));
    let mut magic = [0; 2];
    file.seek(SeekFrom::Start(at.start)).map_err(failed)?;
    let zipped = at.size > 2 && file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    let media_type =
        if zipped { "application/vnd.oci.image.layer.v1.tar+gzip" } else { "application/vnd.oci.image.layer.v1.tar" };
    let mut hash = Sha256::new();
    file.seek(SeekFrom::Start(at.start)).map_err(failed)?;
    let size = io::copy(&mut file.take(at.size), &mut hash).map_err(failed)?;
    let layer = descriptor(media_type, format!("sha256:{}", hex::encode(hash.finalize())), size);
    if size != at.size || (!zipped && layer.digest != diff_id) {
        return Err(broken(format!("the layer {diff_id} holds something else: its digest is {}", layer.digest)));
    }
    Ok(layer)
}
