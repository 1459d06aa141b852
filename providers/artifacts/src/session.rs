//! An artifact under way: what is sent of it, step by step. All that counts is in the bucket; what is kept here spares asking for it
//! again, and may be lost at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use trueup_engine::kinds::artifact::Spec;
use trueup_engine::provider::{Amount, ProviderError, Unit};
use trueup_state::{Class, Clock, Request};

use crate::budget::{Budget, Width, several};
use crate::manifest::{self, Entry, Manifest, Stands};
use crate::place::Place;
use crate::source::{Source, SourceFile, Sum, blocking, changed};
use crate::store::{Cut, Listed, Store, To, Unfinished, Upload, at_once};

/// How long one step reads, and how long it sends.
const STEP: Duration = Duration::from_secs(3);

/// What is to be made.
pub(crate) struct Job<'a, S> {
    pub(crate) store: &'a S,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) place: &'a Place,
    pub(crate) request: &'a Request,
    pub(crate) spec: &'a Spec,
}

impl<'a, S> Job<'a, S> {
    fn to(&self, file: &'a SourceFile, sum: &'a Sum) -> To<'a> {
        To { place: self.place, spec: self.spec, file, sum }
    }
}

/// What came of a step.
pub(crate) enum Step {
    /// All is there, and so is the manifest.
    Done(Manifest),
    /// There is more to do.
    More { amount: Amount, note: String },
}

/// What is known of an artifact under way.
#[derive(Default)]
pub(crate) struct Session {
    source: Option<Source>,
    bucket: Option<Bucket>,
    width: Width,
}

/// What the bucket has of it.
struct Bucket {
    stands: Stands,
    listed: BTreeMap<String, Listed>,
    unfinished: BTreeMap<String, Vec<Unfinished>>,
    /// What it needs, by checksums.
    contents: BTreeMap<String, Content>,
}

/// What several files of an artifact may hold.
struct Content {
    file: SourceFile,
    sum: Sum,
    state: State,
}

/// How far a content is.
enum State {
    /// Something of its size is there: whether it is what its name says is to be asked.
    Unsure,
    Missing,
    /// It is on its way in parts.
    Parts(Upload),
    /// It is there, with this mark.
    There(String),
}

impl Content {
    fn is_there(&self) -> bool {
        matches!(self.state, State::There(_))
    }

    /// How much of it is there, in bytes.
    fn done(&self, cut: &Cut) -> u64 {
        match &self.state {
            State::Unsure | State::Missing => 0,
            State::Parts(upload) => upload.done(cut, self.file.size()),
            State::There(_) => self.file.size(),
        }
    }

    /// What it is after it was looked at and, where it is small and not there, sent.
    async fn settle<S: Store>(&self, job: &Job<'_, S>) -> Result<State, ProviderError> {
        if let State::Unsure = self.state
            && let Some(etag) = job.store.look(job.place, &self.file, &self.sum).await?
        {
            return Ok(State::There(etag));
        }
        if self.file.size() > job.store.cut().whole {
            return Ok(State::Missing);
        }
        job.store.put(job.to(&self.file, &self.sum)).await.map(State::There)
    }
}

impl Session {
    /// What the bucket has is to be asked again: a call went wrong that may have changed it.
    pub(crate) fn forget_bucket(&mut self) {
        self.bucket = None;
    }

    /// Goes on for some seconds.
    pub(crate) async fn step<S: Store>(&mut self, job: &Job<'_, S>) -> Result<Step, ProviderError> {
        if !self.sum_up(job).await? {
            return Ok(self.more("reading", job));
        }
        if self.bucket.is_none() {
            let source = self.source.as_ref().map_or(&[][..], |source| &source.files);
            self.bucket = Some(Bucket::survey(job, source).await?);
        }
        let Some(bucket) = &mut self.bucket else { return Ok(self.more("sending", job)) };
        // What was asked so far takes nothing from it: each step comes further.
        let budget = Budget::new(job.clock.clone(), STEP);
        bucket.send_small(job, &mut self.width, &budget).await?;
        bucket.send_large(job, &mut self.width, &budget).await?;
        if !bucket.contents.values().all(Content::is_there) {
            return Ok(self.more("sending", job));
        }
        let files = self.source.as_ref().map_or(&[][..], |source| &source.files);
        let manifest = bucket.manifest(job, files);
        bucket.publish(job, &manifest).await?;
        Ok(Step::Done(manifest))
    }

    /// Reads on: whether it is known what all files hold, which is then what was planned.
    async fn sum_up<S: Store>(&mut self, job: &Job<'_, S>) -> Result<bool, ProviderError> {
        if self.bucket.is_some() {
            return Ok(true);
        }
        let (path, budget) = (job.spec.source.clone(), Budget::new(job.clock.clone(), STEP));
        let checksum = job.store.checksum();
        let taken = self.source.take();
        let (source, is_known) = blocking(move || {
            let mut source = taken.map_or_else(|| Source::survey(&path), Ok)?;
            let is_known = source.sum_up(checksum, &budget)?;
            Ok((source, is_known))
        })
        .await?;
        if is_known && job.spec.digest.as_ref().is_some_and(|planned| *planned != source.digest()) {
            return Err(changed(&job.spec.source));
        }
        self.source = Some(source);
        Ok(is_known)
    }

    fn more<S: Store>(&self, doing: &str, job: &Job<'_, S>) -> Step {
        let cut = job.store.cut();
        let files = self.source.as_ref().map_or(&[][..], |source| &source.files);
        let contents = self.bucket.as_ref().map(|bucket| &bucket.contents);
        let (done, total) = match contents {
            Some(contents) => contents
                .values()
                .fold((0, 0), |(done, total), content| (done + content.done(&cut), total + content.file.size())),
            None => (0, files.iter().map(SourceFile::size).sum()),
        };
        Step::More { amount: Amount { done, total, unit: Unit::Bytes }, note: format!("{doing} {} files", files.len()) }
    }
}

impl Bucket {
    /// Asks what the bucket has.
    ///
    /// # Errors
    /// [`Class::AlreadyExists`] and [`Class::Conflict`] where the place is another's.
    async fn survey<S: Store>(job: &Job<'_, S>, files: &[SourceFile]) -> Result<Self, ProviderError> {
        let (store, place) = (job.store, job.place);
        let (stands, listed, unfinished) =
            futures::try_join!(manifest::read(store, place), store.list(place), store.unfinished(place))?;
        check_owner(job.place, job.request, &stands)?;
        let entries = stands.manifest.iter().flat_map(|manifest| &manifest.files);
        let known: BTreeSet<(&str, &str)> =
            entries.map(|entry| (entry.file.sha256.as_str(), entry.etag.as_str())).collect();
        let mut needed = BTreeMap::new();
        for file in files {
            let Some(sum) = file.sum() else { continue };
            let state = match listed.get(&sum.sha256) {
                Some(there) if there.size != file.size() => State::Missing,
                Some(there) if known.contains(&(&sum.sha256, &there.etag)) => State::There(there.etag.clone()),
                Some(_) => State::Unsure,
                None => State::Missing,
            };
            needed.entry(sum.sha256.clone()).or_insert(Content { file: file.clone(), sum: sum.clone(), state });
        }
        Ok(Self { stands, listed, unfinished, contents: needed })
    }

    /// Looks at what may be there, and sends what is small, within a budget.
    async fn send_small<S: Store>(
        &mut self,
        job: &Job<'_, S>,
        width: &mut Width,
        budget: &Budget,
    ) -> Result<(), ProviderError> {
        let whole = job.store.cut().whole;
        let is_due = |content: &Content| match content.state {
            State::Unsure => true,
            State::Missing => content.file.size() <= whole,
            State::Parts(_) | State::There(_) => false,
        };
        let mut settled = Vec::new();
        let due: Vec<_> = self.contents.iter().filter(|(_, content)| is_due(content)).collect();
        let largest = due.iter().map(|(_, content)| content.file.size().min(whole)).max().unwrap_or_default();
        let pieces =
            due.into_iter().map(|(sha256, content)| async move { Ok((sha256.clone(), content.settle(job).await?)) });
        let ended = several(pieces, at_once(largest), width, budget, |one| settled.push(one)).await;
        for (sha256, state) in settled {
            if let Some(content) = self.contents.get_mut(&sha256) {
                content.state = state;
            }
        }
        ended
    }

    /// Sends what is large, one after the other and the parts of each at once, within a budget.
    async fn send_large<S: Store>(
        &mut self,
        job: &Job<'_, S>,
        width: &mut Width,
        budget: &Budget,
    ) -> Result<(), ProviderError> {
        let cut = job.store.cut();
        for (sha256, content) in &mut self.contents {
            let (file, sum) = (&content.file, &content.sum);
            if budget.is_spent() || file.size() <= cut.whole {
                continue;
            }
            let mut upload = match &content.state {
                State::Parts(upload) => upload.clone(),
                State::Missing => {
                    let unfinished = self.unfinished.get(sha256).map_or(&[][..], Vec::as_slice);
                    job.store.begin(job.to(file, sum), unfinished).await?
                }
                State::Unsure | State::There(_) => continue,
            };
            let (id, missing) = (upload.id.clone(), upload.missing(&cut, file.size()));
            let to = job.to(file, sum);
            let pieces = missing.into_iter().map(|number| job.store.part(to, &id, number));
            let has = |(number, part)| drop(upload.parts.insert(number, part));
            let ended = several(pieces, at_once(cut.part_size(file.size())), width, budget, has).await;
            if ended.is_err() || !upload.missing(&cut, file.size()).is_empty() {
                content.state = State::Parts(upload);
                ended?;
                continue;
            }
            content.state = State::There(job.store.complete(to, &upload).await?);
            if let Some(unfinished) = self.unfinished.get_mut(sha256) {
                unfinished.retain(|other| other.id != upload.id);
            }
        }
        Ok(())
    }

    /// The manifest of what is there.
    fn manifest<S>(&self, job: &Job<'_, S>, files: &[SourceFile]) -> Manifest {
        let entry = |file: &SourceFile| {
            let file = file.entry();
            let etag = match self.contents.get(&file.sha256).map(|content| &content.state) {
                Some(State::There(etag)) => etag.clone(),
                _ => String::new(),
            };
            Entry { key: job.place.content(&file.sha256), etag, file }
        };
        let files: Vec<Entry> = files.iter().map(entry).collect();
        let entries: Vec<_> = files.iter().map(|entry| entry.file.clone()).collect();
        let before = self.stands.manifest.as_ref().map(|manifest| manifest.artifact.clone());
        Manifest {
            artifact: before.unwrap_or_else(|| job.request.name.clone()),
            version: job.spec.version.clone(),
            digest: trueup_engine::tree::digest_of(&entries),
            size_bytes: entries.iter().map(|entry| entry.size).sum(),
            tags: job.spec.tags.clone(),
            owner: job.request.owner.clone(),
            files,
        }
    }

    /// Writes the manifest, and only then removes what no file has any more.
    async fn publish<S: Store>(&mut self, job: &Job<'_, S>, manifest: &Manifest) -> Result<(), ProviderError> {
        let store = job.store;
        if self.stands.manifest.as_ref() != Some(manifest) {
            manifest::write(store, job.place, manifest, self.stands.etag.as_deref()).await?;
        }
        let extra: Vec<&String> = self.listed.keys().filter(|sha256| !self.contents.contains_key(*sha256)).collect();
        store.remove(job.place, &extra).await?;
        for (sha256, uploads) in &self.unfinished {
            for upload in uploads {
                store.abort(job.place, sha256, &upload.id).await?;
            }
        }
        Ok(())
    }
}

/// Refuses a place that is another's.
pub(crate) fn check_owner(place: &Place, request: &Request, stands: &Stands) -> Result<(), ProviderError> {
    let (Some(_), is_new) = (&stands.etag, request.id.is_none()) else { return Ok(()) };
    let manifest = stands.manifest.as_ref();
    if is_new && !manifest.is_some_and(|manifest| manifest.is_made_by(request)) {
        let message = format!("there is an artifact at {} already: give this one another `path`", place.uri());
        return Err(ProviderError::new(Class::AlreadyExists, message));
    }
    if !is_new && manifest.is_some_and(|manifest| manifest.is_of_another_stack(request)) {
        let message = format!("the artifact at {} belongs to another stack by now", place.uri());
        return Err(ProviderError::new(Class::Conflict, message));
    }
    Ok(())
}
