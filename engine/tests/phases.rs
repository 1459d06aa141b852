//! What only apply can tell is left to a further phase, with all that depends on it; what exists of it stays until then.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::{House, blueprint, blueprint_with, operations, using};
use trueup_engine::plan::{Deferred, Plan};
use trueup_state::Address;

/// What is left to a further phase, each as `address: what it waits for`.
fn left(plan: &Plan) -> Vec<String> {
    let names = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    plan.deferred.iter().map(|left| format!("{}: {}", left.address, names(&left.waits_for))).collect()
}

/// The line that says why something is left.
fn line<'a>(text: &'a str, left: &Deferred) -> &'a str {
    text.lines().nth(left.source.as_ref().unwrap().line - 1).unwrap().trim()
}

/// Plans a first phase that makes `a` alone, of which the rest waits for it, and carries out all of them.
async fn waits_for_a(house: &House, text: &str, waiting: &[&str], second: &[&str]) {
    let plan = house.plan(text).await;
    assert_eq!(operations(&plan), ["create a"], "{text}");
    assert_eq!(left(&plan), waiting, "{text}");
    assert_eq!(house.phases(text).await, [vec!["create a"], second.to_vec()], "{text}");
    assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
    // Once it is known, nothing waits for a phase of its own any more, whatever else there is to do.
    let wider = text.replacen("resources:", "resources:\n  more: { kind: box, provider: toy }", 1);
    let plan = house.plan(&wider).await;
    assert_eq!((operations(&plan), left(&plan)), (vec!["create more".to_owned()], Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn an_item_of_a_for_each_alone_is_known_for_good() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, for_each: ['{{ a.id }}'] }"]);
    assert_eq!(house.phases(&text).await, [["create a"], [r#"create b["box-1"]"#]]);
}

#[tokio::test(start_paused = true)]
async fn each_that_must_be_known_early_is_left_with_its_place() {
    let a = "a: { kind: box, provider: toy }";
    let cases = [
        ("b: { kind: box, provider: toy, for_each: '{{ [a.id] }}' }", "its for_each", &[r#"create b["box-1"]"#][..]),
        (
            "b: { kind: box, provider: toy, for_each: ['{{ a.id }}', k] }",
            "its for_each",
            &[r#"create b["box-1"]"#, r#"create b["k"]"#],
        ),
        ("b: { kind: box, provider: toy, when: \"{{ a.zone == 'z1' }}\" }", "its when", &["create b"]),
        ("b: { kind: box, placement: [{ provider: toy, region: '{{ a.zone }}' }] }", "its placement", &["create b"]),
        ("b: { kind: box, provider: \"{{ 'mini' if a.zone else 'toy' }}\" }", "its provider", &["create b"]),
        ("b: { kind: box, provider: toy, protect: \"{{ a.zone == 'z1' }}\" }", "its protect", &["create b"]),
        ("b: { kind: box, provider: toy.far }", "the settings of its provider are", &["create b"]),
    ];
    for (b, what, second) in cases {
        let house = House::new();
        let text = blueprint_with("providers: { toy: {}, mini: {}, toy.far: { region: '{{ a.zone }}' } }", &[a, b]);
        let plan = house.plan(&text).await;
        assert!(plan.deferred[0].reason.starts_with(what), "{}", plan.deferred[0].reason);
        assert!(plan.deferred[0].reason.ends_with("known only after apply"), "{}", plan.deferred[0].reason);
        assert_eq!(line(&text, &plan.deferred[0]), b);
        waits_for_a(&house, &text, &["b: a"], second).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_by_a_wait_is_what_comes_of_it() {
    let house = House::new();
    let text = blueprint_with(
        "providers: { toy: {}, toy.far: { region: '{{ a.zone }}' } }",
        &[
            "a: { kind: box, provider: toy, zone: z7 }",
            "far: { kind: box, provider: toy.far }",
            "placed: { kind: box, placement: [{ provider: toy, region: '{{ a.zone }}' }] }",
            "nought: { kind: box, provider: toy, when: \"{{ a.zone == 'z1' }}\" }",
            "some: { kind: box, provider: toy, for_each: { k: '{{ a.id }}' }, note: '{{ each.value }}' }",
        ],
    );
    // A map's keys are known, whatever stands under them.
    assert_eq!(operations(&house.plan(&text).await), ["create a", r#"create some["k"]"#]);
    house.phases(&text).await;
    assert_eq!((house.cloud.one("far").region, house.cloud.one("placed").region), ("z7".to_owned(), "z7".to_owned()));
    assert_eq!(house.cloud.of("nought").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_what_waits_waits_too() {
    let module = [
        "blueprint: m",
        "variables: { id: { type: string, default: none } }",
        "resources:",
        "  x: { kind: box }",
        "  y: { kind: box, for_each: '{{ [var.id] }}' }",
        "outputs: { y: '{{ y }}', x: '{{ x.id }}' }",
    ];
    for (line, waits_for) in [
        ("r: { kind: box, depends_on: [b] }", "b"),
        ("r: { kind: box, needs: '{{ b | list }}' }", "b"),
        ("r: { kind: box, note: \"{{ b['box-1'].id }}\" }", "b"),
        ("r: { kind: box, depends_on: [q] }\n  q: { kind: box, depends_on: [b] }", "q"),
        ("r: { kind: box, when: '{{ (b | length) > 0 }}' }", "b"),
        ("r: { kind: box, depends_on: [module.m] }", "m/y"),
        ("r: { kind: box, needs: '{{ module.m.y | list }}' }", "m/y"),
        ("r: { kind: box, depends_on: [module.n] }", "n"),
        ("r: { kind: box, note: '{{ module.n.x }}' }", "n"),
    ] {
        let house = House::new();
        let calls = [
            "m: { source: m.yaml, inputs: { id: '{{ a.id }}' } }",
            "n: { source: m.yaml, when: \"{{ a.zone == 'z1' }}\" }",
        ];
        let lines = ["a: { kind: box }", "b: { kind: box, for_each: '{{ [a.id] }}' }", line];
        let text = using(&calls, &lines, &module.join("\n"));
        let plan = house.plan(&text).await;
        assert_eq!(operations(&plan), ["create a", "create m/x"], "{line}");
        assert!(left(&plan).contains(&format!("r: {waits_for}")), "{line} {:?}", left(&plan));
        let phases = house.phases(&text).await;
        assert!(phases.len() == 2 && phases[1].contains(&"create r".to_owned()), "{line} {phases:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_nothing_goes_at_once() {
    let house = House::new();
    let text = blueprint(&[
        "a: { kind: box }",
        "b: { kind: box, for_each: '{{ [a.id] }}' }",
        "c: { kind: box, host: '{{ a.id }}' }",
        "d: { kind: box, when: '{{ 2 > 1 }}', depends_on: [c] }",
    ]);
    assert_eq!(operations(&house.plan(&text).await), ["create a", "create c", "create d"]);
    assert_eq!(house.phases(&text).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_module_waits_with_all_that_stands_in_it() {
    let module = "blueprint: m\nresources:\n  x: { kind: box }\n  y: { kind: box, host: '{{ x.id }}' }\n";
    for (call, second) in [
        ("m: { source: m.yaml, for_each: '{{ [a.id] }}' }", [r#"create m["box-1"]/x"#, r#"create m["box-1"]/y"#]),
        ("m: { source: m.yaml, when: \"{{ a.zone == 'z1' }}\" }", ["create m/x", "create m/y"]),
    ] {
        waits_for_a(&House::new(), &using(&[call], &["a: { kind: box, provider: toy }"], module), &["m: a"], &second)
            .await;
    }
    // One whose condition turns out false has nothing in it.
    let house = House::new();
    let call = "m: { source: m.yaml, when: \"{{ a.zone == 'elsewhere' }}\" }";
    let text = using(&[call], &["a: { kind: box }"], module);
    assert_eq!(house.phases(&text).await, [["create a"]]);
}

#[tokio::test(start_paused = true)]
async fn a_chain_takes_as_many_phases_as_it_has_links() {
    let house = House::new();
    let text = blueprint(&[
        "a: { kind: box }",
        "b: { kind: box, when: \"{{ a.zone == 'z1' }}\" }",
        "c: { kind: box, for_each: '{{ [b.id] }}' }",
        "d: { kind: box, for_each: '{{ c }}', host: '{{ each.value.id }}' }",
        "e: { kind: box, for_each: \"{{ [d['box-2'].id] }}\" }",
    ]);
    let plan = house.plan(&text).await;
    assert_eq!(left(&plan), ["b: a", "c: b", "d: c", "e: d"]);
    let phases = house.phases(&text).await;
    let expected = [
        vec!["create a"],
        vec!["create b"],
        vec![r#"create c["box-2"]"#, r#"create d["box-2"]"#],
        vec![r#"create e["box-4"]"#],
    ];
    assert_eq!(phases, expected);
    // All of it is known now: a plan expands once more for each link, and comes to an end.
    let before = house.cloud.prepares();
    house.settled(&text).await;
    assert_eq!(house.cloud.prepares() - before, 1 + 1 + 3, "one to look, one to begin with, and one for each link");
}

#[tokio::test(start_paused = true)]
async fn all_of_a_for_each_becomes_known_together() {
    for (line, waiting, second) in [
        (
            "c: { kind: box, for_each: \"{{ b | items | map('last') | map(attribute='id') | list }}\" }",
            r#"c: b b["x"] b["y"]"#,
            &[r#"create c["box-1"]"#, r#"create c["box-2"]"#][..],
        ),
        ("c: { kind: box, when: \"{{ 'box-2' in (b | tojson) }}\" }", "c: b", &["create c"]),
    ] {
        let house = House::new();
        let text = blueprint(&["b: { kind: box, for_each: [x, y] }", line]);
        assert_eq!(left(&house.plan(&text).await), [waiting]);
        assert_eq!(house.phases(&text).await, [&[r#"create b["x"]"#, r#"create b["y"]"#][..], second]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_expands_again_only_for_what_is_new() {
    let house = House::new();
    let expansions = async |text: &str| {
        let before = house.cloud.prepares();
        house.plan(text).await;
        house.cloud.prepares() - before
    };
    let plain = blueprint(&["a: { kind: box }", "b: { kind: box, host: '{{ a.id }}' }"]);
    assert_eq!(expansions(&plain).await, 1);
    let many: Vec<String> =
        (0..20).map(|number| format!("b{number}: {{ kind: box, for_each: '{{{{ [a.id] }}}}' }}")).collect();
    let lines: Vec<&str> = std::iter::once("a: { kind: box }").chain(many.iter().map(String::as_str)).collect();
    let text = blueprint(&lines);
    assert_eq!(expansions(&text).await, 1, "what is not known brings nothing");
    house.phases(&text).await;
    assert_eq!(expansions(&text).await, 3, "what is known brings all that waits for it at once");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_what_is_known_by_now_is_planned_once() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, for_each: ['{{ a.id }}'] }"]);
    house.phases(&text).await;
    house.settled(&text).await;
}
