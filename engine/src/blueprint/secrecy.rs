//! What is computed from a secret is secret, whatever computes it, and no error repeats it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use trueup_state::Value;
use trueup_state::codec::{self, Redaction};

use super::functions::{FILTERS, FUNCTIONS, TESTS, environment};
use super::{Catalog, Given, Inputs, Loader, Scope, evaluate, expand};
use canary::{CANARY, silent};

#[path = "../../tests/support/canary.rs"]
mod canary;

/// Computations with the canary `var.s`, the map `var.m` and the list `var.l` of it, and what may be read by anyone: `var.a`, `var.n`.
const COMPUTED: [&str; 102] = [
    // Operators and places
    "var.s",
    "var.s[2:14]",
    "var.s[0:31:2]",
    "[var.s, var.a]",
    "{'k': var.s}",
    "{var.s: 1}",
    "'x ' ~ var.s",
    "var.s + var.s",
    "(var.n * var.n) + (var.s | length)",
    "var.s == 'x'",
    "var.s < var.a",
    "var.s in var.l",
    "'Zq' in var.s",
    "var.a in var.s",
    "not var.s",
    "var.s and var.a",
    "none or var.s",
    "var.a if var.s else var.n",
    "var.s if var.n > 1 else var.a",
    "var.m",
    "var.m.k",
    "var.m.inner[0]",
    "var.l[0]",
    "var.l[-1]",
    "var.l * 2",
    // Functions
    "dict(a=var.s)",
    "dict(var.m, b=1)",
    "range(var.s | length) | list",
    // Filters
    "((var.s | length) - 40) | abs",
    "var.m | attr('k')",
    "var.s | list | batch(8) | list",
    "var.s | bool",
    "var.s | capitalize",
    "var.m | chain({'a': 1}) | dictsort",
    "var.s | count",
    "var.m.none | d(var.s)",
    "var.m.none | default(var.s)",
    "var.m | dictsort",
    "var.s | first",
    "(var.s | length) | float",
    "'%s!' | format(var.s)",
    "var.s | format(1)",
    "[{'k': var.s}] | groupby('k')",
    "(var.s ~ '\n' ~ var.s) | indent(2)",
    "(var.s | length) | int",
    "var.m | items | list",
    "var.l | join(',')",
    "[var.a, var.n] | join(var.s)",
    "var.m | keys",
    "var.s | last",
    "var.s | length",
    "(var.s ~ '\n' ~ var.s) | lines",
    "var.s | list",
    "var.s | lower",
    "var.l | map('upper') | list",
    "[var.m] | map(attribute='k') | list",
    "var.s | list | max",
    "var.s | list | min",
    "var.l | reject('none') | list",
    "[var.m] | rejectattr('none') | list",
    "var.s | replace('q', '-')",
    "var.a | replace('x', var.s)",
    "var.s | reverse",
    "((var.s | length) / 3) | round(1)",
    "var.l | select('string') | list",
    "[var.m] | selectattr('k') | list",
    "var.s | list | slice(3) | list",
    "var.l | sort",
    "var.s | split('3')",
    "var.s | string",
    "[var.l] | sum(start=[])",
    "var.s | title",
    "var.s | tojson",
    "var.m | tojson",
    "{'a': [var.m]} | tojson",
    "var.s | trim('Z')",
    "(var.l + var.l) | unique",
    "var.s | upper",
    "var.m | values",
    // Tests
    "var.s is boolean",
    "var.s[0] is defined",
    "(var.s | length) is divisibleby(2)",
    "var.s is endingwith('x')",
    "var.s is eq('x') or var.s is equalto('x')",
    "(var.s | length) is even or (var.s | length) is odd",
    "var.s is false or var.s is true",
    "(var.s | length) is float or var.s is int or var.s is integer",
    "var.s is ge('x') or var.s is gt('x') or var.s is greaterthan('x')",
    "var.s is in(var.l)",
    "var.s is iterable or var.s is mapping or var.s is sequence",
    "var.s is le('x') or var.s is lessthan('x') or var.s is lt('x')",
    "var.s is lower or var.s is upper",
    "var.s is ne('x')",
    "var.s is none or var.s is number or var.s is string",
    "var.s is sameas(var.a)",
    "var.s is startingwith('x')",
    "var.m.k is undefined",
    "var.a is startingwith(var.s)",
    "var.n is divisibleby(var.s | length)",
    // Around them
    "[[[var.s]]]",
    "{'a': {'b': [var.s[4:20]]}}",
    "(var.s | split('') | join('-'))",
];

/// Computations that fail, or may, with the canary at hand.
const FAILING: [&str; 40] = [
    "var.s | abs",
    "var.s | int",
    "var.s | float",
    "var.s | round",
    "var.s | sum",
    "var.s + 1",
    "var.s - var.s",
    "-var.s",
    "var.s < 1",
    "var.n < var.s",
    "var.n[var.s]",
    "var.m[var.s]",
    "var.l[var.s]",
    "var.m.inner[var.s]",
    "var.s.x",
    "var.s.x.y",
    "var.s()",
    "var.s.upper()",
    "var[var.s]",
    "range(var.s)",
    "range(1, var.s)",
    "dict(var.s)",
    "dict(a=var.s).b",
    "{'a': var.s}[var.s]",
    "'%d' | format(var.s)",
    "var.s | format(var.s)",
    "('%' ~ var.s) | format(1)",
    "var.l | map(var.s) | list",
    "var.l | select(var.s) | list",
    "[var.m] | map(attribute=var.s) | list",
    "[var.m] | sort(attribute=var.s)",
    "[var.m] | groupby(var.s)",
    "[var.m] | selectattr('k', var.s) | list",
    "var.s | batch(var.s) | list",
    "var.s | replace(var.n, 1)",
    "var.s | indent(var.s)",
    "var.s | split(var.s, var.s)",
    "var.s | attr(var.s)",
    "var.n is divisibleby(var.s)",
    "var.s * 100000000",
];

struct Nothing;

impl Loader for Nothing {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

struct Text(String);

impl Loader for Text {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("blueprint.yaml") { Ok(self.0.as_bytes().to_vec()) } else { Nothing.read(path) }
    }
}

fn given() -> Inputs {
    let text = |text: String| Given { value: text.into(), is_text: true, origin: "`--var`".to_owned() };
    let list = format!("[{CANARY}, {CANARY}]");
    let map = format!("{{ k: {CANARY}, inner: [{CANARY}] }}");
    let variables = [("s", CANARY.to_owned()), ("l", list), ("m", map)];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
    Inputs { environment: None, variables }
}

/// What an expression comes to, and what is said of it.
fn computed(expression: &str) -> (Value, String) {
    let text = format!(
        "blueprint: demo
variables:
  s: {{ type: string, secret: true }}
  m: {{ type: map, secret: true }}
  l: {{ type: list, secret: true }}
  a: {{ type: string, default: x }}
  n: {{ type: integer, default: 2 }}
outputs:
  out: '{{{{ {} }}}}'
",
        expression.replace('\'', "''").replace('\n', "\\n")
    );
    let loaded = expand::load(Path::new("blueprint.yaml"), &given(), &Text(text), &Arc::new(Catalog::default()));
    let program = match loaded {
        Ok(program) => program,
        Err(errors) => return (Value::Unknown, format!("{errors} {:?}", errors.list)),
    };
    let evaluated = evaluate(&program.outputs["out"].node, &Scope::of_module(&program.world(), None));
    (evaluated.value, format!("{:?}", evaluated.problems))
}

fn shown(value: &Value) -> String {
    [Redaction::Words, Redaction::Null].map(|as_what| codec::redact(value, as_what).to_string()).concat()
}

#[test]
fn what_is_computed_from_a_secret_is_secret() {
    for expression in COMPUTED {
        let (value, said) = computed(expression);
        assert_eq!(said, "[]", "{expression}");
        assert!(value.has_secret(), "{expression} comes to {}", shown(&value));
        silent(expression, &format!("{} {value:?}", shown(&value)));
    }
}

#[test]
fn what_can_not_be_computed_from_a_secret_does_not_repeat_it() {
    let mut failed = 0;
    for expression in FAILING {
        let (value, said) = computed(expression);
        failed += usize::from(said != "[]");
        assert!(value.has_secret() || said != "[]", "{expression} comes to {}", shown(&value));
        silent(expression, &format!("{} {value:?} {said}", shown(&value)));
    }
    assert!(failed > FAILING.len() / 2, "{failed} fail: these are no failing ones");
}

#[test]
fn every_filter_test_and_function_is_given_a_secret() {
    let has = |written: String| COMPUTED.iter().any(|expression| expression.contains(&written));
    let at_its_end = |start: &str, name: &str| {
        [" ", "(", ")", ","].iter().any(|end| has(format!("{start}{name}{end}")))
            || COMPUTED.iter().any(|expression| expression.ends_with(&format!("{start}{name}")))
    };
    let missing: Vec<String> = FILTERS
        .iter()
        .map(|name| ("| ", name))
        .chain(TESTS.iter().map(|name| ("is ", name)))
        .filter(|(start, name)| !at_its_end(start, name) && !has(format!("map('{name}')")))
        .map(|(start, name)| format!("{start}{name}"))
        .chain(FUNCTIONS.iter().filter(|name| !has(format!("{name}("))).map(|name| format!("{name}()")))
        .collect();
    assert!(missing.is_empty(), "no secret goes through {missing:?}");
}

#[test]
fn the_lists_name_all_that_can_be_called() {
    let said = format!("{:?}", environment());
    let lists =
        [("filters: [", "]", &FILTERS[..]), ("tests: [", "]", &TESTS[..]), ("globals: {", "}, tests", &FUNCTIONS[..])];
    for (begins, ends, known) in lists {
        let (_, list) = said.split_once(begins).unwrap_or_else(|| panic!("{begins} in {said}"));
        let names = list.split_once(ends).unwrap().0.split('"').skip(1).step_by(2);
        // What is compiled to, the signs of operators, and what asks of markup, filters and tests is not for a blueprint to call.
        let own = |name: &&str| name.starts_with(|c: char| c.is_ascii_lowercase());
        let others = ["safe", "escaped", "filter", "test"];
        let unknown: Vec<&str> =
            names.filter(own).filter(|name| !known.contains(name) && !others.contains(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?} can be called, and are in no list");
    }
}
