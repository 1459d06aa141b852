//! `aiplatform.v1.projects.locations.endpoints.deployedModels`: a model that an endpoint of Vertex AI serves, and the machines that it does so on.
//! Google's document has no collection of them: an endpoint is told to deploy one, and shows it.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use trueup_engine::naming::TAG_GENERATION;
use trueup_engine::native::{Listed, Native};
use trueup_engine::provider::{
    Api, By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target,
};
use trueup_engine::schema::{Problem, Schema};
use trueup_engine::typed::{from_value, to_value};
use trueup_state::{Class, FieldPath, Handle, Request, Value};

use crate::clients::{Call, Clients};
use crate::native::{again, under_way};

/// The kind.
pub(crate) const KIND: &str = "aiplatform.v1.projects.locations.endpoints.deployedModels";
/// The API.
const API: &str = "aiplatform";
/// What may be said of one.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Which model, where, and on what.
    properties: Properties,
}

/// Which model, where, and on what. The words are those of Google's `DeployedModel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Properties {
    /// The endpoint, by its path. Example: `projects/p/locations/us-central1/endpoints/chat`.
    #[schemars(extend("x-immutable" = true))]
    endpoint: String,
    /// The model, by its path; it is where the endpoint is. Example: `projects/p/locations/us-central1/models/chat`.
    #[schemars(extend("x-immutable" = true))]
    model: String,
    /// The type of each machine. Example: `g2-standard-12`.
    #[schemars(extend("x-immutable" = true))]
    machine_type: String,
    /// The GPUs of each machine. Example: `NVIDIA_L4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    accelerator_type: Option<String>,
    /// How many of them. Example: `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    accelerator_count: Option<u32>,
    /// At least so many machines. Example: `1`.
    #[schemars(range(min = 1))]
    min_replica_count: u32,
    /// At most so many machines. Example: `4`.
    #[schemars(range(min = 1))]
    max_replica_count: u32,
    /// What their number follows. Default: what Vertex AI takes. Example: `[{ metricName: aiplatform.googleapis.com/prediction/online/cpu/utilization, target: 60 }]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    autoscaling_metric_specs: Vec<Metric>,
    /// As whom the program acts, by its address. Example: `chat@p.iam.gserviceaccount.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-immutable" = true))]
    service_account: Option<String>,
    /// Whether the machines are Google's to take back. Default: false.
    #[serde(default)]
    #[schemars(extend("x-immutable" = true))]
    spot: bool,
    /// Its share of the endpoint's requests, in percent: all of them.
    #[serde(default = "all")]
    #[schemars(range(min = 100, max = 100))]
    traffic: u32,
}

/// What the number of machines follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metric {
    /// The metric.
    metric_name: String,
    /// What each machine is kept at, in percent.
    #[schemars(range(min = 1, max = 100))]
    target: u32,
}

fn all() -> u32 {
    100
}

/// What is known of one.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Attributes {
    /// The endpoint's path, and its number there.
    resource_id: String,
}

/// The next one serves before the one before it goes.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of::<Spec, Attributes>(1, true));

/// What is known of the kind without making anything of it.
pub(crate) fn described() -> Native {
    Native {
        description: "A model that an endpoint of Vertex AI serves. It is Trueup's own: Google has an endpoint deploy one, and shows \
                      it there."
            .to_owned(),
        spec: SCHEMA.spec.clone(),
        attributes: SCHEMA.attributes.clone(),
        is_updatable: true,
        has_tags: false,
        listed: Listed::No,
        permissions: Vec::new(),
    }
}

/// The manager of what endpoints serve in a project.
pub(crate) struct Deployed {
    clients: Arc<Clients>,
}

/// A path apart: the endpoint's, and the number.
fn apart(id: &str) -> Option<(&str, &str)> {
    id.split_once("/deployedModels/").filter(|(endpoint, number)| !endpoint.is_empty() && !number.is_empty())
}

/// The location that a path is in.
fn location(path: &str) -> &str {
    path.split('/').skip_while(|part| *part != "locations").nth(1).unwrap_or_default()
}

/// The number of what a request makes: up to ten digits are Google's to take, and the same request has the same.
fn number(request: &Request) -> String {
    let generation = request.owner.get(TAG_GENERATION).map(String::as_str).unwrap_or_default();
    let digest = Sha256::digest(format!("{} {generation}", request.name));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    (1_000_000_000 + u64::from_be_bytes(bytes) % 9_000_000_000).to_string()
}

/// What Google is told of one, and shows of it.
fn resources(properties: &Properties) -> Json {
    let mut machine = json!({ "machineType": properties.machine_type });
    if let Some(gpu) = &properties.accelerator_type {
        machine["acceleratorType"] = gpu.as_str().into();
        machine["acceleratorCount"] = properties.accelerator_count.unwrap_or(1).into();
    }
    let mut resources = json!({
        "machineSpec": machine,
        "minReplicaCount": properties.min_replica_count,
        "maxReplicaCount": properties.max_replica_count,
    });
    if !properties.autoscaling_metric_specs.is_empty() {
        resources["autoscalingMetricSpecs"] = json!(properties.autoscaling_metric_specs);
    }
    if properties.spot {
        resources["spot"] = true.into();
    }
    resources
}

/// One as its endpoint shows it. Google tells a model by the project's number: it is where the endpoint is.
fn found(endpoint: &str, number: &str, shown: &Json, traffic: &Json) -> Found {
    let id = format!("{endpoint}/deployedModels/{number}");
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let count = |value: &Json| value.as_u64().and_then(|count| u32::try_from(count).ok());
    let (dedicated, machine) = (&shown["dedicatedResources"], &shown["dedicatedResources"]["machineSpec"]);
    let model = shown["model"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let place = endpoint.split("/endpoints/").next().unwrap_or_default();
    let properties = Properties {
        endpoint: endpoint.to_owned(),
        model: format!("{place}/models/{}", model.split('@').next().unwrap_or_default()),
        machine_type: text(&machine["machineType"]).unwrap_or_default(),
        accelerator_type: text(&machine["acceleratorType"]),
        accelerator_count: count(&machine["acceleratorCount"]).filter(|count| *count > 0),
        min_replica_count: count(&dedicated["minReplicaCount"]).unwrap_or_default(),
        max_replica_count: count(&dedicated["maxReplicaCount"]).unwrap_or_default(),
        autoscaling_metric_specs: serde_json::from_value(dedicated["autoscalingMetricSpecs"].clone())
            .unwrap_or_default(),
        service_account: text(&shown["serviceAccount"]),
        spot: dedicated["spot"].as_bool().unwrap_or_default(),
        traffic: count(&traffic[number]).unwrap_or_default(),
    };
    let attributes = to_value(&Attributes { resource_id: id.clone() });
    Found { id, spec: to_value(&Spec { properties }), attributes, owner: [].into(), pending: None }
}

/// The calls that bring one level, each of which is sent once.
const SCALE: &str = "scale";
const ROUTE: &str = "route";
/// How often it is looked for what was deployed by a call whose answer is not known, before it is asked whether anything goes on.
const LOOKS: u32 = 60;

/// What is known of work between two looks at it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Work {
    /// `create`, `update` or `delete`.
    verb: String,
    /// The operation that it is asked after by; none where its name is not known, or it is over.
    operation: Option<String>,
    /// The calls that were sent to bring it level.
    #[serde(default)]
    did: Vec<String>,
    /// How often it was looked for in vain.
    #[serde(default)]
    looks: u32,
    /// How often it was asked after.
    #[serde(default)]
    asked: u32,
}

impl Work {
    fn new(verb: &str) -> Self {
        Self { verb: verb.to_owned(), ..Self::default() }
    }

    /// Whether a call was not sent yet; from now on it was.
    fn is_first(&mut self, call: &str) -> bool {
        let is_first = !self.did.iter().any(|did| did == call);
        if is_first {
            self.did.push(call.to_owned());
        }
        is_first
    }

    fn pending(self, id: &str) -> Progress {
        let poll_after = again(self.asked);
        let work = Self { asked: self.asked.saturating_add(1), ..self };
        // Plain data has a JSON form.
        let handle = Handle(serde_json::to_value(work).unwrap_or_default());
        Progress::Pending { id: Some(id.to_owned()), handle, poll_after, amount: None, note: None }
    }
}

impl Deployed {
    pub(crate) fn new(clients: Arc<Clients>) -> Self {
        Self { clients }
    }

    /// What is asked of one location: each has an address of its own.
    async fn ask(&self, doing: &str, method: Method, path: &str, body: Option<Json>) -> Result<Json, ProviderError> {
        let root = format!("https://{}-{API}.googleapis.com/", location(path));
        let query = Vec::new();
        let is_read = method == Method::GET;
        let call = Call { doing, method, api: (API, &root), path: format!("v1/{path}"), query, body };
        if is_read { self.clients.read(&call).await } else { self.clients.send(&call).await }
    }

    /// What an endpoint shows; none where it is gone.
    async fn endpoint(&self, endpoint: &str) -> Result<Option<Json>, ProviderError> {
        match self.ask("look at the endpoint", Method::GET, endpoint, None).await {
            Ok(shown) => Ok(Some(shown)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One by its endpoint and its number; none where that serves it not.
    async fn look(&self, endpoint: &str, number: &str) -> Result<Option<Found>, ProviderError> {
        let Some(shown) = self.endpoint(endpoint).await? else { return Ok(None) };
        let models = shown["deployedModels"].as_array().cloned().unwrap_or_default();
        let it = models.iter().find(|model| model["id"].as_str() == Some(number));
        Ok(it.map(|model| found(endpoint, number, model, &shown["trafficSplit"])))
    }

    /// Whether anything is being deployed at an endpoint, or undeployed.
    async fn is_busy(&self, endpoint: &str) -> Result<bool, ProviderError> {
        let said =
            self.ask("look what goes on at the endpoint", Method::GET, &format!("{endpoint}/operations"), None).await?;
        let all = said["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(all.iter().any(|operation| operation["done"] != true))
    }

    /// What comes of an answer, for one by its id.
    async fn after(&self, request: &Request, id: &str, work: Work, answer: &Json) -> Result<Progress, ProviderError> {
        let doing = format!("{} a deployed model", work.verb);
        match under_way(&doing, answer) {
            Ok(Some(operation)) => return Ok(Work { operation: Some(operation), ..work }.pending(id)),
            Ok(None) => {}
            Err(error) => return Ok(Progress::Failed(Box::new(error))),
        }
        match work.verb.as_str() {
            "delete" => Ok(Progress::Done(None)),
            _ => self.level(request, id, Work { operation: None, ..work }).await,
        }
    }

    /// Brings one that is there level with its spec, each by one call: how many machines, then the requests that it has.
    async fn level(&self, request: &Request, id: &str, mut work: Work) -> Result<Progress, ProviderError> {
        let (endpoint, number) = apart(id).unwrap_or_default();
        let Some(there) = self.look(endpoint, number).await? else {
            if work.looks < LOOKS || self.is_busy(endpoint).await? {
                return Ok(Work { looks: work.looks + 1, ..work }.pending(id));
            }
            let message = "it was to be deployed, and the endpoint does not serve it: apply again";
            return Ok(Progress::Failed(Box::new(ProviderError::new(Class::NotFound, message))));
        };
        let Spec { properties: wanted } = from_value(&request.spec)?;
        let Spec { properties: is } = from_value(&there.spec)?;
        let scale = |of: &Properties| (of.min_replica_count, of.max_replica_count, of.autoscaling_metric_specs.clone());
        if scale(&wanted) != scale(&is) && work.is_first(SCALE) {
            let mask = "dedicatedResources.minReplicaCount,dedicatedResources.maxReplicaCount,dedicatedResources.autoscalingMetricSpecs";
            let model = json!({ "id": number, "dedicatedResources": resources(&wanted) });
            let body = json!({ "deployedModel": model, "updateMask": mask });
            let path = format!("{endpoint}:mutateDeployedModel");
            let answer = self.ask("scale a deployed model", Method::POST, &path, Some(body)).await?;
            return Box::pin(self.after(request, id, work, &answer)).await;
        }
        if is.traffic != wanted.traffic && work.is_first(ROUTE) {
            self.route(endpoint, number).await?;
            return Box::pin(self.level(request, id, work)).await;
        }
        Ok(Progress::Done(Some(Box::new(there))))
    }

    /// Leads all requests of an endpoint to one.
    async fn route(&self, endpoint: &str, number: &str) -> Result<(), ProviderError> {
        let root = format!("https://{}-{API}.googleapis.com/", location(endpoint));
        let call = Call {
            doing: "lead the endpoint's requests to a deployed model",
            method: Method::PATCH,
            api: (API, &root),
            path: format!("v1/{endpoint}"),
            query: vec![("updateMask".to_owned(), "trafficSplit".to_owned())],
            body: Some(json!({ "trafficSplit": { number: 100 } })),
        };
        self.clients.send(&call).await.map(drop)
    }

    /// Of what has requests, another one that could have them, or none; nothing at all where it is not served.
    async fn others(&self, endpoint: &str, number: &str) -> Result<Option<Option<String>>, ProviderError> {
        let Some(shown) = self.endpoint(endpoint).await? else { return Ok(None) };
        let ids: Vec<&str> =
            shown["deployedModels"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str()).collect();
        if !ids.contains(&number) {
            return Ok(None);
        }
        let has_requests = shown["trafficSplit"][number].as_u64().is_some_and(|share| share > 0);
        let other = ids.into_iter().find(|id| *id != number).filter(|_| has_requests);
        Ok(Some(other.map(str::to_owned)))
    }

    async fn observed(&self, target: &Target<'_>) -> Observation {
        // By its number it is found when it is made.
        let By::Id(id) = target.by else { return Observation::Absent };
        let Some((endpoint, number)) = apart(id) else { return Observation::Absent };
        match self.look(endpoint, number).await {
            Ok(Some(found)) => Observation::Present(Box::new(found)),
            Ok(None) => Observation::Absent,
            Err(error) => Observation::Indeterminate(error.to_string()),
        }
    }
}

#[async_trait]
impl Manager for Deployed {
    fn schema(&self) -> &Schema {
        &SCHEMA
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        let wrong = |field: &str, word: &str| {
            let at = FieldPath::from_iter(["properties", field]);
            let path = spec.at(&at)?.revealed().as_str()?;
            let words: Vec<&str> = path.split('/').collect();
            let is_path = matches!(words[..], ["projects", _, "locations", _, of, _] if of == word);
            let message = format!("it is a path: `projects/PROJECT/locations/LOCATION/{word}/NAME`");
            (!is_path).then(|| Problem::new(at, message))
        };
        wrong("endpoint", "endpoints").into_iter().chain(wrong("model", "models")).collect()
    }

    fn api(&self) -> Api {
        self.clients.api(API)
    }

    /// What a request makes has the number that it gives it.
    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    fn is_alone_of_its_name(&self) -> bool {
        false
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let mut observations = Vec::with_capacity(targets.len());
        for target in targets {
            observations.push(self.observed(target).await);
        }
        Ok(Observed { observations, orphans: Vec::new() })
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Spec { properties } = from_value(&request.spec)?;
        let (endpoint, number) = (&properties.endpoint, number(request));
        let id = format!("{endpoint}/deployedModels/{number}");
        if self.look(endpoint, &number).await?.is_some() {
            return self.level(request, &id, Work::new("create")).await;
        }
        let mut model = json!({
            "id": number,
            "model": properties.model,
            "displayName": request.name,
            "dedicatedResources": resources(&properties),
        });
        if let Some(account) = &properties.service_account {
            model["serviceAccount"] = account.as_str().into();
        }
        // What is being deployed is called 0 there.
        let body = json!({ "deployedModel": model, "trafficSplit": { "0": 100 } });
        let path = format!("{endpoint}:deployModel");
        match self.ask("deploy a model", Method::POST, &path, Some(body)).await {
            Ok(answer) => self.after(request, &id, Work::new("create"), &answer).await,
            // A call whose reply was lost deploys it.
            Err(error) if error.class == Class::AlreadyExists => Ok(Work::new("create").pending(&id)),
            Err(error) => Err(error),
        }
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        let id = request.id.clone().unwrap_or_default();
        let (endpoint, number) = apart(&id).unwrap_or_default();
        if self.look(endpoint, number).await?.is_none() {
            return Err(ProviderError::new(Class::NotFound, "the deployed model is gone"));
        }
        self.level(request, &id, Work::new("update")).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some((id, (endpoint, number))) = request.id.as_deref().and_then(|id| Some((id, apart(id)?))) else {
            return Ok(Progress::Done(None));
        };
        let mut body = json!({ "deployedModelId": number });
        match self.others(endpoint, number).await? {
            None => return Ok(Progress::Done(None)),
            // What has requests can't go while others are there: one of those has them from then on.
            Some(Some(other)) => body["trafficSplit"] = json!({ other: 100 }),
            Some(None) => {}
        }
        match self.ask("undeploy a model", Method::POST, &format!("{endpoint}:undeployModel"), Some(body)).await {
            Ok(answer) => self.after(request, id, Work::new("delete"), &answer).await,
            Err(error) if error.class == Class::NotFound => Ok(Progress::Done(None)),
            Err(error) => Err(error),
        }
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        let unknown = |_| ProviderError::new(Class::Internal, "it is not known what goes on with the deployed model");
        let work: Work = serde_json::from_value(handle.0.clone()).map_err(unknown)?;
        let id = if let Some(id) = &request.id {
            id.clone()
        } else {
            let Spec { properties } = from_value(&request.spec)?;
            format!("{}/deployedModels/{}", properties.endpoint, number(request))
        };
        let Some(operation) = work.operation.clone() else { return self.level(request, &id, work).await };
        match self.ask("follow a deployed model", Method::GET, &operation, None).await {
            Ok(answer) => self.after(request, &id, work, &answer).await,
            // Google forgets what is long over: what is there tells what became of it.
            Err(error) if error.class == Class::NotFound && work.verb == "delete" => Ok(Progress::Done(None)),
            Err(error) if error.class == Class::NotFound => {
                self.level(request, &id, Work { operation: None, ..work }).await
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_an_endpoints_by_its_number() {
        let endpoint = "projects/p/locations/europe-west4/endpoints/e";
        assert_eq!(apart(&format!("{endpoint}/deployedModels/7")), Some((endpoint, "7")));
        assert_eq!(apart(endpoint), None);
        assert_eq!(location(endpoint), "europe-west4");
        assert_eq!(location("projects/p"), "");
    }

    #[test]
    fn what_is_told_is_shown_so() {
        let said = json!({ "properties": {
            "endpoint": "projects/p/locations/l/endpoints/e", "model": "projects/p/locations/l/models/m",
            "machineType": "g2-standard-4", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1,
            "minReplicaCount": 1, "maxReplicaCount": 3, "serviceAccount": "a@b",
            "autoscalingMetricSpecs": [{ "metricName": "x", "target": 60 }], "spot": true, "traffic": 100,
        } });
        let Spec { properties } = from_value(&said.clone().into()).unwrap();
        let shown = json!({
            "id": "7", "model": "projects/1234/locations/l/models/m@1", "serviceAccount": "a@b",
            "dedicatedResources": resources(&properties),
        });
        let found = found("projects/p/locations/l/endpoints/e", "7", &shown, &json!({ "7": 100 }));
        assert_eq!(found.spec, Value::from(said));
    }
}
