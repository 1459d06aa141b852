//! The death of a run: whoever comes to it waits forever, and the harness drops the whole run.

use std::sync::Mutex;

use tokio::sync::Notify;

/// When a run dies at something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before it takes effect.
    Before,
    /// After it took effect, and before the run hears of it.
    After,
}

/// Tells the harness that a run has died.
#[derive(Debug, Default)]
pub(crate) struct Crash(Notify);

impl Crash {
    /// Never returns.
    pub(crate) async fn die(&self) {
        self.0.notify_one();
        std::future::pending::<()>().await;
    }

    /// Returns once a run has died.
    pub(crate) async fn died(&self) {
        self.0.notified().await;
    }
}

/// Counts down to the event to die at; says when to die at this one.
pub(crate) fn due(at: &Mutex<Option<(usize, Moment)>>) -> Option<Moment> {
    let mut at = at.lock().unwrap();
    let (left, moment) = at.as_mut()?;
    if *left > 1 {
        *left -= 1;
        return None;
    }
    let moment = *moment;
    *at = None;
    Some(moment)
}
