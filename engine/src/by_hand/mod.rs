//! What a person does to a state by hand: gives what is recorded another address, lets go of it, says what became of an operation,
//! puts an exported state back, gives its secrets another key. The journal tells each of these, and what can't be is refused with the reason.

mod adopt;
mod error;
mod rekey;
mod resolve;

use std::collections::BTreeSet;

use trueup_state::entry::{Entry, Event};
use trueup_state::{Address, Holder, Lease, Record, Serial, Stack, State, Store};

pub use adopt::{AdoptError, Adoption, Match, MatchedBy, Which};
pub use error::ByHandError;
pub use rekey::Rekeyed;
pub use resolve::{Answer, Settlement};

use crate::blueprint::moved::{is_inside, moved};
use crate::blueprint::schema::{has_form, means_something};
use crate::compose::is_shared;
use crate::diagnostic::closest;
use crate::engine::{Engine, EngineError};

/// One record that gets another address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Renaming {
    /// Its address so far.
    pub from: Address,
    /// Its address from now on.
    pub to: Address,
}

impl Engine {
    /// Gives what is recorded at an address another one: one resource, or all of a block or a module. All of it moves, or nothing.
    pub async fn rename(
        &self,
        stack: &Stack,
        holder: &Holder,
        from: &Address,
        to: &Address,
    ) -> Result<Vec<Renaming>, EngineError> {
        let rename = async |lease: &Lease, state: State| {
            let renamings = renamings(&state, from, to)?;
            let entry = |renaming: &Renaming| self.about(&renaming.from, Event::Moved { to: renaming.to.clone() });
            self.store.append(lease, &renamings.iter().map(entry).collect::<Vec<_>>()).await?;
            Ok(renamings)
        };
        self.leased(stack, holder, rename).await
    }

    /// Lets go of what is recorded at addresses: the things stay, their records go. Returns these. `serial` is that of the state which
    /// a person was shown: one that moved on is refused.
    pub async fn forget(
        &self,
        stack: &Stack,
        holder: &Holder,
        addresses: &[Address],
        serial: Serial,
    ) -> Result<Vec<Record>, EngineError> {
        let forget = async |lease: &Lease, state: State| {
            if state.serial != serial {
                return Err(ByHandError::Overtaken.into());
            }
            let records: Vec<Record> = forgettable(&state, addresses)?.into_iter().cloned().collect();
            let entries = records.iter().flat_map(|record| {
                record
                    .objects()
                    .map(|object| self.about(&record.address, Event::Forgotten { generation: object.generation }))
            });
            self.store.append(lease, &entries.collect::<Vec<_>>()).await?;
            Ok(records)
        };
        self.leased(stack, holder, forget).await
    }

    /// Puts an exported state where nothing is recorded. Returns the serial of the state then.
    pub async fn restore(&self, stack: &Stack, holder: &Holder, state: State) -> Result<Serial, EngineError> {
        let found = self.store.snapshot(stack).await?.state;
        if let Some(found) = found.filter(|found| !found.is_empty()) {
            return Err(ByHandError::NotEmpty { stack: stack.clone(), resources: found.records.len() }.into());
        }
        let lease = self.store.lease(stack, holder).await?;
        let entry = Entry { at: self.clock.now(), address: None, event: Event::Restored { state: Box::new(state) } };
        let restored = self.store.append(&lease, &[entry]).await;
        let released = self.store.release(lease).await;
        let serial = restored?;
        released?;
        Ok(serial)
    }

    /// Does something to a state with its lease in hand. Where there is no state, none is made.
    async fn leased<T>(
        &self,
        stack: &Stack,
        holder: &Holder,
        work: impl AsyncFnOnce(&Lease, State) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.leased_from(&*self.store, stack, holder, work).await
    }

    /// The same with a lease from a given store, which has the same storage.
    async fn leased_from<T>(
        &self,
        store: &dyn Store,
        stack: &Stack,
        holder: &Holder,
        work: impl AsyncFnOnce(&Lease, State) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let read = async || {
            let state = self.store.snapshot(stack).await?.state;
            state.ok_or_else(|| EngineError::from(ByHandError::NoState(stack.clone())))
        };
        read().await?;
        let lease = store.lease(stack, holder).await?;
        let worked = match read().await {
            Ok(state) => work(&lease, state).await,
            Err(error) => Err(error),
        };
        let released = store.release(lease).await;
        let done = worked?;
        released?;
        Ok(done)
    }

    fn about(&self, address: &Address, event: Event) -> Entry {
        Entry { at: self.clock.now(), address: Some(address.clone()), event }
    }
}

/// The record at an address.
pub fn recorded<'a>(state: &'a State, address: &Address) -> Result<&'a Record, ByHandError> {
    let known = || state.records.keys().map(ToString::to_string);
    state.records.get(address).ok_or_else(|| not_recorded(address, known()))
}

/// What moves where, if what is at `from` moves to `to`.
pub fn renamings(state: &State, from: &Address, to: &Address) -> Result<Vec<Renaming>, ByHandError> {
    let both = || (from.clone(), to.clone());
    if from == to {
        return Err(ByHandError::Itself(from.clone()));
    }
    if is_inside(from, to) || is_inside(to, from) {
        let (from, to) = both();
        return Err(ByHandError::Inside { from, to });
    }
    if let Some(segment) =
        to.segments().iter().find(|segment| !has_form(&segment.name) || means_something(&segment.name))
    {
        return Err(ByHandError::NoName { to: to.clone(), name: segment.name.to_string() });
    }
    let found = at_or_in(state, from)?;
    let around = std::iter::successors(from.parent(), Address::parent).find(|of| state.records.contains_key(of));
    if around.is_some() || is_shared(&from.block()) {
        return Err(ByHandError::IsPart { part: from.clone(), of: around });
    }
    let target = |record: &&Record| {
        let to = moved(&record.address, from, to)?;
        Some(Renaming { from: record.address.clone(), to })
    };
    let renamings: Option<Vec<Renaming>> = found.iter().map(target).collect();
    let renamings = renamings.ok_or_else(|| {
        let (from, to) = both();
        ByHandError::Several { from, to }
    })?;
    fits(state, &renamings)?;
    Ok(renamings)
}

/// Whether there is room for what moves: nothing else is where it goes, around it or in it, and nothing of it is under way.
fn fits(state: &State, renamings: &[Renaming]) -> Result<(), ByHandError> {
    let leaving: BTreeSet<&Address> = renamings.iter().map(|renaming| &renaming.from).collect();
    let staying: Vec<&Address> = state.records.keys().filter(|address| !leaving.contains(address)).collect();
    let blocks: BTreeSet<Address> = staying.iter().map(|address| address.block()).collect();
    let modules: BTreeSet<Address> = staying.iter().flat_map(|address| around(address)).collect();
    for Renaming { from, to } in renamings {
        if state.records.contains_key(to) {
            return Err(ByHandError::Taken { from: from.clone(), to: to.clone() });
        }
        if let Some(resource) = around(to).find(|module| blocks.contains(module)) {
            return Err(ByHandError::InResource { to: to.clone(), resource });
        }
        if modules.contains(&to.block()) {
            return Err(ByHandError::IsModule(to.clone()));
        }
        at_rest(state, from)?;
        at_rest(state, to)?;
    }
    Ok(())
}

/// The modules that an address stands in, without their keys.
fn around(address: &Address) -> impl Iterator<Item = Address> {
    std::iter::successors(address.parent(), Address::parent).map(|module| module.block())
}

/// What an address or several name, if all of it can be let go of.
pub fn forgettable<'a>(state: &'a State, addresses: &[Address]) -> Result<Vec<&'a Record>, ByHandError> {
    let mut chosen: BTreeSet<&Address> = BTreeSet::new();
    for address in addresses {
        chosen.extend(at_or_in(state, address)?.into_iter().map(|record| &record.address));
    }
    chosen.iter().try_for_each(|address| at_rest(state, address))?;
    Ok(state.records.values().filter(|record| chosen.contains(&record.address)).collect())
}

/// What is recorded at an address: a resource, or all of a block or a module.
fn at_or_in<'a>(state: &'a State, address: &Address) -> Result<Vec<&'a Record>, ByHandError> {
    let found: Vec<&Record> = state.records.values().filter(|record| record.address.is_in(address)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    // What is being made has no record yet.
    let begun = state.open.values().map(|open| &open.request.address).find(|begun| begun.is_in(address));
    begun.map_or(Ok(()), |begun| at_rest(state, begun))?;
    let places = state.records.keys().flat_map(|known| around(known).chain([known.block(), known.clone()]));
    let places: BTreeSet<String> = places.map(|place| place.to_string()).collect();
    Err(not_recorded(address, places.into_iter()))
}

fn not_recorded(address: &Address, known: impl Iterator<Item = String>) -> ByHandError {
    let known: Vec<String> = known.collect();
    let close = closest(&address.to_string(), known.iter().map(String::as_str));
    ByHandError::NotRecorded { address: address.clone(), close }
}

/// Refuses an address of which an operation has not ended: its end would come to what is no longer there.
fn at_rest(state: &State, address: &Address) -> Result<(), ByHandError> {
    match state.open.values().find(|open| open.request.address == *address) {
        None => Ok(()),
        Some(open) => {
            Err(ByHandError::UnderWay { address: address.clone(), verb: open.verb, is_parked: open.parked.is_some() })
        }
    }
}
