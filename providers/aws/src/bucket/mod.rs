//! `bucket` on S3, through its own SDK.
//!
//! A bucket is made by one call, which names and tags it; what S3 keeps apart (see [`aspect`]) is then read, and written where it is not
//! as it should be. The same brings a bucket level that was left half-made, or that was changed by hand.

mod access;
mod aspect;
mod empty;
mod lifecycle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Tag};
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use trueup_engine::kinds::bucket::{Attributes, Spec};
use trueup_engine::kinds::{Bucket, Kind};
use trueup_engine::naming::NameRule;
use trueup_engine::provider::{
    Api, By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target, unknown_options,
};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_engine::typed::{from_value, to_value};
use trueup_state::map::Map;
use trueup_state::{Class, FieldPath, Handle, Object, Request, Timestamp, Value};

use crate::clients::{AT_ONCE, Clients};
use crate::error::failed;
use crate::tags;
use aspect::{Aspect, Part};

/// Where what AWS alone has stands in a spec.
static OPTIONS: LazyLock<FieldPath> = LazyLock::new(|| FieldPath::from_iter(["options", "aws"]));
/// What it has for a bucket.
const KNOWN_OPTIONS: [&str; 3] = ["object_lock", "ownership", "policy"];
/// The region that S3 grew up in: it is named by leaving it out, and a bucket that one has already is made there once more.
const FIRST_REGION: &str = "us-east-1";
/// Whose files may be.
const OWNERSHIPS: [&str; 3] = ["bucket_owner_enforced", "bucket_owner_preferred", "object_writer"];
/// How often a bucket that can't be made level is put off, by a second each time.
const MOST_TRIES: u32 = 60;
/// How often, and after how long, is looked again for what S3 was told and does not show yet.
const LAGS: (u32, Duration) = (4, Duration::from_millis(300));

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

    /// What is there of a bucket, in what a spec says something of.
    async fn read(&self, name: &str, sent: Option<&Value>) -> Result<Seen, ProviderError> {
        let s3 = &self.clients.s3.reads;
        let aspects = Aspect::ALL.into_iter().filter(|aspect| aspect.is_asked(sent));
        let parts = aspects.map(|aspect| async move { Ok((aspect, aspect.read(s3, name, sent).await?)) });
        let (parts, tags) = futures::try_join!(futures::future::try_join_all(parts), aspect::read_tags(s3, name))?;
        Ok(Seen { parts: parts.into_iter().collect(), tags })
    }

    /// What is there of a bucket, which is gone if it is not among the names. One that is found by its name may be half-made: then it is
    /// to be asked after further.
    async fn look(&self, names: &BTreeSet<String>, target: &Target<'_>) -> Observation {
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
        let seen = match self.read(name, target.sent).await {
            Ok(seen) => seen,
            Err(error) if error.code == "NoSuchBucket" => return Observation::Absent,
            Err(error) => return Observation::Indeterminate(error.to_string()),
        };
        let is_level = target.sent.is_none_or(|sent| seen.parts.values().all(|part| part.is(sent)));
        let pending = (matches!(target.by, By::Name(_)) && !is_level).then(|| Doing::Level(0).handle());
        Observation::Present(Box::new(Found { pending, ..self.found(name, seen, target.sent) }))
    }

    /// A bucket by what is there of it. `sent`: what its spec says; of AWS's own options, what it does not say is not told either.
    fn found(&self, name: &str, seen: Seen, sent: Option<&Value>) -> Found {
        let (owner, tags) = tags::apart(seen.tags);
        let mut fields = Map::from([("name".to_owned(), name.into())]);
        let mut options = Map::new();
        for part in seen.parts.into_values() {
            fields.extend(part.fields);
            options.extend(part.options);
        }
        fields.insert("tags".to_owned(), Value::Map(tags));
        options.retain(|option, _| sent.is_none_or(|sent| sent.at(&OPTIONS.field(option)).is_some()));
        if !options.is_empty() {
            fields.insert("options".to_owned(), Value::Map([("aws".to_owned(), Value::Map(options))].into()));
        }
        let attributes = Attributes {
            uri: format!("s3://{name}"),
            name: name.to_owned(),
            resource_id: format!("arn:{}:s3:::{name}", self.clients.partition()),
            location: self.clients.region.clone(),
        };
        Found { id: name.to_owned(), spec: Value::Map(fields), attributes: to_value(&attributes), owner, pending: None }
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
            .set_tags(Some(tag_set(request, spec, &[])?))
            .build();
        let call = self.clients.s3.writes.create_bucket().bucket(&request.name);
        let call = call
            .create_bucket_configuration(configuration)
            .object_ownership(aspect::ownership(spec))
            .set_object_lock_enabled_for_bucket(has_object_lock(spec).then_some(true));
        call.send().await.map(drop).map_err(|error| failed("create the bucket", &error))
    }

    /// Brings a bucket level: reads what its spec says something of, or said before, and writes what is not so. What was seen so far
    /// is in `seen` also where it fails.
    async fn level(&self, name: &str, request: &Request, seen: &mut Seen) -> Result<(), ProviderError> {
        let spec = unset(from_value(&request.spec)?, &request.before);
        let wanted = wanted(&spec, &request.before);
        *seen = self.read(name, Some(&wanted)).await?;
        // One after the other: S3 refuses two changes of one bucket at once.
        for (aspect, part) in &mut seen.parts {
            if !part.is(&wanted) {
                aspect.write(&self.clients, name, &spec).await?;
                *part = after(*aspect, part, &self.clients.s3.reads, name, &wanted).await?;
            }
        }
        let tags = tag_set(request, &spec, &seen.tags)?;
        if !tags::are(&seen.tags, tags.iter().map(|tag| (tag.key(), tag.value()))) {
            aspect::write_tags(&self.clients.s3.writes, name, tags.clone()).await?;
            seen.tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        }
        Ok(())
    }

    /// Brings a bucket level, and goes on with it later where that may help: repeating it does no harm. `tries`: how often it was put off.
    async fn go_on(&self, name: &str, request: &Request, tries: u32) -> Progress {
        let mut seen = Seen::default();
        let error = match self.level(name, request, &mut seen).await {
            Ok(()) => return Progress::Done(Some(Box::new(self.found(name, seen, Some(&request.spec))))),
            Err(error) => error,
        };
        let may_pass = match error.class {
            Class::Transient | Class::Throttled { .. } => true,
            // S3 may not know a bucket yet that it has just made.
            _ => error.code == "OperationAborted" || error.code == "NoSuchBucket" && request.id.is_none(),
        };
        if may_pass && tries < MOST_TRIES {
            return Doing::Level(tries + 1).pending(name, Some(error.message));
        }
        if error.code == "NoSuchBucket" {
            return Progress::Failed(Box::new(error));
        }
        Progress::Failed(Box::new(self.partly(name, request, seen, error)))
    }

    /// An operation that failed half-way.
    fn partly(&self, name: &str, request: &Request, seen: Seen, error: ProviderError) -> ProviderError {
        let found = self.found(name, seen, Some(&request.spec));
        error.partly(Object {
            id: Some(found.id),
            scope: request.scope.clone(),
            generation: request.generation,
            token: request.token.clone(),
            sent: request.spec.clone(),
            seen: found.spec,
            attributes: found.attributes,
            made_at: Timestamp(0),
            price_at_launch: None,
        })
    }

    /// Removes a bucket, and before that what is in it where the spec says so.
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

/// What there is of a bucket.
#[derive(Default)]
struct Seen {
    parts: BTreeMap<Aspect, Part>,
    tags: Vec<(String, String)>,
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

/// What is there of an aspect after it was written. S3 may show what was there before for a while.
async fn after(aspect: Aspect, before: &Part, s3: &Client, name: &str, wanted: &Value) -> Result<Part, ProviderError> {
    let (mut tries, pause) = LAGS;
    loop {
        let now = aspect.read(s3, name, Some(wanted)).await?;
        if now != *before || !aspect.is_exact() || now.is(wanted) {
            return Ok(now);
        }
        if tries == 0 {
            return Err(ProviderError::new(Class::Transient, "S3 does not show yet what it was told"));
        }
        tries -= 1;
        tokio::time::sleep(pause).await;
    }
}

/// A spec in which is said to be nothing what was said before and is said no more.
fn unset(mut spec: Spec, before: &Value) -> Spec {
    let was_said = before.at(&OPTIONS.field("policy")).is_some();
    let aws = spec.options.entry("aws".to_owned()).or_default();
    if was_said && !aws.contains_key("policy") {
        aws.insert("policy".to_owned(), serde_json::Value::Null);
    }
    spec
}

/// All that a bucket is to be, also where it says no more what it said before: then it is as S3 makes one.
fn wanted(spec: &Spec, before: &Value) -> Value {
    let mut wanted = to_value(spec);
    let unsaid = [
        (FieldPath::parse("logging"), Value::Null),
        (OPTIONS.field("policy"), Value::Null),
        (OPTIONS.field("ownership"), "bucket_owner_enforced".into()),
    ];
    for (path, usual) in unsaid {
        if before.at(&path).is_some() && wanted.at(&path).is_none() {
            wanted.put(&path, usual);
        }
    }
    wanted
}

fn has_object_lock(spec: &Spec) -> bool {
    option(spec, "object_lock").and_then(serde_json::Value::as_bool).unwrap_or_default()
}

/// All tags of a bucket: the spec's, those that say whose it is, and of those that are there what no change may lose.
fn tag_set(request: &Request, spec: &Spec, there: &[(String, String)]) -> Result<Vec<Tag>, ProviderError> {
    let mut all = spec.tags.clone();
    all.extend(tags::owner(request));
    all.extend(tags::kept(there));
    all.iter().map(|(key, value)| aspect::built(Tag::builder().key(key).value(value).build())).collect()
}

/// What S3 refuses in the name of a bucket.
fn name_problem(spec: &Value) -> Option<Problem> {
    let name = spec.get("name")?.revealed().as_str()?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let why = match name {
        _ if !(3..=63).contains(&name.len()) => "has 3 to 63 characters",
        _ if !name.chars().all(allowed) => "has lower-case letters, digits, `-` and `.` alone",
        _ if !ends(name.chars().next()) || !ends(name.chars().last()) => "begins and ends with a letter or a digit",
        _ if name.contains("..") || name.parse::<std::net::Ipv4Addr>().is_ok() => "is no IP address, and has no `..`",
        _ if ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix)) => {
            "does not begin with `xn--`, `sthree-` or `amzn-s3-demo-`"
        }
        _ if ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix)) => {
            "does not end with what S3 keeps for itself"
        }
        _ => return None,
    };
    Some(Problem::new(FieldPath::parse("name"), format!("the name of a bucket of S3 {why}")))
}

/// What S3 can't take of AWS's own options.
fn option_problems(spec: &Value) -> Vec<Problem> {
    let Some(options) = spec.at(&OPTIONS) else { return Vec::new() };
    let said = |name: &str| {
        options.get(name).map(Value::revealed).filter(|value| !matches!(value, Value::Unknown | Value::Null))
    };
    let mut problems = Vec::new();
    let mut say = |name: &str, message: &str| problems.push(Problem::new(OPTIONS.field(name), message));
    if let Some(lock) = said("object_lock") {
        match lock {
            Value::Bool(true) if spec.get("versioning").map(Value::revealed) == Some(&false.into()) => {
                say("object_lock", "an object lock needs `versioning: true`");
            }
            Value::Bool(_) => {}
            _ => say("object_lock", "it is `true` or `false`"),
        }
    }
    if said("ownership").is_some_and(|value| value.as_str().is_none_or(|text| !OWNERSHIPS.contains(&text))) {
        say("ownership", "it is `bucket_owner_enforced`, `bucket_owner_preferred` or `object_writer`");
    }
    if said("policy").is_some_and(|policy| policy.as_map().is_none()) {
        say("policy", "it is a map, as AWS's policies are: `{ Version: \"2012-10-17\", Statement: [..] }`");
    }
    problems
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
        let mut problems = unknown_options("aws", Bucket::NAME, &KNOWN_OPTIONS, spec);
        problems.extend(name_problem(spec));
        problems.extend(lifecycle::problems(spec));
        problems.extend(tags::problems(spec));
        problems.extend(option_problems(spec));
        if spec.get("location").is_some_and(|location| !matches!(location.revealed(), Value::Null)) {
            let message = "a bucket of S3 is in its provider's region: say `region` there";
            problems.push(Problem::new(FieldPath::parse("location"), message));
        }
        problems
    }

    fn api(&self) -> Api {
        self.clients.api("s3")
    }

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    fn name_rule(&self) -> NameRule {
        NameRule { longest: 63, capitals: false, separator: '-' }
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let names = self.names().await?;
        let looks: Vec<_> = targets.iter().map(|target| self.look(&names, target)).collect();
        let observations = stream::iter(looks).buffered(AT_ONCE).collect().await;
        Ok(Observed { observations, orphans: Vec::new() })
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
            Some(Doing::Empty) => self.remove(request).await,
            None => Err(ProviderError::new(Class::Internal, "it is not known what goes on with the bucket")),
        }
    }
}
