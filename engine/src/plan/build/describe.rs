//! What the plan says of a decision: the change, its fields and reasons, and what drifted.

use super::Builder;
use crate::blueprint::Resource;
use crate::diagnostic::Diagnostic;
use crate::plan::decide::{Decision, Partial, Verdict};
use crate::plan::{Action, Change, Drift, FieldChange, Order, Reason};
use std::collections::{BTreeMap, BTreeSet};
use trueup_state::{FieldPath, Scope, Value};

/// What is wrong with several instances of a block alike is said once, with their number.
pub(super) fn by_instance(problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut first: Vec<(Diagnostic, BTreeSet<String>)> = Vec::new();
    let mut known = BTreeMap::new();
    for problem in problems {
        let span = problem.labels.first().map(|label| label.span);
        let position = *known.entry((span, problem.message.clone(), problem.help.clone())).or_insert(first.len());
        match first.get_mut(position) {
            Some((one, others)) => {
                others.extend(problem.context.filter(|context| one.context.as_ref() != Some(context)));
            }
            None => first.push((problem, BTreeSet::new())),
        }
    }
    let said = |(mut problem, others): (Diagnostic, BTreeSet<String>)| {
        if !others.is_empty() {
            problem.context = problem.context.map(|context| format!("{context} and {} more", others.len()));
        }
        problem
    };
    first.into_iter().map(said).collect()
}

impl Builder<'_> {
    pub(super) fn drift(&mut self, resource: &Resource, decision: &Decision) {
        if !decision.gone && decision.drifted.is_empty() {
            return;
        }
        let seen = self.record(&resource.address).and_then(|record| record.current.as_ref()).map(|object| &object.seen);
        let field = |path: &FieldPath| FieldChange {
            path: path.clone(),
            before: seen.and_then(|seen| seen.at(path)).cloned(),
            after: decision.observed.at(path).cloned(),
            replaces: false,
            source: resource.place(&self.input.program.sources, path),
        };
        let corrected = matches!(decision.verdict, Verdict::Create | Verdict::Update | Verdict::Replace);
        let kept = decision.drifted.iter().filter(|path| corrected && !decision.fields.contains(*path)).cloned();
        let kept = if decision.gone { BTreeSet::new() } else { kept.collect() };
        self.plan.drift.push(Drift {
            address: resource.address.clone(),
            kind: resource.kind.clone(),
            gone: decision.gone,
            ended: decision.ended.clone(),
            fields: decision.drifted.iter().map(field).collect(),
            source: self.input.program.sources.place(resource.span),
            corrected,
            kept,
        });
    }

    pub(super) fn change(
        &self,
        resource: &Resource,
        scope: &Scope,
        decision: &Decision,
        order: Order,
        attributes: Value,
    ) -> Change {
        let field = |path: &FieldPath| FieldChange {
            path: path.clone(),
            before: decision.base.at(path).cloned(),
            after: decision.desired.at(path).cloned(),
            replaces: decision.immutable.contains(path),
            source: resource.place(&self.input.program.sources, path),
        };
        let action = match decision.verdict {
            Verdict::None if self.input.moves.origin(&resource.address).is_some() => Action::Record,
            Verdict::None => Action::None,
            Verdict::Create => Action::Create,
            Verdict::Update => Action::Update,
            Verdict::Replace => Action::Replace(order),
            Verdict::Check => Action::Read,
            Verdict::Record => Action::Record,
        };
        let shows_fields = matches!(action, Action::Update | Action::Replace(_) | Action::Record);
        let fields: BTreeSet<&FieldPath> = decision.fields.union(&decision.recorded).collect();
        Change {
            address: resource.address.clone(),
            kind: resource.kind.clone(),
            scope: scope.clone(),
            action,
            before: decision.base.clone(),
            after: decision.desired.clone(),
            attributes_before: decision.attributes.clone(),
            attributes_after: attributes,
            fields: if shows_fields { fields.into_iter().map(field).collect() } else { Vec::new() },
            reasons: self.reasons(resource, decision),
            source: self.input.program.sources.place(resource.span),
            candidates: resource.candidates.clone(),
            part_of: self.parts.of.get(&resource.address).cloned(),
        }
    }

    fn reasons(&self, resource: &Resource, decision: &Decision) -> Vec<Reason> {
        let sources = &self.input.program.sources;
        let renamed = self.input.moves.origin(&resource.address);
        let renamed = renamed.map(|(from, place)| Reason::Renamed { from: from.clone(), place: place.cloned() });
        let mut reasons: Vec<Reason> = renamed.into_iter().collect();
        match decision.verdict {
            Verdict::None => return reasons,
            Verdict::Create if decision.gone => reasons.push(Reason::gone(decision.ended.clone())),
            Verdict::Create => reasons.push(Reason::New { place: sources.place(resource.span) }),
            Verdict::Check => reasons.push(Reason::Unverified),
            Verdict::Record => {
                let what = decision.record.clone().unwrap_or_default();
                reasons.push(Reason::Recorded { what });
            }
            Verdict::Update | Verdict::Replace => {
                let edited =
                    |path: &FieldPath| Reason::Edited { path: path.clone(), place: resource.place(sources, path) };
                reasons.extend(decision.recorded.iter().map(edited));
            }
        }
        if self.is_asked(&resource.address, decision) {
            reasons.push(Reason::Asked);
        }
        reasons.extend(match decision.partial {
            Partial::No => None,
            Partial::Anew if resource.validate.is_some() => Some(Reason::Tainted),
            Partial::Anew => Some(Reason::Partial),
            Partial::Finished => Some(Reason::Unfinished),
        });
        if let Some(what) = decision.moved.clone() {
            reasons.push(Reason::Moved { what });
        }
        for path in &decision.fields {
            let place = resource.place(sources, path);
            reasons.push(match decision.desired.at(path) {
                _ if decision.drifted.contains(path) => Reason::Drifted { path: path.clone() },
                Some(desired) if desired.has_unknown() => Reason::Reads { path: path.clone(), place },
                _ => Reason::Edited { path: path.clone(), place },
            });
        }
        if reasons.is_empty() && decision.fields.is_empty() {
            reasons.extend(self.parts_change(&resource.address));
        }
        reasons.extend(decision.immutable.iter().map(|path| Reason::Immutable { path: path.clone() }));
        let is_new = matches!(decision.verdict, Verdict::Create | Verdict::Replace);
        reasons.extend((is_new && resource.validate.is_some()).then_some(Reason::Checked));
        reasons
    }
}
