//! What a pass over a graph looks at: told in the log at level `trace`, so that it can be held against the size of the graph.

/// How many nodes and edges were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visits {
    nodes: usize,
    edges: usize,
}

impl Visits {
    /// Some nodes were looked at.
    pub(crate) fn nodes(&mut self, count: usize) {
        self.nodes += count;
    }

    /// Some edges were looked at.
    pub(crate) fn edges(&mut self, count: usize) {
        self.edges += count;
    }

    /// Tells what a pass came to.
    pub(crate) fn tell(self, pass: &str) {
        tracing::trace!(pass, nodes = self.nodes, edges = self.edges);
    }
}
