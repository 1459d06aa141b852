//! The cloud: how a call comes in, what may go wrong with it, and how it is answered.

mod acts;
mod faults;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trueup_engine::provider::{Found, Progress, ProviderError};
use trueup_state::{Class, Clock, Entropy, Handle, Request, Timestamp, Token, Value};

use crate::object::Object;
use crate::settings::{CallName, Settings, What};
use crate::storage::{Storage, StorageError, Table};
pub(crate) use rows::Rows;

/// The longest that a question is asked again because there were too many calls.
const PATIENCE: Duration = Duration::from_mins(1);

/// The cloud.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) storage: Box<dyn Storage>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Where a manager works: a kind in a region, and how the cloud behaves to it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) kind: String,
    pub(crate) region: String,
    pub(crate) settings: Arc<Settings>,
}

/// One call, as the audit log has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Logged {
    pub(crate) at: Timestamp,
    pub(crate) call: String,
    pub(crate) kind: String,
    pub(crate) region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// The object that it made, or was about; none of a call for several, and of one that was refused before it was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// How many objects it was about, or answered with.
    pub(crate) objects: usize,
    /// `ok`, or the code of the error that it was answered with.
    pub(crate) outcome: String,
}

/// By what an object is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'a> {
    Id(&'a str),
    Token(&'a Token),
    Name(&'a str),
}

/// What a caller asks for: by what, and the spec that it sent last.
pub(crate) type Asked<'a> = (Key<'a>, Option<&'a Value>);

/// A page of a list, as it comes.
pub(crate) struct Page {
    objects: Vec<Object>,
    now: Timestamp,
    salt: String,
    /// From where the next goes on; none where this is the last.
    pub(crate) next: Option<String>,
}

impl Page {
    /// What is on it, as its caller reads it. `sent`: the spec that it sent last, by id.
    pub(crate) fn found(&self, sent: &BTreeMap<&str, &Value>) -> Vec<Found> {
        let found = |object: &Object| acts::found(object, sent.get(object.id.as_str()).copied(), self.now, &self.salt);
        self.objects.iter().map(found).collect()
    }
}

/// One call, from its arrival to its answer.
struct Session<'a> {
    rows: Rows<'a>,
    place: &'a Place,
    now: Timestamp,
    logged: Logged,
    /// What is to go wrong with it after it took effect.
    fault: Option<What>,
}

impl Cloud {
    pub(crate) fn new(storage: Box<dyn Storage>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { storage, clock, entropy }
    }

    /// How the cloud behaves in a scope, and from now on: as the blueprint says, else as one said last. A run that settles what a killed
    /// one left, or that reads no blueprint, meets the same cloud.
    pub(crate) async fn manners(
        &self,
        scope: &str,
        said: Option<Arc<Settings>>,
    ) -> Result<Arc<Settings>, StorageError> {
        let mut rows = Rows::begin(self.storage.as_ref(), self.entropy.as_ref()).await?;
        let key = format!("manners/{scope}");
        let kept: Option<Settings> = rows.get(Table::Meta, &key).await?;
        let Some(said) = said else { return Ok(Arc::new(kept.unwrap_or_default())) };
        if kept.as_ref() != Some(&*said) {
            rows.put(Table::Meta, &key, &*said).await?;
            rows.commit().await?;
        }
        Ok(said)
    }

    /// Makes an object.
    pub(crate) async fn create(&self, place: &Place, request: &Request) -> Result<Progress, ProviderError> {
        let mut session = self.arrive(place, CallName::Create, Some(request)).await?;
        let answer = acts::create(&mut session, request).await;
        self.answer(session, answer, 1).await
    }

    /// Changes an object.
    pub(crate) async fn update(&self, place: &Place, request: &Request) -> Result<Progress, ProviderError> {
        let mut session = self.arrive(place, CallName::Update, Some(request)).await?;
        let answer = acts::update(&mut session, request).await;
        self.answer(session, answer, 1).await
    }

    /// Removes an object.
    pub(crate) async fn delete(&self, place: &Place, request: &Request) -> Result<Progress, ProviderError> {
        let mut session = self.arrive(place, CallName::Delete, Some(request)).await?;
        let answer = acts::delete(&mut session, request).await;
        self.answer(session, answer, 1).await
    }

    /// Asks after pending work.
    pub(crate) async fn poll(
        &self,
        place: &Place,
        request: &Request,
        handle: &Handle,
    ) -> Result<Progress, ProviderError> {
        let mut session = self.arrive(place, CallName::Poll, Some(request)).await?;
        let answer = acts::poll(&mut session, request, handle).await;
        self.answer(session, answer, 1).await
    }

    /// Asks for what a machine has left for its check.
    pub(crate) async fn left(&self, place: &Place, id: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        let mut session = self.arrive(place, CallName::Describe, None).await?;
        let answer = acts::left(&mut session, id).await;
        self.answer(session, answer, 1).await
    }

    /// Asks for objects, at most a page of them. One that is not there is none.
    pub(crate) async fn describe(
        &self,
        place: &Place,
        asked: &[Asked<'_>],
    ) -> Result<Vec<Option<Found>>, ProviderError> {
        let since = self.clock.uptime();
        loop {
            match self.described(place, asked).await {
                Err(error) => self.wait_for_turn(error, since).await?,
                found => return found,
            }
        }
    }

    async fn described(&self, place: &Place, asked: &[Asked<'_>]) -> Result<Vec<Option<Found>>, ProviderError> {
        let mut session = self.arrive(place, CallName::Describe, None).await?;
        let answer = acts::describe(&mut session, asked).await;
        let count = answer.as_ref().map_or(asked.len(), |found| found.iter().flatten().count());
        self.answer(session, answer, count).await
    }

    /// Asks for a page of the objects of an owner.
    pub(crate) async fn list(&self, place: &Place, lineage: &str, after: &str) -> Result<Page, ProviderError> {
        let since = self.clock.uptime();
        loop {
            match self.listed(place, lineage, after).await {
                Err(error) => self.wait_for_turn(error, since).await?,
                page => return page,
            }
        }
    }

    async fn listed(&self, place: &Place, lineage: &str, after: &str) -> Result<Page, ProviderError> {
        let mut session = self.arrive(place, CallName::List, None).await?;
        let answer = acts::list(&mut session, lineage, after).await;
        let count = answer.as_ref().map_or(0, |page| page.objects.len());
        self.answer(session, answer, count).await
    }

    /// Waits until a question that was one too many may be asked again, as clients of clouds do; any other error is given back.
    async fn wait_for_turn(&self, error: ProviderError, since: Duration) -> Result<(), ProviderError> {
        let Class::Throttled { retry_after: Some(after) } = error.class else { return Err(error) };
        if self.clock.uptime().saturating_sub(since) + after > PATIENCE {
            return Err(error);
        }
        // Those who were refused together come back one after the other.
        self.clock.sleep(after.mul_f64(1.0 + self.entropy.share())).await;
        Ok(())
    }

    /// How long half of a call's way takes.
    async fn travel(&self, place: &Place) {
        let Some(latency) = &place.settings.latency else { return };
        let millis = latency.sample(self.entropy.share(), self.entropy.share());
        let half = Duration::from_secs_f64((millis / 2e3).clamp(0.0, 86_400.0));
        if !half.is_zero() {
            self.clock.sleep(half).await;
        }
    }

    /// A call comes in. An error here is its answer: it took no effect.
    async fn arrive<'a>(
        &'a self,
        place: &'a Place,
        call: CallName,
        request: Option<&Request>,
    ) -> Result<Session<'a>, ProviderError> {
        self.travel(place).await;
        let rows = Rows::begin(self.storage.as_ref(), self.entropy.as_ref()).await.map_err(unavailable)?;
        let now = self.clock.now();
        let logged = Logged {
            at: now,
            call: call.as_str().to_owned(),
            kind: place.kind.clone(),
            region: place.region.clone(),
            address: request.map(|request| request.address.to_string()),
            token: request.map(|request| request.token.to_string()),
            object: request.and_then(|request| request.id.clone()),
            objects: 0,
            outcome: String::new(),
        };
        let mut session = Session { rows, place, now, logged, fault: None };
        let address = request.map(|request| &request.address);
        match faults::admit(&mut session, call, address, self.entropy.as_ref()).await {
            Ok(()) => Ok(session),
            Err(error) => match self.answer::<()>(session, Err(error), 0).await {
                Ok(()) => Err(internal("a call that was refused was answered")),
                Err(error) => Err(error),
            },
        }
    }

    /// Commits what a call did and writes it into the log; then its answer goes back.
    async fn answer<T>(
        &self,
        session: Session<'_>,
        answer: Result<T, ProviderError>,
        objects: usize,
    ) -> Result<T, ProviderError> {
        let Session { mut rows, mut logged, fault, place, .. } = session;
        logged.objects = objects;
        logged.outcome = match &answer {
            Ok(_) if fault == Some(What::Lost) => "ReplyLost".to_owned(),
            Ok(_) => "ok".to_owned(),
            Err(error) => error.code.clone(),
        };
        rows.log(&logged).await.map_err(unavailable)?;
        // A call that fails here may have taken effect or not.
        rows.commit().await.map_err(|error| unavailable(error).outcome_unknown())?;
        self.travel(place).await;
        match (answer, fault) {
            (Ok(_), Some(What::Lost)) => {
                let lost = ProviderError::new(Class::Transient, "the reply was lost").code("ReplyLost");
                Err(lost.outcome_unknown())
            }
            (answer, _) => answer,
        }
    }
}

impl Session<'_> {
    fn settings(&self) -> &Settings {
        &self.place.settings
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(crate) fn unavailable(error: StorageError) -> ProviderError {
    ProviderError::new(Class::Internal, error.to_string()).code("CloudUnavailable")
}

fn internal(message: &str) -> ProviderError {
    ProviderError::new(Class::Internal, message).code("InternalError")
}
