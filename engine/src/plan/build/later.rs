//! What is left to a further phase: what reads something that only this phase can tell, where that must be known to plan it.

use std::collections::BTreeSet;

use super::Builder;
use crate::blueprint::{Program, Resource, Settings};
use crate::diagnostic::Span;
use crate::plan::moves::deferral;
use crate::plan::{Deferred, Mode, first_in};
use trueup_state::{Address, Declared, Record, Value};

const UNKNOWN_SETTINGS: &str = "the settings of its provider are known only after apply";

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
            let moves_later = self.input.moves.waits(&record.address).is_some();
            if moves_later || deferral(self.input.program, &record.address).is_some() {
                self.held.extend(record.declared.dependencies.iter().cloned());
            }
        }
    }

    /// Why a resource has to be left to a further phase, if it has; what it waits for, and where that is said.
    pub(super) fn waits(&self, resource: &Resource, declared: &Declared) -> Option<(String, Vec<Address>, Span)> {
        let program = self.input.program;
        let read = resource.reads.iter().chain(resource.depends_on.iter()).filter_map(|read| waiting(program, read));
        let later = declared.dependencies.iter().filter_map(|dependency| first_in(&self.later, dependency));
        let waits_for: BTreeSet<&Address> = read.chain(later).collect();
        if let Some(first) = waits_for.first() {
            let reason = format!("it depends on {first}, which is left for later");
            return Some((reason, waits_for.into_iter().cloned().collect(), resource.span));
        }
        if self.input.estate.scopes.contains_key(&resource.address) {
            return None;
        }
        Some((UNKNOWN_SETTINGS.to_owned(), self.settings_read(resource), resource.span))
    }

    /// What the settings of a resource's providers read.
    fn settings_read(&self, resource: &Resource) -> Vec<Address> {
        let reads: BTreeSet<&Address> = self.settings(resource).flat_map(|settings| &settings.reads).collect();
        reads.into_iter().cloned().collect()
    }

    fn settings<'r>(&'r self, resource: &'r Resource) -> impl Iterator<Item = &'r Settings> {
        let program = self.input.program;
        let candidates = resource.candidates.iter().map(|candidate| &candidate.provider);
        candidates.chain([&resource.provider]).filter_map(move |name| program.settings(resource, name))
    }

    /// What exists stays where it is for as long as the settings of its provider are not known. Whether they are others then is for a
    /// further phase to see; a correction leaves that to an apply.
    pub(super) fn look_again(&mut self, resource: &Resource) {
        let unknown = self.settings(resource).any(|settings| settings.value.has_unknown());
        if unknown && self.input.mode == Mode::Apply {
            self.plan.deferred.push(Deferred {
                address: resource.address.clone(),
                reason: UNKNOWN_SETTINGS.to_owned(),
                waits_for: self.settings_read(resource),
                source: self.input.program.sources.place(resource.span),
            });
        }
    }

    /// Leaves a resource as it is to a further phase. What it is then is not known to those that read it.
    pub(super) fn leave(&mut self, resource: &Resource, reason: String, waits_for: Vec<Address>, span: Span) {
        self.later.insert(resource.address.clone());
        if let Some(record) = self.record(&resource.address) {
            self.held.extend(record.declared.dependencies.iter().cloned());
        }
        self.hold_parts(&resource.address);
        self.plan.deferred.push(Deferred {
            address: resource.address.clone(),
            reason,
            waits_for,
            source: self.input.program.sources.place(span),
        });
        self.tell_move(resource);
        self.show(resource, Value::Unknown, Value::Unknown);
    }

    /// Says that what is left as it is moves all the same: no change tells it.
    pub(super) fn tell_move(&mut self, resource: &Resource) {
        if let Some((from, _)) = self.input.moves.origin(&resource.address) {
            self.notice(&resource.address, format!("it moves here from {from}, and stays as it is otherwise"));
        }
    }

    /// What is held holds what it depends on in turn.
    pub(super) fn hold_on(&mut self) {
        let mut open: Vec<Address> = self.held.iter().cloned().collect();
        let Some(state) = self.input.state else { return };
        while let Some(address) = open.pop() {
            let inside = state.records.range(&address..).take_while(|(inner, _)| inner.is_in(&address));
            for dependency in inside.flat_map(|(_, record)| &record.declared.dependencies) {
                if self.held.insert(dependency.clone()) {
                    open.push(dependency.clone());
                }
            }
        }
    }

    /// Whether a recorded resource that is not declared now may be declared in a further phase, or is needed until then.
    pub(super) fn is_held(&self, record: &Record) -> bool {
        deferral(self.input.program, &record.address).is_some()
            || !self.held.is_empty() && record.address.around().any(|around| self.held.contains(&around))
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

/// What of something that is read, or depended on as a whole, waits: what it stands in, or the first that stands in it.
fn waiting<'a>(program: &'a Program, read: &Address) -> Option<&'a Address> {
    let within = || program.deferred.range(read.clone()..).next().map(|(address, _)| address);
    deferral(program, read).map(|(address, _)| address).or_else(|| within().filter(|address| address.is_in(read)))
}
