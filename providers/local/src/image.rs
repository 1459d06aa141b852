//! `image`: a container image in a registry's OCI layout, every blob checked against its digest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trueup_engine::kinds;
use trueup_engine::kinds::image::{Attributes, From, Spec};
use trueup_engine::provider::{Amount, ProviderError, Unit};
use trueup_engine::schema::Problem;
use trueup_engine::tree::tree_digest;
use trueup_engine::typed::TypedFound;
use trueup_state::{Class, Clock, Request, Value};

use crate::card::Cards;
use crate::copy::{Budget, Copy, Sum, settle};
use crate::home::{self, Doing, Lock, invalid};
use crate::oci::{Descriptor, Layout, Written, broken};
use crate::refuse::{foreign, is_the, refuse};
use crate::registry::settings_of;
use crate::work::{CardOf, Step, Work};

const STEP_BYTES: u64 = 256 * 1024 * 1024;

/// The manager of images.
pub(crate) struct Images {
    root: PathBuf,
    cards: Cards<Spec, Notes>,
    clock: Arc<dyn Clock>,
    copies: Mutex<BTreeMap<PathBuf, Copy>>,
}

/// What is noted of an image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// The image itself.
    root: Option<Descriptor>,
    /// Its tags in the registry.
    tags: Vec<String>,
    /// What was begun to be copied, and is in no index yet.
    #[serde(default)]
    coming: Vec<Descriptor>,
    /// The checksums of its blobs as they were left, by digest.
    blobs: BTreeMap<String, Sum>,
}

impl Images {
    pub(crate) fn new(root: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { root: root.to_owned(), cards: Cards::new(root, "image"), clock, copies: Mutex::default() }
    }

    fn registry(spec: &Spec) -> Result<PathBuf, ProviderError> {
        let uri = spec.registry.attribute("uri").and_then(|uri| uri.strip_prefix("oci:")).and_then(home::file_path);
        uri.ok_or_else(|| invalid("registry", format!("the registry `{}` is no directory here", spec.registry.address)))
    }

    /// Copies the blobs that are missing, within one step's budget. How many bytes are there, and whether all are.
    fn copy_blobs(
        &self,
        card: &mut CardOf<Self>,
        blobs: &[Descriptor],
        from: &Layout,
        into: &Layout,
    ) -> Result<(u64, bool), ProviderError> {
        let mut budget = Budget::step(&*self.clock, STEP_BYTES);
        let (mut ready, mut complete) = (0, true);
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        for blob in blobs {
            let path = into.blob(blob)?;
            if let Some(sum) = intact(&path, card.data.blobs.get(&blob.digest), blob)? {
                card.data.blobs.insert(blob.digest.clone(), sum);
                ready += blob.size;
                continue;
            }
            if budget.is_spent() {
                complete = false;
                continue;
            }
            let (source, part) = (from.blob(blob)?, into.part(blob)?);
            if !source.exists() {
                return Err(broken(format!("the blob {} is missing in the source", blob.digest)));
            }
            home::make_dir(part.parent().unwrap_or(&part))?;
            let mut copy = match copies.remove(&part) {
                Some(copy) => copy,
                None => Copy::begin(&source, &part).doing("copy", &source)?,
            };
            match copy.step(&mut budget).doing("copy", &source)? {
                Some(sha256) if blob.hex()? == sha256 => {
                    fs::rename(&part, &path).doing("move into place", &part)?;
                    ready += blob.size;
                }
                Some(sha256) => {
                    home::remove(&part)?;
                    return Err(broken(format!("the blob {} holds something else: sha256:{sha256}", blob.digest)));
                }
                None => {
                    ready += copy.done();
                    complete = false;
                    copies.insert(part, copy);
                }
            }
        }
        Ok((ready, complete))
    }

    /// Puts the image's tags into the index, and takes out those that it had and has no longer.
    fn publish(
        &self,
        card: &mut CardOf<Self>,
        spec: &Spec,
        root: &Descriptor,
        registry: &Path,
    ) -> Result<bool, ProviderError> {
        let layout = Layout::new(registry);
        let _lock = Lock::hold(registry)?;
        let blobs = layout.reach(root)?;
        for blob in &blobs {
            if !layout.blob(blob)?.exists() {
                return Ok(false); // another image's end took a shared blob along since it was looked at
            }
        }
        let tags = if spec.tag.is_empty() { vec![own_tag(root)?] } else { spec.tag.clone() };
        let immutable = settings_of(registry)?.is_none_or(|settings| settings.immutable_tags);
        let mut index = layout.index()?;
        for tag in &tags {
            let other = index.manifests.iter().find(|entry| entry.tag() == Some(tag) && entry.digest != root.digest);
            if let (Some(other), true) = (other, immutable) {
                let message = format!(
                    "the tag `{tag}` is {} already, and the registry's tags can't be moved: choose another `tag`, or set \
                     `immutable_tags: false` on the registry",
                    other.digest
                );
                return Err(ProviderError::new(Class::Conflict, message).code("TagImmutable"));
            }
        }
        let others = self.tags_of_others(&card.name, registry)?;
        let old = card.data.root.clone();
        index.manifests.retain(|entry| {
            let tag = entry.tag().unwrap_or_default();
            let mine = card.data.tags.iter().any(|own| own == tag) && !others.iter().any(|other| other == tag);
            !tags.iter().any(|wanted| wanted == tag) && !mine
        });
        index.manifests.extend(tags.iter().map(|tag| root.tagged(tag)));
        layout.write_index(&index)?;
        if let Some(old) = old.filter(|old| old.digest != root.digest) {
            // What can't be read of it can't be told apart from others' blobs: it stays.
            collect(&layout, &layout.reach(&old).unwrap_or_default())?;
        }
        layout.clear_parts(&blobs)?;
        card.data.tags = tags;
        card.data.root = Some(root.clone());
        Ok(true)
    }

    /// The tags that other images of this root have in a registry.
    fn tags_of_others(&self, name: &str, registry: &Path) -> Result<Vec<String>, ProviderError> {
        let others = self.cards.all()?.into_iter().filter(|other| other.name != name);
        Ok(others
            .filter(|other| Self::registry(&other.spec).is_ok_and(|path| path == registry))
            .flat_map(|other| other.data.tags)
            .collect())
    }
}

/// Refuses a source that is not what the plan was made with.
fn unchanged(spec: &Spec, path: &Path) -> Result<(), ProviderError> {
    let Some(planned) = &spec.digest else { return Ok(()) };
    if tree_digest(path).doing("read", path)? == *planned {
        return Ok(());
    }
    let message = format!("{} is no longer what it was when the plan was made: plan again", path.display());
    Err(ProviderError::new(Class::Conflict, message).code("SourceChanged"))
}

/// The sum of a blob that is there and is what its name says.
fn intact(path: &Path, known: Option<&Sum>, blob: &Descriptor) -> Result<Option<Sum>, ProviderError> {
    if !path.exists() {
        return Ok(None);
    }
    let sum = Sum::of(path, known).doing("read", path)?;
    Ok(if blob.hex()? == sum.sha256 { Some(sum) } else { None })
}

/// The tag of an image that is given none: it can't mean another one.
fn own_tag(root: &Descriptor) -> Result<String, ProviderError> {
    Ok(format!("sha256-{}", &root.hex()?[..16]))
}

/// Removes those of an image's blobs that no image in the index has.
fn collect(layout: &Layout, gone: &[Descriptor]) -> Result<(), ProviderError> {
    let mut kept = Vec::new();
    for entry in layout.index()?.manifests {
        kept.extend(layout.reach(&entry)?.into_iter().map(|blob| blob.digest));
    }
    for blob in gone {
        if !kept.contains(&blob.digest) {
            home::remove(&layout.blob(blob)?)?;
        }
    }
    Ok(())
}

/// What is wrong with an image in its registry; none where all is well.
fn damage(layout: &Layout, root: &Descriptor, known: &BTreeMap<String, Sum>) -> Option<String> {
    let blobs = match layout.reach(root) {
        Ok(blobs) => blobs,
        Err(error) => return Some(error.message),
    };
    blobs.iter().find_map(|blob| {
        let path = layout.blob(blob).ok()?;
        match intact(&path, known.get(&blob.digest), blob) {
            Ok(Some(_)) => None,
            _ => Some(format!("the blob {} is missing or altered", blob.digest)),
        }
    })
}

impl Work for Images {
    type Kind = kinds::Image;
    type Data = Notes;

    fn cards(&self) -> &Cards<Spec, Notes> {
        &self.cards
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn is_there(&self, _name: &str, card: Option<&CardOf<Self>>) -> bool {
        let Some(card) = card else { return false };
        let (Ok(registry), Some(root)) = (Self::registry(&card.spec), &card.data.root) else { return false };
        if !registry.is_dir() {
            return false;
        }
        // An index that can't be read does not say that the image is gone.
        let index = Layout::new(&registry).index();
        index.map_or(true, |index| index.manifests.iter().any(|entry| entry.digest == root.digest))
    }

    fn look(&self, card: CardOf<Self>, _sent: Option<&Value>) -> Result<TypedFound<kinds::Image>, ProviderError> {
        let registry = Self::registry(&card.spec)?;
        let layout = Layout::new(&registry);
        let root = card.data.root.clone().ok_or_else(|| broken("the image was never finished"))?;
        let index = layout.index()?;
        let has = |tag: &&String| {
            index.manifests.iter().any(|entry| entry.tag() == Some(tag.as_str()) && entry.digest == root.digest)
        };
        let tags: Vec<String> = card.data.tags.iter().filter(has).cloned().collect();
        let mut spec = card.spec;
        if tags.len() != card.data.tags.len() {
            spec.tag.clone_from(&tags);
        }
        if let Some(damage) = damage(&layout, &root, &card.data.blobs) {
            spec.digest = spec.digest.map(|_| format!("damaged: {damage}"));
        }
        let name = format!("oci:{}", registry.display());
        let size_bytes = layout.reach(&root).map_or(0, |blobs| blobs.iter().map(|blob| blob.size).sum());
        let attributes = Attributes {
            r#ref: format!("{name}@{}", root.digest),
            uri: format!("{name}:{}", tags.first().or(card.data.tags.first()).map_or("", String::as_str)),
            digest: root.digest,
            size_bytes,
        };
        Ok(TypedFound { id: card.name, spec, attributes, owner: card.owner })
    }

    fn refused(spec: &Value) -> Vec<Problem> {
        let message =
            "`local` asks no other registry: `skopeo copy REFERENCE oci:DIRECTORY`, and say `oci_layout: DIRECTORY`";
        let reference = is_the(spec, "from", "reference").then(|| refuse("from.reference", message));
        foreign(spec, "registry").into_iter().chain(reference).collect()
    }

    fn check(&self, _request: &Request, spec: &Spec) -> Result<(), ProviderError> {
        let registry = Self::registry(spec)?;
        if !registry.is_dir() {
            return Err(invalid("registry", format!("the registry's directory {} is gone", registry.display())));
        }
        match &spec.from {
            From::OciLayout(path) | From::DockerArchive(path) if !Path::new(path).exists() => {
                Err(invalid("from", format!("there is nothing at {path}")))
            }
            _ => Ok(()),
        }
    }

    fn converge(&self, card: &mut CardOf<Self>, spec: &Spec, _request: &Request) -> Result<Step, ProviderError> {
        let registry = Self::registry(spec)?;
        let into = Layout::new(&registry);
        let (root, path) = match &spec.from {
            From::OciLayout(path) => (Layout::new(Path::new(path)).select(spec.platform.as_deref())?, path),
            From::DockerArchive(path) => (into.import(Path::new(path))?, path),
            From::Reference(_) => return Err(broken("`local` asks no other registry")),
        };
        let from = if matches!(spec.from, From::OciLayout(_)) { Layout::new(Path::new(path)) } else { into.clone() };
        let blobs = from.reach(&root)?;
        let total = blobs.iter().map(|blob| blob.size).sum();
        card.data.coming.clone_from(&blobs);
        self.cards.write(card)?;
        let (done, complete) = self.copy_blobs(card, &blobs, &from, &into)?;
        let published = if complete {
            unchanged(spec, Path::new(path)).and_then(|()| self.publish(card, spec, &root, &registry))
        } else {
            Ok(false)
        };
        if published.is_err() && card.ready {
            // The image that is there stays; what came of the new one goes.
            let _lock = Lock::hold(&registry)?;
            collect(&into, &blobs)?;
        }
        if !published? {
            self.cards.write(card)?;
            let amount = Some(Amount { done, total, unit: Unit::Bytes });
            return Ok(Step::More { after: Duration::ZERO, amount, note: "copying layers".to_owned() });
        }
        card.data.coming.clear();
        settle();
        card.data.blobs.clear();
        for blob in &blobs {
            let path = into.blob(blob)?;
            card.data.blobs.extend(intact(&path, None, blob)?.map(|sum| (blob.digest.clone(), sum)));
        }
        Ok(Step::Done)
    }

    fn dissolve(&self, card: &mut CardOf<Self>, _request: &Request) -> Result<Step, ProviderError> {
        let registry = Self::registry(&card.spec)?;
        if !registry.is_dir() {
            return Ok(Step::Done);
        }
        let layout = Layout::new(&registry);
        let _lock = Lock::hold(&registry)?;
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).retain(|part, _| !part.starts_with(&registry));
        let others = self.tags_of_others(&card.name, &registry)?;
        let mut index = layout.index()?;
        index.manifests.retain(|entry| {
            let tag = entry.tag().unwrap_or_default();
            !card.data.tags.iter().any(|own| own == tag) || others.iter().any(|other| other == tag)
        });
        layout.write_index(&index)?;
        let mut blobs = card.data.coming.clone();
        if let Some(root) = &card.data.root {
            // What can't be read of it can't be told apart from others' blobs: it stays.
            blobs.extend(layout.reach(root).unwrap_or_default());
        }
        layout.clear_parts(&blobs)?;
        collect(&layout, &blobs)?;
        Ok(Step::Done)
    }
}
