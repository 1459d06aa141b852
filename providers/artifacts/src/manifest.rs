//! The manifest of an artifact: what it is, whose it is, and which content each of its files has. It is written last, so that whoever
//! finds it finds all that it names.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trueup_engine::naming::{TAG_ADDRESS, TAG_GENERATION, TAG_STACK, TAG_TOKEN, names_address};
use trueup_engine::provider::ProviderError;
use trueup_engine::tree::{TreeFile, digest_of};
use trueup_state::Request;

use crate::place::Place;
use crate::store::{Listed, Store};

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The artifact's name.
    pub(crate) artifact: String,
    /// The label that its spec gives it.
    pub(crate) version: Option<String>,
    /// The digest of its files.
    pub(crate) digest: String,
    /// The size of its files together, in bytes.
    pub(crate) size_bytes: u64,
    /// Its spec's labels.
    pub(crate) tags: BTreeMap<String, String>,
    /// Whose it is: an artifact is no thing of AWS's that could bear tags.
    pub(crate) owner: BTreeMap<String, String>,
    /// Its files, in the order of their paths.
    pub(crate) files: Vec<Entry>,
}

/// A file in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) file: TreeFile,
    /// The key of its content.
    pub(crate) key: String,
    /// The mark that the store gave the content: another one is another content.
    pub(crate) etag: String,
}

/// What stands where a manifest would.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stands {
    /// Its `ETag`; none where nothing is there.
    pub(crate) etag: Option<String>,
    /// The manifest; none where nothing is there, or what is no manifest.
    pub(crate) manifest: Option<Manifest>,
}

impl Manifest {
    /// Whether it is the one that a request makes: by its token, or by stack, address and generation.
    pub(crate) fn is_made_by(&self, request: &Request) -> bool {
        let tag = |name: &str| self.owner.get(name).map(String::as_str);
        let wanted = |name: &str| request.owner.get(name).map(String::as_str);
        tag(TAG_STACK) == wanted(TAG_STACK)
            && (tag(TAG_TOKEN) == wanted(TAG_TOKEN)
                || tag(TAG_ADDRESS).is_some_and(|tag| names_address(tag, &request.address))
                    && tag(TAG_GENERATION) == wanted(TAG_GENERATION))
    }

    /// Whether it says that it is another stack's.
    pub(crate) fn is_of_another_stack(&self, request: &Request) -> bool {
        let stack = self.owner.get(TAG_STACK);
        stack.is_some() && stack != request.owner.get(TAG_STACK)
    }

    /// The checksums of what its files hold.
    pub(crate) fn contents(&self) -> BTreeSet<String> {
        self.files.iter().map(|entry| entry.file.sha256.clone()).collect()
    }

    /// The digest of what is really there: of the files that it names, those that are gone left out and those that were overwritten by
    /// what they are now. A manifest that was altered counts as content that is.
    pub(crate) fn digest_of(&self, place: &Place, there: &BTreeMap<String, Listed>) -> String {
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
pub(crate) async fn read<S: Store>(store: &S, place: &Place) -> Result<Stands, ProviderError> {
    let Some((etag, text)) = store.read(place).await? else { return Ok(Stands::default()) };
    Ok(Stands { etag: Some(etag), manifest: serde_json::from_slice(&text).ok() })
}

/// Writes a manifest. `over`: the mark of what may be overwritten; none where nothing may be there.
///
/// # Errors
/// [`trueup_state::Class::Conflict`] where something else is there by now.
pub(crate) async fn write<S: Store>(
    store: &S,
    place: &Place,
    manifest: &Manifest,
    over: Option<&str>,
) -> Result<(), ProviderError> {
    store.write(place, serde_json::to_vec_pretty(manifest).unwrap_or_default(), over).await
}
