//! A plan of a part of a stack: what comes along with what was selected, what is left out, and that it stays as it is.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::{House, action, address, asked, blueprint, blueprint_with, change, operations, using};
use trueup_engine::EngineError;
use trueup_engine::plan::select::{Because, SelectError};
use trueup_engine::plan::{Action, Mode, Plan};
use trueup_state::Value;

/// What is done beside what was selected, each with why.
fn beside(plan: &Plan) -> Vec<String> {
    plan.part.beside.iter().map(|along| format!("{}: {}", along.address, along.because)).collect()
}

/// What is left out, each with why, where something else is in its way.
fn left(plan: &Plan) -> Vec<String> {
    let because =
        |because: &Option<Because>| because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
    plan.part.left_out.iter().map(|left| format!("{}{}", left.address, because(&left.because))).collect()
}

async fn refused(house: &House, text: &str, targets: &[&str], excludes: &[&str]) -> (String, String) {
    match house.try_plan_asked(text, Mode::Apply, asked(targets, excludes)).await {
        Err(EngineError::Select(error)) => (error.to_string(), error.help()),
        other => panic!("{other:#?}"),
    }
}

const CHAIN: [&str; 4] = [
    "a: { kind: box }",
    "b: { kind: box, host: '{{ a.id }}' }",
    "c: { kind: box, host: '{{ b.id }}' }",
    "d: { kind: box }",
];

#[tokio::test(start_paused = true)]
async fn a_target_comes_with_what_it_needs_as_far_as_that_needs_doing() {
    let house = House::new();
    let text = blueprint(&CHAIN);
    let plan = house.up_asked(&text, Mode::Apply, asked(&["b"], &[])).await;
    assert_eq!(operations(&plan), ["create a", "create b"]);
    assert_eq!((beside(&plan), left(&plan)), (vec!["a: b needs it".to_owned()], vec!["c".to_owned(), "d".to_owned()]));
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["a", "b"]);
    // What needs nothing is not brought along, nor what that would need.
    let plan = house.up_asked(&text, Mode::Apply, asked(&["c"], &[])).await;
    assert_eq!((operations(&plan), beside(&plan)), (vec!["create c".to_owned()], vec![]));
    assert_eq!(action(&plan, "a"), Action::None);
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_excluded_takes_along_what_needs_it() {
    let house = House::new();
    let text = blueprint(&CHAIN);
    let plan = house.up_asked(&text, Mode::Apply, asked(&[], &["a"])).await;
    assert_eq!(
        (operations(&plan), left(&plan)),
        (vec!["create d".to_owned()], vec!["a".to_owned(), "b: it needs a".to_owned(), "c: it needs b".to_owned()],)
    );
    house.up(&text).await;
    // Nothing is to be done for it, so nothing waits for it.
    let edited = text.replace("c: { kind: box,", "c: { kind: box, size: 3,");
    let plan = house.plan_asked(&edited, asked(&[], &["a", "b"])).await;
    assert_eq!((operations(&plan), left(&plan).len()), (vec!["update c".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_target_without_what_is_excluded_can_be_unless_it_needs_that() {
    let house = House::new();
    let text = blueprint(&CHAIN);
    let plan = house.plan_asked(&text, asked(&["a", "d"], &["d"])).await;
    assert_eq!(operations(&plan), ["create a"]);
    let (message, help) = refused(&house, &text, &["c"], &["a"]).await;
    assert_eq!(message, "a is excluded, and c can't be done without it: b needs it");
    assert_eq!(help, "let a be done too, or leave c out as well");
    house.up(&text).await;
    let edited = text
        .replace("a: { kind: box }", "a: { kind: box, size: 2 }")
        .replace("c: { kind: box,", "c: { kind: box, size: 3,");
    // It is there as it must be for the others.
    let plan = house.plan_asked(&edited, asked(&["b", "c"], &["a"])).await;
    assert_eq!((operations(&plan), left(&plan)), (vec!["update c".to_owned()], vec!["a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn of_what_goes_the_dependants_go_first() {
    let house = House::new();
    let text = blueprint(&CHAIN);
    house.up(&text).await;
    let gone = blueprint(&["d: { kind: box }"]);
    let plan = house.plan_asked(&gone, asked(&["b"], &[])).await;
    assert_eq!(operations(&plan), ["delete b", "delete c"]);
    assert_eq!((beside(&plan), left(&plan)), (vec!["c: it depends on b, which goes".to_owned()], vec!["a".to_owned()]));
    let plan = house.up_asked(&gone, Mode::Apply, asked(&[], &["b"])).await;
    assert_eq!(operations(&plan), ["delete c"]);
    assert_eq!(left(&plan), ["a: b, which stays, depends on it", "b"]);
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["a", "b", "d"]);
    let (message, _) = refused(&house, &gone, &["a"], &["b"]).await;
    assert_eq!(message, "b is excluded, and a can't be done without it: it depends on a, which goes");
    house.up(&gone).await;
    house.settled(&gone).await;
}

#[tokio::test(start_paused = true)]
async fn who_did_need_what_goes_does_without_it_first() {
    let house = House::new();
    house.up(&blueprint(&CHAIN[..2])).await;
    let text = blueprint(&["b: { kind: box, host: other }"]);
    let plan = house.plan_asked(&text, asked(&["a"], &[])).await;
    assert_eq!((operations(&plan), beside(&plan).len()), (vec!["update b".to_owned(), "delete a".to_owned()], 1));
    let plan = house.plan_asked(&text, asked(&[], &["b"])).await;
    assert!(operations(&plan).is_empty() && left(&plan).len() == 2, "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_part_is_destroyed_with_what_depends_on_it_and_the_outputs_that_read_it() {
    let house = House::new();
    let text = format!("{}outputs: {{ c: '{{{{ c.id }}}}', d: '{{{{ d.id }}}}' }}\n", blueprint(&CHAIN));
    house.up(&text).await;
    let plan = house.up_asked(&text, Mode::Destroy, asked(&["b"], &[])).await;
    assert_eq!(operations(&plan), ["delete b", "delete c"]);
    let state = house.state().await;
    assert_eq!(state.outputs.into_keys().collect::<Vec<_>>(), ["d"]);
    assert_eq!(state.records.into_keys().map(|address| address.to_string()).collect::<Vec<_>>(), ["a", "d"]);
    house.up_asked(&text, Mode::Destroy, asked(&[], &["d"])).await;
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["d"]);
    let plan = house.up_asked(&text, Mode::Destroy, asked(&["d"], &[])).await;
    assert!(left(&plan).is_empty() && house.state().await.outputs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn selectors_are_addresses_globs_kinds_and_tags() {
    let house = House::new();
    let module = "blueprint: m\nresources:\n  x: { kind: box }\n  y: { kind: named, tags: { team: search } }\n";
    let text = using(
        &["eval: { source: m.yaml, for_each: [p, q] }"],
        &[
            "shard: { kind: box, for_each: [0, 1], tags: { team: \"t{{ each.key }}\" } }",
            "t: { kind: named, for_each: ['*', one], tags: { team: search } }",
        ],
        module,
    );
    for (selector, expected) in [
        ("shard", "shard[0] shard[1]"),
        ("shard[1]", "shard[1]"),
        ("shard[*]", "shard[0] shard[1]"),
        (r#"t["*"]"#, r#"t["*"]"#),
        ("t[one]", r#"t["one"]"#),
        ("eval", r#"eval["p"]/x eval["p"]/y eval["q"]/x eval["q"]/y"#),
        ("eval[q]/*", r#"eval["q"]/x eval["q"]/y"#),
        ("eval/y", r#"eval["p"]/y eval["q"]/y"#),
        ("kind:named", r#"eval["p"]/y eval["q"]/y t["*"] t["one"]"#),
        ("kind:n?med", r#"eval["p"]/y eval["q"]/y t["*"] t["one"]"#),
        ("tag:team=search", r#"eval["p"]/y eval["q"]/y t["*"] t["one"]"#),
        ("tag:team=t*", "shard[0] shard[1]"),
        ("tag:team=t1", "shard[1]"),
    ] {
        let plan = house.plan_asked(&text, asked(&[selector], &[])).await;
        let done = plan.changes.iter().filter(|change| change.action == Action::Create);
        let mut done: Vec<String> = done.map(|change| change.address.to_string()).collect();
        done.sort();
        assert_eq!(done.join(" "), expected, "{selector}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_selector_of_nothing_is_an_error_with_what_may_have_been_meant() {
    let house = House::new();
    let text = blueprint(&["weights: { kind: box, tags: { team: search } }", "shard: { kind: box, for_each: [0, 1] }"]);
    for (selector, meant) in [
        ("wieghts", "did you mean `weights`?"),
        ("shard[7]", "did you mean `shard[0]`?"),
        ("shrad[*]", "did you mean `shard`?"),
        ("kind:bax", "did you mean `kind:box`?"),
        ("tag:team=serch", "did you mean `tag:team=search`?"),
        ("quite-another", "`trueup graph --each` shows what there is"),
    ] {
        for (targets, excludes) in [([selector].as_slice(), [].as_slice()), (&[], &[selector])] {
            let (message, help) = refused(&house, &text, targets, excludes).await;
            assert_eq!((message, help.as_str()), (format!("`{selector}` matches no resource"), meant));
        }
    }
    // What is recorded alone can be selected, and what is there is no error for needing nothing.
    house.up(&text).await;
    let plan = house
        .plan_asked(&blueprint(&["weights: { kind: box, tags: { team: search } }"]), asked(&["shard[1]"], &[]))
        .await;
    assert_eq!(operations(&plan), ["delete shard[1]"]);
    assert!(house.plan_asked(&text, asked(&["weights"], &[])).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn outputs_keep_what_they_were_where_they_read_what_is_left_out() {
    let house = House::new();
    let outputs =
        "outputs: { one: 'a-{{ a.address }}', two: '{{ b.address }}', whole: '{{ s | length }}', new: '{{ n.id }}' }\n";
    let resources = ["a: { kind: box }", "b: { kind: box }", "s: { kind: box, for_each: [0, 1] }"];
    let before = format!("{}{}", blueprint(&resources), outputs.replace(", new: '{{ n.id }}'", ""));
    house.up(&before).await;
    let old = house.state().await.outputs;
    let resources = [
        "a: { kind: box, size: 2 }",
        "b: { kind: box, size: 2 }",
        "s: { kind: box, for_each: [0, 1, 2] }",
        "n: { kind: box }",
    ];
    let text = format!("{}{}", blueprint(&resources), outputs.replace("a-{{", "other-{{"));
    let plan = house.up_asked(&text, Mode::Apply, asked(&["b"], &[])).await;
    assert_eq!(plan.outputs.keys().collect::<Vec<_>>(), ["two"]);
    assert_eq!(plan.part.outputs.iter().collect::<Vec<_>>(), ["new", "one", "whole"]);
    let now = house.state().await.outputs;
    assert_eq!((&now["one"], &now["whole"], now.get("new")), (&old["one"], &old["whole"], None));
    assert_ne!(now["two"], old["two"]);
    house.up(&text).await;
    house.settled(&text).await;
    assert_eq!(house.state().await.outputs.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_further_phase_keeps_the_selection() {
    let house = House::new();
    let text = blueprint(&[
        "a: { kind: box }",
        "b: { kind: box, for_each: '{{ [a.id] }}' }",
        "c: { kind: box, for_each: '{{ [a.id] }}' }",
    ]);
    for selector in ["b", "b[*]", "b[box-1]"] {
        let plan = house.plan_asked(&text, asked(&[selector], &[])).await;
        assert_eq!((operations(&plan), left(&plan)), (vec!["create a".to_owned()], vec!["c".to_owned()]), "{selector}");
        assert_eq!(plan.deferred.iter().map(|left| left.address.to_string()).collect::<Vec<_>>(), ["b"]);
    }
    // Of what kind its instances are only the next phase can tell: it is not given up for that, if what it waits for is done.
    let plan = house.plan_asked(&text, asked(&["a", "kind:box"], &[])).await;
    assert_eq!((operations(&plan), plan.deferred.len(), left(&plan).len()), (vec!["create a".to_owned()], 2, 0));
    let first = house.up_asked(&text, Mode::Apply, asked(&["b"], &[])).await;
    let next = first.asked.after(&first);
    let plan = house.up_asked(&text, Mode::Apply, next).await;
    assert_eq!(
        (operations(&plan), left(&plan)),
        (vec![r#"create b["box-1"]"#.to_owned()], vec![r#"c["box-1"]"#.to_owned()])
    );
    // What waits for something excluded is not planned for a further phase.
    let house = House::new();
    let plan = house.plan_asked(&text, asked(&[], &["a"])).await;
    assert!(plan.is_empty() && left(&plan).len() == 3, "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_further_phase_minds_nothing_that_is_gone_by_then() {
    let house = House::new();
    house.up(&blueprint(&["old: { kind: box }"])).await;
    let text = blueprint(&["a: { kind: box }"]);
    let first = house.up_asked(&text, Mode::Apply, asked(&["old", "a"], &[])).await;
    assert!(matches!(
        house.try_plan_asked(&text, Mode::Apply, asked(&["old", "a"], &[])).await,
        Err(EngineError::Select(SelectError::NoMatch { .. }))
    ));
    assert!(house.plan_asked(&text, first.asked.after(&first)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_of_a_replacement_is_said_to_be_stale() {
    let house = House::new();
    let text = |shape: &str| {
        blueprint(&[&format!("a: {{ kind: box, shape: {shape} }}"), "b: { kind: box, host: '{{ a.id }}' }"])
    };
    house.up(&text("round")).await;
    let host = house.cloud.one("b").spec.get("host").cloned();
    let plan = house.up_asked(&text("flat"), Mode::Apply, asked(&["a"], &[])).await;
    assert!(
        plan.notices
            .iter()
            .any(|notice| notice.address == Some(address("b")) && notice.message.contains("which is replaced"))
    );
    assert_eq!(house.cloud.one("b").spec.get("host").cloned(), host);
    house.up(&text("flat")).await;
    house.settled(&text("flat")).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_told_as_it_is() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, size: 1, note: n }", "b: { kind: box }"])).await;
    house.cloud.edit("a", "size", Some(7_i64.into()));
    let text = blueprint(&["a: { kind: box, size: 1, note: m }", "b: { kind: box, size: 2 }"]);
    let plan = house.up_asked(&text, Mode::Apply, asked(&["b"], &[])).await;
    assert_eq!(change(&plan, "a").after.get("note"), Some(&Value::from("n")));
    assert!(plan.drift.len() == 1 && !plan.drift[0].corrected, "{:#?}", plan.drift);
    assert_eq!(house.cloud.one("a").spec.get("size"), Some(&7_i64.into()));
    assert_eq!(plan.summary().update, 1);
    let plan = house.up_asked(&text, Mode::Correct, asked(&[], &["a"])).await;
    assert!(plan.operations.is_empty() && plan.notices.is_empty(), "{plan:#?}");
    let plan = house.up_asked(&text, Mode::Correct, asked(&["a"], &[])).await;
    assert_eq!(operations(&plan), ["update a"]);
}

#[tokio::test(start_paused = true)]
async fn what_moves_moves_whether_it_is_left_out_or_not() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }", "d: { kind: box }"])).await;
    let text = support::moved(&["a -> b"], &["b: { kind: box, size: 3 }", "d: { kind: box, size: 3 }"]);
    let plan = house.up_asked(&text, Mode::Apply, asked(&["d"], &[])).await;
    assert_eq!((action(&plan, "b"), operations(&plan)), (Action::Record, vec!["update d".to_owned()]));
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["b", "d"]);
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_protection_forbids_elsewhere_forbids_nothing_here() {
    let house = House::new();
    let text = |shape: &str, size: u8| {
        blueprint(&[
            &format!("a: {{ kind: box, shape: {shape}, protect: true }}"),
            &format!("b: {{ kind: box, size: {size} }}"),
        ])
    };
    house.up(&text("round", 1)).await;
    assert!(!house.plan(&text("flat", 2)).await.refusals.is_empty());
    let plan = house.up_asked(&text("flat", 2), Mode::Apply, asked(&["b"], &[])).await;
    assert!(plan.refusals.is_empty() && operations(&plan) == ["update b"]);
}

#[tokio::test(start_paused = true)]
async fn many_selectors_of_many_resources_are_no_work_of_many_times_many() {
    let house = House::new();
    let keys: Vec<String> = (0..3000).map(|key| key.to_string()).collect();
    let text =
        blueprint_with("providers: { toy: {} }", &[&format!("s: {{ kind: box, for_each: [{}] }}", keys.join(", "))]);
    let some: Vec<String> = (0..3000).step_by(2).map(|key| format!("s[{key}]")).collect();
    let some: Vec<&str> = some.iter().map(String::as_str).collect();
    let plan = house.plan_asked(&text, asked(&some, &["s[1?]"])).await;
    assert_eq!((plan.operations.len(), plan.part.left_out.len()), (1495, 1505));
}
