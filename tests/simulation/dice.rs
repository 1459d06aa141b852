//! Chance, all of it from a seed.

use std::time::Duration;

use trueup_state::Entropy;
use trueup_state::clock::SeededEntropy;

/// What is drawn from a seed.
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below another.
    pub(crate) fn below(&self, end: usize) -> usize {
        let number = self.0.number() % (end.max(1) as u64);
        usize::try_from(number).expect("it is below a usize")
    }

    /// A number from one to another, both included.
    pub(crate) fn from(&self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// True so often in a hundred.
    pub(crate) fn often(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn one<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn millis(&self, first: usize, last: usize) -> Duration {
        Duration::from_millis(self.from(first, last) as u64)
    }

    /// A seed for something else.
    pub(crate) fn seed(&self) -> u64 {
        self.0.number()
    }
}
