//! A variable as a file declares it.

use serde_json::Value as Json;

use super::fields::{self, names};
use super::foreign::Place;
use super::scalar;
use super::schema::{boolean, known_fields, text, wrong_type};
use super::sight::suggest;
use super::source::{Content, Name, Node};
use crate::diagnostic::Diagnostic;

/// What may be said of a variable.
const VARIABLE: [&str; 8] = names(&fields::VARIABLE);

/// A variable as it is declared.
#[derive(Debug)]
pub(super) struct Variable<'a> {
    pub(super) name: &'a Name,
    pub(super) kind: VariableType,
    pub(super) default: Option<&'a Node>,
    pub(super) secret: bool,
    pub(super) description: Option<String>,
    /// `minimum`, `maximum`, `enum` and `pattern`, as JSON Schema has them.
    pub(super) limits: serde_json::Map<String, Json>,
}

/// What a variable can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VariableType {
    String,
    Integer,
    Number,
    Boolean,
    List,
    Map,
    Any,
}

impl VariableType {
    pub(super) const ALL: [(&'static str, Self); 7] = [
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("list", Self::List),
        ("map", Self::Map),
        ("any", Self::Any),
    ];

    /// Its name in a blueprint.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("any", |(name, _)| name)
    }

    /// Whether a value is of this type.
    fn takes(self, value: &Json) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
            Self::Any => true,
        }
    }

    /// Its name in JSON Schema.
    pub(super) fn json(self) -> Option<&'static str> {
        match self {
            Self::List => Some("array"),
            Self::Map => Some("object"),
            Self::Any => None,
            other => Some(other.name()),
        }
    }
}

/// What is said of a variable.
pub(super) fn variable<'a>(name: &'a Name, node: &'a Node, problems: &mut Vec<Diagnostic>) -> Option<Variable<'a>> {
    let what = format!("the variable `{}`", name.text);
    if !matches!(node.content, Content::Map(_)) {
        let problem = wrong_type(node, &what, "what is to be said of it");
        problems.push(problem.help(format!("write `{}: {{ {} }}`", name.text, declared_with(node))));
        return None;
    }
    known_fields(node, Place::Variable, &VARIABLE, problems);
    let kind = match node.get("type") {
        Some(node) => variable_type(node, problems)?,
        None => VariableType::Any,
    };
    let mut limits = serde_json::Map::new();
    for limit in ["minimum", "maximum", "enum", "pattern"] {
        if let Some(node) = node.get(limit) {
            limits.extend(limit_value(limit, kind, node, problems).map(|value| (limit.to_owned(), value)));
        }
    }
    crossed(&limits, node, problems);
    Some(Variable {
        name,
        kind,
        default: node.get("default"),
        secret: node.get("secret").and_then(|node| boolean(node, "`secret`", problems)).unwrap_or(false),
        description: node
            .get("description")
            .and_then(|node| text(node, "the description", problems))
            .map(|(text, _)| text.to_owned()),
        limits,
    })
}

/// What declares a variable that has a value in place of what is to be said of it.
fn declared_with(node: &Node) -> String {
    match &node.content {
        Content::Number(number) if number.is_f64() => format!("type: number, default: {number}"),
        Content::Number(number) => format!("type: integer, default: {number}"),
        Content::Bool(truth) => format!("type: boolean, default: {truth}"),
        Content::String(text) if plain_word(text) => format!("type: string, default: {text}"),
        Content::List(_) => "type: list, default: […]".to_owned(),
        Content::Null => "type: string".to_owned(),
        _ => "type: string, default: …".to_owned(),
    }
}

/// Whether a text is one in YAML without quotes too, whatever stands around it.
fn plain_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && matches!(scalar::plain(text), Ok(Content::String(_)))
}

/// Bounds that nothing can keep.
fn crossed(limits: &serde_json::Map<String, Json>, node: &Node, problems: &mut Vec<Diagnostic>) {
    let bound = |name: &str| limits.get(name).and_then(Json::as_f64);
    if let (Some(least), Some(most), Some(at)) = (bound("minimum"), bound("maximum"), node.get("minimum"))
        && least > most
    {
        let problem = Diagnostic::error("`minimum` is more than `maximum`").at(at.span, "nothing can be both");
        problems.push(problem.help("swap the two, or leave one out"));
    }
}

fn variable_type(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<VariableType> {
    let (name, span) = text(node, "a variable's type", problems)?;
    let found = VariableType::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    if found.is_none() {
        let known = VariableType::ALL.map(|(name, _)| name);
        let help = match name {
            "str" | "text" => "did you mean `string`?".to_owned(),
            "int" => "did you mean `integer`?".to_owned(),
            "float" => "did you mean `number`?".to_owned(),
            "object" | "dict" => "did you mean `map`?".to_owned(),
            "array" => "did you mean `list`?".to_owned(),
            _ => suggest(name, &known, "there are", ""),
        };
        problems.push(Diagnostic::error(format!("there is no type `{name}`")).at(span, "this type").help(help));
    }
    found
}

fn limit_value(limit: &str, kind: VariableType, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Json> {
    let value = node.literal().ok().and_then(|value| trueup_state::codec::reveal(&value));
    let fits = match (limit, &value) {
        ("minimum" | "maximum", Some(Json::Number(_))) => matches!(kind, VariableType::Integer | VariableType::Number),
        ("enum", Some(Json::Array(items))) => !items.is_empty() && items.iter().all(|item| kind.takes(item)),
        ("pattern", Some(Json::String(_))) => kind == VariableType::String,
        _ => false,
    };
    if !fits {
        let expected = match limit {
            "minimum" | "maximum" => "a number, for a variable that is an integer or a number",
            "enum" => "a list of what the variable may be, each of its type",
            _ => "a regular expression, for a variable that is a string",
        };
        problems.push(Diagnostic::error(format!("`{limit}` must be {expected}")).at(node.span, "this is not"));
        return None;
    }
    if limit == "pattern" && jsonschema::validator_for(&serde_json::json!({ "pattern": value })).is_err() {
        let problem = Diagnostic::error("`pattern` is no regular expression, or too large a one");
        problems
            .push(problem.at(node.span, "this can't be used").help("check its brackets and `{}`: `^[a-z]+$` is one"));
        return None;
    }
    value
}
