//! Makes the plan: walks the resources in the order of their dependencies, decides each, and shows the next what it will be.

mod correct;
mod describe;
mod existing;
mod later;
mod named;
mod outputs;
mod parts;
mod protect;
mod remove;
mod select;
mod select_parts;
mod uncompared;
mod wants;
mod wholes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::entry::{Entry, Event};
use trueup_state::{
    Address, Declared, KindName, Object, OpenOperation, Record, Scope, Stack, State, Status, Timestamp, Value,
};

use self::wants::Wants;
use super::decide::{Decision, Partial, Verdict, Wanted, decide};
use super::echo::scrub;
use super::moves::Moves;
use super::operations::{self, Branch, Planned};
use super::select::{Asked, NotSelected, Part, SelectError};
use super::{Contents, FORMAT, Mode, Notice, Order, Plan, Resume, Uncompared, first_in, placement};
use crate::blueprint::{Known, Program, Resource, Visible, World};
use crate::compose::Arranged;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::digest::keeping;
use crate::estate::Estate;
use crate::naming::{TAG_ADDRESS, TAG_TOKEN};
use crate::provider::{Candidate, Fact, Manager, Observation};
use crate::visits::Visits;
use parts::{Parts, Unmade};

/// What a plan is made from.
pub struct Input<'a> {
    /// What is wanted.
    pub program: &'a Program,
    /// Of which stack.
    pub stack: &'a Stack,
    /// What is recorded; none where the stack has no state yet.
    pub state: Option<&'a State>,
    /// What providers said.
    pub estate: &'a Estate,
    /// What was found of the files that specs name.
    pub contents: Contents,
    /// Dated answers of providers.
    pub facts: Vec<Fact>,
    /// The kinds that there is a check for.
    pub checks: &'a BTreeSet<KindName>,
    /// What of the state has moved: it stands where it is now already.
    pub moves: &'a Moves,
    /// The time.
    pub now: Timestamp,
    /// What the plan is for.
    pub mode: Mode,
    /// What was asked of it beyond all that differs.
    pub asked: &'a Asked,
    /// Whether providers were asked what is there now.
    pub refreshed: bool,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The blueprint is not right.
    #[error(transparent)]
    Blueprint(#[from] Diagnostics),
    /// It can't be made as it was asked for.
    #[error("{}", .0.error)]
    Select(Box<NotSelected>),
}

/// Makes a plan. The errors are the blueprint's, or those of what was asked for; what protection forbids is in [`Plan::refusals`].
pub fn plan(input: &Input<'_>) -> Result<Plan, PlanError> {
    let mut builder = Builder::new(input);
    builder.plan.entries.extend(input.moves.entries(input.now));
    builder.blocks_left();
    if input.mode != Mode::Destroy {
        let graph = &input.program.graph;
        // Their nodes have the numbers of their places.
        let resources: Vec<&Resource> = input.program.resources.values().collect();
        let order = graph.order_nodes();
        // Not too much is looked ahead at once: it takes room.
        for stretch in graph.stretches(&order).into_iter().flat_map(|stretch| stretch.chunks(wants::MOST)) {
            let wants = builder.look_ahead(stretch.iter().map(|node| resources[node.index()]).collect());
            for (node, (resource, wants)) in stretch.iter().zip(wants) {
                builder.resource(resource, graph.dependencies_of(*node), wants);
            }
        }
    }
    builder.hold_on();
    // Both are in the order of addresses.
    let mut declared = input.program.resources.keys().peekable();
    for record in input.state.into_iter().flat_map(|state| state.records.values()) {
        while declared.next_if(|address| **address < record.address).is_some() {}
        let is_wanted = declared.peek() == Some(&&record.address) || builder.is_part(&record.address);
        if input.mode == Mode::Destroy || !is_wanted {
            builder.removed(record);
        }
    }
    builder.orphans();
    builder.known();
    let limited = builder.limit();
    builder.outputs();
    builder.finish(limited)
}

struct Builder<'a> {
    input: &'a Input<'a>,
    world: Arc<World>,
    plan: Plan,
    planned: Vec<Planned>,
    /// The operations of earlier runs that have not ended.
    open: BTreeMap<&'a Address, &'a OpenOperation>,
    /// Whether what became of any operation is not known.
    is_any_parked: bool,
    /// The resources that operations change, in this plan.
    changing: BTreeSet<Address>,
    /// The resources that can't be planned, and those that wait for them.
    stopped: BTreeSet<Address>,
    /// The resources that are left to a further phase.
    later: BTreeSet<Address>,
    /// What they depended on when they were applied last: it stays until they are planned.
    held: BTreeSet<Address>,
    /// The replaced resources whose name is given and stays, on a kind that the caller names, with the name's place.
    keeps_name: BTreeMap<Address, Span>,
    /// What is planned as a part of others.
    parts: Parts,
    problems: Vec<Diagnostic>,
    /// What has a name that tells it from all others of its kind in its place, by that.
    names: BTreeMap<(Scope, KindName, String), Address>,
    visits: Visits,
}

impl<'a> Builder<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let open = || input.state.into_iter().flat_map(|state| state.open.values());
        let records = || input.state.into_iter().flat_map(|state| state.records.values());
        let resumes = open().map(|open| Resume {
            address: open.request.address.clone(),
            verb: open.verb,
            since: open.at,
            parked: open.parked.clone(),
        });
        let plan = Plan {
            format: FORMAT,
            mode: input.mode,
            asked: input.asked.clone(),
            refreshed: input.refreshed,
            part: Part::default(),
            stack: input.stack.clone(),
            lineage: input.state.map(|state| state.lineage.clone()),
            serial: input.state.map_or(0, |state| state.serial),
            at: input.now,
            sources: input.program.sources.clone(),
            texts: BTreeMap::new(),
            variables: input.program.variables.clone().into_iter().collect(),
            known: Known::new(),
            facts: input.facts.clone(),
            existing: Vec::new(),
            deferred: Vec::new(),
            contents: input.contents.clone(),
            resumes: resumes.collect(),
            drift: Vec::new(),
            uncompared: Uncompared::default(),
            changes: Vec::new(),
            entries: Vec::new(),
            operations: Vec::new(),
            joints: 0,
            edges: Vec::new(),
            outputs: BTreeMap::new(),
            refusals: Vec::new(),
            notices: Vec::new(),
        };
        Self {
            input,
            world: input.program.world(),
            plan,
            planned: Vec::with_capacity(input.program.resources.len()),
            open: open().map(|open| (&open.request.address, open)).collect(),
            is_any_parked: records().any(|record| record.status == Status::Parked),
            changing: BTreeSet::new(),
            stopped: BTreeSet::new(),
            later: BTreeSet::new(),
            held: BTreeSet::new(),
            keeps_name: BTreeMap::new(),
            parts: Parts::default(),
            problems: Vec::new(),
            names: BTreeMap::new(),
            visits: Visits::default(),
        }
    }

    fn record(&self, address: &Address) -> Option<&'a Record> {
        self.input.state.and_then(|state| state.records.get(address))
    }

    fn observation(&self, address: &Address, object: &Object) -> Option<&'a Observation> {
        self.input.estate.observations.get(&(address.clone(), object.generation))
    }

    /// Who says so may repeat what it was sent.
    fn indeterminate(&mut self, address: &Address, object: &Object, reason: &str) {
        let reason = scrub(reason, &[&object.sent, &object.seen, &object.attributes]);
        self.notice(address, format!("it could not be observed, and is planned as it was last seen: {reason}"));
    }

    fn notice(&mut self, address: &Address, message: impl Into<String>) {
        self.plan.notices.push(Notice { address: Some(address.clone()), message: message.into(), stops: false });
    }

    /// A resource of the blueprint. `wants`: what it wants, where that is evaluated already.
    fn resource(&mut self, resource: &Resource, dependencies: BTreeSet<Address>, wants: Option<Wants>) {
        let mut declared = self.declared(resource, dependencies);
        self.visits.nodes(1);
        self.visits.edges(declared.dependencies.len());
        if let Some((reason, waits_for, span)) = self.waits(resource, &declared) {
            return self.leave(resource, reason, waits_for, span);
        }
        if let Some(name) = &resource.existing {
            let record = self.record(&resource.address);
            return self.existing(resource, name, record, &declared.dependencies);
        }
        if let Some(reason) = self.stopped_by(&resource.address, &declared) {
            return self.stop(resource, self.record(&resource.address), reason);
        }
        let wants = wants.unwrap_or_else(|| self.wants(resource));
        let Some(mut options) = self.options(resource, &declared, wants) else { return };
        match self.with_parts(resource, &mut declared, &mut options) {
            Ok(()) => {}
            Err(Unmade::Wrong) => return,
            Err(Unmade::Stopped(reason)) => return self.stop(resource, self.record(&resource.address), reason),
        }
        self.look_again(resource);
        self.decided(resource, declared, options);
    }

    /// Decides a resource or a part, and takes that into the plan.
    fn decided(&mut self, resource: &Resource, mut declared: Declared, mut options: Options) {
        let record = self.record(&resource.address);
        if let Some(record) = record {
            self.in_the_same_words(&mut declared.dependencies, &record.declared.dependencies);
        }
        let create_first = resource.create_first.unwrap_or(options.manager.schema().create_first);
        let declared = Declared { create_first, ..declared };
        let object = record.and_then(|record| record.current.as_ref());
        let standing = object.map(|object| placement::recorded(&options.scopes, &resource.candidates, object));
        let chosen = standing.flatten().unwrap_or(0);
        let branch = &options.branches[chosen];
        options.standing.clone_from(&branch.candidate);
        let kind = resource.kind.clone();
        let wanted = Wanted { kind, spec: branch.spec.clone(), scope: branch.scope.clone(), declared };
        let observation = object.and_then(|object| self.observation(&resource.address, object));
        if let (Some(object), Some(Observation::Indeterminate(reason))) = (object, observation) {
            self.indeterminate(&resource.address, object, reason);
        }
        self.named_once(resource, &wanted, options.manager.as_ref());
        let decision = decide(&wanted, record, observation, options.manager.as_ref());
        if let Some(object) = object {
            self.note_uncompared(&resource.address, object, &decision, &wanted.declared.ignore);
        }
        let decision = match self.input.mode {
            Mode::Correct => {
                self.only_drift(resource, &wanted, record, observation, decision, options.manager.as_ref())
            }
            _ => decision,
        };
        let decision = self.ask(&resource.address, decision);
        let decision = self.recomposed(decision, &mut options);
        if matches!(decision.verdict, Verdict::Create | Verdict::Replace) {
            self.check_again(resource, &options.branches);
        }
        self.settle(resource, wanted, record, decision, options);
    }

    fn declared(&self, resource: &Resource, dependencies: BTreeSet<Address>) -> Declared {
        Declared {
            dependencies,
            protect: resource.protect,
            ignore: resource.ignore.clone(),
            correct: resource.correct.clone(),
            create_first: resource.create_first.unwrap_or(false),
            verify: resource.validate.is_some(),
            source: self.input.program.sources.place(resource.span),
        }
    }

    fn stopped_by(&self, address: &Address, declared: &Declared) -> Option<String> {
        let waits = declared.dependencies.iter().find_map(|dependency| first_in(&self.stopped, dependency));
        self.unsettled(address).or_else(|| waits.map(|dependency| format!("it waits for {dependency}")))
    }

    /// Why a resource can't be planned, where an operation of it has not ended: nothing may begin before that.
    fn unsettled(&self, address: &Address) -> Option<String> {
        if let Some(from) = self.input.moves.comes_from(address).filter(|from| self.open.contains_key(from)) {
            return Some(format!("it moves here from {from}, of which an operation has not ended"));
        }
        if self.open.is_empty() && !self.is_any_parked {
            return None;
        }
        let parked = self.record(address).is_some_and(|record| record.status == Status::Parked);
        match self.open.get(address) {
            Some(open) if open.parked.is_none() && !parked => Some(format!(
                "a {} of an earlier run has not ended; `trueup apply` settles it first",
                open.verb.as_str()
            )),
            None if !parked => None,
            _ => Some("an operation's outcome is not known; `trueup state resolve` settles it".to_owned()),
        }
    }

    /// Leaves a resource as it is, and says so.
    fn stop(&mut self, resource: &Resource, record: Option<&Record>, reason: String) {
        self.stopped.insert(resource.address.clone());
        self.hold_parts(&resource.address);
        self.plan.notices.push(Notice { address: Some(resource.address.clone()), message: reason, stops: true });
        self.tell_move(resource);
        let attributes = record.and_then(|record| record.current.as_ref()).map(|object| object.attributes.clone());
        let attributes = attributes.unwrap_or(Value::Unknown);
        self.show(resource, attributes.clone(), attributes);
    }

    /// What the resource wants at each candidate; none where that is in error.
    fn options(&mut self, resource: &Resource, declared: &Declared, wants: Wants) -> Option<Options> {
        if declared.verify && !self.input.checks.contains(&resource.kind) {
            let message = format!("there is no check for a {}", resource.kind);
            let help = "leave out `validate`, or use a build that has the check";
            self.problems.push(Diagnostic::error(message).at(resource.span, "`validate` asks for one").help(help));
        }
        self.problems.extend(wants.problems);
        match wants.manager {
            Some(manager) if wants.branches.len() == wants.scopes.len() => {
                let (scopes, branches) = (wants.scopes, wants.branches);
                Some(Options { scopes, branches, manager, standing: None, composed: None, attributes: None })
            }
            _ => {
                self.show(resource, Value::Unknown, Value::Unknown);
                None
            }
        }
    }

    /// Takes a decision into the plan, and shows the resources after this one what it will be.
    fn settle(
        &mut self,
        resource: &Resource,
        wanted: Wanted,
        record: Option<&'a Record>,
        decision: Decision,
        options: Options,
    ) {
        let schema = options.manager.schema();
        let attributes = match decision.verdict {
            _ if options.attributes.is_some() => options.attributes.clone().unwrap_or_default(),
            Verdict::Create | Verdict::Replace => schema.unknown_attributes(),
            Verdict::Update => schema.changing_attributes(&decision.attributes),
            // A correction that leaves a resource out may never have made it.
            _ if decision.attributes == Value::Null => schema.unknown_attributes(),
            // What it has not got now reads as nothing.
            _ => schema.whole_attributes(&decision.attributes),
        };
        self.show(resource, attributes.clone(), schema.stable_attributes(&attributes));
        // A record's objects are of one kind: one that changes its kind can't have both at once.
        let create_first = wanted.declared.create_first && !decision.other_kind;
        let order = if create_first { Order::CreateFirst } else { Order::DestroyFirst };
        self.protect(resource, &decision, options.manager.as_ref());
        self.drift(resource, &decision);
        self.entries(&resource.address, record, &wanted, &decision);
        if matches!(decision.verdict, Verdict::Create | Verdict::Update | Verdict::Replace | Verdict::Check) {
            self.changing.insert(resource.address.clone());
        }
        let mut change = self.change(resource, &wanted.scope, &decision, order, attributes.clone());
        // What was here and has moved away since has the names of its generations still.
        let former = self.input.state.and_then(|state| state.former.get(&resource.address)).copied();
        let next = former.map_or(0, |former| former + 1);
        let former = former.unwrap_or_default();
        let generation = record.map_or(next, |record| match decision.verdict {
            Verdict::Create if decision.gone => record.generation,
            Verdict::Create | Verdict::Replace => record.generation.max(former) + 1,
            _ => record.generation,
        });
        let quiet = matches!(decision.verdict, Verdict::None | Verdict::Record);
        // Of what nothing is done to, nothing is left that an operation could take.
        let left = record.filter(|record| !quiet || !record.deposed.is_empty()).map(|record| {
            let absent = self.forget_gone(&resource.address, record.deposed.iter());
            let left = self.left_of(record, &absent);
            // A correction leaves edits to an apply, and another kind has fields of its own.
            let keeps = self.input.mode == Mode::Correct || decision.other_kind;
            Box::new(if keeps { left } else { remove::as_said_now(left, schema, &decision.desired) })
        });
        let branches = match decision.verdict {
            Verdict::Create | Verdict::Replace => {
                let failed =
                    options.standing.as_ref().filter(|_| decision.partial == Partial::Anew && wanted.declared.verify);
                let branches = placement::elsewhere_first(options.branches, failed);
                if let (Some(_), Some(first)) = (failed, branches.first()) {
                    change.scope.clone_from(&first.scope);
                    change.candidates = branches.iter().filter_map(|branch| branch.candidate.clone()).collect();
                }
                branches
            }
            _ => Vec::new(),
        };
        self.planned.push(Planned {
            change,
            verdict: Some(decision.verdict),
            order,
            generation,
            declared: wanted.declared,
            standing: options.standing,
            branches,
            observed: decision.observed,
            record: left,
        });
    }

    fn show(&self, resource: &Resource, attributes: Value, stable: Value) {
        let visible = Visible { kind: resource.kind.clone(), provider: resource.provider.clone(), attributes, stable };
        self.world.show(resource.address.clone(), visible);
    }

    /// What the journal is told without a call: what is gone, and records that differ from what is there.
    fn entries(&mut self, address: &Address, record: Option<&Record>, wanted: &Wanted, decision: &Decision) {
        let Some(object) = record.and_then(|record| record.current.as_ref()) else { return };
        let event = match decision.verdict {
            Verdict::Create if decision.gone => Event::Forgotten { generation: object.generation },
            // A check says nothing of the record: what else differs is taken over beside it.
            Verdict::Record | Verdict::Check if decision.record.is_some() => Event::Annotated {
                declared: Box::new(wanted.declared.clone()),
                object: Some(Box::new(Object {
                    sent: keeping(&decision.desired, &object.sent),
                    seen: decision.observed.clone(),
                    attributes: decision.attributes.clone(),
                    ..object.clone()
                })),
            },
            _ => return,
        };
        self.entry(address, event);
    }

    fn entry(&mut self, address: &Address, event: Event) {
        self.plan.entries.push(Entry { at: self.input.now, address: Some(address.clone()), event });
    }

    /// Without operations nothing becomes known: an output that is not known stays what it was, and what a correction leaves waits for
    /// an apply.
    fn without_operations(&mut self) {
        self.plan.outputs.retain(|_, change| !change.after.as_ref().is_some_and(Value::has_unknown));
        if self.input.mode == Mode::Correct {
            for left in std::mem::take(&mut self.plan.deferred) {
                self.notice(&left.address, format!("{}; it waits for an apply", left.reason));
            }
        }
    }

    /// Objects of this stack that its state does not know: an operation that has not ended may yet claim its own.
    fn orphans(&mut self) {
        let begun: BTreeSet<&str> = self.open.values().map(|open| open.request.token.as_str()).collect();
        for (kind, found) in &self.input.estate.orphans {
            if found.owner.get(TAG_TOKEN).is_some_and(|token| begun.contains(token.as_str())) {
                continue;
            }
            let was = found.owner.get(TAG_ADDRESS).map(|address| format!(", made for {address}")).unwrap_or_default();
            let message = format!("the {kind} `{}` belongs to this stack{was}, and is not recorded", found.id);
            self.plan.notices.push(Notice { address: None, message, stops: false });
        }
    }

    /// What is wrong with the blueprint comes before what was asked for: only of a right one is it told what it has.
    fn finish(mut self, limited: Result<(), SelectError>) -> Result<Plan, PlanError> {
        let sources = &self.input.program.sources;
        self.visits.tell("decide");
        operations::share_order(&mut self.planned);
        self.check_names();
        if !self.problems.is_empty() {
            let mut list = describe::by_instance(self.problems);
            list.sort_by_key(|problem| problem.labels.first().map(|label| label.span));
            return Err(Diagnostics { sources: sources.clone(), list }.into());
        }
        if let Err(error) = limited {
            return Err(PlanError::Select(Box::new(NotSelected { error, known: self.plan.known })));
        }
        let graph = operations::build(&self.planned);
        if graph.operations.is_empty() {
            self.without_operations();
        }
        self.plan.operations = graph.operations;
        self.plan.joints = graph.joints;
        self.plan.edges = graph.edges;
        self.plan.changes = self.planned.into_iter().map(|planned| planned.change).collect();
        Ok(self.plan)
    }
}

/// What a resource wants at each of its candidates.
struct Options {
    scopes: Vec<Scope>,
    branches: Vec<Branch>,
    manager: Arc<dyn Manager>,
    /// The candidate that it stands in, or would be made in first.
    standing: Option<Candidate>,
    /// What it is made of, where it is composed.
    composed: Option<Arranged>,
    /// What its attributes are to be, where its parts tell.
    attributes: Option<Value>,
}
