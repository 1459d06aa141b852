//! `bucket` on Cloud Storage, through Google's own client.
//!
//! One call makes all of a bucket but who may read it and whose logs it takes, which its IAM policy says; one call changes it, with the
//! metageneration that was read.

mod access;
mod aspect;
mod check;
mod empty;
mod lifecycle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use google_cloud_storage::model;
use google_cloud_wkt::FieldMask;
use serde_json::json;
use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::naming::{NameRule, TAG_STACK, TAG_TOKEN};
use trueup_engine::provider::{
    Api, By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Source, Target,
};
use trueup_engine::schema::{Problem, Schema};
use trueup_state::{Class, FieldPath, Handle, Request, Value};

use crate::clients::{AT_ONCE, Clients, patiently};
use crate::error::failed;
use aspect::found;

/// The buckets of one page.
const PAGE: i32 = 1000;
/// How many buckets are looked at one by one, and not by a list of the project's.
const FEW: usize = 2;

/// The path of a bucket.
fn path(name: &str) -> String {
    format!("projects/_/buckets/{name}")
}

/// What goes on with a bucket after a call: it is emptied, to be removed; or it is said who may use it.
const EMPTY: &str = "empty";
const GRANT: &str = "grant";

fn doing(what: &str) -> Handle {
    Handle(json!({ "doing": what }))
}

/// Whether a spec lets everybody read.
fn is_open(spec: &Value) -> bool {
    spec.get("public_access").is_some_and(|access| access.revealed().as_str() == Some("read"))
}

/// What is still to be done with a bucket that is found by its name, since its making broke off: whoever made it may not have come to say
/// who may use it.
fn granting(target: &Target<'_>) -> Option<Handle> {
    let sent = target.sent.filter(|_| matches!(target.by, By::Name(_)))?;
    let has_log = sent.at(&FieldPath::parse("logging.bucket")).is_some();
    (is_open(sent) || has_log).then(|| doing(GRANT))
}

/// The manager of buckets in one project and region.
pub(crate) struct Buckets {
    clients: Arc<Clients>,
}

impl Buckets {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    /// A bucket by its name; none where it is not there.
    async fn see(&self, name: &str) -> Result<Option<model::Bucket>, ProviderError> {
        let storage = self.clients.storage().await?;
        let ask = || async {
            storage.get_bucket().set_name(path(name)).send().await.map_err(|error| failed("read the bucket", &error))
        };
        match patiently(ask).await {
            Ok(bucket) => Ok(Some(bucket)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All buckets of the project.
    async fn list(&self) -> Result<Vec<model::Bucket>, ProviderError> {
        let storage = self.clients.storage().await?;
        let (mut all, mut page) = (Vec::new(), String::new());
        loop {
            let ask = || async {
                let call = storage.list_buckets().set_parent(format!("projects/{}", self.clients.project));
                let call = call.set_page_size(PAGE).set_page_token(page.clone());
                call.send().await.map_err(|error| failed("list buckets", &error))
            };
            let answer = patiently(ask).await?;
            all.extend(answer.buckets);
            page = answer.next_page_token;
            if page.is_empty() {
                return Ok(all);
            }
        }
    }

    /// A bucket as it is found. Who may read it is asked where anybody might. The bucket that takes its log is seen while Google may put it there.
    async fn found(&self, bucket: &model::Bucket, sent: Option<&Value>) -> Result<Found, ProviderError> {
        let storage = self.clients.storage().await?;
        let is_public =
            aspect::may_be_public(bucket) && access::is_granted(storage, &bucket.bucket_id, access::READ).await?;
        Ok(found(bucket, is_public, sent))
    }

    /// Says who may read the bucket, and has the bucket of its log take that. `was_open`: whether anybody might have been let in.
    async fn grant(&self, name: &str, request: &Request, was_open: bool) -> Result<(), ProviderError> {
        let storage = self.clients.storage().await?;
        let is_open = is_open(&request.spec);
        // Nobody is let in where that is prevented: there is nothing to take out of the policy of a bucket that was never open.
        if is_open || was_open || self::is_open(&request.before) {
            access::grant(storage, name, access::READ, is_open).await?;
        }
        let log = request.spec.at(&FieldPath::parse("logging.bucket.attributes.name"));
        if let Some(log) = log.and_then(|log| log.revealed().as_str()) {
            access::grant(storage, log, access::LOGS, true).await?;
        }
        Ok(())
    }

    /// What is there of a bucket that was written.
    async fn written(
        &self,
        bucket: &model::Bucket,
        request: &Request,
        was_open: bool,
    ) -> Result<Progress, ProviderError> {
        match self.grant(&bucket.bucket_id, request, was_open).await {
            Ok(()) => Ok(Progress::Done(Some(Box::new(self.found(bucket, Some(&request.spec)).await?)))),
            Err(error) => {
                let found = found(bucket, false, Some(&request.spec));
                Ok(Progress::Failed(Box::new(error.partly(request, found))))
            }
        }
    }

    async fn look(&self, target: &Target<'_>, listed: Option<&BTreeMap<String, model::Bucket>>) -> Observation {
        let name = match target.by {
            By::Id(name) | By::Name(name) => name,
            By::Token(token) => return self.by_token(token.as_str()).await,
        };
        let seen = match listed.and_then(|listed| listed.get(name)) {
            Some(bucket) => Ok(Some(bucket.clone())),
            None => self.see(name).await,
        };
        let found = match seen {
            Ok(Some(bucket)) => self.found(&bucket, target.sent).await,
            Ok(None) => return Observation::Absent,
            Err(error) => Err(error),
        };
        found.map_or_else(
            |error| Observation::Indeterminate(error.to_string()),
            |found| Observation::Present(Box::new(Found { pending: granting(target), ..found })),
        )
    }

    /// Goes on with what was being made when it was found.
    async fn granted(&self, request: &Request) -> Result<Progress, ProviderError> {
        let gone = || ProviderError::new(Class::NotFound, format!("the bucket {} is gone", request.name));
        let there = self.see(&request.name).await?.ok_or_else(gone)?;
        self.written(&there, request, false).await
    }

    async fn by_token(&self, token: &str) -> Observation {
        let label = crate::labels::key(TAG_TOKEN);
        let is_it = |bucket: &&model::Bucket| bucket.labels.get(&label).is_some_and(|value| value == token);
        match self.list().await {
            Ok(all) => match all.iter().find(is_it) {
                Some(bucket) => Observation::Present(Box::new(found(bucket, false, None))),
                None => Observation::Absent,
            },
            Err(error) => Observation::Indeterminate(error.to_string()),
        }
    }

    /// Removes a bucket, and before that what is in it where the spec says so.
    async fn remove(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some(name) = request.id.as_deref() else { return Ok(Progress::Done(None)) };
        let storage = self.clients.storage().await?;
        let is_forced = request.spec.get("force_destroy").map(Value::revealed) == Some(&true.into());
        let on = |note: Option<String>| {
            let (id, handle) = (Some(name.to_owned()), doing(EMPTY));
            Progress::Pending { id, handle, poll_after: Duration::from_secs(1), amount: None, note }
        };
        if is_forced {
            match empty::step(storage, name).await {
                Ok(0) => {}
                Ok(removed) => return Ok(on(Some(format!("removed {removed} files more")))),
                Err(error) if error.class == Class::NotFound => return Ok(Progress::Done(None)),
                Err(error) => return Err(error),
            }
        }
        match storage
            .delete_bucket()
            .set_name(path(name))
            .send()
            .await
            .map_err(|error| failed("delete the bucket", &error))
        {
            Ok(()) => Ok(Progress::Done(None)),
            Err(error) if error.class == Class::NotFound => Ok(Progress::Done(None)),
            Err(error) if error.class == Class::Conflict && is_forced => Ok(on(None)),
            Err(error) if error.class == Class::Conflict => {
                let class = Class::Invalid { field: Some("force_destroy".to_owned()) };
                Err(ProviderError { class, message: format!("the bucket `{name}` is not empty"), ..error })
            }
            Err(error) => Err(error),
        }
    }

    async fn obstacle(&self, target: &Target<'_>) -> Option<Problem> {
        let (By::Id(name), Some(sent)) = (&target.by, target.sent) else { return None };
        if sent.get("force_destroy").map(Value::revealed) == Some(&true.into()) {
            return None;
        }
        empty::obstacle(self.clients.storage().await.ok()?, name).await
    }
}

#[async_trait]
impl Manager for Buckets {
    fn schema(&self) -> &Schema {
        Bucket::schema()
    }

    /// Google writes places in capitals.
    fn respelled(&self, wanted: &Value, other: &Value, _source: Source) -> Value {
        let at = FieldPath::parse("location");
        let place = |spec: &Value| spec.at(&at).and_then(|place| place.revealed().as_str()).map(str::to_uppercase);
        let mut other = other.clone();
        if let (Some(said), Some(there), Some(spelled)) = (place(wanted), place(&other), wanted.at(&at))
            && said == there
        {
            other.put(&at, spelled.clone());
        }
        other
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        check::problems(spec, self.clients.region.as_deref())
    }

    fn api(&self) -> Api {
        self.clients.api("storage")
    }

    /// Who may read it is said after it was made.
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
        let ids = targets.iter().filter(|target| matches!(target.by, By::Id(_))).count();
        let listed: Option<BTreeMap<String, model::Bucket>> = if ids > FEW {
            // Whoever may not list may read.
            let all = self.list().await.ok();
            all.map(|all| all.into_iter().map(|bucket| (bucket.bucket_id.clone(), bucket)).collect())
        } else {
            None
        };
        let looks: Vec<_> = targets.iter().map(|target| self.look(target, listed.as_ref())).collect();
        let observations: Vec<Observation> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let asked = |name: &String| targets.iter().any(|target| matches!(target.by, By::Id(id) if id == name));
        let stack = crate::labels::key(TAG_STACK);
        let of = |bucket: &model::Bucket| bucket.labels.get(&stack).cloned();
        let listed = listed.unwrap_or_default();
        let stacks: Vec<String> =
            listed.iter().filter(|(name, _)| asked(name)).filter_map(|(_, bucket)| of(bucket)).collect();
        let strangers =
            listed.iter().filter(|(name, bucket)| !asked(name) && of(bucket).is_some_and(|of| stacks.contains(&of)));
        Ok(Observed { observations, orphans: strangers.map(|(_, bucket)| found(bucket, false, None)).collect() })
    }

    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        let looks: Vec<_> = targets.iter().map(|target| self.obstacle(target)).collect();
        stream::iter(looks).buffered(AT_ONCE).collect().await
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let wanted = aspect::wanted(&self.clients, request, &BTreeMap::new())?;
        let storage = self.clients.storage().await?;
        let call = storage.create_bucket().set_parent("projects/_").set_bucket_id(&request.name).set_bucket(wanted);
        let made = call.send().await.map_err(|error| failed("create the bucket", &error))?;
        self.written(&made, request, false).await
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        let name = request.id.as_deref().unwrap_or(&request.name);
        let gone = || ProviderError::new(Class::NotFound, format!("the bucket {name} is gone"));
        let there = self.see(name).await?.ok_or_else(gone)?;
        let was_open = aspect::may_be_public(&there);
        let labels: BTreeMap<String, String> = there.labels.clone().into_iter().collect();
        let wanted = aspect::wanted(&self.clients, request, &labels)?;
        let fields = aspect::differing(&wanted, &there);
        if fields.is_empty() {
            return self.written(&there, request, was_open).await;
        }
        let storage = self.clients.storage().await?;
        let call = storage.update_bucket().set_bucket(wanted.set_name(path(name)));
        let call = call.set_if_metageneration_match(there.metageneration);
        let call = call.set_update_mask(FieldMask::default().set_paths(fields));
        let there = call.send().await.map_err(|error| failed("change the bucket", &error))?;
        self.written(&there, request, was_open).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.remove(request).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        let progress = if *handle == doing(GRANT) { self.granted(request).await } else { self.remove(request).await };
        // An error here would be taken for one of the asking, after which the work goes on.
        progress.or_else(|error| match error.class {
            Class::Transient | Class::Throttled { .. } => Err(error),
            _ => Ok(Progress::Failed(Box::new(error))),
        })
    }
}
