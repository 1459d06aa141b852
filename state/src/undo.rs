//! The way back from an entry, for a call that is refused half way through.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::entry::{Entry, Event, Serial};
use crate::names::Token;
use crate::record::Record;
use crate::state::{OpenOperation, State};

/// What an entry is about to touch, as it was: a few records, never the whole state.
#[derive(Debug)]
pub(crate) struct Undo<V> {
    serial: Serial,
    records: Vec<(Address, Option<Record<V>>)>,
    open: Option<(Token, Option<OpenOperation<V>>)>,
    outputs: Option<BTreeMap<String, V>>,
}

impl<V: Clone> State<V> {
    /// What `entry` would touch, as it is now.
    pub(crate) fn remember(&self, entry: &Entry<V>) -> Undo<V> {
        let token = token_of(entry);
        let mut addresses: Vec<Address> = entry.address.iter().cloned().collect();
        if let Event::Begin { request, .. } = &entry.event {
            addresses.push(request.address.clone());
        }
        if let Event::Moved { to } = &entry.event {
            addresses.push(to.clone());
            addresses.extend(entry.address.iter().flat_map(|from| self.dependants(from)));
        }
        addresses.extend(token.and_then(|token| self.open.get(token)).map(|open| open.request.address.clone()));
        Undo {
            serial: self.serial,
            records: addresses.into_iter().map(|at| (at.clone(), self.records.get(&at).cloned())).collect(),
            open: token.map(|token| (token.clone(), self.open.get(token).cloned())),
            outputs: matches!(entry.event, Event::Outputs { .. }).then(|| self.outputs.clone()),
        }
    }

    /// Goes back to before the entry. Several are undone last first.
    pub(crate) fn restore(&mut self, undo: Undo<V>) {
        self.serial = undo.serial;
        for (address, record) in undo.records {
            match record {
                Some(record) => self.records.insert(address, record),
                None => self.records.remove(&address),
            };
        }
        if let Some((token, open)) = undo.open {
            match open {
                Some(open) => self.open.insert(token, open),
                None => self.open.remove(&token),
            };
        }
        if let Some(outputs) = undo.outputs {
            self.outputs = outputs;
        }
    }

    fn dependants(&self, of: &Address) -> impl Iterator<Item = Address> {
        self.records
            .values()
            .filter(|record| record.declared.dependencies.contains(of))
            .map(|record| record.address.clone())
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
        Event::Moved { .. } | Event::Forgotten { .. } | Event::Annotated { .. } | Event::Outputs { .. } => None,
    }
}
