//! What depends on what: a petgraph DAG whose edges run from dependency to dependant.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use trueup_state::Address;

use crate::blueprint::{Frame, Instances, Resource};
use crate::diagnostic::{Diagnostic, Diagnostics, Sources, Span};
use crate::visits::Visits;

/// Where a resource depends on another, or on a whole block, and in what words: `reads …`.
pub type PlaceOf<'a> = dyn Fn(&Resource, &Address) -> (Span, String) + 'a;

/// The most links of a circle that are told, each with its place.
const MOST_LINKS: usize = 10;

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GraphNode {
    /// A resource.
    Resource(Address),
    /// All instances of a block with a `for_each`: who reads the whole depends on this one node, so that n instances and m
    /// readers make n + m edges.
    Group(Address),
}

impl GraphNode {
    fn address(&self) -> &Address {
        match self {
            Self::Resource(address) | Self::Group(address) => address,
        }
    }
}

/// The dependencies among a program's resources.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The graph itself.
    pub graph: DiGraph<GraphNode, ()>,
    /// Where each resource stands in it.
    pub index: BTreeMap<Address, NodeIndex>,
}

impl Graph {
    /// Links resources by what they read and are said to depend on. A cycle is an error that names it link by link. `place`: where a
    /// resource reads another, and in what words.
    pub fn link(
        resources: &BTreeMap<Address, Resource>,
        frame: &Frame,
        sources: &Sources,
        place: &PlaceOf<'_>,
    ) -> Result<Self, Diagnostics> {
        let mut graph = Self::default();
        for address in resources.keys() {
            let node = graph.graph.add_node(GraphNode::Resource(address.clone()));
            graph.index.insert(address.clone(), node);
        }
        let mut groups = BTreeMap::new();
        let mut visits = Visits::default();
        for (address, resource) in resources {
            visits.nodes(1);
            let said = resource.depends_on.iter().filter(|address| !resource.reads.contains(*address));
            // What is read of a block that is depended on as a whole is no more than that.
            let stands_alone = |address: &&Address| {
                let mut around = address.around().skip(1);
                !around.any(|whole| resource.reads.contains(&whole) || resource.depends_on.contains(&whole))
            };
            for dependency in resource.reads.iter().chain(said).filter(stands_alone) {
                if let Some(from) = graph.node(dependency, frame, resources, &mut groups, &mut visits) {
                    visits.edges(1);
                    graph.graph.add_edge(from, graph.index[address], ());
                }
            }
        }
        visits.tell("link");
        let cycles = graph.cycles(resources, place);
        if cycles.is_empty() { Ok(graph) } else { Err(Diagnostics { sources: sources.clone(), list: cycles }) }
    }

    /// The node of a resource, or of a whole block or module, which is made when it is first depended on.
    fn node(
        &mut self,
        address: &Address,
        frame: &Frame,
        resources: &BTreeMap<Address, Resource>,
        groups: &mut BTreeMap<Address, NodeIndex>,
        visits: &mut Visits,
    ) -> Option<NodeIndex> {
        if let Some(node) = self.index.get(address).or_else(|| groups.get(address)) {
            return Some(*node);
        }
        let members: Vec<NodeIndex> = match (frame.block(address), frame.call(&address.block())) {
            (Some(Instances::Keyed(keys)), _) => {
                keys.iter().filter_map(|key| self.index.get(&address.with_key(key.clone())).copied()).collect()
            }
            (None, Some(_)) => {
                // What stands in a module stands together in the order of addresses.
                let inside = resources.range(address..).map(|(inner, _)| inner);
                inside.take_while(|inner| inner.is_in(address)).map(|inner| self.index[inner]).collect()
            }
            _ => return None,
        };
        let group = self.graph.add_node(GraphNode::Group(address.clone()));
        groups.insert(address.clone(), group);
        for member in members {
            visits.edges(1);
            self.graph.add_edge(member, group, ());
        }
        Some(group)
    }

    fn cycles(&self, resources: &BTreeMap<Address, Resource>, place: &PlaceOf<'_>) -> Vec<Diagnostic> {
        let mut rings: Vec<Vec<NodeIndex>> = petgraph::algo::kosaraju_scc(&self.graph)
            .into_iter()
            .filter(|component| component.len() > 1 || self.graph.contains_edge(component[0], component[0]))
            .map(|component| self.ring(&component))
            .collect();
        rings.sort_by(|a, b| self.graph[a[0]].cmp(&self.graph[b[0]]));
        rings.iter().map(|ring| self.cycle(ring, resources, place)).collect()
    }

    /// A shortest cycle through the first resource of a component, as what depends on what: each on the next.
    fn ring(&self, component: &[NodeIndex]) -> Vec<NodeIndex> {
        let inside: BTreeSet<NodeIndex> = component.iter().copied().collect();
        let resources = component.iter().filter(|node| matches!(self.graph[**node], GraphNode::Resource(_)));
        // A component without a resource does not exist: groups depend on resources only.
        let start = resources.min_by_key(|node| &self.graph[**node]).copied().unwrap_or(component[0]);
        let mut from: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let mut next: Vec<NodeIndex> =
                self.graph.neighbors_directed(node, Direction::Incoming).filter(|next| inside.contains(next)).collect();
            next.sort_by_key(|next| &self.graph[*next]);
            for dependency in next {
                if dependency == start {
                    let mut ring = vec![node];
                    while let Some(before) = ring.last().and_then(|last| from.get(last)) {
                        ring.push(*before);
                    }
                    ring.reverse();
                    return ring;
                }
                if let Entry::Vacant(first) = from.entry(dependency) {
                    first.insert(node);
                    queue.push_back(dependency);
                }
            }
        }
        vec![start]
    }

    fn cycle(&self, ring: &[NodeIndex], resources: &BTreeMap<Address, Resource>, place: &PlaceOf<'_>) -> Diagnostic {
        let links: Vec<&GraphNode> = ring.iter().chain(ring.first()).map(|node| &self.graph[*node]).collect();
        let names: Vec<String> = if ring.len() <= MOST_LINKS {
            links.iter().map(|node| node.address().to_string()).collect()
        } else {
            let first = links.iter().take(MOST_LINKS).map(|node| node.address().to_string());
            let more = format!("{} more", ring.len() - MOST_LINKS);
            first.chain([more, links[0].address().to_string()]).collect()
        };
        let message = if ring.len() == 1 {
            format!("the resource `{}` depends on itself", names[0])
        } else {
            format!("resources depend on each other in a circle: {}", names.join(" -> "))
        };
        let mut diagnostic = Diagnostic::error(message);
        for link in links.windows(2).take(MOST_LINKS) {
            if let GraphNode::Resource(address) = link[0]
                && let Some(resource) = resources.get(address)
            {
                let (place, text) = place(resource, link[1].address());
                diagnostic = diagnostic.at(place, format!("`{address}` {text}"));
            }
        }
        diagnostic.help("take one of these links out; nothing could be made first")
    }

    /// The resources, each after what it depends on; among those that are free in order of address.
    pub fn order(&self) -> Vec<Address> {
        self.order_nodes().into_iter().map(|node| self.graph[node].address().clone()).collect()
    }

    /// The same as nodes: those of resources are numbered in the order of their addresses.
    pub(crate) fn order_nodes(&self) -> Vec<NodeIndex> {
        let mut waiting: Vec<usize> = self
            .graph
            .node_indices()
            .map(|node| self.graph.neighbors_directed(node, Direction::Incoming).count())
            .collect();
        // Resources were added in the order of their addresses, and what is depended on as a whole after them.
        let free = Reverse;
        let mut ready: BinaryHeap<_> =
            self.graph.node_indices().filter(|node| waiting[node.index()] == 0).map(free).collect();
        let mut order = Vec::with_capacity(self.index.len());
        let mut visits = Visits::default();
        while let Some(Reverse(node)) = ready.pop() {
            visits.nodes(1);
            if matches!(self.graph[node], GraphNode::Resource(_)) {
                order.push(node);
            }
            for next in self.graph.neighbors(node) {
                visits.edges(1);
                waiting[next.index()] -= 1;
                if waiting[next.index()] == 0 {
                    ready.push(free(next));
                }
            }
        }
        visits.tell("order");
        order
    }

    /// Cuts the order into stretches, each of resources that don't depend on each other: `order` is what [`Graph::order_nodes`] gave.
    pub(crate) fn stretches<'o>(&self, order: &'o [NodeIndex]) -> Vec<&'o [NodeIndex]> {
        let mut position = vec![0; self.graph.node_count()];
        for (at, node) in order.iter().enumerate() {
            position[node.index()] = at;
        }
        let last = |node: NodeIndex, position: &[usize]| {
            self.graph.neighbors_directed(node, Direction::Incoming).map(|needed| position[needed.index()]).max()
        };
        // What is depended on as a whole is there with the last of it. It depends on resources alone.
        for node in self.graph.node_indices().filter(|node| matches!(self.graph[*node], GraphNode::Group(_))) {
            position[node.index()] = last(node, &position).unwrap_or_default();
        }
        let (mut stretches, mut start) = (Vec::new(), 0);
        for (at, node) in order.iter().enumerate() {
            if last(*node, &position).is_some_and(|last| last >= start) {
                stretches.push(&order[start..at]);
                start = at;
            }
        }
        stretches.push(&order[start..]);
        stretches
    }

    /// What one depends on directly: resources, and blocks and modules as a whole.
    pub fn dependencies(&self, address: &Address) -> BTreeSet<Address> {
        self.index.get(address).map(|node| self.dependencies_of(*node)).unwrap_or_default()
    }

    /// What a node depends on directly.
    pub(crate) fn dependencies_of(&self, node: NodeIndex) -> BTreeSet<Address> {
        let before = self.graph.neighbors_directed(node, Direction::Incoming);
        before.map(|dependency| self.graph[dependency].address().clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Resources that depend on earlier ones, and on some of these as a whole, in a shuffled order of addresses.
    fn graph(names: &[u8], edges: &[(usize, usize)], whole: &[usize]) -> Graph {
        let mut graph = Graph::default();
        let addresses: BTreeSet<Address> =
            names.iter().enumerate().map(|(at, name)| Address::root(format!("r{name}_{at}"))).collect();
        for address in &addresses {
            let node = graph.graph.add_node(GraphNode::Resource(address.clone()));
            graph.index.insert(address.clone(), node);
        }
        // The place in `names` says what may depend on what; the address says where it stands among the nodes.
        let node = |at: usize| graph.index[&Address::root(format!("r{}_{at}", names[at]))];
        let nodes: Vec<NodeIndex> = (0..names.len()).map(node).collect();
        for (from, to) in edges.iter().map(|(a, b)| (a % names.len(), b % names.len())) {
            if from < to {
                graph.graph.add_edge(nodes[from], nodes[to], ());
            }
        }
        let (members, readers) = nodes.split_at(names.len() / 2);
        let group = graph.graph.add_node(GraphNode::Group(Address::root("all")));
        for member in members {
            graph.graph.add_edge(*member, group, ());
        }
        for reader in whole.iter().filter_map(|at| readers.get(at % names.len())) {
            graph.graph.add_edge(group, *reader, ());
        }
        graph
    }

    proptest! {
        #[test]
        fn nothing_in_a_stretch_depends_on_anything_in_it(
            names in prop::collection::vec(any::<u8>(), 1..24),
            edges in prop::collection::vec((0..24_usize, 0..24_usize), 0..40),
            whole in prop::collection::vec(0..24_usize, 0..4),
        ) {
            let graph = graph(&names, &edges, &whole);
            let order = graph.order_nodes();
            prop_assert_eq!(order.len(), names.len());
            let stretches = graph.stretches(&order);
            prop_assert_eq!(stretches.concat(), order.clone());
            for stretch in stretches {
                let inside: BTreeSet<NodeIndex> = stretch.iter().copied().collect();
                for node in stretch {
                    for before in graph.graph.neighbors_directed(*node, Direction::Incoming) {
                        prop_assert!(!inside.contains(&before));
                        if matches!(graph.graph[before], GraphNode::Group(_)) {
                            let mut members = graph.graph.neighbors_directed(before, Direction::Incoming);
                            prop_assert!(members.all(|member| !inside.contains(&member)));
                        }
                    }
                }
            }
        }
    }
}
