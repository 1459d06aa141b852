//! Native kinds: every type that AWS's Cloud Control API can manage, by what AWS publishes of it.

mod archive;
mod describe;
mod patch;
mod progress;
mod published;
mod schema;
mod search;
mod shown;
mod spelling;

pub(crate) use archive::{Archive, Type};
pub(crate) use describe::described;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cloudcontrol::types::{Operation, ProgressEvent};
use serde_json::{Map as Object, Value as Json};
use trueup_engine::missing::Missing;
use trueup_engine::naming::{TAG_ADDRESS, TAG_GENERATION, TAG_STACK, TAG_TOKEN};
use trueup_engine::provider::{
    Api, Found, Identity, Manager, Observed, Progress, ProviderError, RetrySafety, Source, Target,
};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_state::map::Map;
use trueup_state::{Class, Clock, FieldPath, Handle, Request, Value, codec};

use crate::clients::Clients;
use crate::error::failed;
use crate::tags;
use progress::{Step, handle, held, step};
use published::{Form, Handler, take_out};

/// For how long Cloud Control knows a token, by its documentation of `ClientToken`.
const TOKEN_LIVES: Duration = Duration::from_hours(36);

/// For how many seconds what was made may not be seen yet.
const LAG: i64 = 600;

/// What Cloud Control answers of what is not there.
const GONE: &str = "ResourceNotFoundException";

/// The manager of one type in one account and region.
struct Natives {
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    of: Arc<Type>,
}

impl Natives {
    fn name(&self) -> &str {
        &self.of.published.type_name
    }

    /// The properties that a request asks for. `there`: the tags of the object as it is, if there is one.
    fn wanted(&self, request: &Request, there: Option<Json>) -> Result<Object<String, Json>, ProviderError> {
        let unknown = || ProviderError::new(Class::Internal, "a part of the spec is not known");
        let body = request.spec.get("properties").cloned().unwrap_or_default();
        let mut wanted = match codec::reveal(&body).ok_or_else(unknown)? {
            Json::Object(map) => map,
            _ => Object::new(),
        };
        if let (Some(name), None) = (schema::named(self.name()), &request.id) {
            wanted.entry(name).or_insert_with(|| request.name.clone().into());
        }
        let Some(place) = self.of.published.tags() else { return Ok(wanted) };
        let tags = match there {
            Some(Json::Array(none)) if !place.is_updatable && none.is_empty() => return Ok(wanted),
            Some(there) if !place.is_updatable => there,
            there => {
                let said = request.spec.get("tags").and_then(codec::reveal).unwrap_or_default();
                let said = said.as_object().into_iter().flatten();
                let said = said.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
                let (owner, is_new) = (tags::owner(request), there.is_none());
                let kept = tags::kept(&pairs(&place.form, there));
                let owner = owner.into_iter().filter(|_| place.takes_ours);
                // What an object was made by stays: it is no change of it.
                let owner = owner.filter(|(key, _)| is_new || key != TAG_TOKEN);
                formed(&place.form, said.chain(owner).chain(kept).collect())
            }
        };
        wanted.insert(place.property, tags);
        Ok(wanted)
    }

    /// An object by what AWS says of it.
    fn found(&self, id: &str, model: Object<String, Json>) -> Found {
        let published = &self.of.published;
        let names = self.of.schema.attribute_names();
        let attributes = model.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let sealed = |(name, value): (&String, &Json)| (name.clone(), sealed(&published.type_name, name, value));
        let mut attributes: Map = attributes.map(sealed).collect();
        attributes.insert(schema::ID.to_owned(), id.into());
        let (mut model, place) = (model, published.tags());
        let there = place.as_ref().and_then(|place| model.remove(&place.property));
        let (owner, theirs) = tags::apart(place.map(|place| pairs(&place.form, there)).unwrap_or_default());
        let mut body = Json::Object(model);
        for pointer in published.read_only_properties.iter().chain(&published.write_only_properties) {
            take_out(&mut body, &pointer.steps());
        }
        let spec = [("properties".to_owned(), body.into()), ("tags".to_owned(), Value::Map(theirs))];
        Found {
            id: id.to_owned(),
            spec: Value::Map(spec.into()),
            attributes: Value::Map(attributes),
            owner,
            pending: None,
        }
    }

    /// What AWS says of an object, all of it, and how AWS writes its identifier; none where it is gone.
    async fn model(&self, id: &str) -> Result<Option<(String, Object<String, Json>)>, ProviderError> {
        let doing = format!("read {} {id}", self.name());
        let call = self.clients.cloud_control.reads.get_resource().type_name(self.name()).identifier(id);
        match call.send().await.map_err(|error| failed(&doing, &error)) {
            Ok(answer) => {
                let described = answer.resource_description();
                let id = described.and_then(|described| described.identifier()).unwrap_or(id).to_owned();
                let text = described.and_then(|described| described.properties());
                let model = serde_json::from_str(text.unwrap_or("{}"));
                model
                    .map(|model| Some((id, model)))
                    .map_err(|error| ProviderError::new(Class::Internal, format!("{doing}: {error}")))
            }
            Err(error) if error.code == GONE => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, id: &str) -> Result<Option<Found>, ProviderError> {
        Ok(self.model(id).await?.map(|(id, model)| self.found(&id, model)))
    }

    /// What comes of an event.
    async fn after(
        &self,
        doing: &str,
        request: &Request,
        event: Option<ProgressEvent>,
    ) -> Result<Progress, ProviderError> {
        let silent = || ProviderError::new(Class::Internal, format!("{doing}: no word of it")).outcome_unknown();
        let event = event.ok_or_else(silent)?;
        let is_delete = event.operation() == Some(&Operation::Delete);
        Ok(match step(doing, &event, self.now()) {
            Step::Pending(pending) => pending,
            Step::Done(_) if is_delete => Progress::Done(None),
            Step::Failed(error, _) if is_delete && error.class == Class::NotFound => Progress::Done(None),
            Step::Done(id) => self.made(request, &event, &id.or_else(|| request.id.clone()).unwrap_or_default()).await,
            Step::Failed(error, id) if request.id.is_none() && error.class == Class::AlreadyExists => {
                let ours = self.ours(request, id).await;
                Progress::Failed(Box::new(ours.map_or(error.clone(), |found| error.partly(request, found))))
            }
            Step::Failed(error, Some(id)) if request.id.is_none() => {
                Progress::Failed(Box::new(self.left(request, &id, error).await))
            }
            Step::Failed(error, _) => Progress::Failed(Box::new(error)),
        })
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        self.clock.now().0 / 1000
    }

    /// What is there after a create or an update that succeeded. Its read may lag behind, and it can't be said that nothing was made.
    async fn made(&self, request: &Request, event: &ProgressEvent, id: &str) -> Progress {
        let error = match self.look(id).await {
            Ok(Some(found)) => return self.shown(request, found),
            Ok(None) => ProviderError::new(Class::NotFound, format!("{} {id} is gone", self.name())).code(GONE),
            Err(error) => error,
        };
        let since = event.event_time().map_or(0, aws_smithy_types::DateTime::secs);
        if self.now() - since < LAG {
            let (id, handle, note) = (Some(id.to_owned()), handle(event), Some(error.message));
            return Progress::Pending { id, handle, poll_after: Duration::from_secs(2), amount: None, note };
        }
        if error.code == GONE {
            return Progress::Failed(Box::new(error));
        }
        let blind = self.found(id, Object::new());
        let seen = Found { spec: request.spec.clone(), ..blind };
        Progress::Failed(Box::new(error.partly(request, seen)))
    }

    /// What is there after work that is said to be done, unless it is not what was asked for.
    fn shown(&self, request: &Request, found: Found) -> Progress {
        let Some(undone) = shown::undone(self.name(), &request.spec, &found.spec) else {
            return Progress::Done(Some(Box::new(found)));
        };
        let error = ProviderError::new(Class::Conflict, undone).code("NotServed");
        let is_new = request.id.is_none();
        Progress::Failed(Box::new(if is_new { error.partly(request, found) } else { error }))
    }

    /// What has the name of what was to be made, if this stack's own tags say that an earlier call made it for the same address: a token may
    /// be lost or have lapsed.
    async fn ours(&self, request: &Request, id: Option<String>) -> Option<Found> {
        let named = match search::identity(&self.of.published, &request.spec) {
            Identity::Is(name) => Some(name),
            _ => schema::named(self.name())
                .filter(|_| self.of.published.primary_identifier.len() == 1)
                .map(|_| request.name.clone()),
        };
        let found = self.look(&id.or(named)?).await.ok()??;
        let owner = tags::owner(request);
        let is_same = |tag: &&str| owner.contains_key(*tag) && found.owner.get(*tag) == owner.get(*tag);
        [TAG_STACK, TAG_ADDRESS, TAG_GENERATION].iter().all(is_same).then_some(found)
    }

    /// A create that failed and named what it was making: it is there, and ours, or it is not. Where nothing tells whose it is, only what
    /// failed to become ready is held to be ours: a name that is taken is refused in many words.
    async fn left(&self, request: &Request, id: &str, error: ProviderError) -> ProviderError {
        let Ok(Some(found)) = self.look(id).await else { return error };
        let token = found.owner.get(TAG_TOKEN);
        let is_ours = match self.of.published.tags().filter(|tags| tags.takes_ours) {
            Some(_) => token == request.owner.get(TAG_TOKEN),
            None => matches!(error.code.as_str(), "NotStabilized" | "ServiceTimeout"),
        };
        if is_ours { error.partly(request, found) } else { error }
    }

    /// What became of work that Cloud Control has forgotten: it knows it for a week.
    async fn forgotten(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        let id = held(handle, "id").or(request.id.as_deref());
        let there = match id {
            Some(id) => self.look(id).await?,
            None => None,
        };
        let message = format!(
            "Cloud Control has forgotten what became of it; `trueup adopt` takes over a {} that is there",
            self.name()
        );
        let lost = || Progress::Failed(Box::new(ProviderError::new(Class::NotFound, message)));
        Ok(match (held(handle, "operation"), there) {
            (Some("DELETE"), None) => Progress::Done(None),
            (Some("DELETE"), Some(_)) | (_, None) => lost(),
            (_, Some(found)) => Progress::Done(Some(Box::new(found))),
        })
    }
}

/// A value of AWS's, in which what is called a secret is one.
fn sealed(of: &str, name: &str, value: &Json) -> Value {
    if schema::is_secret(of, name) && !value.is_null() {
        return Value::secret(value.clone().into());
    }
    match value {
        Json::Object(map) => {
            Value::Map(map.iter().map(|(name, inner)| (name.clone(), sealed(of, name, inner))).collect())
        }
        Json::Array(items) => Value::List(items.iter().map(|item| sealed(of, "", item)).collect()),
        other => other.clone().into(),
    }
}

/// Tags in the shape of a type, each once.
fn formed(form: &Form, tags: BTreeMap<String, String>) -> Json {
    match form {
        Form::Map => tags.into_iter().map(|(key, value)| (key, Json::from(value))).collect::<Object<_, _>>().into(),
        Form::List { key, value, besides } => {
            let one = |(of, is): (String, String)| {
                let besides = besides.iter().map(|name| (name.clone(), Json::Bool(false)));
                let pair = [(key.clone(), of.into()), (value.clone(), is.into())];
                Json::Object(pair.into_iter().chain(besides).collect())
            };
            tags.into_iter().map(one).collect()
        }
    }
}

/// The tags in one of their shapes.
fn pairs(form: &Form, there: Option<Json>) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    match (form, there) {
        (Form::Map, Some(Json::Object(map))) => {
            map.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
        }
        (Form::List { key, value, .. }, Some(Json::Array(items))) => {
            let pair = |item: &Json| Some((text(item.get(key)?)?, item.get(value).and_then(text).unwrap_or_default()));
            items.iter().filter_map(pair).collect()
        }
        _ => Vec::new(),
    }
}

#[async_trait]
impl Manager for Natives {
    fn schema(&self) -> &Schema {
        &self.of.schema
    }

    /// A type that has no update is made anew for any change.
    fn effect(&self, before: &Value, after: &Value) -> Effect {
        match self.schema().effect(before, after) {
            Effect::InPlace if !self.of.published.can(Handler::Update) => {
                Effect::Replace([FieldPath::parse("properties")].into())
            }
            Effect::InPlace
                if self.of.published.tags().is_some_and(|tags| !tags.is_updatable) && differ(before, after) =>
            {
                Effect::Replace([FieldPath::parse("tags")].into())
            }
            other => other,
        }
    }

    fn respelled(&self, wanted: &Value, other: &Value, source: Source) -> Value {
        let mut respelled = other.clone();
        if let (Some(told), Some(properties)) = (wanted.get("properties"), other.get("properties")) {
            let properties = spelling::respelled(&self.of.published, told, properties, source);
            respelled.put(&FieldPath::parse("properties"), properties);
        }
        respelled
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        tags::problems(spec)
    }

    fn api(&self) -> Api {
        self.clients.api("cloudcontrol")
    }

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::ClientToken { valid_for: TOKEN_LIVES }
    }

    fn identity(&self, spec: &Value) -> Identity {
        search::identity(&self.of.published, spec)
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        Ok(self.look_at(targets).await)
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let doing = format!("create {}", self.name());
        let state = Json::Object(self.wanted(request, None)?).to_string();
        let call = self.clients.cloud_control.writes.create_resource().type_name(self.name()).desired_state(state);
        let answer = call.client_token(request.token.as_str()).send().await.map_err(|error| failed(&doing, &error))?;
        self.after(&doing, request, answer.progress_event).await
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        let (doing, id) = (format!("update {}", self.name()), request.id.clone().unwrap_or_default());
        let gone = || ProviderError::new(Class::NotFound, format!("{doing}: it is gone")).code(GONE);
        let (id, there) = self.model(&id).await?.ok_or_else(gone)?;
        let before = request.before.get("properties").and_then(codec::reveal).unwrap_or_default();
        let before = before.as_object().cloned().unwrap_or_default();
        let tags =
            self.of.published.tags().map(|tags| there.get(&tags.property).cloned().unwrap_or(Json::Array(vec![])));
        let wanted = patch::levelled(self.changeable(there.clone()), &before, &self.wanted(request, tags)?);
        let operations = patch::patch(&self.changeable(there.clone()), &self.changeable(wanted));
        if operations.is_empty() {
            return Ok(Progress::Done(Some(Box::new(self.found(&id, there)))));
        }
        let call = self.clients.cloud_control.writes.update_resource().type_name(self.name()).identifier(&id);
        let call = call.patch_document(Json::Array(operations).to_string()).client_token(request.token.as_str());
        let answer = call.send().await.map_err(|error| failed(&doing, &error))?;
        self.after(&doing, request, answer.progress_event).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some(id) = request.id.as_deref() else { return Ok(Progress::Done(None)) };
        let doing = format!("delete {}", self.name());
        // A delete tells Cloud Control the identifier alone, so that this property does nothing there.
        if self.name() == "AWS::ECR::Repository" && says(&request.spec, "EmptyOnDelete") {
            crate::image::empty(&self.clients, id).await?;
        }
        let call = self.clients.cloud_control.writes.delete_resource().type_name(self.name()).identifier(id);
        let answer = call.client_token(request.token.as_str()).send().await.map_err(|error| failed(&doing, &error));
        match answer {
            Ok(answer) => self.after(&doing, request, answer.progress_event).await,
            Err(error) if error.code == GONE => Ok(Progress::Done(None)),
            Err(error) => Err(error),
        }
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        let unknown = || ProviderError::new(Class::Internal, "it is not known what goes on");
        let token = held(handle, "request").ok_or_else(unknown)?;
        let call = self.clients.cloud_control.reads.get_resource_request_status().request_token(token);
        let doing = format!("ask after {}", self.name());
        let answer = match call.send().await.map_err(|error| failed(&doing, &error)) {
            Err(error) if error.code == "RequestTokenNotFoundException" => {
                return self.forgotten(request, handle).await;
            }
            answer => answer?,
        };
        let doing = match answer.progress_event().and_then(|event| event.operation()) {
            Some(operation) => format!("{} {}", operation.as_str().to_lowercase(), self.name()),
            None => doing,
        };
        self.after(&doing, request, answer.progress_event).await
    }
}

/// The manager of a type, or what says why there is none.
pub(crate) fn manager(
    clients: &Arc<Clients>,
    clock: &Arc<dyn Clock>,
    name: &str,
    of: Option<Arc<Type>>,
) -> Arc<dyn Manager> {
    match usable(name, of) {
        Ok(of) => Arc::new(Natives { clients: clients.clone(), clock: clock.clone(), of }),
        Err(why) => Arc::new(Missing::new(why)),
    }
}

/// Everything of a type that is there, whoever's; nothing of one that can't be managed.
pub(crate) async fn all(
    clients: &Arc<Clients>,
    clock: &Arc<dyn Clock>,
    name: &str,
    of: Option<Arc<Type>>,
) -> Result<Vec<Found>, ProviderError> {
    match usable(name, of) {
        Ok(of) => Natives { clients: clients.clone(), clock: clock.clone(), of }.all().await,
        Err(_) => Ok(Vec::new()),
    }
}

/// A type that can be managed, or why it can't be.
fn usable(name: &str, of: Option<Arc<Type>>) -> Result<Arc<Type>, String> {
    let of = of.ok_or_else(|| format!("AWS publishes no type `{name}` in this region"))?;
    let needed = [Handler::Create, Handler::Read, Handler::Delete];
    if needed.into_iter().all(|handler| of.published.can(handler)) {
        return Ok(of);
    }
    Err(format!("AWS's Cloud Control API can't manage {name}: CloudFormation alone makes it"))
}

/// Whether a spec says yes to a property.
fn says(spec: &Value, property: &str) -> bool {
    let body = spec.get("properties").and_then(|body| body.get(property));
    body.map(Value::revealed) == Some(&Value::Bool(true))
}

/// Whether two specs have other tags.
fn differ(before: &Value, after: &Value) -> bool {
    before.get("tags") != after.get("tags")
}

impl Natives {
    /// Of properties what an update may name: neither what AWS alone says, nor what is fixed when it is made.
    fn changeable(&self, model: Object<String, Json>) -> Object<String, Json> {
        let published = &self.of.published;
        let mut model = Json::Object(model);
        for pointer in published.read_only_properties.iter().chain(&published.create_only_properties) {
            take_out(&mut model, &pointer.steps());
        }
        match model {
            Json::Object(map) => map,
            _ => Object::new(),
        }
    }
}
