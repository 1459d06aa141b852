//! A value against its schema, with the places of a file: the problems of [`Schema::problems`] as diagnostics.

use serde_json::Value as Json;
use trueup_state::{FieldPath, KindName, Step, Value};

use super::Scope;
use super::sight::{is_reference, suggest};
use super::source::{Content, Node};
use crate::diagnostic::{Diagnostic, Span, with_article};
use crate::schema::{self, Problem, Schema};

/// What is checked.
pub(super) struct Subject<'a> {
    /// The schema of it.
    pub(super) schema: &'a Schema,
    /// It, as the file has it.
    pub(super) node: &'a Node,
    /// Its name in the file, for what is missing in it.
    pub(super) span: Span,
    /// What it is, with its article: `a bucket`.
    pub(super) what: String,
}

impl Subject<'_> {
    /// What is wrong with its value.
    pub(super) fn problems(&self, value: &Value, scope: &Scope) -> Vec<Diagnostic> {
        let mut diagnostics: Vec<Diagnostic> =
            self.schema.problems(value).into_iter().map(|problem| self.diagnostic(problem, value)).collect();
        let mut references = Vec::new();
        wrong_references(Some(&self.schema.spec), value, &FieldPath::root(), &mut references);
        for (path, message, help) in references {
            let span = self.span_of(&path);
            // The schema may have more than one word for the same: this one says most.
            diagnostics.retain(|diagnostic| diagnostic.labels.first().is_none_or(|label| label.span != span));
            diagnostics.push(Diagnostic::error(message).at(span, "this reference").help(help));
        }
        diagnostics.extend(self.attributes_for_wholes(value, scope));
        diagnostics
    }

    /// The place of a field, or of the nearest thing around it.
    fn span_of(&self, path: &FieldPath) -> Span {
        if path.is_root() {
            self.span
        } else {
            self.node.nearest(path).filter(|span| *span != self.node.span).unwrap_or(self.span)
        }
    }

    fn diagnostic(&self, problem: Problem, value: &Value) -> Diagnostic {
        let path = &problem.path;
        let unknown_field = !path.is_root() && self.schema.field(path).is_none();
        if unknown_field && let Some(span) = self.node.name_at(path) {
            return self.unknown_field(&problem, span);
        }
        let missing = missing_field(&problem.message).map(|name| path.field(name));
        if let Some((field, node)) = missing.and_then(|field| self.node.at(&field).map(|node| (field, node))) {
            let computed = matches!(node.content, Content::Template(_));
            return Diagnostic::error(format!("`{field}` is nothing, and must be something"))
                .at(node.span, "this comes to nothing (null)")
                .help(if computed { "say what stands for it: `{{ a or \"b\" }}`" } else { "write a value" });
        }
        let span = self.span_of(path);
        if let Some(found) = value.at(path).and_then(Value::as_map).filter(|map| is_reference(map)) {
            let field = Value::Map(found.clone());
            return whole_resource(path, &field, span);
        }
        let (message, label) = match problem.message.strip_prefix("this ") {
            Some(rest) if path.is_root() => (format!("{} {rest}", self.what), "here"),
            Some(rest) => (format!("`{path}` {rest}"), "this value"),
            None if path.is_root() => (format!("{} in {}", problem.message, self.what), "here"),
            None => (format!("{} in `{path}`", problem.message), "here"),
        };
        let help = problem
            .suggestion
            .map(|meant| format!("did you mean `{meant}`?"))
            .or_else(|| self.way_out(&problem.message, path, value));
        let diagnostic = Diagnostic::error(message).at(span, label);
        match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    /// What to do about a value that does not fit, where its shape tells.
    fn way_out(&self, message: &str, path: &FieldPath, value: &Value) -> Option<String> {
        if let Some(name) = missing_field(message) {
            return Some(format!("add it: `{name}: …`"));
        }
        let field = self.schema.field(path)?;
        let node = self.node.at(path)?;
        if let Some(kinds) = schema::reference_kinds(field) {
            let name = match value.at(path) {
                Some(Value::String(text)) => text.clone(),
                _ => kinds.first()?.to_string(),
            };
            return Some(format!("name a resource, whole: `\"{{{{ {name} }}}}\"`"));
        }
        let takes_text = field.get("type").and_then(Json::as_str) == Some("string");
        match &node.content {
            Content::Number(number) if takes_text => Some(format!("put it in quotes: `\"{number}\"`")),
            Content::Bool(truth) if takes_text => Some(format!("put it in quotes: `\"{truth}\"`")),
            Content::Template(_) if takes_text => Some("make text of it: `{{ … | string }}`".to_owned()),
            _ => None,
        }
    }

    /// An attribute of a resource where the whole of it belongs, which shows before the attribute is known.
    fn attributes_for_wholes(&self, value: &Value, scope: &Scope) -> Vec<Diagnostic> {
        let mut wrong = Vec::new();
        unknown_references(Some(&self.schema.spec), value, &FieldPath::root(), &mut |path| {
            let Some(Content::Template(template)) = self.node.at(path).map(|node| &node.content) else { return };
            if let Some(whole) = template.attribute_of(scope) {
                let message = format!("`{path}` takes a whole resource, and this is one of its attributes");
                let problem = Diagnostic::error(message).at(self.span_of(path), "this attribute");
                wrong.push(problem.help(format!("write `\"{{{{ {whole} }}}}\"`")));
            }
        });
        wrong
    }

    fn unknown_field(&self, problem: &Problem, span: Span) -> Diagnostic {
        let name = match problem.path.steps().last() {
            Some(Step::Field(name)) => name.as_str(),
            _ => "",
        };
        let parent = problem.path.parent().unwrap_or_default();
        let known = if parent.is_root() {
            self.schema.fields()
        } else {
            self.schema.field(&parent).map(schema::properties).unwrap_or_default()
        };
        let place = if parent.is_root() { self.what.clone() } else { format!("`{parent}`") };
        Diagnostic::error(format!("{place} has no field `{name}`")).at(span, "no field has this name").help(suggest(
            name,
            &known,
            "there are",
            "it has no fields",
        ))
    }
}

/// The field that a schema's problem says is missing.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("the field `")?.split_once('`').map(|(name, _)| name)
}

/// A whole resource where a part of one belongs.
fn whole_resource(path: &FieldPath, reference: &Value, span: Span) -> Diagnostic {
    let text = |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (address, kind) = (text("address"), text("kind"));
    let attributes = reference.get("attributes").and_then(Value::as_map);
    let help = match attributes.filter(|map| !map.is_empty()) {
        Some(map) => {
            let names: Vec<String> = map.keys().map(|name| format!("`{{{{ {address}.{name} }}}}`")).collect();
            format!("name what is meant of it: {}", names.join(", "))
        }
        None => "this field takes no whole resource".to_owned(),
    };
    Diagnostic::error(format!("`{path}` is the whole {kind} `{address}`, where one of its attributes belongs"))
        .at(span, "this reference")
        .help(help)
}

/// The fields that take a whole resource and have something unknown.
fn unknown_references(schema: Option<&Json>, value: &Value, path: &FieldPath, visit: &mut dyn FnMut(&FieldPath)) {
    let Some(schema) = schema else { return };
    match value {
        Value::Unknown if schema::reference_kinds(schema).is_some() => visit(path),
        Value::Map(map) => {
            for (name, value) in map.iter().filter(|(_, value)| value.has_unknown()) {
                unknown_references(schema::child(schema, &Step::Field(name.clone())), value, &path.field(name), visit);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                unknown_references(schema::child(schema, &Step::Index(index)), item, &path.index(index), visit);
            }
        }
        _ => {}
    }
}

/// Whole resources of a kind that their field does not take.
fn wrong_references(
    schema: Option<&Json>,
    value: &Value,
    path: &FieldPath,
    wrong: &mut Vec<(FieldPath, String, String)>,
) {
    let Some(schema) = schema else { return };
    match value.revealed() {
        Value::Map(map) if is_reference(map) => {
            let Some(kinds) = schema::reference_kinds(schema) else { return };
            let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
            if !kind.is_empty() && !kinds.is_empty() && !kinds.iter().any(|known| known.as_str() == kind) {
                let address = map.get("address").and_then(Value::as_str).unwrap_or_default();
                let takes: Vec<&str> = kinds.iter().map(KindName::as_str).collect();
                let takes = takes.join(" or ");
                let (takes, kind) = (with_article(&takes), with_article(kind));
                let message = format!("`{path}` takes {takes}, and `{address}` is {kind}");
                wrong.push((path.clone(), message, format!("name {takes} here")));
            }
        }
        Value::Map(map) => {
            for (name, value) in map {
                wrong_references(schema::child(schema, &Step::Field(name.clone())), value, &path.field(name), wrong);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                wrong_references(schema::child(schema, &Step::Index(index)), item, &path.index(index), wrong);
            }
        }
        _ => {}
    }
}
