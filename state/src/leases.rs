//! Who may write: the rules of leases, as every backend keeps them. A backend reads a lease, asks here, and writes what comes
//! back, all in one transaction.

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp};
use crate::holder::{Holder, Processes};
use crate::rules::Rule;
use crate::store::{Fencing, Lease, Stack, StoreError};

/// A stack's lease as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Grows with each lease, and stays when one ends.
    pub(crate) fencing: Fencing,
    /// Who holds it, and until when.
    pub(crate) held: Option<Held>,
}

/// A lease that was taken and not given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) holder: Holder,
    pub(crate) deadline: Timestamp,
}

impl Kept {
    /// Who holds it now: no one past the deadline, nor if that process is certainly gone.
    pub(crate) fn holder(&self, now: Timestamp, processes: &dyn Processes) -> Option<&Holder> {
        let held = self.held.as_ref().filter(|held| now < held.deadline)?;
        (!processes.is_gone(&held.holder)).then_some(&held.holder)
    }

    /// Gives it to `holder`, if it is free.
    pub(crate) fn take(
        &mut self,
        stack: &Stack,
        holder: &Holder,
        clock: &dyn Clock,
        processes: &dyn Processes,
    ) -> Result<Lease, StoreError> {
        // Read before the time of day: so the lease ends here no later than for others.
        let valid_until = clock.uptime() + holder.term;
        let now = clock.now();
        if let Some(other) = self.holder(now, processes).filter(|_| Rule::OneHolder.holds()) {
            return Err(StoreError::Held(Box::new(other.clone())));
        }
        let deadline = now.plus(holder.term);
        self.fencing += 1;
        self.held = Some(Held { holder: holder.clone(), deadline });
        Ok(Lease { stack: stack.clone(), holder: holder.clone(), fencing: self.fencing, deadline, valid_until })
    }

    /// Refuses a lease that is no longer the one kept, and one that is over: others may count on that by now.
    pub(crate) fn check(&self, lease: &Lease, clock: &dyn Clock) -> Result<(), StoreError> {
        let held = self.held.as_ref();
        let ours = self.fencing == lease.fencing && held.is_some_and(|held| held.holder == lease.holder);
        let in_time = held.is_some_and(|held| clock.now() < held.deadline);
        if Rule::Fencing.keeps(ours) && Rule::Deadline.keeps(in_time) { Ok(()) } else { Err(StoreError::Fenced) }
    }

    /// Moves the deadline on; the lease that follows from it.
    pub(crate) fn renew(&mut self, lease: &Lease, clock: &dyn Clock) -> Result<Lease, StoreError> {
        let valid_until = clock.uptime() + lease.holder.term;
        self.check(lease, clock)?;
        let deadline = clock.now().plus(lease.holder.term);
        self.held = Some(Held { holder: lease.holder.clone(), deadline });
        Ok(Lease { deadline, valid_until, ..lease.clone() })
    }

    /// Ends the lease, if it is the one kept; says whether it was.
    pub(crate) fn release(&mut self, lease: &Lease) -> bool {
        let ours = self.fencing == lease.fencing && self.held.is_some();
        if ours {
            self.held = None;
        }
        ours
    }

    /// Ends the lease that `seen` holds. Where no one holds it that is done already.
    pub(crate) fn break_off(
        &mut self,
        seen: &Holder,
        now: Timestamp,
        processes: &dyn Processes,
    ) -> Result<(), StoreError> {
        match self.holder(now, processes) {
            Some(other) if other != seen => Err(StoreError::Held(Box::new(other.clone()))),
            _ => {
                self.held = None;
                Ok(())
            }
        }
    }
}
