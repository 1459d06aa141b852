//! The time that tokio keeps, paused: it passes when everyone waits.

use std::time::Duration;

use async_trait::async_trait;
use trueup_state::{Clock, Timestamp};

/// When every run begins.
pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);

/// The time since this thread first asked.
#[expect(clippy::disallowed_methods, reason = "the time is tokio's own, which tests pause")]
pub(crate) fn uptime() -> Duration {
    thread_local! {
        static FIRST: std::cell::Cell<Option<tokio::time::Instant>> = const { std::cell::Cell::new(None) };
    }
    let now = tokio::time::Instant::now();
    let first = FIRST.get().filter(|first| *first <= now).unwrap_or(now);
    FIRST.set(Some(first));
    now - first
}

/// The time since a moment of [`uptime`].
pub(crate) fn since(start: Duration) -> Duration {
    uptime().saturating_sub(start)
}

/// Tokio's clock.
#[derive(Debug)]
pub(crate) struct PausedClock;

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        START.plus(uptime())
    }

    fn uptime(&self) -> Duration {
        uptime()
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}
