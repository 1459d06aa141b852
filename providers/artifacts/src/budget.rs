//! How much one call may do, and how much of it at once: a call returns within seconds, however much there is to send and however slow
//! the line is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use trueup_engine::provider::ProviderError;
use trueup_state::Clock;

/// The most pieces that are under way at once.
const MOST: usize = 12;
/// With how many it begins: what a slow line gets through in time.
const FIRST: usize = 2;
/// A piece that takes less leaves room for one more; one that takes longer than the second, for half as many.
const FAST_AND_SLOW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// The time that a call has.
#[derive(Clone)]
pub(crate) struct Budget {
    clock: Arc<dyn Clock>,
    end: Duration,
}

impl Budget {
    /// So much from now on.
    pub(crate) fn new(clock: Arc<dyn Clock>, time: Duration) -> Self {
        let end = clock.uptime() + time;
        Self { clock, end }
    }

    /// Whether it is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.clock.uptime() >= self.end
    }
}

/// How many pieces are under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width(usize);

impl Default for Width {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Width {
    /// Takes note of how long a piece took; none for one that failed.
    fn took(&mut self, time: Option<Duration>) {
        let (fast, slow) = FAST_AND_SLOW;
        match time {
            Some(time) if time < fast => self.0 = (self.0 + 1).min(MOST),
            Some(time) if time < slow => {}
            _ => self.0 = (self.0 / 2).max(1),
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("end", &self.end).finish_non_exhaustive()
    }
}

/// Does pieces, several at once and `most` at most, until there are no more, time is up, or one fails. What is under way then is waited
/// for, and what each one gave is handed on.
pub(crate) async fn several<R>(
    pieces: impl Iterator<Item = impl Future<Output = Result<R, ProviderError>>>,
    most: usize,
    width: &mut Width,
    budget: &Budget,
    mut done: impl FnMut(R),
) -> Result<(), ProviderError> {
    let clock = &budget.clock;
    let mut timed = pieces.map(|piece| async move {
        let begun = clock.uptime();
        (piece.await, clock.uptime().saturating_sub(begun))
    });
    let (mut flying, mut failure) = (FuturesUnordered::new(), None);
    loop {
        while failure.is_none() && !budget.is_spent() && flying.len() < width.0.min(most).max(1) {
            match timed.next() {
                Some(piece) => flying.push(piece),
                None => break,
            }
        }
        match flying.next().await {
            None => return failure.map_or(Ok(()), Err),
            Some((Ok(gave), time)) => {
                width.took(Some(time));
                done(gave);
            }
            Some((Err(error), _)) => {
                width.took(None);
                failure.get_or_insert(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use trueup_state::Class;
    use trueup_state::clock::SystemClock;

    use super::*;

    async fn run(count: usize, time: Duration, fails: Option<usize>) -> (Vec<usize>, usize, bool) {
        let (flying, peak) = (Cell::new(0_usize), Cell::new(0_usize));
        let pieces = (0..count).map(|n| {
            let (flying, peak) = (&flying, &peak);
            async move {
                flying.set(flying.get() + 1);
                peak.set(peak.get().max(flying.get()));
                tokio::time::sleep(Duration::from_millis(2)).await;
                flying.set(flying.get() - 1);
                if fails == Some(n) { Err(ProviderError::new(Class::Transient, "it fails")) } else { Ok(n) }
            }
        });
        let budget = Budget::new(Arc::new(SystemClock), time);
        let (mut all, mut width) = (Vec::new(), Width::default());
        let ended = several(pieces, 4, &mut width, &budget, |n| all.push(n)).await;
        (all, peak.get(), ended.is_ok())
    }

    #[tokio::test]
    async fn as_many_are_under_way_as_may_be_and_none_begins_after_a_failure_or_out_of_time() {
        let (all, peak, is_well) = run(40, Duration::from_mins(1), None).await;
        assert_eq!((all.len(), peak, is_well), (40, 4, true));
        let (all, _, is_well) = run(40, Duration::from_mins(1), Some(0)).await;
        assert!(all.len() <= 2 && !is_well, "{all:?}");
        assert_eq!(run(40, Duration::ZERO, None).await.0, [0; 0]);
    }

    #[test]
    fn a_slow_line_is_asked_for_less() {
        let mut width = Width::default();
        for _ in 0..20 {
            width.took(Some(Duration::from_millis(100)));
        }
        assert_eq!(width, Width(MOST));
        width.took(Some(Duration::from_secs(3)));
        assert_eq!(width, Width(MOST));
        width.took(Some(Duration::from_secs(9)));
        assert_eq!(width, Width(MOST / 2));
        for _ in 0..5 {
            width.took(None);
        }
        assert_eq!(width, Width(1));
    }
}
