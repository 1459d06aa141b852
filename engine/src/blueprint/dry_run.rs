//! What every resource reads, and what is wrong with it whatever others become: its spec evaluated with nothing known of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::Address;

use super::alike::Sample;
use super::check::Subject;
use super::expand::{Expander, Room};
use super::expression::unresolved;
use super::world::{Known, World};
use super::{Evaluated, Resource, evaluate};
use crate::diagnostic::{Diagnostic, Span, with_article};

/// Checks the resources, and notes what they read.
pub(super) fn resources(expander: &mut Expander<'_, '_>) {
    let world = Arc::new(World::new(expander.frame.clone(), Arc::<Known>::default()));
    let Expander { rooms, resources, problems, .. } = expander;
    let settings_read = rooms.values().flat_map(|room| room.providers.values()).any(|it| !it.settings.reads.is_empty());
    let mut last = None;
    let mut sample = None;
    let mut found: Vec<(Address, Span, Diagnostic)> = Vec::new();
    for (address, resource) in resources {
        if settings_read {
            resource.reads.extend(read_by_settings(rooms, resource));
        }
        if last.replace(resource.span) != Some(resource.span) {
            found.extend(
                unresolved(&resource.spec, &resource.scope(&world))
                    .into_iter()
                    .map(|problem| (address.clone(), resource.span, problem)),
            );
        }
        let problems = resource_problems(resource, &world, &mut sample);
        found.extend(problems.into_iter().map(|problem| (address.clone(), resource.span, problem)));
    }
    problems.extend(by_instance(found));
}

/// What the settings of a resource's provider read: it depends on that too.
fn read_by_settings(rooms: &BTreeMap<Option<Address>, Room<'_>>, resource: &Resource) -> BTreeSet<Address> {
    let around = std::iter::successors(Some(resource.module.clone()), |inner| inner.as_ref().map(Address::parent));
    let mut rooms = around.filter_map(|module| rooms.get(&module));
    let configured = rooms.find_map(|room| room.providers.get(&resource.provider));
    configured.map(|configured| configured.settings.reads.clone()).unwrap_or_default()
}

/// What is wrong with a resource. `sample`: an instance of which nothing is wrong.
fn resource_problems(resource: &mut Resource, world: &Arc<World>, sample: &mut Option<Sample>) -> Vec<Diagnostic> {
    let scope = resource.scope(world);
    let Evaluated { value, reads, problems: mut found } = evaluate(&resource.spec, &scope);
    resource.reads.extend(reads);
    let Some(schema) = resource.schema.filter(|_| resource.existing.is_none()) else { return found };
    if found.is_empty() && sample.as_ref().is_some_and(|sample| sample.covers(&resource.block, &value)) {
        return found;
    }
    let mut whole = value.clone();
    schema.complete(&mut whole);
    let what = with_article(resource.kind.as_str());
    let subject = Subject { schema, node: &resource.spec, span: resource.span, what };
    found.extend(subject.problems(&whole, &scope));
    if found.is_empty() && resource.each.is_some() {
        *sample = Sample::of(&resource.block, schema, &value);
    }
    found
}

/// What is wrong with several instances of a block alike, in any instances of its module, is said once, with their number.
fn by_instance(found: Vec<(Address, Span, Diagnostic)>) -> Vec<Diagnostic> {
    let mut first: Vec<(Address, Diagnostic, usize)> = Vec::new();
    let mut known: BTreeMap<(Span, String, Option<Span>), usize> = BTreeMap::new();
    for (address, block, problem) in found {
        let span = problem.labels.first().map(|label| label.span);
        let position = *known.entry((block, problem.message.clone(), span)).or_insert(first.len());
        match first.get_mut(position) {
            Some((other, _, more)) => *more += usize::from(*other != address),
            None => first.push((address, problem, 0)),
        }
    }
    let said = |(address, problem, more): (Address, Diagnostic, usize)| {
        let tells = address.key().is_none() && address.parent().is_none();
        match more {
            0 if tells => problem,
            0 => problem.within(address.to_string()),
            more => problem.within(format!("{address} and {more} more")),
        }
    };
    first.into_iter().map(said).collect()
}
