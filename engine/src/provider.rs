//! The seam between the engine and whoever makes things: providers, the managers of their kinds, and checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use trueup_state::entry::{Applied, Class, Handle, Request};
use trueup_state::{Address, FieldPath, Generation, KindName, Object, ProviderName, Scope, Timestamp, Token, Value};

use crate::blueprint::terraform::{Ours, Theirs};
use crate::compose::{Companions, Composed, Composition, Located, Wanted};
use crate::diagnostic::{closest, with_article};
use crate::naming::NameRule;
use crate::native::Native;
use crate::schema::{Effect, Problem, Schema};

/// Who makes things: one for each cloud, and one for this machine.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name, as blueprints have it: `local`, `aws`.
    fn name(&self) -> &str;

    /// What may stand under it in a blueprint's `providers`.
    fn settings_schema(&self) -> &'static Schema;

    /// The kinds it makes. A native kind need not be named: [`Provider::makes`] answers for it.
    fn kinds(&self) -> BTreeSet<KindName>;

    /// Whether a name is one of its native kinds', by how it is written: `AWS::SQS::Queue`.
    fn natives(&self) -> fn(&str) -> bool {
        |_| false
    }

    /// Whether it makes a kind.
    fn makes(&self, kind: &KindName) -> bool {
        self.kinds().contains(kind) || self.natives()(kind.as_str())
    }

    /// How many of its calls may be under way at once, whatever APIs they go to.
    fn concurrency(&self) -> usize {
        usize::MAX
    }

    /// The scope of one resource, from the settings of its provider block and from its candidate.
    fn scope(&self, name: &ProviderName, settings: &Value, candidate: Option<&Candidate>) -> Result<Scope, Invalid>;

    /// Managers for these kinds in a scope. Schemas that only the cloud knows are fetched here; pure planning follows.
    async fn prepare(
        &self,
        scope: &Scope,
        kinds: &BTreeSet<KindName>,
    ) -> Result<BTreeMap<KindName, Arc<dyn Manager>>, ProviderError>;

    /// How a kind is composed in a scope; none where it is managed. It is asked of no resource in particular.
    fn composes(&self, _scope: &Scope, _kind: &KindName) -> Option<Composed> {
        None
    }

    /// The parts that a resource of a composed kind is made of. Their number and addresses don't depend on unknowns. It is pure, and asked
    /// again when an operation is finished. The problems are what can't be taken of the spec; none repeats a secret.
    fn compose(&self, _wanted: &Wanted<'_>) -> Result<Composition, Vec<Problem>> {
        Err(vec![Problem::new(FieldPath::root(), "its provider does not compose it")])
    }

    /// The kinds of what a managed kind may need beside it in a scope, and where each is made; none where it needs nothing. It is asked of
    /// no resource in particular.
    fn accompanies(&self, _scope: &Scope, _kind: &KindName) -> BTreeSet<(Scope, KindName)> {
        BTreeSet::new()
    }

    /// What a resource of such a kind needs beside it. As [`Provider::compose`], it is pure, asked again when an operation is finished, and
    /// asked for each candidate.
    fn companions(&self, _wanted: &Wanted<'_>) -> Result<Companions, Vec<Problem>> {
        Ok(Companions::default())
    }

    /// What a composed resource is made of that is there already, by an id or a name that a person gives; none where nothing is there.
    async fn locate(&self, _scope: &Scope, kind: &KindName, _id: &str) -> Result<Option<Located>, ProviderError> {
        let message = format!("what {} is made of can't be found by an id", with_article(kind.as_str()));
        Err(ProviderError::new(Class::Invalid { field: None }, message))
    }

    /// A native kind, as its cloud describes it; none where the provider can't tell. It is asked of no scope in particular: where the
    /// provider is usually, has to do. What can't be managed is an error that says so.
    async fn describe(&self, _kind: &KindName) -> Result<Option<Native>, ProviderError> {
        Ok(None)
    }

    /// Where Terraform's provider of the same things comes from: `hashicorp/aws`; none where it has none that is known.
    fn terraform(&self) -> Option<&'static str> {
        None
    }

    /// What resources of Terraform's are here, one answer each, in their order. It looks at them, and changes nothing.
    async fn translate(&self, theirs: &[&Theirs]) -> Result<Vec<Ours>, ProviderError> {
        Ok(theirs.iter().map(|_| Ours::Not("its provider does not know it".to_owned())).collect())
    }

    /// Dated answers to what a plan may ask.
    async fn facts(&self, _questions: &[Question]) -> Vec<Fact> {
        Vec::new()
    }
}

/// A provider's way with one kind in one scope.
#[async_trait]
pub trait Manager: Send + Sync {
    /// What may be said of the kind, and what is known of each field.
    fn schema(&self) -> &Schema;

    /// Whether a change can be made in place, and if not, why. `before` and `after` are whole specs; the answer follows from the
    /// schema's immutable fields unless the kind needs more.
    fn effect(&self, before: &Value, after: &Value) -> Effect {
        self.schema().effect(before, after)
    }

    /// `other`, written as `wanted` has it wherever the two are the same to the provider: it may write a name in small letters. Pure, and by
    /// itself nothing but `other`. Both are whole specs, of which parts may be unknown.
    fn respelled(&self, _wanted: &Value, other: &Value, _source: Source) -> Value {
        other.clone()
    }

    /// What this provider can't take of a spec that its kind's schema allows. Asked when a plan is made, and again when an operation is
    /// finished: it is pure and does no I/O. Parts of the spec may be unknown, of which nothing is said; a secret is never repeated.
    fn check(&self, _spec: &Value) -> Vec<Problem> {
        Vec::new()
    }

    /// What its calls share a limit with: the provider's one API, unless it has several.
    fn api(&self) -> Api {
        Api::default()
    }

    /// Whether two objects can't have one name at once: so it is where a name settles what became of a create.
    fn is_alone_of_its_name(&self) -> bool {
        self.retry_safety() == RetrySafety::NamedByCaller
    }

    /// Whether what a create left partly made is brought level by an update. If not, it is made anew.
    fn finishes(&self) -> bool {
        false
    }

    /// How a create whose outcome is not known can be settled.
    fn retry_safety(&self) -> RetrySafety;

    /// How long what was made under a name may be missing from what a search by that name shows.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    /// What the provider allows in a name.
    fn name_rule(&self) -> NameRule {
        NameRule::default()
    }

    /// By what an object that a spec describes is known where nothing records it. Parts of the spec may be unknown.
    fn identity(&self, _spec: &Value) -> Identity {
        Identity::Name
    }

    /// What is there now, one observation a target and in their order, by as few calls as the provider's lists allow. A failed
    /// or partial list is [`Observation::Indeterminate`], never absent.
    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError>;

    /// What is in the way of deleting each target, as far as that is cheaply and certainly known: one answer a target, in their order.
    /// What each carries as `sent` is what its delete would. The problem's path is the field that would let it go.
    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        vec![None; targets.len()]
    }

    /// Makes an object. Returns within seconds.
    async fn create(&self, request: &Request) -> Result<Progress, ProviderError>;

    /// Brings an object from `request.before` to `request.spec`. Returns within seconds.
    async fn update(&self, request: &Request) -> Result<Progress, ProviderError>;

    /// Removes an object; one that is gone already is a success. Returns within seconds.
    async fn delete(&self, request: &Request) -> Result<Progress, ProviderError>;

    /// Asks after pending work, in this process or a later one.
    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError>;

    /// What an object has left where its stack can read it, as what it was given for its check told it to; none where nothing is there yet.
    /// `request`: that of its check.
    async fn left(&self, request: &Request) -> Result<Option<Vec<u8>>, ProviderError> {
        let _ = request;
        Ok(None)
    }
}

/// Where a spec comes from that is compared with what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was sent once: a person wrote it.
    Sent,
    /// It was found: the provider wrote it.
    Found,
}

/// The options that a spec has for a provider and that the provider does not have for the kind. Those for others are theirs to check.
pub fn unknown_options(provider: &str, kind: &str, known: &[&str], spec: &Value) -> Vec<Problem> {
    let at = FieldPath::root().field("options").field(provider);
    let given = spec.at(&at).and_then(|options| options.revealed().as_map()).into_iter().flatten();
    let unknown = given.filter(|(name, _)| !known.contains(&name.as_str()));
    let problem = |(name, _): (&String, &Value)| {
        let message = format!("`{provider}` has no option `{name}` for {}", with_article(kind));
        let suggestion = closest(name, known.iter().copied());
        Problem { suggestion, ..Problem::new(at.field(name), message) }
    };
    unknown.map(problem).collect()
}

/// Proves that an object is what it should be, after it was made and before anything relies on it.
#[async_trait]
pub trait Check: Send + Sync {
    /// What its calls share a limit with. By itself a check calls no API of the object's provider: it has one of its own.
    fn api(&self) -> Api {
        Api { name: "check".to_owned(), ..Api::default() }
    }

    /// What a new object is given so that it can be checked, for its `validate` in `request.check`; null where that takes nothing. Its
    /// manager finds it in [`Request::check`], and it is journaled with the rest of what is sent: it should be sealed as far as it is secret.
    async fn equip(&self, request: &Request) -> Result<Value, ProviderError> {
        let _ = request;
        Ok(Value::Null)
    }

    /// Starts it; what is asked for is in `request.check`. A verdict against the object is an error of class [`Class::Invalid`].
    async fn start(&self, request: &Request) -> Result<Progress, ProviderError>;

    /// Asks after it, in this process or a later one.
    async fn poll(&self, request: &Request, handle: &Handle) -> Result<Progress, ProviderError>;

    /// Ends it where it goes on still, as well as that can be done: nobody asks after it any more.
    async fn stop(&self, request: &Request) {
        let _ = request;
    }
}

/// Calls of one provider that share a limit: one service, in one region or project, or however the provider counts. How fast it may be
/// called need not be said: that is found out from what it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// A name that tells it from the provider's others.
    pub name: String,
    /// How many calls to it may be under way at once; whoever names the same API says the same.
    pub concurrency: usize,
}

impl Default for Api {
    fn default() -> Self {
        Self { name: String::new(), concurrency: usize::MAX }
    }
}

/// How a call went.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Done: what is there now; none after a delete and a check.
    Done(Option<Box<Found>>),
    /// The provider goes on with it.
    Pending {
        /// The object's id, where it has one already.
        id: Option<String>,
        /// What to ask after: plain data that outlives the process, and no secret.
        handle: Handle,
        /// When to ask.
        poll_after: Duration,
        /// How far it is, where that is known.
        amount: Option<Amount>,
        /// What it is at, in a few words.
        note: Option<String>,
    },
    /// The work itself failed, as the provider says: it is over. An error of the call that asks after it says no such thing.
    Failed(Box<ProviderError>),
}

/// How far a piece of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// What is done, in `unit`.
    pub done: u64,
    /// All of it, in `unit`.
    pub total: u64,
    /// Of what.
    pub unit: Unit,
}

/// What an amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes moved.
    Bytes,
    /// Things finished.
    Items,
}

/// An object as a provider finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The provider's id.
    pub id: String,
    /// What it is, in the shape of a spec.
    pub spec: Value,
    /// What exists of it only since it was created: a map by attribute.
    pub attributes: Value,
    /// The owner tags on it, where its type has tags: see [`crate::naming`].
    pub owner: BTreeMap<String, String>,
    /// What to ask after, while the provider works on it still: it does not count as made before that is over.
    pub pending: Option<Handle>,
}

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The resource that it is, or would be.
    pub address: &'a Address,
    /// Which of the resource's objects.
    pub generation: Generation,
    /// By what.
    pub by: By<'a>,
    /// The spec as last sent, where there is one: what it leaves out need not be asked for.
    pub sent: Option<&'a Value>,
}

/// By what an object is looked for.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The provider's id.
    Id(&'a str),
    /// The token of the operation that may have made it.
    Token(&'a Token),
    /// The cloud's name for it.
    Name(&'a str),
}

/// What is there now.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// One a target, in their order.
    pub observations: Vec<Observation>,
    /// Objects of the same lineage that no target asked for.
    pub orphans: Vec<Found>,
}

/// What a provider says of one target.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// It is there.
    Present(Box<Found>),
    /// It is certainly not there.
    Absent,
    /// It is certainly not there, and nobody has deleted it: its provider took it back, or it came to an end by itself. Why, in words that
    /// go on from `it`.
    Ended(String),
    /// It can't be told now, and why.
    Indeterminate(String),
}

impl Observation {
    /// Whether it is certainly not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent | Self::Ended(_))
    }
}

/// By what an object is known that nothing records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Its name: the spec's own, or the one that it would be given.
    Name,
    /// This name, which the spec says in fields of the cloud's own.
    Is(String),
    /// This name, which the spec says in fields of the cloud's own, and which its provider does not know it by: it is found among all that
    /// are there.
    Called(String),
    /// The owner tags on it. Nothing has a name that [`By::Name`] could lead to, but whoever asks by one is shown orphans.
    Tags,
    /// Its id alone.
    Id,
}

/// How a create whose outcome is not known can be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetrySafety {
    /// The caller names it: look for the name.
    NamedByCaller,
    /// The same request with the same token answers the same.
    ClientToken {
        /// For how long after the first.
        valid_for: Duration,
    },
    /// Look for the owner tags that the creating call set.
    OwnerTag {
        /// How long after the call an object may still be missing from lists.
        grace: Duration,
    },
    /// Nothing can tell.
    None,
}

/// One entry of a placement, resolved for one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its position in the placement, from 0.
    pub position: usize,
    /// Who would make it.
    pub provider: ProviderName,
    /// What the entry says besides: settings of the provider, or fields of the kind, which it overrides.
    pub fields: BTreeMap<String, serde_json::Value>,
}

/// What is wrong with something a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Where, from the top of the spec or the settings.
    pub path: FieldPath,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}{}{}", code_suffix(&self.code), request_suffix(self.request_id.as_ref()))]
pub struct ProviderError {
    /// What sort of failure: policy is decided from this and `applied`.
    pub class: Class,
    /// What it left behind.
    pub applied: Applied,
    /// The provider's own code; empty where it has none.
    pub code: String,
    /// What happened, for a person; never a secret.
    pub message: String,
    /// The provider's id of the request, to ask its support with.
    pub request_id: Option<String>,
    /// What to do about it, where the provider can say more than its class does.
    pub help: Option<String>,
    /// For how long it is of use to try again, where what is in the way goes by itself; zero where nothing says so.
    pub patience: Duration,
}

impl ProviderError {
    /// A failure that left nothing behind.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            applied: Applied::No,
            code: String::new(),
            message: message.into(),
            request_id: None,
            help: None,
            patience: Duration::ZERO,
        }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same failure with the provider's code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// The same failure, after which it can't be told whether the call took effect.
    #[must_use]
    pub fn outcome_unknown(mut self) -> Self {
        self.applied = Applied::Unknown;
        self
    }

    /// The same failure, which left an object that is not whole: what is found of it. When it was made the engine knows.
    #[must_use]
    pub fn partly(mut self, request: &Request, found: Found) -> Self {
        self.applied = Applied::Partly(Box::new(Object {
            id: Some(found.id),
            scope: request.scope.clone(),
            generation: request.generation,
            token: request.token.clone(),
            sent: request.spec.clone(),
            seen: found.spec,
            attributes: found.attributes,
            made_at: Timestamp(0),
            price_at_launch: None,
        }));
        self
    }
}

fn code_suffix(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" ({code})") }
}

fn request_suffix(request_id: Option<&String>) -> String {
    request_id.map(|id| format!(" [request {id}]")).unwrap_or_default()
}

/// What a plan may ask a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Where.
    pub scope: Scope,
    /// About what kind.
    pub kind: KindName,
    /// What of it.
    pub subject: Subject,
}

/// What of a kind a plan may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// What it can be had for.
    Offers,
    /// How many may be had.
    Quota,
    /// Which images it can start from.
    Images,
    /// Whose account it would be in.
    Identity,
}

/// A provider's dated answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// To what.
    pub question: Question,
    /// The answer, in a shape that the subject sets.
    pub answer: serde_json::Value,
    /// Who said so.
    pub source: String,
    /// When.
    pub at: Timestamp,
}
