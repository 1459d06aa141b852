//! From a module where it is used to what stands in it.

use std::collections::BTreeSet;

use trueup_state::Address;

use super::expand::{Expander, MAX_MODULES, Stop};
use super::schema::Call;
use super::variables;
use super::world::{Instances, Module, Scope};

impl<'a> Expander<'a, '_> {
    /// Expands a module: each of its instances is entered.
    pub(super) fn call(&mut self, address: &Address, call: &'a Call<'a>) -> Result<(), Stop> {
        let outside = self.scope(address.parent());
        let around = &self.rooms[&outside.module];
        let (source, around) = (around.file, around.depends_on.clone());
        let Some(file) = self.blueprint.trees[source].modules.get(&call.name.text).copied() else {
            // It could not be read, which was reported.
            return Err(Stop::Wrong);
        };
        let mut reads = BTreeSet::new();
        let mut present = Vec::new();
        for each in self.instances(call.for_each, &outside, &mut reads)? {
            let scope = Scope { each, ..outside.clone() };
            if self.holds(call.when, &scope, "`when`", true, &mut reads)? {
                present.push(scope);
            }
        }
        drop(outside);
        if self.rooms.len() + present.len() > MAX_MODULES {
            return Err(self.too_many(call.name.span, MAX_MODULES, "instances of modules"));
        }
        let keys: Vec<_> = present.iter().filter_map(|scope| Some(scope.each.as_ref()?.key.clone())).collect();
        let instances = match (call.for_each.is_some(), present.is_empty()) {
            (true, _) => Instances::Keyed(keys.into()),
            (false, true) => Instances::Absent,
            (false, false) => Instances::One,
        };
        reads.extend(around);
        for scope in present {
            let module = scope.each.as_ref().map_or_else(|| address.clone(), |each| address.with_key(each.key.clone()));
            let parts = &self.files[file];
            let before = self.problems.len();
            let variables =
                variables::of_module(&parts.variables, &parts.broken.variables, call, &scope, self.problems);
            if scope.each.is_some() {
                self.in_module(before, Some(&module));
            }
            let each = scope.each.clone();
            drop(scope);
            let given = call.inputs.iter().map(|(name, node)| (name.text.clone(), node.span)).collect();
            self.enter(Some(module), file, Module { variables, given, each, ..Module::default() }, &reads);
        }
        self.frame().set_call(address.clone(), instances);
        Ok(())
    }
}
