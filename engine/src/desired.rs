//! What the blueprint wants of one resource: its spec evaluated, completed and checked.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value as Json;
use trueup_state::{FieldPath, Value};

use crate::blueprint::{Program, Resource, World, evaluate};
use crate::diagnostic::Diagnostic;
use crate::paths::resolve;
use crate::plan::Contents;
use crate::plan::diff::set;
use crate::provider::Candidate;
use crate::schema::{Schema, marked};

/// The spec that a resource wants, as far as the world tells: its expressions evaluated, the candidate's fields over them, the stack's
/// tags under its own, defaults filled in, paths and digests of files resolved, and all of it checked against the schema.
pub fn desired(
    program: &Program,
    resource: &Resource,
    candidate: Option<&Candidate>,
    schema: &Schema,
    world: &Arc<World>,
    contents: &Contents,
) -> Result<Value, Vec<Diagnostic>> {
    let evaluated = evaluate(&resource.spec, &resource.scope(world));
    if !evaluated.problems.is_empty() {
        return Err(evaluated.problems.into_iter().map(|problem| problem.within(context(resource))).collect());
    }
    let mut spec = evaluated.value;
    override_fields(&mut spec, candidate, schema);
    add_tags(&mut spec, program, resource, schema);
    schema.complete(&mut spec);
    for path in path_fields(&spec, schema) {
        resolve_path(&mut spec, &path, resource, schema, contents).map_err(|problem| vec![problem])?;
    }
    let problems = schema.problems(&spec);
    if problems.is_empty() {
        return Ok(spec);
    }
    let describe = |problem: crate::schema::Problem| {
        let diagnostic =
            Diagnostic::error(problem.message).at(resource.span_of(&problem.path), problem.path.to_string());
        let diagnostic = diagnostic.within(context(resource));
        match problem.suggestion {
            Some(suggestion) => diagnostic.help(format!("did you mean `{suggestion}`?")),
            None => diagnostic,
        }
    };
    Err(problems.into_iter().map(describe).collect())
}

/// The paths of files that a resource names, as far as they are known without any other resource.
pub fn file_paths(program: &Program, resource: &Resource, schema: &Schema) -> BTreeSet<PathBuf> {
    let mut spec = evaluate(&resource.spec, &resource.scope(&program.world())).value;
    schema.complete(&mut spec);
    path_fields(&spec, schema)
        .into_iter()
        .filter(|path| digest_field(schema, path).is_some())
        .filter_map(|path| Some(resolve(&resource.base, spec.at(&path)?.revealed().as_str()?)))
        .collect()
}

fn context(resource: &Resource) -> String {
    resource.address.to_string()
}

fn override_fields(spec: &mut Value, candidate: Option<&Candidate>, schema: &Schema) {
    let fields = schema.fields();
    for (name, value) in candidate.into_iter().flat_map(|candidate| &candidate.fields) {
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

/// The places in a spec that hold a path.
fn path_fields(spec: &Value, schema: &Schema) -> Vec<FieldPath> {
    let mut found = Vec::new();
    find_paths(spec, Some(&schema.spec), &FieldPath::root(), &mut found);
    found
}

fn find_paths(value: &Value, schema: Option<&Json>, at: &FieldPath, found: &mut Vec<FieldPath>) {
    let Some(schema) = schema else { return };
    match value.revealed() {
        Value::String(_) if marked(schema, "x-path") => found.push(at.clone()),
        Value::Map(map) => {
            for (name, value) in map {
                let step = trueup_state::Step::Field(name.clone());
                find_paths(value, crate::schema::child(schema, &step), &at.field(name), found);
            }
        }
        Value::List(items) => {
            for (index, value) in items.iter().enumerate() {
                let step = trueup_state::Step::Index(index);
                find_paths(value, crate::schema::child(schema, &step), &at.index(index), found);
            }
        }
        _ => {}
    }
}

/// The field that holds the digest of what a path leads to, if the schema names one.
fn digest_field(schema: &Schema, path: &FieldPath) -> Option<FieldPath> {
    schema.field(path).and_then(|field| mark_text(field, "x-digest-into")).map(FieldPath::parse)
}

fn mark_text<'a>(schema: &'a Json, key: &str) -> Option<&'a str> {
    schema
        .get(key)
        .and_then(Json::as_str)
        .or_else(|| crate::schema::variants(schema).find_map(|variant| mark_text(variant, key)))
}

fn resolve_path(
    spec: &mut Value,
    path: &FieldPath,
    resource: &Resource,
    schema: &Schema,
    contents: &Contents,
) -> Result<(), Diagnostic> {
    let Some(given) = spec.at(path).and_then(|value| value.revealed().as_str()) else { return Ok(()) };
    let resolved = resolve(&resource.base, given).display().to_string();
    set(spec, path, Some(&resolved.as_str().into()));
    if let Some(digest) = digest_field(schema, path) {
        let value = match contents.get(&resolved) {
            Some(Ok(digest)) => digest.as_str().into(),
            Some(Err(reason)) => {
                let message = format!("`{resolved}` can't be read: {reason}");
                let help = "a path is relative to the blueprint's file";
                return Err(Diagnostic::error(message)
                    .at(resource.span_of(path), path.to_string())
                    .help(help)
                    .within(context(resource)));
            }
            None => Value::Unknown,
        };
        set(spec, &digest, Some(&value));
    }
    Ok(())
}
