//! What was recorded under one address and is declared under another now.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use trueup_state::entry::{Entry, Event};
use trueup_state::{Address, Place, State, StoreError, Timestamp};

use crate::blueprint::{Deferral, Move, Program};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// The moves of a blueprint as they are for a state.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// What moves now, by where it moves: its recorded address, and where the blueprint says so. Nothing of it is in another's way:
    /// where a move ends, nothing moves on.
    pub now: BTreeMap<Address, (Address, Option<Place>)>,
    /// What can't move yet, by where it will: its recorded address.
    later: BTreeMap<Address, Address>,
    /// Where that will move, by its recorded address.
    waiting: BTreeMap<Address, Address>,
}

impl Moves {
    /// Finds what of a state moves. Where what is declared has two recorded addresses, that is an error.
    pub fn of(program: &Program, state: &State) -> Result<Self, Diagnostics> {
        let mut moves = Self::default();
        if program.moves.is_empty() {
            return Ok(moves);
        }
        let open: BTreeSet<&Address> = state.open.values().map(|open| &open.request.address).collect();
        // What is being made is not recorded yet, and will be.
        let begun = open.iter().copied().filter(|address| !state.records.contains_key(*address));
        let mut list = Vec::new();
        for from in state.records.keys().chain(begun) {
            let Some((to, by)) = program.moves.target(from) else { continue };
            if !program.has_shape_of(&to) {
                // What an unfinished apply has left of the block's former shape goes where it is.
                if !is_left_over(from, state, &open) {
                    list.push(misshapen(from, &to, by));
                }
            } else if open.contains(from) || open.contains(&to) {
                moves.wait(from, to);
            } else if state.records.contains_key(&to) {
                list.push(both(from, &to, by));
            } else if let Some(other) = moves.comes_from(&to) {
                list.push(twice(from, &to, other, by));
            } else if deferral(program, &to).is_some() {
                moves.wait(from, to);
            } else {
                moves.now.insert(to, (from.clone(), program.sources.place(by.span)));
            }
        }
        if list.is_empty() { Ok(moves) } else { Err(Diagnostics { sources: program.sources.clone(), list }) }
    }

    fn wait(&mut self, from: &Address, to: Address) {
        self.waiting.insert(from.clone(), to.clone());
        self.later.entry(to).or_insert_with(|| from.clone());
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
        self.now.iter().map(move |(to, (from, _))| Entry {
            at,
            address: Some(from.clone()),
            event: Event::Moved { to: to.clone() },
        })
    }

    /// Where what is recorded under an address was until now.
    pub fn origin(&self, address: &Address) -> Option<(&Address, Option<&Place>)> {
        self.now.get(address).map(|(from, place)| (from, place.as_ref()))
    }

    /// Where what moves to an address, now or later, is recorded.
    pub fn comes_from(&self, address: &Address) -> Option<&Address> {
        self.now.get(address).map(|(from, _)| from).or_else(|| self.later.get(address))
    }

    /// Where what is recorded under an address is to move later.
    pub fn waits(&self, address: &Address) -> Option<&Address> {
        self.waiting.get(address)
    }
}

/// What has to be known before it is known whether there is something at an address: the block or the module that waits, the outermost
/// one.
pub(super) fn deferral<'a>(program: &'a Program, address: &Address) -> Option<(&'a Address, &'a Deferral)> {
    if program.deferred.is_empty() {
        return None;
    }
    let outer = |length: usize| Address::from_segments(address.segments()[..length].to_vec());
    (1..=address.segments().len()).filter_map(outer).find_map(|outer| program.deferred.get_key_value(&outer.block()))
}

/// Whether something of the same block is recorded, or is being made, in the other shape: with a key where this has none, or without.
fn is_left_over(from: &Address, state: &State, open: &BTreeSet<&Address>) -> bool {
    let mut all = state.records.keys().chain(open.iter().copied());
    let is_of_block = |address: &Address| address.block() == from.block();
    all.any(|address| is_of_block(address) && address.key().is_some() != from.key().is_some())
}

/// What is recorded has a key and what is declared has none, or the other way about.
fn misshapen(from: &Address, to: &Address, by: &Move) -> Diagnostic {
    let message = format!("`{from}` would move to `{to}`, and there is no `for_each` that could have it");
    let message =
        if to.key().is_some() { message } else { format!("`{from}` would move to `{to}`, which is a `for_each`") };
    Diagnostic::error(message)
        .at(by.span, "this move")
        .help("move one instance: `{ from: 'a[\"x\"]', to: b }`, or `{ from: a, to: 'b[\"x\"]' }`")
}

fn both(from: &Address, to: &Address, by: &Move) -> Diagnostic {
    Diagnostic::error(format!("`{from}` can't move to `{to}`: both are recorded"))
        .at(by.span, "this move")
        .help(format!("take this entry out: `{from}` is deleted then, and `{to}` stays"))
}

fn twice(from: &Address, to: &Address, other: &Address, by: &Move) -> Diagnostic {
    Diagnostic::error(format!("`{from}` can't move to `{to}`: `{other}` moves there too"))
        .at(by.span, "this move")
        .help("only one of them can: take the other's entry out, and it is deleted")
}
