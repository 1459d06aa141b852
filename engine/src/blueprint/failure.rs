//! Why an expression could not be evaluated: what minijinja says of it, at the part that it says it of, and what to do.

use minijinja::{Error, ErrorKind};

use super::calls;
use super::template::Compiled;
use super::tokens::{self, Token};
use super::tracking;
use crate::diagnostic::{Diagnostic, Span};

/// What is wrong, where minijinja's own words would not do, and what to do about it.
struct Remedy {
    detail: Option<String>,
    help: Option<String>,
}

/// An evaluation's failure. `secret` says that a secret was read, so that no word of it may be repeated.
pub(super) fn diagnose(compiled: &Compiled, error: &Error, secret: bool) -> Diagnostic {
    let Remedy { detail, help } = remedy(error);
    let detail = match (detail, error.detail()) {
        (Some(detail), _) => detail,
        (None, _) if secret => "what it reads is secret, so no more is said".to_owned(),
        (None, Some(detail)) => detail.to_owned(),
        (None, None) => error.kind().to_string(),
    };
    problem(compiled.span_of(error), detail, help)
}

/// The failure of a whole expression, in our own words.
pub(super) fn whole(compiled: &Compiled, detail: &str, secret: bool) -> Diagnostic {
    let said = if secret { "what it reads is secret, so no more is said" } else { detail };
    let help = in_parts(&compiled.text, detail).or_else(|| help(detail)).filter(|_| !secret);
    problem(compiled.span, said.to_owned(), help.map(str::to_owned))
}

/// What to do where nothing is found, by the words of the expression.
fn in_parts(text: &str, detail: &str) -> Option<&'static str> {
    let words = tokens::tokens(text);
    let has = |name: &str| words.iter().any(|(word, _)| *word == Token::Name(name));
    match detail {
        "nothing is where it looks" if has("if") && !has("else") => {
            Some("say what it is where the condition is false: `a if b else c`")
        }
        "nothing is where it looks" if has("first") || has("last") => {
            Some("an empty list has none: say what stands for it, `a | first | default(b)`")
        }
        tracking::NOT_THERE if has("map") || has("select") => {
            Some("a map gives its keys: for what stands under them write `a | values | map(attribute='b') | list`")
        }
        _ => None,
    }
}

fn problem(span: Span, detail: String, help: Option<String>) -> Diagnostic {
    let problem = Diagnostic::error("this expression can't be evaluated").at(span, detail);
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

fn remedy(error: &Error) -> Remedy {
    let said = |detail: &str, help: String| Remedy { detail: Some(detail.to_owned()), help: Some(help) };
    match error.kind() {
        ErrorKind::UnknownFunction => said("there is no such function", calls::callable("")),
        ErrorKind::UnknownMethod => {
            said("values have no methods", "use a filter: `a | upper`, `a | replace('x', 'y')`".to_owned())
        }
        ErrorKind::OutOfFuel => said(
            "this would take too long, or too much memory",
            "make fewer or smaller values: data of that size belongs in a file of its own".to_owned(),
        ),
        _ if error.detail().is_some_and(|detail| {
            ["float literal", "digit found", "cannot parse"].iter().any(|words| detail.contains(words))
        }) =>
        {
            said("this text is no number", "give what stands for it: `a | int(0)`, or write digits".to_owned())
        }
        ErrorKind::UndefinedError => said(
            "this is not there",
            "ask for it first, `a.b if a else c`, or say what stands for it: `a.b | default(c)`".to_owned(),
        ),
        ErrorKind::MissingArgument => said("an argument is missing", "name it in the parentheses".to_owned()),
        ErrorKind::TooManyArguments => said("this has too many arguments", "leave out the last".to_owned()),
        _ => Remedy { detail: None, help: error.detail().and_then(help).map(str::to_owned) },
    }
}

/// What to do where an operator is given what it does not take, by the types that it is given.
fn of_operator(operator: &str, types: &str) -> &'static str {
    let has = |one: &str| types.split(" and ").any(|found| found == one);
    let is_list = has("sequence") || has("iterator");
    match operator {
        _ if has("none") => "one of the two is nothing (null): say what stands for it, `(a or 0) + b`",
        "+" if has("map") => "maps are put together by a filter, in which what `b` has counts: `a | chain(b)`",
        "+" if is_list => "a list takes another list: `a + [b]` has one item more",
        "+" if has("string") => "text is put together by `~`: `a ~ b`; text becomes a number by `a | int`",
        _ if has("string") => "text becomes a number by `a | int` or `a | float`",
        _ if is_list || has("map") => {
            "this takes numbers: of a list and a map there are `a | length` and `a | values | sum`"
        }
        _ => "this takes numbers",
    }
}

/// What to do, by what minijinja says; what it repeats of values is not looked at.
fn help(detail: &str) -> Option<&'static str> {
    let operators =
        detail.strip_prefix("tried to use ").and_then(|rest| rest.split_once(" operator on unsupported types "));
    if let Some((operator, types)) = operators {
        return Some(of_operator(operator, types));
    }
    Some(match detail {
        _ if detail.starts_with("range has too many") => "a range has at most 100,000 numbers",
        _ if detail.starts_with("there is no order") && detail.contains("text") && detail.contains("number") => {
            "text becomes a number by `a | int` or `a | float`"
        }
        _ if detail.starts_with("there is no order") => "`<`, `<=`, `>` and `>=` compare two numbers, or two texts",
        _ if detail.starts_with("unable to calculate") => {
            "the result is no number that a blueprint can hold: check what it is computed from"
        }
        _ if detail.ends_with("is not callable") => {
            "leave the parentheses out: only functions and filters take arguments"
        }
        _ if detail.ends_with("is too large") => "data of that size belongs in a file of its own",
        _ if detail.starts_with("cannot convert string to") => "this takes a number: text becomes one by `a | int`",
        _ if detail.starts_with("cannot round") => "this takes a number: text becomes one by `a | int` or `a | float`",
        _ if detail.starts_with("text is wanted here, and this is a list") => {
            "for each of its items: `a | map('upper') | list`; to make text of it: `a | join(',')`"
        }
        _ if detail.starts_with("text is wanted here, and this is nothing") => "say what stands for it: `a or 'none'`",
        _ if detail.starts_with("text is wanted here") => "make text of it: `a | tojson`",
        _ if detail.contains("containment check") => "`in` looks into a list, a map or text",
        _ if detail.contains("calculate length") => "a list, a map and text have a length",
        _ if detail.ends_with("number that a blueprint can hold") => {
            "numbers are finite, and integers have at most 64 bits"
        }
        _ if detail.ends_with("more than 64 MiB") => "data of that size belongs in a file of its own",
        _ if detail.starts_with("the keys of a map") => "put the key in quotes: `{'a': 1}`",
        _ if detail.ends_with("is not iterable") => "this takes a list or a map",
        _ => return None,
    })
}
