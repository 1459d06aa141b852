//! What a correction leaves out: only what drifted is put right, and what reads it follows.

use super::Builder;
use crate::blueprint::Resource;
use crate::digest::has_digest;
use crate::plan::decide::{Decision, Verdict, Wanted, decide};
use crate::plan::{diff, first_in};
use crate::provider::{Manager, Observation};
use trueup_state::{FieldPath, Record, Value};

impl Builder<'_> {
    /// In a correction: only what drifted is put right, and what reads it follows; edits wait for an apply.
    pub(super) fn only_drift(
        &mut self,
        resource: &Resource,
        wanted: &Wanted,
        record: Option<&Record>,
        observation: Option<&Observation>,
        decision: Decision,
        manager: &dyn Manager,
    ) -> Decision {
        let follows = wanted.declared.dependencies.iter().any(|needed| first_in(&self.changing, needed).is_some());
        let Some(object) = record.and_then(|record| record.current.as_ref()) else {
            return self.wait_for_apply(resource, decision, "it is not applied yet");
        };
        // Attributes that changed by themselves are no edit.
        let only_seen = decision.record.as_deref() == Some("attributes") && decision.verdict == Verdict::Record;
        if decision.gone || only_seen || decision.verdict == Verdict::None {
            return decision;
        }
        if decision.drifted.is_empty() && !follows {
            let message = match decision.verdict {
                Verdict::Check => "its check has not passed yet; `trueup apply` checks again",
                _ => "its edits are not applied yet",
            };
            return self.wait_for_apply(resource, decision, message);
        }
        let reads = |path: &FieldPath, spec: &Value| follows && spec.at(path).is_some_and(Value::has_unknown);
        let allowed = |path: &FieldPath| {
            wanted.declared.correct.as_ref().is_none_or(|paths| paths.iter().any(|allowed| allowed.covers(path)))
        };
        let mut wanted = wanted.clone();
        let edited = decision.edited.iter().filter(|path| !decision.drifted.contains(*path));
        for path in edited.filter(|path| !reads(path, &decision.desired)) {
            if object.sent.at(path).is_some_and(has_digest) {
                let message = format!("{path} was edited, and what it was is not kept: `trueup apply` sets both right");
                return self.wait_for_apply(resource, decision, &message);
            }
            diff::set(&mut wanted.spec, path, object.sent.at(path));
            self.notice(&resource.address, format!("{path} was edited, and waits for an apply"));
        }
        for path in decision.drifted.iter().filter(|path| !allowed(path)) {
            diff::set(&mut wanted.spec, path, decision.observed.at(path));
            self.notice(&resource.address, format!("{path} drifted, and `drift` does not let it be corrected"));
        }
        let drifted = decision.drifted;
        let mut decision = decide(&wanted, record, observation, manager);
        decision.drifted = drifted;
        match decision.verdict {
            Verdict::Replace
                if decision.immutable.is_empty()
                    || !decision.immutable.iter().all(|path| reads(path, &decision.desired)) =>
            {
                self.wait_for_apply(resource, decision, "to correct it, it must be replaced: `trueup apply` does that")
            }
            // What may not be corrected stays drift: the record is not bent to it.
            Verdict::Record => Decision { verdict: Verdict::None, ..decision },
            _ => decision,
        }
    }

    fn wait_for_apply(&mut self, resource: &Resource, decision: Decision, message: &str) -> Decision {
        self.notice(&resource.address, message);
        Decision { verdict: Verdict::None, ..decision }
    }
}
