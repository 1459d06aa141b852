//! `bucket` on S3, through its own SDK.
//!
//! A bucket is made by one call, which names and tags it; what S3 keeps apart (see [`aspect`]) is then read, and written where it is not
//! as it should be. The same brings a bucket level that was left half-made, or that was changed by hand.

mod access;
mod aspect;
mod check;
mod empty;
mod level;
mod lifecycle;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_engine::kinds::bucket::Spec;
use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::naming::NameRule;
use trueup_engine::provider::{
    Api, By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target,
};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_engine::typed::from_value;
use trueup_state::{Class, FieldPath, Handle, Request, Value};

use crate::clients::{AT_ONCE, Clients};
use crate::error::failed;
use aspect::Look;
use level::Seen;

/// Where what AWS alone has stands in a spec.
static OPTIONS: LazyLock<FieldPath> = LazyLock::new(|| FieldPath::from_iter(["options", "aws"]));
/// The region that S3 grew up in: it is named by leaving it out, and a bucket that one has already is made there once more.
const FIRST_REGION: &str = "us-east-1";
/// How often a bucket that can't be made level is put off, by a second each time.
const MOST_TRIES: u32 = 60;

/// One of AWS's own options in a spec.
fn option<'a>(spec: &'a Spec, name: &str) -> Option<&'a serde_json::Value> {
    spec.options.get("aws")?.get(name)
}

/// The manager of buckets in one account and region.
pub(crate) struct Buckets {
    clients: Arc<Clients>,
}

impl Buckets {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    /// The names of all buckets of the account in this region.
    async fn names(&self) -> Result<BTreeSet<String>, ProviderError> {
        let pages = self.clients.s3.reads.list_buckets().bucket_region(&self.clients.region).into_paginator();
        let pages: Vec<_> =
            pages.page_size(10_000).send().try_collect().await.map_err(|error| failed("list buckets", &error))?;
        let buckets = pages.into_iter().flat_map(|page| page.buckets.unwrap_or_default());
        Ok(buckets.filter_map(|bucket| bucket.name).collect())
    }

    /// What is there of a bucket, which is gone if it is not among the names. One that is found by its name may be half-made: then it is
    /// to be asked after further.
    async fn look(&self, look: &Look<'_>, names: &BTreeSet<String>, target: &Target<'_>) -> Observation {
        let (By::Id(name) | By::Name(name)) = target.by else {
            return Observation::Indeterminate("S3 can't be asked for a token".to_owned());
        };
        // A list may lag, and has only an account's own.
        if !names.contains(name) {
            match self.head(name).await {
                Ok(Head::There) => {}
                Ok(Head::Absent) => return Observation::Absent,
                Ok(Head::Hidden) if matches!(target.by, By::Name(_)) => return Observation::Absent,
                Ok(Head::Hidden) => {
                    return Observation::Indeterminate(format!("S3 does not say whether {name} is there"));
                }
                Err(error) => return Observation::Indeterminate(error.to_string()),
            }
        }
        let seen = match Seen::read(look, name, target.sent).await {
            Ok(seen) => seen,
            Err(error) if error.code == "NoSuchBucket" => return Observation::Absent,
            Err(error) => return Observation::Indeterminate(error.to_string()),
        };
        let is_level = target.sent.is_none_or(|sent| seen.is(sent));
        let pending = (matches!(target.by, By::Name(_)) && !is_level).then(|| Doing::Level(0).handle());
        Observation::Present(Box::new(Found { pending, ..seen.found(&self.clients, name, target.sent) }))
    }

    /// Whether there is a bucket of a name.
    async fn head(&self, name: &str) -> Result<Head, ProviderError> {
        let answer = self.clients.s3.reads.head_bucket().bucket(name).send().await;
        let status = answer.as_ref().err().and_then(|error| error.raw_response()).map(|raw| raw.status().as_u16());
        match (answer, status) {
            (Ok(_), _) => Ok(Head::There),
            (_, Some(404)) => Ok(Head::Absent),
            (_, Some(301 | 403)) => Ok(Head::Hidden),
            (Err(error), _) => Err(failed(&format!("look for the bucket {name}"), &error)),
        }
    }

    /// Makes the bucket itself, tagged from the first.
    async fn make(&self, request: &Request, spec: &Spec) -> Result<(), ProviderError> {
        let region = &self.clients.region;
        // Elsewhere the call itself says so.
        if region == FIRST_REGION && self.head(&request.name).await? != Head::Absent {
            let message = format!("there is a bucket `{}` already", request.name);
            return Err(ProviderError::new(Class::AlreadyExists, message).code("BucketAlreadyOwnedByYou"));
        }
        let constraint = (region != FIRST_REGION).then(|| BucketLocationConstraint::from(region.as_str()));
        let configuration = CreateBucketConfiguration::builder()
            .set_location_constraint(constraint)
            .set_tags(Some(level::tag_set(request, spec, &[])?))
            .build();
        let call = self.clients.s3.writes.create_bucket().bucket(&request.name);
        let call = call
            .create_bucket_configuration(configuration)
            .object_ownership(aspect::ownership(spec))
            .set_object_lock_enabled_for_bucket(has_object_lock(spec).then_some(true));
        call.send().await.map(drop).map_err(|error| failed("create the bucket", &error))
    }

    /// Brings a bucket level, and goes on with it later where that may help: repeating it does no harm. `tries`: how often it was put off.
    async fn go_on(&self, name: &str, request: &Request, tries: u32) -> Progress {
        let mut seen = Seen::default();
        let Err(error) = level::level(&self.clients, name, request, &mut seen).await else {
            return Progress::Done(Some(Box::new(seen.found(&self.clients, name, Some(&request.spec)))));
        };
        let may_pass = match error.class {
            Class::Transient | Class::Throttled { .. } => true,
            // S3 may not know a bucket yet that it has just made.
            _ => error.code == "OperationAborted" || error.code == "NoSuchBucket" && request.id.is_none(),
        };
        if may_pass && tries < MOST_TRIES {
            return Doing::Level(tries + 1).pending(name, Some(error.message));
        }
        // What was not even read was not changed; what was just made is there all the same.
        if error.code == "NoSuchBucket" || seen.is_nothing() && request.id.is_some() {
            return Progress::Failed(Box::new(error));
        }
        let found = seen.found(&self.clients, name, Some(&request.spec));
        Progress::Failed(Box::new(error.partly(request, found)))
    }

    /// Removes a bucket, and before that what is in it where the spec says so.
    async fn obstacle(&self, target: &Target<'_>) -> Option<Problem> {
        let (By::Id(name), Some(sent)) = (&target.by, target.sent) else { return None };
        let says = |field: &str| sent.get(field).map(Value::revealed) == Some(&true.into());
        if says("force_destroy") {
            return None;
        }
        empty::obstacle(&self.clients.s3.reads, name, says("versioning")).await
    }

    async fn remove(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some(name) = request.id.as_deref() else { return Ok(Progress::Done(None)) };
        let is_forced = request.spec.get("force_destroy").map(Value::revealed) == Some(&true.into());
        if is_forced {
            match empty::step(&self.clients.s3, name).await {
                Ok(empty::Left::Nothing) => {}
                Ok(empty::Left::More(removed)) => {
                    return Ok(Doing::Empty.pending(name, Some(format!("removed {removed} files more"))));
                }
                Err(error) if error.code == "NoSuchBucket" => return Ok(Progress::Done(None)),
                Err(error) => return Err(error),
            }
        }
        let removed = self.clients.s3.writes.delete_bucket().bucket(name).send().await;
        match removed.map_err(|error| failed("delete the bucket", &error)) {
            Ok(_) => Ok(Progress::Done(None)),
            Err(error) if error.code == "NoSuchBucket" => Ok(Progress::Done(None)),
            Err(error) if error.code == "BucketNotEmpty" && is_forced => Ok(Doing::Empty.pending(name, None)),
            Err(error) if error.code == "BucketNotEmpty" => {
                let class = Class::Invalid { field: Some("force_destroy".to_owned()) };
                Err(ProviderError { class, message: format!("the bucket `{name}` is not empty"), ..error })
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether there is a bucket of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    There,
    Absent,
    /// It is another's, in another region, or these credentials may not know.
    Hidden,
}

fn has_object_lock(spec: &Spec) -> bool {
    option(spec, "object_lock").and_then(serde_json::Value::as_bool).unwrap_or_default()
}

/// What goes on with a bucket after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    /// It is made what its spec says; how often that was put off.
    Level(u32),
    /// What is in it is removed.
    Empty,
}

impl Doing {
    fn handle(self) -> Handle {
        Handle(json!({ "doing": self }))
    }

    fn of(handle: &Handle) -> Option<Self> {
        serde_json::from_value(handle.0.get("doing")?.clone()).ok()
    }

    fn pending(self, name: &str, note: Option<String>) -> Progress {
        let (id, poll_after) = (Some(name.to_owned()), Duration::from_secs(1));
        Progress::Pending { id, handle: self.handle(), poll_after, amount: None, note }
    }
}

#[async_trait]
impl Manager for Buckets {
    fn schema(&self) -> &Schema {
        Bucket::schema()
    }

    /// An object lock is never taken off.
    fn effect(&self, before: &Value, after: &Value) -> Effect {
        let lock = OPTIONS.field("object_lock");
        let is_locked = |spec: &Value| spec.at(&lock).map(Value::revealed) == Some(&true.into());
        match self.schema().effect(before, after) {
            Effect::InPlace if is_locked(before) && !is_locked(after) => Effect::Replace([lock].into()),
            other => other,
        }
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        check::problems(spec)
    }

    fn api(&self) -> Api {
        self.clients.api("s3")
    }

    /// S3 keeps what makes up a bucket apart, so that what is missing is added; and a name that was free is soon another's.
    fn finishes(&self) -> bool {
        true
    }

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    fn name_rule(&self) -> NameRule {
        NameRule { longest: 63, capitals: false, separator: '-' }
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let names = self.names().await?;
        let look = Look::new(&self.clients.s3.reads);
        let looks: Vec<_> = targets.iter().map(|target| self.look(&look, &names, target)).collect();
        let observations = stream::iter(looks).buffered(AT_ONCE).collect().await;
        Ok(Observed { observations, orphans: Vec::new() })
    }

    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        let looks: Vec<_> = targets.iter().map(|target| self.obstacle(target)).collect();
        stream::iter(looks).buffered(AT_ONCE).collect().await
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.make(request, &from_value(&request.spec)?).await?;
        Ok(self.go_on(&request.name, request, 0).await)
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        Ok(self.go_on(request.id.as_deref().unwrap_or(&request.name), request, 0).await)
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.remove(request).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        match Doing::of(handle) {
            Some(Doing::Level(tries)) => {
                Ok(self.go_on(request.id.as_deref().unwrap_or(&request.name), request, tries).await)
            }
            // An error here would be taken for one of the asking, after which the work goes on.
            Some(Doing::Empty) => self.remove(request).await.or_else(|error| match error.class {
                Class::Transient | Class::Throttled { .. } => Err(error),
                _ => Ok(Progress::Failed(Box::new(error))),
            }),
            None => Err(ProviderError::new(Class::Internal, "it is not known what goes on with the bucket")),
        }
    }
}
