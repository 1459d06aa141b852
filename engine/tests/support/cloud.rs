//! The toy cloud: what is there, what was asked of it, and what is to go wrong.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use trueup_engine::provider::{Found, Progress, ProviderError, RetrySafety};
use trueup_state::entry::{Class, Handle, Request};
use trueup_state::{Map, Scope, Value};

use super::clock::uptime;
use super::crash::{Crash, Moment, due};
use super::kinds::ToyKind;
use super::limits::Limits;
use super::things::{Thing, found, kept, plain};

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It fails, and leaves nothing behind.
    Fails(Class),
    /// Its reply is lost, and it took no effect.
    LostBefore,
    /// Its reply is lost after it took effect.
    LostAfter,
    /// It fails, and leaves an object that is not whole.
    Partly,
    /// It is taken, and fails when it is asked after.
    FailsLater(Class),
    /// It succeeds with an attribute that no plan allows.
    BreaksPromise,
    /// It never answers, and takes no effect.
    Hangs,
}

/// One call that was made.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) verb: &'static str,
    pub(crate) address: String,
    pub(crate) region: String,
    pub(crate) token: String,
    pub(crate) at: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    things: BTreeMap<String, Thing>,
    /// Why things came to an end that nobody deleted, by their ids.
    ended: BTreeMap<String, String>,
    tokens: BTreeMap<String, (String, Value)>,
    jobs: BTreeMap<u64, Job>,
    script: BTreeMap<String, VecDeque<Fault>>,
    /// What goes wrong with the call of a number, counted down.
    nth: Option<(usize, Fault)>,
    calls: Vec<Call>,
    wrongs: Vec<String>,
    busy: BTreeMap<String, (usize, usize)>,
    next: u64,
    prepares: usize,
}

#[derive(Clone, Debug)]
struct Job {
    found: Option<Found>,
    left: u32,
    fails: Option<Class>,
}

impl Inner {
    fn count_down(&mut self) -> Option<Fault> {
        let (left, _) = self.nth.as_mut()?;
        *left -= 1;
        if *left == 0 { self.nth.take().map(|(_, fault)| fault) } else { None }
    }
}

/// How the cloud behaves, until it is told otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// How long each call takes.
    pub(crate) latency: Duration,
    /// How long it takes to look at what is there.
    pub(crate) looks: Duration,
    /// How often pending work is asked after before it is done; 0: nothing is ever pending.
    pub(crate) polls: u32,
    /// How long a new object is missing from lists.
    pub(crate) lag: Duration,
    /// Whether errors repeat what they were sent.
    pub(crate) gossips: bool,
    /// Whether it has learned since that a toy takes no note.
    pub(crate) takes_no_note: bool,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Cloud {
    inner: Mutex<Inner>,
    pub(crate) manners: Mutex<Manners>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) crash: Arc<Crash>,
    /// The call to die at, counted down, and when.
    pub(crate) die_at: Mutex<Option<(usize, Moment)>>,
}

/// Counts a call as under way until it is dropped.
struct Busy<'a>(&'a Cloud, [&'a str; 2]);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        self.1.iter().for_each(|name| inner.busy.get_mut(*name).unwrap().0 -= 1);
    }
}

impl Cloud {
    pub(crate) fn new(crash: Arc<Crash>) -> Self {
        Self {
            inner: Mutex::default(),
            manners: Mutex::default(),
            limits: Mutex::default(),
            crash,
            die_at: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn manners(&self) -> Manners {
        *self.manners.lock().unwrap()
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap()
    }

    pub(crate) fn set_manners(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }

    /// What goes wrong with the next call of this name, such as `create a`, or `create a r1` in one region alone.
    pub(crate) fn fail(&self, call: &str, fault: Fault) {
        self.inner().script.entry(call.to_owned()).or_default().push_back(fault);
    }

    /// What goes wrong with a call from now on: 1 is the next one.
    pub(crate) fn fail_nth(&self, nth: usize, fault: Fault) {
        self.inner().nth = Some((nth, fault));
    }

    /// Whether that call came; if not, nothing goes wrong any more.
    pub(crate) fn forget_nth(&self) -> bool {
        self.inner().nth.take().is_none()
    }

    pub(crate) fn things(&self) -> Vec<Thing> {
        self.inner().things.values().cloned().collect()
    }

    /// The things of one address.
    pub(crate) fn of(&self, address: &str) -> Vec<Thing> {
        self.things().into_iter().filter(|thing| thing.address == address).collect()
    }

    /// The one thing of an address.
    pub(crate) fn one(&self, address: &str) -> Thing {
        let mut things = self.of(address);
        assert_eq!(things.len(), 1, "{address}: {things:?}");
        things.remove(0)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inner().calls.clone()
    }

    /// The calls that change or check something, as `create a`, and forgets them.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut self.inner().calls);
        let acts = calls.into_iter().filter(|call| !matches!(call.verb, "observe" | "poll"));
        acts.map(|call| format!("{} {}", call.verb, call.address)).collect()
    }

    /// How often managers were prepared for a scope: once for each expansion that a plan needs, and once to look at what is there.
    pub(crate) fn prepares(&self) -> usize {
        self.inner().prepares
    }

    pub(crate) fn prepare(&self) {
        self.inner().prepares += 1;
    }

    /// What was asked of it that no right caller asks.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.inner().wrongs.clone()
    }

    /// The most calls that were under way at once at a provider, or in a region.
    pub(crate) fn most_busy(&self, name: &str) -> usize {
        self.inner().busy.get(name).map_or(0, |(_, most)| *most)
    }

    /// Changes the thing of an address outside the engine.
    pub(crate) fn edit(&self, address: &str, field: &str, value: Option<Value>) {
        self.edit_id(&self.one(address).id, field, value);
    }

    /// Changes a thing outside the engine.
    pub(crate) fn edit_id(&self, id: &str, field: &str, value: Option<Value>) {
        let mut inner = self.inner();
        let thing = inner.things.get_mut(id).unwrap();
        let Value::Map(map) = &mut thing.spec else { panic!("a spec is a map") };
        match value {
            Some(value) => map.insert(field.to_owned(), value),
            None => map.remove(field),
        };
    }

    /// Deletes the things of an address outside the engine.
    pub(crate) fn remove(&self, address: &str) {
        self.inner().things.retain(|_, thing| thing.address != address);
    }

    /// Brings a thing to an end, as a cloud does that takes it back.
    pub(crate) fn end(&self, address: &str, why: &str) {
        let mut inner = self.inner();
        let ended: Vec<String> =
            inner.things.values().filter(|thing| thing.address == address).map(|thing| thing.id.clone()).collect();
        for id in ended {
            inner.things.remove(&id);
            inner.ended.insert(id, why.to_owned());
        }
    }

    /// Why a thing came to an end, if it did.
    pub(crate) fn ended(&self, id: &str) -> Option<String> {
        self.inner().ended.get(id).cloned()
    }

    /// Deletes one thing outside the engine.
    pub(crate) fn remove_id(&self, id: &str) {
        self.inner().things.remove(id);
    }

    /// Puts another thing in the place of one, like it in all but its id.
    pub(crate) fn rename_id(&self, id: &str, to: &str) {
        let mut inner = self.inner();
        let thing = Thing { id: to.to_owned(), ..inner.things.remove(id).unwrap() };
        inner.things.insert(to.to_owned(), thing);
    }

    /// Puts a thing of somebody else's there.
    pub(crate) fn plant(&self, kind: &str, name: &str) {
        let thing = Thing {
            id: format!("other-{name}"),
            kind: kind.to_owned(),
            address: "of another".to_owned(),
            region: "r1".to_owned(),
            name: name.to_owned(),
            token: String::new(),
            spec: Value::Map(Map::new()),
            owner: BTreeMap::new(),
            revision: 0,
            made_at: Duration::ZERO,
        };
        self.inner().things.insert(thing.id.clone(), thing);
    }

    /// Puts owner tags on a thing outside the engine.
    pub(crate) fn own(&self, id: &str, owner: &BTreeMap<String, String>) {
        self.inner().things.get_mut(id).unwrap().owner.clone_from(owner);
    }

    /// One call, from its arrival to its answer.
    pub(crate) async fn call(&self, verb: &'static str, request: &Request, act: Act<'_>) -> Answer {
        let provider = request.scope.provider.provider();
        let (region, address) = (region(&request.scope), request.address.to_string());
        let fault = {
            let mut inner = self.inner();
            inner.calls.push(Call {
                verb,
                address: address.clone(),
                region: region.clone(),
                token: request.token.to_string(),
                at: uptime(),
            });
            for name in [provider, &region] {
                let busy = inner.busy.entry(name.to_owned()).or_default();
                busy.0 += 1;
                busy.1 = busy.1.max(busy.0);
            }
            let names = [format!("{verb} {address} {region}"), format!("{verb} {address}")];
            names.iter().find_map(|name| inner.script.get_mut(name)?.pop_front()).or_else(|| inner.count_down())
        };
        let fault = fault.or_else(|| self.limits().take(&region, uptime()).err().map(Fault::Fails));
        let takes = self.limits().takes.as_ref().map(|takes| takes(verb, request));
        let _busy = Busy(self, [provider, &region]);
        let moment = due(&self.die_at);
        tokio::time::sleep(takes.unwrap_or_else(|| self.manners().latency)).await;
        if moment == Some(Moment::Before) {
            self.crash.die().await;
        }
        if fault == Some(Fault::Hangs) {
            std::future::pending::<()>().await;
        }
        let answer = self.answer(request, act, fault);
        if moment == Some(Moment::After) {
            self.crash.die().await;
        }
        answer
    }

    fn answer(&self, request: &Request, act: Act<'_>, fault: Option<Fault>) -> Answer {
        let error = |class| {
            let echo = if self.manners().gossips { format!("{:?}", plain(&request.spec)) } else { String::new() };
            ProviderError::new(class, format!("the toy cloud refuses {echo}")).code("Toy")
        };
        match fault {
            Some(Fault::Fails(class)) => Err(error(class)),
            Some(Fault::LostBefore) => Err(error(Class::Transient).outcome_unknown()),
            Some(Fault::LostAfter) => {
                self.act(request, act, None)?;
                Err(error(Class::Transient).outcome_unknown())
            }
            Some(Fault::Partly) => {
                let found = self.act(request, act, None)?;
                let Progress::Done(Some(found)) = found else { panic!("nothing is there to be partly made") };
                Err(error(Class::Internal).partly(request, *found))
            }
            // A token that has made an object already answers with it: the first call did not fail.
            Some(Fault::FailsLater(_)) if self.has_made(request, act) => self.act(request, act, None),
            Some(Fault::FailsLater(class)) => Ok(self.pending(None, 1, Some(class))),
            Some(Fault::BreaksPromise) => self.act(request, act, None).map(|progress| match progress {
                Progress::Done(Some(mut found)) => {
                    found.attributes.put(&trueup_state::FieldPath::parse("id"), "another".into());
                    found.attributes.put(&trueup_state::FieldPath::parse("surprise"), true.into());
                    Progress::Done(Some(found))
                }
                other => other,
            }),
            Some(Fault::Hangs) | None => self.act(request, act, Some(self.manners().polls)),
        }
    }

    /// Whether this is a create of an object that its token has made before.
    fn has_made(&self, request: &Request, act: Act<'_>) -> bool {
        let by_token = |kind: &ToyKind| matches!(kind.safety, RetrySafety::ClientToken { .. });
        matches!(act, Act::Create(kind) if by_token(kind)) && self.inner().tokens.contains_key(request.token.as_str())
    }

    /// Lets a call take effect. `polls`: after how many it is done; none where that does not matter.
    fn act(&self, request: &Request, act: Act<'_>, polls: Option<u32>) -> Answer {
        let found = match act {
            Act::Create(kind) => Some(self.create(request, kind)?),
            Act::Update => Some(self.update(request)?),
            Act::Delete => {
                self.inner().things.remove(request.id.as_deref().unwrap());
                None
            }
            Act::Check => {
                let inner = self.inner();
                let id = request.id.as_deref().unwrap_or_default();
                if !inner.things.contains_key(id) {
                    return Err(ProviderError::new(Class::NotFound, "there is nothing to check"));
                }
                None
            }
            Act::Poll(handle) => return Ok(self.poll(handle)),
        };
        match polls {
            Some(polls) if polls > 0 => Ok(self.pending(found, polls, None)),
            _ => Ok(Progress::Done(found.map(Box::new))),
        }
    }

    fn create(&self, request: &Request, kind: &ToyKind) -> Result<Found, ProviderError> {
        let mut inner = self.inner();
        if request.spec.has_unknown() {
            inner.wrongs.push(format!("{} was created of a spec with unknowns", request.address));
        }
        if let Some((id, spec)) = inner.tokens.get(request.token.as_str()) {
            let (id, same) = (id.clone(), spec.same(&request.spec));
            if !same {
                inner.wrongs.push(format!("{} used a token twice for different requests", request.address));
            }
            if matches!(kind.safety, RetrySafety::ClientToken { .. }) {
                let thing = inner.things.get(&id);
                return thing.map(found).ok_or_else(|| ProviderError::new(Class::Conflict, "the token is used up"));
            }
            // A name that was found free may be asked for again; what is only tagged may not.
            if matches!(kind.safety, RetrySafety::OwnerTag { .. }) {
                inner.wrongs.push(format!("{} used a token twice", request.address));
            }
        }
        let region = region(&request.scope);
        let named = matches!(kind.safety, RetrySafety::NamedByCaller);
        if named && inner.things.values().any(|thing| thing.kind == kind.name && thing.name == request.name) {
            return Err(ProviderError::new(Class::AlreadyExists, "the name is taken"));
        }
        inner.next += 1;
        let thing = Thing {
            id: format!("{}-{}", kind.name, inner.next),
            kind: kind.name.to_owned(),
            address: request.address.to_string(),
            region,
            name: request.name.clone(),
            token: request.token.to_string(),
            spec: kept(&request.spec),
            owner: request.owner.clone(),
            revision: 0,
            made_at: uptime(),
        };
        inner.tokens.insert(thing.token.clone(), (thing.id.clone(), request.spec.clone()));
        let found = found(&thing);
        inner.things.insert(thing.id.clone(), thing);
        Ok(found)
    }

    fn update(&self, request: &Request) -> Result<Found, ProviderError> {
        let mut inner = self.inner();
        if request.spec.has_unknown() {
            inner.wrongs.push(format!("{} was updated to a spec with unknowns", request.address));
        }
        let Some(thing) = inner.things.get_mut(request.id.as_deref().unwrap()) else {
            return Err(ProviderError::new(Class::NotFound, "there is nothing to update"));
        };
        let kept = kept(&request.spec);
        let moved = ["name", "shape", "base"].into_iter().find(|field| thing.spec.get(field) != kept.get(field));
        thing.spec = kept;
        thing.owner.clone_from(&request.owner);
        thing.revision += 1;
        let found = found(thing);
        if let Some(field) = moved {
            inner.wrongs.push(format!("{} was updated in place, though `{field}` is immutable", request.address));
        }
        Ok(found)
    }

    fn pending(&self, found: Option<Found>, polls: u32, fails: Option<Class>) -> Progress {
        let mut inner = self.inner();
        inner.next += 1;
        let job = inner.next;
        let id = found.as_ref().map(|found| found.id.clone());
        inner.jobs.insert(job, Job { found, left: polls, fails });
        waiting(id, job)
    }

    fn poll(&self, handle: &Handle) -> Progress {
        let number = handle.0["job"].as_u64().unwrap();
        let mut inner = self.inner();
        let job = inner.jobs.get_mut(&number).unwrap();
        job.left = job.left.saturating_sub(1);
        if job.left > 0 {
            return waiting(job.found.as_ref().map(|found| found.id.clone()), number);
        }
        match &job.fails {
            Some(class) => Progress::Failed(Box::new(ProviderError::new(class.clone(), "it did not work out"))),
            None => Progress::Done(job.found.clone().map(Box::new)),
        }
    }

    /// What a list shows by now.
    pub(crate) fn listed(&self, matches: impl Fn(&Thing) -> bool) -> Option<Found> {
        let lag = self.manners().lag;
        let inner = self.inner();
        inner.things.values().find(|thing| thing.made_at + lag <= uptime() && matches(thing)).map(found)
    }

    /// What is there under an id.
    pub(crate) fn get(&self, id: &str) -> Option<Found> {
        self.inner().things.get(id).map(found)
    }

    /// Notes an observation; says what is to go wrong with it.
    pub(crate) fn observing(&self, scope: &Scope) -> Option<Fault> {
        let mut inner = self.inner();
        inner.calls.push(Call {
            verb: "observe",
            address: String::new(),
            region: region(scope),
            token: String::new(),
            at: uptime(),
        });
        inner.script.get_mut("observe")?.pop_front()
    }
}

/// What a call is to do.
#[derive(Clone, Copy)]
pub(crate) enum Act<'a> {
    Create(&'a ToyKind),
    Update,
    Delete,
    Check,
    Poll(&'a Handle),
}

pub(crate) type Answer = Result<Progress, ProviderError>;

fn waiting(id: Option<String>, job: u64) -> Progress {
    Progress::Pending {
        id,
        handle: Handle(serde_json::json!({ "job": job })),
        poll_after: Duration::from_secs(5),
        amount: None,
        note: Some("working".to_owned()),
    }
}

pub(super) fn region(scope: &Scope) -> String {
    scope.settings.get("region").and_then(|region| region.as_str()).unwrap_or_default().to_owned()
}
