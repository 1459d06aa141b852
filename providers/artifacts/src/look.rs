//! What is there of an artifact, by two calls: its manifest, and one list of its contents.

use trueup_engine::kinds::artifact::Attributes;
use trueup_engine::provider::{By, Found, Observation, ProviderError, Target};
use trueup_engine::typed::to_value;
use trueup_state::Value;
use trueup_state::map::Map;

use crate::manifest::{self, Manifest, Stands};
use crate::place::Place;
use crate::store::Store;

/// The digest of an artifact whose manifest is gone or can't be read.
const UNREADABLE: &str = "without a manifest";

/// What is there of one.
pub(crate) async fn look<S: Store>(store: &S, target: &Target<'_>) -> Observation {
    let place = match target.by {
        By::Id(id) => Place::of_id(S::SCHEME, id),
        By::Name(name) => target.sent.and_then(|sent| Place::of_spec(S::SCHEME, name, sent)),
        By::Token(_) => None,
    };
    let Some(place) = place else { return Observation::Absent };
    match read(store, &place, matches!(target.by, By::Id(_)), target.sent).await {
        Ok(Some(found)) => Observation::Present(Box::new(found)),
        Ok(None) => Observation::Absent,
        Err(error) if store.lacks_bucket(&error) => Observation::Absent,
        Err(error) => Observation::Indeterminate(error.to_string()),
    }
}

/// `is_recorded`: it is known to be ours, so that what it left without a manifest is ours to put right or to remove.
async fn read<S: Store>(
    store: &S,
    place: &Place,
    is_recorded: bool,
    sent: Option<&Value>,
) -> Result<Option<Found>, ProviderError> {
    match manifest::read(store, place).await? {
        Stands { etag: None, .. } if is_recorded && has_remains(store, place).await? => {
            Ok(Some(unreadable(place, sent)))
        }
        Stands { etag: None, .. } => Ok(None),
        Stands { manifest: None, .. } => Ok(Some(unreadable(place, sent))),
        Stands { manifest: Some(manifest), .. } => {
            let digest = manifest.digest_of(place, &store.list(place).await?);
            Ok(Some(found(place, &manifest, digest, sent)))
        }
    }
}

/// Whether there is anything of an artifact, whole or half sent.
async fn has_remains<S: Store>(store: &S, place: &Place) -> Result<bool, ProviderError> {
    Ok(!store.list(place).await?.is_empty() || !store.unfinished(place).await?.is_empty())
}

/// An artifact as its manifest has it. `digest`: that of what is really there. What nobody but the sender knows is as it was sent.
pub(crate) fn found(place: &Place, manifest: &Manifest, digest: String, sent: Option<&Value>) -> Found {
    let attributes = Attributes {
        uri: place.uri(),
        manifest: format!("{}://{}/{}", place.scheme, place.bucket, place.manifest()),
        digest: digest.clone(),
        size_bytes: manifest.size_bytes,
        files: manifest.files.len() as u64,
    };
    let version = manifest.version.as_ref().map(|version| Value::from(version.as_str()));
    let fields = [
        ("name", Some(manifest.artifact.as_str().into())),
        ("path", Some(place.path.as_str().into())),
        ("version", version),
        ("tags", Some(to_value(&manifest.tags))),
        ("digest", Some(digest.into())),
    ];
    let (spec, attributes) = (shown(fields, sent), to_value(&attributes));
    Found { id: place.uri(), spec, attributes, owner: manifest.owner.clone(), pending: None }
}

/// What has no manifest, or something else in its place: all of the artifact is to be put right.
fn unreadable(place: &Place, sent: Option<&Value>) -> Found {
    let attributes = Attributes {
        uri: place.uri(),
        manifest: format!("{}://{}/{}", place.scheme, place.bucket, place.manifest()),
        digest: UNREADABLE.to_owned(),
        size_bytes: 0,
        files: 0,
    };
    let spec = shown([("digest", Some(UNREADABLE.into()))], sent);
    Found { id: place.uri(), spec, attributes: to_value(&attributes), owner: [].into(), pending: None }
}

/// What was sent, with what is there in its stead; where it is not known what was sent, what is there alone.
fn shown<const N: usize>(there: [(&str, Option<Value>); N], sent: Option<&Value>) -> Value {
    let mut fields = sent.and_then(Value::as_map).cloned().unwrap_or_else(Map::new);
    for (name, value) in there {
        // A bucket that the artifact is named in says where it is, and its path no more than that.
        let is_told = name != "path" || sent.is_none();
        match value {
            Some(value) if is_told => drop(fields.insert(name.to_owned(), value)),
            None if name == "version" => drop(fields.remove(name)),
            _ => {}
        }
    }
    Value::Map(fields)
}
