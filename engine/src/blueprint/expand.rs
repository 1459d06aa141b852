//! Variables, `for_each`: from a file's tree to resources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trueup_state::{Address, Map, ProviderName, Value};

use super::check::Subject;
use super::expression::unresolved;
use super::resources::Expansion;
use super::schema::{self, File};
use super::source::{Content, Node};
use super::{
    Catalog, Evaluated, Inputs, Instances, Loader, Output, Program, Resource, Scope, Visible, World, bytes,
    environment, evaluate, parse, providers, resources, variables,
};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources, with_article};
use crate::graph::Graph;

/// Loads a blueprint: reads, checks and expands it. Every error of the file comes in one report.
pub fn load(path: &Path, inputs: &Inputs, loader: &dyn Loader, catalog: &Catalog) -> Result<Program, Diagnostics> {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let root = read(path, loader, &mut sources, &mut problems);
    let program = root.and_then(|root| {
        let root = environment::apply(root, inputs.environment.as_deref(), &mut problems);
        program(&root, path, inputs, catalog, &sources, &mut problems)
    });
    order(&mut problems);
    match program {
        Some(program) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
            Ok(Program { warnings: problems, ..program })
        }
        _ => Err(Diagnostics { sources, list: problems }),
    }
}

/// Reads a file to its tree.
fn read(path: &Path, loader: &dyn Loader, sources: &mut Sources, problems: &mut Vec<Diagnostic>) -> Option<Node> {
    let file = path.display();
    let bytes = loader.read(path).map_err(|error| bytes::unreadable(path, &error));
    let text = bytes.and_then(bytes::text).map_err(|problem| problems.push(problem)).ok()?;
    let id = sources.add(path, text.as_str());
    let (root, found) = parse::parse(&text, id);
    if root.is_none() && found.is_empty() {
        problems
            .push(Diagnostic::error(format!("the blueprint `{file}` is empty")).help("begin with `blueprint: NAME`"));
    }
    problems.extend(found);
    root
}

/// By place, each once; what has no place comes first.
fn order(problems: &mut Vec<Diagnostic>) {
    let place = |problem: &Diagnostic| problem.labels.first().map(|label| label.span);
    problems.sort_by_key(place);
    let mut kept: Vec<Diagnostic> = Vec::new();
    for problem in problems.drain(..) {
        let same = |other: &&Diagnostic| other.message == problem.message && other.labels == problem.labels;
        // Places are in order, so what is the same is near.
        if !kept.iter().rev().take_while(|other| place(other) == place(&problem)).any(|other| same(&other)) {
            kept.push(problem);
        }
    }
    *problems = kept;
}

fn program(
    root: &Node,
    path: &Path,
    inputs: &Inputs,
    catalog: &Catalog,
    sources: &Sources,
    problems: &mut Vec<Diagnostic>,
) -> Option<Program> {
    let file = schema::read(root, problems);
    let mut variables = variables::resolve(&file.variables, &file.broken.variables, inputs, problems);
    variables.extend(file.broken.variables.iter().map(|name| ((*name).to_owned(), Value::Unknown)));
    let early = early_scope(&file, &variables);
    let tags = file.tags.map(|node| tags(node, &early, problems)).unwrap_or_default();
    let mut providers = providers::resolve(&file.providers, catalog, &early, problems);
    let base = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let expansion = resources::expand(&file, catalog, &mut providers, &early, &base, problems);
    let Expansion { blocks, mut resources, schemas } = expansion;
    let world = world(&variables, &blocks, &resources, catalog);
    dry_run(&mut resources, &schemas, &world, problems);
    let outputs = outputs(&file, &world, problems);
    let graph = Graph::link(&resources, &blocks, sources).map_err(|cycles| problems.extend(cycles.list)).ok()?;
    Some(Program {
        name: file.name,
        description: file.description,
        environment: inputs.environment.clone().unwrap_or_else(|| "default".to_owned()),
        sources: sources.clone(),
        variables,
        tags,
        providers,
        blocks,
        resources,
        graph,
        outputs,
        warnings: Vec::new(),
    })
}

/// What can be read before resources are expanded: variables. Resources are there by name, so that reading one can be told from
/// reading nothing.
fn early_scope(file: &File<'_>, variables: &Map) -> Scope {
    let names =
        file.resources.iter().map(|block| block.name.text.as_str()).chain(file.broken.resources.iter().copied());
    let blocks = names.map(|name| (Address::root(name), Instances::One)).collect();
    let world = World::new(BTreeMap::from([(None, variables.clone())]), blocks);
    Scope { world: Arc::new(world), module: None, each: None }
}

/// Evaluates what must be known before resources are: it reads variables only. None where it is not known, which is reported.
pub(super) fn early(node: &Node, scope: &Scope, what: &str, problems: &mut Vec<Diagnostic>) -> Option<Value> {
    let Evaluated { value, reads, problems: found } = evaluate(node, scope);
    problems.extend(found);
    if let Some(read) = reads.first() {
        problems.push(
            Diagnostic::error(format!("{what} reads the resource `{read}`, and must be known before any resource is"))
                .at(node.span, "this is known only after apply")
                .help("use variables, or write the value out"),
        );
        return None;
    }
    (!value.has_unknown()).then_some(value)
}

fn tags(node: &Node, scope: &Scope, problems: &mut Vec<Diagnostic>) -> Map {
    if !matches!(node.content, Content::Map(_)) {
        problems.push(schema::wrong_type(node, "`tags`", "a map").help("write `tags: { name: text }`"));
    }
    let mut tags = Map::new();
    for (name, node) in node.entries() {
        let Some(value) = early(node, scope, &format!("the tag `{}`", name.text), problems) else { continue };
        if value.revealed().as_str().is_none() {
            let message = format!("the tag `{}` is {}, where text belongs", name.text, super::sight::article(&value));
            problems.push(Diagnostic::error(message).at(node.span, "this value").help("put it in quotes"));
        }
        tags.insert(name.text.clone(), value);
    }
    tags
}

/// What the program's expressions see at first: every resource, with nothing known of it but its attributes' names.
fn world(
    variables: &Map,
    blocks: &BTreeMap<Address, Instances>,
    resources: &BTreeMap<Address, Resource>,
    catalog: &Catalog,
) -> Arc<World> {
    let world = World::new(BTreeMap::from([(None, variables.clone())]), blocks.clone());
    let mut seen: BTreeMap<(&str, &ProviderName), Visible> = BTreeMap::new();
    for (address, resource) in resources {
        let visible = seen.entry((resource.kind.as_str(), &resource.provider)).or_insert_with(|| {
            let schema = catalog.kinds.get(&resource.kind);
            let attributes = schema.map_or(Value::Unknown, |schema| schema.unknown_attributes());
            let stable = schema.map_or(Value::Unknown, |schema| schema.stable_attributes(&attributes));
            Visible { kind: resource.kind.clone(), provider: resource.provider.clone(), attributes, stable }
        });
        world.show(address.clone(), visible.clone());
    }
    Arc::new(world)
}

/// Evaluates every resource's spec with nothing known of others: what it reads, and what is wrong whatever they become.
fn dry_run(
    resources: &mut BTreeMap<Address, Resource>,
    schemas: &BTreeMap<Address, Option<&'static crate::schema::Schema>>,
    world: &Arc<World>,
    problems: &mut Vec<Diagnostic>,
) {
    let mut checked = None;
    let mut found: Vec<(Address, Diagnostic)> = Vec::new();
    for (address, resource) in resources.iter_mut() {
        let block = address.block();
        let scope = resource.scope(world);
        if checked.as_ref() != Some(&block) {
            found.extend(unresolved(&resource.spec, &scope).into_iter().map(|problem| (address.clone(), problem)));
        }
        let Evaluated { mut value, reads, problems } = evaluate(&resource.spec, &scope);
        resource.reads = reads;
        found.extend(problems.into_iter().map(|problem| (address.clone(), problem)));
        if let Some(schema) = schemas.get(&block).copied().flatten() {
            schema.complete(&mut value);
            let what = with_article(resource.kind.as_str());
            let subject = Subject { schema, node: &resource.spec, span: resource.span, what };
            found.extend(subject.problems(&value, &scope).into_iter().map(|problem| (address.clone(), problem)));
        }
        checked = Some(block);
    }
    problems.extend(by_instance(found));
}

/// What is wrong with several instances of a block alike is said once, with their number.
fn by_instance(found: Vec<(Address, Diagnostic)>) -> Vec<Diagnostic> {
    let mut first: Vec<(Address, Diagnostic, usize)> = Vec::new();
    let mut known: BTreeMap<(Address, String, Option<crate::diagnostic::Span>), usize> = BTreeMap::new();
    for (address, problem) in found {
        let span = problem.labels.first().map(|label| label.span);
        let position = *known.entry((address.block(), problem.message.clone(), span)).or_insert(first.len());
        match first.get_mut(position) {
            Some((other, _, more)) => *more += usize::from(*other != address),
            None => first.push((address, problem, 0)),
        }
    }
    let said = |(address, problem, more): (Address, Diagnostic, usize)| match (address.key(), more) {
        (None, _) => problem,
        (Some(_), 0) => problem.within(address.to_string()),
        (Some(_), more) => problem.within(format!("{address} and {more} more")),
    };
    first.into_iter().map(said).collect()
}

fn outputs(file: &File<'_>, world: &Arc<World>, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Output> {
    let scope = Scope { world: world.clone(), module: None, each: None };
    let mut outputs = BTreeMap::new();
    for (name, node) in &file.outputs {
        problems.extend(unresolved(node, &scope));
        problems.extend(evaluate(node, &scope).problems);
        outputs.insert(name.text.clone(), Output { node: Arc::new((*node).clone()), span: name.span });
    }
    outputs
}
