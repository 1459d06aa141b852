//! What may not happen: a protected resource replaced, two objects of one name.

use super::Builder;
use crate::blueprint::Resource;
use crate::diagnostic::Diagnostic;
use crate::plan::decide::{Decision, Verdict};
use crate::plan::operations::Planned;
use crate::plan::{Action, Order, Reason, Refusal};
use crate::provider::{Identity, Manager};
use trueup_state::{FieldPath, Value};

impl Builder<'_> {
    /// Refuses what protection forbids, and remembers what can't have two objects of one name.
    pub(super) fn protect(&mut self, resource: &Resource, decision: &Decision, manager: &dyn Manager) {
        if decision.verdict != Verdict::Replace {
            return;
        }
        let protected = self.record(&resource.address).is_some_and(|record| record.declared.protect);
        if protected || resource.protect {
            self.plan.refusals.push(Refusal {
                address: resource.address.clone(),
                message: format!("{} is protected, and this would replace it", resource.address),
                help: if self.is_asked(&resource.address, decision) {
                    "apply `protect: false` first, or don't ask for its replacement".to_owned()
                } else {
                    "apply `protect: false` first, or leave the fields that need a new object as they are".to_owned()
                },
                source: self.input.program.sources.place(resource.span),
            });
        }
        let name = FieldPath::parse("name");
        let named = decision.desired.at(&name).filter(|name| **name != Value::Null);
        let same = named.is_some_and(|named| decision.base.at(&name).is_some_and(|base| base.same(named)));
        if same && manager.is_alone_of_its_name() {
            self.keeps_name.insert(resource.address.clone(), resource.span_of(&name));
        }
        // A cloud's own kind may have its name in fields of its own.
        let (before, after) = (manager.identity(&decision.base), manager.identity(&decision.desired));
        if before == after && matches!(after, Identity::Is(_)) {
            self.keeps_name.insert(resource.address.clone(), resource.span_of(&FieldPath::parse("properties")));
        }
    }

    /// Refuses replacements for which there would be two objects of one name at once.
    pub(super) fn check_names(&mut self) {
        let create_first = |planned: &&Planned| planned.change.action == Action::Replace(Order::CreateFirst);
        for planned in self.planned.iter().filter(create_first) {
            let address = &planned.change.address;
            let Some(span) = self.keeps_name.get(address) else { continue };
            let message = format!("{address} can't be replaced create-first under the same name");
            let shared = planned.change.reasons.iter().find_map(|reason| match reason {
                Reason::CreateFirstFor { dependant } => Some(dependant),
                _ => None,
            });
            let help = match shared {
                None => "change its name too, leave it out, or say `replace: destroy_first`".to_owned(),
                Some(dependant) => {
                    format!("change its name too, leave it out, or say `replace: destroy_first` for {dependant}")
                }
            };
            self.problems.push(Diagnostic::error(message).at(*span, "two objects can't both have it").help(help));
        }
    }
}
