//! A value against its schema, with the places of a file: the problems of [`Schema::problems`] as diagnostics.

use serde_json::Value as Json;
use trueup_state::{FieldPath, KindName, Step, Value};

use super::Scope;
use super::foreign::{self, Place};
use super::leads::{self, Lead, as_expression, lead};
use super::sight::{in_expression, is_reference, suggest};
use super::source::{Content, Node};
use super::tokens;
use crate::diagnostic::{Diagnostic, Sources, Span, closest, with_article};
use crate::help::Help;
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
    /// What may be said beside the fields of the schema.
    pub(super) general: &'static [&'static str],
    /// The texts of the files.
    pub(super) sources: &'a Sources,
}

impl Subject<'_> {
    /// What is wrong with its value.
    pub(super) fn problems(&self, value: &Value, scope: &Scope) -> Vec<Diagnostic> {
        let mut no_wholes = std::collections::BTreeSet::new();
        let mut problems = self.schema.problems(value);
        problems.retain_mut(|problem| match self.whole_around(problem) {
            // Of a map that is no whole resource one thing is wrong, not each field that it lacks.
            Some(path) => {
                let first = no_wholes.insert(path.clone());
                let kinds = self.schema.field(&path).and_then(schema::reference_kinds).unwrap_or_default();
                let kinds: Vec<&str> = kinds.iter().map(KindName::as_str).collect();
                problem.message = format!("this is a map, where a whole {} belongs", kinds.join(" or "));
                (problem.path, problem.suggestion) = (path, None);
                first
            }
            None => true,
        });
        let mut diagnostics: Vec<Diagnostic> =
            problems.into_iter().map(|problem| self.diagnostic(problem, value, scope)).collect();
        for problem in misleading(self.node, &self.schema.spec, &FieldPath::root(), scope) {
            // The schema may have more than one word for the same: this one says most.
            let span = problem.labels.first().map(|label| label.span);
            diagnostics.retain(|diagnostic| diagnostic.labels.first().map(|label| label.span) != span);
            diagnostics.push(problem);
        }
        let mut references = Vec::new();
        wrong_references(Some(&self.schema.spec), value, &FieldPath::root(), &mut references);
        for (path, message, help) in references {
            let span = self.span_of(&path);
            diagnostics.retain(|diagnostic| diagnostic.labels.first().is_none_or(|label| label.span != span));
            diagnostics.push(Diagnostic::error(message).at(span, "this reference").help(help));
        }
        diagnostics.extend(self.attributes_for_wholes(value, scope));
        diagnostics
    }

    /// The field that takes a whole resource, where a problem is inside of what stands there instead.
    fn whole_around(&self, problem: &Problem) -> Option<FieldPath> {
        let inside = missing_field(&problem.message).map(|name| problem.path.field(name));
        let start = inside.or_else(|| problem.path.parent().map(|_| problem.path.clone()))?;
        let around = std::iter::successors(start.parent(), FieldPath::parent);
        let takes_one =
            |path: &FieldPath| self.schema.field(path).is_some_and(|field| schema::reference_kinds(field).is_some());
        around.take_while(|path| !path.is_root()).find(takes_one)
    }

    /// The place of a field, or of the nearest thing around it.
    fn span_of(&self, path: &FieldPath) -> Span {
        if path.is_root() {
            self.span
        } else {
            self.node.nearest(path).filter(|span| *span != self.node.span).unwrap_or(self.span)
        }
    }

    fn diagnostic(&self, problem: Problem, value: &Value, scope: &Scope) -> Diagnostic {
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
                .help(if computed { "say what stands for it: `{{ a or 'b' }}`" } else { "write a value" });
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
            .or_else(|| self.way_out(&problem.message, path, value, scope));
        let mut diagnostic = Diagnostic::error(message).at(span, label);
        if let Some(names) = problem.message.strip_prefix("exactly one of ") {
            let entries = self.node.at(path).map(Node::entries).unwrap_or_default();
            let given = entries.iter().filter(|(name, _)| names.contains(&format!("`{}`", name.text)));
            diagnostic = given.fold(diagnostic, |diagnostic, (name, _)| diagnostic.at(name.span, "this is given"));
        }
        match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    /// What to do about a value that does not fit, where its shape tells.
    fn way_out(&self, message: &str, path: &FieldPath, value: &Value, scope: &Scope) -> Option<String> {
        if let Some(name) = missing_field(message) {
            return Some(format!("add it: `{name}: …`"));
        }
        if message.starts_with("exactly one of ") {
            return Some("give one of them, and leave out the others".to_owned());
        }
        let field = self.schema.field(path)?;
        let node = self.node.at(path)?;
        let lifecycle = matches!(path.steps(), [Step::Field(only)] if only == "lifecycle");
        if let Some(help) = Some(node).filter(|_| lifecycle).and_then(foreign::lifecycle) {
            return Some(help);
        }
        if let Some(kinds) = schema::reference_kinds(field) {
            let name = match value.at(path) {
                Some(Value::String(text)) => text.clone(),
                _ => kinds
                    .iter()
                    .find(|kind| kind.as_str() != schema::NATIVE_KIND)
                    .map_or("name", KindName::as_str)
                    .to_owned(),
            };
            return Some(format!("name a resource, whole: `\"{{{{ {name} }}}}\"`"));
        }
        // Of what is out of bounds, the bounds say enough.
        if !["where ", "none of: ", "look like "].iter().any(|word| message.contains(word)) {
            return None;
        }
        if let Some(help) = as_expression(node, scope) {
            return Some(help);
        }
        let example = Help::of(field).examples.into_iter().next().map(|example| format!("such as `{example}`"));
        self.other_type(node, &leads::types(field), field).or(example)
    }

    /// What to do about a value that another type's words would say.
    fn other_type(&self, node: &Node, expected: &[&str], field: &Json) -> Option<String> {
        let takes = |name: &str| expected.contains(&name);
        let number = if takes("integer") { "int" } else { "float" };
        match &node.content {
            Content::Number(_) | Content::Bool(_) if takes("string") => {
                let written = self.sources.text(node.span);
                let fits = jsonschema::is_valid(field, &Json::from(written));
                fits.then(|| format!("put it in quotes: `\"{written}\"`"))
            }
            Content::Template(_) if takes("string") => Some("make text of it: `{{ … | string }}`".to_owned()),
            Content::String(text) if (takes("integer") || takes("number")) && is_number(text) => {
                Some(format!("leave out the quotes: `{text}`"))
            }
            Content::Template(template) if takes("integer") || takes("number") => {
                let text =
                    template.path().map_or("…".to_owned(), |(_, compiled)| tokens::single_quotes(&compiled.text));
                Some(format!("make a number of it: `{{{{ {text} | {number} }}}}`"))
            }
            Content::String(text) if takes("array") => {
                let words: Vec<&str> = text.split_whitespace().collect();
                Some(format!("write a list: `[{}]`", words.join(", ")))
            }
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
                let whole = in_expression(&whole);
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
        let lifecycle = matches!(problem.path.steps(), [Step::Field(first), ..] if first == "lifecycle");
        let foreign =
            foreign::field(Place::Resource, name).filter(|_| parent.is_root() || lifecycle).map(str::to_owned);
        let foreign = self.node.at(&problem.path).filter(|_| lifecycle).and_then(foreign::lifecycle).or(foreign);
        // What any resource may have may be meant too.
        let general = if parent.is_root() { self.general } else { &[] };
        let meant =
            || closest(name, known.iter().chain(general).copied()).map(|meant| format!("did you mean `{meant}`?"));
        let help = foreign.or_else(meant).unwrap_or_else(|| suggest(name, &known, "there are", "it has no fields"));
        Diagnostic::error(format!("{place} has no field `{name}`")).at(span, "no field has this name").help(help)
    }
}

fn is_number(text: &str) -> bool {
    matches!(super::scalar::plain(text), Ok(Content::Number(_)))
}

/// Paths that lead to what does not fit their fields, whatever its value is.
fn misleading(node: &Node, schema: &Json, path: &FieldPath, scope: &Scope) -> Vec<Diagnostic> {
    let below = |step: Step, node: &Node, path: FieldPath| match schema::child(schema, &step) {
        Some(schema) => misleading(node, schema, &path, scope),
        None => Vec::new(),
    };
    match &node.content {
        Content::Map(entries) => entries
            .iter()
            .flat_map(|(name, node)| below(Step::Field(name.text.clone()), node, path.field(&name.text)))
            .collect(),
        Content::List(items) => {
            items.iter().enumerate().flat_map(|(at, node)| below(Step::Index(at), node, path.index(at))).collect()
        }
        Content::Template(_) => {
            lead(node, scope).and_then(|lead| misled(&lead, node, schema, path)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What is wrong with what a path leads to where a field of some schema stands.
fn misled(lead: &Lead, node: &Node, schema: &Json, path: &FieldPath) -> Option<Diagnostic> {
    let text = leads::text(node);
    match (lead, schema::reference_kinds(schema)) {
        (Lead::Several(block, first), Some(_)) => {
            let message = format!("`{path}` takes one resource, and `{block}` stands for several");
            let help = match first {
                Some(first) => {
                    let (first, text) = (in_expression(first), tokens::single_quotes(text));
                    format!("say which: `{{{{ {first} }}}}`, or `{{{{ {text}[each.key] }}}}` in a `for_each`")
                }
                None => "its `for_each` is empty".to_owned(),
            };
            Some(Diagnostic::error(message).at(node.span, "all of them").help(help))
        }
        (Lead::Absent, Some(_)) => {
            let message = format!("`{path}` is `{text}`, which is not there: its `when` is false");
            let help = "give this resource the same `when`, or name another";
            Some(Diagnostic::error(message).at(node.span, "this comes to nothing (null)").help(help))
        }
        (Lead::Attribute(types), None) => {
            let expected = leads::types(schema);
            if leads::may_be(types, &expected) {
                return None;
            }
            let message =
                format!("`{path}` takes {}, and `{text}` is {}", leads::words(&expected), leads::words(types));
            let help = leads::conversion(text, types, &expected);
            let help = help.unwrap_or_else(|| "name what has that type".to_owned());
            Some(Diagnostic::error(message).at(node.span, "this attribute").help(help))
        }
        _ => None,
    }
}

/// The field that a schema's problem says is missing.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("the field `")?.split_once('`').map(|(name, _)| name)
}

/// A whole resource where a part of one belongs.
fn whole_resource(path: &FieldPath, reference: &Value, span: Span) -> Diagnostic {
    let text = |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (address, kind) = (tokens::single_quotes(&text("address")), text("kind"));
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
            if !kind.is_empty() && !schema::takes_kind(&kinds, &KindName::from(kind)) {
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
