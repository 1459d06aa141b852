//! What is left to a further phase: what reads something that only this phase can tell, where that must be known to plan it.

use std::collections::BTreeSet;

use super::Builder;
use crate::blueprint::Resource;
use crate::diagnostic::Span;
use crate::plan::moves::deferral;
use crate::plan::{Deferred, Mode};
use trueup_state::{Address, Declared, Record, Value};

impl Builder<'_> {
    /// Leaves the blocks and modules of which it is not known how often they are there.
    pub(super) fn blocks_left(&mut self) {
        if self.input.mode == Mode::Destroy {
            return;
        }
        for (address, deferral) in &self.input.program.deferred {
            self.plan.deferred.push(Deferred {
                address: address.clone(),
                reason: format!("its {} is known only after apply", deferral.what.trim_matches('`')),
                waits_for: deferral.reads.iter().cloned().collect(),
                source: self.input.program.sources.place(deferral.span),
            });
        }
        for record in self.input.state.into_iter().flat_map(|state| state.records.values()) {
            if deferral(self.input.program, &record.address).is_some() {
                self.held.extend(record.declared.dependencies.iter().cloned());
            }
        }
    }

    /// Why a resource has to be left to a further phase, if it has; what it waits for, and where that is said.
    pub(super) fn waits(&self, resource: &Resource, declared: &Declared) -> Option<(String, Vec<Address>, Span)> {
        let program = self.input.program;
        let read = resource.reads.iter().chain(resource.depends_on.iter());
        let read = read.filter_map(|read| deferral(program, read)).map(|(address, _)| address);
        let later = declared.dependencies.iter().filter(|dependency| self.later.contains(*dependency));
        let waits_for: BTreeSet<&Address> = read.chain(later).collect();
        if let Some(first) = waits_for.first() {
            let reason = format!("it depends on {first}, which is left for later");
            return Some((reason, waits_for.into_iter().cloned().collect(), resource.span));
        }
        if self.input.estate.scopes.contains_key(&resource.address) {
            return None;
        }
        let candidates = resource.candidates.iter().map(|candidate| &candidate.provider);
        let settings = candidates.chain([&resource.provider]).filter_map(|name| program.settings(resource, name));
        let reads: BTreeSet<Address> = settings.flat_map(|settings| settings.reads.iter().cloned()).collect();
        let reason = "the settings of its provider are known only after apply".to_owned();
        Some((reason, reads.into_iter().collect(), resource.span))
    }

    /// Leaves a resource as it is to a further phase. What it is then is not known to those that read it.
    pub(super) fn leave(&mut self, resource: &Resource, reason: String, waits_for: Vec<Address>, span: Span) {
        self.later.insert(resource.address.clone());
        if let Some(record) = self.record(&resource.address) {
            self.held.extend(record.declared.dependencies.iter().cloned());
        }
        self.plan.deferred.push(Deferred {
            address: resource.address.clone(),
            reason,
            waits_for,
            source: self.input.program.sources.place(span),
        });
        self.show(resource, Value::Unknown, Value::Unknown);
    }

    /// What is held holds what it depends on in turn.
    pub(super) fn hold_on(&mut self) {
        let mut open: Vec<Address> = self.held.iter().cloned().collect();
        while let Some(address) = open.pop() {
            for dependency in self.record(&address).into_iter().flat_map(|record| &record.declared.dependencies) {
                if self.held.insert(dependency.clone()) {
                    open.push(dependency.clone());
                }
            }
        }
    }

    /// Whether a recorded resource that is not declared now may be declared in a further phase, or is needed until then.
    pub(super) fn is_held(&self, record: &Record) -> bool {
        deferral(self.input.program, &record.address).is_some() || self.held.contains(&record.address)
    }

    /// Notes what is known of what was read to tell which resources there are.
    pub(super) fn known(&mut self) {
        let program = self.input.program;
        if program.early.is_empty() || self.input.mode == Mode::Destroy {
            return;
        }
        for address in program.resources.keys() {
            if !program.early.contains(address) && !program.early.contains(&address.block()) {
                continue;
            }
            let visible = self.world.visible(address);
            let is_known = |value: &Value| {
                value.revealed().as_map().is_some_and(|map| map.values().any(|value| *value != Value::Unknown))
            };
            if let Some(visible) = visible.filter(|visible| is_known(&visible.attributes)) {
                self.plan.known.insert(address.clone(), (*visible).clone());
            }
        }
    }
}
