//! What can't be compared of a resource.

use std::collections::BTreeSet;

use trueup_state::{Address, FieldPath, Object};

use super::Builder;
use crate::plan::decide::Decision;
use crate::plan::diff::locked_paths;

impl Builder<'_> {
    /// Notes the fields that are sealed for a key that is not here, but for those that differ whatever they hold.
    /// What is made anew, or is left out by `ignore`, is compared with nothing.
    pub(super) fn note_uncompared(
        &mut self,
        address: &Address,
        object: &Object,
        decision: &Decision,
        ignore: &BTreeSet<FieldPath>,
    ) {
        if decision.gone || decision.moved.is_some() {
            return;
        }
        let mut fields = locked_paths(&object.sent);
        fields.extend(locked_paths(&object.seen));
        let is_told = |path: &FieldPath| decision.edited.contains(path) || decision.drifted.contains(path);
        let is_ignored = |path: &FieldPath| ignore.iter().any(|ignored| ignored.covers(path));
        fields.retain(|path| decision.desired.at(path).is_some() && !is_told(path) && !is_ignored(path));
        if !fields.is_empty() {
            self.plan.uncompared.fields.insert(address.clone(), fields);
        }
    }
}
