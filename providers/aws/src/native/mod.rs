//! Native kinds: every type that AWS's Cloud Control API can manage, by what AWS publishes of it.

mod archive;
mod describe;
mod missing;
mod patch;
mod progress;
mod published;
mod schema;
mod search;

pub(crate) use archive::{Archive, Type};
pub(crate) use describe::described;
use missing::Missing;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map as Object, Value as Json, json};
use trueup_engine::provider::{Api, Found, Identity, Manager, Observed, Progress, ProviderError, RetrySafety, Target};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_state::map::Map;
use trueup_state::{Class, Clock, FieldPath, Handle, Request, Timestamp, Value, codec};

use crate::clients::Clients;
use crate::error::failed;
use crate::tags;
use progress::{Step, handle, step, token};
use published::{Form, Handler};

/// For how long Cloud Control knows a token, by its documentation of `ClientToken`.
const TOKEN_LIVES: Duration = Duration::from_hours(36);

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

    /// The properties that a request asks for, with all of its tags.
    fn wanted(&self, request: &Request) -> Result<Object<String, Json>, ProviderError> {
        let unknown = || ProviderError::new(Class::Internal, "a part of the spec is not known");
        let body = request.spec.get("properties").cloned().unwrap_or_default();
        let mut wanted = match codec::reveal(&body).ok_or_else(unknown)? {
            Json::Object(map) => map,
            _ => Object::new(),
        };
        if let Some(place) = self.of.published.tags() {
            let said = request.spec.get("tags").and_then(codec::reveal).unwrap_or_default();
            let said = said.as_object().into_iter().flatten();
            let said = said.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
            let all = said.chain(tags::owner(request));
            let all: Json = match &place.form {
                Form::Map => all.map(|(key, value)| (key, Json::from(value))).collect::<Object<_, _>>().into(),
                Form::List(key_word, value_word) => {
                    all.map(|(key, value)| json!({ key_word: key, value_word: value })).collect()
                }
            };
            wanted.insert(place.property, all);
        }
        Ok(wanted)
    }

    /// An object by what AWS says of it.
    fn found(&self, id: &str, model: Object<String, Json>) -> Found {
        let published = &self.of.published;
        let names = self.of.schema.attribute_names();
        let attributes = model.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let mut attributes: Map = attributes.map(|(name, value)| (name.clone(), value.clone().into())).collect();
        attributes.insert(schema::ID.to_owned(), id.into());
        let (mut model, place) = (model, published.tags());
        let there = place.as_ref().and_then(|place| model.remove(&place.property));
        let (owner, theirs) = tags::apart(place.map(|place| pairs(&place.form, there)).unwrap_or_default());
        model.retain(|name, _| !published.whole_read_only().contains(name.as_str()));
        let mut body = Value::from(Json::Object(model));
        for pointer in &published.write_only_properties {
            body.remove(&FieldPath::from_iter(pointer.steps()));
        }
        let spec = [("properties".to_owned(), body), ("tags".to_owned(), Value::Map(theirs))];
        Found {
            id: id.to_owned(),
            spec: Value::Map(spec.into()),
            attributes: Value::Map(attributes),
            owner,
            pending: None,
        }
    }

    /// What AWS says of an object, all of it; none where it is gone.
    async fn model(&self, id: &str) -> Result<Option<Object<String, Json>>, ProviderError> {
        let doing = format!("read {} {id}", self.name());
        let call = self.clients.cloud_control.reads.get_resource().type_name(self.name()).identifier(id);
        match call.send().await.map_err(|error| failed(&doing, &error)) {
            Ok(answer) => {
                let text = answer.resource_description().and_then(|described| described.properties());
                let model = serde_json::from_str(text.unwrap_or("{}"));
                model.map(Some).map_err(|error| ProviderError::new(Class::Internal, format!("{doing}: {error}")))
            }
            Err(error) if error.code == GONE => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, id: &str) -> Result<Option<Found>, ProviderError> {
        Ok(self.model(id).await?.map(|model| self.found(id, model)))
    }

    /// What comes of an event.
    async fn after(
        &self,
        doing: &str,
        request: &Request,
        event: Option<aws_sdk_cloudcontrol::types::ProgressEvent>,
    ) -> Result<Progress, ProviderError> {
        let silent = || ProviderError::new(Class::Internal, format!("{doing}: no word of it")).outcome_unknown();
        let event = event.ok_or_else(silent)?;
        let is_delete = event.operation() == Some(&aws_sdk_cloudcontrol::types::Operation::Delete);
        match step(doing, &event, self.clock.now().0 / 1000) {
            Step::Pending(pending) => Ok(pending),
            Step::Done(_) if is_delete => Ok(Progress::Done(None)),
            Step::Failed(error, _) if is_delete && error.class == Class::NotFound => Ok(Progress::Done(None)),
            Step::Done(id) => {
                let id = id.or_else(|| request.id.clone()).unwrap_or_default();
                match self.look(&id).await? {
                    Some(found) => Ok(Progress::Done(Some(Box::new(found)))),
                    // Its lists and reads may lag behind.
                    None => Ok(Progress::Pending {
                        id: Some(id),
                        handle: handle(event.request_token().unwrap_or_default()),
                        poll_after: Duration::from_secs(1),
                        amount: None,
                        note: None,
                    }),
                }
            }
            Step::Failed(error, Some(id)) if request.id.is_none() && error.class != Class::AlreadyExists => {
                Err(self.left(request, &id, error).await)
            }
            Step::Failed(error, _) => Err(error),
        }
    }

    /// A create that failed and named what it was making: it is there, or it is not.
    async fn left(&self, request: &Request, id: &str, error: ProviderError) -> ProviderError {
        match self.look(id).await {
            Ok(None) => error,
            Ok(Some(found)) => error.partly(trueup_state::Object {
                id: Some(found.id),
                scope: request.scope.clone(),
                generation: request.generation,
                token: request.token.clone(),
                sent: request.spec.clone(),
                seen: found.spec,
                attributes: found.attributes,
                made_at: Timestamp(0),
                price_at_launch: None,
            }),
            Err(_) => error.outcome_unknown(),
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
        (Form::List(key, value), Some(Json::Array(items))) => {
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
        let state = Json::Object(self.wanted(request)?).to_string();
        let call = self.clients.cloud_control.writes.create_resource().type_name(self.name()).desired_state(state);
        let answer = call.client_token(request.token.as_str()).send().await.map_err(|error| failed(&doing, &error))?;
        self.after(&doing, request, answer.progress_event).await
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        let (doing, id) = (format!("update {}", self.name()), request.id.clone().unwrap_or_default());
        let gone = || ProviderError::new(Class::NotFound, format!("{doing}: it is gone")).code(GONE);
        let there = self.model(&id).await?.ok_or_else(gone)?;
        let before = request.before.get("properties").and_then(codec::reveal).unwrap_or_default();
        let before = before.as_object().cloned().unwrap_or_default();
        let operations = patch::patch(&there, &patch::levelled(there.clone(), &before, &self.wanted(request)?));
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
        let token = token(handle).ok_or_else(unknown)?;
        let call = self.clients.cloud_control.reads.get_resource_request_status().request_token(token);
        let doing = format!("ask after {}", self.name());
        let answer = call.send().await.map_err(|error| failed(&doing, &error))?;
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

/// A type that can be managed, or why it can't be.
fn usable(name: &str, of: Option<Arc<Type>>) -> Result<Arc<Type>, String> {
    let of = of.ok_or_else(|| format!("AWS publishes no type `{name}` in this region"))?;
    let needed = [Handler::Create, Handler::Read, Handler::Delete];
    if needed.into_iter().all(|handler| of.published.can(handler)) {
        return Ok(of);
    }
    Err(format!("AWS's Cloud Control API can't manage {name}: CloudFormation alone makes it"))
}

/// Whether two specs have other tags.
fn differ(before: &Value, after: &Value) -> bool {
    before.get("tags") != after.get("tags")
}
