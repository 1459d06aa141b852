//! Settles operations whose outcome is not known: those that a dead run left open, and those whose reply was lost.

use std::time::Duration;

use trueup_state::entry::{Class, Handle};
use trueup_state::rules::Rule;
use trueup_state::{OpenOperation, Timestamp, Verb};

use super::run::CALL_TIMEOUT;
use crate::naming::{TAG_ADDRESS, TAG_GENERATION, TAG_STACK, TAG_TOKEN, names_address};
use crate::provider::{By, Found, Manager, Observation, ProviderError, RetrySafety, Target};

/// What is known of an operation once it was looked into.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The provider goes on with it: ask after this.
    Poll(Handle),
    /// The identical request with the identical token will tell.
    Repeat,
    /// It took effect; what is there, for a create.
    Done(Option<Box<Found>>),
    /// It did not take effect: the identical request with the identical token may be sent.
    NotDone,
    /// It did not take effect, and its token can't be used again.
    Lapsed,
    /// It can be told after this long.
    Wait(Duration),
    /// It can't take effect.
    Failed(ProviderError),
    /// It can't be told now: the provider did not answer. The operation stays open.
    Unanswered(ProviderError),
    /// No rule can tell: it waits for a person.
    Park(String),
}

/// An operation that began and has no end, and what is known of it.
pub struct Doubt<'a> {
    /// The manager of its kind.
    pub manager: &'a dyn Manager,
    /// What was begun.
    pub open: &'a OpenOperation,
    /// The stack's, which owner tags bear.
    pub lineage: &'a str,
    /// The time of day.
    pub now: Timestamp,
    /// The last moment at which a call for it may have been sent.
    pub sent: Timestamp,
}

/// Looks into an operation that began and has no end.
pub async fn settle(doubt: &Doubt<'_>) -> Settled {
    let open = doubt.open;
    if let Some(handle) = open.handle.as_ref().filter(|_| Rule::Poll.holds()) {
        return Settled::Poll(handle.clone());
    }
    match open.verb {
        Verb::Create => settle_create(doubt).await,
        Verb::Check => Settled::NotDone,
        // What an update did shows when the next plan compares: that its object is there tells nothing.
        Verb::Update if Rule::CompareUpdate.holds() => Settled::NotDone,
        Verb::Delete if !Rule::LookAfterDelete.holds() => Settled::Done(None),
        Verb::Update | Verb::Delete => settle_by_id(doubt).await,
    }
}

async fn settle_by_id(doubt: &Doubt<'_>) -> Settled {
    match doubt.find(By::Id(doubt.open.request.id.as_deref().unwrap_or_default())).await {
        Ok(None) => Settled::Done(None),
        Ok(Some(found)) if doubt.open.verb == Verb::Update => Settled::Done(Some(found)),
        Ok(Some(_)) => Settled::NotDone,
        Err(error) => Settled::Unanswered(error),
    }
}

async fn settle_create(doubt: &Doubt<'_>) -> Settled {
    match doubt.manager.retry_safety() {
        RetrySafety::ClientToken { valid_for } if doubt.is_token_valid(valid_for) => {
            if Rule::RepeatWithToken.holds() {
                Settled::Repeat
            } else {
                Settled::Lapsed
            }
        }
        RetrySafety::NamedByCaller => named(doubt).await,
        RetrySafety::OwnerTag { grace } => tagged(doubt, grace).await,
        RetrySafety::ClientToken { .. } | RetrySafety::None if Rule::Park.holds() => {
            let looked = doubt.look(By::Name(&doubt.open.request.name)).await;
            Settled::Park(parked(doubt.open, &looked.map(|looked| looked.ids()).unwrap_or_default()))
        }
        RetrySafety::ClientToken { .. } | RetrySafety::None => Settled::Lapsed,
    }
}

async fn named(doubt: &Doubt<'_>) -> Settled {
    let open = doubt.open;
    if !Rule::LookByName.holds() {
        return Settled::NotDone;
    }
    match doubt.find(By::Name(&open.request.name)).await {
        Ok(Some(found)) if Rule::OnlyOurs.keeps(is_ours(&found, open, doubt.lineage)) => made(found),
        Ok(Some(_)) => {
            let message = format!("`{}` exists already and belongs to another", open.request.name);
            Settled::Failed(ProviderError::new(Class::AlreadyExists, message))
        }
        Ok(None) => Settled::NotDone,
        Err(error) => Settled::Unanswered(error),
    }
}

/// What tags show is there. What they don't show is not, once whatever was sent has arrived and lists have caught up.
async fn tagged(doubt: &Doubt<'_>, grace: Duration) -> Settled {
    let quiet = (CALL_TIMEOUT + grace).saturating_sub(doubt.now.since(doubt.sent));
    match doubt.find(By::Token(&doubt.open.request.token)).await {
        Ok(Some(found)) if Rule::LookByTag.holds() => made(found),
        Ok(None) if !quiet.is_zero() && Rule::Quiet.holds() => Settled::Wait(quiet),
        Ok(_) => Settled::Lapsed,
        Err(error) => Settled::Unanswered(error),
    }
}

impl Doubt<'_> {
    /// Whether the token of a create tells a repeat of it, from now until the last try of that: an eighth of its time is left.
    fn is_token_valid(&self, valid_for: Duration) -> bool {
        Rule::TokenLapses.keeps(self.now.since(self.open.at) < valid_for / 8 * 7)
    }

    async fn look(&self, by: By<'_>) -> Result<Looked, ProviderError> {
        look(self.manager, self.open, by).await
    }

    /// What is there for certain.
    async fn find(&self, by: By<'_>) -> Result<Option<Box<Found>>, ProviderError> {
        let silent = match self.look(by).await.map(|looked| looked.observation) {
            Ok(Observation::Present(found)) => return Ok(Some(found)),
            Ok(Observation::Absent | Observation::Ended(_)) => return Ok(None),
            Ok(Observation::Indeterminate(reason)) => ProviderError::new(Class::Transient, reason),
            Err(error) => error,
        };
        if Rule::SilenceIsNoAbsence.holds() { Err(silent) } else { Ok(None) }
    }
}

/// What was made, or is being made still.
fn made(found: Box<Found>) -> Settled {
    match found.pending.clone() {
        Some(handle) if Rule::WaitForPending.holds() => Settled::Poll(handle),
        _ => Settled::Done(Some(found)),
    }
}

fn parked(open: &OpenOperation, candidates: &[String]) -> String {
    let address = &open.request.address;
    let found = match candidates {
        [] => "no object that could be it was found".to_owned(),
        ids => format!("it could be {}", ids.join(" or ")),
    };
    format!(
        "it can't be told whether {address} was created: {found}. \
         `trueup state resolve {address} --id ID` or `--absent` settles it"
    )
}

/// Whether a found object is the one that the operation would have made: by its token, or by stack, address and generation.
pub(crate) fn is_ours(found: &Found, open: &OpenOperation, lineage: &str) -> bool {
    let tag = |name: &str| found.owner.get(name).map(String::as_str);
    let request = &open.request;
    tag(TAG_STACK) == Some(lineage)
        && (tag(TAG_TOKEN) == Some(request.token.as_str())
            || tag(TAG_ADDRESS).is_some_and(|tag| names_address(tag, &request.address))
                && tag(TAG_GENERATION) == Some(&request.generation.to_string()))
}

/// What the provider says of the object of an operation.
pub(crate) struct Looked {
    pub(crate) observation: Observation,
    orphans: Vec<Found>,
}

impl Looked {
    fn ids(&self) -> Vec<String> {
        let present = match &self.observation {
            Observation::Present(found) => Some(found.id.clone()),
            _ => None,
        };
        present.into_iter().chain(self.orphans.iter().map(|found| found.id.clone())).collect()
    }
}

/// Looks for what an operation may have made, or is about.
pub(crate) async fn look(manager: &dyn Manager, open: &OpenOperation, by: By<'_>) -> Result<Looked, ProviderError> {
    let request = &open.request;
    let target = Target { address: &request.address, generation: request.generation, by, sent: Some(&request.spec) };
    let observed = manager.observe(&[target]).await?;
    let silent = || ProviderError::new(Class::Internal, "the provider did not answer for the object");
    let observation = observed.observations.into_iter().next().ok_or_else(silent)?;
    Ok(Looked { observation, orphans: observed.orphans })
}
