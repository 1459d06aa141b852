//! `gpu_instance` on Compute Engine, through Google's own client.
//!
//! A machine is launched by one call, which names and labels it and its disk, and is repeated with the same request id where its reply is
//! lost; it is made once it runs. Its name is its own in its zone. What it is told at its start it is told once.

mod beside;
mod catalog;
mod check;
mod disk;
mod effect;
mod found;
mod image;
mod launch;
mod level;
mod options;
mod resize;
mod startup;

pub(crate) use beside::{companions, kinds as beside};
pub(crate) use catalog::COMPUTE;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use google_cloud_compute_v1::model::instance::Status;
use google_cloud_compute_v1::model::{Instance, Operation, operation};
use serde::{Deserialize, Serialize};
use trueup_engine::kinds::{GpuInstance, Kind};
use trueup_engine::naming::{TAG_STACK, TAG_TOKEN};
use trueup_engine::provider::{
    Api, By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Target,
};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_state::{Class, Clock, Handle, Request, Value};

use crate::clients::{Clients, patiently};
use crate::error::{failed, of_operation};
use crate::labels;
use found::{found, id, is_over};
use resize::{Next, Resize};

/// For how many seconds what was made may not be seen yet.
const LAG: i64 = 120;

/// The manager of machines in one zone of a project.
pub(crate) struct Machines {
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
}

/// What goes on with a machine after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    /// It is made, and starts for the first time.
    Launch,
    /// It is made what its spec says.
    Level,
    /// It ends.
    Delete,
}

/// What is known of it between two looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Doing {
    verb: Verb,
    /// The operation that it is asked after by; none where that is over.
    operation: Option<String>,
    /// Since when, in seconds since 1970.
    since: i64,
    /// The change of its type or its account that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resize: Option<Resize>,
}

/// How an operation is.
enum Step {
    Goes,
    Over,
    Failed(ProviderError),
}

impl Machines {
    pub(crate) fn new(clients: Arc<Clients>, clock: Arc<dyn Clock>) -> Self {
        Self { clients, clock }
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        self.clock.now().0 / 1000
    }

    fn zone(&self) -> Result<&str, ProviderError> {
        let none = || launch::invalid("zone", "there is no zone: say `zone` of its provider, or in its `placement`");
        self.clients.zone.as_deref().ok_or_else(none)
    }

    /// The name of a machine by its id, where that is one of this zone's.
    fn name_of<'a>(&self, id: &'a str) -> Option<&'a str> {
        let place = format!("projects/{}/zones/{}/instances/", self.clients.project, self.clients.zone.as_deref()?);
        id.strip_prefix(&place)
    }

    /// What is to be asked after, the later the longer it goes on.
    fn pending(&self, id: String, doing: &Doing, note: Option<&str>) -> Progress {
        let age = u64::try_from(self.now() - doing.since).unwrap_or_default();
        // Plain data has a JSON form.
        let handle = Handle(serde_json::to_value(doing).unwrap_or_default());
        let poll_after = Duration::from_secs((age / 8).clamp(1, 10));
        Progress::Pending { id: Some(id), handle, poll_after, amount: None, note: note.map(str::to_owned) }
    }

    fn begun(&self, id: String, verb: Verb, operation: Operation) -> Progress {
        self.pending(id, &Doing { verb, operation: operation.name, since: self.now(), resize: None }, None)
    }

    /// The id of the machine that a request is about.
    fn id_of(&self, request: &Request) -> Result<String, ProviderError> {
        let place = || Ok(format!("projects/{}/zones/{}/instances", self.clients.project, self.zone()?));
        request.id.clone().map_or_else(|| Ok(format!("{}/{}", place()?, request.name)), Ok)
    }

    /// A machine by its name; none where it is not there.
    async fn see(&self, name: &str) -> Result<Option<Instance>, ProviderError> {
        let (zone, instances) = (self.zone()?, &self.clients.compute().await?.instances);
        let ask = || async {
            let call = instances.get().set_project(&self.clients.project).set_zone(zone).set_instance(name);
            call.send().await.map_err(|error| failed("read the machine", &error))
        };
        match patiently(ask).await {
            Ok(machine) => Ok(Some(machine).filter(|machine| !is_over(machine))),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How an operation is. Google forgets what is long over.
    async fn step(&self, doing: &Doing) -> Result<Step, ProviderError> {
        let Some(name) = &doing.operation else { return Ok(Step::Over) };
        let (zone, operations) = (self.zone()?, &self.clients.compute().await?.operations);
        let ask = || async {
            let call = operations.get().set_project(&self.clients.project).set_zone(zone).set_operation(name);
            call.send().await.map_err(|error| failed("ask after the machine", &error))
        };
        match patiently(ask).await {
            Ok(said) if said.status != Some(operation::Status::Done) => Ok(Step::Goes),
            Ok(said) => Ok(said.error.as_ref().map_or(Step::Over, |error| {
                let status = said.http_error_status_code.and_then(|status| u64::try_from(status).ok());
                let error = serde_json::to_value(error).unwrap_or_default();
                Step::Failed(of_operation(doing.verb.words(), &error, status))
            })),
            Err(error) if error.class == Class::NotFound => Ok(Step::Over),
            Err(error) => Err(error),
        }
    }

    /// What is there of a machine that was launched. It is made once it runs.
    async fn launched(&self, request: &Request, doing: Doing) -> Result<Progress, ProviderError> {
        let id = self.id_of(request)?;
        let name = self.name_of(&id).unwrap_or_default();
        let Some(machine) = self.see(name).await? else {
            let is_late = self.now() - doing.since >= LAG;
            let again = || self.pending(id.clone(), &doing, Some("it is not listed yet"));
            return Ok(if is_late { Progress::Failed(Box::new(never_ran(name, &request.spec))) } else { again() });
        };
        let found = || found(&self.clients.project, &machine, Some(&request.spec));
        Ok(match machine.status {
            Some(Status::Running) => Progress::Done(Some(Box::new(found()))),
            Some(Status::Stopped | Status::Stopping | Status::Terminated | Status::Suspended) => {
                let why = machine.status_message.as_deref().unwrap_or("Google does not say why");
                let error = ProviderError::new(Class::Conflict, format!("the machine stopped before it ran: {why}"));
                Progress::Failed(Box::new(error.partly(request, found())))
            }
            // What waits for its turn is made, and has nothing to run on yet.
            Some(Status::Pending) => self.pending(id, &doing, Some("it waits for its turn")),
            _ => self.pending(id, &doing, Some("it starts")),
        })
    }

    /// A launch that failed. What it left is ours, or nothing is there.
    async fn left(&self, request: &Request, error: ProviderError) -> ProviderError {
        if error.class == Class::AlreadyExists {
            return error;
        }
        let Ok(Some(machine)) = self.see(&request.name).await else { return error };
        let found = found(&self.clients.project, &machine, Some(&request.spec));
        let is_ours = found.owner.get(TAG_TOKEN) == request.owner.get(TAG_TOKEN);
        if is_ours { error.partly(request, found) } else { error }
    }

    /// Brings a machine level, a call at a time. `doing`: what went on until now; none at first.
    async fn bring_level(&self, request: &Request, doing: Option<Doing>) -> Result<Progress, ProviderError> {
        let id = self.id_of(request)?;
        let name = self.name_of(&id).unwrap_or_default();
        let Some(machine) = self.see(name).await? else { return Ok(Progress::Failed(Box::new(gone(name)))) };
        let found = || found(&self.clients.project, &machine, Some(&request.spec));
        let since = doing.as_ref().map(|doing| doing.since);
        let mut resize = doing.and_then(|doing| doing.resize);
        let next = level::next(&self.clients, request, &machine, (self.zone()?, &mut resize)).await;
        match (next, resize.as_ref().and_then(Resize::error)) {
            (Ok(Next::Level), None) => Ok(Progress::Done(Some(Box::new(found())))),
            (Ok(Next::Level), Some(error)) => Ok(Progress::Failed(Box::new(error.partly(request, found())))),
            (Ok(next), _) => {
                let operation = if let Next::Goes(operation) = next { operation.name } else { None };
                let since = since.unwrap_or_else(|| self.now());
                let doing = Doing { verb: Verb::Level, operation, since, resize };
                Ok(self.pending(id, &doing, None))
            }
            (Err(error), _) if since.is_none() || may_pass(&error) => Err(error),
            (Err(error), _) => self.not_levelled(request, error, resize).await,
        }
    }

    /// A step that failed: what has another type and can't start with it gets its old one back.
    async fn not_levelled(
        &self,
        request: &Request,
        error: ProviderError,
        resize: Option<Resize>,
    ) -> Result<Progress, ProviderError> {
        let id = self.id_of(request)?;
        let name = self.name_of(&id).unwrap_or_default();
        let Some(machine) = self.see(name).await? else { return Ok(Progress::Failed(Box::new(gone(name)))) };
        if let Some(back) = resize.as_ref().and_then(|resize| resize.failed(&error, &machine)) {
            let doing = Doing { verb: Verb::Level, operation: None, since: self.now(), resize: Some(back) };
            return Ok(self.pending(id, &doing, Some("it gets its old type back")));
        }
        let error = match resize.as_ref().and_then(Resize::error) {
            Some(first) => ProviderError {
                message: format!("{}; it can't be as it was: {}", first.message, error.message),
                ..first
            },
            None => error,
        };
        let found = found(&self.clients.project, &machine, Some(&request.spec));
        Ok(Progress::Failed(Box::new(error.partly(request, found))))
    }

    /// What is there of targets that are known by their ids: by one list of the project, and what that does not show by itself.
    async fn by_ids(&self, targets: &[Target<'_>]) -> Result<Listed, ProviderError> {
        let asked: BTreeMap<&str, Option<&Value>> =
            targets.iter().filter_map(|target| Some((of_id(target)?, target.sent))).collect();
        let project = &self.clients.project;
        let all = self.clients.compute().await?.machines(project).await?;
        let all: BTreeMap<String, &Instance> =
            all.iter().filter(|machine| !is_over(machine)).map(|machine| (id(project, machine), machine)).collect();
        let mut listed = Listed::default();
        let stack = |machine: &Instance| machine.labels.get(&labels::key(TAG_STACK)).cloned();
        let stacks: BTreeSet<String> = asked.keys().filter_map(|id| stack(all.get(*id)?)).collect();
        for (id, sent) in &asked {
            let observation = match all.get(*id) {
                Some(machine) => Observation::Present(Box::new(found(project, machine, *sent))),
                None => self.observe_one(id, *sent).await,
            };
            listed.observations.insert((*id).to_owned(), observation);
        }
        let is_stranger = |id: &str, machine: &Instance| {
            let is_here = self.name_of(id).is_some() && !asked.contains_key(id);
            is_here && stack(machine).is_some_and(|stack| asked.is_empty() || stacks.contains(&stack))
        };
        let strangers = all.iter().filter(|(id, machine)| is_stranger(id, machine));
        listed.orphans = strangers.map(|(_, machine)| found(project, machine, None)).collect();
        Ok(listed)
    }

    /// One machine by its id, or by its name here.
    async fn observe_one(&self, id: &str, sent: Option<&Value>) -> Observation {
        let name = self.name_of(id).unwrap_or(id);
        if name.contains('/') {
            let zone = self.clients.zone.as_deref().unwrap_or("no zone");
            return Observation::Indeterminate(format!("`{name}` is asked for in {zone}, and is not of it"));
        }
        if name.is_empty() {
            return Observation::Absent;
        }
        match self.see(name).await {
            Ok(Some(machine)) => self.observation(&machine, sent),
            Ok(None) => Observation::Absent,
            Err(error) => Observation::Indeterminate(error.to_string()),
        }
    }

    /// A machine that is found while it starts is yet to be waited for.
    fn observation(&self, machine: &Instance, sent: Option<&Value>) -> Observation {
        let mut found = found(&self.clients.project, machine, sent);
        if matches!(machine.status, Some(Status::Pending | Status::Provisioning | Status::Staging)) {
            let doing = Doing { verb: Verb::Launch, operation: None, since: self.now(), resize: None };
            found.pending = serde_json::to_value(doing).ok().map(Handle);
        }
        Observation::Present(Box::new(found))
    }

    /// The machine that a token made.
    async fn by_token(&self, token: &str, sent: Option<&Value>) -> Observation {
        let all = async { self.clients.compute().await?.machines(&self.clients.project).await }.await;
        let label = labels::key(TAG_TOKEN);
        let is_it = |machine: &&Instance| {
            let is_here = self.name_of(&id(&self.clients.project, machine)).is_some();
            is_here && !is_over(machine) && machine.labels.get(&label).is_some_and(|value| value == token)
        };
        match all {
            Ok(all) => all.iter().find(is_it).map_or(Observation::Absent, |machine| self.observation(machine, sent)),
            Err(error) => Observation::Indeterminate(error.to_string()),
        }
    }
}

/// What is there of what was asked for by ids.
#[derive(Default)]
struct Listed {
    observations: BTreeMap<String, Observation>,
    orphans: Vec<Found>,
}

impl Verb {
    fn words(self) -> &'static str {
        match self {
            Self::Launch => "launch the machine",
            Self::Level => "change the machine",
            Self::Delete => "delete the machine",
        }
    }
}

fn gone(name: &str) -> ProviderError {
    ProviderError::new(Class::NotFound, format!("the machine {name} is gone")).code("notFound")
}

/// A machine that was gone before it ran. Google takes back what it lends, and what waited for its turn in vain.
fn never_ran(name: &str, spec: &Value) -> ProviderError {
    let is_spot = spec.get("market").is_some_and(|market| market.revealed().as_str() == Some("spot"));
    if !is_spot && options::is_so(spec, "flex_start") != Some(true) {
        return gone(name);
    }
    ProviderError::new(Class::NoCapacity, format!("the machine {name} was taken back before it ran"))
}

fn may_pass(error: &ProviderError) -> bool {
    matches!(error.class, Class::Transient | Class::Throttled { .. } | Class::Conflict)
}

/// The id that a target is looked for by, where it is.
fn of_id<'t>(target: &Target<'t>) -> Option<&'t str> {
    match target.by {
        By::Id(id) => Some(id),
        By::Name(_) | By::Token(_) => None,
    }
}

#[async_trait]
impl Manager for Machines {
    fn schema(&self) -> &Schema {
        GpuInstance::schema()
    }

    fn effect(&self, before: &Value, after: &Value) -> Effect {
        effect::effect(self.schema(), before, after)
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        check::problems(spec, self.clients.zone.as_deref())
    }

    fn api(&self) -> Api {
        self.clients.api("compute")
    }

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let is_by_id = targets.iter().any(|target| of_id(target).is_some()) || targets.is_empty();
        let mut listed = if is_by_id { self.by_ids(targets).await? } else { Listed::default() };
        let mut observations = Vec::with_capacity(targets.len());
        for target in targets {
            observations.push(match target.by {
                By::Id(id) => listed.observations.remove(id).unwrap_or(Observation::Absent),
                By::Name(name) => self.observe_one(name, target.sent).await,
                By::Token(token) => self.by_token(token.as_str(), target.sent).await,
            });
        }
        Ok(Observed { observations, orphans: listed.orphans })
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let zone = self.zone()?;
        let machine = launch::machine(&self.clients, request, zone).await?;
        let instances = &self.clients.compute().await?.instances;
        let call = instances.insert().set_project(&self.clients.project).set_zone(zone).set_body(machine);
        let sent = call.set_request_id(request.token.to_string()).send().await;
        let operation = sent.map_err(|error| failed(Verb::Launch.words(), &error))?;
        Ok(self.begun(self.id_of(request)?, Verb::Launch, operation))
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.bring_level(request, None).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        let Some(id) = &request.id else { return Ok(Progress::Done(None)) };
        let Some(name) = self.name_of(id) else {
            let message = format!("`{id}` is no machine of {}", self.zone()?);
            return Err(ProviderError::new(Class::Invalid { field: None }, message));
        };
        let instances = &self.clients.compute().await?.instances;
        let call = instances.delete().set_project(&self.clients.project).set_zone(self.zone()?).set_instance(name);
        match call.set_request_id(request.token.to_string()).send().await {
            Ok(operation) => Ok(self.begun(id.clone(), Verb::Delete, operation)),
            Err(error) => match failed(Verb::Delete.words(), &error) {
                error if error.class == Class::NotFound => Ok(Progress::Done(None)),
                error => Err(error),
            },
        }
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        let unknown = |_| ProviderError::new(Class::Internal, "it is not known what goes on with the machine");
        let doing: Doing = serde_json::from_value(handle.0.clone()).map_err(unknown)?;
        let step = self.step(&doing).await?;
        Ok(match (doing.verb, step) {
            (_, Step::Goes) => self.pending(self.id_of(request)?, &doing, None),
            (Verb::Launch, Step::Over) => {
                // From then on it should be seen.
                let since = if doing.operation.is_some() { self.now() } else { doing.since };
                self.launched(request, Doing { operation: None, since, ..doing }).await?
            }
            (Verb::Level, Step::Over) => self.bring_level(request, Some(doing)).await?,
            (Verb::Level, Step::Failed(error)) if doing.resize.is_some() => {
                self.not_levelled(request, error, doing.resize).await?
            }
            (Verb::Delete, Step::Over) => Progress::Done(None),
            (Verb::Delete, Step::Failed(error)) if error.class == Class::NotFound => Progress::Done(None),
            (Verb::Launch, Step::Failed(error)) => Progress::Failed(Box::new(self.left(request, error).await)),
            (_, Step::Failed(error)) => Progress::Failed(Box::new(error)),
        })
    }

    async fn left(&self, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
        startup::left(&self.clients, request).await
    }
}
