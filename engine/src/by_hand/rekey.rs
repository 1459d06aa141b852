//! Another key for the secrets of a state, without a call to any provider.

use trueup_state::codec::VaultError;
use trueup_state::entry::{Entry, Event};
use trueup_state::{Holder, Lease, Serial, Stack, State, Store, StoreError};

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
    /// are sealed for. `make` makes the key where it is not there yet: it is called once nothing else can stand in the way. One entry
    /// does it: a run that dies leaves all secrets sealed for the one key or all for the other. What earlier entries have sealed stays so.
    pub async fn rekey(
        &self,
        stack: &Stack,
        holder: &Holder,
        anew: &dyn Store,
        make: impl FnOnce() -> Result<(), VaultError>,
    ) -> Result<Rekeyed, EngineError> {
        let rekey = async |lease: &Lease, state: State| {
            let part = unlocked(stack, state)?.secret_part();
            let (resources, outputs, open) = (part.records.len(), part.outputs.len(), part.open.len());
            let entry = Entry { at: self.clock.now(), address: None, event: Event::Rekeyed { state: Box::new(part) } };
            make().map_err(StoreError::from)?;
            let serial = anew.append(lease, &[entry]).await?;
            Ok(Rekeyed { serial, resources, outputs, open })
        };
        // Who has not the key leaves no trace.
        if let Some(state) = self.store.snapshot(stack).await?.state {
            unlocked(stack, state)?;
        }
        self.leased_from(anew, stack, holder, rekey).await
    }
}

/// A state, if every secret of it is open.
fn unlocked(stack: &Stack, state: State) -> Result<State, ByHandError> {
    if state.has_locked() { Err(ByHandError::Locked(stack.clone())) } else { Ok(state) }
}
