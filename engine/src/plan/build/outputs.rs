//! What becomes of the outputs.

use std::collections::{BTreeMap, BTreeSet};

use super::Builder;
use crate::blueprint::{Output, Scope as Seeing, evaluate};
use crate::plan::diff::differ;
use crate::plan::{Mode, OutputChange};
use trueup_state::{Address, Value};

impl Builder<'_> {
    /// The outputs that change. One that reads what is left out keeps what it was; of what goes only in part, those go that read it.
    pub(super) fn outputs(&mut self) {
        let none = BTreeMap::new();
        let before = self.input.state.map_or(&none, |state| &state.outputs);
        let after = match self.input.mode {
            Mode::Destroy => self.outputs_that_stay(before),
            Mode::Apply | Mode::Correct => self.outputs_then(before),
        };
        if self.input.mode == Mode::Correct && self.changing.is_empty() {
            return;
        }
        for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (before.get(name).cloned(), after.get(name).cloned());
            let differs = differ(before.as_ref(), after.as_ref());
            if !differs && before.as_ref().is_some_and(Value::has_locked) && self.input.mode == Mode::Apply {
                self.plan.uncompared.outputs.insert(name.clone());
            }
            if differs {
                self.plan.outputs.insert(name.clone(), OutputChange { before, after });
            }
        }
    }

    fn outputs_then(&mut self, before: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        let left_out: BTreeSet<Address> = self.plan.part.left_out.iter().map(|left| left.address.clone()).collect();
        let mut after = BTreeMap::new();
        for (name, output) in &self.input.program.outputs {
            let (value, reads) = self.output(output);
            if !reads.iter().any(|read| touches(&left_out, read)) {
                after.insert(name.clone(), value);
                continue;
            }
            self.plan.part.outputs.insert(name.clone());
            if let Some(value) = before.get(name) {
                after.insert(name.clone(), value.clone());
            }
        }
        after
    }

    /// What stays of the outputs where things are deleted: of a whole stack nothing, of a part what reads nothing that goes.
    fn outputs_that_stay(&mut self, before: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        if !self.plan.part.is_partial() {
            return BTreeMap::new();
        }
        let going: BTreeSet<Address> =
            self.planned.iter().filter(|one| one.verdict.is_none()).map(|one| one.change.address.clone()).collect();
        let program = self.input.program;
        let mut after = before.clone();
        after.retain(|name, _| match program.outputs.get(name) {
            Some(output) => {
                let (_, reads) = self.output(output);
                !reads.iter().any(|read| touches(&going, read))
            }
            None => true,
        });
        self.plan.part.outputs.extend(after.keys().cloned());
        after
    }

    /// An output as the plan leaves it, and what it reads.
    fn output(&mut self, output: &Output) -> (Value, BTreeSet<Address>) {
        let seeing = Seeing { world: self.world.clone(), module: None, each: None };
        let evaluated = evaluate(&output.node, &seeing);
        if self.input.mode != Mode::Destroy {
            self.problems.extend(evaluated.problems);
        }
        (evaluated.value, evaluated.reads)
    }
}

/// Whether something that an expression read is among these: a resource, something in a block or a module, or what it stands in.
fn touches(addresses: &BTreeSet<Address>, read: &Address) -> bool {
    let around = std::iter::successors(Some(read.clone()), Address::parent).flat_map(|one| [one.block(), one]);
    // What stands in a block or a module stands together in the order of addresses.
    let inside = addresses.range(read..).next().is_some_and(|address| address.is_in(read));
    inside || around.into_iter().any(|one| addresses.contains(&one))
}
