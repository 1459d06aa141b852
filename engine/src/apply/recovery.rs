//! Settles operations whose outcome is not known: those that a dead run left open, and those whose reply was lost.

use std::time::Duration;

use trueup_state::entry::{Class, Handle};
use trueup_state::{OpenOperation, Timestamp, Verb};

use crate::naming::{TAG_ADDRESS, TAG_GENERATION, TAG_STACK, TAG_TOKEN};
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

/// Looks into an operation that began and has no end.
pub async fn settle(manager: &dyn Manager, open: &OpenOperation, lineage: &str, now: Timestamp) -> Settled {
    if let Some(handle) = &open.handle {
        return Settled::Poll(handle.clone());
    }
    match open.verb {
        Verb::Create => settle_create(manager, open, lineage, now).await,
        // What an update did shows when the next plan compares.
        Verb::Update | Verb::Check => Settled::NotDone,
        Verb::Delete => match find(manager, open, By::Id(open.request.id.as_deref().unwrap_or_default())).await {
            Ok(None) => Settled::Done(None),
            Ok(Some(_)) => Settled::NotDone,
            Err(error) => Settled::Unanswered(error),
        },
    }
}

async fn settle_create(manager: &dyn Manager, open: &OpenOperation, lineage: &str, now: Timestamp) -> Settled {
    let age = now.since(open.at);
    match manager.retry_safety() {
        RetrySafety::ClientToken { valid_for } if age < valid_for => Settled::Repeat,
        RetrySafety::NamedByCaller => match find(manager, open, By::Name(&open.request.name)).await {
            Ok(Some(found)) if is_ours(&found, open, lineage) => Settled::Done(Some(found)),
            Ok(Some(_)) => {
                let message = format!("`{}` exists already and belongs to another", open.request.name);
                Settled::Failed(ProviderError::new(Class::AlreadyExists, message))
            }
            Ok(None) => Settled::NotDone,
            Err(error) => Settled::Unanswered(error),
        },
        RetrySafety::OwnerTag { grace } => match find(manager, open, By::Token(&open.request.token)).await {
            Ok(Some(found)) => Settled::Done(Some(found)),
            Ok(None) if age < grace => Settled::Wait(grace.saturating_sub(age)),
            Ok(None) => Settled::Lapsed,
            Err(error) => Settled::Unanswered(error),
        },
        RetrySafety::ClientToken { .. } | RetrySafety::None => {
            let candidates = match look(manager, open, By::Name(&open.request.name)).await {
                Ok(looked) => looked.ids(),
                Err(_) => Vec::new(),
            };
            Settled::Park(parked(open, &candidates))
        }
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
            || tag(TAG_ADDRESS) == Some(&request.address.to_string())
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

/// What is there for certain.
async fn find(manager: &dyn Manager, open: &OpenOperation, by: By<'_>) -> Result<Option<Box<Found>>, ProviderError> {
    match look(manager, open, by).await?.observation {
        Observation::Present(found) => Ok(Some(found)),
        Observation::Absent => Ok(None),
        Observation::Indeterminate(reason) => Err(ProviderError::new(Class::Transient, reason)),
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
