//! Laws that hold for every text and every expression.

#![allow(clippy::unwrap_used)]

mod reading;

use std::sync::Arc;

use proptest::prelude::*;
use reading::{given, load_text};
use trueup_engine::blueprint::{Evaluated, Program, Scope, Visible, World, evaluate};
use trueup_state::{Address, Map, Value};

const GOOD: &str = include_str!("good/training.yaml");

fn is_calm(bytes: &[u8]) {
    if let Err(errors) = load_text(bytes, &given(&[])) {
        assert!(errors.has_errors());
        for label in errors.list.iter().flat_map(|diagnostic| &diagnostic.labels) {
            let source = errors.sources.get(label.span.file).unwrap();
            assert!(source.text.get(label.span.start..label.span.end).is_some(), "{label:?}");
        }
        reading::draw(&errors);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        is_calm(text.as_bytes());
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "[a-c{}\\[\\]:,\"'&*!|>#%\\-? \n\t\r\u{e9}0-9.~<]{0,80}") {
        is_calm(text.as_bytes());
        is_calm(format!("blueprint: demo\nresources:\n  a:\n    {text}").as_bytes());
    }

    #[test]
    fn any_expression_is_read_or_refused(text in "[a-c{}\\[\\]:,\"'|% \\-.()+~0-9=!<>]{0,30}") {
        is_calm(format!("blueprint: demo\noutputs:\n  a: '{{{{ {} }}}}'", text.replace('\'', "''")).as_bytes());
    }

    #[test]
    fn any_damage_to_a_blueprint_is_read_or_refused(at in any::<prop::sample::Index>(), length in 0..12_usize, put in "[a-z{}\\[\\]:,\"'&*| \n\t-]{0,6}") {
        let start = (0..=at.index(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap();
        let end = (0..=(start + length).min(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap().max(start);
        is_calm(format!("{}{put}{}", &GOOD[..start], &GOOD[end..]).as_bytes());
    }
}

const WORLD: &str = r"
blueprint: demo
variables:
  a: { type: string, default: x }
  n: { type: integer, default: 2 }
  s: { type: string, secret: true }
  m: { type: map, default: { x: 1, y: { z: two } } }
  l: { type: list, default: [x, y] }
  sl: { type: list, secret: true }
providers: { sim: {} }
resources:
  r: { kind: gpu_instance, gpu: { model: L4, count: 1 } }
  t: { kind: bucket }
  g: { kind: bucket, for_each: [x, y] }
outputs:
  out: '{{ EXPRESSION }}'
";

/// What [`WORLD`] has, and what stands for itself.
const ATOMS: [&str; 31] = [
    "var.a",
    "var.n",
    "var.s",
    "var.m",
    "var.m.y",
    "var.m.y.z",
    "var.l",
    "var.l[0]",
    "var.sl",
    "var.sl[0]",
    "r",
    "r.ip",
    "r.id",
    "t.uri",
    "g",
    "g.x.uri",
    "g[\"y\"]",
    "g[var.a].uri",
    "g[r.ip].uri",
    "var.m[r.ip]",
    "var.m[var.s]",
    "var.l[var.n - 1]",
    "var",
    "range(var.n)",
    "dict(a=var.s, b=r.ip)",
    "\"x\"",
    "3",
    "1.5",
    "true",
    "none",
    "[]",
];

const OPERATORS: [&str; 18] =
    ["~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in", "+", "-", "*", "/", "//", "%", "**"];

/// Every filter, with arguments where it takes some: `…` stands for another expression.
const FILTERS: [&str; 58] = [
    "abs",
    "attr(\"x\")",
    "attr(…)",
    "batch(2)",
    "batch(2, …)",
    "bool",
    "capitalize",
    "chain(…)",
    "count",
    "d(…)",
    "default(…)",
    "default(…, true)",
    "dictsort",
    "dictsort(by=\"value\")",
    "first",
    "float",
    "format(…)",
    "groupby(\"x\")",
    "indent(2)",
    "int",
    "int(default=…)",
    "items",
    "join(\",\")",
    "join(…)",
    "keys",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map(\"upper\")",
    "map(attribute=\"uri\")",
    "map(attribute=\"uri\", default=…)",
    "max",
    "min",
    "reject(\"defined\")",
    "reject(\"eq\", …)",
    "rejectattr(\"uri\")",
    "replace(\"x\", \"y\")",
    "replace(\"x\", …)",
    "reverse",
    "round",
    "select(\"eq\", …)",
    "selectattr(\"uri\")",
    "selectattr(\"uri\", \"eq\", …)",
    "slice(2)",
    "sort",
    "sort(attribute=\"uri\")",
    "split(\"x\")",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "trim(…)",
    "unique",
    "upper",
    "values",
];

/// Every test, likewise.
const TESTS: [&str; 33] = [
    "boolean",
    "defined",
    "divisibleby(2)",
    "divisibleby(…)",
    "endingwith(…)",
    "eq(…)",
    "equalto(…)",
    "even",
    "false",
    "float",
    "ge(…)",
    "gt(…)",
    "greaterthan(…)",
    "in(…)",
    "int",
    "integer",
    "iterable",
    "le(…)",
    "lessthan(…)",
    "lower",
    "lt(…)",
    "mapping",
    "ne(…)",
    "none",
    "not none",
    "number",
    "odd",
    "sameas(…)",
    "sequence",
    "startingwith(…)",
    "string",
    "true",
    "undefined",
];

const SLICES: [&str; 7] = ["[0]", "[-1]", "[1:]", "[:1]", "[::-1]", "[…]", "[…:]"];

/// An expression over what [`WORLD`] has.
fn expression() -> impl Strategy<Value = String> {
    prop::sample::select(&ATOMS[..]).prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        let with = |words: &'static [&'static str]| {
            let filled = |(word, argument): (&str, String)| word.replace('…', &argument);
            (prop::sample::select(words), inner.clone()).prop_map(filled)
        };
        let operator = prop::sample::select(&OPERATORS[..]);
        prop_oneof![
            2 => (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            1 => inner.clone().prop_map(|a| format!("(not {a})")),
            4 => (inner.clone(), with(&FILTERS)).prop_map(|(a, filter)| format!("({a} | {filter})")),
            2 => (inner.clone(), with(&TESTS)).prop_map(|(a, test)| format!("({a} is {test})")),
            1 => (inner.clone(), with(&SLICES)).prop_map(|(a, slice)| format!("({a}){slice}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{\"p\": {a}, \"q\": {b}}}")),
        ]
    })
}

fn program(expression: &str, secret: &str) -> Option<Program> {
    let text = WORLD.replace("EXPRESSION", &expression.replace('\'', "''"));
    load_text(text.as_bytes(), &given(&[("s", secret), ("sl", &format!("[{secret}]"))])).ok()
}

/// What the expression comes to when attributes are unknown, or known to be `text`.
fn result(program: &Program, text: Option<&str>) -> Evaluated {
    result_by(program, |_| text.map_or(Value::Unknown, Value::from))
}

/// What the expression comes to when the attributes of each resource are what a function says.
fn result_by(program: &Program, attribute: impl Fn(&Address) -> Value) -> Evaluated {
    let world: Arc<World> = program.world();
    for (address, resource) in program.resources.iter() {
        let names: &[&str] = if resource.kind.as_str() == "bucket" { &["name", "uri"] } else { &["id", "ip"] };
        let value = attribute(address);
        let attributes: Map = names.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
        let seen = Visible {
            kind: resource.kind.clone(),
            provider: resource.provider.clone(),
            attributes: attributes.clone().into(),
            stable: attributes.into(),
        };
        world.show(address.clone(), seen);
    }
    evaluate(&program.outputs["out"].node, &Scope { world, module: None, each: None })
}

/// Whether a value may become another once more is known.
fn refines(planned: &Value, actual: &Value) -> bool {
    match (planned.revealed(), actual.revealed()) {
        (Value::Unknown, _) => true,
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && refines(a, b))
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| refines(a, b)),
        (a, b) => a.same(b),
    }
}

fn covers(reads: &std::collections::BTreeSet<Address>, read: &Address) -> bool {
    reads.contains(read) || reads.contains(&read.block())
}

/// The parts of two values that are not secret, alike?
fn open_parts_alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Secret(_), Value::Secret(_)) => true,
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && open_parts_alike(a, b))
        }
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| open_parts_alike(a, b)),
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_known_stays_as_it_is(expression in expression(), text in "[xy]") {
        let Some(program) = program(&expression, "x") else { return Ok(()) };
        let (planned, actual) = (result(&program, None), result(&program, Some(&text)));
        prop_assert!(planned.problems.is_empty(), "{expression}: {:?}", planned.problems);
        if actual.problems.is_empty() {
            prop_assert!(refines(&planned.value, &actual.value), "{expression}: {:?} became {:?}", planned.value, actual.value);
            for read in &actual.reads {
                prop_assert!(covers(&planned.reads, read), "{expression}: {read} of {:?}", planned.reads);
            }
        }
    }

    #[test]
    fn what_depends_on_a_secret_is_secret(expression in expression(), known in prop::option::of("[xy]")) {
        let (Some(one), Some(other)) = (program(&expression, "x"), program(&expression, "hunter2")) else { return Ok(()) };
        let (one, other) = (result(&one, known.as_deref()), result(&other, known.as_deref()));
        if one.problems.is_empty() && other.problems.is_empty() {
            prop_assert!(open_parts_alike(&one.value, &other.value), "{expression}: {:?} and {:?}", one.value, other.value);
        }
        for problem in &other.problems {
            prop_assert!(!format!("{problem:?}").contains("hunter2"), "{expression}: {problem:?}");
        }
    }

    #[test]
    fn whose_value_shows_was_read(expression in expression(), resource in prop::sample::select(vec!["r", "t", "g[\"x\"]", "g[\"y\"]"])) {
        let Some(program) = program(&expression, "x") else { return Ok(()) };
        let changed: Address = resource.parse().unwrap();
        let one = result(&program, Some("x"));
        let other = result_by(&program, |address| if *address == changed { "other".into() } else { "x".into() });
        if one.problems.is_empty() && other.problems.is_empty() && one.value != other.value {
            prop_assert!(covers(&one.reads, &changed), "{expression}: {:?} and {:?}, {:?}", one.value, other.value, one.reads);
        }
        // What is unknown of it alone shows as well, unless nothing hangs on it.
        let unknown = result_by(&program, |address| if *address == changed { Value::Unknown } else { "x".into() });
        if one.problems.is_empty() && other.problems.is_empty() && unknown.problems.is_empty() && one.value != other.value {
            prop_assert!(unknown.value.has_unknown(), "{expression}: {:?}", unknown.value);
            prop_assert!(covers(&unknown.reads, &changed), "{expression}: {:?}", unknown.reads);
        }
    }

    #[test]
    fn the_same_comes_to_the_same(expression in expression(), known in prop::option::of("[xy]")) {
        let Some(program) = program(&expression, "x") else { return Ok(()) };
        let (one, other) = (result(&program, known.as_deref()), result(&program, known.as_deref()));
        prop_assert_eq!(format!("{:?}", one), format!("{:?}", other));
    }

    #[test]
    fn text_around_an_expression_makes_text(expression in expression(), known in prop::option::of("[xy]")) {
        let around = format!("\"a\" }}}}, {{{{ {expression} }}}}, {{{{ \"b\"");
        let (Some(alone), Some(program)) = (program(&expression, "x"), program(&around, "x")) else { return Ok(()) };
        let (alone, result) = (result(&alone, known.as_deref()), result(&program, known.as_deref()));
        prop_assert!(matches!(result.value.revealed(), Value::String(_) | Value::Unknown | Value::Secret(_)), "{:?}", result.value);
        prop_assert!(alone.value.has_secret() <= result.value.has_secret(), "{expression}: {:?}", result.value);
        prop_assert!(alone.reads.is_subset(&result.reads), "{expression}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_is_put_together_alike_inside_an_expression_and_around_it(
        (a, b) in (expression(), expression()), known in prop::option::of("[xy]")
    ) {
        let of = |expression: &str| program(expression, "x").map(|program| result(&program, known.as_deref()));
        let around = format!("\"-\" }}}}{{{{ {a} }}}}{{{{ {b} }}}}{{{{ \"\"");
        let (Some(inside), Some(around)) = (of(&format!("'-' ~ {a} ~ {b}")), of(&around)) else { return Ok(()) };
        if inside.problems.is_empty() && around.problems.is_empty() {
            let (inside, around) = (inside.value, around.value);
            let known = |value: &Value| value.revealed().as_str().is_some();
            prop_assert!(!known(&inside) || !known(&around) || inside.revealed() == around.revealed(), "{inside:?}, {around:?}");
        }
    }
}

#[test]
fn a_path_alone_keeps_its_type() {
    for (path, expected) in [
        ("var.n", Value::from(2)),
        ("var.l", vec!["x", "y"].into()),
        ("var.m.y", Map::from([("z".to_owned(), "two".into())]).into()),
        ("var.l[1]", "y".into()),
        ("var.s", Value::secret("x".into())),
        ("r.ip", Value::Unknown),
    ] {
        assert_eq!(result(&program(path, "x").unwrap(), None).value, expected, "{path}");
    }
}
