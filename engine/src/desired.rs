//! What the blueprint wants of one resource: its spec evaluated, completed and checked.

use std::sync::Arc;

use trueup_state::{Address, FieldPath, KindName, Value};

use crate::blueprint::{Program, Resource, World, evaluate};
use crate::diagnostic::Diagnostic;
use crate::paths::resolve_paths;
use crate::plan::Contents;
use crate::plan::diff::set;
use crate::plan::echo::scrub;
use crate::provider::{Candidate, Manager};
use crate::schema::{Problem, Schema};

/// The spec that a resource wants, as far as the world tells: its expressions evaluated, the candidate's fields over them, the stack's
/// tags under its own, defaults filled in, paths and digests of files resolved, and all of it checked: against the schema, and by who
/// would make it. `taken`: what was taken already where it is to be: that was checked then, and is not checked again.
pub fn desired(
    program: &Program,
    resource: &Resource,
    candidate: Option<&Candidate>,
    manager: &dyn Manager,
    world: &Arc<World>,
    contents: &Contents,
    taken: Option<&Value>,
) -> Result<Value, Vec<Diagnostic>> {
    let schema = manager.schema();
    let evaluated = evaluate(&resource.spec, &resource.scope(world));
    if !evaluated.problems.is_empty() {
        return Err(evaluated.problems.into_iter().map(|problem| within(problem, resource)).collect());
    }
    let mut spec = evaluated.value;
    override_fields(&mut spec, candidate, schema);
    add_tags(&mut spec, program, resource, schema);
    schema.complete(&mut spec);
    let mut wrong = resolve_paths(&mut spec, program, resource, schema, contents);
    if taken != Some(&spec) {
        wrong.extend(unfit(manager, &spec).into_iter().map(|problem| describe(problem, resource)));
    }
    if wrong.is_empty() {
        return Ok(spec);
    }
    Err(wrong.into_iter().map(|problem| within(problem, resource)).collect())
}

/// What a resource's block says now, as far as that is known without any other.
pub(crate) fn said_now(program: &Program, resource: &Resource, schema: &Schema) -> Value {
    let mut spec = evaluate(&resource.spec, &resource.scope(&program.world())).value;
    schema.complete(&mut spec);
    spec
}

/// The resource of a blueprint that something recorded is, under its address or the one that it moves to.
pub(crate) fn declared<'a>(program: &'a Program, recorded: &Address, kind: &KindName) -> Option<&'a Resource> {
    let moved = program.moves.target(recorded).map(|(to, _)| to);
    let resource = program.resources.get(moved.as_ref().unwrap_or(recorded))?;
    (resource.kind == *kind && resource.existing.is_none()).then_some(resource)
}

/// What who would make it can't take, in words that repeat no secret.
fn refusals(manager: &dyn Manager, spec: &Value) -> Vec<Problem> {
    let scrubbed = |problem: Problem| Problem { message: scrub(&problem.message, &[spec]), ..problem };
    manager.check(spec).into_iter().map(scrubbed).collect()
}

/// A schema's problem in which the field goes by its name: `this is …` reads as `size is …`.
fn with_its_name(problem: Problem) -> Problem {
    let rest = problem.message.strip_prefix("this ").filter(|_| !problem.path.is_root());
    let message = rest.map(|rest| format!("`{}` {rest}", problem.path));
    Problem { message: message.unwrap_or(problem.message), ..problem }
}

/// A problem with its place.
fn describe(problem: Problem, resource: &Resource) -> Diagnostic {
    let span = resource.span_of(&problem.path);
    let diagnostic = Diagnostic::error(problem.message).at(span, problem.path.to_string());
    match problem.suggestion {
        Some(suggestion) => diagnostic.help(format!("did you mean `{suggestion}`?")),
        None => diagnostic,
    }
}

/// What a provider can't take of a resource, each at its place.
pub(crate) fn described(problems: Vec<Problem>, resource: &Resource) -> Vec<Diagnostic> {
    problems.into_iter().map(|problem| within(describe(problem, resource), resource)).collect()
}

/// The spec of a part, completed and checked as that of a resource is.
pub(crate) fn part_desired(part: &Resource, mut spec: Value, manager: &dyn Manager) -> Result<Value, Vec<Diagnostic>> {
    manager.schema().complete(&mut spec);
    let problems = unfit(manager, &spec);
    if problems.is_empty() { Ok(spec) } else { Err(described(problems, part)) }
}

/// What is wrong with a complete spec. What the schema does not allow is no question for a provider.
pub(crate) fn unfit(manager: &dyn Manager, spec: &Value) -> Vec<Problem> {
    let problems = manager.schema().problems(spec);
    if problems.is_empty() { refusals(manager, spec) } else { problems.into_iter().map(with_its_name).collect() }
}

/// A problem with the instance or the module that it is in, where its place alone does not tell.
fn within(problem: Diagnostic, resource: &Resource) -> Diagnostic {
    let tells = resource.address.key().is_none() && resource.module.is_none();
    if tells { problem } else { problem.within(resource.address.to_string()) }
}

/// Puts a candidate's fields over what is said of a resource.
pub(crate) fn override_fields(spec: &mut Value, candidate: Option<&Candidate>, schema: &Schema) {
    let Some(candidate) = candidate else { return };
    let fields = schema.fields();
    for (name, value) in &candidate.fields {
        if fields.contains(&name.as_str()) {
            set(spec, &FieldPath::root().field(name), Some(&value.clone().into()));
        }
    }
}

/// The stack's tags, where the kind has tags; the resource's own win.
fn add_tags(spec: &mut Value, program: &Program, resource: &Resource, schema: &Schema) {
    let tags = program.tags(resource);
    if tags.is_empty() || schema.field(&FieldPath::parse("tags")).is_none() {
        return;
    }
    if spec.get("tags").is_some_and(|tags| tags.as_map().is_none() && *tags != Value::Null) {
        return;
    }
    for (name, value) in tags {
        let path = FieldPath::root().field("tags").field(name);
        if spec.at(&path).is_none() {
            set(spec, &path, Some(value));
        }
    }
}
