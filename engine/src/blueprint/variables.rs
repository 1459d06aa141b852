//! The values of variables: given from outside, else the default.

use serde_json::Value as Json;
use trueup_state::{Map, Value};

use super::schema::{Variable, VariableType};
use super::source::Content;
use super::{Given, Inputs, parse, scalar};
use crate::diagnostic::{Diagnostic, FileId, Span, closest};

/// The values of a file's variables. One that has none is a problem, and unknown.
pub(super) fn resolve(
    variables: &[Variable<'_>],
    broken: &[&str],
    inputs: &Inputs,
    problems: &mut Vec<Diagnostic>,
) -> Map {
    let known: Vec<&str> =
        variables.iter().map(|variable| variable.name.text.as_str()).chain(broken.iter().copied()).collect();
    for (name, given) in inputs.variables.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let help = match closest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "the blueprint declares no variables".to_owned(),
            None => format!(
                "the blueprint declares {}",
                known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        problems
            .push(Diagnostic::error(format!("there is no variable `{name}`, which {} gives", given.origin)).help(help));
    }
    let value = |variable: &Variable<'_>| {
        let value = value(variable, inputs).unwrap_or_else(|problem| {
            problems.extend(problem);
            Value::Unknown
        });
        let value = if variable.secret && value != Value::Unknown { Value::secret(value) } else { value };
        (variable.name.text.clone(), value)
    };
    variables.iter().map(value).collect()
}

fn value(variable: &Variable<'_>, inputs: &Inputs) -> Result<Value, Option<Diagnostic>> {
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
    check(variable, &value, span, &label)?;
    Ok(value)
}

fn missing(variable: &Variable<'_>) -> Diagnostic {
    let name = &variable.name.text;
    let about = variable
        .description
        .as_ref()
        .map_or_else(|| "declared here".to_owned(), |text| format!("declared here: {text}"));
    Diagnostic::error(format!("the variable `{name}` has no value")).at(variable.name.span, about).help(format!(
        "give it by `--var {name}=…`, by `TRUEUP_VAR_{name}=…` in the environment, or by a `default` here"
    ))
}

/// Checks a value against the variable's type and limits. The error repeats no value, which may be secret.
fn check(variable: &Variable<'_>, value: &Value, span: Span, label: &str) -> Result<(), Diagnostic> {
    let mut schema = variable.limits.clone();
    if let Some(name) = variable.kind.json() {
        schema.insert("type".to_owned(), name.into());
    }
    let schema = Json::Object(schema);
    let problem = |text: String| Diagnostic::error(text).at(span, label);
    // A pattern that can't be used was reported where it stands, and is not among the limits.
    let Ok(validator) = jsonschema::validator_for(&schema) else { return Ok(()) };
    let found = crate::validate::problems(&validator, &schema, value).into_iter().next();
    found.map_or(Ok(()), |found| {
        let message = found.message.strip_prefix("this ").map_or_else(|| found.message.clone(), str::to_owned);
        let diagnostic = problem(format!("the variable `{}` {message}", variable.name.text));
        Err(match found.suggestion {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => match (variable.kind, value.revealed()) {
                (VariableType::String, Value::Number(_) | Value::Bool(_)) => diagnostic.help("put it in quotes"),
                (_, Value::Null) => diagnostic.help("write a value, or leave the default out: then it must be given"),
                _ => diagnostic,
            },
        })
    })
}

fn given_value(given: &Given, variable: &Variable<'_>) -> Result<Value, Diagnostic> {
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
            VariableType::String | VariableType::Any => "text",
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
        VariableType::Any => Some(yaml(text).unwrap_or_else(|| text.into())),
    }
}

fn yaml(text: &str) -> Option<Value> {
    let (node, problems) = parse::parse(text, FileId::default());
    node.filter(|_| problems.is_empty())?.literal().ok()
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
