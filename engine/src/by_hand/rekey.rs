//! Another key for the secrets of a state, without a call to any provider.

use trueup_state::entry::{Entry, Event};
use trueup_state::{Holder, Lease, Serial, Stack, Store};

use super::ByHandError;
use crate::engine::{Engine, EngineError};

/// What was sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The last entry that is in.
    pub serial: Serial,
    /// How many resources have secrets.
    pub resources: usize,
    /// How many outputs are or have secrets.
    pub outputs: usize,
    /// How many operations with secrets have not ended.
    pub open: usize,
}

impl Engine {
    /// Seals all secrets of a state for another key. `anew` is the same storage as with that key; this engine's has the key that they
    /// are sealed for. One entry does it: a run that dies leaves all secrets sealed for the one key or all for the other. What earlier
    /// entries have sealed stays so.
    pub async fn rekey(&self, stack: &Stack, holder: &Holder, anew: &dyn Store) -> Result<Rekeyed, EngineError> {
        self.unlocked(stack).await?;
        let lease = anew.lease(stack, holder).await?;
        let rekeyed = self.rekey_with(stack, &lease, anew).await;
        let released = anew.release(lease).await;
        let rekeyed = rekeyed?;
        released?;
        Ok(rekeyed)
    }

    async fn rekey_with(&self, stack: &Stack, lease: &Lease, anew: &dyn Store) -> Result<Rekeyed, EngineError> {
        let part = self.unlocked(stack).await?.secret_part();
        let (resources, outputs, open) = (part.records.len(), part.outputs.len(), part.open.len());
        let entry = Entry { at: self.clock.now(), address: None, event: Event::Rekeyed { state: Box::new(part) } };
        let serial = anew.append(lease, &[entry]).await?;
        Ok(Rekeyed { serial, resources, outputs, open })
    }

    /// The state of a stack, if every secret of it is open.
    async fn unlocked(&self, stack: &Stack) -> Result<trueup_state::State, EngineError> {
        let state = self.store.snapshot(stack).await?.state;
        let state = state.ok_or_else(|| ByHandError::NoState(stack.clone()))?;
        if state.has_locked() { Err(ByHandError::Locked(stack.clone()).into()) } else { Ok(state) }
    }
}
