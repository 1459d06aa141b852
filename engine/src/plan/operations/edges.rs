//! Which operation waits for which: after what it depends on is ready, and before what it depended on goes.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;
use petgraph::visit::Dfs;
use trueup_state::Address;

use super::{Builder, Nodes, Planned};

/// What a joint stands for, of all that is in a block or module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Joint {
    /// All is ready.
    Ready,
    /// All is ready that is settled.
    Settled,
    /// Who depended on it, and goes, is gone.
    Gone,
    /// Who depended on it, and stays, is changed.
    Changed,
    /// Who depends on it still is changed.
    Kept,
}

/// How readily an edge gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Yields {
    /// A former dependant that stays is changed before what it needed goes.
    Changed,
    /// A former dependant that goes, goes before what it needed.
    Gone,
}

impl Builder {
    /// What there is to do of what is depended on: one resource, or all that stands in a block or module.
    fn of<'n>(
        nodes: &'n BTreeMap<Address, Nodes>,
        dependency: &'n Address,
    ) -> impl Iterator<Item = &'n Nodes> + use<'n> {
        let inside = nodes.range(dependency..).take_while(|(address, _)| address.is_in(dependency));
        inside.map(|(_, nodes)| nodes)
    }

    /// Whether anything of what is depended on is unsettled. All of it comes before whoever asks.
    pub(super) fn is_unsettled(&mut self, dependency: &Address) -> bool {
        if let Some(known) = self.unsettled_wholes.get(dependency) {
            return *known;
        }
        let unsettled = Self::of(&self.nodes, dependency).any(|nodes| nodes.unsettled);
        self.unsettled_wholes.insert(dependency.clone(), unsettled);
        unsettled
    }

    /// What stands for all that is in something: the operations themselves, or a joint where they are many, which is made the first
    /// time it is asked for. `linked`: how the operations are linked to a new joint.
    fn joint(
        &mut self,
        (dependency, joint): (&Address, Joint),
        operations: impl Fn(&Nodes) -> Vec<usize>,
        linked: impl Fn(&mut Self, usize, usize),
    ) -> Vec<usize> {
        if let Some(known) = self.joints.get(&(dependency.clone(), joint)) {
            return vec![*known];
        }
        self.visits.edges(1);
        if Self::of(&self.nodes, dependency).nth(1).is_none() {
            return Self::of(&self.nodes, dependency).flat_map(operations).collect();
        }
        let all: Vec<usize> = Self::of(&self.nodes, dependency).flat_map(operations).collect();
        self.visits.edges(all.len());
        let node = self.operations.len() + self.joints.len();
        self.joints.insert((dependency.clone(), joint), node);
        all.into_iter().for_each(|operation| linked(self, operation, node));
        vec![node]
    }

    /// What makes or changes a resource waits until what it depends on is ready. So does the delete that opens a replacement, as
    /// long as nothing it depends on waits for such a delete itself: only then is the final spec known before the old object goes.
    pub(super) fn after_dependencies(&mut self, planned: &Planned) {
        let Some(nodes) = self.nodes.get(&planned.change.address) else { return };
        let (first, delete_first) = (nodes.first.clone(), nodes.delete_first);
        let before = |builder: &mut Self, operation, joint| builder.edges.extend([(operation, joint)]);
        for dependency in &planned.declared.dependencies {
            if !first.is_empty() {
                for ready in self.joint((dependency, Joint::Ready), |nodes| nodes.ready.clone(), before) {
                    self.edges.extend(first.iter().map(|first| (ready, *first)));
                }
            }
            if let Some(delete) = delete_first {
                let settled = |nodes: &Nodes| if nodes.unsettled { Vec::new() } else { nodes.ready.clone() };
                for ready in self.joint((dependency, Joint::Settled), settled, before) {
                    self.edges.insert((ready, delete));
                }
            }
        }
    }

    /// An object goes after everything that was made with it: what depended on it is deleted, or is changed to do without it, first.
    pub(super) fn before_deletes(&mut self, planned: &Planned) {
        let (Some(nodes), Some(record)) = (self.nodes.get(&planned.change.address), planned.record.as_ref()) else {
            return;
        };
        let (ready, own_deletes) = (nodes.ready.clone(), nodes.deletes.clone());
        let ready = if planned.verdict.is_none() { Vec::new() } else { ready };
        for dependency in &record.declared.dependencies {
            // A dependant of what is replaced destroy-first waits for the new object, and so for this delete.
            let keeps = dependency.around().any(|around| planned.declared.dependencies.contains(&around));
            // Who depends on what is made of parts uses those too that stand elsewhere.
            let shared = self.shared.range(dependency..).take_while(|(whole, _)| whole.is_in(dependency));
            let shared: BTreeSet<Address> = shared.flat_map(|(_, parts)| parts).cloned().collect();
            let elsewhere = shared.iter().filter(|part| **part != planned.change.address);
            for used in std::iter::once(dependency).chain(elsewhere) {
                self.gone_before(&own_deletes, used);
                self.changed_before(&ready, used, keeps);
            }
        }
    }

    /// What goes, goes before what it needed does.
    fn gone_before(&mut self, own_deletes: &[usize], used: &Address) {
        if own_deletes.is_empty() {
            return;
        }
        let link = |builder: &mut Self, delete, joint| builder.yielding((joint, delete), Yields::Gone);
        for delete in self.joint((used, Joint::Gone), |nodes| nodes.deletes.clone(), link) {
            own_deletes.iter().for_each(|own| self.yielding((*own, delete), Yields::Gone));
        }
    }

    /// What stays is changed before what it needed goes. `keeps`: it needs it still.
    fn changed_before(&mut self, ready: &[usize], used: &Address, keeps: bool) {
        if ready.is_empty() {
            return;
        }
        let joint = if keeps { Joint::Kept } else { Joint::Changed };
        let deletes =
            |nodes: &Nodes| if keeps && nodes.delete_first.is_some() { Vec::new() } else { nodes.deletes.clone() };
        let link = |builder: &mut Self, delete, joint| builder.yielding((joint, delete), Yields::Changed);
        for delete in self.joint((used, joint), deletes, link) {
            ready.iter().for_each(|ready| self.yielding((*ready, delete), Yields::Changed));
        }
    }

    /// An edge that gives way where it closes a circle, unless it is there already.
    fn yielding(&mut self, edge: (usize, usize), yields: Yields) {
        if self.edges.insert(edge) {
            self.yielding.insert(edge, yields);
        }
    }

    /// Breaks circles. What was depended on before and what is depended on now may be at odds: in a chain whose middle goes and whose
    /// beginning is replaced destroy-first, the end can't change before the middle goes. Then what was gives way, as far as it must.
    pub(super) fn let_go(&mut self) {
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
