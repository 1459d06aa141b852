//! What there is of a bucket, and how it is brought level with its spec: what S3 keeps apart is read, and written where it is not so.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::Tag;
use trueup_engine::kinds::bucket::{Attributes, Spec};
use trueup_engine::provider::{Found, ProviderError};
use trueup_engine::typed::{from_value, to_value};
use trueup_state::map::Map;
use trueup_state::{Class, FieldPath, Request, Value};

use super::OPTIONS;
use super::aspect::{self, Aspect, Look, Part};
use crate::clients::Clients;
use crate::tags;

/// How often, and after how long, is looked again for what S3 was told and does not show yet.
const LAGS: (u32, Duration) = (4, Duration::from_millis(300));

/// What there is of a bucket.
#[derive(Default)]
pub(super) struct Seen {
    parts: BTreeMap<Aspect, Part>,
    tags: Vec<(String, String)>,
}

impl Seen {
    /// What is there, in what a spec says something of.
    pub(super) async fn read(look: &Look<'_>, name: &str, sent: Option<&Value>) -> Result<Self, ProviderError> {
        let aspects = Aspect::ALL.into_iter().filter(|aspect| aspect.is_asked(sent));
        let parts = aspects.map(|aspect| async move { Ok((aspect, aspect.read(look, name, sent).await?)) });
        let (parts, tags) = futures::try_join!(futures::future::try_join_all(parts), aspect::read_tags(look.s3, name))?;
        Ok(Self { parts: parts.into_iter().collect(), tags })
    }

    /// Whether nothing was read.
    pub(super) fn is_nothing(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it is what a spec says, but for its tags.
    pub(super) fn is(&self, wanted: &Value) -> bool {
        self.parts.values().all(|part| part.is(wanted))
    }

    /// The bucket that it is. `sent`: what its spec says; of AWS's own options, what it does not say is not told either.
    pub(super) fn found(self, clients: &Clients, name: &str, sent: Option<&Value>) -> Found {
        let (owner, tags) = tags::apart(self.tags);
        let mut fields = Map::from([("name".to_owned(), name.into())]);
        let mut options = Map::new();
        for part in self.parts.into_values() {
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
            resource_id: format!("arn:{}:s3:::{name}", clients.partition()),
            location: clients.region.clone(),
        };
        Found { id: name.to_owned(), spec: Value::Map(fields), attributes: to_value(&attributes), owner, pending: None }
    }
}

/// Brings a bucket level: reads what its spec says something of, or said before, and writes what is not so. What was seen so far
/// is in `seen` also where it fails.
pub(super) async fn level(
    clients: &Clients,
    name: &str,
    request: &Request,
    seen: &mut Seen,
) -> Result<(), ProviderError> {
    let spec = unset(from_value(&request.spec)?, &request.before);
    let wanted = wanted(&spec, &request.before);
    *seen = Seen::read(&Look::new(&clients.s3.reads), name, Some(&wanted)).await?;
    // One after the other: S3 refuses two changes of one bucket at once.
    for (aspect, part) in &mut seen.parts {
        if !part.is(&wanted) {
            aspect.write(clients, name, &spec).await?;
            *part = after(*aspect, part, &clients.s3.reads, name, &wanted).await?;
        }
    }
    let tags = tag_set(request, &spec, &seen.tags)?;
    if !tags::are(&seen.tags, tags.iter().map(|tag| (tag.key(), tag.value()))) {
        aspect::write_tags(&clients.s3.writes, name, tags.clone()).await?;
        seen.tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    }
    Ok(())
}

/// What is there of an aspect after it was written. S3 may show what was there before for a while.
async fn after(aspect: Aspect, before: &Part, s3: &Client, name: &str, wanted: &Value) -> Result<Part, ProviderError> {
    let (mut tries, pause) = LAGS;
    loop {
        let now = aspect.read(&Look::new(s3), name, Some(wanted)).await?;
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
    if before.at(&OPTIONS.field("policy")).is_some() {
        let aws = spec.options.entry("aws".to_owned()).or_default();
        aws.entry("policy").or_insert(serde_json::Value::Null);
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

/// All tags of a bucket: the spec's, those that say whose it is, and of those that are there what no change may lose.
pub(super) fn tag_set(request: &Request, spec: &Spec, there: &[(String, String)]) -> Result<Vec<Tag>, ProviderError> {
    let mut all = spec.tags.clone();
    all.extend(tags::owner(request));
    all.extend(tags::kept(there));
    all.iter().map(|(key, value)| aspect::built(Tag::builder().key(key).value(value).build())).collect()
}
