//! `gpu_instance` on EC2, through its own SDK.
//!
//! A machine is launched by one call, which names and tags it and all that comes with it, and is repeated with the same token where its
//! reply is lost; it is made once it runs. What it is told at its start it is told once: what of that changes needs another machine.

mod beside;
mod catalog;
mod check;
mod disk;
mod effect;
mod ended;
mod found;
mod image;
mod key_pair;
mod launch;
mod level;
mod look;
mod resize;
mod startup;

pub(crate) use beside::{companions, kinds as beside};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Instance, InstanceStateName};
use serde::{Deserialize, Serialize};
use trueup_engine::kinds::{GpuInstance, Kind};
use trueup_engine::provider::{
    Api, By, Found, Manager, Observation, Observed, Progress, ProviderError, RetrySafety, Source, Target,
};
use trueup_engine::schema::{Effect, Problem, Schema};
use trueup_state::{Class, Clock, FieldPath, Handle, Request, Value};

use crate::clients::Clients;
use crate::error::failed;
use catalog::EC2;
use ended::state;
use found::{found, type_of};
use launch::invalid;
use look::{Seen, filter, id, literal};
use resize::{Resize, Step};

/// Where what AWS alone has stands in a spec.
static OPTIONS: LazyLock<FieldPath> = LazyLock::new(|| FieldPath::from_iter(["options", "aws"]));
/// The tag that holds a machine's name.
const NAME: &str = "Name";
/// For how long EC2 knows a token at least, by *Ensuring idempotency*: a day after the machine has gone, and longer while it is there.
const TOKEN_LIVES: Duration = Duration::from_hours(24);
/// For how many seconds what was made or changed may not be seen yet.
const LAG: i64 = 600;
/// For how many seconds a machine may take to stop and start again: those with the most memory take long.
const LONGEST_RESIZE: i64 = 3600;

/// The manager of machines in one account and region.
pub(crate) struct Instances {
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
}

/// What goes on with a machine after a call. `since`: when that began, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    /// It starts for the first time.
    Launch { id: String, since: i64 },
    /// It is made what its spec says, but for its type.
    Level { since: i64 },
    /// It gets another type.
    Resize { since: i64, resize: Resize },
    /// It ends.
    Terminate { since: i64 },
}

impl Doing {
    fn since(&self) -> i64 {
        match self {
            Self::Launch { since, .. }
            | Self::Level { since }
            | Self::Resize { since, .. }
            | Self::Terminate { since } => *since,
        }
    }

    fn of(handle: &Handle) -> Result<Self, ProviderError> {
        let unknown = |_| ProviderError::new(Class::Internal, "it is not known what goes on with the machine");
        serde_json::from_value(handle.0.clone()).map_err(unknown)
    }
}

impl Instances {
    pub(crate) fn new(clients: Arc<Clients>, clock: Arc<dyn Clock>) -> Self {
        Self { clients, clock }
    }

    /// Seconds since 1970.
    fn now(&self) -> i64 {
        self.clock.now().0 / 1000
    }

    /// What is to be asked after, the later the longer it goes on. `at`: what it is at, in a few words.
    fn pending(&self, id: &str, doing: &Doing, at: Option<&str>) -> Progress {
        let age = u64::try_from(self.now() - doing.since()).unwrap_or_default();
        // Plain data has a JSON form.
        let handle = Handle(serde_json::to_value(doing).unwrap_or_default());
        let poll_after = Duration::from_secs((age / 8).clamp(1, 10));
        Progress::Pending { id: Some(id.to_owned()), handle, poll_after, amount: None, note: at.map(str::to_owned) }
    }

    fn found(&self, seen: &Seen, request: &Request) -> Found {
        found(&self.clients.region, seen, Some(&request.spec))
    }

    async fn see(&self, id: &str) -> Result<Option<Seen>, ProviderError> {
        look::one(&self.clients.ec2.reads, id).await
    }

    /// What is there of a machine that was launched. It is made once it runs.
    async fn launched(&self, request: &Request, id: &str, since: i64) -> Result<Progress, ProviderError> {
        let doing = || Doing::Launch { id: id.to_owned(), since };
        let Some(seen) = self.see(id).await? else {
            return Ok(if self.now() - since < LAG {
                self.pending(id, &doing(), Some("it is not listed yet"))
            } else {
                Progress::Failed(Box::new(gone(id)))
            });
        };
        let machine = &seen.machine;
        if ended::is_over(machine) {
            return Ok(Progress::Failed(Box::new(ended::failure(machine))));
        }
        match state(machine) {
            None | Some(InstanceStateName::Pending) => Ok(self.pending(id, &doing(), Some("it starts"))),
            _ => Ok(match misplaced(&seen) {
                Some(error) => Progress::Failed(Box::new(error.partly(request, self.found(&seen, request)))),
                None => Progress::Done(Some(Box::new(self.found(&seen, request)))),
            }),
        }
    }

    /// Brings a machine level. `since`: when that began, where it was begun before.
    async fn bring_level(&self, request: &Request, since: Option<i64>) -> Result<Progress, ProviderError> {
        let id = request.id.as_deref().unwrap_or_default();
        let mut is_changed = since.is_some();
        let mut last = None;
        // What was written is looked at again, and mostly shows at once.
        for _ in 0..2 {
            let seen = self.see(id).await?.filter(|seen| !ended::is_over(&seen.machine));
            let Some(seen) = seen else { return Ok(Progress::Failed(Box::new(gone(id)))) };
            let mut is_written = false;
            let written = level::level(&self.clients, request, &seen, &mut is_written).await;
            is_changed |= is_written;
            match written {
                Ok(()) if !is_written => return Ok(self.leveled(request, &seen)),
                Ok(()) => last = Some(seen),
                // Nothing was changed, or it is asked after again.
                Err(error) if !is_changed || since.is_some() && may_pass(&error) => return Err(error),
                Err(error) if may_pass(&error) => last = Some(seen),
                Err(error) => return Ok(self.partly(request, &seen, error)),
            }
        }
        let since = since.unwrap_or_else(|| self.now());
        match last {
            Some(seen) if self.now() - since >= LAG => {
                let error = ProviderError::new(Class::Transient, "EC2 does not show what it was told");
                Ok(self.partly(request, &seen, error))
            }
            _ => Ok(self.pending(id, &Doing::Level { since }, None)),
        }
    }

    /// What an update failed at that changed something.
    fn partly(&self, request: &Request, seen: &Seen, error: ProviderError) -> Progress {
        Progress::Failed(Box::new(error.partly(request, self.found(seen, request))))
    }

    /// A machine that is level but for its type, perhaps. What stops it is begun only once that is recorded.
    fn leveled(&self, request: &Request, seen: &Seen) -> Progress {
        let is_wanted = EC2.machine_type(&request.spec).is_none_or(|wanted| wanted == type_of(&seen.machine));
        if is_wanted {
            return Progress::Done(Some(Box::new(self.found(seen, request))));
        }
        let runs = matches!(state(&seen.machine), Some(InstanceStateName::Running | InstanceStateName::Pending));
        let resize = Resize { from: type_of(&seen.machine).to_owned(), start: runs, back: None };
        self.pending(id(&seen.machine), &Doing::Resize { since: self.now(), resize }, Some("it gets another type"))
    }

    async fn resized(&self, request: &Request, resize: Resize, since: i64) -> Result<Progress, ProviderError> {
        let id = request.id.as_deref().unwrap_or_default();
        let seen = self.see(id).await?.filter(|seen| !ended::is_over(&seen.machine));
        let Some(seen) = seen else { return Ok(Progress::Failed(Box::new(gone(id)))) };
        let wanted = EC2.machine_type(&request.spec).unwrap_or(&resize.from);
        let at = state(&seen.machine).map(|state| state.as_str().to_owned());
        let step = resize.step(&self.clients, &seen.machine, wanted).await?;
        let was = &resize.from;
        Ok(match step {
            Step::Wait if self.now() - since >= LONGEST_RESIZE => {
                let message = format!("it is {} still, and takes no other type", at.unwrap_or_default());
                self.partly(request, &seen, ProviderError::new(Class::Transient, message))
            }
            Step::Wait => self.pending(id, &Doing::Resize { since, resize }, at.as_deref()),
            Step::Done => Progress::Done(Some(Box::new(self.found(&seen, request)))),
            Step::Back(why) => {
                let back = Resize { back: Some(why), ..resize };
                self.pending(id, &Doing::Resize { since, resize: back }, Some("it gets its old type back"))
            }
            Step::IsBack(why) => self.partly(request, &seen, why.error(&format!("it is a {was} as before"))),
            Step::Lost(error) => self.partly(request, &seen, error),
        })
    }

    async fn terminate(&self, id: &str, since: Option<i64>) -> Result<Progress, ProviderError> {
        let ended = self.clients.ec2.writes.terminate_instances().instance_ids(id).send().await;
        match ended.map_err(|error| failed("terminate the machine", &error)) {
            Ok(_) => {
                let since = since.unwrap_or_else(|| self.now());
                Ok(self.pending(id, &Doing::Terminate { since }, None))
            }
            Err(error) if error.class == Class::NotFound => Ok(Progress::Done(None)),
            Err(error) if error.code == "OperationNotPermitted" => {
                let message = format!("the machine {id} is protected from termination at AWS: take that off there");
                Err(ProviderError { class: Class::Invalid { field: None }, message, ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// How far a machine is that is to end. A call that came to nothing is made again.
    async fn terminated(&self, request: &Request, since: i64) -> Result<Progress, ProviderError> {
        let id = request.id.as_deref().unwrap_or_default();
        let Some(seen) = self.see(id).await? else { return Ok(Progress::Done(None)) };
        match state(&seen.machine) {
            Some(InstanceStateName::Terminated) => Ok(Progress::Done(None)),
            Some(InstanceStateName::ShuttingDown) => Ok(self.pending(id, &Doing::Terminate { since }, Some("it ends"))),
            _ => self
                .terminate(id, Some(since))
                .await
                .or_else(|error| if may_pass(&error) { Err(error) } else { Ok(Progress::Failed(Box::new(error))) }),
        }
    }

    /// What is there of machines that were asked for, as observations by their ids.
    async fn observations(&self, listed: &[(&Instance, Option<&Value>)], lineage: Option<&str>) -> Observations {
        let is_asked = |sent: Option<&Value>| sent.is_none_or(|sent| sent.get("disk").is_some());
        let there = listed.iter().filter(|(machine, sent)| !ended::is_over(machine) && is_asked(*sent));
        let disks: BTreeSet<&str> = there.filter_map(|(machine, _)| look::disk_of(machine)).collect();
        let disks = look::disks(&self.clients.ec2.reads, disks, lineage).await;
        let one = |(machine, sent): &(&Instance, Option<&Value>)| {
            let observation = match (&disks, ended::is_over(machine)) {
                (_, true) => ended::why(machine).map_or(Observation::Absent, Observation::Ended),
                (Err(error), false) => Observation::Indeterminate(error.to_string()),
                (Ok(disks), false) => {
                    let disk = look::disk_of(machine).and_then(|disk| disks.get(disk)).cloned();
                    let seen = Seen { machine: (*machine).clone(), disk };
                    Observation::Present(Box::new(found(&self.clients.region, &seen, *sent)))
                }
            };
            (id(machine).to_owned(), observation)
        };
        listed.iter().map(one).collect()
    }

    /// Of spot machines that are not listed any more: those that AWS took back.
    async fn taken_back(&self, missing: &[&str]) -> BTreeMap<String, String> {
        if missing.is_empty() {
            return BTreeMap::new();
        }
        // That they are gone is certain; only why is asked here.
        let statuses = look::spot_statuses(&self.clients.ec2.reads, missing).await.unwrap_or_default();
        statuses.into_iter().filter_map(|(id, status)| Some((id, ended::why_spot(&status)?))).collect()
    }

    /// The one machine that a name or a token leads to.
    async fn search(&self, target: &Target<'_>) -> Observation {
        let found = match target.by {
            By::Name(name) if !name.is_empty() => {
                look::list(&self.clients.ec2.reads, vec![filter(&format!("tag:{NAME}"), [literal(name)])]).await
            }
            By::Token(token) => {
                launch::by_token(&self.clients.ec2.reads, token).await.map(|found| found.into_iter().collect())
            }
            By::Id(_) | By::Name(_) => return Observation::Absent,
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => return Observation::Indeterminate(error.to_string()),
        };
        let there: Vec<&Instance> = found.iter().filter(|machine| !ended::is_over(machine)).collect();
        match there[..] {
            [] => Observation::Absent,
            [machine] => {
                let observations = self.observations(&[(machine, target.sent)], None).await;
                let mut observations = observations.into_values();
                observations
                    .next()
                    .map_or(Observation::Absent, |observation| self.perhaps_pending(observation, machine))
            }
            _ => {
                let ids: Vec<&str> = there.into_iter().map(id).collect();
                Observation::Indeterminate(format!("several machines have this name: {}", ids.join(", ")))
            }
        }
    }

    /// A machine that is found while it starts is yet to be waited for.
    fn perhaps_pending(&self, mut observation: Observation, machine: &Instance) -> Observation {
        if let Observation::Present(found) = &mut observation
            && state(machine) == Some(&InstanceStateName::Pending)
        {
            let doing = Doing::Launch { id: found.id.clone(), since: self.now() };
            found.pending = serde_json::to_value(doing).ok().map(Handle);
        }
        observation
    }
}

/// What machines are, by their ids.
type Observations = BTreeMap<String, Observation>;

/// That a machine did not start from the disk that it was given: an image's maker may call its boot disk otherwise.
fn misplaced(seen: &Seen) -> Option<ProviderError> {
    let disk = seen.disk.as_ref()?;
    let root = seen.machine.root_device_name().unwrap_or_default();
    let message = format!("its image starts from {root}, which is not encrypted: say `root_device: {root}`");
    (disk.encrypted() != Some(true)).then(|| invalid("options.aws.root_device", message))
}

fn gone(id: &str) -> ProviderError {
    ProviderError::new(Class::NotFound, format!("the machine {id} is gone")).code("InvalidInstanceID.NotFound")
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

fn is_spot(sent: Option<&Value>) -> bool {
    sent.and_then(|sent| sent.get("market")).is_some_and(|market| market.revealed().as_str() == Some("spot"))
}

#[async_trait]
impl Manager for Instances {
    fn schema(&self) -> &Schema {
        GpuInstance::schema()
    }

    fn effect(&self, before: &Value, after: &Value) -> Effect {
        effect::effect(self.schema(), before, after)
    }

    fn respelled(&self, wanted: &Value, other: &Value, source: Source) -> Value {
        if source == Source::Sent { effect::respelled(wanted, other) } else { other.clone() }
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        check::problems(spec)
    }

    fn api(&self) -> Api {
        self.clients.api("ec2")
    }

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::ClientToken { valid_for: TOKEN_LIVES }
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let asked: BTreeMap<&str, Option<&Value>> =
            targets.iter().filter_map(|target| Some((of_id(target)?, target.sent))).collect();
        let ids: BTreeSet<&str> = asked.keys().copied().collect();
        let listing = look::listing(&self.clients.ec2.reads, &ids).await?;
        let is_ours = |machine: &&Instance| match &listing.lineage {
            Some(lineage) => look::lineage(machine) == Some(lineage),
            None => ids.is_empty() && look::lineage(machine).is_some(),
        };
        let strangers = listing.machines.values().filter(|machine| !ids.contains(id(machine)));
        let strangers = strangers.filter(|machine| !ended::is_over(machine)).filter(is_ours);
        let orphans = strangers.map(|machine| {
            let seen = Seen { machine: machine.clone(), disk: None };
            found(&self.clients.region, &seen, None)
        });
        let listed: Vec<(&Instance, Option<&Value>)> =
            ids.iter().filter_map(|id| Some((listing.machines.get(*id)?, asked[id]))).collect();
        let mut by_id = self.observations(&listed, listing.lineage.as_deref()).await;
        let missing = asked.iter().filter(|(id, sent)| !by_id.contains_key(**id) && is_spot(**sent));
        let taken = self.taken_back(&missing.map(|(id, _)| *id).collect::<Vec<_>>()).await;
        by_id.extend(taken.into_iter().map(|(id, why)| (id, Observation::Ended(why))));
        let mut observations = Vec::with_capacity(targets.len());
        for target in targets {
            observations.push(match of_id(target) {
                Some(id) => by_id.get(id).cloned().unwrap_or(Observation::Absent),
                None => self.search(target).await,
            });
        }
        Ok(Observed { observations, orphans: orphans.collect() })
    }

    async fn create(&self, request: &Request) -> Result<Progress, ProviderError> {
        let machine = launch::launch(&self.clients, request).await?;
        if ended::is_over(&machine) {
            return Ok(Progress::Failed(Box::new(ended::failure(&machine))));
        }
        let doing = Doing::Launch { id: id(&machine).to_owned(), since: self.now() };
        Ok(self.pending(id(&machine), &doing, Some("it starts")))
    }

    async fn update(&self, request: &Request) -> Result<Progress, ProviderError> {
        self.bring_level(request, None).await
    }

    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError> {
        match request.id.as_deref() {
            Some(id) => self.terminate(id, None).await,
            None => Ok(Progress::Done(None)),
        }
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError> {
        match Doing::of(handle)? {
            Doing::Launch { id, since } => self.launched(request, &id, since).await,
            Doing::Level { since } => self.bring_level(request, Some(since)).await,
            Doing::Resize { since, resize } => self.resized(request, resize, since).await,
            Doing::Terminate { since } => self.terminated(request, since).await,
        }
    }

    async fn left(&self, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
        startup::left(&self.clients, request).await
    }
}
