//! What goes first: of all that is ready, what the longest path begins with.
//!
//! A path is as long as its operations take from beginning to end, pending or not: whoever waits for them waits as long.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};

use super::durations::Durations;
use super::lanes::{Lane, Slot};
use crate::plan::Plan;

/// How long the longest path is that begins with each operation.
pub fn heights(plan: &Plan, durations: &Durations) -> Vec<Duration> {
    let nodes = plan.operations.len() + plan.joints;
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes, plan.edges.len());
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in &plan.edges {
        graph.add_edge(NodeIndex::new(*from), NodeIndex::new(*to), ());
    }
    let mut heights = vec![Duration::ZERO; nodes];
    // The planner makes no cycles; were there one, order would not matter, since nothing on it ever becomes ready.
    for node in petgraph::algo::toposort(&graph, None).unwrap_or_default().into_iter().rev() {
        let after = graph.neighbors(node).map(|next| heights[next.index()]).max().unwrap_or_default();
        let own = plan.operations.get(node.index()).map_or(Duration::ZERO, |operation| durations.of(operation));
        heights[node.index()] = after + own;
    }
    heights
}

/// What may go, lane by lane, so that to find the next is to look at the first of each lane and no further.
#[derive(Debug)]
pub struct Ready {
    heights: Vec<Duration>,
    /// Which of the lanes each operation takes.
    lane_of: Vec<usize>,
    lanes: Vec<(Arc<Lane>, BTreeSet<Entry>)>,
}

/// The longest path first; among equals, as they were planned.
type Entry = (Reverse<Duration>, usize);

impl Ready {
    /// Nothing is ready yet. `lanes`: the lane of each operation.
    pub fn new(heights: Vec<Duration>, lanes: impl IntoIterator<Item = Arc<Lane>>) -> Self {
        let mut ready = Self { heights, lane_of: Vec::new(), lanes: Vec::new() };
        for lane in lanes {
            let known = ready.lanes.iter().position(|(other, _)| Arc::ptr_eq(other, &lane));
            ready.lane_of.push(known.unwrap_or(ready.lanes.len()));
            if known.is_none() {
                ready.lanes.push((lane, BTreeSet::new()));
            }
        }
        ready
    }

    fn entry(&self, index: usize) -> Entry {
        (Reverse(self.heights[index]), index)
    }

    /// An operation may go.
    pub fn insert(&mut self, index: usize) {
        let entry = self.entry(index);
        self.lanes[self.lane_of[index]].1.insert(entry);
    }

    /// An operation may no longer go, if it could.
    pub fn remove(&mut self, index: usize) {
        let entry = self.entry(index);
        self.lanes[self.lane_of[index]].1.remove(&entry);
    }

    /// Whether nothing may go.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|(_, entries)| entries.is_empty())
    }

    /// The first operation whose lane has a place and a turn for it now.
    pub fn next(&mut self, now: Duration) -> Option<(usize, Slot)> {
        let mut firsts: Vec<Entry> = self.lanes.iter().filter_map(|(_, entries)| entries.first().copied()).collect();
        firsts.sort_unstable();
        firsts.into_iter().find_map(|entry| {
            let (lane, entries) = &mut self.lanes[self.lane_of[entry.1]];
            let slot = lane.try_take(now)?;
            entries.remove(&entry);
            Some((entry.1, slot))
        })
    }

    /// How long until a lane that something is ready for has a turn again; none where it is not turns that are missing.
    pub fn next_turn(&self, now: Duration) -> Option<Duration> {
        let wanted = self.lanes.iter().filter(|(_, entries)| !entries.is_empty());
        let waits = wanted.map(|(lane, _)| lane.pace().opens(now).saturating_sub(now));
        waits.filter(|wait| !wait.is_zero()).min()
    }
}
