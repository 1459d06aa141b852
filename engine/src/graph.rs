//! What depends on what: a petgraph DAG whose edges run from dependency to dependant.

use std::collections::BTreeMap;

use petgraph::graph::{DiGraph, NodeIndex};
use trueup_state::Address;

use crate::blueprint::{Instances, Resource};
use crate::diagnostic::{Diagnostics, Sources};

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GraphNode {
    /// A resource.
    Resource(Address),
    /// All instances of a block with a `for_each`: who reads the whole depends on this one node, so that n instances and m
    /// readers make n + m edges.
    Group(Address),
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
    /// Links resources by what they read and are said to depend on. A cycle is an error that names it link by link.
    pub fn link(
        _resources: &BTreeMap<Address, Resource>,
        _blocks: &BTreeMap<Address, Instances>,
        _sources: &Sources,
    ) -> Result<Self, Diagnostics> {
        todo!()
    }

    /// The resources, each after what it depends on; among those that are free in order of address.
    pub fn order(&self) -> Vec<Address> {
        todo!()
    }

    /// The resources that one depends on directly, groups resolved to their instances.
    pub fn dependencies(&self, _address: &Address) -> Vec<Address> {
        todo!()
    }
}
