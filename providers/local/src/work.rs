//! What the managers of all kinds have in common: whose an object is, and work that is done in steps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use trueup_engine::kinds::Kind;
use trueup_engine::provider::{
    Amount, By, Found, Observation, Observed, Progress, ProviderError, RetrySafety, Target, unknown_options,
};
use trueup_engine::schema::{Effect, Problem};
use trueup_engine::typed::{TypedFound, TypedManager, TypedProgress, TypedRequest, from_value};
use trueup_state::{Class, Handle, Request, Token, Value};

use crate::card::{Card, Cards, STACK};
use crate::home::{Lock, checked_name, invalid};
use crate::refuse;

/// How far one step of a piece of work came.
pub(crate) enum Step {
    /// All is done.
    Done,
    /// There is more to do.
    More {
        /// When.
        after: Duration,
        /// How far it is.
        amount: Option<Amount>,
        /// What it is at.
        note: String,
    },
}

/// The card of a kind's objects.
pub(crate) type CardOf<W> = Card<<<W as Work>::Kind as Kind>::Spec, <W as Work>::Data>;

/// One kind's way of working, in steps that may block for about a second. [`Threaded`] makes a manager of it.
pub(crate) trait Work: Send + Sync + 'static {
    /// The kind.
    type Kind: Kind<Spec: Clone, Attributes: Send>;

    /// What is noted of an object besides its spec.
    type Data: Serialize + DeserializeOwned + Default + Send;

    /// Where the cards are.
    fn cards(&self) -> &Cards<<Self::Kind as Kind>::Spec, Self::Data>;

    /// The directory that locks the claim of a name.
    fn root(&self) -> &std::path::Path;

    /// Whether something is there under a card's name.
    fn is_there(&self, name: &str, card: Option<&CardOf<Self>>) -> bool;

    /// Whether a change can be made in place, where the schema alone does not tell.
    fn effect(&self, _before: &Value, _after: &Value) -> Option<Effect> {
        None
    }

    /// What is there. The card's object is there.
    fn look(&self, card: CardOf<Self>, sent: Option<&Value>) -> Result<TypedFound<Self::Kind>, ProviderError>;

    /// What can't be made here of a spec, besides what is so for every kind. Parts of it may be unknown.
    fn refused(_spec: &Value) -> Vec<Problem> {
        Vec::new()
    }

    /// Refuses what can't be made as this machine is now, before anything is touched.
    fn check(&self, _request: &Request, _spec: &<Self::Kind as Kind>::Spec) -> Result<(), ProviderError> {
        Ok(())
    }

    /// What is certainly in the way of deleting the object of a name as a spec says.
    fn obstacle(&self, _name: &str, _sent: &Value) -> Result<Option<Problem>, ProviderError> {
        Ok(None)
    }

    /// Brings the object nearer to a spec, from whatever state it is in. It may note things in the card, and writes it when they
    /// must outlive the process.
    fn converge(
        &self,
        card: &mut CardOf<Self>,
        spec: &<Self::Kind as Kind>::Spec,
        request: &Request,
    ) -> Result<Step, ProviderError>;

    /// Brings the object nearer to being gone, all but its card.
    fn dissolve(&self, card: &mut CardOf<Self>, request: &Request) -> Result<Step, ProviderError>;
}

/// A manager that does a [`Work`] on threads where it may block.
pub(crate) struct Threaded<W>(pub(crate) Arc<W>);

const CONVERGE: &str = "converge";
const DISSOLVE: &str = "dissolve";

fn name_of(request: &Request) -> &str {
    request.id.as_deref().unwrap_or(&request.name)
}

fn internal(message: impl Into<String>) -> ProviderError {
    ProviderError::new(Class::Internal, message)
}

/// What can't be made here of a spec, whatever else is so.
fn refused<W: Work>(spec: &Value) -> Vec<Problem> {
    let mut refused = W::refused(spec);
    refused.extend(refuse::name(spec));
    refused.extend(unknown_options(refuse::LOCAL, W::Kind::NAME, &[], spec));
    refused
}

/// Refuses what can't be made here, before anything is touched.
fn admit<W: Work>(work: &W, request: &Request, spec: &<W::Kind as Kind>::Spec) -> Result<(), ProviderError> {
    match refused::<W>(&request.spec).into_iter().next() {
        Some(problem) => Err(invalid(&problem.path.to_string(), problem.message)),
        None => work.check(request, spec),
    }
}

/// Finds the card that a create makes or goes on with, and refuses a name that is another's.
fn claim<W: Work>(work: &W, request: &Request, spec: &<W::Kind as Kind>::Spec) -> Result<CardOf<W>, ProviderError> {
    let name = checked_name(&request.name)?;
    let _lock = Lock::hold(work.root())?;
    let existing = work.cards().read(name)?;
    let there = work.is_there(name, existing.as_ref());
    match existing {
        Some(card) if card.is_made_by(request) => Ok(card),
        Some(card) if there || !card.ready => {
            let message =
                format!("`{name}` is there already: it is `{}` of another stack or of an earlier object", card.address);
            Err(ProviderError::new(Class::AlreadyExists, message))
        }
        None if there => {
            let message =
                format!("`{name}` is there already, and Trueup did not make it: choose another name or remove it");
            Err(ProviderError::new(Class::AlreadyExists, message))
        }
        _ => {
            let card = Card::new(request, spec.clone());
            work.cards().write(&card)?;
            Ok(card)
        }
    }
}

fn create<W: Work>(
    work: &W,
    request: &Request,
    spec: &<W::Kind as Kind>::Spec,
) -> Result<TypedProgress<W::Kind>, ProviderError> {
    admit(work, request, spec)?;
    let card = claim(work, request, spec)?;
    advance(work, card, request, spec)
}

fn update<W: Work>(
    work: &W,
    request: &Request,
    spec: &<W::Kind as Kind>::Spec,
) -> Result<TypedProgress<W::Kind>, ProviderError> {
    admit(work, request, spec)?;
    let name = name_of(request);
    let Some(card) = work.cards().read(name)? else {
        return Err(ProviderError::new(Class::NotFound, format!("there is no `{name}` any more")));
    };
    if !card.is_of_stack(request) {
        return Err(ProviderError::new(Class::Conflict, format!("`{name}` belongs to another stack by now")));
    }
    advance(work, card, request, spec)
}

/// One step towards a spec. A first making that fails is undone, so that it leaves nothing behind.
fn advance<W: Work>(
    work: &W,
    mut card: CardOf<W>,
    request: &Request,
    spec: &<W::Kind as Kind>::Spec,
) -> Result<TypedProgress<W::Kind>, ProviderError> {
    match work.converge(&mut card, spec, request) {
        Ok(Step::Done) => {
            card.spec = spec.clone();
            card.ready = true;
            card.owner.clone_from(&request.owner);
            card.address = request.address.clone();
            card.generation = request.generation;
            work.cards().write(&card)?;
            work.look(card, Some(&request.spec)).map(|found| TypedProgress::Done(Some(found)))
        }
        Ok(Step::More { after, amount, note }) => Ok(pending(CONVERGE, &card.name, after, amount, note)),
        Err(error) => {
            if !card.ready && !matches!(error.class, Class::Transient) {
                undo(work, card, request)?;
            }
            // An update that failed midway is seen for what it is by the next observation: all of it is observed.
            Err(error)
        }
    }
}

fn undo<W: Work>(work: &W, mut card: CardOf<W>, request: &Request) -> Result<(), ProviderError> {
    // What is told to stop has a few seconds for it here; a next run would find it by its card.
    for _ in 0..100 {
        match work.dissolve(&mut card, request)? {
            Step::Done => return work.cards().remove(&card.name),
            Step::More { after, .. } => std::thread::sleep(after),
        }
    }
    Ok(())
}

fn delete<W: Work>(work: &W, request: &Request) -> Result<TypedProgress<W::Kind>, ProviderError> {
    let name = name_of(request);
    let Some(mut card) = work.cards().read(name)? else { return Ok(TypedProgress::Done(None)) };
    if !card.is_of_stack(request) {
        return Err(ProviderError::new(Class::Conflict, format!("`{name}` belongs to another stack by now")));
    }
    match work.dissolve(&mut card, request)? {
        Step::Done => {
            work.cards().remove(&card.name)?;
            Ok(TypedProgress::Done(None))
        }
        Step::More { after, amount, note } => Ok(pending(DISSOLVE, &card.name, after, amount, note)),
    }
}

fn poll<W: Work>(work: &W, request: &Request, handle: &Handle) -> Result<TypedProgress<W::Kind>, ProviderError> {
    match handle.0.get("op").and_then(serde_json::Value::as_str) {
        Some(DISSOLVE) => delete(work, request),
        // A create whose card was lost begins again; an update's would be found missing.
        Some(CONVERGE) => {
            let spec = from_value(&request.spec)?;
            if request.id.is_none() { create(work, request, &spec) } else { update(work, request, &spec) }
        }
        _ => Err(internal("this handle was not given by the provider `local`")),
    }
}

fn pending<K: Kind>(
    op: &str,
    name: &str,
    poll_after: Duration,
    amount: Option<Amount>,
    note: String,
) -> TypedProgress<K> {
    let handle = Handle(serde_json::json!({ "op": op, "name": name }));
    TypedProgress::Pending(Progress::Pending {
        id: Some(name.to_owned()),
        handle,
        poll_after,
        amount,
        note: Some(note),
    })
}

/// A target that owns what it holds, so that it can go to another thread.
struct Wanted {
    by: Wanting,
    sent: Option<Value>,
}

enum Wanting {
    Name(String),
    Token(Token),
}

impl From<&Target<'_>> for Wanted {
    fn from(target: &Target<'_>) -> Self {
        let by = match target.by {
            By::Id(name) | By::Name(name) => Wanting::Name(name.to_owned()),
            By::Token(token) => Wanting::Token(token.clone()),
        };
        Self { by, sent: target.sent.cloned() }
    }
}

fn observe<W: Work>(work: &W, wanted: &[Wanted]) -> Result<Observed, ProviderError> {
    let mut stacks = std::collections::BTreeSet::new();
    let mut asked = std::collections::BTreeSet::new();
    let mut observations = Vec::new();
    for target in wanted {
        let name = match &target.by {
            Wanting::Name(name) => Some(name.clone()),
            Wanting::Token(token) => {
                work.cards().all()?.into_iter().find(|card| card.token == *token).map(|card| card.name)
            }
        };
        let observation =
            name.as_ref().map_or(Observation::Absent, |name| observe_one(work, name, target.sent.as_ref()));
        asked.extend(name);
        if let Observation::Present(found) = &observation {
            stacks.extend(found.owner.get(STACK).cloned());
        }
        observations.push(observation);
    }
    let mut orphans = Vec::new();
    for card in work.cards().all()? {
        let ours = card.owner.get(STACK).is_some_and(|stack| stacks.contains(stack));
        if ours && !asked.contains(&card.name) && work.is_there(&card.name, Some(&card)) {
            orphans.extend(found(work, card, None).ok());
        }
    }
    Ok(Observed { observations, orphans })
}

fn observe_one<W: Work>(work: &W, name: &str, sent: Option<&Value>) -> Observation {
    let card = match work.cards().read(name) {
        Ok(card) => card,
        Err(error) => return Observation::Indeterminate(error.to_string()),
    };
    let there = work.is_there(name, card.as_ref());
    match card {
        Some(card) if there && card.ready => match found(work, card, sent) {
            Ok(found) => Observation::Present(Box::new(found)),
            Err(error) => Observation::Indeterminate(error.to_string()),
        },
        None if there => Observation::Indeterminate(format!(
            "`{name}` is there, but {} is not: nothing tells whose it is",
            work.cards().path(name).display()
        )),
        _ => Observation::Absent,
    }
}

fn obstacle<W: Work>(work: &W, target: &Wanted) -> Option<Problem> {
    match (&target.by, &target.sent) {
        (Wanting::Name(name), Some(sent)) => work.obstacle(name, sent).unwrap_or_default(),
        _ => None,
    }
}

fn found<W: Work>(work: &W, card: CardOf<W>, sent: Option<&Value>) -> Result<Found, ProviderError> {
    work.look(card, sent).map(TypedFound::into_found)
}

/// Runs what may block where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
) -> Result<T, ProviderError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(internal(if error.is_panic() { "a worker thread failed" } else { "a worker thread was ended" }.to_owned())
            .outcome_unknown())
    })
}

#[async_trait]
impl<W: Work> TypedManager for Threaded<W> {
    type Kind = W::Kind;

    fn retry_safety(&self) -> RetrySafety {
        RetrySafety::NamedByCaller
    }

    fn effect(&self, before: &Value, after: &Value) -> Effect {
        match (W::Kind::schema().effect(before, after), self.0.effect(before, after)) {
            (Effect::Replace(mut fields), Some(Effect::Replace(more))) => {
                fields.extend(more);
                Effect::Replace(fields)
            }
            (Effect::Replace(fields), _) => Effect::Replace(fields),
            (effect, own) => own.unwrap_or(effect),
        }
    }

    fn check(&self, spec: &Value) -> Vec<Problem> {
        refused::<W>(spec)
    }

    async fn observe(&self, targets: &[Target<'_>]) -> Result<Observed, ProviderError> {
        let (work, wanted) = (Arc::clone(&self.0), targets.iter().map(Wanted::from).collect::<Vec<_>>());
        blocking(move || observe(&*work, &wanted)).await
    }

    async fn obstacles(&self, targets: &[Target<'_>]) -> Vec<Option<Problem>> {
        let (work, wanted) = (Arc::clone(&self.0), targets.iter().map(Wanted::from).collect::<Vec<_>>());
        let count = targets.len();
        // What can't be told is no obstacle.
        let told = blocking(move || Ok(wanted.iter().map(|target| obstacle(&*work, target)).collect())).await;
        told.unwrap_or_else(|_| vec![None; count])
    }

    async fn create(
        &self,
        request: TypedRequest<'_, <W::Kind as Kind>::Spec>,
    ) -> Result<TypedProgress<W::Kind>, ProviderError> {
        let (work, raw, spec) = (Arc::clone(&self.0), request.request.clone(), request.spec);
        blocking(move || create(&*work, &raw, &spec)).await
    }

    async fn update(
        &self,
        request: TypedRequest<'_, <W::Kind as Kind>::Spec>,
    ) -> Result<TypedProgress<W::Kind>, ProviderError> {
        let (work, raw, spec) = (Arc::clone(&self.0), request.request.clone(), request.spec);
        blocking(move || update(&*work, &raw, &spec)).await
    }

    async fn delete(&self, request: &Request) -> Result<TypedProgress<W::Kind>, ProviderError> {
        let (work, request) = (Arc::clone(&self.0), request.clone());
        blocking(move || delete(&*work, &request)).await
    }

    async fn poll(&self, request: &Request, handle: &Handle) -> Result<TypedProgress<W::Kind>, ProviderError> {
        let (work, request, handle) = (Arc::clone(&self.0), request.clone(), handle.clone());
        blocking(move || poll(&*work, &request, &handle)).await
    }
}
