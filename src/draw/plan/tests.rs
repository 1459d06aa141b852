//! Plans made by hand, where no small blueprint leads to them.

use std::collections::{BTreeMap, BTreeSet};

use trueup_engine::plan::{
    Action, Change, Contents, Existing, FORMAT, FieldChange, Mode, Operation, Order, Plan, Reason,
};
use trueup_engine::provider::Candidate;
use trueup_state::{Address, Declared, FieldPath, Place, Scope, Stack, Timestamp, Value, Verb};

use super::takes::Takes;
use super::why::Whys;
use super::{Shown, names, text};
use crate::arguments::View;

fn plan() -> Plan {
    Plan {
        format: FORMAT,
        mode: Mode::Apply,
        asked: trueup_engine::plan::select::Asked::default(),
        refreshed: true,
        part: trueup_engine::plan::select::Part::default(),
        stack: Stack { blueprint: "demo".into(), environment: "default".into(), file: "blueprint.yaml".into() },
        lineage: Some("demo".into()),
        serial: 7,
        at: Timestamp(0),
        sources: trueup_engine::diagnostic::Sources::default(),
        texts: BTreeMap::new(),
        variables: BTreeMap::new(),
        known: BTreeMap::new(),
        facts: Vec::new(),
        contents: Contents::default(),
        existing: Vec::new(),
        deferred: Vec::new(),
        resumes: Vec::new(),
        drift: Vec::new(),
        uncompared: trueup_engine::plan::Uncompared::default(),
        changes: Vec::new(),
        entries: Vec::new(),
        operations: Vec::new(),
        joints: 0,
        edges: Vec::new(),
        outputs: BTreeMap::new(),
        refusals: Vec::new(),
        notices: Vec::new(),
    }
}

fn scope() -> Scope {
    Scope::of("local")
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn line(line: usize) -> Place {
    Place { file: std::path::Path::new("blueprint.yaml").into(), line }
}

fn spec(json: serde_json::Value) -> Value {
    json.into()
}

/// A change of some fields, each known, or unknown where it reads something.
fn change(name: &str, action: Action, fields: &[(&str, Option<&str>)], reasons: Vec<Reason>) -> Change {
    let replaces = matches!(action, Action::Replace(_));
    let field = |(path, after): &(&str, Option<&str>)| FieldChange {
        path: FieldPath::parse(path),
        before: Some("old".into()),
        after: Some(after.map_or(Value::Unknown, Value::from)),
        replaces,
        source: Some(line(3)),
    };
    let (mut before, mut after) = (Value::Null, Value::Null);
    for (path, value) in fields {
        before.put(&FieldPath::parse(path), "old".into());
        after.put(&FieldPath::parse(path), value.map_or(Value::Unknown, Value::from));
    }
    Change {
        address: address(name),
        kind: "bucket".into(),
        scope: scope(),
        action,
        before,
        after,
        attributes_before: spec(serde_json::json!({ "uri": "old" })),
        attributes_after: Value::Map([("uri".to_owned(), Value::Unknown)].into()),
        fields: fields.iter().map(field).collect(),
        reasons,
        source: Some(line(2)),
        candidates: Vec::new(),
        part_of: None,
    }
}

fn operation(name: &str, verb: Verb, dependencies: &[&str]) -> Operation {
    let dependencies: BTreeSet<Address> = dependencies.iter().map(|name| address(name)).collect();
    Operation {
        address: address(name),
        kind: "bucket".into(),
        verb,
        generation: 0,
        scope: scope(),
        id: None,
        spec: Value::Null,
        before: Value::Null,
        observed: Value::Null,
        attributes: Value::Null,
        declared: Declared { dependencies: dependencies.into_iter().collect(), ..Declared::default() },
        partner: None,
        candidate: None,
        part_of: None,
    }
}

fn reads(path: &str) -> Reason {
    Reason::Reads { path: FieldPath::parse(path), place: Some(line(3)) }
}

fn edited(path: &str) -> Reason {
    Reason::Edited { path: FieldPath::parse(path), place: Some(line(24)) }
}

/// Resources in a row, each of which reads the one before; the first is replaced because it was edited.
fn row(length: usize) -> Plan {
    let mut plan = plan();
    plan.changes.push(change(
        "n0",
        Action::Replace(Order::DestroyFirst),
        &[("source", Some("new"))],
        vec![edited("source")],
    ));
    plan.operations.push(operation("n0", Verb::Create, &[]));
    for at in 1..length {
        plan.changes.push(change(&format!("n{at}"), Action::Update, &[("model", None)], vec![reads("model")]));
        plan.operations.push(operation(&format!("n{at}"), Verb::Update, &[&format!("n{}", at - 1)]));
    }
    plan
}

fn words(plan: &Plan, name: &str) -> Vec<String> {
    Whys::new(plan, None).chains(&address(name)).iter().map(super::why::Chain::words).collect()
}

fn shown(plan: &Plan, view: View) -> String {
    let shown = Shown { plan, program: None, location: ".trueup/state.db", serial: 7, view };
    anstream::adapter::strip_str(&text(&shown)).to_string()
}

#[test]
fn a_chain_is_followed_to_its_line() {
    let plan = row(3);
    assert_eq!(
        words(&plan, "n2"),
        ["model changes, because n1 changes, because model changes, because n0 is replaced, because source was edited"]
    );
    let whys = Whys::new(&plan, None);
    let chains = whys.chains(&address("n2"));
    assert_eq!(chains[0].place(), Some(&line(24)));
    insta::assert_snapshot!(serde_json::to_string_pretty(&chains[0].json()).unwrap());
}

#[test]
fn a_long_chain_is_cut_and_what_is_drawn_of_it_grows_with_its_length_alone() {
    let drawn = |length: usize| shown(&row(length), View::Normal).len();
    let (small, large) = (drawn(1_000), drawn(8_000));
    assert!(large < small * 9, "{small} bytes of 1,000, {large} of 8,000");
    let words = words(&row(5_000), "n4999");
    assert!(words[0].contains("because of 4994 more in a row"), "{words:?}");
    assert!(words[0].ends_with("because n0 is replaced, because source was edited"), "{words:?}");
}

#[test]
fn between_the_parts_of_one_resource_the_inner_links_are_left_out() {
    let mut plan = row(5);
    plan.changes[1..4].iter_mut().for_each(|change| change.part_of = Some(address("chat")));
    assert_eq!(
        words(&plan, "n3"),
        ["model changes, because n1 changes, because model changes, because n0 is replaced, because source was edited"]
    );
    plan.changes[4].part_of = Some(address("other"));
    let whole = words(&plan, "n4");
    assert!(whole[0].starts_with("model changes, because n3 changes, because model changes, because n1 "), "{whole:?}");
    let whys = Whys::new(&plan, None);
    let json = whys.chains(&address("n4"))[0].json();
    assert_eq!(json["links"].as_array().unwrap().len(), 5, "machines are told all of them: {json}");
    plan.changes[2].part_of = Some(address("another"));
    assert!(words(&plan, "n3")[0].contains("because n2 changes"), "a part of something else is told");
}

#[test]
fn what_decides_comes_first_and_what_is_alike_is_said_once() {
    let mut plan = plan();
    let reasons = vec![
        edited("tags.a"),
        edited("tags.b"),
        reads("model.uri"),
        Reason::Drifted { path: FieldPath::parse("digest") },
        Reason::Tainted,
        Reason::Immutable { path: FieldPath::parse("model.uri") },
        Reason::CreateFirstFor { dependant: address("chat") },
    ];
    let fields = [("tags.a", Some("x")), ("tags.b", Some("x")), ("model.uri", None), ("digest", Some("x"))];
    let mut one = change("one", Action::Replace(Order::CreateFirst), &fields, reasons);
    one.fields.iter_mut().for_each(|field| field.replaces = field.path == FieldPath::parse("model.uri"));
    plan.changes = vec![one];
    assert_eq!(
        words(&plan, "one"),
        [
            "it was left partly made, or its check failed",
            "model.uri is known after apply",
            "tags.a and tags.b were edited",
            "digest was changed outside Trueup",
            "chat needs the new one before the old one goes",
        ]
    );
}

#[test]
fn without_the_blueprint_a_guess_is_not_made() {
    let mut plan = plan();
    let replace = Action::Replace(Order::DestroyFirst);
    plan.changes = vec![
        change("a", replace, &[("source", Some("new"))], vec![edited("source")]),
        change("b", replace, &[("source", Some("new"))], vec![edited("source")]),
        change("c", Action::Update, &[("model", None)], vec![reads("model")]),
    ];
    plan.operations = vec![
        operation("a", Verb::Create, &[]),
        operation("b", Verb::Create, &[]),
        operation("c", Verb::Update, &["a", "b"]),
    ];
    assert_eq!(words(&plan, "c"), ["model is known after apply"]);
    // A whole resource says itself which it is.
    let whole = serde_json::json!({ "address": "b", "kind": "bucket", "provider": "local", "attributes": {} });
    plan.changes[2].after.put(&FieldPath::parse("model"), whole.into());
    plan.changes[2].after.put(&FieldPath::parse("model.attributes"), Value::Unknown);
    assert_eq!(words(&plan, "c"), ["model changes, because b is replaced, because source was edited"]);
}

#[test]
fn what_depended_on_what_goes_is_told_and_what_it_depends_on_is_not() {
    let mut plan = plan();
    let gone = |name| Change { fields: Vec::new(), ..change(name, Action::Delete, &[], vec![Reason::Removed]) };
    plan.changes = vec![
        change("stays", Action::Update, &[("tags.a", Some("x"))], vec![edited("tags.a")]),
        change("model", Action::Update, &[("tags.a", Some("x"))], vec![edited("tags.a")]),
        gone("old"),
        gone("other"),
    ];
    plan.operations = vec![
        operation("stays", Verb::Update, &[]),
        operation("model", Verb::Update, &[]),
        operation("old", Verb::Delete, &["model"]),
        operation("other", Verb::Delete, &["old"]),
    ];
    // Of these the last is about what `old` depends on.
    plan.edges = vec![(0, 2), (3, 2), (1, 2)];
    let whys = Whys::new(&plan, None);
    let takes = Takes::new(&plan, &whys);
    assert_eq!(takes.words(&address("old")).unwrap(), "because of it stays changes; other is deleted");
    assert_eq!(takes.words(&address("other")), None);
    assert_eq!(takes.along(&address("old")).count(), 2);
    plan.mode = Mode::Destroy;
    let whys = Whys::new(&plan, None);
    assert_eq!(Takes::new(&plan, &whys).along(&address("old")).count(), 0, "everything goes: that is no news");
}

#[test]
fn a_list_that_is_long_is_folded() {
    let mut plan = plan();
    let list =
        |range: std::ops::Range<i32>| spec(serde_json::json!(range.map(|n| format!("--flag-{n}")).collect::<Vec<_>>()));
    let mut one = change("one", Action::Update, &[("args", Some("x"))], vec![edited("args")]);
    (one.fields[0].before, one.fields[0].after) = (Some(list(0..60)), Some(list(1..61)));
    plan.changes = vec![one];
    insta::assert_snapshot!(shown(&plan, View::Normal));
    let full = shown(&plan, View::Full);
    assert!(!full.contains("unchanged"), "{full}");
}

/// What may be in a plan that nothing makes on this machine: candidates, objects that were superseded, what is only read.
#[test]
fn what_no_small_blueprint_has() {
    let mut plan = plan();
    let candidate = |position, provider: &str, fields: serde_json::Value| {
        let fields = fields.as_object().unwrap().clone().into_iter().collect();
        Candidate { position, provider: provider.into(), fields }
    };
    let mut trainer =
        change("trainer", Action::Replace(Order::CreateFirst), &[("gpu.count", Some("8"))], vec![edited("gpu.count")]);
    trainer.candidates = vec![
        candidate(0, "aws", serde_json::json!({ "region": "us-east-1", "market": "spot" })),
        candidate(1, "aws.eu", serde_json::json!({})),
    ];
    let calm = Change { action: Action::None, ..change("calm", Action::None, &[], Vec::new()) };
    plan.changes = vec![trainer, calm];
    let old = Operation { id: Some("calm-1".to_owned()), ..operation("calm", Verb::Delete, &[]) };
    plan.operations = vec![operation("trainer", Verb::Create, &["weights", "images"]), old];
    plan.existing = vec![Existing {
        address: address("shared"),
        kind: "bucket".into(),
        scope: scope(),
        id: "acme-shared".to_owned(),
        attributes: Value::Null,
        source: Some(line(9)),
    }];
    let views = [View::Brief, View::Normal, View::Full];
    insta::assert_snapshot!(views.map(|view| shown(&plan, view)).join("\n----\n"));
}

#[test]
fn names_are_counted_where_they_are_many() {
    let list = |count: usize, most| names((0..count).map(|at| format!("n{at}")), most);
    assert_eq!(list(0, 3), "");
    assert_eq!(list(1, 3), "n0");
    assert_eq!(list(3, 3), "n0, n1 and n2");
    assert_eq!(list(4, 3), "n0, n1, n2 and n3", "to name one is as short as to count it");
    assert_eq!(list(9, 3), "n0, n1, n2 and 6 more");
}
