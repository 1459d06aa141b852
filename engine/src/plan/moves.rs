//! What was recorded under one address and is declared under another now.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use trueup_state::entry::{Entry, Event};
use trueup_state::{Address, Place, State, StoreError, Timestamp};

use crate::blueprint::{Move, Program, move_target};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// The moves of a blueprint as they are for a state.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// What moves now, in the order in which it can: from where to where, and where the blueprint says so.
    pub now: Vec<(Address, Address, Option<Place>)>,
    /// What can't move yet: its recorded address, by the one it is declared at.
    pub later: BTreeMap<Address, Address>,
}

impl Moves {
    /// Finds what of a state moves. Where both the former and the present address are recorded, that is an error.
    pub fn of(program: &Program, state: &State) -> Result<Self, Diagnostics> {
        let mut moves = Self::default();
        if program.moves.is_empty() {
            return Ok(moves);
        }
        let mut wanted: BTreeMap<Address, (Address, &Move)> = BTreeMap::new();
        for address in state.records.keys() {
            let Some((to, by)) = move_target(&program.moves, address) else { continue };
            let open = state.open.values().any(|open| open.request.address == *address);
            if open || program.deferral(&to).is_some() {
                moves.later.insert(to, address.clone());
            } else {
                wanted.insert(address.clone(), (to, by));
            }
        }
        let mut taken: BTreeSet<Address> = state.records.keys().cloned().collect();
        // What stands in the way of one move may be about to move itself.
        while let Some(from) = wanted.iter().find(|(_, (to, _))| !taken.contains(to)).map(|(from, _)| from.clone()) {
            if let Some((to, by)) = wanted.remove(&from) {
                taken.remove(&from);
                taken.insert(to.clone());
                moves.now.push((from, to, program.sources.place(by.span)));
            }
        }
        let list: Vec<Diagnostic> = wanted.iter().map(|(from, (to, by))| both(from, to, by)).collect();
        if list.is_empty() { Ok(moves) } else { Err(Diagnostics { sources: program.sources.clone(), list }) }
    }

    /// The state after them.
    pub fn applied<'a>(&self, state: &'a State, at: Timestamp) -> Result<Cow<'a, State>, StoreError> {
        let mut state = Cow::Borrowed(state);
        let serial = state.serial;
        for entry in self.entries(at) {
            let state = state.to_mut();
            state.apply(&entry)?;
            state.serial = serial;
        }
        Ok(state)
    }

    /// The journal entries that carry them out.
    pub fn entries(&self, at: Timestamp) -> impl Iterator<Item = Entry> {
        self.now.iter().map(move |(from, to, _)| Entry {
            at,
            address: Some(from.clone()),
            event: Event::Moved { to: to.clone() },
        })
    }

    /// Where what is recorded under an address was until now.
    #[must_use]
    pub fn origin(&self, address: &Address) -> Option<(&Address, Option<&Place>)> {
        self.now.iter().find(|(_, to, _)| to == address).map(|(from, _, place)| (from, place.as_ref()))
    }

    /// Whether what is recorded under an address is to move later.
    #[must_use]
    pub fn waits(&self, address: &Address) -> Option<&Address> {
        self.later.iter().find(|(_, from)| *from == address).map(|(to, _)| to)
    }
}

fn both(from: &Address, to: &Address, by: &Move) -> Diagnostic {
    Diagnostic::error(format!("`{from}` can't move to `{to}`: both are recorded"))
        .at(by.span, "this move")
        .help(format!("take this entry out: `{from}` is deleted then, and `{to}` stays"))
}
