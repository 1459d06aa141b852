//! Takes what is there already under management: finds it, shows what an apply would then change of it, and records it.
//!
//! Nothing is written to a provider. The record is such that the next plan shows as changes where the blueprint and what is there differ,
//! and no drift: see [`held`].

mod error;
mod find;
mod held;
mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use trueup_state::entry::{Entry, Event};
use trueup_state::{
    Address, Declared, Generation, Holder, KindName, Lease, Object, Scope, Snapshot, Stack, State, StoreError, Token,
    Value, Verb,
};

pub use error::AdoptError;

use super::ByHandError;
use crate::blueprint::Program;
use crate::diagnostic::closest;
use crate::engine::{Engine, EngineError, with_lease};
use crate::estate::Estate;
use crate::plan::{Mode, Notice, Operation, Plan};
use crate::planning::PlanOptions;
use crate::provider::{Found, Manager, Observation, Source};
use find::{Branch, Finder, Matched, Wanted};

/// What to adopt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Whatever the blueprint declares, is not recorded, and is found by its identity.
    All,
    /// One resource, found by its identity.
    One(Address),
    /// Whatever of these is found by its id.
    Ids(BTreeMap<Address, String>),
    /// One resource, which is the object of this id.
    Id {
        /// The resource.
        address: Address,
        /// The provider's id.
        id: String,
        /// Whether it is taken over where its tags name another stack.
        force: bool,
    },
}

/// By what an object was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// The provider's id, as a person named it.
    Id(String),
    /// Its name: the one that the blueprint gives it, or that Trueup would.
    Name(String),
    /// The owner tags on it, and so its id.
    Tags(String),
    /// All its parts were found: it is made of them, and has no id.
    Parts,
}

/// A resource, and what it turns out to be.
#[derive(Clone, Debug)]
pub struct Match {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: KindName,
    /// Where it is.
    pub scope: Scope,
    /// The provider's id.
    pub id: String,
    /// By what it was found.
    pub by: MatchedBy,
    /// The lineage of the stack that its tags name, where that is another and a person says to take it over.
    pub taken_from: Option<String>,
    /// Whether it bears this stack's tags and the resource's address; if not, the next update writes them.
    pub is_tagged: bool,
    generation: Generation,
    declared: Declared,
    wanted: Value,
    manager: AManager,
    found: Found,
}

/// A manager, which shows nothing of itself.
#[derive(Clone)]
struct AManager(Arc<dyn Manager>);

impl std::fmt::Debug for AManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AManager")
    }
}

/// What can be adopted, and what comes of it. Nothing is recorded yet.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The resources that something was found for, in the order of their addresses.
    pub matches: Vec<Match>,
    /// Why the others were not adopted.
    pub left: Vec<AdoptError>,
    /// What the next plan says of the matched resources, once they are recorded.
    pub plan: Plan,
    /// The blueprint as it is expanded for that plan.
    pub program: Program,
    /// The stack's state, as it was read.
    pub snapshot: Snapshot,
    entries: Vec<Entry>,
}

impl Match {
    /// What is the same for two matches of the same object.
    fn key(&self) -> (Scope, KindName, String) {
        (self.scope.clone(), self.kind.clone(), self.id.clone())
    }

    /// The object as it is recorded, where it is to be `wanted`.
    fn object(&self, engine: &Engine, wanted: &Value) -> Object {
        let schema = self.manager.0.schema();
        let mut this = self.found.clone();
        if self.is_whole() {
            this.spec = parts::known(wanted);
        }
        // More of what is wanted may be known to be secret by now.
        let Found { spec: seen, attributes, .. } = held::marked(schema, &this, wanted, &self.address);
        let respelled = self.manager.0.respelled(wanted, &seen, Source::Found);
        Object {
            id: Some(self.id.clone()).filter(|id| !id.is_empty()),
            scope: self.scope.clone(),
            generation: self.generation,
            token: Token::new(engine.entropy.as_ref()),
            sent: held::held(schema, wanted, &respelled, &self.declared.ignore),
            attributes,
            seen,
            made_at: engine.clock.now(),
            price_at_launch: None,
        }
    }
}

impl Adoption {
    /// Whether it would record the same things.
    fn is(&self, other: &Adoption) -> bool {
        let told = |adoption: &Adoption| -> Vec<_> {
            let told = |one: &Match| (one.address.clone(), one.key(), one.found.spec.clone(), one.taken_from.clone());
            adoption.matches.iter().map(told).collect()
        };
        self.snapshot.serial() == other.snapshot.serial() && told(self) == told(other)
    }
}

impl Engine {
    /// Finds what can be adopted, and what an apply would then change of it. Takes no lease, and changes nothing.
    ///
    /// One resource that can't be adopted is an error; of [`Which::All`] it is only left.
    pub async fn adoption(&self, program: &Program, stack: &Stack, which: &Which) -> Result<Adoption, EngineError> {
        let snapshot = self.store.snapshot(stack).await?;
        let mut seen = self.seen(snapshot.state.as_ref()).await?;
        let (program, first) =
            self.plan_on(program, stack, &PlanOptions::new(Mode::Apply), snapshot.state.as_ref(), &mut seen).await?;
        // Without a state there is no lineage yet, and nothing that bears it.
        let state = snapshot.state.clone().unwrap_or_else(|| State::new(String::new()));
        let estate = Estate::prepare(&self.providers, Some(&program), Some(&state)).await?;
        let ground =
            Ground { program: &program, state: &state, creates: creates(&first), plan: &first, estate: &estate };
        let orphans = seen.orphans.clone();
        let finder = Finder { stack, state: &state, clock: self.clock.as_ref(), orphans };
        let (matches, left) = ground.matched(which, finder).await?;
        let (program, plan, entries) = self.adopted(&program, stack, &state, &mut seen, &matches).await?;
        let plan = only(plan, &matches, &snapshot);
        Ok(Adoption { matches, left, plan, program, snapshot, entries })
    }

    /// What is to be recorded, and the plan that follows. Once something is recorded, more may be known of what reads it, and so of the
    /// fields that are wanted: each round knows what the one before it found out.
    async fn adopted(
        &self,
        program: &Program,
        stack: &Stack,
        state: &State,
        seen: &mut Estate,
        matches: &[Match],
    ) -> Result<(Program, Plan, Vec<Entry>), EngineError> {
        for found in matches {
            let observation = Observation::Present(Box::new(found.found.clone()));
            Arc::make_mut(&mut seen.observations).insert((found.address.clone(), found.generation), observation);
        }
        let mut wanted: BTreeMap<Address, Value> =
            matches.iter().map(|found| (found.address.clone(), found.wanted.clone())).collect();
        loop {
            let entries: Vec<Entry> = matches.iter().map(|found| self.entry(found, &wanted)).collect();
            let mut then = state.clone();
            entries.iter().try_for_each(|entry| then.apply(entry)).map_err(StoreError::from)?;
            let (expanded, plan) =
                self.plan_on(program, stack, &PlanOptions::new(Mode::Apply), Some(&then), seen).await?;
            let mut known = wanted.clone();
            for change in plan.changes.iter().filter(|change| wanted.contains_key(&change.address)) {
                let before = &wanted[&change.address];
                // What became known can't become unknown again: this ends.
                if before.has_unknown() && !before.same(&change.after) {
                    known.insert(change.address.clone(), change.after.clone());
                }
            }
            if known == wanted {
                return Ok((expanded, plan, entries));
            }
            wanted = known;
        }
    }

    fn entry(&self, found: &Match, wanted: &BTreeMap<Address, Value>) -> Entry {
        let wanted = wanted.get(&found.address).unwrap_or(&found.wanted);
        let event = Event::Adopted {
            kind: found.kind.clone(),
            schema_version: found.manager.0.schema().version,
            declared: Box::new(found.declared.clone()),
            object: Box::new(found.object(self, wanted)),
        };
        self.about(&found.address, event)
    }

    /// Records what was found, as it was shown. Refused if that is not what is found now. Calls no provider but to look.
    pub async fn adopt(
        &self,
        program: &Program,
        stack: &Stack,
        holder: &Holder,
        which: &Which,
        shown: &Adoption,
    ) -> Result<(), EngineError> {
        // The first of a stack's leases makes its state: it is the first thing that many a stack does.
        let lease = self.store.lease(stack, holder).await?;
        let adopted = self.adopt_leased(program, stack, &lease, which, shown).await;
        let released = self.store.release(lease).await;
        adopted?;
        released?;
        Ok(())
    }

    async fn adopt_leased(
        &self,
        program: &Program,
        stack: &Stack,
        lease: &Lease,
        which: &Which,
        shown: &Adoption,
    ) -> Result<(), EngineError> {
        let state = self.store.snapshot(stack).await?.state.unwrap_or_else(|| State::new(String::new()));
        // Nobody listens, and nobody interrupts.
        let ((events, _), (_, cancel)) = (mpsc::unbounded_channel(), watch::channel(false));
        let run = self.run(lease, state, &events, &cancel);
        let adopt = async {
            let found = self.adoption(program, stack, which).await?;
            if !found.is(shown) {
                return Err(ByHandError::Overtaken.into());
            }
            run.append_all(&found.entries).await?;
            Ok(())
        };
        with_lease(&run, adopt).await
    }
}

/// What is known of the resources that may be adopted.
struct Ground<'a> {
    program: &'a Program,
    state: &'a State,
    /// The plan without any of them.
    plan: &'a Plan,
    /// What it makes anew.
    creates: BTreeMap<&'a Address, Vec<&'a Operation>>,
    estate: &'a Estate,
}

impl Ground<'_> {
    /// What is found of what is asked for, and why not of the rest.
    async fn matched(&self, which: &Which, mut finder: Finder<'_>) -> Result<Matched, AdoptError> {
        match which {
            Which::Id { address, id, force } => {
                let wanted = self.wanted(address)?;
                if self.is_composed(&wanted) {
                    return self.parts_by_id(&wanted, &mut finder, id, *force).await;
                }
                Ok((vec![finder.by_id(&wanted, id, *force).await?], Vec::new()))
            }
            Which::One(address) => {
                let wanted = self.wanted(address)?;
                if self.is_composed(&wanted) {
                    return self.parts_by_identity(&wanted, &mut finder).await;
                }
                let (matches, mut left) = finder.by_identity(&[wanted]).await;
                left.pop().map_or(Ok((matches, Vec::new())), Err)
            }
            Which::Ids(ids) => {
                let (mut all, mut left) = (Vec::new(), Vec::new());
                for (address, id) in ids {
                    match self.wanted(address) {
                        Ok(wanted) => all.push((wanted, id.as_str())),
                        Err(error) => left.push(error),
                    }
                }
                let (matches, others) = finder.by_ids(&all).await;
                left.extend(others);
                Ok((matches, left))
            }
            Which::All => {
                let (mut all, mut left) = (Vec::new(), Vec::new());
                let mut wholes = Vec::new();
                for address in self.undone() {
                    match self.wanted(address) {
                        Ok(wanted) if self.is_composed(&wanted) => wholes.push(wanted),
                        Ok(wanted) => all.push(wanted),
                        Err(error) => left.push(error),
                    }
                }
                let (mut matches, others) = finder.by_identity(&all).await;
                wholes.iter().for_each(|whole| self.whole(whole, &mut matches));
                left.extend(others);
                left.sort_by(|one, other| one.address().cmp(other.address()));
                Ok((matches, left))
            }
        }
    }

    /// What is declared, or may be in a further phase, and not recorded: nor does anything recorded move there.
    fn undone(&self) -> BTreeSet<&Address> {
        let moved = |entry: &Entry| match &entry.event {
            Event::Moved { to } => Some(to.clone()),
            _ => None,
        };
        let moved: BTreeSet<Address> = self.plan.entries.iter().filter_map(moved).collect();
        let is_free = |address: &&Address| !self.state.records.contains_key(*address) && !moved.contains(*address);
        let declared = self.program.resources.keys().chain(self.all_parts()).filter(is_free);
        declared.chain(self.program.deferred.keys()).collect()
    }

    /// What a resource is to be, if it may be adopted.
    fn wanted(&self, address: &Address) -> Result<Wanted, AdoptError> {
        if self.state.records.contains_key(address) {
            return Err(AdoptError::Recorded(address.clone()));
        }
        if self.program.resources.get(address).is_some_and(|resource| resource.existing.is_some()) {
            return Err(AdoptError::OnlyRead(address.clone()));
        }
        let made = self.creates.get(address).and_then(|creates| self.made(creates));
        made.ok_or_else(|| self.not_made(address))
    }

    /// What the plan makes anew, at each of its candidates.
    fn made(&self, creates: &[&Operation]) -> Option<Wanted> {
        let branch = |one: &&Operation| {
            let manager = self.estate.manager(&one.scope, &one.kind)?.clone();
            Some(Branch { scope: one.scope.clone(), spec: one.spec.clone(), manager })
        };
        let first = creates.first()?;
        Some(Wanted {
            address: first.address.clone(),
            kind: first.kind.clone(),
            generation: first.generation,
            declared: first.declared.clone(),
            branches: creates.iter().map(branch).collect::<Option<_>>()?,
        })
    }

    /// Why the plan does not make what is at an address.
    fn not_made(&self, address: &Address) -> AdoptError {
        let waits = |reason: String| AdoptError::Waits { address: address.clone(), reason };
        if let Some(left) = self.plan.deferred.iter().find(|left| address.is_in(&left.address)) {
            return waits(left.reason.clone());
        }
        let stops = |notice: &&Notice| notice.stops && notice.address.as_ref() == Some(address);
        if let Some(notice) = self.plan.notices.iter().find(stops) {
            return waits(notice.message.clone());
        }
        if self.program.resources.contains_key(address) {
            return waits("something that is recorded moves there".to_owned());
        }
        let known: Vec<String> = self.program.resources.keys().map(ToString::to_string).collect();
        let close = closest(&address.to_string(), known.iter().map(String::as_str));
        AdoptError::NotDeclared { address: address.clone(), close }
    }
}

/// What a plan makes anew, one operation for each candidate.
fn creates(plan: &Plan) -> BTreeMap<&Address, Vec<&Operation>> {
    let mut creates: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for operation in plan.operations.iter().filter(|operation| operation.verb == Verb::Create) {
        creates.entry(&operation.address).or_default().push(operation);
    }
    creates
}

/// A plan of which only what it says of the matched resources is left.
fn only(mut plan: Plan, matches: &[Match], snapshot: &Snapshot) -> Plan {
    let addresses: BTreeSet<&Address> = matches.iter().map(|found| &found.address).collect();
    let is_one = |address: &Address| addresses.contains(address);
    let kept: BTreeMap<usize, usize> = (0..plan.operations.len())
        .filter(|index| is_one(&plan.operations[*index].address))
        .enumerate()
        .map(|(new, old)| (old, new))
        .collect();
    let edge = |(from, to): &(usize, usize)| Some((*kept.get(from)?, *kept.get(to)?));
    // It is only shown, so that no joint is needed.
    plan.edges = plan.edges.iter().filter_map(edge).collect();
    plan.joints = 0;
    plan.operations.retain(|operation| is_one(&operation.address));
    for operation in &mut plan.operations {
        operation.partner = operation.partner.and_then(|partner| kept.get(&partner).copied());
    }
    plan.changes.retain(|change| is_one(&change.address));
    plan.drift.retain(|drift| is_one(&drift.address));
    plan.refusals.retain(|refusal| is_one(&refusal.address));
    plan.notices.retain(|notice| notice.address.as_ref().is_some_and(is_one));
    plan.entries.retain(|entry| entry.address.as_ref().is_some_and(is_one));
    plan.deferred.clear();
    plan.existing.clear();
    plan.resumes.clear();
    plan.outputs.clear();
    plan.lineage = snapshot.state.as_ref().map(|state| state.lineage.clone());
    plan.serial = snapshot.serial();
    plan
}
