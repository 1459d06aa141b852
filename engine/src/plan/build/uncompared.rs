//! What can't be compared of a resource.

use trueup_state::{Address, FieldPath, Object};

use super::Builder;
use crate::plan::decide::Decision;
use crate::plan::diff::locked_paths;

impl Builder<'_> {
    /// Notes the fields that are sealed for a key that is not here, but for those that differ whatever they hold.
    pub(super) fn note_uncompared(&mut self, address: &Address, object: &Object, decision: &Decision) {
        let mut fields = locked_paths(&object.sent);
        fields.extend(locked_paths(&object.seen));
        let is_told = |path: &FieldPath| decision.edited.contains(path) || decision.drifted.contains(path);
        fields.retain(|path| decision.desired.at(path).is_some() && !is_told(path));
        if !fields.is_empty() {
            self.plan.uncompared.fields.insert(address.clone(), fields);
        }
    }
}
