//! `artifact`: files copied into a bucket's directory, with a manifest that is written last.
//!
//! New content is made ready in a staging directory and moved in place only when all of it is there and has the digest that was
//! planned, so that readers never meet half an artifact. Files that are the same already are left untouched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trueup_engine::kinds;
use trueup_engine::kinds::artifact::{Attributes, MANIFEST, Spec};
use trueup_engine::provider::{Amount, ProviderError, Unit};
use trueup_engine::schema::Problem;
use trueup_engine::tree::{TreeFile, digest_of, tree_files};
use trueup_engine::typed::TypedFound;
use trueup_state::{Class, Clock, Request, Value};

use crate::bucket::{is_public, set_public, settings_of, staging_of, versions_of};
use crate::card::Cards;
use crate::copy::{Budget, Copy, Stamp, Sum, settle};
use crate::home::{self, Doing, invalid};
use crate::refuse::{foreign, refuse, text};
use crate::work::{CardOf, Step, Work};

/// How much one step copies at most, in bytes.
const STEP_BYTES: u64 = 256 * 1024 * 1024;

/// The manager of artifacts.
pub(crate) struct Artifacts {
    root: PathBuf,
    cards: Cards<Spec, Notes>,
    clock: Arc<dyn Clock>,
    step_bytes: u64,
    /// Copies under way, by their part files: a step of this process goes on without hashing again.
    copies: Mutex<BTreeMap<PathBuf, Copy>>,
}

/// What is noted of an artifact.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// Its files by relative path, as they were left in the bucket.
    files: BTreeMap<String, Kept>,
    /// The manifest as it was left.
    manifest: Option<Sum>,
}

/// A file as it was left in the bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    /// Its checksum, and what it was like.
    sum: Sum,
    /// What the source was like that it was copied from.
    source: Stamp,
}

/// The manifest as it stands beside the files.
#[derive(Serialize, Deserialize)]
struct Manifest {
    artifact: String,
    version: Option<String>,
    digest: String,
    size_bytes: u64,
    files: Vec<TreeFile>,
}

/// Where the parts of one artifact are.
struct Places {
    bucket: PathBuf,
    target: PathBuf,
    staging: PathBuf,
}

/// One file of the source.
struct SourceFile {
    path: String,
    full: PathBuf,
    stamp: Stamp,
    /// Its checksum: known where it is in the bucket or in staging already.
    sha256: Option<String>,
    /// Where it waits in staging; none where the bucket has it as it is.
    staged: Option<PathBuf>,
}

/// Where the artifacts of a root are.
pub(crate) fn places(root: &Path) -> Result<Vec<PathBuf>, ProviderError> {
    let cards = Cards::<Spec, Notes>::new(root, "artifact").all()?;
    let places = cards.iter().filter_map(|card| Artifacts::places(&card.name, &card.spec).ok());
    Ok(places.map(|places| places.target).collect())
}

impl Artifacts {
    pub(crate) fn new(root: &Path, clock: Arc<dyn Clock>, step_bytes: Option<u64>) -> Self {
        let step_bytes = step_bytes.unwrap_or(STEP_BYTES);
        Self { root: root.to_owned(), cards: Cards::new(root, "artifact"), clock, step_bytes, copies: Mutex::default() }
    }

    fn places(name: &str, spec: &Spec) -> Result<Places, ProviderError> {
        let bucket = spec.bucket.attribute("uri").and_then(|uri| uri.strip_prefix("file://")).and_then(home::file_path);
        let Some(bucket) = bucket else {
            return Err(invalid("bucket", format!("the bucket `{}` is no directory here", spec.bucket.address)));
        };
        let path = home::checked_path("path", spec.path.as_deref().unwrap_or(name))?;
        Ok(Places { target: bucket.join(path), staging: staging_of(&bucket).join(home::checked_name(name)?), bucket })
    }

    /// Refuses a place that another artifact has, is inside of, or has inside.
    fn check_place(&self, name: &str, target: &Path) -> Result<(), ProviderError> {
        for other in self.cards.all()?.into_iter().filter(|other| other.name != name) {
            let taken = Self::places(&other.name, &other.spec)?.target;
            if taken.starts_with(target) || target.starts_with(&taken) {
                let message = format!("the artifact `{}` is at {} already", other.address, taken.display());
                return Err(ProviderError::new(Class::AlreadyExists, message));
            }
        }
        Ok(())
    }

    /// The source's files, each with what is known of it.
    fn survey(card: &CardOf<Self>, spec: &Spec, places: &Places) -> Result<Vec<SourceFile>, ProviderError> {
        let source = Path::new(&spec.source);
        let listed = tree_files(source)
            .map_err(|error| invalid("source", format!("{} can't be read: {error}", source.display())))?;
        let staged = staged_files(&places.staging);
        let mut files = Vec::new();
        for (path, full) in listed {
            let stamp = Stamp::of(&full).map_err(|error| invalid("source", format!("{}: {error}", full.display())))?;
            let kept = card.data.files.get(&path).filter(|kept| {
                kept.source == stamp && Stamp::of(&places.target.join(&path)).is_ok_and(|now| now == kept.sum.stamp)
            });
            let mut file = SourceFile { path, full, stamp, sha256: None, staged: None };
            if let Some(kept) = kept {
                file.sha256 = Some(kept.sum.sha256.clone());
            } else if let Some(sha256) = staged.get(&stage_key(&file)) {
                file.staged = Some(staged_path(&places.staging, &file, sha256));
                file.sha256 = Some(sha256.clone());
            }
            files.push(file);
        }
        match &files[..] {
            [] => Err(invalid("source", no_file_in(&spec.source))),
            files if files.iter().any(|file| file.path == MANIFEST) => {
                Err(invalid("source", format!("a file of the name {MANIFEST} can't be in an artifact")))
            }
            _ => Ok(files),
        }
    }

    /// Copies what is missing into staging, within one step's budget. How many bytes are ready.
    fn stage(&self, files: &mut [SourceFile], places: &Places) -> Result<u64, ProviderError> {
        let mut budget = Budget::step(&*self.clock, self.step_bytes);
        let mut ready = files.iter().filter(|file| file.sha256.is_some()).map(|file| file.stamp.size()).sum();
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files.iter_mut().filter(|file| file.sha256.is_none()) {
            if budget.is_spent() {
                break;
            }
            home::make_dir(&places.staging)?;
            let part = places.staging.join(format!("{}.part", stage_key(file)));
            let mut copy = match copies.remove(&part) {
                Some(copy) => copy,
                None => Copy::begin(&file.full, &part).doing("copy", &file.full)?,
            };
            let finished = copy.step(&mut budget).doing("copy", &file.full)?;
            // So that many small files don't take longer than one large one.
            budget.spend(4096);
            if let Some(sha256) = finished {
                let staged = staged_path(&places.staging, file, &sha256);
                fs::rename(&part, &staged).doing("move", &part)?;
                ready += file.stamp.size();
                file.staged = Some(staged);
                file.sha256 = Some(sha256);
            } else {
                ready += copy.done();
                copies.insert(part, copy);
            }
        }
        Ok(ready)
    }

    /// Moves what is staged in place, removes what is no longer there in the source, and writes the manifest.
    fn publish(
        card: &mut CardOf<Self>,
        spec: &Spec,
        files: &[SourceFile],
        places: &Places,
    ) -> Result<(), ProviderError> {
        let entries: Vec<TreeFile> = files.iter().map(SourceFile::entry).collect();
        let digest = digest_of(&entries);
        if spec.digest.as_ref().is_some_and(|planned| *planned != digest) {
            home::remove(&places.staging)?;
            let message = format!("{} is no longer what it was when the plan was made: plan again", spec.source);
            return Err(ProviderError::new(Class::Conflict, message).code("SourceChanged"));
        }
        let public = is_public(&places.bucket)?;
        let archive = Archive::of(&places.bucket)?;
        for file in files {
            publish_file(card, file, places, &archive, public)?;
        }
        for (path, full) in tree_files(&places.target).doing("list", &places.target)? {
            if path != MANIFEST && !files.iter().any(|file| file.path == path) {
                archive.take(&places.bucket, &full)?;
                home::prune(full.parent().unwrap_or(&full), &places.target);
            }
        }
        let size_bytes = entries.iter().map(|entry| entry.size).sum();
        let manifest =
            Manifest { artifact: card.name.clone(), version: spec.version.clone(), digest, size_bytes, files: entries };
        let path = places.target.join(MANIFEST);
        home::write_file(&path, &serde_json::to_vec_pretty(&manifest).unwrap_or_default())?;
        set_public(&path, public)?;
        settle();
        let mut kept = BTreeMap::new();
        for file in files {
            let stamp = Stamp::of(&places.target.join(&file.path)).doing("look at", &places.target.join(&file.path))?;
            let sum = Sum { sha256: file.sha256.clone().unwrap_or_default(), stamp };
            kept.insert(file.path.clone(), Kept { sum, source: file.stamp.clone() });
        }
        card.data = Notes { files: kept, manifest: Some(Sum::of(&path, None).doing("read", &path)?) };
        home::remove(&places.staging)?;
        home::prune(
            places.staging.parent().unwrap_or(&places.staging),
            places.bucket.ancestors().nth(2).unwrap_or(&places.bucket),
        );
        Ok(())
    }

    /// The files that are really there, hashing only those that were touched.
    fn tree(card: &CardOf<Self>, target: &Path) -> Result<Vec<TreeFile>, ProviderError> {
        let mut files = Vec::new();
        for (path, full) in tree_files(target).doing("list", target)? {
            let known = card.data.files.get(&path).map(|kept| &kept.sum);
            let known = if path == MANIFEST { card.data.manifest.as_ref() } else { known };
            let sum = Sum::of(&full, known).doing("read", &full)?;
            files.push(TreeFile { path, size: sum.stamp.size(), sha256: sum.sha256 });
        }
        Ok(files)
    }
}

impl SourceFile {
    fn entry(&self) -> TreeFile {
        let sha256 = self.sha256.clone().unwrap_or_default();
        TreeFile { path: self.path.clone(), size: self.stamp.size(), sha256 }
    }
}

fn no_file_in(source: &str) -> String {
    format!("there is no file in `{source}`")
}

/// Names a source file as it is now, so that staging never mixes it up with what it was.
fn stage_key(file: &SourceFile) -> String {
    format!("{}-{}", hex::encode(&Sha256::digest(&file.path)[..8]), file.stamp.key())
}

fn staged_path(staging: &Path, file: &SourceFile, sha256: &str) -> PathBuf {
    staging.join(format!("{}.{sha256}", stage_key(file)))
}

/// The finished files in staging: checksum by key.
fn staged_files(staging: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(staging).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| name.rsplit_once('.').map(|(key, sum)| (key.to_owned(), sum.to_owned())))
        .filter(|(_, sum)| sum != "part")
        .collect()
}

fn publish_file(
    card: &CardOf<Artifacts>,
    file: &SourceFile,
    places: &Places,
    archive: &Archive,
    public: bool,
) -> Result<(), ProviderError> {
    let Some(staged) = &file.staged else { return Ok(()) };
    let target = places.target.join(&file.path);
    let kept = card.data.files.get(&file.path);
    let now = Sum::of(&target, kept.map(|kept| &kept.sum)).ok();
    if now.is_some_and(|now| Some(&now.sha256) == file.sha256.as_ref()) {
        return home::remove(staged); // touched, and the same all the same
    }
    let parent = target.parent().unwrap_or(&target);
    home::make_dir(parent)?;
    if public {
        for directory in parent.ancestors().take_while(|above| *above != places.bucket) {
            set_public(directory, true)?;
        }
    }
    set_public(staged, public)?;
    archive.take(&places.bucket, &target)?;
    fs::rename(staged, &target).doing("move into place", &target)
}

/// What becomes of a file that is overwritten or removed.
struct Archive {
    /// Where earlier versions are kept; none where the bucket keeps none.
    versions: Option<PathBuf>,
}

impl Archive {
    fn of(bucket: &Path) -> Result<Self, ProviderError> {
        let versioning = settings_of(bucket)?.is_some_and(|settings| settings.versioning);
        Ok(Self { versions: versioning.then(|| versions_of(bucket)) })
    }

    /// Keeps a file of the bucket as an earlier version, named by its content, or removes it.
    fn take(&self, bucket: &Path, file: &Path) -> Result<(), ProviderError> {
        let (Some(versions), Ok(metadata)) = (&self.versions, fs::symlink_metadata(file)) else {
            return home::remove(file);
        };
        if !metadata.is_file() {
            return home::remove(file);
        }
        let sum = Sum::of(file, None).doing("read", file)?;
        let kept = versions.join(file.strip_prefix(bucket).unwrap_or(file)).join(&sum.sha256);
        home::make_dir(kept.parent().unwrap_or(versions))?;
        fs::rename(file, &kept).doing("keep an earlier version of", file)
    }
}

impl Work for Artifacts {
    type Kind = kinds::Artifact;
    type Data = Notes;

    fn cards(&self) -> &Cards<Spec, Notes> {
        &self.cards
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn is_there(&self, name: &str, card: Option<&CardOf<Self>>) -> bool {
        card.is_some_and(|card| Self::places(name, &card.spec).is_ok_and(|places| places.target.is_dir()))
    }

    fn look(&self, card: CardOf<Self>, _sent: Option<&Value>) -> Result<TypedFound<kinds::Artifact>, ProviderError> {
        let places = Self::places(&card.name, &card.spec)?;
        let mut files = Self::tree(&card, &places.target)?;
        let manifest = files.iter().position(|file| file.path == MANIFEST).map(|position| files.remove(position));
        let known = card.data.manifest.as_ref().map(|sum| sum.sha256.as_str());
        let digest = if manifest.as_ref().map(|file| file.sha256.as_str()) == known {
            digest_of(&files)
        } else {
            // A manifest that is missing or altered counts as content that is: an update writes it again.
            let all: Vec<TreeFile> = files.iter().cloned().chain(manifest).collect();
            format!("{}+manifest", digest_of(&all))
        };
        let mut spec = card.spec;
        spec.digest = spec.digest.is_some().then(|| digest.clone());
        let attributes = Attributes {
            uri: home::file_uri(&places.target),
            manifest: home::file_uri(&places.target.join(MANIFEST)),
            digest,
            size_bytes: files.iter().map(|file| file.size).sum(),
            files: files.len() as u64,
        };
        Ok(TypedFound { id: card.name, spec, attributes, owner: card.owner })
    }

    fn refused(spec: &Value) -> Vec<Problem> {
        let path = text(spec, "path").and_then(home::path_fault).map(|message| refuse("path", message));
        let is_empty = text(spec, "digest").is_some_and(|digest| digest == digest_of(&[]));
        let source = text(spec, "source").filter(|_| is_empty).map(|source| refuse("source", no_file_in(source)));
        foreign(spec, "bucket").into_iter().chain(path).chain(source).collect()
    }

    fn check(&self, request: &Request, spec: &Spec) -> Result<(), ProviderError> {
        let name = request.id.as_deref().unwrap_or(&request.name);
        let places = Self::places(name, spec)?;
        if !places.bucket.is_dir() {
            return Err(invalid("bucket", format!("the bucket's directory {} is gone", places.bucket.display())));
        }
        self.check_place(name, &places.target)?;
        if !self.cards.path(home::checked_name(name)?).exists() && places.target.exists() {
            let message = format!("something is at {} already: give another `path`", places.target.display());
            return Err(ProviderError::new(Class::AlreadyExists, message));
        }
        match fs::symlink_metadata(&spec.source) {
            Ok(_) => Ok(()),
            Err(error) => Err(invalid("source", format!("{} can't be read: {error}", spec.source))),
        }
    }

    fn converge(&self, card: &mut CardOf<Self>, spec: &Spec, _request: &Request) -> Result<Step, ProviderError> {
        let places = Self::places(&card.name, spec)?;
        let mut files = Self::survey(card, spec, &places)?;
        let total = files.iter().map(|file| file.stamp.size()).sum();
        let done = self.stage(&mut files, &places)?;
        if files.iter().any(|file| file.sha256.is_none()) {
            let note = format!("copying {} files", files.len());
            let amount = Some(Amount { done, total, unit: Unit::Bytes });
            return Ok(Step::More { after: Duration::ZERO, amount, note });
        }
        home::make_dir(&places.target)?;
        Self::publish(card, spec, &files, &places)?;
        Ok(Step::Done)
    }

    fn dissolve(&self, card: &mut CardOf<Self>, _request: &Request) -> Result<Step, ProviderError> {
        let places = Self::places(&card.name, &card.spec)?;
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).retain(|part, _| !part.starts_with(&places.staging));
        home::remove(&places.staging)?;
        home::prune_all(places.staging.parent().unwrap_or(&places.staging), &self.root);
        if places.target.is_dir() {
            let archive = Archive::of(&places.bucket)?;
            for (_, full) in tree_files(&places.target).doing("list", &places.target)? {
                archive.take(&places.bucket, &full)?;
            }
            home::remove(&places.target)?;
        }
        if let Some(parent) = places.target.parent() {
            home::prune(parent, &places.bucket);
        }
        Ok(Step::Done)
    }
}
