//! `iam.v1.bindings`: one member in one role on one resource. Google has no such collection: it keeps one policy for each resource, which is
//! read, changed and written with its etag, so that what others granted stays.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use trueup_engine::native::{Listed, Native};
use trueup_engine::provider::{
    Api, By, Found, Identity, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target,
};
use trueup_engine::schema::{Problem, Schema};
use trueup_engine::typed::to_value;
use trueup_state::{Class, FieldPath, Handle, Request, Value};

use crate::clients::{Call, Clients};

/// The kind.
pub(crate) const KIND: &str = "iam.v1.bindings";
/// How often a change is tried that somebody else's came before.
const TRIES: u32 = 5;
/// The version of policies that has conditions: in an earlier one they would be lost.
const VERSION: u32 = 3;

/// A service whose resources have policies: its root, its API, the version, and how a policy is asked for there.
struct Service {
    root: &'static str,
    api: &'static str,
    version: &'static str,
    get: Get,
}

/// How a policy is asked for, and where its version is said.
#[derive(Clone, Copy)]
enum Get {
    /// `GET`, in the query.
    Plain,
    /// `POST`, in the query: there is no body.
    Posted,
    /// `POST`, in the body.
    Told,
}

/// All that are known, as of the references of their APIs. Buckets have their policies elsewhere in their API.
static SERVICES: [Service; 8] = [
    // Of endpoints no later version has policies.
    Service { root: VERTEX, api: "aiplatform", version: "v1beta1", get: Get::Posted },
    Service {
        root: "https://artifactregistry.googleapis.com/",
        api: "artifactregistry",
        version: "v1",
        get: Get::Plain,
    },
    Service { root: "https://cloudfunctions.googleapis.com/", api: "cloudfunctions", version: "v2", get: Get::Plain },
    Service {
        root: "https://cloudresourcemanager.googleapis.com/",
        api: "cloudresourcemanager",
        version: "v3",
        get: Get::Told,
    },
    Service { root: "https://iam.googleapis.com/", api: "iam", version: "v1", get: Get::Posted },
    Service { root: "https://pubsub.googleapis.com/", api: "pubsub", version: "v1", get: Get::Plain },
    Service { root: "https://run.googleapis.com/", api: "run", version: "v2", get: Get::Plain },
    Service { root: "https://secretmanager.googleapis.com/", api: "secretmanager", version: "v1", get: Get::Plain },
];
/// The root of Vertex AI, which is asked of what is in a location at an address of that.
const VERTEX: &str = "https://aiplatform.googleapis.com/";
/// The root of what has buckets.
const BUCKETS: &str = "https://storage.googleapis.com/";

/// What may be said of one.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// What is granted.
    properties: Properties,
}

/// What is granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Properties {
    /// On what, by its full name. Example: `//pubsub.googleapis.com/projects/p/topics/t`.
    #[schemars(extend("x-immutable" = true))]
    resource: String,
    /// In which role. Example: `roles/pubsub.publisher`.
    #[schemars(extend("x-immutable" = true))]
    role: String,
    /// To whom. Example: `serviceAccount:a@p.iam.gserviceaccount.com`.
    #[schemars(extend("x-immutable" = true))]
    member: String,
}

/// What is known of one.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Attributes {
    /// All three, with a space between.
    resource_id: String,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Spec, Attributes>(1, false));

/// What is known of the kind without making anything of it.
pub(crate) fn described() -> Native {
    Native {
        description: "One member in one role on one resource. It is Trueup's own: Google keeps one policy for each resource, of which \
                      the rest is left alone."
            .to_owned(),
        spec: SCHEMA.spec.clone(),
        attributes: SCHEMA.attributes.clone(),
        is_updatable: false,
        has_tags: false,
        listed: Listed::No,
        permissions: Vec::new(),
    }
}

/// The manager of bindings in a project.
pub(crate) struct Bindings {
    clients: Arc<Clients>,
}

impl Properties {
    fn of(request: &Request) -> Result<Self, ProviderError> {
        let invalid = || ProviderError::new(Class::Internal, "a part of the binding is not known");
        match request.id.as_deref() {
            Some(id) => Self::of_id(id).ok_or_else(invalid),
            None => trueup_engine::typed::from_value::<Spec>(&request.spec).map(|spec| spec.properties),
        }
    }

    fn of_id(id: &str) -> Option<Self> {
        let mut words = id.split(' ').map(str::to_owned);
        let (resource, role, member) = (words.next()?, words.next()?, words.next()?);
        words.next().is_none().then_some(Self { resource, role, member })
    }

    fn id(&self) -> String {
        format!("{} {} {}", self.resource, self.role, self.member)
    }

    fn found(&self) -> Found {
        let spec = Value::Map([("properties".to_owned(), to_value(self))].into());
        let attributes = to_value(&Attributes { resource_id: self.id() });
        Found { id: self.id(), spec, attributes, owner: [].into(), pending: None }
    }
}

/// Where a policy is asked for.
enum Place<'a> {
    Of(&'static Service, &'a str),
    Bucket(&'a str),
}

impl<'a> Place<'a> {
    fn of(properties: &'a Properties) -> Option<Self> {
        let (host, path) = properties.resource.strip_prefix("//")?.split_once('/')?;
        let is_at = |root: &str| root.strip_prefix("https://").and_then(|root| root.strip_suffix('/')) == Some(host);
        if is_at(BUCKETS) {
            return path.strip_prefix("projects/_/buckets/").map(Self::Bucket);
        }
        SERVICES.iter().find(|service| is_at(service.root)).map(|service| Self::Of(service, path))
    }
}

impl Bindings {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    async fn policy(&self, place: &Place<'_>) -> Result<Json, ProviderError> {
        let doing = "read who may use it";
        let version = |name: &str| vec![(name.to_owned(), VERSION.to_string())];
        let call = match place {
            Place::Bucket(name) => Call {
                query: version("optionsRequestedPolicyVersion"),
                ..call(doing, Method::GET, ("storage", BUCKETS), bucket(name), None)
            },
            Place::Of(service, path) => {
                let (method, query, body) = match service.get {
                    Get::Plain => (Method::GET, true, None),
                    Get::Posted => (Method::POST, true, None),
                    Get::Told => {
                        (Method::POST, false, Some(json!({ "options": { "requestedPolicyVersion": VERSION } })))
                    }
                };
                let query = if query { version("options.requestedPolicyVersion") } else { Vec::new() };
                let at = service.path(path, "getIamPolicy");
                let root = service.root(path);
                let call = Call { query, ..call(doing, method, (service.api, &root), at, body) };
                return self.clients.read(&call).await;
            }
        };
        self.clients.read(&call).await
    }

    async fn write(&self, place: &Place<'_>, policy: Json) -> Result<(), ProviderError> {
        let doing = "say who may use it";
        let call = match place {
            Place::Bucket(name) => call(doing, Method::PUT, ("storage", BUCKETS), bucket(name), Some(policy)),
            Place::Of(service, path) => {
                let (root, body) = (service.root(path), Some(json!({ "policy": policy })));
                let at = service.path(path, "setIamPolicy");
                let call = call(doing, Method::POST, (service.api, &root), at, body);
                return self.clients.send(&call).await.map(drop);
            }
        };
        self.clients.send(&call).await.map(drop)
    }

    /// Whether a binding is there; none where its resource is not.
    async fn is_there(&self, properties: &Properties) -> Result<Option<bool>, ProviderError> {
        let place = Place::of(properties).ok_or_else(|| unknown(properties))?;
        match self.policy(&place).await {
            Ok(policy) => Ok(Some(has(&policy, properties))),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a binding into its policy, or takes it out.
    async fn set(&self, properties: &Properties, is_wanted: bool) -> Result<(), ProviderError> {
        let place = Place::of(properties).ok_or_else(|| unknown(properties))?;
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let there = self.policy(&place).await?;
            if has(&there, properties) == is_wanted {
                return Ok(());
            }
            match self.write(&place, with(there, properties, is_wanted)).await {
                // Somebody else wrote it meanwhile.
                Err(error) if error.class == Class::Conflict && error.patience.is_zero() && tries > 0 => {}
                answer => return answer,
            }
        }
    }
}

impl Service {
    /// Where it is asked of a resource.
    fn root(&self, resource: &str) -> Cow<'static, str> {
        let location = resource.split('/').skip_while(|part| *part != "locations").nth(1);
        match location.filter(|_| self.root == VERTEX) {
            Some(location) => format!("https://{location}-aiplatform.googleapis.com/").into(),
            None => self.root.into(),
        }
    }

    fn path(&self, resource: &str, verb: &str) -> String {
        format!("{}/{resource}:{verb}", self.version)
    }
}

fn call<'a>(doing: &'a str, method: Method, api: (&'a str, &'a str), path: String, body: Option<Json>) -> Call<'a> {
    Call { doing, method, api, path, query: Vec::new(), body }
}

fn bucket(name: &str) -> String {
    format!("storage/v1/b/{name}/iam")
}

fn unknown(properties: &Properties) -> ProviderError {
    let class = Class::Invalid { field: Some("properties.resource".to_owned()) };
    ProviderError::new(class, format!("`{}` is nothing whose policy is known here", properties.resource))
}

/// The members of a role without a condition.
fn members<'a>(policy: &'a Json, role: &str) -> impl Iterator<Item = &'a str> {
    let bindings = policy.get("bindings").and_then(Json::as_array).into_iter().flatten();
    let of = bindings.filter(move |binding| binding["role"] == *role && binding.get("condition").is_none());
    of.flat_map(|binding| binding["members"].as_array().into_iter().flatten()).filter_map(Json::as_str)
}

fn has(policy: &Json, of: &Properties) -> bool {
    members(policy, &of.role).any(|member| member == of.member)
}

/// A policy with a binding, or without.
fn with(mut policy: Json, of: &Properties, is_wanted: bool) -> Json {
    let is_it = |binding: &Json| binding["role"] == of.role.as_str() && binding.get("condition").is_none();
    let mut bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
    for binding in bindings.iter_mut().filter(|binding| is_it(binding)) {
        if let Some(members) = binding["members"].as_array_mut() {
            members.retain(|member| member != of.member.as_str());
        }
    }
    if is_wanted {
        match bindings.iter_mut().find(|binding| is_it(binding)).and_then(|binding| binding["members"].as_array_mut()) {
            Some(members) => members.push(of.member.as_str().into()),
            None => bindings.push(json!({ "role": of.role, "members": [of.member] })),
        }
    }
    bindings.retain(|binding| binding["members"].as_array().is_some_and(|members| !members.is_empty()));
    policy["bindings"] = bindings.into();
    policy["version"] = VERSION.into();
    policy
}

#[async_trait]
impl Manager for Bindings {
    fn schema(&self) -> &Schema {
        &SCHEMA
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        let at = FieldPath::parse("properties.resource");
        let Some(resource) = spec.at(&at).and_then(|resource| resource.revealed().as_str()) else { return Vec::new() };
        let said = Properties { resource: resource.to_owned(), role: String::new(), member: String::new() };
        if Place::of(&said).is_some() {
            return Vec::new();
        }
        let roots: Vec<&str> = SERVICES.iter().map(|service| service.root).chain([BUCKETS]).collect();
        let hosts = roots.join(", ").replace("https://", "").replace('/', "");
        let message = format!("it is the full name of a resource, `//HOST/PATH`, at one of {hosts}");
        vec![Problem::new(at, message)]
    }

    fn api(&self) -> Api {
        self.clients.api("iam")
    }

    /// What is granted already is granted.
    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    fn is_alone_of_its_name(&self) -> bool {
        false
    }

    fn identity(&self, spec: &Value) -> Identity {
        let said = trueup_engine::typed::from_value::<Spec>(spec).map(|spec| spec.properties.id());
        said.map_or(Identity::Id, Identity::Is)
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let mut observations = Vec::with_capacity(targets.len());
        for target in targets {
            let said = match target.by {
                By::Id(id) => Properties::of_id(id),
                // What is granted is nobody's own: making it again finds it.
                By::Name(_) | By::Token(_) => None,
            };
            let Some(properties) = said else {
                observations.push(Observation::Absent);
                continue;
            };
            observations.push(match self.is_there(&properties).await {
                Ok(Some(true)) => Observation::Present(Box::new(properties.found())),
                Ok(_) => Observation::Absent,
                Err(error) => Observation::Indeterminate(error.to_string()),
            });
        }
        Ok(Observed { observations, orphans: Vec::new() })
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let properties = Properties::of(request)?;
        self.set(&properties, true).await?;
        Ok(Progress::Done(Some(Box::new(properties.found()))))
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.create(request).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        match self.set(&Properties::of(request)?, false).await {
            Err(error) if error.class != Class::NotFound => Err(error),
            // What it was about is gone, and it with that.
            _ => Ok(Progress::Done(None)),
        }
    }

    async fn poll(&self, _request: &Request, _handle: &Handle) -> Result<Progress, ProviderError> {
        Err(ProviderError::new(Class::Internal, "nothing goes on with a binding"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(member: &str) -> Properties {
        let (resource, role) = ("//pubsub.googleapis.com/projects/p/topics/t".to_owned(), "roles/viewer".to_owned());
        Properties { resource, role, member: member.to_owned() }
    }

    #[test]
    fn what_others_granted_stays() {
        let conditional =
            json!({ "role": "roles/viewer", "members": ["user:b"], "condition": { "expression": "false" } });
        let theirs = json!({ "etag": "e", "version": 3, "bindings": [conditional, { "role": "roles/viewer", "members": ["user:a"] }] });
        let ours = binding("user:b");
        assert!(!has(&theirs, &ours), "what is granted on a condition is not granted");
        let both = with(theirs.clone(), &ours, true);
        assert!(has(&both, &ours) && has(&both, &binding("user:a")) && both["etag"] == "e");
        assert_eq!(with(both, &ours, false), theirs);
        assert_eq!(
            with(json!({}), &ours, true)["bindings"],
            json!([{ "role": "roles/viewer", "members": ["user:b"] }])
        );
    }

    #[test]
    fn an_id_leads_back_to_what_it_is_of() {
        let of = binding("user:b");
        assert_eq!(Properties::of_id(&of.id()), Some(of));
        assert_eq!(Properties::of_id("a b"), None);
        assert_eq!(Properties::of_id("a b c d"), None);
    }
}
