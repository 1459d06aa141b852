//! Paths as blueprints have them: where they lead, and what there is.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value as Json;
use trueup_state::{FieldPath, Step, Value};

use crate::blueprint::{Program, Resource};
use crate::desired::said_now;
use crate::diagnostic::Diagnostic;
use crate::plan::Contents;
use crate::plan::diff::set;
use crate::schema::{Schema, child, mark_text, marked};
use crate::tree::Stands;

/// A path as a file has it, relative to the working directory where the file is below it. `base`: the file's directory.
pub(crate) fn resolve(base: &Path, given: &str) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in base.join(given).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(resolved.components().next_back(), Some(Component::Normal(_))) => {
                resolved.pop();
            }
            other => resolved.push(other),
        }
    }
    if resolved.as_os_str().is_empty() { PathBuf::from(".") } else { resolved }
}

/// The paths that a resource names, as far as they are known without any other resource, each with whether it is read.
pub(crate) fn file_paths(program: &Program, resource: &Resource, schema: &Schema) -> BTreeMap<PathBuf, bool> {
    let mut paths = BTreeMap::new();
    if !schema.has_paths() {
        return paths;
    }
    let spec = said_now(program, resource, schema);
    for field in path_fields(&spec, schema) {
        let given = spec.at(&field).and_then(|value| value.revealed().as_str());
        if let Some(given) = given.filter(|given| !is_url(given)) {
            *paths.entry(resolve(&resource.base, given)).or_default() |= digest_field(schema, &field).is_some();
        }
    }
    paths
}

/// Puts in a spec, for each path, where it leads, and the digest of what is there where that is a field. What is wrong with them.
pub(crate) fn resolve_paths(
    spec: &mut Value,
    program: &Program,
    resource: &Resource,
    schema: &Schema,
    contents: &Contents,
) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    if !schema.has_paths() {
        return wrong;
    }
    for field in path_fields(spec, schema) {
        let Some(value) = spec.at(&field) else { continue };
        let is_secret = matches!(value, Value::Secret(_));
        let given = value.revealed().as_str().unwrap_or_default().to_owned();
        let at = |problem: Diagnostic| problem.at(resource.span_of(&field), field.to_string());
        let shown = |text: &str| if is_secret { "this path".to_owned() } else { format!("`{text}`") };
        if is_url(&given) {
            wrong.push(at(url(&field, &given, is_secret)));
            continue;
        }
        let resolved = resolve(&resource.base, &given).display().to_string();
        if let Some(problem) = unfit(schema, &field, contents, &resolved, &shown(&resolved)) {
            let problem = at(problem);
            let is_told = problem.help.is_some() || Path::new(&given).is_absolute();
            wrong.push(if is_told { problem } else { relative(problem, program, resource) });
        }
        if let Some(digest) = digest_field(schema, &field) {
            let known = contents.digests.get(&resolved).and_then(|digest| digest.as_ref().ok());
            set(spec, &digest, Some(&known.map_or(Value::Unknown, |digest| digest.as_str().into())));
        }
        let resolved = Value::from(resolved);
        set(spec, &field, Some(&if is_secret { Value::secret(resolved) } else { resolved }));
    }
    wrong
}

/// A URL where a path belongs.
fn url(field: &FieldPath, given: &str, is_secret: bool) -> Diagnostic {
    let shown = if is_secret { "this".to_owned() } else { format!("`{given}`") };
    let help = match given.strip_prefix("file://") {
        Some(_) => "leave out `file://`",
        None => "get what is there to this machine first, and write the path that it has here",
    };
    Diagnostic::error(format!("`{field}` takes a path, and {shown} is a URL")).help(help)
}

/// What can be read at a path.
const READABLE: &str = "what is read are regular files that this user may read, and symbolic links to such a file; put a copy in the place of \
    anything else, or take it out";

/// What is wrong with what stands at a path, if it was looked at.
fn unfit(schema: &Schema, field: &FieldPath, contents: &Contents, path: &str, shown: &str) -> Option<Diagnostic> {
    let wants = schema.field(field).and_then(|field| mark_text(field, "x-path"));
    let message = match (contents.stands.get(path)?, wants) {
        (Ok(Stands::Nothing), Some("directory")) => format!("there is no directory at {shown}"),
        (Ok(Stands::Nothing), _) => format!("there is nothing at {shown}"),
        (Ok(Stands::File), Some("directory")) => format!("{shown} is a file, where a directory belongs"),
        (Ok(Stands::Directory), Some("file")) => format!("{shown} is a directory, where a file belongs"),
        (Err(reason), _) => format!("{shown} can't be looked at: {reason}"),
        (Ok(_), _) => match contents.digests.get(path)? {
            Err(reason) => {
                return Some(Diagnostic::error(format!("{shown} can't be read: {reason}")).help(READABLE));
            }
            Ok(_) => return None,
        },
    };
    Some(Diagnostic::error(message))
}

/// The same with what the path is relative to.
fn relative(problem: Diagnostic, program: &Program, resource: &Resource) -> Diagnostic {
    match program.sources.get(resource.span.file) {
        Some(file) => {
            problem.help(format!("a path is relative to the file of its resource, `{}`", file.path.display()))
        }
        None => problem,
    }
}

/// Whether a text is a URL, and so no path.
fn is_url(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
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
                find_paths(value, child(schema, &Step::Field(name.clone())), &at.field(name), found);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                find_paths(item, child(schema, &Step::Index(index)), &at.index(index), found);
            }
        }
        _ => {}
    }
}

/// The field that holds the digest of what a path leads to, if the schema names one.
fn digest_field(schema: &Schema, path: &FieldPath) -> Option<FieldPath> {
    schema.field(path).and_then(|field| mark_text(field, "x-digest-into")).map(FieldPath::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_starts_at_the_blueprint() {
        for (base, given, resolved) in [
            ("blueprints", "./models/a", "blueprints/models/a"),
            ("", "../models/a", "../models/a"),
            ("blueprints", "../models", "models"),
            ("/srv/stack", "a/../b", "/srv/stack/b"),
            ("blueprints", "/models", "/models"),
            ("", "./", "."),
        ] {
            assert_eq!(resolve(Path::new(base), given), Path::new(resolved), "{base} {given}");
        }
    }

    #[test]
    fn a_url_is_told_from_a_path() {
        assert!(["s3://a/b", "docker://x", "git+ssh://x", "file:///a"].into_iter().all(is_url));
        assert!(!["a/b", "./s3:/a", "C:/a", "://a", "a b://c", "1://a", "/a://b"].into_iter().any(is_url));
    }
}
