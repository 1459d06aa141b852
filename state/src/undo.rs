//! The way back from an entry, for a call that is refused half way through.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::entry::{Entry, Event, Serial};
use crate::names::Token;
use crate::record::{Generation, Record};
use crate::state::{OpenOperation, State};

/// What an entry is about to touch, as it was: a few records, never the whole state.
#[derive(Debug)]
pub(crate) struct Undo<V> {
    serial: Serial,
    records: Vec<(Address, Option<Record<V>>)>,
    open: Vec<(Token, Option<OpenOperation<V>>)>,
    outputs: Option<BTreeMap<String, V>>,
    former: Vec<(Address, Option<Generation>)>,
    lineage: Option<String>,
}

impl<V: Clone> State<V> {
    /// What `entry` would touch, as it is now.
    pub(crate) fn remember(&self, entry: &Entry<V>) -> Undo<V> {
        let mut tokens: Vec<Token> = token_of(entry).into_iter().cloned().collect();
        let mut former: Vec<Address> = Vec::new();
        let mut addresses: Vec<Address> = entry.address.iter().cloned().collect();
        if let Event::Begin { request, .. } = &entry.event {
            addresses.push(request.address.clone());
        }
        if let Event::Restored { state } | Event::Rekeyed { state } = &entry.event {
            addresses.extend(state.records.keys().cloned());
            tokens.extend(state.open.keys().cloned());
            former.extend(state.former.keys().chain(self.former.keys()).cloned());
        }
        if let Event::Moved { to } = &entry.event {
            former.extend(entry.address.clone());
            addresses.push(to.clone());
            addresses.extend(entry.address.iter().flat_map(|from| self.dependants(from)));
        }
        addresses
            .extend(tokens.iter().filter_map(|token| self.open.get(token)).map(|open| open.request.address.clone()));
        let restored = matches!(entry.event, Event::Restored { .. });
        Undo {
            serial: self.serial,
            records: addresses.into_iter().map(|at| (at.clone(), self.records.get(&at).cloned())).collect(),
            open: tokens.into_iter().map(|token| (token.clone(), self.open.get(&token).cloned())).collect(),
            outputs: (restored || matches!(entry.event, Event::Outputs { .. } | Event::Rekeyed { .. }))
                .then(|| self.outputs.clone()),
            former: former.into_iter().map(|at| (at.clone(), self.former.get(&at).copied())).collect(),
            lineage: restored.then(|| self.lineage.clone()),
        }
    }

    /// Goes back to before the entry. Several are undone last first.
    pub(crate) fn restore(&mut self, undo: Undo<V>) {
        self.serial = undo.serial;
        put_back(&mut self.records, undo.records);
        put_back(&mut self.open, undo.open);
        put_back(&mut self.former, undo.former);
        if let Some(lineage) = undo.lineage {
            self.lineage = lineage;
        }
        if let Some(outputs) = undo.outputs {
            self.outputs = outputs;
        }
    }

    fn dependants(&self, of: &Address) -> impl Iterator<Item = Address> {
        let around: Vec<Address> = of.around().collect();
        self.records
            .values()
            .filter(move |record| around.iter().any(|one| record.declared.dependencies.contains(one)))
            .map(|record| record.address.clone())
    }
}

/// What was there is there again, and what was not is gone.
fn put_back<K: Ord, T>(map: &mut BTreeMap<K, T>, kept: Vec<(K, Option<T>)>) {
    for (key, kept) in kept {
        match kept {
            Some(kept) => map.insert(key, kept),
            None => map.remove(&key),
        };
    }
}

fn token_of<V>(entry: &Entry<V>) -> Option<&Token> {
    match &entry.event {
        Event::Begin { request, .. } => Some(&request.token),
        Event::Submitted { token, .. }
        | Event::Succeeded { token, .. }
        | Event::Failed { token, .. }
        | Event::Parked { token, .. }
        | Event::Resolved { token, .. } => Some(token),
        Event::Moved { .. }
        | Event::Forgotten { .. }
        | Event::Adopted { .. }
        | Event::Annotated { .. }
        | Event::Outputs { .. }
        | Event::Rekeyed { .. }
        | Event::Lost
        | Event::Restored { .. } => None,
    }
}
