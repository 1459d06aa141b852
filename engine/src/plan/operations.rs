//! From decisions to the graph of operations: one provider call or one check a node, an edge from what comes first.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;
use petgraph::visit::Dfs;
use trueup_state::{Address, Declared, Generation, Object, Record, Scope, Status, Value, Verb};

use super::decide::Verdict;
use super::{Action, Change, Operation, Order, Reason};
use crate::provider::Candidate;

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
    pub record: Option<Record>,
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
            record: Some(left),
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
    // Who needs each resource to be there all the time.
    let mut needed_by: Vec<Option<Address>> = vec![None; planned.len()];
    for position in (0..planned.len()).rev() {
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
        for dependency in planned.declared.dependencies.iter().filter_map(|address| positions.get(address)) {
            needed_by[*dependency].get_or_insert_with(|| dependant.clone());
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

/// The operations of resources, and which waits for which.
pub fn build(planned: &[Planned]) -> (Vec<Operation>, Vec<(usize, usize)>) {
    let mut builder = Builder::default();
    for planned in planned {
        builder.nodes(planned);
    }
    if builder.operations.is_empty() {
        return (Vec::new(), Vec::new());
    }
    for planned in planned {
        builder.after_dependencies(planned);
        builder.before_deletes(planned);
    }
    builder.let_go();
    (builder.operations, builder.edges.into_iter().collect())
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
    /// The parts of what is made of them, as far as there is something to do for these.
    parts: BTreeMap<Address, Vec<Address>>,
}

/// How readily an edge gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Yields {
    /// A former dependant that stays is changed before what it needed goes.
    Changed,
    /// A former dependant that goes, goes before what it needed.
    Gone,
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
        for object in record.into_iter().flat_map(|record| &record.deposed) {
            let delete = self.push(delete(planned, object, object.seen.clone()));
            if planned.order == Order::CreateFirst {
                self.edges.extend(nodes.ready.iter().map(|ready| (*ready, delete)));
            }
            nodes.deletes.push(delete);
        }
        let by_dependency = planned.declared.dependencies.iter().filter_map(|address| self.nodes.get(address));
        nodes.unsettled = nodes.delete_first.is_some() || by_dependency.into_iter().any(|nodes| nodes.unsettled);
        // What nothing is done to is in nobody's way.
        if nodes.unsettled || !nodes.first.is_empty() || !nodes.deletes.is_empty() {
            self.nodes.insert(planned.change.address.clone(), nodes);
            if let Some(of) = &planned.change.part_of {
                self.parts.entry(of.clone()).or_default().push(planned.change.address.clone());
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

    /// What makes or changes a resource waits until what it depends on is ready. So does the delete that opens a replacement, as
    /// long as nothing it depends on waits for such a delete itself: only then is the final spec known before the old object goes.
    fn after_dependencies(&mut self, planned: &Planned) {
        let Some(nodes) = self.nodes.get(&planned.change.address) else { return };
        for dependency in planned.declared.dependencies.iter().filter_map(|address| self.nodes.get(address)) {
            for ready in &dependency.ready {
                self.edges.extend(nodes.first.iter().map(|first| (*ready, *first)));
                if let Some(delete) = nodes.delete_first.filter(|_| !dependency.unsettled) {
                    self.edges.insert((*ready, delete));
                }
            }
        }
    }

    /// An object goes after everything that was made with it: what depended on it is deleted, or is changed to do without it, first.
    fn before_deletes(&mut self, planned: &Planned) {
        let (Some(nodes), Some(record)) = (self.nodes.get(&planned.change.address), planned.record.as_ref()) else {
            return;
        };
        // Who depends on what is made of parts uses these.
        let parts = |address| self.parts.get(address).into_iter().flatten().map(move |part| (address, part));
        let used = record.declared.dependencies.iter().flat_map(|address| parts(address).chain([(address, address)]));
        for (address, used) in used {
            let Some(dependency) = self.nodes.get(used).filter(|_| *used != planned.change.address) else { continue };
            let keeps = planned.declared.dependencies.contains(address) && dependency.delete_first.is_some();
            for delete in &dependency.deletes {
                let gone = nodes.deletes.iter().map(|own| ((*own, *delete), Yields::Gone));
                // A dependant of what is replaced destroy-first waits for the new object, and so for this delete.
                let stays = !keeps && planned.verdict.is_some();
                let changed = nodes.ready.iter().filter(|_| stays).map(|ready| ((*ready, *delete), Yields::Changed));
                for (edge, yields) in gone.chain(changed) {
                    if self.edges.insert(edge) {
                        self.yielding.insert(edge, yields);
                    }
                }
            }
        }
    }

    /// Breaks circles. What was depended on before and what is depended on now may be at odds: in a chain whose middle goes and whose
    /// beginning is replaced destroy-first, the end can't change before the middle goes. Then what was gives way, as far as it must.
    fn let_go(&mut self) {
        let mut given_way = Vec::new();
        for yields in [Yields::Changed, Yields::Gone] {
            let graph = DiGraphMap::<usize, ()>::from_edges(&self.edges);
            let circles = kosaraju_scc(&graph).into_iter().filter(|circle| circle.len() > 1).enumerate();
            let circle: BTreeMap<usize, usize> =
                circles.flat_map(|(number, nodes)| nodes.into_iter().map(move |node| (node, number))).collect();
            if circle.is_empty() {
                break;
            }
            let yields_here = |edge: &(usize, usize)| {
                let inside = circle.get(&edge.0).is_some_and(|number| circle.get(&edge.1) == Some(number));
                inside && self.yielding.get(edge) == Some(&yields)
            };
            let edges: Vec<(usize, usize)> = self.edges.iter().filter(|edge| yields_here(edge)).copied().collect();
            self.edges.retain(|edge| edges.binary_search(edge).is_err());
            given_way.splice(0..0, edges);
        }
        self.hold_on(&given_way);
    }

    /// Takes edges back that make no circle with the others. What that would cost grows with the edges alone: beyond it, the rest stays
    /// away.
    fn hold_on(&mut self, given_way: &[(usize, usize)]) {
        const VISITS_AN_EDGE: usize = 64;
        let mut graph = DiGraphMap::<usize, ()>::from_edges(&self.edges);
        let mut visits = (self.edges.len() + given_way.len()) * VISITS_AN_EDGE;
        for (from, to) in given_way {
            let mut way_back = Dfs::new(&graph, *to);
            let reached = std::iter::from_fn(|| way_back.next(&graph)).take(visits);
            let mut seen = 0;
            let is_circle = reached.inspect(|_| seen += 1).any(|node| node == *from);
            visits -= seen;
            if visits == 0 {
                return;
            }
            if !is_circle {
                graph.add_edge(*from, *to, ());
                self.edges.insert((*from, *to));
            }
        }
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
        spec: object.sent.clone(),
        before: object.seen.clone(),
        observed,
        attributes: object.attributes.clone(),
        declared: planned.declared.clone(),
        partner: None,
        candidate: None,
        part_of: planned.change.part_of.clone(),
    }
}
