//! What a drawing of a graph shows.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use trueup_engine::blueprint::Program;
use trueup_engine::graph::GraphNode;
use trueup_engine::plan::{Action, Plan};
use trueup_state::{Address, KindName, State};

use crate::draw::safe;

/// Nodes and the dependencies between them: plain data, from which every drawing is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// Its heading: the stack.
    pub(crate) title: String,
    /// Whether it is known what becomes of each node.
    pub(crate) planned: bool,
    /// The nodes, in the order of their addresses.
    pub(crate) nodes: Vec<Node>,
    /// From dependency to dependant, as positions among the nodes. Without circles.
    pub(crate) edges: BTreeSet<(usize, usize)>,
}

/// A node of a drawing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    /// The resource; the whole block where it stands for several instances, or for what reads all of them.
    pub(crate) address: Address,
    /// What it is.
    pub(crate) what: What,
}

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// All instances of a block, read whole: what lies between n instances and m readers.
    Group,
    /// Resources.
    Resource {
        /// Their kind.
        kind: KindName,
        /// What becomes of them.
        fate: Fate,
        /// How many instances of a `for_each` they are, where they are drawn as one.
        instances: Option<usize>,
    },
}

/// What becomes of a resource, as far as a drawing tells it apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Nothing, or nobody has planned it.
    #[default]
    Stays,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is made anew.
    Replace,
    /// It goes.
    Delete,
    /// Only the state changes.
    Record,
}

impl Fate {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Create, Self::Update, Self::Replace, Self::Delete, Self::Record, Self::Stays];

    /// The sign that a plan has for it.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Stays => " ",
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "±",
            Self::Delete => "-",
            Self::Record => "=",
        }
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stays => "stays",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Record => "record",
        }
    }
}

impl From<Action> for Fate {
    fn from(action: Action) -> Self {
        match action {
            Action::None => Self::Stays,
            Action::Create => Self::Create,
            Action::Update => Self::Update,
            Action::Replace(_) => Self::Replace,
            Action::Delete => Self::Delete,
            Action::Adopt | Action::Forget | Action::Read | Action::Record => Self::Record,
        }
    }
}

impl Node {
    /// Its name among the nodes of its module, with the number of instances that it stands for.
    pub(crate) fn label(&self) -> String {
        let mut label = own_name(&self.address);
        if let What::Resource { instances: Some(count), .. } = &self.what {
            label.push_str(&format!(" ({count})"));
        }
        label
    }

    /// The same with the modules it stands in.
    pub(crate) fn full_label(&self) -> String {
        match self.address.parent() {
            Some(parent) => format!("{}/{}", safe::line(parent), self.label()),
            None => self.label(),
        }
    }

    /// The kind of what it stands for; none of a group.
    pub(crate) fn kind(&self) -> Option<&KindName> {
        match &self.what {
            What::Group => None,
            What::Resource { kind, .. } => Some(kind),
        }
    }

    /// What becomes of it.
    pub(crate) fn fate(&self) -> Fate {
        match &self.what {
            What::Group => Fate::Stays,
            What::Resource { fate, .. } => *fate,
        }
    }

    /// How many resources it stands for.
    pub(crate) fn count(&self) -> usize {
        match &self.what {
            What::Group => 0,
            What::Resource { instances, .. } => instances.unwrap_or(1),
        }
    }
}

/// The last part of an address, fit to be shown: `chat["a"]` of `serving/chat["a"]`.
pub(crate) fn own_name(address: &Address) -> String {
    let last = address.segments().last().cloned().into_iter().collect();
    Address::from_segments(last).map(safe::line).unwrap_or_default()
}

impl Picture {
    /// The nodes, each after what it depends on.
    pub(crate) fn order(&self) -> Vec<usize> {
        let graph = graph_of(self.nodes.len(), &self.edges);
        // There are no circles: the engine refuses them, and a draft breaks those of old records.
        let order = petgraph::algo::toposort(&graph, None).unwrap_or_default();
        order.into_iter().map(NodeIndex::index).collect()
    }

    /// How many resources there are of each fate.
    pub(crate) fn fates(&self) -> BTreeMap<Fate, usize> {
        let mut fates = BTreeMap::new();
        for node in &self.nodes {
            *fates.entry(node.fate()).or_default() += node.count();
        }
        fates.retain(|_, count| *count > 0);
        fates
    }

    /// The graph of a blueprint; with what a plan makes of it, and what it takes away, where there is one.
    pub(crate) fn new(title: String, program: &Program, planned: Option<(&Plan, Option<&State>)>) -> Self {
        let mut draft = Draft::default();
        let fates = planned.map(|(plan, _)| fates(plan)).unwrap_or_default();
        let graph = &program.graph.graph;
        for node in graph.node_weights() {
            match node {
                GraphNode::Resource(address) => {
                    let kind = program.resources[address].kind.clone();
                    draft.add(address, kind, fates.get(address).copied().unwrap_or_default());
                }
                GraphNode::Group(address) => drop(draft.nodes.insert(group(address))),
            }
        }
        for edge in graph.edge_references() {
            draft.edges.insert((node_of(&graph[edge.source()]), node_of(&graph[edge.target()])));
        }
        if let Some((plan, state)) = planned {
            draft.add_leaving(plan, state);
        }
        draft.finish(title, planned.is_some())
    }
}

/// What becomes of each address.
fn fates(plan: &Plan) -> BTreeMap<&Address, Fate> {
    plan.changes.iter().map(|change| (&change.address, change.action.into())).collect()
}

/// So many nodes and the edges between them.
pub(crate) fn graph_of(nodes: usize, edges: &BTreeSet<(usize, usize)>) -> DiGraph<(), ()> {
    let mut graph = DiGraph::with_capacity(nodes, edges.len());
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(*from), NodeIndex::new(*to), ());
    }
    graph
}

/// A node's place in a picture that is not finished: its address, and whether it is a group.
type Name = (Address, bool);

fn group(address: &Address) -> Node {
    Node { address: address.clone(), what: What::Group }
}

fn node_of(node: &GraphNode) -> Name {
    match node {
        GraphNode::Resource(address) => (address.clone(), false),
        GraphNode::Group(address) => (address.clone(), true),
    }
}

/// A picture in the making: nodes in no order yet, edges by name.
#[derive(Default)]
struct Draft {
    nodes: BTreeSet<Node>,
    edges: BTreeSet<(Name, Name)>,
}

impl Draft {
    fn add(&mut self, address: &Address, kind: KindName, fate: Fate) {
        let what = What::Resource { kind, fate, instances: None };
        self.nodes.insert(Node { address: address.clone(), what });
    }

    /// Adds what is recorded and goes. The blueprint knows nothing of it; the state knows what it depended on. Parts are left out: they go
    /// with what is made of them, and stand for nothing that the blueprint says.
    fn add_leaving(&mut self, plan: &Plan, state: Option<&State>) {
        let known: BTreeSet<Address> = self.nodes.iter().map(|node| node.address.clone()).collect();
        for change in plan.changes.iter().filter(|change| !known.contains(&change.address)) {
            if change.part_of.is_some() {
                continue;
            }
            self.add(&change.address, change.kind.clone(), change.action.into());
            let record = state.and_then(|state| state.records.get(&change.address));
            for dependency in record.into_iter().flat_map(|record| &record.declared.dependencies) {
                self.edges.insert(((dependency.clone(), false), (change.address.clone(), false)));
            }
        }
    }

    /// Edges to what is not there are left out, and those that would close a circle: records of different times may.
    fn finish(self, title: String, planned: bool) -> Picture {
        let nodes: Vec<Node> = self.nodes.into_iter().collect();
        let name = |node: &Node| (node.address.clone(), node.what == What::Group);
        let index: BTreeMap<Name, usize> = nodes.iter().enumerate().map(|(at, node)| (name(node), at)).collect();
        let place = |(from, to): &(Name, Name)| Some((*index.get(from)?, *index.get(to)?));
        let mut edges: BTreeSet<_> = self.edges.iter().filter_map(place).filter(|(from, to)| from != to).collect();
        let graph = graph_of(nodes.len(), &edges);
        let closing: Vec<_> = petgraph::algo::greedy_feedback_arc_set(&graph).map(|edge| edge.id()).collect();
        for (from, to) in closing.into_iter().filter_map(|edge| graph.edge_endpoints(edge)) {
            edges.remove(&(from.index(), to.index()));
        }
        Picture { title, planned, nodes, edges }
    }
}
