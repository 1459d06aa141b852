//! `bucket`: a directory. Its mode is who may read it; its other settings stand on its card.
//!
//! Lifecycle rules, CORS, storage classes and access logs are kept, so that the same blueprint suits a cloud, and have no effect
//! here: nothing runs on this machine that would carry them out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use trueup_engine::kinds;
use trueup_engine::kinds::artifact::MANIFEST;
use trueup_engine::kinds::bucket::{Attributes, PublicAccess, Spec};
use trueup_engine::provider::ProviderError;
use trueup_engine::schema::Problem;
use trueup_engine::typed::TypedFound;
use trueup_state::{Request, Value};

use crate::artifact;
use crate::card::Cards;
use crate::home::{self, Doing, invalid};
use crate::refuse;
use crate::work::{CardOf, Step, Work};

/// The manager of buckets.
pub(crate) struct Buckets {
    root: PathBuf,
    cards: Cards<Spec, Notes>,
}

/// What is noted of a bucket: nothing.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Notes {}

/// Where a bucket's earlier versions and unfinished copies are: beside it, hidden from those who list buckets.
pub(crate) fn versions_of(bucket: &Path) -> PathBuf {
    beside(bucket, ".versions")
}

/// Where copies into a bucket are made ready.
pub(crate) fn staging_of(bucket: &Path) -> PathBuf {
    beside(bucket, ".staging")
}

fn beside(bucket: &Path, what: &str) -> PathBuf {
    let parent = bucket.parent().unwrap_or(Path::new("/"));
    parent.join(what).join(bucket.file_name().unwrap_or_default())
}

/// The settings of the bucket at a directory, where it is one of this provider's.
pub(crate) fn settings_of(bucket: &Path) -> Result<Option<Spec>, ProviderError> {
    let (Some(name), Some(root)) = (bucket.file_name().and_then(|name| name.to_str()), bucket.ancestors().nth(2))
    else {
        return Ok(None);
    };
    Ok(Cards::<Spec, Notes>::new(root, "bucket").read(name)?.map(|card| card.spec))
}

/// Whether everyone may read a directory.
pub(crate) fn is_public(path: &Path) -> Result<bool, ProviderError> {
    Ok(fs::metadata(path).doing("look at", path)?.permissions().mode() & 0o005 != 0)
}

/// Sets who may read a file or a directory.
pub(crate) fn set_public(path: &Path, public: bool) -> Result<(), ProviderError> {
    let is_dir = fs::symlink_metadata(path).doing("look at", path)?.is_dir();
    let mode = match (is_dir, public) {
        (true, true) => 0o755,
        (true, false) => 0o700,
        (false, true) => 0o644,
        (false, false) => 0o600,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).doing("set the mode of", path)
}

/// Sets it for all that is inside, first of all, and then for the directory itself, by whose mode the whole is known.
fn set_public_below(path: &Path, public: bool) -> Result<(), ProviderError> {
    for entry in fs::read_dir(path).doing("list", path)? {
        let entry = entry.doing("list", path)?;
        let kind = entry.file_type().doing("look at", &entry.path())?;
        if kind.is_dir() {
            set_public_below(&entry.path(), public)?;
        } else if kind.is_file() {
            set_public(&entry.path(), public)?;
        }
    }
    set_public(path, public)
}

impl Buckets {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), cards: Cards::new(root, "bucket") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join("buckets").join(name)
    }
}

impl Work for Buckets {
    type Kind = kinds::Bucket;
    type Data = Notes;

    fn cards(&self) -> &Cards<Spec, Notes> {
        &self.cards
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn is_there(&self, name: &str, _card: Option<&CardOf<Self>>) -> bool {
        self.path(name).is_dir()
    }

    fn look(&self, card: CardOf<Self>, _sent: Option<&Value>) -> Result<TypedFound<kinds::Bucket>, ProviderError> {
        let path = self.path(&card.name);
        let mut spec = card.spec;
        spec.public_access = if is_public(&path)? { PublicAccess::Read } else { PublicAccess::Blocked };
        let attributes = Attributes {
            uri: home::file_uri(&path),
            name: card.name.clone(),
            resource_id: path.display().to_string(),
            location: "local".to_owned(),
        };
        Ok(TypedFound { id: card.name, spec, attributes, owner: card.owner })
    }

    fn refused(spec: &Value) -> Vec<Problem> {
        refuse::key(spec).into_iter().collect()
    }

    fn converge(&self, card: &mut CardOf<Self>, spec: &Spec, _request: &Request) -> Result<Step, ProviderError> {
        let path = self.path(&card.name);
        home::make_dir(&path)?;
        let public = spec.public_access == PublicAccess::Read;
        if is_public(&path)? != public {
            set_public_below(&path, public)?;
        }
        Ok(Step::Done)
    }

    fn obstacle(&self, name: &str, sent: &Value) -> Result<Option<Problem>, ProviderError> {
        let Some(card) = self.cards.read(name)?.filter(|_| !is_forced(sent)) else { return Ok(None) };
        let (path, artifacts) = (self.path(name), artifact::places(&self.root)?);
        let versions = versions_of(&path);
        let message = match inside(&path, &artifacts) {
            _ if has_files(&versions) => not_empty(name, &versions),
            Inside::Files => not_empty(name, &path),
            Inside::Artifacts if card.spec.versioning => {
                let kept = versions.display();
                format!("the bucket `{name}` keeps earlier versions, so that what is deleted from it stays in {kept}")
            }
            Inside::Artifacts | Inside::Nothing => return Ok(None),
        };
        Ok(Some(refuse::refuse(FORCE, message)))
    }

    fn dissolve(&self, card: &mut CardOf<Self>, request: &Request) -> Result<Step, ProviderError> {
        let path = self.path(&card.name);
        let all = [path.clone(), versions_of(&path), staging_of(&path)];
        let full = all[..2].iter().find(|directory| has_files(directory));
        if let Some(directory) = full.filter(|_| !is_forced(&request.spec)) {
            return Err(invalid(FORCE, not_empty(&card.name, directory)).code("BucketNotEmpty"));
        }
        for directory in &all {
            home::remove(directory)?;
            if let Some(parent) = directory.parent() {
                home::prune_all(parent, &self.root);
            }
        }
        Ok(Step::Done)
    }
}

/// The field that lets a bucket go with what is in it.
const FORCE: &str = "force_destroy";

/// Whether a delete takes what is in the bucket along.
pub(crate) fn is_forced(sent: &Value) -> bool {
    sent.get(FORCE).map(Value::revealed) == Some(&true.into())
}

fn not_empty(name: &str, directory: &Path) -> String {
    format!("the bucket `{name}` is not empty: files are in {}", directory.display())
}

/// What is in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Inside {
    /// Nothing, or empty directories.
    Nothing,
    /// Artifacts, which go before it does.
    Artifacts,
    /// Files of somebody else.
    Files,
}

/// What is in a directory of a bucket. `artifacts`: where some are; another root's are known by their manifest.
fn inside(directory: &Path, artifacts: &[PathBuf]) -> Inside {
    let Ok(entries) = fs::read_dir(directory) else { return Inside::Nothing };
    let mut most = Inside::Nothing;
    for entry in entries.flatten() {
        let path = entry.path();
        let found = match entry.file_type() {
            Ok(kind) if kind.is_dir() && (artifacts.contains(&path) || path.join(MANIFEST).exists()) => {
                Inside::Artifacts
            }
            Ok(kind) if kind.is_dir() => inside(&path, artifacts),
            _ => Inside::Files,
        };
        if found == Inside::Files {
            return found;
        }
        most = most.max(found);
    }
    most
}

/// Whether anything but empty directories is in a directory.
fn has_files(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()) || has_files(&entry.path()))
}
