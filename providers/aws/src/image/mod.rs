//! `image` in ECR: a container image, sent by the OCI distribution API and known by its digest.
//!
//! What is there is never sent again, what is half sent is gone on with, and the image itself comes last: who finds it finds it whole. ECR
//! knows no owner of an image. So an image has its tags to itself, and goes only when nobody else has a tag on it.

mod push;
mod registry;
mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use serde_json::json;
use trueup_engine::kinds::image::{Attributes, Spec};
use trueup_engine::kinds::{Image, Kind};
use trueup_engine::provider::{
    Amount, Api, By, Found, Identity, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target,
    unknown_options,
};
use trueup_engine::schema::{Problem, Schema};
use trueup_engine::typed::{from_value, to_value};
use trueup_state::{Applied, Class, Clock, FieldPath, Handle, ProviderName, Request, Token, Value};

use crate::clients::{AT_ONCE, Clients};
use push::{Push, Step, tags};
use repository::Repository;

/// What AWS alone has for an image.
const KNOWN_OPTIONS: [&str; 1] = ["mount_from"];

/// The manager of images in one account and region.
pub(crate) struct Images {
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    /// Those under way in this process, by the tokens of their operations.
    under_way: Mutex<BTreeMap<Token, Push>>,
}

/// Removes all images of a repository.
pub(crate) async fn empty(clients: &Clients, name: &str) -> Result<(), ProviderError> {
    Repository { ecr: &clients.ecr, name }.empty().await
}

/// Where an image is: `REGISTRY/NAME@sha256:…`, which is its id.
struct Where<'a> {
    uri: &'a str,
    digest: &'a str,
}

impl<'a> Where<'a> {
    fn of(id: &'a str) -> Option<Self> {
        let (uri, digest) = id.split_once('@')?;
        Some(Self { uri, digest })
    }

    /// The repository's name: what follows the registry's.
    fn name(&self) -> &'a str {
        name_in(self.uri)
    }
}

fn name_in(uri: &str) -> &str {
    uri.split_once('/').map_or(uri, |(_, name)| name)
}

fn text<'a>(spec: &'a Value, path: &str) -> Option<&'a str> {
    spec.at(&FieldPath::parse(path))?.revealed().as_str()
}

impl Images {
    pub(crate) fn new(clients: Arc<Clients>, clock: Arc<dyn Clock>) -> Self {
        Self { clients, clock, under_way: Mutex::default() }
    }

    fn repository<'a>(&'a self, uri: &'a str) -> Repository<'a> {
        Repository { ecr: &self.clients.ecr, name: name_in(uri) }
    }

    /// What is there of an image.
    async fn look(&self, id: &str, sent: Option<&Value>) -> Result<Option<Found>, ProviderError> {
        let Some(place) = Where::of(id) else { return Ok(None) };
        let repository = Repository { ecr: &self.clients.ecr, name: place.name() };
        let Some(image) = repository.image(place.digest).await? else { return Ok(None) };
        let spec = sent.cloned().unwrap_or_default();
        Ok(Some(found(&place, spec, &image)))
    }

    /// Sends on for some seconds. A call that is cut short loses what this process knows of it, and nothing else.
    async fn send(&self, request: &Request) -> Result<Progress, ProviderError> {
        let spec: Spec = from_value(&request.spec)?;
        let uri = uri_of(&spec)?;
        let under_way = || self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = under_way().remove(&request.token);
        let mut push = taken.unwrap_or_default();
        let repository = self.repository(&uri);
        match push.step(&self.clock, &spec, repository.registry()).await {
            Ok(Step::Done(root)) => {
                let id = format!("{uri}@{}", root.digest);
                self.retire_former(request, &id, &spec).await?;
                let gone = || ProviderError::new(Class::Transient, format!("ECR does not show the image {id} yet"));
                let found = self.look(&id, Some(&request.spec)).await?.ok_or_else(gone)?;
                Ok(Progress::Done(Some(Box::new(found))))
            }
            Ok(Step::More(amount)) => {
                under_way().insert(request.token.clone(), push);
                Ok(pending(Some(amount)))
            }
            Err(error) if is_passing(&error) => {
                push.doubt(&error);
                under_way().insert(request.token.clone(), push);
                Err(error)
            }
            Err(error) => Ok(Progress::Failed(Box::new(error))),
        }
    }

    /// Takes away what an image was before it was changed, and the tags that it has no longer.
    async fn retire_former(&self, request: &Request, id: &str, spec: &Spec) -> Result<(), ProviderError> {
        let Some(former) = request.id.as_deref().and_then(Where::of) else { return Ok(()) };
        let Ok(before) = from_value::<Spec>(&request.before) else { return Ok(()) };
        let had = tags(&before, former.digest);
        let now = Where::of(id).map(|now| now.digest).unwrap_or_default();
        let has = if now == former.digest { tags(spec, now) } else { BTreeSet::new() };
        let gone: BTreeSet<String> = had.difference(&has).cloned().collect();
        if gone.is_empty() { Ok(()) } else { self.repository(former.uri).retire(former.digest, &gone).await }
    }
}

/// An image as ECR has it. What nobody but the sender knows is as it was sent.
fn found(place: &Where<'_>, mut spec: Value, image: &repository::Image) -> Found {
    let at = FieldPath::parse("tag");
    let said: Vec<Value> = spec.at(&at).and_then(|tag| tag.as_list().map(<[Value]>::to_vec)).unwrap_or_default();
    let own: Vec<Value> =
        said.into_iter().filter(|tag| tag.as_str().is_some_and(|tag| image.tags.contains(tag))).collect();
    let first = own.first().and_then(|tag| tag.as_str().map(str::to_owned));
    let first = first.or_else(|| image.tags.first().cloned()).unwrap_or_default();
    if spec.as_map().is_some() {
        spec.put(&at, Value::List(own));
    }
    let attributes = Attributes {
        r#ref: format!("{}@{}", place.uri, place.digest),
        digest: place.digest.to_owned(),
        uri: format!("{}:{first}", place.uri),
        size_bytes: image.size,
    };
    let id = format!("{}@{}", place.uri, place.digest);
    Found { id, spec, attributes: to_value(&attributes), owner: BTreeMap::new(), pending: None }
}

fn pending(amount: Option<Amount>) -> Progress {
    let (handle, note) = (Handle(json!({ "doing": "send" })), Some("sending layers".to_owned()));
    Progress::Pending { id: None, handle, poll_after: Duration::ZERO, amount, note }
}

/// Whether a failure says nothing of whether the image can be put there: it is tried again.
fn is_passing(error: &ProviderError) -> bool {
    let passes = matches!(error.class, Class::Transient | Class::Throttled { .. } | Class::Denied);
    passes || error.applied == Applied::Unknown || error.code == "MANIFEST_BLOB_UNKNOWN"
}

/// What the references of a registry's images begin with.
fn uri_of(spec: &Spec) -> Result<String, ProviderError> {
    let uri = spec.registry.attribute("uri").filter(|uri| uri.contains('/')).map(str::to_owned);
    uri.ok_or_else(|| {
        let message = format!("the registry `{}` is none of images", spec.registry.address);
        ProviderError::new(Class::Invalid { field: Some("registry".to_owned()) }, message)
    })
}

#[async_trait]
impl Manager for Images {
    fn schema(&self) -> &Schema {
        Image::schema()
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        let mut problems = unknown_options("aws", Image::NAME, &KNOWN_OPTIONS, spec);
        let mut refuse = |path: &str, message: String| problems.push(Problem::new(FieldPath::parse(path), message));
        let maker = text(spec, "registry.provider").filter(|maker| ProviderName::from(*maker).provider() != "aws");
        let address = text(spec, "registry.address").unwrap_or_default();
        if let Some(maker) = maker {
            let message = "and `aws` sends images to registries of its own alone";
            refuse("registry", format!("the registry `{address}` is made by `{maker}`, {message}"));
        } else if text(spec, "registry.attributes.uri").is_some_and(|uri| uri.contains(":sagemaker:")) {
            refuse("registry", format!("the registry `{address}` keeps models, and no images"));
        }
        if let Some(reference) = text(spec, "from.reference") {
            let copy = format!("skopeo copy {reference} oci:DIRECTORY");
            refuse(
                "from.reference",
                format!("`aws` asks no other registry: `{copy}`, and say `oci_layout: DIRECTORY`"),
            );
        }
        problems
    }

    fn api(&self) -> Api {
        self.clients.api("ecr")
    }

    /// To send the same image once more changes nothing, at any time.
    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::ClientToken { valid_for: Duration::MAX }
    }

    fn identity(&self, _spec: &Value) -> Identity {
        Identity::Id
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let looks = targets.iter().map(|target| async move {
            let By::Id(id) = target.by else { return Observation::Absent };
            match self.look(id, target.sent).await {
                Ok(Some(found)) => Observation::Present(Box::new(found)),
                Ok(None) => Observation::Absent,
                Err(error) => Observation::Indeterminate(error.to_string()),
            }
        });
        let looks: Vec<_> = looks.collect();
        let observations = stream::iter(looks).buffered(AT_ONCE).collect().await;
        Ok(Observed { observations, orphans: Vec::new() })
    }

    /// Sends nothing yet: what goes on is noted before anything is there.
    async fn create(&self, _request: &Request) -> Result<Progress, ProviderError> {
        Ok(pending(None))
    }

    async fn update(&self, _request: &Request) -> Result<Progress, ProviderError> {
        Ok(pending(None))
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some(place) = request.id.as_deref().and_then(Where::of) else { return Ok(Progress::Done(None)) };
        let spec: Spec = from_value(&request.spec)?;
        self.repository(place.uri).retire(place.digest, &tags(&spec, place.digest)).await?;
        Ok(Progress::Done(None))
    }

    async fn poll(&self, request: &Request, _handle: &Handle) -> Result<Progress, ProviderError> {
        self.send(request).await
    }
}
