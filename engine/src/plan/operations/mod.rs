//! From decisions to the graph of operations: one provider call or one check a node, an edge from what comes first.

mod edges;

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::{Address, Declared, Generation, Object, Record, Scope, Status, Value, Verb};

use self::edges::{Joint, Yields};
use super::decide::Verdict;
use super::{Action, Change, Operation, Order, Reason};
use crate::digest::without;
use crate::provider::Candidate;
use crate::visits::Visits;

/// One way to make a resource.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The candidate that it is for; none without a placement.
    pub candidate: Option<Candidate>,
    /// Where.
    pub scope: Scope,
    /// The spec there.
    pub spec: Value,
}

/// A resource with everything that its operations are made from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What becomes of it.
    pub change: Change,
    /// What was decided; none for a resource that is no longer wanted, whose objects all go.
    pub verdict: Option<Verdict>,
    /// The order of a replacement.
    pub order: Order,
    /// The generation of what is made, or of what is there.
    pub generation: Generation,
    /// What the blueprint says of it besides its spec.
    pub declared: Declared,
    /// The candidate that its current object stands in: an update takes the candidate's fields over the blueprint's too.
    pub standing: Option<Candidate>,
    /// The ways to make it, in order; none where nothing is made.
    pub branches: Vec<Branch>,
    /// What its current object was observed to be.
    pub observed: Value,
    /// Its record, without the objects that are gone.
    pub record: Option<Box<Record>>,
}

impl Planned {
    /// One that nothing is made for: `left` of its record goes, or is forgotten.
    pub(crate) fn going(change: Change, left: Record, observed: Value) -> Self {
        Self {
            change,
            verdict: None,
            order: Order::DestroyFirst,
            generation: left.generation,
            declared: left.declared.clone(),
            standing: None,
            branches: Vec::new(),
            observed,
            record: Some(Box::new(left)),
        }
    }
}

/// A resource that keeps an old object until a new one is ready needs all that it depends on, at any remove, to be there before and
/// after: what of that is replaced too is create-first as well. `planned` is in the order of dependencies.
pub fn share_order(planned: &mut [Planned]) {
    if !planned.iter().any(keeps_old) {
        return;
    }
    let positions: BTreeMap<Address, usize> =
        planned.iter().enumerate().map(|(position, planned)| (planned.change.address.clone(), position)).collect();
    // Who needs each resource to be there all the time: it, or a block or module that it stands in.
    let mut needed_by: Vec<Option<Address>> = vec![None; planned.len()];
    let mut wholes: BTreeMap<Address, Address> = BTreeMap::new();
    for position in (0..planned.len()).rev() {
        if needed_by[position].is_none() && !wholes.is_empty() {
            let mut around = planned[position].change.address.around();
            needed_by[position] = around.find_map(|around| wholes.get(&around)).cloned();
        }
        let kind = planned[position].record.as_ref().map(|record| &record.kind);
        let same_kind = kind.is_none_or(|kind| *kind == planned[position].change.kind);
        if let (Some(dependant), Action::Replace(Order::DestroyFirst), true) =
            (needed_by[position].clone(), planned[position].change.action, same_kind)
        {
            let dependency = &mut planned[position];
            dependency.change.action = Action::Replace(Order::CreateFirst);
            dependency.order = Order::CreateFirst;
            dependency.change.reasons.push(Reason::CreateFirstFor { dependant });
        }
        let planned = &planned[position];
        let own = keeps_old(planned).then(|| planned.change.address.clone());
        let Some(dependant) = own.or_else(|| needed_by[position].clone()) else { continue };
        for dependency in &planned.declared.dependencies {
            match positions.get(dependency) {
                Some(position) => drop(needed_by[*position].get_or_insert_with(|| dependant.clone())),
                None => drop(wholes.entry(dependency.clone()).or_insert_with(|| dependant.clone())),
            }
        }
    }
}

/// Whether an old object stays until what the plan makes is ready.
fn keeps_old(planned: &Planned) -> bool {
    let deposed = planned.record.as_ref().is_some_and(|record| !record.deposed.is_empty());
    match planned.verdict {
        Some(Verdict::Replace) => planned.order == Order::CreateFirst,
        Some(Verdict::Create | Verdict::Update | Verdict::Check) => planned.order == Order::CreateFirst && deposed,
        _ => false,
    }
}

/// Whether deposed objects stay though nothing is done: what is to be in their place is not there, or not known to be good.
fn keeps_deposed(planned: &Planned) -> bool {
    let is_ready = |record: &Record| record.current.is_some() && record.status == Status::Ready;
    let quiet = matches!(planned.verdict, Some(Verdict::None | Verdict::Record));
    quiet && planned.order == Order::CreateFirst && !planned.record.as_deref().is_some_and(is_ready)
}

/// The operations of resources, and what waits for what.
#[derive(Debug, Default)]
pub struct OperationGraph {
    /// The operations.
    pub operations: Vec<Operation>,
    /// How many joints there are, whose numbers follow those of the operations: see [`super::Plan::edges`].
    pub joints: usize,
    /// From the earlier to the later one.
    pub edges: Vec<(usize, usize)>,
}

/// The operations of resources, and what waits for what.
pub fn build(planned: &[Planned]) -> OperationGraph {
    let mut builder = Builder::default();
    for planned in planned {
        builder.nodes(planned);
    }
    if builder.operations.is_empty() {
        return OperationGraph::default();
    }
    for planned in planned {
        builder.after_dependencies(planned);
        builder.before_deletes(planned);
    }
    builder.let_go();
    let Builder { operations, joints, edges, mut visits, .. } = builder;
    visits.nodes(operations.len() + joints.len());
    visits.edges(edges.len());
    visits.tell("operations");
    OperationGraph { operations, joints: joints.len(), edges: edges.into_iter().collect() }
}

/// The operations of one resource.
#[derive(Debug, Default)]
struct Nodes {
    /// Those that need its dependencies to be ready.
    first: Vec<usize>,
    /// Those after which it is ready itself.
    ready: Vec<usize>,
    /// Those that delete its objects.
    deletes: Vec<usize>,
    /// The one of them that must come before the new object is made.
    delete_first: Option<usize>,
    /// Whether it, or something it depends on, has such a one.
    unsettled: bool,
}

#[derive(Default)]
struct Builder {
    operations: Vec<Operation>,
    edges: BTreeSet<(usize, usize)>,
    /// Those of the edges that give way where they close a circle, the more readily the lower: see [`Builder::let_go`].
    yielding: BTreeMap<(usize, usize), Yields>,
    nodes: BTreeMap<Address, Nodes>,
    /// The parts of what is made of them that stand elsewhere, as far as there is something to do for these.
    shared: BTreeMap<Address, Vec<Address>>,
    /// Whether any of them is unsettled.
    unsettled: bool,
    /// Which of the blocks and modules that are depended on as a whole are unsettled.
    unsettled_wholes: BTreeMap<Address, bool>,
    /// The joints, by what they stand for.
    joints: BTreeMap<(Address, Joint), usize>,
    /// What was looked at to find the edges.
    visits: Visits,
}

impl Builder {
    fn push(&mut self, operation: Operation) -> usize {
        self.operations.push(operation);
        self.operations.len() - 1
    }

    fn nodes(&mut self, planned: &Planned) {
        let mut nodes = Nodes::default();
        match planned.verdict {
            Some(Verdict::Create | Verdict::Replace) => self.creates(planned, &mut nodes),
            Some(Verdict::Update) => self.update(planned, &mut nodes),
            Some(Verdict::Check) => {
                let check = self.push(of_current(planned, Verb::Check));
                nodes.first.push(check);
                nodes.ready.push(check);
            }
            Some(Verdict::None | Verdict::Record) | None => {}
        }
        let record = planned.record.as_ref();
        if matches!(planned.verdict, Some(Verdict::Replace) | None)
            && let Some(object) = record.and_then(|record| record.current.as_ref())
        {
            self.delete_current(planned, object, &mut nodes);
        }
        for object in record.filter(|_| !keeps_deposed(planned)).into_iter().flat_map(|record| &record.deposed) {
            let delete = self.push(delete(planned, object, object.seen.clone()));
            if planned.order == Order::CreateFirst {
                self.edges.extend(nodes.ready.iter().map(|ready| (*ready, delete)));
            }
            nodes.deletes.push(delete);
        }
        nodes.unsettled = nodes.delete_first.is_some()
            || self.unsettled && planned.declared.dependencies.iter().any(|address| self.is_unsettled(address));
        self.unsettled |= nodes.unsettled;
        // What nothing is done to is in nobody's way.
        if nodes.unsettled || !nodes.first.is_empty() || !nodes.deletes.is_empty() {
            self.nodes.insert(planned.change.address.clone(), nodes);
            let shared_by = planned.change.part_of.as_ref().filter(|whole| !planned.change.address.is_in(whole));
            if let Some(whole) = shared_by {
                self.shared.entry(whole.clone()).or_default().push(planned.change.address.clone());
            }
        }
    }

    fn creates(&mut self, planned: &Planned, nodes: &mut Nodes) {
        for branch in &planned.branches {
            let create = self.push(create(planned, branch));
            nodes.first.push(create);
            if planned.declared.verify {
                let check = self.push(Operation { verb: Verb::Check, ..create_of(&self.operations[create]) });
                self.edges.insert((create, check));
                nodes.ready.push(check);
            } else {
                nodes.ready.push(create);
            }
        }
    }

    fn update(&mut self, planned: &Planned, nodes: &mut Nodes) {
        let update = self.push(of_current(planned, Verb::Update));
        nodes.first.push(update);
        let unverified = planned.record.as_ref().is_some_and(|record| record.status == Status::Unverified);
        if unverified && planned.declared.verify {
            let check = self.push(of_current(planned, Verb::Check));
            self.edges.insert((update, check));
            nodes.ready.push(check);
        } else {
            nodes.ready.push(update);
        }
    }

    fn delete_current(&mut self, planned: &Planned, object: &Object, nodes: &mut Nodes) {
        let delete = self.push(delete(planned, object, planned.observed.clone()));
        if planned.verdict == Some(Verdict::Replace) {
            self.operations[delete].partner = nodes.first.first().copied();
            for create in &nodes.first {
                self.operations[*create].partner = Some(delete);
            }
            if planned.order == Order::CreateFirst {
                self.edges.extend(nodes.ready.iter().map(|ready| (*ready, delete)));
            } else {
                self.edges.extend(nodes.first.iter().map(|create| (delete, *create)));
                nodes.delete_first = Some(delete);
            }
        }
        nodes.deletes.push(delete);
    }
}

fn create(planned: &Planned, branch: &Branch) -> Operation {
    Operation {
        address: planned.change.address.clone(),
        kind: planned.change.kind.clone(),
        verb: Verb::Create,
        generation: planned.generation,
        scope: branch.scope.clone(),
        id: None,
        spec: branch.spec.clone(),
        before: Value::Null,
        observed: Value::Null,
        attributes: planned.change.attributes_after.clone(),
        declared: planned.declared.clone(),
        partner: None,
        candidate: branch.candidate.clone(),
        part_of: planned.change.part_of.clone(),
    }
}

/// The same operation without a partner: a check of what another one makes.
fn create_of(operation: &Operation) -> Operation {
    Operation { partner: None, ..operation.clone() }
}

fn of_current(planned: &Planned, verb: Verb) -> Operation {
    let object = planned.record.as_ref().and_then(|record| record.current.as_ref());
    Operation {
        address: planned.change.address.clone(),
        kind: planned.change.kind.clone(),
        verb,
        generation: planned.generation,
        scope: object.map_or_else(|| planned.change.scope.clone(), |object| object.scope.clone()),
        id: object.and_then(|object| object.id.clone()),
        spec: planned.change.after.clone(),
        before: planned.change.before.clone(),
        observed: planned.observed.clone(),
        attributes: planned.change.attributes_after.clone(),
        declared: planned.declared.clone(),
        partner: None,
        candidate: planned.standing.clone(),
        part_of: planned.change.part_of.clone(),
    }
}

fn delete(planned: &Planned, object: &Object, observed: Value) -> Operation {
    Operation {
        address: planned.change.address.clone(),
        kind: planned.record.as_ref().map_or_else(|| planned.change.kind.clone(), |record| record.kind.clone()),
        verb: Verb::Delete,
        generation: object.generation,
        scope: object.scope.clone(),
        id: object.id.clone(),
        spec: without(&object.sent),
        before: object.seen.clone(),
        observed,
        attributes: object.attributes.clone(),
        declared: planned.declared.clone(),
        partner: None,
        candidate: None,
        part_of: planned.change.part_of.clone(),
    }
}
