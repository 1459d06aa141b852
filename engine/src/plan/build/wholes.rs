//! What is depended on as a whole: the same things may be said in other words, such as after a move.

use std::collections::BTreeSet;

use super::Builder;
use trueup_state::Address;

/// So many things are compared; larger wholes are told apart by their words.
const MOST: usize = 64;

impl Builder<'_> {
    /// Says dependencies as they are recorded, where they are on the same things: a module of one resource is that resource, and that
    /// alone is nothing to be written.
    pub(super) fn in_the_same_words(&self, dependencies: &mut BTreeSet<Address>, recorded: &BTreeSet<Address>) {
        if dependencies == recorded {
            return;
        }
        let things = self.things(dependencies);
        if things.len() <= MOST && things == self.things(recorded) {
            dependencies.clone_from(recorded);
        }
    }

    /// What dependencies are on, declared or recorded, and no more of it than tells that it is too much.
    fn things(&self, dependencies: &BTreeSet<Address>) -> BTreeSet<Address> {
        let mut things = BTreeSet::new();
        for whole in dependencies {
            let is_inside = |address: &&Address| address.is_in(whole);
            let declared = self.input.program.resources.range(whole..).map(|(address, _)| address);
            things.extend(declared.take_while(is_inside).take(MOST + 1).cloned());
            let recorded = self.input.state.into_iter().flat_map(|state| state.records.range(whole..));
            things.extend(recorded.map(|(address, _)| address).take_while(is_inside).take(MOST + 1).cloned());
            // No part is declared, and it may be yet to be made.
            if self.is_part(whole) {
                things.insert(whole.clone());
            }
            if things.len() > MOST {
                break;
            }
        }
        things
    }
}
