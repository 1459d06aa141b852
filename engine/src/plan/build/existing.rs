//! What is there already and belongs to somebody else: it is read, and never managed.

use super::Builder;
use crate::blueprint::Resource;
use crate::diagnostic::{Diagnostic, with_article};
use crate::estate::attributes_of;
use crate::plan::echo::mark_secrets;
use crate::plan::operations::Planned;
use crate::plan::{Action, Change, Existing, Mode, Notice, Reason, first_in};
use crate::provider::{Found, Observation};
use std::collections::BTreeSet;
use trueup_state::{Address, Event, Object, Record, Scope, Value};

impl<'a> Builder<'a> {
    /// A resource that is read.
    pub(super) fn existing(
        &mut self,
        resource: &Resource,
        name: &str,
        record: Option<&'a Record>,
        dependencies: &BTreeSet<Address>,
    ) {
        let scope = self.input.estate.scopes.get(&resource.address).and_then(|scopes| scopes.first());
        let (Some(scope), observation) = (scope, self.input.estate.existing.get(&resource.address)) else { return };
        let found = match observation {
            Some(Observation::Present(found)) => found,
            Some(Observation::Absent | Observation::Ended(_)) | None => {
                let made: Vec<Address> =
                    dependencies.iter().filter_map(|needed| first_in(&self.changing, needed)).cloned().collect();
                if !made.is_empty() {
                    let reason = format!("there is no {} `{name}` yet, and what it depends on changes", resource.kind);
                    return self.leave(resource, reason, made, resource.existing_span.unwrap_or(resource.span));
                }
                let kind = with_article(resource.kind.as_str());
                let message = format!("there is no {} `{name}` at {}", resource.kind, scope.provider);
                let help = format!("say what {kind} is called there, or leave out `existing` and let Trueup make it");
                return self.not_read(resource, message, &help);
            }
            Some(Observation::Indeterminate(reason)) => {
                let message = format!("the {} `{name}` can't be read: {reason}", resource.kind);
                return self.not_read(resource, message, "nothing can be planned from it until it can be read");
            }
        };
        let attributes = attributes_of(resource, found);
        let stable = resource.schema.map_or_else(|| attributes.clone(), |schema| schema.stable_attributes(&attributes));
        self.show(resource, attributes.clone(), stable);
        self.plan.existing.push(Existing {
            address: resource.address.clone(),
            kind: resource.kind.clone(),
            scope: scope.clone(),
            id: found.id.clone(),
            attributes,
            source: self.input.program.sources.place(resource.span),
        });
        self.release_parts(resource);
        if let Some(record) = record {
            self.release(record, found, scope);
        }
    }

    fn not_read(&mut self, resource: &Resource, message: String, help: &str) {
        let span = resource.existing_span.unwrap_or(resource.span);
        let problem = Diagnostic::error(message).at(span, "this is read").help(help);
        let keyed = resource.address.key().is_some() || resource.module.is_some();
        self.problems.push(if keyed { problem.within(resource.address.to_string()) } else { problem });
        self.show(resource, Value::Unknown, Value::Unknown);
    }

    /// What was managed under this address: the same thing is only forgotten, another one goes.
    pub(super) fn release(&mut self, record: &'a Record, found: &Found, scope: &Scope) {
        if self.input.mode == Mode::Correct {
            return self
                .notice(&record.address, "it is only read from now on; `trueup apply` gives up the one it manages");
        }
        if let Some(message) = self.unsettled(&record.address) {
            self.plan.notices.push(Notice { address: Some(record.address.clone()), message, stops: true });
            return;
        }
        let is_same = |object: &&Object| match &object.id {
            Some(id) => *id == found.id,
            // What is composed is the same as long as its parts are.
            None => self.parts.released.iter().any(|(part, _)| part.is_in(&record.address)),
        };
        let Some(current) = record.current.as_ref().filter(is_same) else {
            return self.removed(record);
        };
        self.entry(&record.address, Event::Forgotten { generation: current.generation });
        let mut absent = self.forget_gone(&record.address, record.deposed.iter());
        absent.insert(current.generation);
        let left = self.left_of(record, &absent);
        let change = Change {
            address: record.address.clone(),
            kind: record.kind.clone(),
            scope: scope.clone(),
            action: Action::Forget,
            before: current.sent.clone(),
            after: Value::Null,
            attributes_before: current.attributes.clone(),
            attributes_after: mark_secrets(&found.attributes, &[&current.attributes], &record.address),
            fields: Vec::new(),
            reasons: vec![Reason::Released],
            source: record.declared.source.clone(),
            candidates: Vec::new(),
            part_of: self.recorded_part_of(&record.address),
        };
        self.planned.push(Planned::going(change, left, Value::Null));
    }
}
