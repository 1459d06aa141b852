//! From files to resources: variables, modules, `for_each`.
//!
//! What decides which resources there are may read others: their number, or what is known of them. So blocks and modules are
//! expanded in rounds, each as soon as what it reads is; what only apply can tell is deferred to a further phase.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use trueup_state::{Address, Map, ProviderName, Value};

use super::files::{self, Blueprint};
use super::providers::Configured;
use super::schema::{self, Block, Call, File};
use super::source::Node;
use super::world::{Frame, Instances, Known, Module, Scope, Variable, World};
use super::{
    Catalog, Deferral, Inputs, Loader, Output, Program, Resource, depend, dry_run, evaluate, moved, variables,
};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span};
use crate::graph::Graph;

/// Loads a blueprint: reads, checks and expands it. Every error of its files comes in one report.
pub fn load(path: &Path, inputs: &Inputs, loader: &dyn Loader, catalog: &Arc<Catalog>) -> Result<Program, Diagnostics> {
    let mut problems = Vec::new();
    let (sources, trees) = files::read(path, inputs, loader, &mut problems);
    let blueprint = trees.map(|trees| {
        let (sources, inputs) = (sources.clone(), inputs.clone());
        Arc::new(Blueprint { sources, trees, inputs, catalog: catalog.clone() })
    });
    let program = blueprint.and_then(|blueprint| expand(&blueprint, Arc::default(), &mut problems));
    finish(program, problems, sources)
}

/// Loads a blueprint as [`load`] does, and says besides what is wrong with it in its other environments.
pub fn load_every(
    path: &Path,
    inputs: &Inputs,
    loader: &dyn Loader,
    catalog: &Arc<Catalog>,
) -> Result<Program, Diagnostics> {
    let result = load(path, inputs, loader, catalog);
    let sources = result.as_ref().map_or_else(|errors| &errors.sources, |program| &program.sources);
    let names = sources.0.first().map(|own| files::environments(&own.text)).unwrap_or_default();
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| inputs.environment.as_ref() != Some(name)) {
        let other = Inputs { environment: Some(name.clone()), ..inputs.clone() };
        let Err(errors) = load(path, &other, loader, catalog) else { continue };
        let here = |problem: &Diagnostic| {
            let mut files = problem.labels.iter().map(|label| label.span.file);
            files.all(|file| {
                sources.get(file).map(|source| &source.path) == errors.sources.get(file).map(|source| &source.path)
            })
        };
        let problems = errors.list.iter().filter(|problem| here(problem)).cloned();
        found.extend(problems.map(|mut problem| {
            let inner = problem.context.take().map_or(String::new(), |inner| format!(", {inner}"));
            problem.within(format!("environment {name}{inner}"))
        }));
    }
    match result {
        Ok(program) if found.is_empty() => Ok(program),
        Ok(Program { sources, warnings: mut list, .. }) | Err(Diagnostics { sources, mut list }) => {
            let known = |found: &Diagnostic| {
                list.iter().any(|other| other.message == found.message && other.labels == found.labels)
            };
            found.retain(|found| !known(found));
            list.extend(found);
            order(&mut list);
            Err(Diagnostics { sources, list })
        }
    }
}

impl Program {
    /// The same blueprint with more known of its resources, so that what waited for that can be expanded.
    pub fn with_known(&self, known: Known) -> Result<Program, Diagnostics> {
        let mut problems = Vec::new();
        let program = expand(&self.blueprint, Arc::new(known), &mut problems);
        finish(program, problems, self.sources.clone())
    }
}

fn finish(
    program: Option<Program>,
    mut problems: Vec<Diagnostic>,
    sources: crate::diagnostic::Sources,
) -> Result<Program, Diagnostics> {
    order(&mut problems);
    match program {
        Some(program) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
            Ok(Program { warnings: problems, ..program })
        }
        _ => Err(Diagnostics { sources, list: problems }),
    }
}

/// By place, each once; what has no place comes first. What is wrong in several instances of a module is told of the first, with
/// the number of the others.
fn order(problems: &mut Vec<Diagnostic>) {
    let place = |problem: &Diagnostic| problem.labels.first().map(|label| label.span);
    problems.sort_by_key(place);
    let mut kept: Vec<(Diagnostic, BTreeSet<String>)> = Vec::new();
    for problem in problems.drain(..) {
        // Places are in order, so what is the same is near.
        let near = kept.iter_mut().rev().take_while(|(other, _)| place(other) == place(&problem));
        let mut same = near.filter(|(other, _)| other.message == problem.message && other.labels == problem.labels);
        if let Some((first, others)) = same.next() {
            others.extend(problem.context.filter(|context| !is_of(context, first.context.as_deref())));
        } else {
            kept.push((problem, BTreeSet::new()));
        }
    }
    let told = |(mut problem, others): (Diagnostic, BTreeSet<String>)| {
        if let (Some(context), false) = (&mut problem.context, others.is_empty()) {
            context.push_str(&format!(" and {} more", others.len()));
        }
        problem
    };
    problems.extend(kept.into_iter().map(told));
}

/// Whether one context is another, or in it: what is told of a module need not be told of what stands in it.
fn is_of(context: &str, first: Option<&str>) -> bool {
    let plain = |context: &str| context.trim_start_matches("module ").to_owned();
    first.is_some_and(|first| plain(context).starts_with(&plain(first)))
}

fn expand(blueprint: &Arc<Blueprint>, known: Arc<Known>, problems: &mut Vec<Diagnostic>) -> Option<Program> {
    let files: Vec<File<'_>> = blueprint.trees.iter().map(|tree| schema::read(&tree.root, problems)).collect();
    let own = files.first()?;
    let values = variables::resolve(&own.variables, &own.broken.variables, &blueprint.inputs, problems);
    let mut expander = Expander::new(blueprint, &files, known, problems);
    let given = values.iter().map(|(name, value)| (name.clone(), Variable::Given(value.clone()))).collect();
    expander.enter(None, 0, Module { variables: given, ..Module::default() }, &BTreeSet::new());
    expander.rounds();
    expander.inputs();
    expander.settings();
    expander.outputs();
    depend::resolve(&mut expander);
    dry_run::resources(&mut expander);
    let Expander { frame, known, rooms, resources, deferred, early, problems, .. } = expander;
    let moves = moved::moves(&files, &rooms, &frame, problems);
    let rooms: BTreeMap<Option<Address>, super::Room> =
        rooms.into_iter().map(|(address, room)| (address, room.into_parts())).collect();
    let place = |resource: &Resource, other: &Address| {
        let settings =
            super::settings_of(&rooms, resource, &resource.provider).and_then(|settings| settings.node.clone());
        depend::place(resource, other, &frame, settings.as_deref())
    };
    let graph = Graph::link(&resources, &frame, &blueprint.sources, &place);
    let graph = graph.map_err(|cycles| problems.extend(cycles.list)).ok()?;
    let outputs = own.outputs.iter();
    let output = |(name, node): &(&super::source::Name, &Node)| {
        (name.text.clone(), Output { node: Arc::new((*node).clone()), span: name.span })
    };
    Some(Program {
        name: own.name.clone(),
        description: own.description.clone(),
        environment: blueprint.inputs.environment.clone().unwrap_or_else(|| "default".to_owned()),
        sources: blueprint.sources.clone(),
        variables: values,
        rooms,
        resources: Arc::new(resources),
        graph: Arc::new(graph),
        outputs: outputs.map(output).collect(),
        moves,
        deferred,
        early,
        warnings: Vec::new(),
        frame,
        known,
        blueprint: blueprint.clone(),
    })
}

/// The most resources that a blueprint may come to.
pub(super) const MAX_RESOURCES: usize = 250_000;

/// The most instances of modules that a blueprint may come to.
pub(super) const MAX_MODULES: usize = 50_000;

/// What the expansion of a blueprint and its modules reads and writes.
pub(super) struct Expander<'a, 'p> {
    pub(super) blueprint: &'a Blueprint,
    pub(super) files: &'a [File<'a>],
    pub(super) frame: Arc<Frame>,
    pub(super) known: Arc<Known>,
    /// The blueprint and each instance of each module.
    pub(super) rooms: BTreeMap<Option<Address>, Room<'a>>,
    pub(super) resources: BTreeMap<Address, Resource>,
    pub(super) deferred: BTreeMap<Address, Deferral>,
    /// The resources, or blocks as a whole, that were read to tell which resources there are.
    pub(super) early: BTreeSet<Address>,
    pub(super) problems: &'p mut Vec<Diagnostic>,
    /// What is yet to be expanded.
    tasks: BTreeMap<Address, Task<'a>>,
    /// What of that may be expanded by now.
    ready: BTreeSet<Address>,
}

/// An instance of a module, or the blueprint itself.
pub(super) struct Room<'a> {
    pub(super) file: usize,
    pub(super) tags: Map,
    pub(super) providers: BTreeMap<ProviderName, Configured<'a>>,
    /// What all that stands in it depends on.
    pub(super) depends_on: BTreeSet<Address>,
}

impl Room<'_> {
    fn into_parts(self) -> super::Room {
        let settings = self.providers.into_iter().map(|(name, configured)| (name, configured.settings));
        super::Room { tags: self.tags, providers: settings.collect() }
    }
}

#[derive(Clone, Copy)]
enum Task<'a> {
    Block(&'a Block<'a>),
    Call(&'a Call<'a>),
}

/// Why something can't be expanded.
pub(super) enum Stop {
    /// Something is wrong, and was reported.
    Wrong,
    /// It reads what is not known.
    Waits {
        /// Which resources, blocks or modules.
        reads: BTreeSet<Address>,
        /// What reads them: `for_each`.
        what: String,
        /// Where.
        span: Span,
    },
}

impl<'a, 'p> Expander<'a, 'p> {
    fn new(
        blueprint: &'a Blueprint,
        files: &'a [File<'a>],
        known: Arc<Known>,
        problems: &'p mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            blueprint,
            files,
            frame: Arc::default(),
            known,
            rooms: BTreeMap::new(),
            resources: BTreeMap::new(),
            deferred: BTreeMap::new(),
            early: BTreeSet::new(),
            problems,
            tasks: BTreeMap::new(),
            ready: BTreeSet::new(),
        }
    }

    /// What is seen so far from a module.
    pub(super) fn scope(&self, module: Option<Address>) -> Scope {
        Scope::of_module(&Arc::new(World::new(self.frame.clone(), self.known.clone())), module)
    }

    /// The names of the frame, to add to them. No scope of this expander may be alive: else all names are copied.
    pub(super) fn frame(&mut self) -> &mut Frame {
        Arc::make_mut(&mut self.frame)
    }

    /// Begins with the blueprint itself or an instance of a module: what is in it is named, and waits to be expanded. `seen`: what its
    /// expressions see of it, its outputs apart.
    pub(super) fn enter(&mut self, module: Option<Address>, file: usize, seen: Module, depends_on: &BTreeSet<Address>) {
        let files = self.files;
        let parts = &files[file];
        let outputs = parts.outputs.iter().map(|(name, node)| (name.text.clone(), Arc::new((*node).clone())));
        let outputs = outputs.collect();
        self.frame().set_module(module.clone(), Module { outputs, ..seen });
        let inside = |name: &str| module.as_ref().map_or_else(|| Address::root(name), |module| module.child(name));
        for block in &parts.resources {
            let address = inside(&block.name.text);
            self.frame().set_place(address.clone(), block.name.span);
            self.frame().name_block(address.clone(), Instances::Unknown);
            self.ready.insert(address.clone());
            self.tasks.insert(address, Task::Block(block));
        }
        for name in &parts.broken.resources {
            self.frame().name_block(inside(name), Instances::One);
        }
        for call in &parts.modules {
            let address = inside(&call.name.text);
            self.frame().set_place(address.clone(), call.name.span);
            self.frame().name_call(address.clone());
            self.ready.insert(address.clone());
            self.tasks.insert(address, Task::Call(call));
        }
        for name in &parts.broken.modules {
            self.frame().name_call(inside(name));
        }
        let providers = self.configured(parts);
        let room = Room { file, tags: Map::new(), providers, depends_on: depends_on.clone() };
        self.rooms.insert(module, room);
    }

    /// Expands what can be, until nothing more can be. What has to wait is tried again once the first of what it waits for is there.
    fn rounds(&mut self) {
        let mut waits: BTreeMap<Address, (BTreeSet<Address>, Span)> = BTreeMap::new();
        let mut waiting: BTreeMap<Address, Vec<Address>> = BTreeMap::new();
        while let Some(address) = self.ready.pop_first() {
            let Some(task) = self.tasks.get(&address).copied() else { continue };
            if let Some((reads, span)) = self.expand(&address, task) {
                // It has read at least one that is not there.
                if let Some(first) = reads.first() {
                    waiting.entry(first.clone()).or_default().push(address.clone());
                }
                waits.insert(address, (reads, span));
                continue;
            }
            self.tasks.remove(&address);
            waits.remove(&address);
            self.ready.extend(waiting.remove(&address).into_iter().flatten());
        }
        let circles = depend::circles(&waits, &self.tasks.keys().cloned().collect());
        self.problems.extend(circles);
    }

    /// Expands nothing more: what is left is broken, and raises no further problems where it is read.
    pub(super) fn stop(&mut self) {
        self.ready.clear();
        self.tasks.clear();
        self.resources.clear();
    }

    /// Expands a block or a module. What it reads of what is yet to be expanded itself, if it does.
    fn expand(&mut self, address: &Address, task: Task<'a>) -> Option<(BTreeSet<Address>, Span)> {
        let before = self.problems.len();
        let done = match task {
            Task::Block(block) => self.block(address, block),
            Task::Call(call) => self.call(address, call),
        };
        let wait = match done {
            Ok(()) | Err(Stop::Wrong) => None,
            Err(Stop::Waits { reads, what, span }) => {
                let unexpanded: BTreeSet<Address> =
                    reads.iter().map(Address::block).filter(|read| self.tasks.contains_key(read)).collect();
                if unexpanded.is_empty() {
                    self.deferred.insert(address.clone(), Deferral { what, reads, span });
                    None
                } else {
                    // What is said of it now may be only because of that.
                    self.problems.truncate(before);
                    return Some((unexpanded, span));
                }
            }
        };
        self.in_module(before, address.parent().as_ref());
        wait
    }

    /// Says in which module the problems since some number of them are.
    pub(super) fn in_module(&mut self, since: usize, module: Option<&Address>) {
        let Some(module) = module else { return };
        for problem in self.problems.drain(since..).collect::<Vec<_>>() {
            self.problems.push(problem.within(format!("module {module}")));
        }
    }

    /// Evaluates what must be known before resources are. What it reads is added to `reads`.
    pub(super) fn early(
        &mut self,
        node: &Node,
        scope: &Scope,
        what: &str,
        reads: &mut BTreeSet<Address>,
    ) -> Result<Value, Stop> {
        let evaluated = evaluate(node, scope);
        self.early.extend(evaluated.reads.iter().cloned());
        let waits = |reads| Stop::Waits { reads, what: what.to_owned(), span: node.span };
        let unexpanded = evaluated.reads.iter().any(|read| self.tasks.contains_key(&read.block()));
        if unexpanded && (!evaluated.problems.is_empty() || evaluated.value.has_unknown()) {
            return Err(waits(evaluated.reads));
        }
        if !evaluated.problems.is_empty() {
            self.problems.extend(evaluated.problems);
            return Err(Stop::Wrong);
        }
        if evaluated.value.has_unknown() {
            // Without reads it is broken, which was reported.
            return Err(if evaluated.reads.is_empty() { Stop::Wrong } else { waits(evaluated.reads) });
        }
        reads.extend(evaluated.reads);
        Ok(evaluated.value)
    }

    /// Checks the inputs of modules that are evaluated only when they are read.
    fn inputs(&mut self) {
        for address in self.rooms.keys().flatten().cloned().collect::<Vec<_>>() {
            let scope = self.scope(Some(address.clone()));
            let Some(module) = scope.here() else { continue };
            let Some(outside) = scope.of_inputs() else { continue };
            let mut found = Vec::new();
            for (name, variable) in &module.variables {
                if let Variable::Input(input) = variable {
                    found.extend(super::expression::unresolved(&input.node, &outside));
                    let path = super::expression::variable_problems(&scope, name);
                    found.extend(path);
                }
            }
            let context = format!("module {address}");
            self.problems.extend(found.into_iter().map(|problem| problem.within(context.clone())));
        }
    }

    /// Checks the outputs of the blueprint and of its modules.
    fn outputs(&mut self) {
        for (address, file) in self.rooms.iter().map(|(address, room)| (address.clone(), room.file)).collect::<Vec<_>>()
        {
            let scope = self.scope(address.clone());
            let before = self.problems.len();
            for (_, node) in &self.files[file].outputs {
                self.problems.extend(super::expression::unresolved(node, &scope));
                self.problems.extend(evaluate(node, &scope).problems);
            }
            self.in_module(before, address.as_ref());
        }
    }
}
