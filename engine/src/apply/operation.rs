//! Carries out one operation: journaled before the call, tried again where that may help, polled while it is pending, and journaled
//! at its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use trueup_state::entry::{Event, Handle, Request};
use trueup_state::rules::Rule;
use trueup_state::{
    Address, Applied, Class, Declared, KindName, Object, OpenOperation, Scope, State, StoreError, Timestamp, Value,
    Verb,
};

use super::ApplyEvent;
use super::lanes::{Lane, Slot};
use super::pace::PATIENCE;
use super::recovery::{Doubt, Settled, settle};
use super::retry::Tries;
use super::run::{CALL_TIMEOUT, Run};
use crate::digest::digested;
use crate::plan::diff::broken_promise;
use crate::plan::echo::{mark_secrets, scrub};
use crate::provider::{Amount, Api, Check, Found, Manager, Progress, ProviderError, RetrySafety};

/// Who carries an operation out.
#[derive(Clone)]
pub enum Actor {
    /// The manager of the resource's kind.
    Manager(Arc<dyn Manager>),
    /// The check of its kind.
    Check(Arc<dyn Check>),
}

impl Actor {
    /// The API that it calls.
    pub fn api(&self) -> Api {
        match self {
            Actor::Manager(manager) => manager.api(),
            Actor::Check(check) => check.api(),
        }
    }
}

/// One operation, its request complete.
pub struct Work {
    /// What is done.
    pub verb: Verb,
    /// With what.
    pub request: Request,
    /// What the blueprint says of the resource besides its spec.
    pub declared: Declared,
    /// Who carries it out.
    pub actor: Actor,
    /// What the plan promised of its attributes.
    pub promised: Value,
}

/// How an operation ended.
#[derive(Debug)]
pub enum Outcome {
    /// It is done, and so journaled.
    Done,
    /// There was nothing to call for, and the record says so.
    NotNeeded,
    /// It failed, and so journaled.
    Failed(Box<ProviderError>),
    /// It goes on at the provider, or nobody can tell yet: the next run settles it.
    Unfinished(String),
    /// Nothing more can be written: the run is over.
    Stopped(StoreError),
}

/// What is sent next.
enum Next {
    Call,
    /// The same call again, which may have taken effect: only its answer tells.
    Repeat,
    Poll(Handle),
}

impl Next {
    /// Whether an operation is over when this was answered with an error and is not tried again. Where only the asking failed, an
    /// earlier call may have taken effect, or its work go on. `doubtful`: whether there was an earlier call that may have.
    fn ends_with(&self, error: &ProviderError, doubtful: bool) -> bool {
        let asking = matches!(error.class, Class::Throttled { .. } | Class::Transient | Class::Denied);
        let asking = asking && Rule::AskingEndsNothing.holds();
        match self {
            Next::Call if !doubtful => true,
            Next::Call | Next::Repeat => !asking && error.class != Class::Internal,
            Next::Poll(_) => !asking,
        }
    }
}

/// Where what a request may have made is recorded, if it is: the same kind of thing at the same place, by its id.
pub(crate) fn recorded_at<'a>(state: &'a State, request: &Request, id: &str) -> Option<&'a Address> {
    recorded_as(state, &request.kind, &request.scope, id)
}

/// Where a thing is recorded, if it is: by its kind, its place and its id.
pub(crate) fn recorded_as<'a>(state: &'a State, kind: &KindName, scope: &Scope, id: &str) -> Option<&'a Address> {
    let is_it = |object: &Object| object.id.as_deref() == Some(id) && object.scope.apart_from(scope).is_none();
    let mut alike = state.records.values().filter(|record| record.kind == *kind);
    alike.find(|record| record.objects().any(is_it)).map(|record| &record.address)
}

/// Begins an operation and carries it through. `slot`: the place and the turn of its first call.
pub async fn perform(run: &Run, work: &Work, slot: Slot) -> Outcome {
    let drive = Drive { slot: Some(slot), ..Drive::new(run, work) };
    if drive.lane.pace().is_given_up(run.clock.uptime()) {
        let message = format!("not tried: every call was refused for {} min, as one too many", PATIENCE.as_secs() / 60);
        return Outcome::Failed(Box::new(ProviderError::new(Class::Throttled { retry_after: None }, message)));
    }
    let begin = Event::Begin {
        verb: work.verb,
        request: Box::new(work.request.clone()),
        declared: Box::new(work.declared.clone()),
    };
    if let Err(error) = run.append(&work.request.address, begin).await {
        return Outcome::Stopped(error);
    }
    drive.go(Next::Call).await
}

/// Settles an operation that an earlier run began, and carries it through where it can.
pub async fn resume(run: &Run, work: &Work, open: &OpenOperation) -> Outcome {
    // Whoever sent it is fenced off: nothing of it is sent from now on.
    let doubt = Some(run.clock.now());
    let mut drive = Drive { handle: open.handle.clone(), doubt, ..Drive::new(run, work) };
    match drive.look_into(open).await {
        Ok(next) => drive.go(next).await,
        Err(outcome) => outcome,
    }
}

/// Gives up a check that an earlier run began: what it is of is to go.
pub async fn give_up(run: &Run, work: &Work) -> Outcome {
    if let (Actor::Check(check), Some(time)) = (&work.actor, run.time_for_a_call()) {
        tokio::select! {
            () = check.stop(&work.request) => {}
            () = run.clock.sleep(time) => {}
        }
    }
    let error = ProviderError::new(Class::Transient, "it was given up: what it is of is to go");
    Drive::new(run, work).fail(error).await
}

/// One operation under way.
struct Drive<'a> {
    run: &'a Run,
    work: &'a Work,
    lane: Arc<Lane>,
    /// The place and the turn for the next call, until the operation waits for something.
    slot: Option<Slot>,
    tries: Tries,
    handle: Option<Handle>,
    /// The last moment at which an earlier call may have been sent of which it is not known whether it took effect; none where there is
    /// no such call.
    doubt: Option<Timestamp>,
}

impl<'a> Drive<'a> {
    fn new(run: &'a Run, work: &'a Work) -> Self {
        let lane = run.lanes.lane(work.request.scope.provider.provider(), &work.actor.api());
        Self { run, work, lane, slot: None, tries: Tries::default(), handle: None, doubt: None }
    }

    /// Waits for the next call's turn; false if the run is cancelled meanwhile.
    async fn take_turn(&mut self) -> bool {
        // Whoever waits for a place holds none.
        self.slot = None;
        self.slot = self.run.turn(&self.lane).await;
        self.slot.is_some()
    }

    async fn go(mut self, mut next: Next) -> Outcome {
        loop {
            if self.slot.is_none() && !self.take_turn().await {
                return Outcome::Unfinished("it was interrupted before it was asked after".to_owned());
            }
            let Some(time) = self.run.time_for_a_call() else { return Outcome::Stopped(StoreError::Fenced) };
            let step = match self.send(&next, time).await {
                Ok(Progress::Done(found)) => return self.succeed(found).await,
                Ok(Progress::Pending { id, handle, poll_after, amount, note }) => {
                    self.pending(id, handle, poll_after, amount, note).await
                }
                Ok(Progress::Failed(error)) => self.over(*error).await,
                Err(error) if self.is_doubtful(&error) => self.unknown(error, next).await,
                Err(error) => self.failed(error, next).await,
            };
            match step {
                Ok(step) => next = step,
                Err(outcome) => return outcome,
            }
        }
    }

    /// Whether a call that was answered so may have taken effect.
    fn is_doubtful(&self, error: &ProviderError) -> bool {
        error.applied == Applied::Unknown && Rule::LookIntoLost.holds() || self.may_be_ours(error)
    }

    /// Whether a name may be taken by what an earlier call of this operation made, and lists did not show yet: that is looked into at once,
    /// and not only when whatever was sent has arrived.
    fn may_be_ours(&self, error: &ProviderError) -> bool {
        let named = match &self.work.actor {
            Actor::Manager(manager) => manager.retry_safety() == RetrySafety::NamedByCaller,
            Actor::Check(_) => false,
        };
        self.doubt.is_some() && named && self.work.verb == Verb::Create && error.class == Class::AlreadyExists
    }

    async fn send(&self, next: &Next, time: Duration) -> Result<Progress, ProviderError> {
        let request = &self.work.request;
        let call = async {
            match (&self.work.actor, next, self.work.verb) {
                (Actor::Manager(manager), Next::Poll(handle), _) => manager.poll(request, handle).await,
                (Actor::Manager(manager), _, Verb::Create) => manager.create(request).await,
                (Actor::Manager(manager), _, Verb::Update) => manager.update(request).await,
                (Actor::Manager(manager), _, Verb::Delete) => manager.delete(request).await,
                (Actor::Manager(_), _, Verb::Check) => {
                    Err(ProviderError::new(Class::Internal, "a check needs a check to carry it out"))
                }
                (Actor::Check(check), Next::Poll(handle), _) => check.poll(request, handle).await,
                (Actor::Check(check), _, _) => check.start(request).await,
            }
        };
        let sent = self.run.clock.uptime();
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = self.run.clock.sleep(time) => {
                let message = format!("no answer within {} s", time.as_secs());
                Err(ProviderError::new(Class::Transient, message).outcome_unknown())
            }
        };
        self.lane.answered(self.run.clock.uptime(), sent, answer.as_ref().err());
        answer
    }

    /// The provider goes on with it: what to ask after is made durable, and the slot is given back.
    async fn pending(
        &mut self,
        id: Option<String>,
        handle: Handle,
        poll_after: Duration,
        amount: Option<Amount>,
        note: Option<String>,
    ) -> Result<Next, Outcome> {
        let (address, verb) = (self.work.request.address.clone(), self.work.verb);
        if self.handle.as_ref() != Some(&handle) {
            let event = Event::Submitted { token: self.work.request.token.clone(), id, handle: handle.clone() };
            self.run.append(&address, event).await.map_err(Outcome::Stopped)?;
            self.handle = Some(handle.clone());
        }
        self.tries = Tries::default();
        self.slot = None;
        let note = note.map(|note| self.scrubbed(&note));
        self.run.tell(ApplyEvent::Progress { address, verb, amount, note });
        if self.run.wait(poll_after).await && !self.run.is_cancelled() {
            Ok(Next::Poll(handle))
        } else {
            Err(Outcome::Unfinished("the provider goes on with it".to_owned()))
        }
    }

    /// It failed, and what that left behind is known: it is tried again where that may help.
    async fn failed(&mut self, error: ProviderError, next: Next) -> Result<Next, Outcome> {
        if error.applied == Applied::No && self.wait_to_try_again(&error).await && self.take_turn().await {
            return Ok(next);
        }
        if !next.ends_with(&error, self.doubt.is_some()) {
            return Err(Outcome::Unfinished(self.scrubbed(&error.to_string())));
        }
        self.over(error).await
    }

    /// It failed for good, unless an earlier call of it may arrive still.
    async fn over(&mut self, error: ProviderError) -> Result<Next, Outcome> {
        if let (Some(left), Some(open)) = (self.on_its_way(), self.open()) {
            if !self.run.wait(left).await {
                return Err(Outcome::Unfinished(self.scrubbed(&error.to_string())));
            }
            return self.look_into(&open).await;
        }
        Err(self.fail(error).await)
    }

    /// For how long an earlier call of a create may arrive still, or what it made not be shown yet. Until then no other's failure tells
    /// what becomes of it.
    fn on_its_way(&self) -> Option<Duration> {
        let doubt = self.doubt.filter(|_| self.work.verb == Verb::Create && Rule::Quiet.holds())?;
        // That a name is taken would tell of it before; that there is no capacity for another says nothing of the first.
        let lag = match &self.work.actor {
            Actor::Manager(manager) if manager.retry_safety() == RetrySafety::NamedByCaller => manager.lag(),
            _ => Duration::ZERO,
        };
        let until = CALL_TIMEOUT + lag;
        Some(until.saturating_sub(self.run.clock.now().since(doubt))).filter(|left| !left.is_zero())
    }

    /// The operation as it is in the journal.
    fn open(&self) -> Option<OpenOperation> {
        self.run.state().open.get(&self.work.request.token).cloned()
    }

    /// Waits as long as a failure asks for; false if another try would not help, or the run is cancelled meanwhile.
    async fn wait_to_try_again(&mut self, error: &ProviderError) -> bool {
        let Some(after) = self.tries.again(error, self.run.entropy.as_ref()) else { return false };
        let is_refused = matches!(error.class, Class::Throttled { .. });
        if is_refused && !self.lane.pace().is_worth_waiting(self.run.clock.uptime(), after) {
            return false;
        }
        self.slot = None;
        self.run.tell(ApplyEvent::Retrying {
            address: self.work.request.address.clone(),
            verb: self.work.verb,
            attempt: self.tries.next(),
            after,
            error: self.scrubbed(&error.to_string()),
        });
        self.run.wait(after).await
    }

    /// What a provider says, without what it was sent and may not be seen.
    fn scrubbed(&self, text: &str) -> String {
        scrub(text, &self.work.request.values().collect::<Vec<_>>())
    }

    /// The reply was lost: it is settled as after a crash, within the run.
    async fn unknown(&mut self, error: ProviderError, sent: Next) -> Result<Next, Outcome> {
        self.doubt = Some(self.run.clock.now());
        let next = match self.open() {
            Some(open) => self.look_into(&open).await?,
            None => sent,
        };
        // It did not take effect, or a repeat will tell: that is another try of a failed call.
        self.failed(ProviderError { applied: Applied::No, class: Class::Transient, ..error }, next).await
    }

    /// Looks into an operation whose outcome is not known. What is to be sent next, or how it ended.
    async fn look_into(&mut self, open: &OpenOperation) -> Result<Next, Outcome> {
        let Actor::Manager(manager) = &self.work.actor else {
            return Ok(open.handle.clone().map_or(Next::Repeat, Next::Poll));
        };
        let (manager, lineage) = (manager.clone(), self.run.state().lineage.clone());
        let sent = self.doubt.unwrap_or_else(|| self.run.clock.now());
        loop {
            if !self.take_turn().await {
                return Err(Outcome::Unfinished("it was interrupted before it was looked into".to_owned()));
            }
            let settled = self.settled(manager.as_ref(), open, &lineage, sent).await;
            self.slot = None;
            match settled {
                Settled::Poll(handle) => return Ok(Next::Poll(handle)),
                Settled::NotDone if self.work.verb == Verb::Update => {
                    // What it did, if anything, shows when the next plan compares.
                    let error =
                        ProviderError::new(Class::Transient, "it was interrupted; the next plan compares again");
                    return Err(self.fail(error).await);
                }
                Settled::Repeat => return Ok(Next::Repeat),
                Settled::NotDone => return Ok(Next::Call),
                Settled::Lapsed => {
                    let error = ProviderError::new(
                        Class::Transient,
                        "it did not take effect; applied again, it gets a new token",
                    );
                    return Err(self.fail(error).await);
                }
                Settled::Done(Some(found)) if self.work.verb == Verb::Create && self.is_recorded(&found) => {
                    let message = format!("`{}` exists already, and is recorded elsewhere", open.request.name);
                    return Err(self.fail(ProviderError::new(Class::AlreadyExists, message)).await);
                }
                Settled::Done(found) => return Err(self.succeed(found).await),
                Settled::Failed(error) => return Err(self.fail(error).await),
                Settled::Unanswered(error) => {
                    if !self.wait_to_try_again(&error).await {
                        return Err(Outcome::Unfinished(self.scrubbed(&error.to_string())));
                    }
                }
                Settled::Park(message) => {
                    let message = self.scrubbed(&message);
                    let event = Event::Parked { token: open.request.token.clone(), message: message.clone() };
                    let parked = self.run.append(&open.request.address, event).await;
                    return Err(parked.map_or_else(Outcome::Stopped, |()| Outcome::Unfinished(message)));
                }
                Settled::Wait(span) => {
                    if !self.run.wait(span).await {
                        return Err(Outcome::Unfinished("whether it took effect can't be told yet".to_owned()));
                    }
                }
            }
        }
    }

    /// Whether what is there was recorded before. What has moved has the name and the tags of its former address still, where now
    /// another one is made.
    fn is_recorded(&self, found: &Found) -> bool {
        recorded_at(&self.run.state(), &self.work.request, &found.id).is_some()
    }

    /// `sent`: the last moment at which a call for it may have been sent.
    async fn settled(&self, manager: &dyn Manager, open: &OpenOperation, lineage: &str, sent: Timestamp) -> Settled {
        let doubt = Doubt { manager, open, lineage, now: self.run.clock.now(), sent };
        let asked = self.run.clock.uptime();
        let settled = tokio::select! {
            biased;
            settled = settle(&doubt) => settled,
            () = self.run.clock.sleep(CALL_TIMEOUT) => {
                let error = ProviderError::new(Class::Transient, "the provider does not answer");
                Settled::Unanswered(error.outcome_unknown())
            }
        };
        if let Settled::Unanswered(error) = &settled {
            self.lane.answered(self.run.clock.uptime(), asked, Some(error));
        }
        settled
    }

    async fn succeed(&self, found: Option<Box<Found>>) -> Outcome {
        let broken = match (&found, self.work.verb) {
            (None, Verb::Create | Verb::Update) => {
                let error = ProviderError::new(Class::Internal, "the provider did not say what it made");
                return Outcome::Unfinished(error.to_string());
            }
            (Some(found), Verb::Create | Verb::Update) => broken_promise(&self.work.promised, &found.attributes),
            _ => None,
        };
        let object = match self.work.verb {
            Verb::Create | Verb::Update => found.map(|found| Box::new(self.kept(self.object(*found)))),
            Verb::Delete | Verb::Check => None,
        };
        let event = Event::Succeeded { token: self.work.request.token.clone(), object };
        if let Err(error) = self.run.append(&self.work.request.address, event).await {
            return Outcome::Stopped(error);
        }
        match broken {
            None => Outcome::Done,
            Some(path) => {
                let provider = &self.work.request.scope.provider;
                let message = format!("the provider `{provider}` made the attribute `{path}` other than planned");
                Outcome::Failed(Box::new(ProviderError::new(Class::Internal, message)))
            }
        }
    }

    /// The object as it is recorded: as sent, as seen, its secrets marked.
    fn object(&self, found: Found) -> Object {
        let request = &self.work.request;
        let state = self.run.state();
        let current = state.records.get(&request.address).and_then(|record| record.current.as_ref());
        let before = current.filter(|_| self.work.verb == Verb::Update);
        Object {
            // What is composed has no id of its own.
            id: Some(found.id).filter(|id| !id.is_empty()),
            scope: request.scope.clone(),
            generation: request.generation,
            token: before.map_or_else(|| request.token.clone(), |object| object.token.clone()),
            sent: request.spec.clone(),
            seen: mark_secrets(&found.spec, &[&request.spec, &request.before], &request.address),
            attributes: mark_secrets(
                &found.attributes,
                &[&request.spec, &request.before, &request.attributes],
                &request.address,
            ),
            made_at: before.map_or_else(|| self.run.clock.now(), |object| object.made_at),
            price_at_launch: before.and_then(|object| object.price_at_launch.clone()),
        }
    }

    /// An object without what nobody needs once it has been sent.
    fn kept(&self, object: Object) -> Object {
        let Actor::Manager(manager) = &self.work.actor else { return object };
        Object { sent: digested(manager.schema(), &object.sent, self.run.entropy.as_ref()), ..object }
    }

    /// An object that is not whole, as it is recorded. What an update did of its request can't be told: all of it is to be sent again.
    fn partly(&self, object: Object) -> Object {
        let found = Found {
            id: String::new(),
            spec: object.seen,
            attributes: object.attributes,
            owner: BTreeMap::default(),
            pending: None,
        };
        let recorded = self.object(found);
        let state = self.run.state();
        let current = state.records.get(&self.work.request.address).and_then(|record| record.current.as_ref());
        match current.filter(|_| self.work.verb == Verb::Update) {
            Some(current) => Object { id: object.id, sent: current.sent.clone(), ..recorded },
            None => Object { id: object.id, ..recorded },
        }
    }

    async fn fail(&self, mut error: ProviderError) -> Outcome {
        error.message = self.scrubbed(&error.message);
        error.code = self.scrubbed(&error.code);
        if let Applied::Partly(object) = error.applied {
            error.applied = Applied::Partly(Box::new(self.partly(*object)));
        }
        let event = Event::Failed {
            token: self.work.request.token.clone(),
            class: error.class.clone(),
            message: error.to_string(),
            applied: match error.applied.clone() {
                Applied::Unknown => Applied::No,
                known => known,
            },
        };
        match self.run.append(&self.work.request.address, event).await {
            Ok(()) => Outcome::Failed(Box::new(error)),
            Err(error) => Outcome::Stopped(error),
        }
    }
}
