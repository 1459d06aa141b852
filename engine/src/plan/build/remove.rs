//! What is recorded and no longer wanted, or no longer there.

use super::Builder;
use crate::desired::{declared, said_now};
use crate::plan::decide::ended;
use crate::plan::echo;
use crate::plan::operations::Planned;
use crate::plan::{Action, Change, Mode, Notice, Reason, Refusal};
use crate::provider::Observation;
use crate::schema::Schema;
use std::collections::BTreeSet;
use trueup_state::{Address, Event, Generation, Object, Record, Scope, Value};

/// A record whose objects are deleted as a spec says now, where that is all that it matters to.
pub(super) fn as_said_now(mut left: Record, schema: &Schema, spec: &Value) -> Record {
    for object in left.current.iter_mut().chain(&mut left.deposed) {
        schema.take_on_delete(&mut object.sent, spec);
    }
    left
}

impl<'a> Builder<'a> {
    /// A recorded resource that is not wanted any more.
    pub(super) fn removed(&mut self, record: &'a Record) {
        if let Some(to) = self.input.moves.waits(&record.address) {
            return self.notice(&record.address, format!("it moves to {to}, which waits"));
        }
        if let (Mode::Correct, Some((to, _))) = (self.input.mode, self.input.program.moves.target(&record.address)) {
            return self.notice(&record.address, format!("it moves to {to}; `trueup apply` does that"));
        }
        if self.input.mode != Mode::Destroy && self.is_held(record) {
            return;
        }
        if self.input.mode == Mode::Correct {
            let message = match self.input.program.without(&record.address) {
                None if let Some(reason) = self.part_removed(&record.address) => {
                    format!("{reason}; `trueup apply` deletes it")
                }
                Some((block, _)) => format!("{block} no longer has it; `trueup apply` deletes it"),
                None => "its block is no longer in the blueprint; `trueup apply` deletes it".to_owned(),
            };
            return self.notice(&record.address, message);
        }
        if let Some((found, scope)) = self.parts.released.remove(&record.address) {
            return self.release(record, &found, &scope);
        }
        if let Some(message) = self.unsettled(&record.address) {
            self.plan.notices.push(Notice { address: Some(record.address.clone()), message, stops: true });
            return;
        }
        let current = record.current.as_ref();
        let absent = self.forget_gone(&record.address, record.objects());
        let left = self.still_declared(record, self.left_of(record, &absent));
        let forgotten = left.objects().next().is_none();
        if record.declared.protect && !forgotten {
            self.plan.refusals.push(Refusal {
                address: record.address.clone(),
                message: format!("{} is protected, and this would delete it", record.address),
                help: "apply `protect: false` first".to_owned(),
                source: record.declared.source.clone(),
            });
        }
        let removed = match self.input.program.without(&record.address) {
            _ if self.input.mode == Mode::Destroy => Reason::Destroyed,
            Some((block, span)) => Reason::Left { block, place: self.input.program.sources.place(span) },
            None => self.part_removed(&record.address).unwrap_or(Reason::Removed),
        };
        let ended = current.and_then(|object| ended(self.observation(&record.address, object)));
        let gone = forgotten.then(|| Reason::gone(ended));
        let reasons = [removed].into_iter().chain(gone).collect();
        let observed = current.map_or(Value::Null, |object| self.observed(&record.address, object));
        let change = Change {
            address: record.address.clone(),
            kind: record.kind.clone(),
            scope: record.objects().next().map_or_else(|| Scope::of("none"), |object| object.scope.clone()),
            action: if forgotten { Action::Forget } else { Action::Delete },
            before: current.map_or(Value::Null, |object| object.sent.clone()),
            after: Value::Null,
            attributes_before: current.map_or(Value::Null, |object| object.attributes.clone()),
            attributes_after: Value::Null,
            fields: Vec::new(),
            reasons,
            source: record.declared.source.clone(),
            candidates: Vec::new(),
            part_of: self.recorded_part_of(&record.address),
        };
        self.planned.push(Planned::going(change, left, observed));
    }

    /// What is left of a record that is deleted though the blueprint has the resource still: what the blueprint says of the deletion
    /// counts.
    fn still_declared(&self, record: &Record, left: Record) -> Record {
        let resource = declared(self.input.program, &record.address, &record.kind);
        let scope = record.objects().next().map(|object| &object.scope);
        let manager = scope.and_then(|scope| self.input.estate.manager(scope, &record.kind));
        match (resource, manager) {
            (Some(resource), Some(manager)) => {
                let spec = said_now(self.input.program, resource, manager.schema());
                as_said_now(left, manager.schema(), &spec)
            }
            _ => left,
        }
    }

    /// Tells the journal which of a resource's objects are gone, and returns their generations.
    pub(super) fn forget_gone(
        &mut self,
        address: &Address,
        objects: impl Iterator<Item = &'a Object>,
    ) -> BTreeSet<Generation> {
        let kind = self.record(address).map(|record| &record.kind);
        // What is composed has no id, and is there as long as its record is.
        let composed =
            |object: &Object| kind.is_some_and(|kind| self.input.estate.composer(&object.scope, kind).is_some());
        let gone = |object: &&Object| {
            object.id.is_none() && !composed(object)
                || self.observation(address, object).is_some_and(Observation::is_absent)
        };
        let absent: BTreeSet<Generation> = objects.filter(gone).map(|object| object.generation).collect();
        for generation in &absent {
            self.entry(address, Event::Forgotten { generation: *generation });
        }
        absent
    }

    /// What an object is observed to be, secrets marked; what was seen last where nothing was observed.
    fn observed(&self, address: &Address, object: &Object) -> Value {
        match self.observation(address, object) {
            Some(Observation::Present(found)) => {
                echo::mark_secrets(&found.spec, &[&object.sent, &object.seen], address)
            }
            _ => object.seen.clone(),
        }
    }

    /// A record without the objects of some generations, the others as they are observed now.
    pub(super) fn left_of(&self, record: &Record, absent: &BTreeSet<Generation>) -> Record {
        let mut left = record.clone();
        left.current = left.current.filter(|object| !absent.contains(&object.generation));
        left.deposed.retain(|object| !absent.contains(&object.generation));
        for object in left.current.iter_mut().chain(&mut left.deposed) {
            object.seen = self.observed(&record.address, object);
        }
        left
    }
}
