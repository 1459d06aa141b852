//! The OCI image layout: a directory of blobs named by digest, and an index of what they add up to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use trueup_engine::provider::ProviderError;

use crate::{broken, read_file};

/// The annotation of an index's entry that is its tag.
const TAG: &str = "org.opencontainers.image.ref.name";

/// The media type of an image for one platform.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A blob, as what refers to it describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What is in it.
    pub media_type: String,
    /// `sha256:…`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Notes on it: an index's entry has its tag there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// For which platform it is, and whatever else there is.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Json>,
}

/// The index of a layout, or of an image for several platforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    /// The images.
    pub manifests: Vec<Descriptor>,
    #[serde(flatten)]
    rest: BTreeMap<String, Json>,
}

impl Index {
    /// One of no image.
    pub fn empty() -> Self {
        let rest = [("mediaType".to_owned(), "application/vnd.oci.image.index.v1+json".into())].into();
        Self { schema_version: 2, manifests: Vec::new(), rest }
    }
}

/// A directory in the OCI image layout.
#[derive(Clone, Debug)]
pub struct Layout {
    path: PathBuf,
}

impl Descriptor {
    /// Its tag, where it is an index's entry.
    pub fn tag(&self) -> Option<&str> {
        self.annotations.get(TAG).map(String::as_str)
    }

    /// The same as an index's entry with a tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Self {
        let mut entry = self.clone();
        entry.annotations.insert(TAG.to_owned(), tag.to_owned());
        entry
    }

    /// Whether it is for a platform such as `linux/amd64`.
    pub fn is_for(&self, platform: &str) -> bool {
        let part = |name| self.rest.get("platform").and_then(|own| own.get(name)).and_then(Json::as_str);
        let own = [part("os"), part("architecture"), part("variant")];
        platform.split('/').zip(own).all(|(wanted, own)| own == Some(wanted))
    }

    /// Whether it describes others: an image, or an index of images.
    pub fn is_manifest(&self) -> bool {
        ["manifest", "image.index"].iter().any(|word| self.media_type.contains(word))
    }

    /// The hexadecimal part of its digest.
    pub fn hex(&self) -> Result<&str, ProviderError> {
        let hex = self.digest.strip_prefix("sha256:").filter(|hex| {
            hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        });
        hex.ok_or_else(|| broken(format!("`{}` is no SHA-256 digest", self.digest)))
    }

    /// A layer that its maker may leave out.
    fn is_foreign(&self) -> bool {
        self.media_type.contains("nondistributable") || self.media_type.contains("foreign")
    }
}

impl Layout {
    /// The layout at a directory, whether or not one is there.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its index.
    pub fn index(&self) -> Result<Index, ProviderError> {
        let path = self.path.join("index.json");
        let content = read_file(&path)?
            .ok_or_else(|| broken(format!("{} is no OCI image layout: it has no index.json", self.path.display())))?;
        parse(&content, &path.display().to_string())
    }

    /// Where a blob is.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<PathBuf, ProviderError> {
        Ok(self.path.join("blobs/sha256").join(descriptor.hex()?))
    }

    /// A blob that describes others, checked against its digest.
    fn document(&self, descriptor: &Descriptor) -> Result<Json, ProviderError> {
        let path = self.blob(descriptor)?;
        let missing = || broken(format!("the blob {} is missing in {}", descriptor.digest, self.path.display()));
        let content = read_file(&path)?.ok_or_else(missing)?;
        if hex::encode(Sha256::digest(&content)) != descriptor.hex()? {
            return Err(broken(format!("the blob {} holds something else", descriptor.digest)));
        }
        parse(&content, &descriptor.digest)
    }

    /// All that an image is made of, itself first: manifests, configurations, layers, each once.
    pub fn reach(&self, root: &Descriptor) -> Result<Vec<Descriptor>, ProviderError> {
        let mut all = vec![root.clone()];
        let mut next = 0;
        while let Some(descriptor) = all.get(next).cloned() {
            next += 1;
            if !descriptor.is_manifest() {
                continue;
            }
            let document = self.document(&descriptor)?;
            let listed = |key: &str| document.get(key).and_then(Json::as_array).into_iter().flatten().cloned();
            let parts = listed("manifests").chain(document.get("config").cloned()).chain(listed("layers"));
            for part in parts {
                let part: Descriptor = serde_json::from_value(part)
                    .map_err(|error| broken(format!("{} describes a part badly: {error}", descriptor.digest)))?;
                if !all.iter().any(|known| known.digest == part.digest) {
                    all.push(part);
                }
            }
        }
        // What its maker leaves out can't be copied; what is there is.
        all.retain(|part| !part.is_foreign() || self.blob(part).is_ok_and(|path| path.exists()));
        Ok(all)
    }

    /// The one image of a layout that is meant.
    pub fn select(&self, platform: Option<&str>) -> Result<Descriptor, ProviderError> {
        let mut images: Vec<Descriptor> = Vec::new();
        for mut image in self.index()?.manifests {
            image.annotations.remove(TAG);
            if !images.iter().any(|known| known.digest == image.digest) {
                images.push(image);
            }
        }
        let Some(platform) = platform else {
            return match &images[..] {
                [one] => Ok(one.clone()),
                [] => Err(broken(format!("{} has no image in it", self.path.display()))),
                several => Err(broken(format!("{} has {} images in it", self.path.display(), several.len()))),
            };
        };
        let mut candidates = images.clone();
        for image in
            images.iter().filter(|image| image.media_type.contains("index") || image.media_type.contains("list"))
        {
            let inner: Index = serde_json::from_value(self.document(image)?)
                .map_err(|error| broken(format!("{} is no index: {error}", image.digest)))?;
            candidates.extend(inner.manifests);
        }
        match candidates.iter().find(|image| image.is_for(platform)) {
            Some(image) => Ok(image.clone()),
            // A plain image does not say its platform in the index; its configuration does.
            None if images.len() == 1 && self.config_is_for(&images[0], platform)? => Ok(images[0].clone()),
            None => Err(broken(format!("{} has no image for {platform}", self.path.display()))),
        }
    }

    fn config_is_for(&self, image: &Descriptor, platform: &str) -> Result<bool, ProviderError> {
        let manifest = self.document(image)?;
        let Some(config) = manifest.get("config").and_then(|config| serde_json::from_value(config.clone()).ok()) else {
            return Ok(false);
        };
        let config = Descriptor { rest: [("platform".to_owned(), self.document(&config)?)].into(), ..config };
        Ok(config.is_for(platform))
    }
}

fn parse<T: serde::de::DeserializeOwned>(content: &[u8], what: &str) -> Result<T, ProviderError> {
    serde_json::from_slice(content).map_err(|error| broken(format!("{what} is not what it should be: {error}")))
}
