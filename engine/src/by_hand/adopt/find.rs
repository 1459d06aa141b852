//! Finds what resources could be: by an id that a person names, by their names, by the tags on what nothing records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::{Address, Clock, Declared, Generation, KindName, Scope, Stack, State, Value};

use super::{AdoptError, Match, MatchedBy};
use crate::apply::operation::recorded_as;
use crate::apply::run::CALL_TIMEOUT;
use crate::by_hand::resolve::place;
use crate::naming::{TAG_ADDRESS, TAG_GENERATION, TAG_STACK, address_digest, cloud_name, names_address};
use crate::plan::echo::scrub;
use crate::provider::{By, Found, Identity, Manager, Observation, Observed, Target};

/// What a declared resource is to be, that nothing is recorded of.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) address: Address,
    pub(super) kind: KindName,
    /// The generation that a new object of it would have.
    pub(super) generation: Generation,
    pub(super) declared: Declared,
    /// One for each candidate, or one alone.
    pub(super) branches: Vec<Branch>,
}

/// Where it may be, and what it is to be there.
#[derive(Clone)]
pub(super) struct Branch {
    pub(super) scope: Scope,
    pub(super) spec: Value,
    pub(super) manager: Arc<dyn Manager>,
}

/// What is needed to find anything.
pub(super) struct Finder<'a> {
    pub(super) stack: &'a Stack,
    pub(super) state: &'a State,
    pub(super) clock: &'a dyn Clock,
    /// Objects of the stack that its state does not know.
    pub(super) orphans: Vec<(KindName, Found)>,
}

/// What was matched, and why the rest was not.
pub(super) type Matched = (Vec<Match>, Vec<AdoptError>);

/// One thing to look for.
struct Lookup<'a> {
    wanted: &'a Wanted,
    branch: &'a Branch,
    by: MatchedBy,
}

impl Finder<'_> {
    /// Finds the object of an id in any of the places where its resource may be.
    pub(super) async fn by_id(&mut self, wanted: &Wanted, id: &str, force: bool) -> Result<Match, AdoptError> {
        let lookup = |branch| Lookup { wanted, branch, by: MatchedBy::Id(id.to_owned()) };
        let found = self.first(&wanted.branches.iter().map(lookup).collect::<Vec<_>>()).await;
        let found = found.into_iter().next().unwrap_or_else(|| Err(AdoptError::Nameless(wanted.address.clone())))?;
        self.fits(wanted, found, force)
    }

    /// Finds the objects of ids, each in any of the places where its resource may be.
    pub(super) async fn by_ids(&mut self, all: &[(Wanted, &str)]) -> Matched {
        let lookups: Vec<Lookup<'_>> = all
            .iter()
            .flat_map(|(wanted, id)| {
                let by = MatchedBy::Id((*id).to_owned());
                wanted.branches.iter().map(move |branch| Lookup { wanted, branch, by: by.clone() })
            })
            .collect();
        let mut found = by_address(self.first(&lookups).await);
        let checked = all.iter().filter_map(|(wanted, _)| Some((wanted, found.remove(&wanted.address)?)));
        apart(checked.map(|(wanted, found)| self.fits(wanted, found?, false)).collect())
    }

    /// Finds what resources could be by their names, and by the tags on what nothing records.
    pub(super) async fn by_identity(&mut self, all: &[Wanted]) -> Matched {
        let mut lookups = Vec::new();
        for wanted in all {
            let known = |branch| Some(Lookup { wanted, branch, by: self.identity(wanted, branch)? });
            lookups.extend(wanted.branches.iter().filter_map(known));
        }
        let mut found = by_address(self.first(&lookups).await);
        let mut tagged = Vec::new();
        let owned = self.owned();
        for wanted in all {
            let address = &wanted.address;
            if !matches!(found.get(address), None | Some(Err(AdoptError::NothingThere { .. }))) {
                continue;
            }
            let tags = [address.to_string(), address_digest(address)];
            let ids = tags.into_iter().filter_map(|tag| owned.get(&(wanted.kind.clone(), tag)));
            let ids: Vec<String> = ids.flatten().cloned().collect();
            match &ids[..] {
                [] => drop(found.entry(address.clone()).or_insert_with(|| Err(AdoptError::Nameless(address.clone())))),
                [id] => {
                    let tags = |branch| Lookup { wanted, branch, by: MatchedBy::Tags(id.clone()) };
                    tagged.extend(wanted.branches.iter().map(tags));
                }
                _ => drop(found.insert(address.clone(), Err(AdoptError::Several { address: address.clone(), ids }))),
            }
        }
        found.extend(by_address(self.first(&tagged).await));
        let checked = all.iter().filter_map(|wanted| Some((wanted, found.remove(&wanted.address)?)));
        apart(checked.map(|(wanted, found)| self.fits(wanted, found?, false)).collect())
    }

    /// By what a resource's object is looked for first, where it has anything to be known by.
    fn identity(&self, wanted: &Wanted, branch: &Branch) -> Option<MatchedBy> {
        match branch.manager.identity(&branch.spec) {
            Identity::Name => self.name(wanted, branch).map(MatchedBy::Name),
            Identity::Is(name) | Identity::Called(name) => Some(MatchedBy::Name(name)),
            // Which one that is, it is asked for.
            Identity::Tags => (!self.state.lineage.is_empty()).then(|| MatchedBy::Tags(String::new())),
            Identity::Id => None,
        }
    }

    /// The name that a resource's object has, or would get: an explicit one, or one made of the stack's lineage, where it has one.
    fn name(&self, wanted: &Wanted, branch: &Branch) -> Option<String> {
        let (rule, lineage) = (branch.manager.name_rule(), &self.state.lineage);
        let is_given = branch.spec.get("name").is_some_and(|name| *name != Value::Null);
        let known = branch.spec.get("name").is_none_or(|name| name.revealed().as_str().is_some());
        ((is_given || !lineage.is_empty()) && known)
            .then(|| cloud_name(&branch.spec, rule, self.stack, lineage, &wanted.address, wanted.generation))
    }

    /// The ids of what bears this stack's tags and is not recorded, by kind and address.
    fn owned(&self) -> BTreeMap<(KindName, String), BTreeSet<String>> {
        let mut owned: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (kind, found) in &self.orphans {
            let tag = |name: &str| found.owner.get(name);
            if let (Some(lineage), Some(address)) = (tag(TAG_STACK), tag(TAG_ADDRESS))
                && *lineage == self.state.lineage
            {
                owned.entry((kind.clone(), address.clone())).or_default().insert(found.id.clone());
            }
        }
        owned
    }

    /// The match, if nothing speaks against it.
    fn fits(&self, wanted: &Wanted, found: Match, force: bool) -> Result<Match, AdoptError> {
        let (address, id) = (wanted.address.clone(), found.id.clone());
        if let Some(recorded) = recorded_as(self.state, &wanted.kind, &found.scope, &id) {
            return Err(AdoptError::RecordedAt { address, id, recorded: recorded.clone() });
        }
        match found.found.owner.get(TAG_STACK).filter(|lineage| **lineage != self.state.lineage) {
            Some(lineage) if !force => Err(AdoptError::OfAnother { address, id, lineage: lineage.clone() }),
            other => Ok(Match { taken_from: other.cloned(), ..found }),
        }
    }

    /// For each resource the first of its lookups that finds something; else why none does.
    async fn first(&mut self, lookups: &[Lookup<'_>]) -> Vec<Result<Match, AdoptError>> {
        let observations = self.observe(lookups).await;
        let mut results: BTreeMap<&Address, Result<Match, AdoptError>> = BTreeMap::new();
        for (lookup, observation) in lookups.iter().zip(observations) {
            let address = &lookup.wanted.address;
            match (results.get(address), observation) {
                (Some(Ok(_)), _) | (Some(Err(_)), Observation::Absent | Observation::Ended(_)) => {}
                (_, Observation::Present(found)) => {
                    results.insert(address, Ok(self.matched(lookup, &found)));
                }
                (_, Observation::Indeterminate(reason)) => {
                    let reason = scrub(&reason, &[&lookup.branch.spec]);
                    results.insert(address, Err(AdoptError::Unanswered { address: address.clone(), reason }));
                }
                (None, Observation::Absent | Observation::Ended(_)) => {
                    results.insert(address, Err(nothing(lookup.wanted, &lookup.by)));
                }
            }
        }
        results.into_values().collect()
    }

    fn matched(&self, lookup: &Lookup<'_>, found: &Found) -> Match {
        let Lookup { wanted, branch, by } = lookup;
        let tag = |name: &str| found.owner.get(name).map(String::as_str);
        let is_ours = tag(TAG_STACK) == Some(&self.state.lineage)
            && tag(TAG_ADDRESS).is_some_and(|tag| names_address(tag, &wanted.address));
        // Its name may be made of the generation that it had: the next one must have another.
        let had: Option<Generation> = tag(TAG_GENERATION).filter(|_| is_ours).and_then(|text| text.parse().ok());
        Match {
            address: wanted.address.clone(),
            kind: wanted.kind.clone(),
            scope: branch.scope.clone(),
            id: found.id.clone(),
            by: by.clone(),
            taken_from: None,
            is_tagged: is_ours,
            generation: had.unwrap_or_default().max(wanted.generation),
            declared: wanted.declared.clone(),
            wanted: branch.spec.clone(),
            manager: super::AManager(branch.manager.clone()),
            found: super::held::marked(branch.manager.schema(), found, &branch.spec, &wanted.address),
        }
    }

    /// What providers say: one call for each kind and scope, all at once. What else of the stack they show is noted.
    async fn observe(&mut self, lookups: &[Lookup<'_>]) -> Vec<Observation> {
        let mut groups: BTreeMap<(Scope, &KindName), Vec<usize>> = BTreeMap::new();
        for (index, lookup) in lookups.iter().enumerate() {
            groups.entry((lookup.branch.scope.clone(), &lookup.wanted.kind)).or_default().push(index);
        }
        let clock = self.clock;
        let asked = groups.into_iter().map(|((_, kind), indices)| async move {
            let some: Vec<&Lookup<'_>> = indices.iter().map(|index| &lookups[*index]).collect();
            (kind, ask(clock, &some).await, indices)
        });
        let mut observations = vec![Observation::Absent; lookups.len()];
        for (kind, answer, indices) in futures::future::join_all(asked).await {
            match answer {
                Ok(observed) => {
                    self.orphans.extend(observed.orphans.into_iter().map(|found| (kind.clone(), found)));
                    for (index, observation) in indices.into_iter().zip(observed.observations) {
                        observations[index] = observation;
                    }
                }
                Err(reason) => {
                    indices
                        .into_iter()
                        .for_each(|index| observations[index] = Observation::Indeterminate(reason.clone()));
                }
            }
        }
        observations
    }
}

/// Asks one manager. The error is why nothing can be told.
async fn ask<'l>(clock: &dyn Clock, lookups: &[&'l Lookup<'l>]) -> Result<Observed, String> {
    let target = |lookup: &&'l Lookup<'l>| Target {
        address: &lookup.wanted.address,
        generation: lookup.wanted.generation,
        by: match &lookup.by {
            MatchedBy::Name(name) => By::Name(name),
            MatchedBy::Tags(id) if id.is_empty() => By::Name(""),
            MatchedBy::Id(id) | MatchedBy::Tags(id) => By::Id(id),
            // It has no id, and is looked for nowhere.
            MatchedBy::Parts => By::Id(""),
        },
        sent: Some(&lookup.branch.spec),
    };
    let targets: Vec<Target<'_>> = lookups.iter().map(target).collect();
    let Some(first) = lookups.first() else { return Err("nothing was asked".to_owned()) };
    let observed = tokio::select! {
        biased;
        observed = first.branch.manager.observe(&targets) => observed.map_err(|error| error.to_string())?,
        () = clock.sleep(CALL_TIMEOUT) => return Err("the provider does not answer".to_owned()),
    };
    let whole = observed.observations.len() == targets.len();
    if whole { Ok(observed) } else { Err("the provider did not answer for every object".to_owned()) }
}

fn by_address(results: Vec<Result<Match, AdoptError>>) -> BTreeMap<Address, Result<Match, AdoptError>> {
    let address = |result: &Result<Match, AdoptError>| match result {
        Ok(found) => found.address.clone(),
        Err(error) => error.address().clone(),
    };
    results.into_iter().map(|result| (address(&result), result)).collect()
}

pub(super) fn nothing(wanted: &Wanted, by: &MatchedBy) -> AdoptError {
    let what = match by {
        MatchedBy::Name(name) => format!("the name `{name}`"),
        MatchedBy::Tags(id) if id.is_empty() => "its tags".to_owned(),
        MatchedBy::Id(id) | MatchedBy::Tags(id) => format!("the id `{id}`"),
        MatchedBy::Parts => "its parts".to_owned(),
    };
    let places: BTreeSet<String> = wanted.branches.iter().map(|branch| place(&branch.scope)).collect();
    let place = places.into_iter().collect::<Vec<_>>().join(" or ");
    AdoptError::NothingThere { address: wanted.address.clone(), kind: wanted.kind.to_string(), what, place }
}

/// Takes out what several resources would be.
fn apart(checked: Vec<Result<Match, AdoptError>>) -> Matched {
    let mut takers: BTreeMap<(Scope, KindName, String), Vec<Address>> = BTreeMap::new();
    for found in checked.iter().flatten() {
        takers.entry(found.key()).or_default().push(found.address.clone());
    }
    let (mut matches, mut left) = (Vec::new(), Vec::new());
    for result in checked {
        let found = match result {
            Ok(found) => found,
            Err(error) => {
                left.push(error);
                continue;
            }
        };
        let others = takers.get(&found.key()).into_iter().flatten();
        match others.into_iter().find(|other| **other != found.address) {
            Some(other) => {
                let (address, id) = (found.address.clone(), found.id.clone());
                left.push(AdoptError::Shared { address, id, other: other.clone() });
            }
            None => matches.push(found),
        }
    }
    (matches, left)
}
