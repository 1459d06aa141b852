//! Leaves out of a whole plan what was not asked for.
//!
//! Everything is decided first, as if all were done. What a part needs is in the part, so each of it was decided from what it will find;
//! what is left out is taken out again, and stays as it is recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::Builder;
use crate::plan::decide::{Decision, Verdict};
use crate::plan::operations::Planned;
use crate::plan::select::choice::{Selected, choose};
use crate::plan::select::finder::{Finder, Thing};
use crate::plan::select::links::{Links, Whole};
use crate::plan::select::{Because, Left, SelectError, is_asked, meant_address};
use crate::plan::{Action, Mode, Notice, Reason, first_in};
use trueup_state::{Address, Event, KindName, Value};

impl Builder<'_> {
    /// Replaces what is to be replaced though nothing asks for it but a person. What is not there yet can't be.
    pub(super) fn ask(&mut self, address: &Address, mut decision: Decision) -> Decision {
        if !self.replaces(address) {
            return decision;
        }
        if decision.verdict == Verdict::Create {
            if self.is_part(address) {
                return decision;
            }
            self.notice(address, "it is made anyway: there is nothing to replace");
            return decision;
        }
        decision.verdict = Verdict::Replace;
        decision
    }

    /// Whether a person asked for what is decided to be a replacement.
    pub(super) fn is_asked(&self, address: &Address, decision: &Decision) -> bool {
        decision.verdict == Verdict::Replace && self.replaces(address)
    }

    /// Limits the plan to what was asked for.
    pub(super) fn limit(&mut self) -> Result<(), SelectError> {
        self.check_replaces()?;
        if !self.input.asked.is_limited() {
            return Ok(());
        }
        let needs = self.needs();
        let going = self.planned.iter().filter(|one| one.verdict.is_none()).map(|one| one.change.address.clone());
        let links = Links::new(&Whole {
            program: self.input.program,
            mode: self.input.mode,
            state: self.input.state,
            deferred: &self.plan.deferred,
            needs: &needs,
            going: &going.collect(),
            parts: &self.part_links(),
        });
        let selected = self.selected(&links)?;
        let choice = choose(&links, &selected)?;
        self.check_replaced(&choice.left_out)?;
        let outside = Self::outside(&links, &selected, &choice.left_out);
        self.plan.part.beside = choice.beside.into_iter().filter(|one| !outside.contains(&one.address)).collect();
        self.plan.part.left_out = choice.left_out;
        self.leave_out(&outside);
        Ok(())
    }

    /// The addresses for which there is something to do. To have another address is no such thing: that is only written down.
    fn needs(&self) -> BTreeSet<Address> {
        let deposed = |planned: &Planned| planned.record.as_ref().is_some_and(|record| !record.deposed.is_empty());
        let planned = self.planned.iter().filter(|one| one.verdict != Some(Verdict::None) || deposed(one));
        let entries = self.plan.entries.iter().filter(|entry| !matches!(entry.event, Event::Moved { .. }));
        let stopped = self.plan.notices.iter().filter(|notice| notice.stops);
        let mut needs: BTreeSet<Address> = planned.map(|one| one.change.address.clone()).collect();
        needs.extend(entries.filter_map(|entry| entry.address.clone()));
        needs.extend(self.plan.deferred.iter().map(|left| left.address.clone()));
        needs.extend(stopped.filter_map(|notice| notice.address.clone()));
        needs
    }

    /// What the selectors select, whether there is something to do for it or not.
    fn selected(&self, links: &Links) -> Result<Selected, SelectError> {
        let asked = self.input.asked;
        let (mut targets, mut excludes) = (Finder::new(&asked.targets), Finder::new(&asked.excludes));
        let planned: BTreeMap<&Address, &Planned> = self.planned.iter().map(|one| (&one.change.address, one)).collect();
        let mut selected = Selected { targets: (!asked.targets.is_empty()).then(BTreeSet::new), ..Selected::default() };
        let mut tags = BTreeSet::new();
        for (address, node) in &links.index {
            let thing = self.thing(address, planned.get(address).copied());
            if let Some(nodes) = selected.targets.as_mut().filter(|_| targets.selects(&thing)) {
                nodes.insert(*node);
            }
            if excludes.selects(&thing) {
                selected.excludes.insert(*node);
            }
            let is_later = thing.is_open || !planned.contains_key(address) && self.later.contains(address);
            if is_later && targets.looks_inside() {
                selected.perhaps.insert(*node);
            }
            tags.extend(thing.tags.and_then(Value::as_map).into_iter().flatten().filter_map(written));
        }
        self.select_parts(links, &mut selected);
        let idle = targets.idle().chain(excludes.idle()).next().filter(|_| !asked.is_further);
        let Some(selector) = idle else { return Ok(selected) };
        let kinds = links.index.keys().filter_map(|address| self.thing(address, None).kind);
        let kinds = kinds.map(ToString::to_string).collect();
        Err(SelectError::NoMatch {
            selector: selector.clone(),
            meant: selector.meant(links.index.keys(), &kinds, &tags),
        })
    }

    /// What selectors look at. Of what is not planned, the tags that it had last.
    fn thing<'b>(&'b self, address: &'b Address, planned: Option<&'b Planned>) -> Thing<'b> {
        let resource = self.input.program.resources.get(address);
        let record = self.record(address);
        let kind: Option<&KindName> = planned.map(|planned| &planned.change.kind);
        let kind = kind.or(resource.map(|resource| &resource.kind)).or(record.map(|record| &record.kind));
        let spec = match planned {
            Some(planned) if planned.change.after != Value::Null => Some(&planned.change.after),
            Some(planned) => Some(&planned.change.before),
            None => record.and_then(|record| record.current.as_ref()).map(|object| &object.sent),
        };
        let is_open = resource.is_none() && self.input.program.deferred.contains_key(address);
        Thing { address, kind, tags: spec.and_then(|spec| spec.get("tags")), is_open }
    }

    /// What is left out, and of what there is nothing to do for what was not selected: the plan says nothing of that either.
    fn outside(links: &Links, selected: &Selected, left: &[Left]) -> BTreeSet<Address> {
        let left: BTreeSet<&Address> = left.iter().map(|left| &left.address).collect();
        let is_outside = |(address, node): &(&Address, &usize)| {
            let unasked = || {
                let targeted = selected.targets.as_ref().is_none_or(|targets| targets.contains(node));
                !links.needs(**node) && (!targeted || selected.excludes.contains(*node))
            };
            left.contains(address) || unasked()
        };
        links.index.iter().filter(is_outside).map(|(address, _)| address.clone()).collect()
    }

    /// Takes out of the plan what is outside of what was asked for.
    fn leave_out(&mut self, outside: &BTreeSet<Address>) {
        let is_in = |address: &Option<Address>| address.as_ref().is_none_or(|address| !outside.contains(address));
        self.plan.entries.retain(|entry| matches!(entry.event, Event::Moved { .. }) || is_in(&entry.address));
        self.plan.notices.retain(|notice| is_in(&notice.address));
        self.plan.deferred.retain(|left| !outside.contains(&left.address));
        self.plan.refusals.retain(|refusal| !outside.contains(&refusal.address));
        self.changing.retain(|address| !outside.contains(address));
        for drift in self.plan.drift.iter_mut().filter(|drift| outside.contains(&drift.address)) {
            drift.corrected = false;
            drift.kept.clear();
        }
        let (input, moves) = (self.input, self.input.moves);
        self.planned.retain_mut(|planned| {
            let address = &planned.change.address;
            if !outside.contains(address) {
                return true;
            }
            let renamed = moves
                .origin(address)
                .map(|(from, place)| Reason::Renamed { from: from.clone(), place: place.cloned() });
            let record = input.state.and_then(|state| state.records.get(address));
            let Some((record, object)) = record.and_then(|record| Some((record, record.current.as_ref()?))) else {
                return false;
            };
            let change = &mut planned.change;
            change.action = if renamed.is_some() { Action::Record } else { Action::None };
            change.reasons = renamed.into_iter().collect();
            (change.kind, change.scope) = (record.kind.clone(), object.scope.clone());
            (change.before, change.after) = (object.sent.clone(), object.sent.clone());
            (change.attributes_before, change.attributes_after) =
                (object.attributes.clone(), object.attributes.clone());
            change.fields.clear();
            planned.verdict = Some(Verdict::None);
            planned.branches.clear();
            planned.record = None;
            true
        });
        self.say_what_is_stale(outside);
    }

    /// Says of what reads something that is replaced, and is left as it is, that it goes on with what it knows of the former one.
    fn say_what_is_stale(&mut self, outside: &BTreeSet<Address>) {
        let replaced = self.planned.iter().filter(|one| one.verdict == Some(Verdict::Replace));
        let replaced: BTreeSet<Address> = replaced.map(|one| one.change.address.clone()).collect();
        if replaced.is_empty() {
            return;
        }
        let left =
            self.plan.part.left_out.iter().map(|left| &left.address).filter(|address| outside.contains(*address));
        let mut stale = Vec::new();
        for record in left.filter_map(|address| self.record(address)) {
            if let Some(other) = record.declared.dependencies.iter().find_map(|needed| first_in(&replaced, needed)) {
                let message = format!("it is left out, and goes on with what it knows of {other}, which is replaced");
                stale.push(Notice { address: Some(record.address.clone()), message, stops: false });
            }
        }
        self.plan.notices.extend(stale);
    }

    /// Whatever is to be replaced is a resource of the stack.
    fn check_replaces(&mut self) -> Result<(), SelectError> {
        let (program, asked) = (self.input.program, self.input.asked);
        for address in &asked.replaces {
            if self.is_part(address) {
                continue;
            }
            let resource = program.resources.get(address);
            let record = self.record(address);
            let is_read = resource.is_some_and(|resource| resource.existing.is_some());
            if is_read {
                self.notice(address, "it is only read: its replacement is not for this stack to do");
            } else if resource.is_none() && record.is_some() && self.input.mode == Mode::Apply {
                self.notice(address, "it is not in the blueprint: nothing takes its place");
            }
            if resource.is_some() || record.is_some() || program.deferral(address).is_some() || asked.is_further {
                continue;
            }
            let recorded = self.input.state.into_iter().flat_map(|state| state.records.keys());
            let all: BTreeSet<&Address> = program.resources.keys().chain(recorded).collect();
            let text = address.to_string();
            let inside = all.range::<Address, _>(address..).next().filter(|one| one.is_in(address));
            let meant = inside.map(ToString::to_string).or_else(|| meant_address(&text, all.iter().copied()));
            return Err(SelectError::NoResource { address: address.clone(), meant });
        }
        Ok(())
    }

    /// What is to be replaced is not left out: both were asked for.
    fn check_replaced(&self, left: &[Left]) -> Result<(), SelectError> {
        if self.input.asked.replaces.is_empty() {
            return Ok(());
        }
        let because: BTreeMap<&Address, Option<&Because>> =
            left.iter().map(|left| (&left.address, left.because.as_ref())).collect();
        let mut asked = self.planned.iter().filter(|planned| is_asked(&planned.change.reasons));
        let found = asked.find_map(|planned| because.get_key_value(&planned.change.address));
        match found {
            None => Ok(()),
            Some((address, because)) => {
                Err(SelectError::NotReplaced { address: (*address).clone(), because: because.cloned() })
            }
        }
    }
}

/// A tag as a selector names it, where it can be told.
fn written((name, value): (&String, &Value)) -> Option<String> {
    value.as_str().map(|value| format!("{name}={value}"))
}
