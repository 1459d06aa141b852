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

/// An expression over what [`WORLD`] has.
fn expression() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
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
        "\"x\"",
        "3",
        "true",
        "none",
        "range(var.n)",
        "var.m[r.ip]",
        "var.m[var.s]",
        "var",
    ]);
    atom.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec!["~", "==", "!=", "and", "or", "+", "in", "<", "*"]);
        let filter = prop::sample::select(vec![
            "default(\"z\")",
            "upper",
            "length",
            "tojson",
            "string",
            "join(\",\")",
            "first",
            "last",
            "list",
            "values",
            "keys",
            "items",
            "map(attribute=\"uri\")",
            "int",
            "bool",
            "sort",
            "reverse",
            "unique",
            "max",
            "trim",
            "replace(\"x\", \"y\")",
            "dictsort",
        ]);
        let test = prop::sample::select(vec!["defined", "none", "string", "mapping", "not none", "number", "true"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            inner.clone().prop_map(|a| format!("(not {a})")),
            (inner.clone(), filter).prop_map(|(a, filter)| format!("({a} | {filter})")),
            (inner.clone(), test).prop_map(|(a, test)| format!("({a} is {test})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{{\"p\": {a}, \"q\": {b}}}")),
        ]
    })
}

fn program(expression: &str, secret: &str) -> Option<Program> {
    let text = WORLD.replace("EXPRESSION", &expression.replace('\'', "''"));
    load_text(text.as_bytes(), &given(&[("s", secret), ("sl", &format!("[{secret}]"))])).ok()
}

/// What the expression comes to when attributes are unknown, or known to be `text`.
fn result(program: &Program, text: Option<&str>) -> Evaluated {
    let world: Arc<World> = program.world();
    for (address, resource) in &program.resources {
        let names: &[&str] = if resource.kind.as_str() == "bucket" { &["name", "uri"] } else { &["id", "ip"] };
        let value = text.map_or(Value::Unknown, Value::from);
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
}
