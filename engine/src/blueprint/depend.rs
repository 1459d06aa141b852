//! `depends_on`, and what waits for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trueup_state::{Address, Key};

use super::Resource;
use super::expand::Expander;
use super::sight::suggest;
use super::source::Node;
use super::world::{Frame, Instances, Variable};
use crate::diagnostic::{Diagnostic, Span};

/// Resolves what is said of dependencies, once all that can be is expanded.
pub(super) fn resolve(expander: &mut Expander<'_, '_>) {
    for (module, file) in expander.rooms.iter().map(|(address, room)| (address.clone(), room.file)).collect::<Vec<_>>()
    {
        let before = expander.problems.len();
        let parts = &expander.files[file];
        for call in &parts.modules {
            let found = entries(&call.depends_on, module.as_ref(), expander);
            let call = inside(module.as_ref(), &call.name.text);
            if !found.is_empty() {
                let below =
                    expander.rooms.iter_mut().filter(|(room, _)| room.as_ref().is_some_and(|room| room.is_in(&call)));
                below.for_each(|(_, room)| room.depends_on.extend(found.iter().cloned()));
            }
        }
        let around = expander.rooms[&module].depends_on.clone();
        for block in &parts.resources {
            let mut found = entries(&block.depends_on, module.as_ref(), expander);
            found.extend(around.iter().cloned());
            if !found.is_empty() {
                depend(&inside(module.as_ref(), &block.name.text), found, expander);
            }
        }
        expander.in_module(before, module.as_ref());
    }
}

fn inside(module: Option<&Address>, name: &str) -> Address {
    module.map_or_else(|| Address::root(name), |module| module.child(name))
}

fn depend(address: &Address, found: BTreeSet<Address>, expander: &mut Expander<'_, '_>) {
    let found = Arc::new(found);
    let keys: Vec<Key> = match expander.frame.block(address) {
        Some(Instances::Keyed(keys)) => keys.to_vec(),
        _ => Vec::new(),
    };
    for address in keys.into_iter().map(|key| address.with_key(key)).chain([address.clone()]) {
        if let Some(resource) = expander.resources.get_mut(&address) {
            resource.depends_on = found.clone();
        }
    }
}

fn entries(texts: &[(&str, Span)], module: Option<&Address>, expander: &mut Expander<'_, '_>) -> BTreeSet<Address> {
    let mut found = BTreeSet::new();
    for (text, span) in texts {
        match dependency(text, module, &expander.frame) {
            Ok(address) => found.extend(address),
            Err((message, label, help)) => {
                expander.problems.push(Diagnostic::error(message).at(*span, label).help(help));
            }
        }
    }
    found
}

/// What an entry names; nothing where that is not there. Where it names nothing: what is wrong, what to say at its place, and what
/// to do.
fn dependency(
    text: &str,
    module: Option<&Address>,
    frame: &Frame,
) -> Result<Option<Address>, (String, &'static str, String)> {
    const ENTRY: &str = "this entry";
    let (name, is_module) = text.strip_prefix("module.").map_or((text, false), |name| (name, true));
    let named = name.parse::<Address>().ok().filter(|address| address.segments().len() == 1);
    let Some(named) = named else {
        let help = "write the name alone, one instance: `trainer[\"a\"]`, or a module: `module.eval`";
        return Err((format!("`{text}` is no resource's name"), ENTRY, help.to_owned()));
    };
    let block = inside(module, named.name());
    let instances = if is_module { frame.call(&block) } else { frame.block(&block) };
    let what = if is_module { "module" } else { "resource" };
    let Some(instances) = instances else {
        let help = match frame.call(&block) {
            Some(_) if !is_module => format!("it is a module: write `module.{text}`"),
            _ if text.split('.').any(|part| frame.block(&inside(module, part)).is_some()) => {
                let name = text.split('.').find(|part| frame.block(&inside(module, part)).is_some());
                format!("write the name alone: `{}`", name.unwrap_or_default())
            }
            _ => suggest(named.name(), &frame.names(module, is_module), "there are", &format!("there are no {what}s")),
        };
        let label = if is_module { "no module has this name" } else { "no resource has this name" };
        return Err((format!("there is no {what} `{}`", named.block()), label, help));
    };
    match (named.key(), instances) {
        (None, Instances::Absent) => Ok(None),
        (Some(key), Instances::Keyed(keys)) if !keys.contains(key) => {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            let help = suggest(&key.to_string(), &keys, "its keys are", "its `for_each` is empty");
            Err((format!("`{}` has no instance {key}", named.block()), ENTRY, help))
        }
        (Some(_), Instances::One | Instances::Absent) => {
            let message = format!("`{}` has no instances: it has no `for_each`", named.block());
            Err((message, ENTRY, format!("write `{}`", text.split('[').next().unwrap_or(text))))
        }
        (Some(key), _) => Ok(Some(block.with_key(key.clone()))),
        (None, _) => Ok(Some(block)),
    }
}

/// Where a resource depends on another, or on a whole block, and in what words: in its own spec, through the inputs of its module, or
/// through the settings of its provider.
pub(super) fn place(resource: &Resource, other: &Address, frame: &Frame, settings: Option<&Node>) -> (Span, String) {
    if let Some(place) = resource.place_of_read(other) {
        return (place, format!("reads `{other}`"));
    }
    if let Some((place, module)) = place_in_inputs(resource, other, frame) {
        return (place, format!("reads `{other}` by this input of `{module}`"));
    }
    if let Some(place) = settings.and_then(|node| node.place_of_read(other)) {
        return (place, format!("reads `{other}` by the settings of its provider"));
    }
    let how = if resource.reads.contains(other) { "reads" } else { "is said to depend on" };
    (resource.span, format!("{how} `{other}`"))
}

/// The input of a module around a resource that names another resource, or the module that this stands in.
fn place_in_inputs(resource: &Resource, other: &Address, frame: &Frame) -> Option<(Span, Address)> {
    let around = std::iter::successors(resource.module.clone(), Address::parent);
    around.filter(|module| !other.is_in(module)).find_map(|module| {
        let outside = module.segments().len() - 1;
        let name = &other.segments().get(outside)?.name;
        let named = |node: &Node| {
            if other.segments().len() == outside + 1 { node.place_of_root(name) } else { node.place_of_module(name) }
        };
        let inputs = frame.module(Some(&module))?.variables.values();
        let mut places = inputs.filter_map(|variable| match variable {
            Variable::Input(input) => named(&input.node),
            Variable::Given(_) => None,
        });
        places.next().map(|place| (place, module.clone()))
    })
}

/// The circles among blocks and modules of which each must be expanded before the other. `waits`: what each reads that is not
/// expanded, and where.
pub(super) fn circles(
    waits: &BTreeMap<Address, (BTreeSet<Address>, Span)>,
    left: &BTreeSet<Address>,
) -> Vec<Diagnostic> {
    let mut told: BTreeSet<&Address> = BTreeSet::new();
    let mut problems = Vec::new();
    for start in waits.keys() {
        let mut way: Vec<&Address> = vec![start];
        while let Some(next) = way
            .last()
            .and_then(|last| waits.get(*last))
            .and_then(|(reads, _)| reads.iter().find(|read| left.contains(*read)))
        {
            if told.contains(next) {
                break;
            }
            if let Some(first) = way.iter().position(|before| *before == next) {
                problems.push(circle(&way[first..], waits));
                told.extend(&way[first..]);
                break;
            }
            way.push(next);
        }
        told.extend(way);
    }
    problems
}

fn circle(ring: &[&Address], waits: &BTreeMap<Address, (BTreeSet<Address>, Span)>) -> Diagnostic {
    const MOST: usize = 10;
    let more = ring.len().saturating_sub(MOST);
    let more = (more > 0).then(|| format!("{more} more"));
    let names = ring.iter().take(MOST).map(ToString::to_string).chain(more);
    let names: Vec<String> = names.chain(ring.first().map(ToString::to_string)).collect();
    let mut problem = match ring {
        [one] => Diagnostic::error(format!("`{one}` reads itself to tell how often it is there")),
        _ => Diagnostic::error(format!("how often each is there depends on the other: {}", names.join(" -> "))),
    };
    for (address, next) in ring.iter().zip(ring.iter().skip(1).chain(ring.first())).take(MOST) {
        if let Some((_, span)) = waits.get(*address) {
            problem = problem.at(*span, format!("`{address}` reads `{next}`"));
        }
    }
    problem.help("take one of these reads out: use a variable for what both need")
}
