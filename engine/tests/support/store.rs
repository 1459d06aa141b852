//! A store that a run can die in: before an append takes effect, or after it did and before the run hears of it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use trueup_state::store::Version;
use trueup_state::{Entry, Holder, Lease, MemoryStore, Serial, Snapshot, Stack, State, Store, StoreError};

use super::crash::{Crash, Moment};

/// A handle on the stack's storage, for one run.
#[derive(Debug)]
pub(crate) struct Mortal {
    pub(crate) inner: MemoryStore,
    pub(crate) crash: Arc<Crash>,
    /// The number of the append to die at, counted down, and when.
    pub(crate) at: Mutex<Option<(usize, Moment)>>,
    /// Whether there is no room to write down that a lease was given back.
    pub(crate) is_full: bool,
}

#[async_trait]
impl Store for Mortal {
    async fn snapshot(&self, stack: &Stack) -> Result<Snapshot, StoreError> {
        self.inner.snapshot(stack).await
    }

    async fn sealed(&self, stack: &Stack) -> Result<Option<State<trueup_state::codec::SealedValue>>, StoreError> {
        self.inner.sealed(stack).await
    }

    async fn lease(&self, stack: &Stack, holder: &Holder) -> Result<Lease, StoreError> {
        self.inner.lease(stack, holder).await
    }

    async fn renew(&self, lease: &mut Lease) -> Result<(), StoreError> {
        self.inner.renew(lease).await
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        if self.is_full {
            return Err(StoreError::Full { location: "memory".to_owned() });
        }
        self.inner.release(lease).await
    }

    async fn holder(&self, stack: &Stack) -> Result<Option<Holder>, StoreError> {
        self.inner.holder(stack).await
    }

    async fn break_lease(&self, stack: &Stack, seen: &Holder) -> Result<(), StoreError> {
        self.inner.break_lease(stack, seen).await
    }

    async fn append(&self, lease: &Lease, entries: &[Entry]) -> Result<Serial, StoreError> {
        let moment = super::crash::due(&self.at);
        if moment == Some(Moment::Before) {
            self.crash.die().await;
        }
        let serial = self.inner.append(lease, entries).await;
        if moment == Some(Moment::After) {
            self.crash.die().await;
        }
        serial
    }

    async fn history(&self, stack: &Stack, from: Serial) -> Result<Vec<Entry>, StoreError> {
        self.inner.history(stack, from).await
    }

    async fn note(
        &self,
        stack: &Stack,
        key: &str,
        expected: Option<Version>,
        value: &[u8],
    ) -> Result<Version, StoreError> {
        self.inner.note(stack, key, expected, value).await
    }

    async fn read_note(&self, stack: &Stack, key: &str) -> Result<Option<(Version, Vec<u8>)>, StoreError> {
        self.inner.read_note(stack, key).await
    }
}
