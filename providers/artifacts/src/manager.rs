//! The manager of artifacts in a store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_engine::kinds::artifact::Spec;
use trueup_engine::kinds::{Artifact, Kind};
use trueup_engine::provider::{Amount, Api, Found, Manager, Observed, Progress, ProviderError, RetrySafety, Target};
use trueup_engine::schema::{Problem, Schema};
use trueup_engine::tree::digest_of;
use trueup_engine::typed::from_value;
use trueup_state::{Applied, Class, Clock, FieldPath, Handle, ProviderName, Request, Token, Value};

use crate::manifest::{self, Stands};
use crate::place::{Place, path_fault};
use crate::session::{Job, Session, Step, check_owner};
use crate::store::Store;
use crate::{look, source};

/// How many calls look at artifacts at once.
const AT_ONCE: usize = 32;
/// How many contents one step removes at most: a call returns within seconds.
const MOST: usize = 5000;

/// The manager of artifacts in one account and region.
pub struct Artifacts<S> {
    store: S,
    clock: Arc<dyn Clock>,
    /// Those under way in this process, by the tokens of their operations.
    sessions: Mutex<BTreeMap<Token, Session>>,
}

/// What goes on with an artifact after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    /// What it lacks is sent.
    Send,
    /// What it has is removed.
    Remove,
}

impl Doing {
    fn of(handle: &Handle) -> Option<Self> {
        serde_json::from_value(handle.0.get("doing")?.clone()).ok()
    }

    fn pending(self, place: &Place, amount: Option<Amount>, note: Option<String>) -> Progress {
        let handle = Handle(json!({ "doing": self }));
        Progress::Pending { id: Some(place.uri()), handle, poll_after: Duration::ZERO, amount, note }
    }
}

impl<S: Store> Artifacts<S> {
    /// The manager of those in a store.
    pub fn new(store: S, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, sessions: Mutex::default() }
    }

    /// Sends on for some seconds. A call that is cut short loses what this process knows of it, and nothing else.
    async fn send(&self, request: &Request) -> Result<Progress, ProviderError> {
        let (place, spec): (_, Spec) = (Place::of::<S>(request)?, from_value(&request.spec)?);
        let job = Job { store: &self.store, clock: &self.clock, place: &place, request, spec: &spec };
        let sessions = || self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = sessions().remove(&request.token);
        let mut session = taken.unwrap_or_default();
        match session.step(&job).await {
            Ok(Step::Done(manifest)) => {
                let digest = manifest.digest.clone();
                Ok(Progress::Done(Some(Box::new(look::found(&place, &manifest, digest, Some(&request.spec))))))
            }
            Ok(Step::More { amount, note }) => {
                sessions().insert(request.token.clone(), session);
                Ok(Doing::Send.pending(&place, Some(amount), Some(note)))
            }
            Err(error) if is_passing(&error) => {
                session.forget_bucket();
                sessions().insert(request.token.clone(), session);
                Err(error)
            }
            Err(error) => Err(self.undone(&place, request, error).await),
        }
    }

    /// What can't succeed leaves behind what was there before: of a create nothing, or it is recorded, so that a destroy finds it.
    async fn undone(&self, place: &Place, request: &Request, error: ProviderError) -> ProviderError {
        let is_new = request.id.is_none();
        let cleared = match manifest::read(&self.store, place).await {
            Ok(Stands { etag: None, .. }) if is_new => self.clear(place, &BTreeSet::new()).await,
            Ok(Stands { manifest: Some(manifest), .. }) if !is_new && !manifest.is_of_another_stack(request) => {
                self.clear(place, &manifest.contents()).await
            }
            // It is another's, or nobody can tell what it had.
            Ok(_) => return error,
            Err(unread) => Err(unread),
        };
        match cleared {
            Ok(true) => error,
            Err(gone) if self.store.lacks_bucket(&gone) => error,
            _ if !is_new => error,
            _ => error.partly(
                request,
                Found {
                    id: place.uri(),
                    spec: request.spec.clone(),
                    attributes: Value::Map([].into()),
                    owner: BTreeMap::new(),
                    pending: None,
                },
            ),
        }
    }

    /// Removes some contents but for those kept, and unfinished uploads: whether none is left.
    async fn clear(&self, place: &Place, kept: &BTreeSet<String>) -> Result<bool, ProviderError> {
        let (listed, unfinished) = futures::try_join!(self.store.list(place), self.store.unfinished(place))?;
        for (sha256, uploads) in &unfinished {
            for upload in uploads {
                self.store.abort(place, sha256, &upload.id).await?;
            }
        }
        let due: Vec<&String> = listed.keys().filter(|sha256| !kept.contains(*sha256)).collect();
        self.store.remove(place, &due[..due.len().min(MOST)]).await?;
        Ok(due.len() <= MOST)
    }

    /// Removes an artifact, its manifest last: who finds none finds nothing.
    async fn remove(&self, request: &Request) -> Result<Progress, ProviderError> {
        let place = Place::of::<S>(request)?;
        match self.remove_at(&place, request).await {
            Ok(true) => Ok(Progress::Done(None)),
            Ok(false) => Ok(Doing::Remove.pending(&place, None, Some("removing files".to_owned()))),
            Err(error) if self.store.lacks_bucket(&error) => Ok(Progress::Done(None)),
            Err(error) => Err(error),
        }
    }

    async fn remove_at(&self, place: &Place, request: &Request) -> Result<bool, ProviderError> {
        let stands = manifest::read(&self.store, place).await?;
        check_owner(place, request, &stands)?;
        if !self.clear(place, &BTreeSet::new()).await? {
            return Ok(false);
        }
        self.store.remove_manifest(place).await?;
        Ok(true)
    }
}

/// Whether a failure says nothing of whether the artifact can be made: it is asked again.
fn is_passing(error: &ProviderError) -> bool {
    let passes = matches!(error.class, Class::Transient | Class::Throttled { .. } | Class::Denied);
    passes || error.applied == Applied::Unknown
}

/// What a field says, where that is known and text.
fn text<'a>(spec: &'a Value, field: &str) -> Option<&'a str> {
    spec.at(&FieldPath::parse(field))?.revealed().as_str()
}

/// A bucket that is not where the artifact is made.
fn bucket_problem<S: Store>(store: &S, spec: &Value) -> Option<Problem> {
    let address = text(spec, "bucket.address").unwrap_or_default();
    let maker = text(spec, "bucket.provider").filter(|maker| ProviderName::from(*maker).provider() != S::PROVIDER);
    let region = store.region();
    let elsewhere =
        text(spec, "bucket.attributes.location").filter(|location| region.is_some_and(|region| *location != region));
    let message = match (maker, elsewhere) {
        (Some(maker), _) => {
            let ours = S::PROVIDER;
            format!("the bucket `{address}` is made by `{maker}`, and `{ours}` sends files to buckets of its own alone")
        }
        (None, Some(location)) => {
            format!(
                "the bucket `{address}` is in {location}, and this in {}: give both the same region",
                region.unwrap_or_default()
            )
        }
        (None, None) => return None,
    };
    Some(Problem::new(FieldPath::parse("bucket"), message))
}

#[async_trait]
impl<S: Store> Manager for Artifacts<S> {
    fn schema(&self) -> &Schema {
        Artifact::schema()
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        let mut problems = self.store.problems(spec);
        problems.extend(bucket_problem(&self.store, spec));
        for field in ["name", "path"] {
            let fault = text(spec, field).and_then(path_fault);
            let message = |why| format!("the {field} of an artifact in {} {why}", S::NAME);
            problems.extend(fault.map(|why| Problem::new(FieldPath::parse(field), message(why))));
        }
        if let Some(source) = text(spec, "source")
            && text(spec, "digest") == Some(&digest_of(&[]))
        {
            problems.push(Problem::new(FieldPath::parse("source"), source::no_file_in(source)));
        }
        problems
    }

    fn api(&self) -> Api {
        self.store.api()
    }

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let looks: Vec<_> = targets.iter().map(|target| look::look(&self.store, target)).collect();
        let observations = stream::iter(looks).buffered(AT_ONCE).collect().await;
        Ok(Observed { observations, orphans: Vec::new() })
    }

    /// Sends nothing yet: what goes on is noted before anything is there that would have to be found again.
    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let place = Place::of::<S>(request)?;
        check_owner(&place, request, &manifest::read(&self.store, &place).await?)?;
        Ok(Doing::Send.pending(&place, None, None))
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        Ok(Doing::Send.pending(&Place::of::<S>(request)?, None, None))
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.remove(request).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        match Doing::of(handle) {
            Some(Doing::Send) => self.send(request).await,
            Some(Doing::Remove) => self.remove(request).await,
            None => Err(ProviderError::new(Class::Internal, "it is not known what goes on with the artifact")),
        }
    }
}
