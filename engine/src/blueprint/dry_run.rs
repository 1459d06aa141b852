//! What every resource reads, and what is wrong with it whatever others become: its spec evaluated with nothing known of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::{Address, ProviderName};

use super::alike::Sample;
use super::check::Subject;
use super::expand::{Expander, Room};
use super::expression::unresolved;
use super::schema::META;
use super::world::{Known, World};
use super::{Block, Evaluated, Resource, evaluate};
use crate::desired::override_fields;
use crate::diagnostic::{Diagnostic, Sources, Span, with_article};

/// How many resources a thread of its own is worth.
const PART: usize = 5_000;

/// Something wrong with a resource, and the place of its block.
type Found = (Address, Span, Diagnostic);

/// Checks the resources, and notes what they read.
pub(super) fn resources(expander: &mut Expander<'_, '_>) {
    let world = Arc::new(World::new(expander.frame.clone(), Arc::<Known>::default()));
    let Expander { blueprint, rooms, resources, problems, .. } = expander;
    if rooms.values().flat_map(|room| room.providers.values()).any(|configured| !configured.settings.reads.is_empty()) {
        for resource in resources.values_mut() {
            resource.reads.extend(read_by_settings(rooms, resource));
        }
    }
    let sources = &blueprint.sources;
    let mut found = unresolved_names(resources, &world);
    let mut all: Vec<&mut Resource> = resources.values_mut().collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(all.len().div_ceil(PART)).max(1);
    let part = all.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let check = |part| scope.spawn(|| check_part(part, &world, sources));
        let parts: Vec<_> = all.chunks_mut(part).map(check).collect();
        for part in parts {
            found.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    problems.extend(by_instance(found));
}

/// The names that lead nowhere, looked for in one instance of each block.
fn unresolved_names(resources: &BTreeMap<Address, Resource>, world: &Arc<World>) -> Vec<Found> {
    let mut last: Option<&Arc<Block>> = None;
    let mut found = Vec::new();
    for (address, resource) in resources {
        if last.replace(&resource.block).is_some_and(|last| Arc::ptr_eq(last, &resource.block)) {
            continue;
        }
        let problems = unresolved(&resource.spec, &resource.scope(world)).into_iter();
        let problems = problems.map(|problem| with_inputs(problem, resource, world));
        found.extend(problems.map(|problem| (address.clone(), resource.span, problem)));
    }
    found
}

fn check_part(part: &mut [&mut Resource], world: &Arc<World>, sources: &Sources) -> Vec<Found> {
    let mut sample = None;
    let mut found = Vec::new();
    for resource in part {
        let problems = resource_problems(resource, world, sources, &mut sample).into_iter();
        let problems = problems.map(|problem| with_inputs(problem, resource, world));
        found.extend(problems.map(|problem| (resource.address.clone(), resource.span, problem)));
    }
    found
}

/// What is wrong with a resource of a module, and where the module was given what is read at its place: that may be the fault.
fn with_inputs(mut problem: Diagnostic, resource: &Resource, world: &Arc<World>) -> Diagnostic {
    let module = resource.module.as_ref().and_then(|module| world.frame().module(Some(module)));
    let (Some(module), Some(at)) = (module, problem.labels.first().map(|label| label.span)) else { return problem };
    let mut read = BTreeSet::new();
    resource.spec.templates(&mut |template| {
        let there =
            template.expressions().filter(|compiled| compiled.span.start < at.end && at.start < compiled.span.end);
        read.extend(there.flat_map(super::template::Compiled::variables));
    });
    for name in read {
        if let Some(given) = module.given.get(name) {
            problem = problem.at(*given, format!("`var.{name}` is given here"));
        }
    }
    problem
}

/// What the settings of a resource's providers read: it depends on that too.
fn read_by_settings(rooms: &BTreeMap<Option<Address>, Room<'_>>, resource: &Resource) -> BTreeSet<Address> {
    let around = || std::iter::successors(Some(resource.module.clone()), |inner| inner.as_ref().map(Address::parent));
    let configured = |provider: &ProviderName| {
        around().filter_map(|module| rooms.get(&module)).find_map(|room| room.providers.get(provider))
    };
    let candidates = resource.candidates.iter().map(|candidate| &candidate.provider);
    let all = candidates.chain([&resource.provider]).filter_map(configured);
    all.flat_map(|configured| configured.settings.reads.iter().cloned()).collect()
}

/// What is wrong with a resource. `sample`: an instance of which nothing is wrong.
fn resource_problems(
    resource: &mut Resource,
    world: &Arc<World>,
    sources: &Sources,
    sample: &mut Option<Sample>,
) -> Vec<Diagnostic> {
    let scope = resource.scope(world);
    let Evaluated { value, reads, problems: mut found } = evaluate(&resource.spec, &scope);
    resource.reads.extend(reads);
    let Some(schema) = resource.schema.filter(|_| resource.existing.is_none()) else { return found };
    if found.is_empty() && sample.as_ref().is_some_and(|sample| sample.covers(&resource.block, &value)) {
        return found;
    }
    let mut whole = value.clone();
    // What each place says itself need not be said for all: the others were checked where they stand.
    override_fields(&mut whole, resource.candidates.first(), schema);
    schema.complete(&mut whole);
    let what = with_article(resource.kind.as_str());
    let subject = Subject { schema, node: &resource.spec, span: resource.span, what, general: &META, sources };
    found.extend(subject.problems(&whole, &scope));
    if found.is_empty() && resource.each.is_some() {
        *sample = Sample::of(&resource.block, schema, &value);
    }
    found
}

/// What is wrong with several instances of a block alike, in any instances of its module, is said once, with their number.
fn by_instance(found: Vec<Found>) -> Vec<Diagnostic> {
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
