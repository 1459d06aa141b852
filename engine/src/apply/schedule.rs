//! What goes first, and how much at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use trueup_state::{Class, Entropy, Verb};

use crate::plan::Operation;
use crate::provider::ProviderError;

/// How many operations may be under way at once where nothing else is said.
pub const PARALLELISM: usize = 32;

/// How often a call is tried.
pub const ATTEMPTS: u32 = 6;

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// How long the longest chain is that starts with each operation: the longer, the sooner it should go.
pub fn heights(operations: &[Operation], edges: &[(usize, usize)]) -> Vec<u64> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(operations.len(), edges.len());
    for _ in operations {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(*from), NodeIndex::new(*to), ());
    }
    let mut heights = vec![0; operations.len()];
    // The planner makes no cycles; were there one, order would not matter, since nothing on it ever becomes ready.
    for node in petgraph::algo::toposort(&graph, None).unwrap_or_default().into_iter().rev() {
        let after = graph.neighbors(node).map(|next| heights[next.index()]).max().unwrap_or(0);
        heights[node.index()] = after + weight(&operations[node.index()]);
    }
    heights
}

/// How long an operation takes, compared with others.
fn weight(operation: &Operation) -> u64 {
    match operation.verb {
        Verb::Check => 4,
        Verb::Create => 3,
        Verb::Update => 2,
        Verb::Delete => 1,
    }
}

/// Places for calls: so many in all, and so many at each provider. Pending work holds none.
#[derive(Clone, Debug)]
pub struct Slots {
    all: Arc<Semaphore>,
    by_provider: BTreeMap<String, Arc<Semaphore>>,
    freed: Arc<Notify>,
}

/// A place for one call, held until it is dropped.
#[derive(Debug)]
pub struct Slot {
    permits: Vec<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.permits.clear();
        self.freed.notify_one();
    }
}

impl Slots {
    /// So many places in all, and for each provider its own number.
    pub fn new(parallelism: usize, by_provider: impl IntoIterator<Item = (String, usize)>) -> Self {
        let limited = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            all: limited(parallelism),
            by_provider: by_provider.into_iter().map(|(name, count)| (name, limited(count))).collect(),
            freed: Arc::default(),
        }
    }

    /// A place at a provider, if one is free now.
    pub fn try_take(&self, provider: &str) -> Option<Slot> {
        let places = self.by_provider.get(provider).into_iter().chain([&self.all]);
        let permits = places.map(|places| places.clone().try_acquire_owned().ok()).collect::<Option<_>>()?;
        Some(Slot { permits, freed: self.freed.clone() })
    }

    /// A place at a provider, as soon as one is free. None once the slots are closed, which they never are.
    pub async fn take(&self, provider: &str) -> Option<Slot> {
        let mut permits = Vec::with_capacity(2);
        for places in self.by_provider.get(provider).into_iter().chain([&self.all]) {
            permits.push(places.clone().acquire_owned().await.ok()?);
        }
        Some(Slot { permits, freed: self.freed.clone() })
    }

    /// Whether no place is free at any provider.
    pub fn is_full(&self) -> bool {
        self.all.available_permits() == 0
    }

    /// Returns once a place has become free since this was last asked.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

/// How long to wait before the next try; none where another try would not help. `attempt` counts the tries so far, from 1.
pub fn backoff(error: &ProviderError, attempt: u32, entropy: &dyn Entropy) -> Option<Duration> {
    if attempt >= ATTEMPTS {
        return None;
    }
    let asked = match error.class {
        Class::Throttled { retry_after } => retry_after,
        Class::Transient | Class::Internal => None,
        Class::Conflict if attempt < 3 => None,
        _ => return None,
    };
    let doubled = FIRST_DELAY.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_DELAY);
    // Between half and all of it, so that those who failed together don't come back together.
    let jittered = doubled / 2 + doubled.mul_f64(unit(entropy)) / 2;
    Some(asked.map_or(jittered, |asked| asked + jittered / 4))
}

/// A random number from 0 to 1.
fn unit(entropy: &dyn Entropy) -> f64 {
    f64::from(u32::try_from(entropy.number() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use trueup_state::clock::SeededEntropy;

    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again_and_ever_later() {
        let entropy = SeededEntropy::new(1);
        let transient = ProviderError::new(Class::Transient, "x");
        let mut longest = Duration::ZERO;
        for attempt in 1..ATTEMPTS {
            let delay = backoff(&transient, attempt, &entropy).unwrap();
            assert!(delay >= FIRST_DELAY / 2 && delay <= LONGEST_DELAY);
            assert!(delay * 4 > longest, "attempt {attempt}");
            longest = longest.max(delay);
        }
        assert_eq!(backoff(&transient, ATTEMPTS, &entropy), None);
        assert_eq!(backoff(&ProviderError::new(Class::Denied, "x"), 1, &entropy), None);
        let asked = Duration::from_secs(7);
        let throttled = ProviderError::new(Class::Throttled { retry_after: Some(asked) }, "x");
        assert!(backoff(&throttled, 1, &entropy).unwrap() >= asked);
    }

    #[test]
    fn slots_bound_all_and_each_provider() {
        let slots = Slots::new(3, [("a".to_owned(), 2)]);
        let first = slots.try_take("a").unwrap();
        let _second = slots.try_take("a").unwrap();
        assert!(slots.try_take("a").is_none());
        let _third = slots.try_take("b").unwrap();
        assert!(slots.try_take("b").is_none());
        drop(first);
        assert!(slots.try_take("a").is_some());
    }
}
