//! What expressions can call: minijinja's filters, tests and functions that only compute, and a few of our own.

use std::borrow::Cow;
use std::sync::LazyLock;

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters};

use super::{operators, tracking};

/// The filters there are.
pub(super) const FILTERS: [&str; 45] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "keys",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "values",
];

/// The tests there are, for `is`.
pub(super) const TESTS: [&str; 32] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "greaterthan",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// The functions there are: names that no resource may take.
pub(super) const FUNCTIONS: [&str; 2] = ["dict", "range"];

/// Whether expressions can call something of this name.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || [operators::ORDERED, operators::LIGHT, operators::TEXT].contains(&name)
}

/// What one evaluation may cost. minijinja counts an instruction as 1, and 64 bytes of data as 1: lists of 100,000 are sorted within it,
/// and what would fill the memory is not.
const FUEL: u64 = 2_000_000;

/// Where all expressions are compiled and evaluated.
pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        for markup in ["safe", "escape", "e", "pprint", "zip"] {
            environment.remove_filter(markup);
        }
        for global in ["debug", "namespace"] {
            environment.remove_global(global);
        }
        operators::add(&mut environment);
        environment.add_filter("tojson", to_json);
        add_thorough(&mut environment);
        environment.add_filter("format", format);
        environment.add_filter("join", join);
        environment.add_filter("values", values);
        environment.add_filter("keys", keys);
        environment.add_filter("string", text_of);
        environment.add_filter("upper", |value: &Value| text(value).map(|text| text.to_uppercase()));
        environment.add_filter("lower", |value: &Value| text(value).map(|text| text.to_lowercase()));
        environment.add_filter("title", |value: &Value| text(value).map(filters::title));
        environment
    });
    &ENVIRONMENT
}

/// A value as text, as it is put into text around an expression. minijinja would spell a list, or nothing, which nobody means.
fn text(value: &Value) -> Result<Cow<'_, str>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number => Ok(tracking::read(value)?.to_string().into()),
        kind @ (ValueKind::None | ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) => {
            let detail = format!("text is wanted here, and this is {}", operators::article(kind));
            Err(Error::new(ErrorKind::InvalidOperation, detail))
        }
        _ => Ok(value.as_str().map_or_else(|| value.to_string().into(), Cow::Borrowed)),
    }
}

/// The same, of what is known.
#[allow(clippy::needless_pass_by_value, reason = "minijinja's filters own their arguments")]
pub(super) fn text_of(value: &Value) -> Result<Value, Error> {
    if tracking::is_unknown(value) { Ok(value.clone()) } else { text(value).map(Value::from) }
}

fn to_json(value: &Value) -> Result<String, Error> {
    let plain = tracking::read(value)?;
    serde_json::to_string(&plain).map_err(|_| Error::new(ErrorKind::BadSerialization, "this has no JSON form"))
}

/// Whether a pattern for values has what is no ASCII between a `%` and the letter that ends it.
fn is_alien(pattern: &str) -> bool {
    let mut fields = pattern.split('%').skip(1);
    while let Some(rest) = fields.next() {
        if rest.is_empty() {
            // `%%` is a sign, and what comes after it is text.
            fields.next();
            continue;
        }
        let key = if rest.starts_with('(') { rest.find(')').map_or(rest.len(), |end| end + 1) } else { 0 };
        let end = rest[key..].find(char::is_alphabetic).map_or(rest.len(), |end| key + end + 1);
        if !rest.is_char_boundary(end) || !rest[..end].is_ascii() {
            return true;
        }
    }
    false
}

/// A text with values put in. minijinja's own panics where it is asked for very wide ones, and at letters that it does not know.
fn format(state: &mut State<'_, '_>, pattern: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let text = pattern.as_str().unwrap_or_default();
    let wide = text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 3);
    if wide || text.contains('*') {
        return Err(Error::new(ErrorKind::InvalidOperation, "this width is too large"));
    }
    if is_alien(text) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "what follows a `%` is none of `d`, `f`, `s`, `x` and the like",
        ));
    }
    filters::format(state, pattern, values)
}

/// Adds the filters that compare or write out all that they are given: of a list that holds the same large thing many times over, which
/// costs nothing, that would take minutes.
fn add_thorough(environment: &mut Environment<'_>) {
    type Filter = fn(&State<'_, '_>, Value, Kwargs) -> Result<Value, Error>;
    let all: [(&str, Filter); 4] =
        [("sort", filters::sort), ("min", filters::min), ("max", filters::max), ("unique", filters::unique)];
    for (name, filter) in all {
        environment.add_filter(name, move |state: &State<'_, '_>, value: Value, named: Kwargs| {
            light(&value)?;
            filter(state, value, named)
        });
    }
}

/// Refuses what is too large to be gone through.
pub(super) fn light(value: &Value) -> Result<(), Error> {
    const HEAVIEST: usize = 16 * 1024 * 1024;
    let mut left = HEAVIEST;
    if weigh(value, &mut left) { Ok(()) } else { Err(Error::new(ErrorKind::OutOfFuel, "this is too large")) }
}

/// Takes what a value weighs from what is left; false once nothing is.
fn weigh(value: &Value, left: &mut usize) -> bool {
    let own = value.as_str().map_or(8, |text| text.len() + 8);
    let Some(rest) = left.checked_sub(own) else { return false };
    *left = rest;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            value.len().is_none_or(|length| length <= *left)
                && value.try_iter().is_ok_and(|mut items| items.all(|item| weigh(&item, left)))
        }
        ValueKind::Map => value.try_iter().is_ok_and(|mut keys| {
            keys.all(|key| weigh(&key, left) && value.get_item(&key).is_ok_and(|item| weigh(&item, left)))
        }),
        _ => true,
    }
}

/// The items of a list as text, with something between them. minijinja would pass over what is not there.
#[allow(clippy::needless_pass_by_value, reason = "minijinja's filters own their arguments")]
fn join(items: &Value, between: Option<Cow<'_, str>>) -> Result<String, Error> {
    let mut joined = String::new();
    for (position, item) in items.try_iter()?.enumerate() {
        if position > 0 {
            joined.push_str(between.as_deref().unwrap_or_default());
        }
        joined.push_str(&text(&item)?);
    }
    Ok(joined)
}

fn values(map: &Value) -> Result<Vec<Value>, Error> {
    map_keys(map)?.iter().map(|key| map.get_item(key)).collect()
}

fn keys(map: &Value) -> Result<Vec<Value>, Error> {
    map_keys(map)
}

fn map_keys(map: &Value) -> Result<Vec<Value>, Error> {
    if map.kind() != ValueKind::Map {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("this filter takes a map, not a {}", map.kind())));
    }
    Ok(map.try_iter()?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_ascii_where_it_says_how() {
        for (pattern, alien) in [
            ("ä%sä%-5.2fä%%ä", false),
            ("%(name)s ä", false),
            ("100 %", false),
            ("%ä", true),
            ("%(ä", true),
            ("%(ä)s", true),
            ("%5ä", true),
        ] {
            assert_eq!(is_alien(pattern), alien, "{pattern}");
            let format = format!("'{pattern}' | format('x', 1.5) | length");
            let compiled = environment().compile_expression_owned(format).unwrap();
            let _ = compiled.eval(());
        }
    }

    #[test]
    fn the_lists_are_those_of_the_environment() {
        let has = |name: &str, what: &str| {
            let asked = environment().compile_expression_owned(format!("name is {what}")).unwrap();
            asked.eval(minijinja::context! { name }).unwrap().is_true()
        };
        for name in FILTERS {
            assert!(has(name, "filter"), "{name}");
        }
        for name in TESTS {
            assert!(has(name, "test"), "{name}");
        }
        for name in FUNCTIONS {
            assert!(!environment().compile_expression_owned(name).unwrap().eval(()).unwrap().is_undefined());
        }
    }
}
