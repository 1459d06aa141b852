//! What must be done before what: the edges along which a choice is followed.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::visit::EdgeRef;
use trueup_state::{Address, State};

use crate::blueprint::Program;
use crate::plan::{Deferred, Mode};

/// What there is to do in a stack, and what must be done before what. Each resource, and each block or module that is left to a further
/// phase, is one node; a node without an address stands for a whole that is read, and leads on to what is in it.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// Where each address stands.
    pub(crate) index: BTreeMap<Address, usize>,
    addresses: Vec<Option<Address>>,
    /// What must be done before each.
    before: Vec<Vec<usize>>,
    /// What each must be done before.
    after: Vec<Vec<usize>>,
    /// Whether there is something to do.
    needs: Vec<bool>,
    /// Whether it goes.
    going: Vec<bool>,
}

/// What links are made from.
pub(crate) struct Whole<'a> {
    pub(crate) program: &'a Program,
    pub(crate) mode: Mode,
    pub(crate) state: Option<&'a State>,
    pub(crate) deferred: &'a [Deferred],
    /// What there is something to do for.
    pub(crate) needs: &'a BTreeSet<Address>,
    /// What goes.
    pub(crate) going: &'a BTreeSet<Address>,
    /// What parts, and what is made of them, must come after: no graph of a blueprint has it.
    pub(crate) parts: &'a [(Address, Address)],
}

impl Links {
    /// Links all that a plan is about.
    pub(crate) fn new(whole: &Whole<'_>) -> Self {
        let mut links = Self::default();
        links.wanted(whole);
        let records = || whole.state.into_iter().flat_map(|state| state.records.values());
        let rest = records().map(|record| &record.address).chain(whole.program.deferred.keys());
        for address in rest.chain(whole.needs) {
            links.node(address);
        }
        for (before, after) in whole.parts {
            let (before, after) = (links.node(before), links.node(after));
            links.link(before, after);
        }
        links.needs = links.said_of(whole.needs);
        links.going = links.said_of(whole.going);
        links.phases(whole.deferred);
        let mut wholes: BTreeMap<&Address, usize> = BTreeMap::new();
        for record in records().filter(|record| whole.needs.contains(&record.address)) {
            // What was made with something that goes must do without it first, or go before it.
            let dependant = links.node(&record.address);
            for dependency in &record.declared.dependencies {
                let mut going = whole.going.range(dependency..).take_while(|goes| goes.is_in(dependency)).peekable();
                let Some(first) = going.next() else { continue };
                let goes = match going.peek() {
                    None => links.node(first),
                    Some(_) => *wholes.entry(dependency).or_insert_with(|| links.all_of(first, going)),
                };
                links.link(dependant, goes);
            }
        }
        links
    }

    /// What the blueprint has, as its graph links it.
    fn wanted(&mut self, whole: &Whole<'_>) {
        let graph = &whole.program.graph;
        self.addresses = vec![None; graph.graph.node_count()];
        self.before = vec![Vec::new(); self.addresses.len()];
        self.after = self.before.clone();
        for (address, node) in &graph.index {
            self.addresses[node.index()] = Some(address.clone());
            self.index.insert(address.clone(), node.index());
        }
        if whole.mode != Mode::Destroy {
            for edge in graph.graph.edge_references() {
                self.link(edge.source().index(), edge.target().index());
            }
        }
    }

    /// What is left to a further phase comes after what it waits for.
    fn phases(&mut self, deferred: &[Deferred]) {
        let mut wholes: BTreeMap<&Address, usize> = BTreeMap::new();
        for left in deferred {
            let node = self.node(&left.address);
            for waits_for in &left.waits_for {
                let before = match self.index.get(waits_for) {
                    Some(one) => *one,
                    None => *wholes.entry(waits_for).or_insert_with(|| self.whole(waits_for)),
                };
                self.link(before, node);
            }
        }
    }

    /// A node for all that stands in a block or a module.
    fn whole(&mut self, address: &Address) -> usize {
        let inside = self.index.range(address.clone()..).take_while(|(inner, _)| inner.is_in(address));
        let inside: Vec<usize> = inside.map(|(_, node)| *node).collect();
        let node = self.push(None);
        for inner in inside {
            self.link(inner, node);
        }
        node
    }

    /// A node that leads on to several that go.
    fn all_of<'g>(&mut self, first: &'g Address, others: impl Iterator<Item = &'g Address>) -> usize {
        let all = self.push(None);
        for goes in std::iter::once(first).chain(others) {
            let goes = self.node(goes);
            self.link(all, goes);
        }
        all
    }

    fn node(&mut self, address: &Address) -> usize {
        if let Some(node) = self.index.get(address) {
            return *node;
        }
        let node = self.push(Some(address.clone()));
        self.index.insert(address.clone(), node);
        node
    }

    fn push(&mut self, address: Option<Address>) -> usize {
        self.addresses.push(address);
        self.before.push(Vec::new());
        self.after.push(Vec::new());
        self.needs.push(false);
        self.going.push(false);
        self.addresses.len() - 1
    }

    fn link(&mut self, before: usize, after: usize) {
        self.before[after].push(before);
        self.after[before].push(after);
    }

    fn said_of(&self, addresses: &BTreeSet<Address>) -> Vec<bool> {
        self.addresses.iter().map(|address| address.as_ref().is_some_and(|one| addresses.contains(one))).collect()
    }

    /// Whether there is something to do for a node.
    pub(crate) fn needs(&self, node: usize) -> bool {
        self.needs[node]
    }

    /// Whether a node goes.
    pub(crate) fn goes(&self, node: usize) -> bool {
        self.going[node]
    }

    /// The address of a node that is a resource, a block or a module.
    pub(crate) fn address(&self, node: usize) -> Option<&Address> {
        self.addresses[node].as_ref()
    }

    /// All that must be done before some nodes, or that they must be done before: each with the one that leads to it. What there is
    /// nothing to do for leads no further: as it is, it will do.
    pub(crate) fn reached(&self, from: &BTreeSet<usize>, way: Way) -> BTreeMap<usize, usize> {
        let next = match way {
            Way::Before => &self.before,
            Way::After => &self.after,
        };
        let mut reached = BTreeMap::new();
        let mut wholes = BTreeSet::new();
        let mut open: Vec<(usize, usize)> = from.iter().rev().map(|node| (*node, *node)).collect();
        while let Some((node, cause)) = open.pop() {
            for other in &next[node] {
                if self.addresses[*other].is_none() {
                    if wholes.insert(*other) {
                        open.push((*other, cause));
                    }
                } else if self.needs[*other] && !from.contains(other) && !reached.contains_key(other) {
                    reached.insert(*other, cause);
                    open.push((*other, *other));
                }
            }
        }
        reached
    }

    /// Whether all that must be done before a node is done with some others, or needs nothing.
    pub(crate) fn is_ready_with(&self, node: usize, others: &BTreeSet<usize>) -> bool {
        self.reached(&BTreeSet::from([node]), Way::Before).keys().all(|before| others.contains(before))
    }
}

/// Which way links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To what must be done before.
    Before,
    /// To what must be done after.
    After,
}
