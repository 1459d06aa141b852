//! An image under way: what is sent of it, step by step. All that counts is in the registry; what is kept here spares asking it again, and
//! may be lost at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use trueup_engine::kinds::image::{From, Spec};
use trueup_engine::provider::{Amount, ProviderError, Unit};
use trueup_engine::tree::tree_digest;
use trueup_oci::{Descriptor, Place, Source, broken};
use trueup_state::{Class, Clock};

use crate::registry::{Registry, Upload};

/// How long one step sends.
const STEP: Duration = Duration::from_secs(3);
/// How many blobs are sent at once.
const AT_ONCE: usize = 4;

/// What came of a step.
pub(crate) enum Step {
    /// All is there, the image last: which one it is.
    Done(Descriptor),
    /// There is more to do.
    More(Amount),
}

/// How far a blob is.
#[derive(Clone, Debug)]
enum State {
    /// Whether it is there is to be asked.
    Unsure,
    /// It is on its way.
    Under(Upload),
    /// It is on its way, and how far is to be asked: a call went wrong.
    Lost(Upload),
    There,
}

/// What is known of an image under way.
#[derive(Default)]
pub(crate) struct Push {
    source: Option<Arc<Source>>,
    registry: Option<Registry>,
    states: BTreeMap<String, State>,
}

/// Work that waits for files, where that holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
) -> Result<T, ProviderError> {
    let ended = |_| Err(ProviderError::new(Class::Internal, "a worker thread failed"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(ended)
}

/// The source that a spec names.
async fn source(spec: &Spec) -> Result<Source, ProviderError> {
    let (from, platform) = (spec.from.clone(), spec.platform.clone());
    blocking(move || Source::open(&from, platform.as_deref())).await
}

/// Refuses a source that is not what the plan was made with.
async fn unchanged(spec: &Spec) -> Result<(), ProviderError> {
    let (From::OciLayout(path) | From::DockerArchive(path), Some(planned)) = (&spec.from, &spec.digest) else {
        return Ok(());
    };
    let (path, planned) = (std::path::PathBuf::from(path), planned.clone());
    blocking(move || {
        let unread = |error| broken(format!("{} can't be read: {error}", path.display()));
        if tree_digest(&path).map_err(unread)? == planned {
            return Ok(());
        }
        let message = format!("{} is no longer what it was when the plan was made: plan again", path.display());
        Err(ProviderError::new(Class::Conflict, message).code("SourceChanged"))
    })
    .await
}

/// The tags of an image: its own, where it is given none, which can't mean another one.
pub(crate) fn tags(spec: &Spec, digest: &str) -> BTreeSet<String> {
    let own = || format!("sha256-{}", digest.trim_start_matches("sha256:").get(..16).unwrap_or_default());
    if spec.tag.is_empty() { [own()].into() } else { spec.tag.iter().cloned().collect() }
}

impl Push {
    /// Goes on for some seconds. `from`: the repository that may have some of it already.
    pub(crate) async fn step(
        &mut self,
        clock: &Arc<dyn Clock>,
        spec: &Spec,
        from: Option<&str>,
        sign_in: impl Future<Output = Result<Registry, ProviderError>>,
    ) -> Result<Step, ProviderError> {
        let end = clock.uptime() + STEP;
        let source = if let Some(source) = &self.source {
            source.clone()
        } else {
            unchanged(spec).await?;
            Arc::new(source(spec).await?)
        };
        self.source = Some(source.clone());
        let registry = match self.registry.take() {
            Some(registry) => registry,
            None => sign_in.await?,
        };
        self.registry = Some(registry.clone());
        let is_over = || clock.uptime() >= end;
        let due = source.blobs.iter().filter(|(blob, _)| !blob.is_manifest() && !self.is_there(blob));
        let sends = due.map(|(blob, place)| {
            let state = self.states.get(&blob.digest).cloned().unwrap_or(State::Unsure);
            let way = Way { registry: &registry, blob, place, from };
            async move { if is_over() { (way.blob, state, None) } else { way.go_on(state, &is_over).await } }
        });
        let came: Vec<_> = stream::iter(sends.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
        let mut failure = None;
        for (blob, state, error) in came {
            self.states.insert(blob.digest.clone(), state);
            failure = failure.or(error);
        }
        if let Some(error) = failure {
            return Err(error);
        }
        if source.blobs.iter().any(|(blob, _)| !blob.is_manifest() && !self.is_there(blob)) {
            return Ok(Step::More(self.amount(&source)));
        }
        unchanged(spec).await?;
        self.publish(&registry, &source, spec).await?;
        Ok(Step::Done(source.root.clone()))
    }

    /// Puts the manifests, those of platforms before what lists them, and the image itself last, under each of its tags.
    async fn publish(&self, registry: &Registry, source: &Arc<Source>, spec: &Spec) -> Result<(), ProviderError> {
        for (blob, place) in source.blobs.iter().rev().filter(|(blob, _)| blob.is_manifest()) {
            let content = read(blob, place, 0, usize::MAX).await?;
            if blob.digest == source.root.digest {
                for tag in tags(spec, &blob.digest) {
                    registry.put(blob, &tag, content.clone()).await.map_err(|error| untaggable(error, &tag))?;
                }
            } else {
                registry.put(blob, &blob.digest, content).await?;
            }
        }
        Ok(())
    }

    /// The right to write may have run out, and what is there may be something else by now.
    pub(crate) fn doubt(&mut self, error: &ProviderError) {
        if error.class == Class::Denied {
            self.registry = None;
        }
        if error.code == "MANIFEST_BLOB_UNKNOWN" {
            self.states.clear();
        }
    }

    fn is_there(&self, blob: &Descriptor) -> bool {
        matches!(self.states.get(&blob.digest), Some(State::There))
    }

    /// How far it is.
    fn amount(&self, source: &Source) -> Amount {
        let done = |blob: &Descriptor| match self.states.get(&blob.digest) {
            Some(State::There) => blob.size,
            Some(State::Under(upload) | State::Lost(upload)) => upload.done,
            Some(State::Unsure) | None => 0,
        };
        let done = source.blobs.iter().map(|(blob, _)| done(blob)).sum();
        Amount { done, total: source.size(), unit: Unit::Bytes }
    }
}

/// A tag that is another image's already.
fn untaggable(error: ProviderError, tag: &str) -> ProviderError {
    if error.code != "TAG_INVALID" {
        return error;
    }
    let message = format!(
        "the tag `{tag}` is another image already, and the registry's tags can't be moved: choose another `tag`, or set \
         `immutable_tags: false` on the registry"
    );
    ProviderError::new(Class::Conflict, message).code("TagImmutable")
}

/// Some of a blob.
async fn read(blob: &Descriptor, place: &Place, offset: u64, most: usize) -> Result<Vec<u8>, ProviderError> {
    let (blob, place) = (blob.clone(), place.clone());
    let unread = |digest: &str, error: &std::io::Error| broken(format!("the blob {digest} can't be read: {error}"));
    blocking(move || place.read(blob.size, offset, most).map_err(|error| unread(&blob.digest, &error))).await
}

/// A blob and its way into a registry.
#[derive(Clone, Copy)]
struct Way<'a> {
    registry: &'a Registry,
    blob: &'a Descriptor,
    place: &'a Place,
    /// The repository that may have it already.
    from: Option<&'a str>,
}

impl<'a> Way<'a> {
    /// Goes on until it is there, time is over, or a call goes wrong.
    async fn go_on(
        self,
        mut state: State,
        is_over: &impl Fn() -> bool,
    ) -> (&'a Descriptor, State, Option<ProviderError>) {
        loop {
            let before = state.clone();
            match self.step(state).await {
                Ok(State::There) => return (self.blob, State::There, None),
                Ok(after) if is_over() => return (self.blob, after, None),
                Ok(after) => state = after,
                Err(error) => {
                    // Whether it was taken is not known.
                    let doubtful = match before {
                        State::Under(upload) | State::Lost(upload) => State::Lost(upload),
                        State::Unsure | State::There => State::Unsure,
                    };
                    return (self.blob, doubtful, Some(error));
                }
            }
        }
    }

    async fn step(self, state: State) -> Result<State, ProviderError> {
        let Self { registry, blob, place, from } = self;
        match state {
            State::There => Ok(State::There),
            State::Unsure if registry.has(blob).await? => Ok(State::There),
            State::Unsure => Ok(registry.begin(blob, from).await?.map_or(State::There, State::Under)),
            State::Lost(upload) => match registry.ask(&upload).await? {
                Some(upload) if upload.done <= blob.size => Ok(State::Under(upload)),
                // It may have come to its end.
                _ => Ok(State::Unsure),
            },
            State::Under(upload) => {
                let bytes = read(blob, place, upload.done, upload.chunk).await?;
                // What fits into one call needs no other.
                if upload.done == 0 && bytes.len() as u64 == blob.size || bytes.is_empty() {
                    registry.finish(&upload, blob, bytes).await?;
                    return Ok(State::There);
                }
                registry.append(&upload, bytes).await.map(State::Under)
            }
        }
    }
}
