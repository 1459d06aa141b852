//! Instances that are alike as one node.

use std::collections::{BTreeMap, BTreeSet};

use trueup_state::{Address, KindName};

use super::picture::{Fate, Node, Picture, What};

/// What instances must share to be drawn as one: the block, the kind, what becomes of them, and how far down they stand. Without the
/// last, two of them with something between them would make a circle.
type Likeness<'a> = (Address, &'a KindName, Fate, usize);

impl Picture {
    /// The same picture with the instances of a `for_each` that are alike drawn as one node, and with no group where one node is
    /// all of it.
    pub(crate) fn folded(&self) -> Self {
        let depths = self.depths();
        let mut alike: BTreeMap<Likeness<'_>, Vec<usize>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if let (What::Resource { kind, fate, .. }, Some(_)) = (&node.what, node.address.key()) {
                alike.entry((node.address.block(), kind, *fate, depths[at])).or_default().push(at);
            }
        }
        let mut stands: Vec<usize> = (0..self.nodes.len()).collect();
        let mut folded = self.nodes.clone();
        for ((block, kind, fate, _), members) in alike.iter().filter(|(_, members)| members.len() > 1) {
            let what = What::Resource { kind: (*kind).clone(), fate: *fate, instances: Some(members.len()) };
            folded[members[0]] = Node { address: block.clone(), what };
            members.iter().for_each(|member| stands[*member] = members[0]);
        }
        let edges: BTreeSet<_> = self.edges.iter().map(|(from, to)| (stands[*from], stands[*to])).collect();
        self.contract(&mut stands, &edges);
        let edges = edges.into_iter().map(|(from, to)| (stands[from], stands[to])).collect();
        self.renumbered(folded, &stands, edges)
    }

    /// Has a group that a single node feeds stand for that node.
    fn contract(&self, stands: &mut [usize], edges: &BTreeSet<(usize, usize)>) {
        let mut feeds: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (from, to) in edges.iter().filter(|(_, to)| self.nodes[*to].what == What::Group) {
            feeds.entry(*to).or_default().push(*from);
        }
        for (group, from) in feeds {
            if let [only] = from[..] {
                stands[group] = only;
            }
        }
    }

    /// The nodes that stand for themselves, in the order of their addresses again.
    fn renumbered(&self, nodes: Vec<Node>, stands: &[usize], edges: BTreeSet<(usize, usize)>) -> Self {
        let mut kept: Vec<(Node, usize)> =
            nodes.into_iter().enumerate().filter(|(at, _)| stands[*at] == *at).map(|(at, node)| (node, at)).collect();
        kept.sort();
        let place: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(new, (_, old))| (*old, new)).collect();
        Self {
            title: self.title.clone(),
            planned: self.planned,
            nodes: kept.into_iter().map(|(node, _)| node).collect(),
            edges: edges.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (place[&a], place[&b])).collect(),
        }
    }

    /// How many edges lead to each node at most.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.nodes.len()];
        let mut dependants: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (from, to) in &self.edges {
            dependants.entry(*from).or_default().push(*to);
        }
        for at in self.order() {
            for to in dependants.get(&at).into_iter().flatten() {
                depths[*to] = depths[*to].max(depths[at] + 1);
            }
        }
        depths
    }
}
