//! What every operation of a run shares: the journal, the lease, the time, and the ways to the APIs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use trueup_state::entry::{Entry, Event};
use trueup_state::rules::Rule;
use trueup_state::{Address, Clock, Entropy, Lease, State, Store, StoreError};

use super::lanes::{Lane, Lanes, Slot};
use super::{ApplyEvent, Events};

/// The longest that one call to a provider may take; it ends before the lease does in any case.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(40);

/// What every operation of a run shares.
pub struct Run {
    /// Where the journal is.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tokens and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The ways to the APIs.
    pub lanes: Lanes,
    /// Where events go.
    pub events: Events,
    /// Turns true once no new operation may start.
    pub cancel: watch::Receiver<bool>,
    /// The right to change the stack, renewed in the background.
    pub lease: Mutex<Lease>,
    /// What the journal adds up to so far.
    pub state: Mutex<State>,
}

impl Run {
    /// Adds an entry to the journal, and to what it adds up to. Durable on return.
    pub async fn append(&self, address: &Address, event: Event) -> Result<(), StoreError> {
        self.append_all(&[Entry { at: self.clock.now(), address: Some(address.clone()), event }]).await
    }

    /// Adds entries to the journal, all or none.
    pub async fn append_all(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let lease = self.lease().clone();
        self.store.append(&lease, entries).await?;
        let mut state = self.state();
        entries.iter().try_for_each(|entry| state.apply(entry)).map_err(StoreError::Illegal)
    }

    /// What the journal adds up to so far.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no new operation may start.
    pub fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    /// Returns once no new operation may start. Whoever let go of the other end can no longer say so.
    pub async fn cancelled(&self) {
        let mut cancel = self.cancel.clone();
        if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells floor 4. Nobody listening is fine.
    pub fn tell(&self, event: ApplyEvent) {
        let _ = self.events.send(event);
    }

    /// Renews the lease for as long as it is polled; returns once that fails for good.
    pub async fn keep_lease(&self) -> StoreError {
        loop {
            let mut lease = self.lease().clone();
            // It may have been taken a while ago.
            let left = lease.remaining(self.clock.as_ref());
            self.clock.sleep(left.saturating_sub(lease.renewal() * 3)).await;
            match self.store.renew(&mut lease).await {
                Ok(()) => *self.lease() = lease,
                Err(error @ StoreError::Fenced) => {
                    // Whoever broke it waits for no deadline: nothing more is sent.
                    self.lease().valid_until = Duration::ZERO;
                    return error;
                }
                // Another try comes before the deadline, which guards every call in between.
                Err(_) => self.clock.sleep(lease.renewal() / 4).await,
            }
        }
    }

    /// How long the next call may take; none once the lease is too near its end.
    pub(super) fn time_for_a_call(&self) -> Option<Duration> {
        let lease = self.lease();
        // What is left for the answer's own way: 5 s of a lease of 60 s.
        let margin = lease.holder.term / 12;
        let left = lease.remaining(self.clock.as_ref()).saturating_sub(margin);
        if Rule::TimeForACall.keeps(!left.is_zero()) { Some(left.min(CALL_TIMEOUT)) } else { None }
    }

    /// Waits for a turn on a lane and a place there; none if the run is cancelled meanwhile.
    pub(super) async fn turn(&self, lane: &Lane) -> Option<Slot> {
        loop {
            let now = self.clock.uptime();
            let turn = lane.pace().turn(now);
            let span = turn.at.saturating_sub(now);
            if !span.is_zero() && !self.wait(span).await {
                return None;
            }
            let slot = tokio::select! {
                biased;
                slot = lane.take() => slot?,
                () = self.cancelled() => return None,
            };
            if lane.pace().is_good(turn, self.clock.uptime()) {
                return Some(slot);
            }
        }
    }

    /// Waits; false if the run is cancelled meanwhile.
    pub(super) async fn wait(&self, span: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.clock.sleep(span) => true,
            () = self.cancelled() => false,
        }
    }
}
