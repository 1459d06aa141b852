//! A person says what became of an operation that no rule can settle.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use trueup_state::entry::{Event, Resolution};
use trueup_state::{Address, FieldPath, Holder, Lease, Object, OpenOperation, Scope, Stack, State, Verb};

use super::ByHandError;
use crate::apply::operation::recorded_at;
use crate::apply::recovery::{is_ours, look};
use crate::apply::run::CALL_TIMEOUT;
use crate::digest::digested;
use crate::engine::{Engine, EngineError, with_lease};
use crate::estate::Estate;
use crate::naming::TAG_STACK;
use crate::plan::diff::{changed_paths, set};
use crate::plan::echo::{mark_secrets, scrub};
use crate::provider::{By, Found, Manager, Observation, Source};

/// What a person says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The object of this id was made.
    Id(String),
    /// There is none.
    Absent,
}

/// How an operation was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// What had begun.
    pub verb: Verb,
    /// The object that is recorded now; none where there is none.
    pub id: Option<String>,
    /// The fields in which it is not what was asked for: the next plan shows them as drift.
    pub differs: BTreeSet<FieldPath>,
}

impl Engine {
    /// Settles an operation that has not ended by what a person says of it, as far as the provider does not say otherwise: an object
    /// that was made has to be there, and one that was deleted has to be gone.
    pub async fn resolve(
        &self,
        stack: &Stack,
        holder: &Holder,
        address: &Address,
        answer: &Answer,
    ) -> Result<Settlement, EngineError> {
        let resolve = async |lease: &Lease, state: State| {
            let open = open_at(&state, address)?.clone();
            let manager = self.manager_of(&state, &open).await?;
            // Nobody listens, and nobody interrupts.
            let ((events, _), (_, cancel)) = (mpsc::unbounded_channel(), watch::channel(false));
            let run = self.run(lease, state, &events, &cancel);
            let settle = async {
                let state = run.state().clone();
                let (events, settlement) = self.settlement(&state, &open, &*manager, answer).await?;
                let entries: Vec<_> = events.into_iter().map(|event| self.about(address, event)).collect();
                run.append_all(&entries).await?;
                Ok(settlement)
            };
            with_lease(&run, settle).await
        };
        self.leased(stack, holder, resolve).await
    }

    /// The manager of an operation's object. No other provider of the stack is asked for anything.
    async fn manager_of(&self, state: &State, open: &OpenOperation) -> Result<Arc<dyn Manager>, EngineError> {
        let mut alone = State::new(state.lineage.clone());
        alone.open.insert(open.request.token.clone(), open.clone());
        let estate = Estate::prepare(&self.providers, None, Some(&alone)).await?;
        let manager = estate.manager(&open.request.scope, &open.request.kind).cloned();
        Ok(manager.ok_or_else(|| unanswered(open, "its provider makes this kind no more"))?)
    }

    /// What is to be told in the journal.
    async fn settlement(
        &self,
        state: &State,
        open: &OpenOperation,
        manager: &dyn Manager,
        answer: &Answer,
    ) -> Result<(Vec<Event>, Settlement), ByHandError> {
        let (address, verb) = (open.request.address.clone(), open.verb);
        if open.handle.is_some() {
            return Err(ByHandError::GoesOn { address, verb });
        }
        let resolved = |resolution| Event::Resolved { token: open.request.token.clone(), resolution };
        let settled = |id, differs| Settlement { verb, id, differs };
        match (verb, answer) {
            (Verb::Create, Answer::Id(id)) => {
                let found = self.found(state, open, manager, id).await?;
                let (object, differs) = taken_in(open, &found, &state.lineage, manager);
                let sent = digested(manager.schema(), &object.sent, self.entropy.as_ref());
                let object = Some(Box::new(Object { sent, ..object }));
                let seen = Event::Annotated { declared: Box::new(open.declared.clone()), object };
                Ok((vec![resolved(Resolution::Id(found.id.clone())), seen], settled(Some(found.id), differs)))
            }
            (Verb::Create, Answer::Absent) => {
                // Where it can't be looked for, what a person says has to do.
                for by in [By::Token(&open.request.token), By::Name(&open.request.name)] {
                    if let Ok(Observation::Present(found)) = self.observe(open, manager, by).await
                        && is_ours(&found, open, &state.lineage)
                        && recorded_at(state, &open.request, &found.id).is_none()
                    {
                        return Err(ByHandError::IsThere { address, id: found.id, verb });
                    }
                }
                Ok((vec![resolved(Resolution::Absent)], settled(None, BTreeSet::new())))
            }
            (Verb::Delete, Answer::Absent) => {
                let id = open.request.id.clone().unwrap_or_default();
                match self.observe(open, manager, By::Id(&id)).await? {
                    Observation::Absent | Observation::Ended(_) => {
                        let gone = Event::Forgotten { generation: open.request.generation };
                        Ok((vec![resolved(Resolution::Absent), gone], settled(None, BTreeSet::new())))
                    }
                    Observation::Present(_) => Err(ByHandError::IsThere { address, id, verb }),
                    Observation::Indeterminate(reason) => Err(unanswered(open, &reason)),
                }
            }
            _ => Err(ByHandError::SettlesItself { address, verb }),
        }
    }

    /// The object of an id, if it is there and can be what the operation made.
    async fn found(
        &self,
        state: &State,
        open: &OpenOperation,
        manager: &dyn Manager,
        id: &str,
    ) -> Result<Found, ByHandError> {
        let request = &open.request;
        let found = match self.observe(open, manager, By::Id(id)).await? {
            Observation::Present(found) => *found,
            Observation::Indeterminate(reason) => return Err(unanswered(open, &reason)),
            Observation::Absent | Observation::Ended(_) => {
                return Err(ByHandError::NotThere {
                    address: request.address.clone(),
                    kind: request.kind.to_string(),
                    id: id.to_owned(),
                    place: place(&request.scope),
                });
            }
        };
        if let Some(address) = recorded_at(state, request, &found.id) {
            return Err(ByHandError::RecordedAt { id: found.id, address: address.clone() });
        }
        match found.owner.get(TAG_STACK).filter(|lineage| **lineage != state.lineage) {
            Some(lineage) => Err(ByHandError::OfAnother { lineage: lineage.clone(), id: found.id }),
            None => Ok(found),
        }
    }

    async fn observe(
        &self,
        open: &OpenOperation,
        manager: &dyn Manager,
        by: By<'_>,
    ) -> Result<Observation, ByHandError> {
        tokio::select! {
            biased;
            looked = look(manager, open, by) => {
                looked.map(|looked| looked.observation).map_err(|error| unanswered(open, &error.to_string()))
            }
            () = self.clock.sleep(CALL_TIMEOUT) => Err(unanswered(open, "the provider does not answer")),
        }
    }
}

/// The operation of an address that a person can settle: one that waits for that, or else the only one there is.
fn open_at<'a>(state: &'a State, address: &Address) -> Result<&'a OpenOperation, ByHandError> {
    let there: Vec<_> = state.open.values().filter(|open| open.request.address == *address).collect();
    let parked: Vec<_> = there.iter().copied().filter(|open| open.parked.is_some()).collect();
    match (&there[..], &parked[..]) {
        (_, [one]) | ([one], _) => Ok(one),
        ([], _) => {
            let others: BTreeSet<_> = state.open.values().map(|open| open.request.address.clone()).collect();
            Err(ByHandError::NothingOpen { address: address.clone(), others: others.into_iter().collect() })
        }
        _ => Err(ByHandError::SeveralOpen(address.clone())),
    }
}

/// An object as it is recorded on a person's word, and where it is not what was asked for. What bears the operation's own tags is what
/// it made, however the provider spells it; of anything else what differs is held for drift, and so shown by the next plan.
fn taken_in(
    open: &OpenOperation,
    found: &Found,
    lineage: &str,
    manager: &dyn Manager,
) -> (Object, BTreeSet<FieldPath>) {
    let (request, schema) = (&open.request, manager.schema());
    let mut seen = mark_secrets(&found.spec, &[&request.spec], &request.address);
    let mut differs = BTreeSet::new();
    if !is_ours(found, open, lineage) {
        let was_sent = |path: &FieldPath| request.spec.at(path).is_some() && !schema.is("x-on-delete", path);
        let found = manager.respelled(&request.spec, &found.spec, Source::Found);
        differs = changed_paths(schema, &request.spec, &found).into_iter().filter(was_sent).collect();
        differs.iter().for_each(|path| set(&mut seen, path, request.spec.at(path)));
    }
    let object = Object {
        id: Some(found.id.clone()),
        scope: request.scope.clone(),
        generation: request.generation,
        token: request.token.clone(),
        sent: request.spec.clone(),
        seen,
        attributes: mark_secrets(&found.attributes, &[&request.spec], &request.address),
        made_at: open.at,
        price_at_launch: None,
    };
    (object, differs)
}

/// A scope in words: `aws (region us-east-1)`.
pub(super) fn place(scope: &Scope) -> String {
    let words = |(name, value): (&String, &serde_json::Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name} {value}")
    };
    let settings: Vec<String> = scope.settings.iter().map(words).collect();
    if settings.is_empty() {
        scope.provider.to_string()
    } else {
        format!("{} ({})", scope.provider, settings.join(", "))
    }
}

/// A provider's reason may echo what it was sent.
fn unanswered(open: &OpenOperation, reason: &str) -> ByHandError {
    let reason = scrub(reason, &open.request.values().collect::<Vec<_>>());
    ByHandError::Unanswered { address: open.request.address.clone(), reason }
}
