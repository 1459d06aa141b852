//! One thing has one block: two that would have the same name in the same place are no two things.

use trueup_state::{Scope, Value};

use super::super::decide::Wanted;
use super::Builder;
use crate::blueprint::Resource;
use crate::diagnostic::Diagnostic;
use crate::provider::{Identity, Manager};

impl Builder<'_> {
    /// Refuses two resources that would be one thing: what one of them says of it, the other would undo.
    pub(super) fn named_once(&mut self, resource: &Resource, wanted: &Wanted, manager: &dyn Manager) {
        let name = match manager.identity(&wanted.spec) {
            Identity::Is(name) => name,
            Identity::Name if manager.is_alone_of_its_name() => match wanted.spec.get("name") {
                Some(Value::String(name)) => name.clone(),
                _ => return,
            },
            _ => return,
        };
        let place = Scope { provider: wanted.scope.provider.provider().into(), ..wanted.scope.clone() };
        let first =
            self.names.entry((place, wanted.kind.clone(), name.clone())).or_insert_with(|| resource.address.clone());
        if *first != resource.address {
            let message = format!("{first} and {} are both the {} `{name}`", resource.address, wanted.kind);
            let help = "one thing has one block; another block reads it, or has another name";
            self.problems.push(Diagnostic::error(message).at(resource.span, "the second one").help(help));
        }
    }
}
