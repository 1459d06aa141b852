//! The manager of images in a cloud's registries.

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

use crate::push::{Push, Step, tags};
use crate::registry::Registry;

/// How many images are looked at once.
const AT_ONCE: usize = 32;

/// The repositories of a cloud's registries, by its own API: what is in them, and what goes. `uri` is what the references of a repository's
/// images begin with.
#[async_trait]
pub trait Repositories: Send + Sync + 'static {
    /// The provider whose registries they are: `aws`.
    const PROVIDER: &'static str;
    /// What people call it: `ECR`.
    const NAME: &'static str;
    /// Whether an image has a name of its own in a registry, and is not known by that alone.
    const HAS_NAMES: bool;
    /// The options that there are under the provider's name.
    const OPTIONS: &'static [&'static str];

    /// Which API the calls share a limit of.
    fn api(&self) -> Api;

    /// Whether a registry's `uri` is one of images.
    fn is_of_images(&self, uri: &str) -> bool;

    /// The registry behind a repository, and the right to write there.
    async fn registry(&self, uri: &str) -> Result<Registry, ProviderError>;

    /// An image; none where it is not there.
    async fn image(&self, uri: &str, digest: &str) -> Result<Option<Shown>, ProviderError>;

    /// Takes tags off an image, and the image away where nobody else has a tag on it.
    async fn retire(&self, uri: &str, digest: &str, tags: &BTreeSet<String>) -> Result<(), ProviderError>;
}

/// What a cloud says of an image.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// The size of all its parts, in bytes.
    pub size: u64,
}

/// The manager of images in one account and region.
pub struct Images<R> {
    repositories: R,
    clock: Arc<dyn Clock>,
    /// Those under way in this process, by the tokens of their operations.
    under_way: Mutex<BTreeMap<Token, Push>>,
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
}

fn text<'a>(spec: &'a Value, path: &str) -> Option<&'a str> {
    spec.at(&FieldPath::parse(path))?.revealed().as_str()
}

impl<R: Repositories> Images<R> {
    /// The manager of those in a cloud's registries.
    pub fn new(repositories: R, clock: Arc<dyn Clock>) -> Self {
        Self { repositories, clock, under_way: Mutex::default() }
    }

    /// What is there of an image.
    async fn look(&self, id: &str, sent: Option<&Value>) -> Result<Option<Found>, ProviderError> {
        let Some(place) = Where::of(id) else { return Ok(None) };
        let Some(image) = self.repositories.image(place.uri, place.digest).await? else { return Ok(None) };
        let spec = sent.cloned().unwrap_or_default();
        Ok(Some(found(&place, spec, &image)))
    }

    /// What the references of an image begin with. `name`: its own.
    fn uri_of(&self, spec: &Spec, name: &str) -> Result<String, ProviderError> {
        let uri = spec.registry.attribute("uri").filter(|uri| self.repositories.is_of_images(uri));
        let uri = uri.map(|uri| if R::HAS_NAMES { format!("{uri}/{name}") } else { uri.to_owned() });
        uri.ok_or_else(|| {
            let message = format!("the registry `{}` is none of images", spec.registry.address);
            ProviderError::new(Class::Invalid { field: Some("registry".to_owned()) }, message)
        })
    }

    /// Sends on for some seconds. A call that is cut short loses what this process knows of it, and nothing else.
    async fn send(&self, request: &Request) -> Result<Progress, ProviderError> {
        let spec: Spec = from_value(&request.spec)?;
        let uri = self.uri_of(&spec, &request.name)?;
        let under_way = || self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = under_way().remove(&request.token);
        let mut push = taken.unwrap_or_default();
        let from = spec.options.get(R::PROVIDER).and_then(|options| options.get("mount_from")?.as_str());
        match push.step(&self.clock, &spec, from, self.repositories.registry(&uri)).await {
            Ok(Step::Done(root)) => {
                let id = format!("{uri}@{}", root.digest);
                self.retire_former(request, &id, &spec).await?;
                let gone =
                    || ProviderError::new(Class::Transient, format!("{} does not show the image {id} yet", R::NAME));
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
        if gone.is_empty() { Ok(()) } else { self.repositories.retire(former.uri, former.digest, &gone).await }
    }
}

/// An image as its registry has it. What nobody but the sender knows is as it was sent.
fn found(place: &Where<'_>, mut spec: Value, image: &Shown) -> Found {
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

#[async_trait]
impl<R: Repositories> Manager for Images<R> {
    fn schema(&self) -> &Schema {
        Image::schema()
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        let mut problems = unknown_options(R::PROVIDER, Image::NAME, R::OPTIONS, spec);
        let mut refuse = |path: &str, message: String| problems.push(Problem::new(FieldPath::parse(path), message));
        let maker =
            text(spec, "registry.provider").filter(|maker| ProviderName::from(*maker).provider() != R::PROVIDER);
        let address = text(spec, "registry.address").unwrap_or_default();
        if let Some(maker) = maker {
            let message = format!("and `{}` sends images to registries of its own alone", R::PROVIDER);
            refuse("registry", format!("the registry `{address}` is made by `{maker}`, {message}"));
        } else if text(spec, "registry.attributes.uri").is_some_and(|uri| !self.repositories.is_of_images(uri)) {
            refuse("registry", format!("the registry `{address}` keeps models, and no images"));
        }
        if let Some(reference) = text(spec, "from.reference") {
            let copy = format!("skopeo copy {reference} oci:DIRECTORY");
            refuse(
                "from.reference",
                format!("`{}` asks no other registry: `{copy}`, and say `oci_layout: DIRECTORY`", R::PROVIDER),
            );
        }
        problems
    }

    fn api(&self) -> Api {
        self.repositories.api()
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
        self.repositories.retire(place.uri, place.digest, &tags(&spec, place.digest)).await?;
        Ok(Progress::Done(None))
    }

    async fn poll(&self, request: &Request, _handle: &Handle) -> Result<Progress, ProviderError> {
        self.send(request).await
    }
}
