//! Makes the plan: walks the resources in the order of their dependencies, decides each, and shows the next what it will be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::entry::{Entry, Event};
use trueup_state::{
    Address, Declared, FieldPath, Generation, KindName, Object, OpenOperation, Record, Scope, Stack, State, Status,
    Timestamp, Value,
};

use super::decide::{Decision, Verdict, Wanted, decide};
use super::operations::{self, Branch, Planned};
use super::{
    Action, Change, Contents, Drift, FORMAT, FieldChange, Mode, Notice, Order, OutputChange, Plan, Reason, Refusal,
    Resume, placement,
};
use crate::blueprint::{Program, Resource, Scope as Seeing, Visible, World, evaluate};
use crate::desired::desired;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::estate::Estate;
use crate::provider::{Candidate, Fact, Manager, Observation, RetrySafety};

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
    /// The digests of files.
    pub contents: Contents,
    /// Dated answers of providers.
    pub facts: Vec<Fact>,
    /// The kinds that there is a check for.
    pub checks: &'a BTreeSet<KindName>,
    /// The time.
    pub now: Timestamp,
    /// What the plan is for.
    pub mode: Mode,
}

/// Makes a plan. The errors are the blueprint's; what protection forbids is in [`Plan::refusals`].
pub fn plan(input: &Input<'_>) -> Result<Plan, Diagnostics> {
    let mut builder = Builder::new(input);
    if input.mode != Mode::Destroy {
        for address in input.program.graph.order() {
            if let Some(resource) = input.program.resources.get(&address) {
                builder.resource(resource);
            }
        }
    }
    for record in input.state.into_iter().flat_map(|state| state.records.values()) {
        if input.mode == Mode::Destroy || !input.program.resources.contains_key(&record.address) {
            builder.removed(record);
        }
    }
    builder.outputs();
    builder.finish()
}

struct Builder<'a> {
    input: &'a Input<'a>,
    world: Arc<World>,
    plan: Plan,
    planned: Vec<Planned>,
    /// The operations of earlier runs that have not ended.
    open: BTreeMap<&'a Address, &'a OpenOperation>,
    /// The resources that operations change, in this plan.
    changing: BTreeSet<Address>,
    /// The resources that can't be planned, and those that wait for them.
    stopped: BTreeSet<Address>,
    /// The replaced resources whose name is given and stays, on a kind that the caller names, with the name's place.
    keeps_name: BTreeMap<Address, Span>,
    problems: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let open = || input.state.into_iter().flat_map(|state| state.open.values());
        let resumes = open().map(|open| Resume {
            address: open.request.address.clone(),
            verb: open.verb,
            since: open.at,
            parked: open.parked.clone(),
        });
        let plan = Plan {
            format: FORMAT,
            mode: input.mode,
            stack: input.stack.clone(),
            lineage: input.state.map(|state| state.lineage.clone()),
            serial: input.state.map_or(0, |state| state.serial),
            at: input.now,
            sources: input.program.sources.clone(),
            variables: input.program.variables.clone(),
            facts: input.facts.clone(),
            contents: input.contents.clone(),
            resumes: resumes.collect(),
            drift: Vec::new(),
            changes: Vec::new(),
            entries: Vec::new(),
            operations: Vec::new(),
            edges: Vec::new(),
            outputs: BTreeMap::new(),
            refusals: Vec::new(),
            notices: Vec::new(),
        };
        Self {
            input,
            world: input.program.world(),
            plan,
            planned: Vec::new(),
            open: open().map(|open| (&open.request.address, open)).collect(),
            changing: BTreeSet::new(),
            stopped: BTreeSet::new(),
            keeps_name: BTreeMap::new(),
            problems: Vec::new(),
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
        let reason = super::diff::scrub(reason, &[&object.sent, &object.seen, &object.attributes]);
        self.notice(address, format!("it could not be observed, and is planned as it was last seen: {reason}"));
    }

    fn notice(&mut self, address: &Address, message: impl Into<String>) {
        self.plan.notices.push(Notice { address: Some(address.clone()), message: message.into(), stops: false });
    }

    /// A resource of the blueprint.
    fn resource(&mut self, resource: &Resource) {
        let declared = self.declared(resource);
        let record = self.record(&resource.address);
        if let Some(reason) = self.stopped_by(&resource.address, &declared) {
            return self.stop(resource, record, reason);
        }
        let Some(mut options) = self.options(resource, &declared) else { return };
        let create_first = resource.create_first.unwrap_or(options.manager.schema().create_first);
        let declared = Declared { create_first, ..declared };
        let object = record.and_then(|record| record.current.as_ref());
        let standing = object.map(|object| placement::recorded(&options.scopes, object));
        let chosen = standing.flatten().unwrap_or(0);
        let branch = &options.branches[chosen];
        options.standing.clone_from(&branch.candidate);
        let wanted = Wanted { spec: branch.spec.clone(), scope: branch.scope.clone(), declared };
        let observation = object.and_then(|object| self.observation(&resource.address, object));
        if let (Some(object), Some(Observation::Indeterminate(reason))) = (object, observation) {
            self.indeterminate(&resource.address, object, reason);
        }
        let decision = decide(&wanted, record, observation, options.manager.as_ref());
        let decision = match self.input.mode {
            Mode::Correct => {
                self.only_drift(resource, &wanted, record, observation, decision, options.manager.as_ref())
            }
            _ => decision,
        };
        self.settle(resource, wanted, record, decision, options);
    }

    fn declared(&self, resource: &Resource) -> Declared {
        Declared {
            dependencies: self.input.program.graph.dependencies(&resource.address).into_iter().collect(),
            protect: resource.protect,
            ignore: resource.ignore.clone(),
            correct: resource.correct.clone(),
            create_first: resource.create_first.unwrap_or(false),
            verify: resource.validate.is_some(),
            source: self.input.program.sources.place(resource.span),
        }
    }

    fn stopped_by(&self, address: &Address, declared: &Declared) -> Option<String> {
        let waits = declared.dependencies.iter().find(|dependency| self.stopped.contains(dependency));
        self.unsettled(address).or_else(|| waits.map(|dependency| format!("it waits for {dependency}")))
    }

    /// Why a resource can't be planned, where an operation of it has not ended: nothing may begin before that.
    fn unsettled(&self, address: &Address) -> Option<String> {
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
        self.plan.notices.push(Notice { address: Some(resource.address.clone()), message: reason, stops: true });
        let attributes = record.and_then(|record| record.current.as_ref()).map(|object| object.attributes.clone());
        let attributes = attributes.unwrap_or(Value::Unknown);
        self.show(resource, attributes.clone(), attributes);
    }

    /// What the resource wants at each candidate; none where that is in error.
    fn options(&mut self, resource: &Resource, declared: &Declared) -> Option<Options> {
        let scopes = self.input.estate.scopes.get(&resource.address).cloned().unwrap_or_default();
        if declared.verify && !self.input.checks.contains(&resource.kind) {
            let message = format!("there is no check for a {}", resource.kind);
            let help = "leave out `validate`, or use a build that has the check";
            self.problems.push(Diagnostic::error(message).at(resource.span, "`validate` asks for one").help(help));
        }
        let mut branches = Vec::new();
        let mut first = None;
        for (position, scope) in scopes.iter().enumerate() {
            let Some(manager) = self.input.estate.manager(scope, &resource.kind) else {
                let message = format!("the provider `{}` does not make a {}", scope.provider, resource.kind);
                self.problems.push(Diagnostic::error(message).at(resource.span, resource.address.to_string()));
                continue;
            };
            let candidate = resource.candidates.get(position);
            let contents = &self.input.contents;
            match desired(self.input.program, resource, candidate, manager.schema(), &self.world, contents) {
                Ok(spec) => branches.push(Branch { candidate: candidate.cloned(), scope: scope.clone(), spec }),
                Err(problems) => self.problems.extend(problems),
            }
            first.get_or_insert_with(|| manager.clone());
        }
        match first {
            Some(manager) if branches.len() == scopes.len() => {
                Some(Options { scopes, branches, manager, standing: None })
            }
            _ => {
                self.show(resource, Value::Unknown, Value::Unknown);
                None
            }
        }
    }

    /// In a correction: only what drifted is put right, and what reads it follows; edits wait for an apply.
    fn only_drift(
        &mut self,
        resource: &Resource,
        wanted: &Wanted,
        record: Option<&Record>,
        observation: Option<&Observation>,
        decision: Decision,
        manager: &dyn Manager,
    ) -> Decision {
        let follows = wanted.declared.dependencies.iter().any(|dependency| self.changing.contains(dependency));
        let Some(object) = record.and_then(|record| record.current.as_ref()) else {
            return self.wait_for_apply(resource, decision, "it is not applied yet");
        };
        // Attributes that changed by themselves are no edit.
        let only_seen = decision.record.as_deref() == Some("attributes") && decision.verdict == Verdict::Record;
        if decision.gone || only_seen || decision.verdict == Verdict::None {
            return decision;
        }
        if decision.drifted.is_empty() && !follows {
            let message = match decision.verdict {
                Verdict::Check => "its check has not passed yet; `trueup apply` checks again",
                _ => "its edits are not applied yet",
            };
            return self.wait_for_apply(resource, decision, message);
        }
        let reads = |path: &FieldPath, spec: &Value| follows && spec.at(path).is_some_and(Value::has_unknown);
        let allowed = |path: &FieldPath| {
            wanted.declared.correct.as_ref().is_none_or(|paths| paths.iter().any(|allowed| allowed.covers(path)))
        };
        let mut wanted = wanted.clone();
        let edited = decision.edited.iter().filter(|path| !decision.drifted.contains(*path));
        for path in edited.filter(|path| !reads(path, &decision.desired)) {
            super::diff::set(&mut wanted.spec, path, object.sent.at(path));
            self.notice(&resource.address, format!("{path} was edited, and waits for an apply"));
        }
        for path in decision.drifted.iter().filter(|path| !allowed(path)) {
            super::diff::set(&mut wanted.spec, path, decision.observed.at(path));
            self.notice(&resource.address, format!("{path} drifted, and `drift` does not let it be corrected"));
        }
        let drifted = decision.drifted;
        let mut decision = decide(&wanted, record, observation, manager);
        decision.drifted = drifted;
        match decision.verdict {
            Verdict::Replace
                if decision.immutable.is_empty()
                    || !decision.immutable.iter().all(|path| reads(path, &decision.desired)) =>
            {
                self.wait_for_apply(resource, decision, "to correct it, it must be replaced: `trueup apply` does that")
            }
            // What may not be corrected stays drift: the record is not bent to it.
            Verdict::Record => Decision { verdict: Verdict::None, ..decision },
            _ => decision,
        }
    }

    fn wait_for_apply(&mut self, resource: &Resource, decision: Decision, message: &str) -> Decision {
        self.notice(&resource.address, message);
        Decision { verdict: Verdict::None, ..decision }
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
            Verdict::Create | Verdict::Replace => schema.unknown_attributes(),
            Verdict::Update => schema.changing_attributes(&decision.attributes),
            // A correction that leaves a resource out may never have made it.
            _ if decision.attributes == Value::Null => schema.unknown_attributes(),
            _ => decision.attributes.clone(),
        };
        self.show(resource, attributes.clone(), schema.stable_attributes(&attributes));
        let order = if wanted.declared.create_first { Order::CreateFirst } else { Order::DestroyFirst };
        self.protect(resource, &decision, options.manager.retry_safety());
        self.drift(resource, &decision);
        self.entries(&resource.address, record, &wanted, &decision);
        if matches!(decision.verdict, Verdict::Create | Verdict::Update | Verdict::Replace | Verdict::Check) {
            self.changing.insert(resource.address.clone());
        }
        let change = self.change(resource, &wanted.scope, &decision, order, attributes.clone());
        let generation = record.map_or(0, |record| match decision.verdict {
            Verdict::Create if decision.gone => record.generation,
            Verdict::Create | Verdict::Replace => record.generation + 1,
            _ => record.generation,
        });
        let left = record.map(|record| {
            let absent = self.forget_gone(&resource.address, record.deposed.iter());
            self.left_of(record, &absent)
        });
        let branches = match decision.verdict {
            Verdict::Create | Verdict::Replace => options.branches,
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

    /// Refuses what protection forbids, and remembers what can't have two objects of one name.
    fn protect(&mut self, resource: &Resource, decision: &Decision, safety: RetrySafety) {
        if decision.verdict != Verdict::Replace {
            return;
        }
        let protected = self.record(&resource.address).is_some_and(|record| record.declared.protect);
        if protected || resource.protect {
            self.plan.refusals.push(Refusal {
                address: resource.address.clone(),
                message: format!("{} is protected, and this would replace it", resource.address),
                help: "apply `protect: false` first, or leave the fields that need a new object as they are".to_owned(),
                source: self.input.program.sources.place(resource.span),
            });
        }
        let name = FieldPath::parse("name");
        let named = decision.desired.at(&name).filter(|name| **name != Value::Null);
        let same = named.is_some_and(|named| decision.base.at(&name).is_some_and(|base| base.same(named)));
        if same && safety == RetrySafety::NamedByCaller {
            self.keeps_name.insert(resource.address.clone(), resource.span_of(&name));
        }
    }

    /// Refuses replacements for which there would be two objects of one name at once.
    fn check_names(&mut self) {
        let create_first = |planned: &&Planned| planned.change.action == Action::Replace(Order::CreateFirst);
        for planned in self.planned.iter().filter(create_first) {
            let address = &planned.change.address;
            let Some(span) = self.keeps_name.get(address) else { continue };
            let message = format!("{address} can't be replaced create-first under the same name");
            let shared = planned.change.reasons.iter().find_map(|reason| match reason {
                Reason::CreateFirstFor { dependant } => Some(dependant),
                _ => None,
            });
            let help = match shared {
                None => "change `name` too, leave it out, or say `replace: destroy_first`".to_owned(),
                Some(dependant) => {
                    format!("change `name` too, leave it out, or say `replace: destroy_first` for {dependant}")
                }
            };
            self.problems.push(Diagnostic::error(message).at(*span, "two objects can't both have it").help(help));
        }
    }

    fn drift(&mut self, resource: &Resource, decision: &Decision) {
        if !decision.gone && decision.drifted.is_empty() {
            return;
        }
        let seen = self.record(&resource.address).and_then(|record| record.current.as_ref()).map(|object| &object.seen);
        let field = |path: &FieldPath| FieldChange {
            path: path.clone(),
            before: seen.and_then(|seen| seen.at(path)).cloned(),
            after: decision.observed.at(path).cloned(),
            replaces: false,
            source: resource.place(&self.input.program.sources, path),
        };
        self.plan.drift.push(Drift {
            address: resource.address.clone(),
            kind: resource.kind.clone(),
            gone: decision.gone,
            fields: decision.drifted.iter().map(field).collect(),
            source: self.input.program.sources.place(resource.span),
            corrected: matches!(decision.verdict, Verdict::Create | Verdict::Update | Verdict::Replace),
        });
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
                    sent: decision.desired.clone(),
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

    fn change(
        &self,
        resource: &Resource,
        scope: &Scope,
        decision: &Decision,
        order: Order,
        attributes: Value,
    ) -> Change {
        let field = |path: &FieldPath| FieldChange {
            path: path.clone(),
            before: decision.base.at(path).cloned(),
            after: decision.desired.at(path).cloned(),
            replaces: decision.immutable.contains(path),
            source: resource.place(&self.input.program.sources, path),
        };
        let action = match decision.verdict {
            Verdict::None => Action::None,
            Verdict::Create => Action::Create,
            Verdict::Update => Action::Update,
            Verdict::Replace => Action::Replace(order),
            Verdict::Check => Action::Read,
            Verdict::Record => Action::Record,
        };
        let shows_fields = matches!(action, Action::Update | Action::Replace(_));
        Change {
            address: resource.address.clone(),
            kind: resource.kind.clone(),
            scope: scope.clone(),
            action,
            before: decision.base.clone(),
            after: decision.desired.clone(),
            attributes_before: decision.attributes.clone(),
            attributes_after: attributes,
            fields: if shows_fields { decision.fields.iter().map(field).collect() } else { Vec::new() },
            reasons: self.reasons(resource, decision),
            source: self.input.program.sources.place(resource.span),
            candidates: resource.candidates.clone(),
        }
    }

    fn reasons(&self, resource: &Resource, decision: &Decision) -> Vec<Reason> {
        let sources = &self.input.program.sources;
        let mut reasons = Vec::new();
        match decision.verdict {
            Verdict::None => return reasons,
            Verdict::Create if decision.gone => reasons.push(Reason::Gone),
            Verdict::Create => reasons.push(Reason::New { place: sources.place(resource.span) }),
            Verdict::Check => reasons.push(Reason::Unverified),
            Verdict::Record => {
                let what = decision.record.clone().unwrap_or_default();
                reasons.push(Reason::Recorded { what });
            }
            Verdict::Update | Verdict::Replace => {}
        }
        if decision.tainted {
            reasons.push(Reason::Tainted);
        }
        if let Some(what) = decision.moved.clone() {
            reasons.push(Reason::Moved { what });
        }
        for path in &decision.fields {
            let place = resource.place(sources, path);
            reasons.push(match decision.desired.at(path) {
                _ if decision.drifted.contains(path) => Reason::Drifted { path: path.clone() },
                Some(desired) if desired.has_unknown() => Reason::Reads { path: path.clone(), place },
                _ => Reason::Edited { path: path.clone(), place },
            });
        }
        reasons.extend(decision.immutable.iter().map(|path| Reason::Immutable { path: path.clone() }));
        reasons
    }

    /// A recorded resource that is not wanted any more.
    fn removed(&mut self, record: &'a Record) {
        if self.input.mode == Mode::Correct {
            return self.notice(&record.address, "its block is no longer in the blueprint; `trueup apply` deletes it");
        }
        if let Some(message) = self.unsettled(&record.address) {
            self.plan.notices.push(Notice { address: Some(record.address.clone()), message, stops: true });
            return;
        }
        let current = record.current.as_ref();
        let absent = self.forget_gone(&record.address, record.objects());
        let left = self.left_of(record, &absent);
        let forgotten = left.objects().next().is_none();
        if record.declared.protect && !forgotten {
            self.plan.refusals.push(Refusal {
                address: record.address.clone(),
                message: format!("{} is protected, and this would delete it", record.address),
                help: "apply `protect: false` first".to_owned(),
                source: record.declared.source.clone(),
            });
        }
        let removed = if self.input.mode == Mode::Destroy { Reason::Destroyed } else { Reason::Removed };
        let reasons = if forgotten { vec![removed, Reason::Gone] } else { vec![removed] };
        let observed = current.map_or(Value::Null, |object| self.observed(&record.address, object));
        let change = Change {
            address: record.address.clone(),
            kind: record.kind.clone(),
            scope: record.objects().next().map_or_else(
                || Scope { provider: "none".into(), settings: BTreeMap::new() },
                |object| object.scope.clone(),
            ),
            action: if forgotten { Action::Forget } else { Action::Delete },
            before: current.map_or(Value::Null, |object| object.sent.clone()),
            after: Value::Null,
            attributes_before: current.map_or(Value::Null, |object| object.attributes.clone()),
            attributes_after: Value::Null,
            fields: Vec::new(),
            reasons,
            source: record.declared.source.clone(),
            candidates: Vec::new(),
        };
        self.planned.push(Planned {
            change,
            verdict: None,
            order: Order::DestroyFirst,
            generation: record.generation,
            declared: record.declared.clone(),
            standing: None,
            branches: Vec::new(),
            observed,
            record: Some(left),
        });
    }

    /// Tells the journal which of a resource's objects are gone, and returns their generations.
    fn forget_gone(&mut self, address: &Address, objects: impl Iterator<Item = &'a Object>) -> BTreeSet<Generation> {
        let gone = |object: &&Object| {
            object.id.is_none() || matches!(self.observation(address, object), Some(Observation::Absent))
        };
        let absent: BTreeSet<Generation> = objects.filter(gone).map(|object| object.generation).collect();
        for generation in &absent {
            self.entry(address, Event::Forgotten { generation: *generation });
        }
        absent
    }

    /// What an object is observed to be, secrets marked; what was seen last where nothing was observed.
    fn observed(&self, address: &Address, object: &Object) -> Value {
        match self.observation(address, object) {
            Some(Observation::Present(found)) => super::diff::mark_secrets(&found.spec, &[&object.sent, &object.seen]),
            _ => object.seen.clone(),
        }
    }

    /// A record without the objects of some generations, the others as they are observed now.
    fn left_of(&self, record: &Record, absent: &BTreeSet<Generation>) -> Record {
        let mut left = record.clone();
        left.current = left.current.filter(|object| !absent.contains(&object.generation));
        left.deposed.retain(|object| !absent.contains(&object.generation));
        for object in left.current.iter_mut().chain(&mut left.deposed) {
            object.seen = self.observed(&record.address, object);
        }
        left
    }

    fn outputs(&mut self) {
        let none = BTreeMap::new();
        let before = self.input.state.map_or(&none, |state| &state.outputs);
        let mut after = BTreeMap::new();
        if self.input.mode != Mode::Destroy {
            let seeing = Seeing { world: self.world.clone(), module: None, each: None };
            for (name, output) in &self.input.program.outputs {
                let evaluated = evaluate(&output.node, &seeing);
                self.problems.extend(evaluated.problems);
                after.insert(name.clone(), evaluated.value);
            }
        }
        if self.input.mode == Mode::Correct && self.changing.is_empty() {
            return;
        }
        for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
            if before != after {
                self.plan.outputs.insert(name.clone(), OutputChange { before, after });
            }
        }
    }

    fn finish(mut self) -> Result<Plan, Diagnostics> {
        let sources = &self.input.program.sources;
        operations::share_order(&mut self.planned);
        self.check_names();
        if !self.problems.is_empty() {
            let mut list = self.problems;
            list.sort_by_key(|problem| problem.labels.first().map(|label| label.span));
            list.dedup();
            return Err(Diagnostics { sources: sources.clone(), list });
        }
        let (operations, edges) = operations::build(&self.planned);
        self.plan.operations = operations;
        self.plan.edges = edges;
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
}
