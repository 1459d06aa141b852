//! Native kinds: whatever a REST API of Google's can make, read and delete, by the discovery document that Google publishes of it.

mod archive;
mod change;
mod collection;
mod describe;
mod document;
mod follow;
mod operation;
mod prose;
mod schema;
mod search;
mod sent;
mod setter;
mod template;

pub(crate) use archive::{Archive, Type};
pub(crate) use describe::described;
pub(crate) use operation::{again, under_way};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::{Map as Object, Value as Json};
use trueup_engine::missing::Missing;
use trueup_engine::naming::NameRule;
use trueup_engine::provider::{Api, Found, Identity, Manager, Observed, Progress, ProviderError, RetrySafety, Target};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_state::map::Map;
use trueup_state::{Class, Clock, FieldPath, Handle, Request, Value, codec};

use crate::clients::{Call, Clients};
use crate::labels;
use operation::Work;
use template::Template;

/// How long what was made may be missing from lists.
const GRACE: Duration = Duration::from_mins(2);

/// Whether a name is a native kind's, by how it is written: an API, its version, and a collection.
pub(crate) fn is_native(name: &str) -> bool {
    let version = name.split('.').nth(1).and_then(|version| version.strip_prefix('v'));
    version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

/// The API, the version and the collection of a native kind: `pubsub`, `v1` (or `v1.4`), `projects.topics`.
fn parts(kind: &str) -> Option<(&str, &str, &str)> {
    let (api, rest) = kind.split_once('.')?;
    let is_number = |step: &str| step.chars().all(|c| c.is_ascii_digit());
    let (mut end, mut steps) = (0, rest.split('.').enumerate());
    while let Some((place, step)) = steps.next().filter(|(place, step)| *place == 0 || is_number(step)) {
        end += step.len() + usize::from(place > 0);
    }
    Some((api, &rest[..end], rest.get(end + 1..).filter(|way| !way.is_empty())?))
}

/// Whether kinds of an API can be managed, by the API's discovery document; why one can't be. All that would be done with each is made
/// ready.
pub fn manageable(document: &Json, kinds: &[String]) -> Vec<Result<(), String>> {
    let document: document::Document = match serde_json::from_value(document.clone()) {
        Ok(document) => document,
        Err(error) => return kinds.iter().map(|_| Err(error.to_string())).collect(),
    };
    let is_it = |kind: &String| {
        let (_, _, way) = parts(kind).ok_or_else(|| format!("`{kind}` names no collection"))?;
        let collection = collection::Collection::of(kind, &document, way)?;
        let schema = schema::of(&document, &collection);
        let problems = schema.problems(&serde_json::json!({ "no_such_field": 1 }).into());
        if problems.is_empty() { Err(format!("the schema of {kind} takes anything")) } else { Ok(()) }
    };
    kinds.iter().map(is_it).collect()
}

/// The manager of one kind in one project and place.
struct Natives {
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    of: Arc<Type>,
}

impl Natives {
    fn name(&self) -> &str {
        &self.of.collection.kind
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        self.clock.now().0 / 1000
    }

    /// What a thing is in, by its spec and where its provider is. The error says what to say.
    fn parent(&self, spec: &Value) -> Result<String, String> {
        let text = |name: &str| spec.get(name).and_then(|text| text.revealed().as_str()).map(str::to_owned);
        if let Some(parent) = text("parent") {
            return Ok(parent.trim_matches('/').to_owned());
        }
        let template = self.of.collection.parent();
        let place = |_, name: &str| match name.trim_end_matches("Id").trim_end_matches('s') {
            "project" => Some(self.clients.project.clone()),
            "location" | "region" => text("location").or_else(|| self.clients.region.clone()),
            "zone" => text("location").or_else(|| self.clients.zone.clone()),
            _ => None,
        };
        template.fill(place).map_err(|name| match name.trim_end_matches("Id").trim_end_matches('s') {
            "location" | "region" => "there is no region: say `region` of its provider, or `location`".to_owned(),
            "zone" => "there is no zone: say `zone` of its provider".to_owned(),
            _ => format!("say `parent`: what it is in, as `{template}`"),
        })
    }

    /// The id of what has a name, or would have it.
    fn id_of(&self, name: &str, spec: &Value) -> Result<String, String> {
        let of = &self.of.collection;
        let parent = self.parent(spec)?;
        let word = of.shape.word(of.shape.len().saturating_sub(2)).unwrap_or_default();
        let last = prose::last(&of.kind, name, &self.clients.project);
        let segments = [parent.as_str(), word, &last].into_iter().filter(|segment| !segment.is_empty());
        Ok(segments.collect::<Vec<_>>().join("/"))
    }

    /// The id of a thing, by what Google says of it.
    fn named(&self, shown: &Json) -> Option<String> {
        let of = &self.of.collection;
        let text = |name: &str| shown.get(name).and_then(Json::as_str);
        let whole = text("name").filter(|name| of.shape.read(name).is_some());
        let link = || {
            let (_, path) = text("selfLink")?.split_once(&format!("/{}/", of.prefix))?;
            of.shape.read(path).map(|_| path)
        };
        whole.or_else(link).map(str::to_owned)
    }

    /// A path of the API's, for an id or what it begins with.
    fn path(&self, template: &Template, id: &str) -> Result<String, ProviderError> {
        let of = &self.of.collection;
        let parts: Vec<&str> = id.split('/').collect();
        let named: BTreeMap<&str, &str> = of.shape.read(id).into_iter().flatten().collect();
        let is_same = template.leads(&of.shape) || of.shape.leads(template);
        let value = |place: usize, name: &str| {
            let value = if is_same { parts.get(place).copied() } else { named.get(name).copied() };
            value.map(str::to_owned)
        };
        let path = template.fill(value).map_err(|name| {
            ProviderError::new(
                Class::Invalid { field: None },
                format!("{id} does not say the `{name}` of {}", self.name()),
            )
        })?;
        Ok(if of.prefix.is_empty() { path } else { format!("{}/{path}", of.prefix) })
    }

    /// What a call must be told in its query.
    fn demanded(&self, method: &document::Method) -> Vec<(String, String)> {
        let is_needed = method.parameters.get("project").is_some_and(|told| told.required && told.location == "query");
        if is_needed { vec![("project".to_owned(), self.clients.project.clone())] } else { Vec::new() }
    }

    fn call<'a>(
        &'a self,
        doing: &'a str,
        method: Method,
        path: String,
        query: Vec<(String, String)>,
        body: Option<Json>,
    ) -> Call<'a> {
        let of = &self.of.collection;
        Call { doing, method, api: (&of.api, of.root_of(&path)), path, query, body }
    }

    /// What Google says of a thing, all of it; none where it is gone.
    async fn model(&self, id: &str) -> Result<Option<Json>, ProviderError> {
        let doing = format!("read {} {id}", self.name());
        let path = self.path(&self.of.collection.shape, id)?;
        match self.clients.read(&self.call(&doing, Method::GET, path, Vec::new(), None)).await {
            Ok(mut model) => {
                prose::respell(&mut model);
                Ok(Some(model))
            }
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, id: &str) -> Result<Option<Found>, ProviderError> {
        Ok(self.model(id).await?.map(|model| self.found(id, &model)))
    }

    /// A thing by what Google says of it.
    fn found(&self, id: &str, model: &Json) -> Found {
        let of = &self.of.collection;
        let fields = model.as_object().cloned().unwrap_or_default();
        let names = self.of.schema.attribute_names();
        let attributes = fields.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let mut attributes: Map = attributes.map(|(name, value)| (name.clone(), sealed(name, value))).collect();
        attributes.insert(schema::ID.to_owned(), id.into());
        let (owner, theirs) = labels::apart(self.labels(&fields));
        let parts: Vec<&str> = id.split('/').collect();
        let (parent, last) =
            (parts[..parts.len().saturating_sub(2)].join("/"), parts.last().copied().unwrap_or_default());
        let mut spec = vec![("parent".to_owned(), parent.into()), ("tags".to_owned(), Value::Map(theirs))];
        if of.is_named() {
            spec.push(("name".to_owned(), last.split('@').next().unwrap_or_default().into()));
        }
        let place = of.shape.read(id).into_iter().flatten().find(|(name, _)| name.starts_with("location"));
        spec.extend(place.map(|(_, place)| ("location".to_owned(), place.into())));
        // What is only said is not looked at, also where something is shown of it.
        let settable = |name: &String| {
            let at = FieldPath::from_iter(["properties", name.as_str()]);
            self.of.schema.field(&at).is_some() && !self.of.schema.is("x-write-only", &at)
        };
        let body = fields.iter().filter(|(name, _)| settable(name));
        let body: Map = body.map(|(name, value)| (name.clone(), sealed(name, value))).collect();
        spec.push(("properties".to_owned(), Value::Map(body)));
        Found {
            id: id.to_owned(),
            spec: Value::Map(spec.into_iter().collect()),
            attributes: Value::Map(attributes),
            owner,
            pending: None,
        }
    }

    /// What is in a thing that would go with it, where that may not be.
    async fn obstacle(&self, id: &str, spec: &Value) -> Result<Option<Problem>, ProviderError> {
        let Some(inside) = prose::takes_along(self.name()) else { return Ok(None) };
        if spec.get(schema::FORCE).map(Value::revealed) == Some(&true.into()) {
            return Ok(None);
        }
        let doing = format!("look what is in {} {id}", self.name());
        let path = format!("{}{}", self.path(&self.of.collection.shape, id)?, inside.path);
        let query = vec![("pageSize".to_owned(), (inside.own + 1).to_string())];
        let answer = match self.clients.read(&self.call(&doing, Method::GET, path, query, None)).await {
            Ok(answer) => answer,
            Err(error) if error.class == Class::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let others = answer.get(inside.what).and_then(|all| all.as_array()?.get(inside.own)?.get("name")?.as_str());
        let message = |other: &str| format!("{} are in it that would go with it: `{other}`", inside.what);
        Ok(others.map(|other| Problem::new(FieldPath::parse(schema::FORCE), message(other))))
    }

    /// Whether a name is all that says whose a thing is: it has no labels, and a name that was made up for this resource of this stack, which
    /// nobody else has. So where its reply was lost, making it again finds it.
    fn is_ours_by_name(&self, spec: &Value) -> bool {
        let is_made_up = spec.get("name").is_none_or(|name| matches!(name.revealed(), Value::Null));
        self.of.collection.is_named() && self.of.collection.labels.is_none() && is_made_up
    }

    /// The labels on a thing.
    fn labels(&self, fields: &Object<String, Json>) -> Vec<(String, String)> {
        let there = self.of.collection.labels.as_ref().and_then(|name| fields.get(name)?.as_object());
        let label = |(key, value): (&String, &Json)| Some((key.clone(), value.as_str()?.to_owned()));
        there.into_iter().flatten().filter_map(label).collect()
    }
}

/// A value of Google's, in which what is called a secret is one.
fn sealed(name: &str, value: &Json) -> Value {
    if schema::is_secret(name) && !value.is_null() {
        return Value::secret(value.clone().into());
    }
    match value {
        Json::Object(map) => Value::Map(map.iter().map(|(name, inner)| (name.clone(), sealed(name, inner))).collect()),
        Json::Array(items) => Value::List(items.iter().map(|item| sealed("", item)).collect()),
        other => other.clone().into(),
    }
}

/// The method of a call, as documents write it.
fn verb(method: &document::Method) -> Method {
    method.verb.parse().unwrap_or(Method::POST)
}

#[async_trait]
impl Manager for Natives {
    fn schema(&self) -> &Schema {
        &self.of.schema
    }

    /// What has no update is made anew for any change, but for what a call of its own sets.
    fn effect(&self, before: &Value, after: &Value) -> Effect {
        let of = &self.of.collection;
        let effect = self.schema().effect(before, after);
        if effect != Effect::InPlace {
            return effect;
        }
        let body = |spec: &Value| spec.get("properties").and_then(Value::as_map).cloned().unwrap_or_default();
        let (was, will) = (body(before), body(after));
        let names: BTreeSet<&String> =
            was.keys().chain(will.keys()).filter(|name| was.get(*name) != will.get(*name)).collect();
        let is_set = |field: &str| of.setters.iter().any(|setter| setter.field == field);
        let json = |value: Option<&Value>| value.and_then(codec::reveal).unwrap_or_default();
        let can_be = |name: &str| {
            let is_so = || setter::can_become(name, &json(was.get(name)), &json(will.get(name)));
            if is_set(name) { is_so() } else { of.update.is_some() }
        };
        let fields = names.into_iter().filter(|name| !can_be(name));
        let fields = fields.map(|name| FieldPath::from_iter(["properties", name.as_str()]));
        let are_tags_fixed = of.update.is_none() && !of.labels.as_deref().is_some_and(is_set);
        let tags = FieldPath::parse("tags");
        let tags = Some(tags).filter(|tags| are_tags_fixed && before.at(tags) != after.at(tags));
        let others: BTreeSet<FieldPath> = fields.chain(tags).collect();
        if others.is_empty() { Effect::InPlace } else { Effect::Replace(others) }
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        let mut problems = labels::problems(spec);
        let is_known = !["parent", "location"].iter().any(|field| spec.get(field).is_some_and(Value::has_unknown));
        if is_known && let Err(why) = self.parent(spec) {
            problems.push(Problem::new(FieldPath::root(), why));
        }
        problems
    }

    fn api(&self) -> Api {
        self.clients.api(&self.of.collection.api)
    }

    fn retry_safety(&self) -> RetrySafety {
        match self.known_by() {
            Identity::Name => RetrySafety::NamedByCaller,
            Identity::Tags => RetrySafety::OwnerTag { grace: GRACE },
            _ => RetrySafety::None,
        }
    }

    fn name_rule(&self) -> NameRule {
        let usual = NameRule::default();
        prose::name_rule(self.name()).map_or(usual, |(longest, separator)| NameRule { longest, separator, ..usual })
    }

    fn identity(&self, _spec: &Value) -> Identity {
        self.known_by()
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        Ok(self.look_at(targets).await)
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let (doing, of) = (format!("create {}", self.name()), &self.of.collection);
        let invalid = |why: String| ProviderError::new(Class::Invalid { field: None }, format!("{doing}: {why}"));
        let id = if of.is_named() { Some(self.id_of(&request.name, &request.spec).map_err(invalid)?) } else { None };
        let place = match &id {
            Some(id) => id.clone(),
            None => self.parent(&request.spec).map_err(invalid)?,
        };
        let (query, body) = self.made_of(request, &place)?;
        let path = self.path(&of.create.path, &place)?;
        let call = self.call(&doing, verb(&of.create.method), path, query, Some(body));
        let answer = match (self.clients.send(&call).await, &id) {
            (Err(error), Some(id)) if error.class == Class::AlreadyExists && self.is_ours_by_name(&request.spec) => {
                let found = self.look(id).await?.ok_or(error)?;
                return Ok(Progress::Done(Some(Box::new(found))));
            }
            (answer, _) => answer?,
        };
        let work = Work::new("create", id);
        self.after(&doing, request, work, &answer).await
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.level(request, Vec::new()).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some(id) = request.id.clone() else { return Ok(Progress::Done(None)) };
        let (doing, of) = (format!("delete {}", self.name()), &self.of.collection);
        let path = self.path(&of.shape, &id)?;
        if let Some(problem) = self.obstacle(&id, &request.spec).await? {
            let class = Class::Invalid { field: Some(problem.path.to_string()) };
            return Err(ProviderError::new(class, problem.message));
        }
        self.let_go(&doing, &id).await?;
        let query = if of.delete.takes("requestId") {
            vec![("requestId".to_owned(), request.token.to_string())]
        } else {
            Vec::new()
        };
        let answer = match self.clients.send(&self.call(&doing, verb(&of.delete), path, query, None)).await {
            Ok(answer) => answer,
            Err(error) if error.class == Class::NotFound => return Ok(Progress::Done(None)),
            Err(error) => return Err(error),
        };
        let work = Work::new("delete", Some(id));
        self.after(&doing, request, work, &answer).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        let work = Work::of(handle);
        let doing = format!("{} {}", work.verb, self.name());
        let Some(at) = work.at.clone() else { return self.finished(request, work).await };
        let call = self.call(&doing, Method::GET, at, Vec::new(), None);
        match self.clients.read(&call).await {
            Ok(answer) => self.after(&doing, request, work, &answer).await,
            // Google forgets what is long over: what is there tells what became of it.
            Err(error) if error.class == Class::NotFound && work.id.is_some() => self.finished(request, work).await,
            Err(error) => Err(error),
        }
    }
}

/// The manager of a kind, or what says why there is none.
pub(crate) fn manager(
    clients: &Arc<Clients>,
    clock: &Arc<dyn Clock>,
    of: Result<Arc<Type>, String>,
) -> Arc<dyn Manager> {
    match of {
        Ok(of) => Arc::new(Natives { clients: clients.clone(), clock: clock.clone(), of }),
        Err(why) => Arc::new(Missing::new(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_google_shows_under_a_secrets_name_is_sealed_however_deep() {
        let shown = serde_json::json!({ "user": "a", "rootPassword": "b", "list": [{ "clientSecret": "c", "id": 1 }] });
        let sealed = sealed("", &shown);
        let at = |path: &str| sealed.at(&FieldPath::parse(path)).cloned();
        let is_secret = |path: &str| matches!(at(path), Some(Value::Secret(_)));
        assert!(is_secret("rootPassword") && is_secret("list[0].clientSecret"));
        assert_eq!((at("user"), at("list[0].id")), (Some("a".into()), Some(1.into())));
    }

    #[test]
    fn a_kind_is_an_api_its_version_and_a_collection() {
        assert!(is_native("pubsub.v1.projects.topics") && is_native("x.v1beta1.y"));
        assert!(!is_native("AWS::SQS::Queue") && !is_native("bucket") && !is_native("a.b.c") && !is_native("aws.very"));
        assert_eq!(parts("pubsub.v1.projects.topics"), Some(("pubsub", "v1", "projects.topics")));
        assert_eq!(parts("dfareporting.v3.3.eventTags"), Some(("dfareporting", "v3.3", "eventTags")));
        assert_eq!(parts("pubsub.v1"), None);
        assert_eq!(parts("pubsub.v1."), None);
    }
}
