//! What may follow in a state: asked before anything of it changes.

use super::{OpenOperation, State};
use crate::address::Address;
use crate::entry::{Applied, Request, Resolution, Verb};
use crate::names::Token;
use crate::record::{Generation, Object};

impl<V: Clone> State<V> {
    /// Whether an operation may begin: no other of the same object is under way, and there is what it is about, or is not yet.
    pub(super) fn may_begin(&self, verb: Verb, request: &Request<V>) -> Result<(), String> {
        let busy = self
            .open
            .values()
            .find(|open| open.request.address == request.address && open.request.generation == request.generation);
        if let Some(open) = busy {
            return Err(format!("{} of {} has not ended", open.verb.as_str(), request.address));
        }
        if verb == Verb::Create {
            if let Some(record) = self.records.get(&request.address)
                && record.objects().any(|object| object.generation == request.generation)
            {
                return Err(format!("{} has an object of generation {}", request.address, request.generation));
            }
        } else if !self.has_object(&request.address, request.generation) {
            return Err(format!("{} has no object of generation {}", request.address, request.generation));
        }
        if self.open.contains_key(&request.token) {
            return Err(format!("token {} is used already", request.token));
        }
        Ok(())
    }

    /// Whether an operation may end well, with an object or without: asked before anything changes.
    pub(super) fn may_succeed(&self, open: &OpenOperation<V>, object: Option<&Object<V>>) -> Result<(), String> {
        let Request { address, generation, .. } = &open.request;
        match (open.verb, object) {
            (Verb::Check, None) => Ok(()),
            (Verb::Create | Verb::Update, Some(object)) => self.may_hold(open, object.generation),
            (Verb::Delete, None) if self.has_object(address, *generation) => Ok(()),
            (Verb::Delete, None) => Err(format!("{address} has no object of generation {generation}")),
            (verb, _) => Err(format!("the end of a {} does not fit it", verb.as_str())),
        }
    }

    /// Whether an operation may end in a failure, with what it left behind.
    pub(super) fn may_fail(&self, token: &Token, applied: &Applied<V>) -> Result<(), String> {
        match applied {
            Applied::Unknown => Err("what a failure left behind must be known before it is the end".to_owned()),
            Applied::Partly(object) => self.may_hold(self.still_open(token)?, object.generation),
            Applied::No => Ok(()),
        }
    }

    /// Whether a person may say what became of an operation: what was made can be held.
    pub(super) fn may_be_resolved(&self, open: &OpenOperation<V>, resolution: &Resolution) -> Result<(), String> {
        match (open.verb, resolution) {
            (Verb::Create, Resolution::Id(_)) => self.may_hold(open, open.request.generation),
            _ => Ok(()),
        }
    }

    /// Whether what an operation made or changed can become the current object: it is of the operation's generation, after all others
    /// where it is new, and the current one's where it is not.
    fn may_hold(&self, open: &OpenOperation<V>, generation: Generation) -> Result<(), String> {
        let address = &open.request.address;
        let record = self.records.get(address);
        let current = record.and_then(|record| record.current.as_ref()).map(|object| object.generation);
        let last = record.and_then(|record| record.objects().map(|object| object.generation).max());
        match open.verb {
            _ if generation != open.request.generation => {
                let verb = open.verb.as_str();
                Err(format!("the {verb} of {address} is of generation {}, not {generation}", open.request.generation))
            }
            Verb::Create if last >= Some(generation) => {
                Err(format!("{address} has an object of generation {}", last.unwrap_or_default()))
            }
            Verb::Update if record.is_none() => Err(format!("{address} has no record")),
            Verb::Update if current != Some(generation) => {
                Err(format!("{address} has no current object of generation {generation}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn has_object(&self, address: &Address, generation: Generation) -> bool {
        self.records.get(address).is_some_and(|record| record.objects().any(|object| object.generation == generation))
    }
}
