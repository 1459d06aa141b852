//! The manifest of an artifact: what it is, whose it is, and which content each of its files has. It is written last, so that whoever
//! finds it finds all that it names.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use serde::{Deserialize, Serialize};
use trueup_engine::naming::{TAG_ADDRESS, TAG_GENERATION, TAG_STACK, TAG_TOKEN, names_address};
use trueup_engine::provider::ProviderError;
use trueup_engine::tree::{TreeFile, digest_of};
use trueup_state::{Class, Request};

use super::contents::Listed;
use super::place::Place;
use crate::error::failed;

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The artifact's name.
    pub(super) artifact: String,
    /// The label that its spec gives it.
    pub(super) version: Option<String>,
    /// The digest of its files.
    pub(super) digest: String,
    /// The size of its files together, in bytes.
    pub(super) size_bytes: u64,
    /// Its spec's labels.
    pub(super) tags: BTreeMap<String, String>,
    /// Whose it is: an artifact is no thing of AWS's that could bear tags.
    pub(super) owner: BTreeMap<String, String>,
    /// Its files, in the order of their paths.
    pub(super) files: Vec<Entry>,
}

/// A file in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) file: TreeFile,
    /// The key of its content.
    pub(super) key: String,
    /// The `ETag` that S3 gave the content: another one is another content.
    pub(super) etag: String,
}

/// What stands where a manifest would.
#[derive(Clone, Debug, Default)]
pub(super) struct Stands {
    /// Its `ETag`; none where nothing is there.
    pub(super) etag: Option<String>,
    /// The manifest; none where nothing is there, or what is no manifest.
    pub(super) manifest: Option<Manifest>,
}

impl Manifest {
    /// Whether it is the one that a request makes: by its token, or by stack, address and generation.
    pub(super) fn is_made_by(&self, request: &Request) -> bool {
        let tag = |name: &str| self.owner.get(name).map(String::as_str);
        let wanted = |name: &str| request.owner.get(name).map(String::as_str);
        tag(TAG_STACK) == wanted(TAG_STACK)
            && (tag(TAG_TOKEN) == wanted(TAG_TOKEN)
                || tag(TAG_ADDRESS).is_some_and(|tag| names_address(tag, &request.address))
                    && tag(TAG_GENERATION) == wanted(TAG_GENERATION))
    }

    /// Whether it says that it is another stack's.
    pub(super) fn is_of_another_stack(&self, request: &Request) -> bool {
        let stack = self.owner.get(TAG_STACK);
        stack.is_some() && stack != request.owner.get(TAG_STACK)
    }

    /// The checksums of what its files hold.
    pub(super) fn contents(&self) -> BTreeSet<String> {
        self.files.iter().map(|entry| entry.file.sha256.clone()).collect()
    }

    /// The digest of what is really there: of the files that it names, those that are gone left out and those that were overwritten by
    /// what they are now. A manifest that was altered counts as content that is.
    pub(super) fn digest_of(&self, place: &Place, there: &BTreeMap<String, Listed>) -> String {
        let now = |entry: &Entry| {
            let listed = there.get(&entry.file.sha256)?;
            let sha256 =
                if listed.etag == entry.etag { entry.file.sha256.clone() } else { format!("etag:{}", listed.etag) };
            Some(TreeFile { path: entry.file.path.clone(), size: listed.size, sha256 })
        };
        let files: Vec<TreeFile> = self.files.iter().filter_map(now).collect();
        let named: Vec<TreeFile> = self.files.iter().map(|entry| entry.file.clone()).collect();
        let is_right = |entry: &Entry| entry.key == place.content(&entry.file.sha256);
        let is_altered = self.digest != digest_of(&named) || !self.files.iter().all(is_right);
        format!("{}{}", digest_of(&files), if is_altered { "+manifest" } else { "" })
    }
}

/// Reads what stands where a manifest would.
pub(super) async fn read(s3: &Client, place: &Place) -> Result<Stands, ProviderError> {
    let doing = "read the manifest";
    let got = s3.get_object().bucket(&place.bucket).key(place.manifest()).send().await;
    let got = match got.map_err(|error| failed(doing, &error)) {
        Ok(got) => got,
        Err(error) if error.code == "NoSuchKey" => return Ok(Stands::default()),
        Err(error) => return Err(error),
    };
    let cut_short = |error| ProviderError::new(Class::Transient, format!("{doing}: it was cut short: {error}"));
    let etag = Some(got.e_tag.unwrap_or_default());
    let text = got.body.collect().await.map_err(cut_short)?.into_bytes();
    Ok(Stands { etag, manifest: serde_json::from_slice(&text).ok() })
}

/// Writes a manifest. `over`: the `ETag` of what may be overwritten; none where nothing may be there.
///
/// # Errors
/// [`Class::Conflict`] where something else is there by now.
pub(super) async fn write(
    s3: &Client,
    place: &Place,
    manifest: &Manifest,
    over: Option<&str>,
) -> Result<(), ProviderError> {
    let text = serde_json::to_vec_pretty(manifest).unwrap_or_default();
    let call = s3.put_object().bucket(&place.bucket).key(place.manifest()).content_type("application/json");
    let call = call.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).body(ByteStream::from(text));
    let call = match over {
        Some(etag) => call.if_match(etag),
        None => call.if_none_match("*"),
    };
    call.send().await.map(drop).map_err(|error| failed("write the manifest", &error))
}

/// Removes a manifest. One that is gone already is as well.
pub(super) async fn remove(s3: &Client, place: &Place) -> Result<(), ProviderError> {
    let removed = s3.delete_object().bucket(&place.bucket).key(place.manifest()).send().await;
    removed.map(drop).map_err(|error| failed("remove the manifest", &error))
}
