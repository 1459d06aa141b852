//! The values of variables: given from outside or where a module stands, else the default.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use serde_json::Value as Json;
use trueup_state::{Map, Value};

use super::leads::{self, Lead, lead};
use super::schema::{Call, Variable as Declaration, VariableType};
use super::sight::{Seen, suggest};
use super::source::{Content, Node};
use super::tracking::Tracker;
use super::world::{Input, Scope, Variable};
use super::{Given, Inputs, evaluate, parse, scalar};
use crate::diagnostic::{Diagnostic, FileId, Span};
use crate::schema::whole;

/// What is said of a variable, for as long as its values may still come.
#[derive(Debug)]
pub(super) struct Declared {
    name: String,
    kind: VariableType,
    secret: bool,
    limits: serde_json::Map<String, Json>,
    validator: OnceLock<Option<(Json, Validator)>>,
}

/// The values of a blueprint's variables. One that has none is a problem, and unknown.
pub(super) fn resolve(
    variables: &[Declaration<'_>],
    broken: &[&str],
    inputs: &Inputs,
    problems: &mut Vec<Diagnostic>,
) -> Map {
    let known: Vec<&str> = names(variables, broken);
    for (name, given) in inputs.variables.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let help = suggest(name, &known, "the blueprint declares", "the blueprint declares no variables");
        let help = match (help.starts_with("did you mean"), given.origin.starts_with("TRUEUP_VAR_")) {
            (true, false) => help,
            // What an environment holds may be meant for another blueprint.
            (true, true) => format!("{help} If not: {}", undeclared(name, given)),
            (false, _) => format!("{help}; {}", undeclared(name, given)),
        };
        problems
            .push(Diagnostic::error(format!("there is no variable `{name}`, which {} gives", given.origin)).help(help));
    }
    let value = |variable: &Declaration<'_>| {
        let declared = Declared::of(variable);
        let value = value(variable, &declared, inputs).unwrap_or_else(|problem| {
            problems.extend(problem);
            Value::Unknown
        });
        (variable.name.text.clone(), declared.sealed(value))
    };
    let mut values: Map = variables.iter().map(value).collect();
    values.extend(broken.iter().map(|name| ((*name).to_owned(), Value::Unknown)));
    values
}

/// What to do about a value for a variable that is not declared, by where it comes from.
fn undeclared(name: &str, given: &Given) -> String {
    let origin = given.origin.trim_matches('`');
    let kind = match given.value.revealed() {
        _ if given.is_text => "string",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        _ => "string",
    };
    let or_else = match origin {
        "--var" => format!("leave out `--var {name}=…`"),
        _ if origin.starts_with("TRUEUP_VAR_") => format!("leave it out of the environment: `unset {origin}`"),
        _ => format!("take it out of {origin}"),
    };
    format!("declare this one, `variables: {{ {name}: {{ type: {kind} }} }}`, or {or_else}")
}

/// The variables of a module, from the inputs that it is given where it stands.
pub(super) fn of_module(
    variables: &[Declaration<'_>],
    broken: &[&str],
    call: &Call<'_>,
    outside: &Scope,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Variable> {
    let known: Vec<&str> = names(variables, broken);
    for (name, _) in call.inputs.iter().filter(|(name, _)| !known.contains(&name.text.as_str())) {
        let message = format!("the module `{}` has no variable `{}`", call.name.text, name.text);
        let help = suggest(&name.text, &known, "its variables are", "it declares no variables");
        problems.push(Diagnostic::error(message).at(name.span, "no variable has this name").help(help));
    }
    let variable = |variable: &Declaration<'_>| {
        let name = &variable.name.text;
        let given = call.inputs.iter().find(|(given, _)| given.text == *name).map(|(_, node)| *node);
        let value = match given {
            Some(node) => input(Declared::of(variable), node, outside, problems),
            None => Variable::Given(default(variable, call, problems)),
        };
        (name.clone(), value)
    };
    let mut values: BTreeMap<String, Variable> = variables.iter().map(variable).collect();
    values.extend(broken.iter().map(|name| ((*name).to_owned(), Variable::Given(Value::Unknown))));
    values
}

fn names<'a>(variables: &[Declaration<'a>], broken: &[&'a str]) -> Vec<&'a str> {
    variables.iter().map(|variable| variable.name.text.as_str()).chain(broken.iter().copied()).collect()
}

/// An input that reads resources is evaluated when it is read: what it is, and what is wrong with it, shows only then.
fn input(declared: Declared, node: &Node, outside: &Scope, problems: &mut Vec<Diagnostic>) -> Variable {
    let evaluated = evaluate(node, outside);
    let expected: Vec<&str> = declared.kind.json().into_iter().collect();
    if let Some(Lead::Attribute(types)) = lead(node, outside)
        && !leads::may_be(&types, &expected)
    {
        let (name, text) = (&declared.name, leads::text(node));
        let (expected, found) = (leads::words(&expected), leads::words(&types));
        let message = format!("the variable `{name}` takes {expected}, and `{text}` is {found}");
        let help = leads::conversion(text, &types, &[declared.kind.json().unwrap_or_default()]);
        let problem = Diagnostic::error(message).at(node.span, "this input");
        problems.push(problem.help(help.unwrap_or_else(|| "name what has that type".to_owned())));
        return Variable::Given(Value::Unknown);
    }
    if !evaluated.reads.is_empty() || !evaluated.problems.is_empty() {
        return Variable::Input(Arc::new(Input { node: Arc::new(node.clone()), declared }));
    }
    match declared.check(&evaluated.value, node.span, "this input") {
        Ok(()) => Variable::Given(declared.sealed(evaluated.value)),
        Err(problem) => {
            problems.push(problem);
            Variable::Given(Value::Unknown)
        }
    }
}

fn default(variable: &Declaration<'_>, call: &Call<'_>, problems: &mut Vec<Diagnostic>) -> Value {
    let declared = Declared::of(variable);
    let value = if variable.default.is_some() {
        value(variable, &declared, &Inputs::default())
    } else {
        let name = &variable.name.text;
        let message = format!("the module `{}` needs the input `{name}`", call.name.text);
        let about = variable.description.as_ref().map_or(String::new(), |text| format!(": {text}"));
        let problem = Diagnostic::error(message).at(call.name.span, "this module");
        let problem = problem.at(variable.name.span, format!("declared here{about}"));
        Err(Some(problem.help(format!("give it: `inputs: {{ {name}: … }}`"))))
    };
    declared.sealed(value.unwrap_or_else(|problem| {
        problems.extend(problem);
        Value::Unknown
    }))
}

fn value(variable: &Declaration<'_>, declared: &Declared, inputs: &Inputs) -> Result<Value, Option<Diagnostic>> {
    let name = &variable.name.text;
    let (value, span, label) = match (inputs.variables.get(name), variable.default) {
        (Some(given), _) => {
            (given_value(given, variable)?, variable.name.span, format!("{} gives its value", given.origin))
        }
        (None, Some(default)) => {
            let value = default.literal().map_err(|span| {
                let mut broken = false;
                default.templates(&mut |template| broken |= template.is_broken());
                let message = format!("the default of `{name}` can't be an expression");
                (!broken).then(|| {
                    Diagnostic::error(message)
                        .at(span, "this default")
                        .help("write a value, and compute where the variable is used")
                })
            })?;
            (value, default.span, "this default".to_owned())
        }
        (None, None) => return Err(Some(missing(variable))),
    };
    declared.check(&value, span, &label)?;
    Ok(value)
}

fn missing(variable: &Declaration<'_>) -> Diagnostic {
    let name = &variable.name.text;
    let about = variable
        .description
        .as_ref()
        .map_or_else(|| "declared here".to_owned(), |text| format!("declared here: {text}"));
    Diagnostic::error(format!("the variable `{name}` has no value")).at(variable.name.span, about).help(format!(
        "give it by `--var {name}=…`, by `TRUEUP_VAR_{name}=…` in the environment, or by a `default` here"
    ))
}

impl Declared {
    fn of(variable: &Declaration<'_>) -> Self {
        Self {
            name: variable.name.text.clone(),
            kind: variable.kind,
            secret: variable.secret,
            limits: variable.limits.clone(),
            validator: OnceLock::new(),
        }
    }

    /// A value as the variable's type writes it, with the mark that the variable asks for.
    fn sealed(&self, value: Value) -> Value {
        let value = match value {
            // To JSON Schema, 1.0 is an integer.
            Value::Number(number) if self.kind == VariableType::Integer => Value::Number(whole(number)),
            value => value,
        };
        if self.secret && value != Value::Unknown { Value::secret(value) } else { value }
    }

    /// What an input is to who reads the variable: the very thing where it is one, a checked value otherwise.
    pub(super) fn take(&self, seen: Seen, name: String, outside: &Scope, span: Span, tracker: &Tracker) -> Seen {
        let is_thing =
            matches!(seen, Seen::Resource(..) | Seen::Group(_) | Seen::Call(_) | Seen::Calls(_) | Seen::Written(_));
        if is_thing && !self.secret && matches!(self.kind, VariableType::Any | VariableType::Map) {
            return seen;
        }
        let value = seen.take(outside, tracker);
        if let Err(problem) = self.check(&value, span, "this input") {
            tracker.problem(problem);
            return Seen::Unknown;
        }
        match value {
            Value::Unknown if self.secret => Seen::owned(name, Value::secret(Value::Unknown)),
            value => Seen::owned(name, self.sealed(value)),
        }
    }

    /// Whether any map will do, and is no secret for being one.
    pub(super) fn takes_maps_as_they_are(&self) -> bool {
        !self.secret && self.limits.is_empty() && matches!(self.kind, VariableType::Any | VariableType::Map)
    }

    /// Checks a value against the variable's type and limits. The error repeats no value, which may be secret.
    fn check(&self, value: &Value, span: Span, label: &str) -> Result<(), Diagnostic> {
        let name = &self.name;
        let problem = |text: String| Diagnostic::error(text).at(span, label);
        // A pattern that can't be used was reported where it stands, and is not among the limits.
        let Some((schema, validator)) = self.validator.get_or_init(|| self.compile()) else { return Ok(()) };
        let found = crate::validate::problems(validator, schema, value).into_iter().next();
        found.map_or(Ok(()), |found| {
            let message = found.message.strip_prefix("this ").map_or_else(|| found.message.clone(), str::to_owned);
            let diagnostic = problem(format!("the variable `{name}` {message}"));
            Err(match found.suggestion {
                Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
                None => match (self.kind, value.revealed()) {
                    (VariableType::String, Value::Number(_) | Value::Bool(_)) => diagnostic.help("put it in quotes"),
                    (_, Value::Null) => {
                        diagnostic.help("write a value, or leave the default out: then it must be given; one that may be null has no `type`")
                    }
                    _ => diagnostic,
                },
            })
        })
    }

    fn compile(&self) -> Option<(Json, Validator)> {
        let mut schema = self.limits.clone();
        if let Some(name) = self.kind.json() {
            schema.insert("type".to_owned(), name.into());
        }
        let schema = Json::Object(schema);
        let validator = jsonschema::validator_for(&schema).ok()?;
        Some((schema, validator))
    }
}

fn given_value(given: &Given, variable: &Declaration<'_>) -> Result<Value, Diagnostic> {
    let Value::String(text) = given.value.revealed() else { return Ok(given.value.clone()) };
    if !given.is_text {
        return Ok(given.value.clone());
    }
    from_text(text, variable.kind).ok_or_else(|| {
        let name = &variable.name.text;
        let example = match variable.kind {
            VariableType::Integer => "4",
            VariableType::Number => "1.5",
            VariableType::Boolean => "true",
            VariableType::List => "[a, b]",
            VariableType::Map => "{a: 1}",
            VariableType::String => "text",
            VariableType::Any => "[a, {b: c}]",
        };
        Diagnostic::error(format!(
            "the variable `{name}` is of type {}, and what {} gives is not",
            variable.kind.name(),
            given.origin
        ))
        .at(variable.name.span, "declared here")
        .help(format!("write it as in YAML: `{name}={example}`"))
    })
}

/// Text from a command line or an environment variable, as a type reads it.
fn from_text(text: &str, kind: VariableType) -> Option<Value> {
    let plain = || match scalar::plain(text.trim()).ok()? {
        Content::Bool(value) => Some(Value::Bool(value)),
        Content::Number(number) => Some(Value::Number(number)),
        _ => None,
    };
    match kind {
        VariableType::String => Some(text.into()),
        VariableType::Integer | VariableType::Number => plain().filter(|value| matches!(value, Value::Number(_))),
        VariableType::Boolean => plain().filter(|value| matches!(value, Value::Bool(_))),
        VariableType::List => yaml(text).filter(|value| value.as_list().is_some()),
        VariableType::Map => yaml(text).filter(|value| value.as_map().is_some()),
        // What begins as a list or a map is meant as one.
        VariableType::Any if text.trim_start().starts_with(['[', '{']) => yaml(text),
        VariableType::Any => Some(yaml(text).unwrap_or_else(|| text.into())),
    }
}

fn yaml(text: &str) -> Option<Value> {
    let parse::Parsed { root: node, problems, .. } = parse::parse(text, FileId::default());
    node.filter(|_| !crate::diagnostic::any_error(&problems))?.literal().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_the_declared_type() {
        for (text, kind, expected) in [
            ("007", VariableType::String, Some("007".into())),
            ("true", VariableType::String, Some("true".into())),
            ("{{ x }}", VariableType::String, Some("{{ x }}".into())),
            ("4", VariableType::Integer, Some(4.into())),
            ("four", VariableType::Integer, None),
            ("true", VariableType::Boolean, Some(true.into())),
            ("yes", VariableType::Boolean, None),
            ("[a, b]", VariableType::List, Some(vec!["a", "b"].into())),
            ("a,b", VariableType::List, None),
            ("{a: 1}", VariableType::Map, Some(Map::from([("a".to_owned(), 1.into())]).into())),
            ("4", VariableType::Any, Some(4.into())),
            ("a: b: c", VariableType::Any, Some("a: b: c".into())),
        ] {
            assert_eq!(from_text(text, kind), expected, "{text}");
        }
    }
}
