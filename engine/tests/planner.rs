//! What the planner makes of what is wanted, recorded and observed.

mod support;

use support::{House, action, blueprint, blueprint_with, change, done, operations};
use trueup_engine::EngineError;
use trueup_engine::plan::{Action, Mode, Order, Reason};
use trueup_state::Value;
use trueup_state::entry::{Class, Resolution};
use trueup_state::{Entry, Event, FieldPath, Status, Store, Verb};

use support::cloud::Fault;

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text)
}

#[tokio::test(start_paused = true)]
async fn what_is_new_is_created_and_says_where_it_stands() {
    let house = House::new();
    let plan = house.plan(&blueprint(&["a: { kind: box }"])).await;
    assert_eq!(operations(&plan), ["create a"]);
    let place = change(&plan, "a").reasons[0].place().unwrap();
    assert!(matches!(change(&plan, "a").reasons[..], [Reason::New { .. }]));
    assert_eq!((place.file.to_str().unwrap(), place.line), ("toy.yaml", 4));
}

/// What is wrong with a blueprint when it is planned: message, line, and what it is in.
async fn wrong(house: &House, text: &str) -> Vec<(String, usize, Option<String>)> {
    let Err(EngineError::Blueprint(problems)) = house.try_plan(text, Mode::Apply).await else { panic!("{text}") };
    let place = |span| problems.sources.place(span).map_or(0, |place| place.line);
    let said = problems.list.iter().map(|one| (one.message.clone(), place(one.labels[0].span), one.context.clone()));
    said.collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_can_not_take_is_an_error_at_plan() {
    let house = House::new();
    let text =
        blueprint(&["a: { kind: box, size: 1 }", "b:", "  kind: box", "  password: hunter2", "  note: forbidden"]);
    let message = "a toy takes no such note, says (secret)".to_owned();
    assert_eq!(wrong(&house, &text).await, [(message, 8, None)]);
    // What the schema does not allow is said first.
    house.up(&blueprint(&["b: { kind: box }"])).await;
    house.cloud.take_calls();
    let size = "a: { kind: box, note: forbidden, size: '{{ (b.zone | length) - 9 }}' }";
    let said = wrong(&house, &blueprint(&["b: { kind: box }", size])).await;
    assert_eq!(said, [("`size` is less than 0".to_owned(), 5, None)]);
    let text = blueprint(&["a: { kind: box, for_each: [x, y, z], note: forbidden }"]);
    let said = wrong(&house, &text).await;
    assert_eq!(said, [("a toy takes no such note, says nobody".to_owned(), 4, Some("a[\"x\"] and 2 more".to_owned()))]);
    assert!(house.cloud.take_calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_edit_updates_in_place_or_replaces_and_points_to_its_line() {
    let house = House::new();
    house.up(&blueprint(&["a:", "  kind: box", "  size: 1", "  shape: round"])).await;
    let plan = house.plan(&blueprint(&["a:", "  kind: box", "  size: 2", "  shape: round"])).await;
    assert_eq!(action(&plan, "a"), Action::Update);
    let Reason::Edited { path: field, place } = &change(&plan, "a").reasons[0] else { panic!("{plan:#?}") };
    assert_eq!((field, place.as_ref().unwrap().line), (&path("size"), 6));
    let plan = house.plan(&blueprint(&["a:", "  kind: box", "  size: 1", "  shape: flat"])).await;
    assert_eq!(action(&plan, "a"), Action::Replace(Order::DestroyFirst));
    assert!(change(&plan, "a").reasons.contains(&Reason::Immutable { path: path("shape") }));
    let fields = &change(&plan, "a").fields;
    assert_eq!((fields[0].path.clone(), fields[0].replaces, fields.len()), (path("shape"), true, 1));
}

#[tokio::test(start_paused = true)]
async fn the_order_of_a_replacement_is_the_kinds_unless_the_blueprint_says_it() {
    let house = House::new();
    let text = |shape: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, shape: {shape} }}"),
            &format!("b: {{ kind: box, shape: {shape}, replace: create_first }}"),
            &format!("c: {{ kind: scarce, shape: {shape} }}"),
            &format!("d: {{ kind: scarce, shape: {shape}, replace: destroy_first }}"),
        ])
    };
    house.up(&text("round")).await;
    house.settled(&text("round")).await;
    let plan = house.plan(&text("flat")).await;
    for (address, order) in
        [("a", Order::DestroyFirst), ("b", Order::CreateFirst), ("c", Order::CreateFirst), ("d", Order::DestroyFirst)]
    {
        assert_eq!(action(&plan, address), Action::Replace(order), "{address}");
        let place = |verb| {
            let is = |operation: &trueup_engine::plan::Operation| {
                operation.verb == verb && operation.address.to_string() == address
            };
            plan.operations.iter().position(is).unwrap()
        };
        let (create, delete) = (place(Verb::Create), place(Verb::Delete));
        let edge = if order == Order::CreateFirst { (create, delete) } else { (delete, create) };
        assert!(plan.edges.contains(&edge), "{address}");
    }
    house.up(&text("flat")).await;
    house.settled(&text("flat")).await;
    for address in ["a", "b", "c", "d"] {
        house.cloud.one(address);
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_gone_is_deleted_after_what_depended_on_it() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }", "b: { kind: box, host: '{{ a.id }}' }"])).await;
    house.cloud.take_calls();
    let plan = house.plan(&blueprint(&[])).await;
    assert_eq!((action(&plan, "a"), action(&plan, "b")), (Action::Delete, Action::Delete));
    assert!(change(&plan, "a").reasons.contains(&Reason::Removed));
    house.up(&blueprint(&[])).await;
    assert_eq!(house.cloud.take_calls(), ["delete b", "delete a"]);
    house.settled(&blueprint(&[])).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_and_unwanted_is_forgotten_without_a_call() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    house.cloud.remove("a");
    house.cloud.take_calls();
    let plan = house.plan(&blueprint(&[])).await;
    assert_eq!(action(&plan, "a"), Action::Forget);
    house.up(&blueprint(&[])).await;
    assert!(house.cloud.take_calls().is_empty());
    assert!(house.state().await.records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_outside_is_made_again() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named }"]);
    house.up(&text).await;
    house.cloud.remove("a");
    let plan = house.plan(&text).await;
    assert_eq!(action(&plan, "a"), Action::Create);
    assert_eq!(change(&plan, "a").reasons, [Reason::Gone]);
    assert!(plan.drift[0].gone && plan.drift[0].corrected);
    house.up(&text).await;
    house.cloud.one("a");
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_came_to_an_end_is_made_again_and_its_plan_says_why() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box }"]);
    house.up(&text).await;
    house.cloud.end("a", "was taken back");
    let plan = house.plan(&text).await;
    let why = "was taken back".to_owned();
    assert_eq!((action(&plan, "a"), action(&plan, "b")), (Action::Create, Action::None));
    assert_eq!(change(&plan, "a").reasons, [Reason::Ended { why: why.clone() }]);
    assert_eq!(change(&plan, "a").reasons[0].to_string(), "it was taken back");
    assert!(plan.drift[0].gone && plan.drift[0].ended == Some(why.clone()), "{plan:#?}");
    // Where it is no longer wanted it is forgotten, and nobody is asked to delete it.
    house.cloud.take_calls();
    let plan = house.plan(&blueprint(&["b: { kind: box }"])).await;
    assert_eq!((action(&plan, "a"), operations(&plan).len()), (Action::Forget, 0));
    assert_eq!(change(&plan, "a").reasons, [Reason::Removed, Reason::Ended { why }]);
    house.up(&text).await;
    house.cloud.one("a");
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn server_defaults_and_normalised_values_never_drift() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, label: LOUD }"]);
    house.up(&text).await;
    house.settled(&text).await;
    // What was not sent may be anything.
    house.cloud.edit("a", "zone", Some("z9".into()));
    house.cloud.edit("a", "note", Some("by hand".into()));
    let plan = house.plan(&text).await;
    assert!(plan.drift.is_empty() && plan.operations.is_empty(), "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn drift_is_told_apart_from_an_edit_and_put_right() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, note: one, label: l }"])).await;
    house.cloud.edit("a", "label", Some("by hand".into()));
    let text = blueprint(&["a: { kind: box, note: two, label: l }"]);
    let plan = house.plan(&text).await;
    assert_eq!(plan.drift[0].fields.iter().map(|field| &field.path).collect::<Vec<_>>(), [&path("label")]);
    let reasons = &change(&plan, "a").reasons;
    assert!(reasons.contains(&Reason::Drifted { path: path("label") }), "{reasons:?}");
    assert!(reasons.iter().any(|reason| matches!(reason, Reason::Edited { path: at, .. } if *at == path("note"))));
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn tags_compare_key_by_key_and_unordered_lists_as_sets() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, tags: { x: one, y: two }, ports: [1, 2] }"]);
    house.up(&text).await;
    house.cloud.edit("a", "ports", Some(vec![2_i64, 1].into()));
    house.cloud.edit("a", "tags", Some(serde_json::json!({"x": "one", "y": "by hand", "z": "more"}).into()));
    let plan = house.plan(&text).await;
    let drifted: Vec<_> = plan.drift[0].fields.iter().map(|field| field.path.to_string()).collect();
    assert_eq!(drifted, ["tags.y"]);
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_no_longer_said_is_unset() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, note: one, tags: { x: one } }"])).await;
    let text = blueprint(&["a: { kind: box, tags: {} }"]);
    assert_eq!(action(&house.plan(&text).await, "a"), Action::Update);
    house.up(&text).await;
    assert_eq!(house.cloud.one("a").spec.get("note"), None);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_ignored_keeps_what_it_is() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, note: one, ignore: [note] }"])).await;
    house.cloud.edit("a", "note", Some("by hand".into()));
    let text = blueprint(&["a: { kind: box, note: two, size: 2, ignore: [note] }"]);
    let plan = house.plan(&text).await;
    assert!(plan.drift.is_empty());
    assert_eq!(change(&plan, "a").fields.len(), 1);
    house.up(&text).await;
    assert_eq!(house.cloud.one("a").spec.get("note"), Some(&"by hand".into()));
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_others_make_of_ignored_fields_outlives_updates_and_corrections() {
    let map = |entries: &[(&str, &str)]| {
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        Value::Map(entries.collect())
    };
    let text = |ignore: &str, tags: &str| {
        blueprint(&[&format!("a: {{ kind: box, note: one, tags: {{ {tags} }}, ignore: [{ignore}] }}")])
    };
    for (ignore, by_hand, kept) in [
        // Altered, removed, added; one of several, and all of them.
        ("tags.x", map(&[("x", "hand"), ("y", "1")]), map(&[("x", "hand"), ("y", "2")])),
        ("tags.x", map(&[("y", "1")]), map(&[("y", "2")])),
        ("tags.z", map(&[("x", "1"), ("y", "1"), ("z", "hand")]), map(&[("x", "3"), ("y", "2"), ("z", "hand")])),
        ("tags", map(&[("z", "hand")]), map(&[("z", "hand")])),
        // Nobody touched it: it stays as it was sent.
        ("tags.x", map(&[("x", "1"), ("y", "1")]), map(&[("x", "1"), ("y", "2")])),
    ] {
        let house = House::new();
        house.up(&text(ignore, "x: '1', y: '1'")).await;
        house.cloud.edit("a", "tags", Some(by_hand.clone()));
        house.settled(&text(ignore, "x: '1', y: '1'")).await;
        // An update of another field, with an edit of what is ignored.
        let edited = text(ignore, "x: '3', y: '2'").replace("note: one", "note: two");
        house.up(&edited).await;
        assert_eq!(house.cloud.one("a").spec.get("tags"), Some(&kept), "{ignore}: {by_hand:?}");
        house.settled(&edited).await;
        // A correction of another field.
        house.cloud.edit("a", "note", Some("hand".into()));
        house.run_for(&edited, Mode::Correct).await;
        assert_eq!(house.cloud.one("a").spec.get("note"), Some(&"two".into()));
        assert_eq!(house.cloud.one("a").spec.get("tags"), Some(&kept), "{ignore}: {by_hand:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_as_it_is_wanted_changes_only_the_record() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, note: one }"])).await;
    house.cloud.edit("a", "note", Some("two".into()));
    house.cloud.take_calls();
    let text = blueprint(&["a: { kind: box, note: two }"]);
    assert_eq!(action(&house.plan(&text).await, "a"), Action::Record);
    house.up(&text).await;
    assert!(house.cloud.take_calls().is_empty());
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_besides_the_spec_changes_only_the_record() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }", "b: { kind: box }"])).await;
    house.cloud.take_calls();
    let text = blueprint(&["a: { kind: box, protect: true, ignore: [note] }", "b: { kind: box, depends_on: [a] }"]);
    let plan = house.plan(&text).await;
    assert_eq!((action(&plan, "a"), action(&plan, "b")), (Action::Record, Action::Record));
    house.up(&text).await;
    assert!(house.cloud.take_calls().is_empty());
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn protection_forbids_replace_and_delete_even_after_the_block_is_gone() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, shape: round, protect: true }"])).await;
    for text in [
        blueprint(&["a: { kind: box, shape: flat, protect: true }"]),
        blueprint(&["a: { kind: box, shape: flat }"]),
        blueprint(&[]),
    ] {
        let plan = house.plan(&text).await;
        assert_eq!(plan.refusals.len(), 1, "{text}");
        assert!(matches!(house.carry_out(&plan, &text).await, Err(EngineError::Refused(_))));
    }
    let plan = house.plan_for(&blueprint(&["a: { kind: box, shape: round }"]), Mode::Destroy).await;
    assert_eq!(plan.refusals.len(), 1);
    house.cloud.one("a");
    // An update is no replacement, and what is gone already can't be protected any more.
    let plan = house.plan(&blueprint(&["a: { kind: box, shape: round, size: 3, protect: true }"])).await;
    assert!(plan.refusals.is_empty());
    house.cloud.remove("a");
    assert!(house.plan(&blueprint(&[])).await.refusals.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_left_partly_made_is_replaced() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    house.cloud.fail("create a", Fault::Partly);
    assert_eq!(house.run(&text).await.failed.len(), 1);
    assert_eq!(house.state().await.records.values().next().unwrap().status, Status::Tainted);
    let plan = house.plan(&text).await;
    assert_eq!(action(&plan, "a"), Action::Replace(Order::DestroyFirst));
    assert!(change(&plan, "a").reasons.contains(&Reason::Partial));
    house.up(&text).await;
    house.cloud.one("a");
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_verified_yet_is_checked_again() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, validate: { level: quick } }"]);
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create a", "check a"]);
    // As if the run had died between the two.
    let house = House::new();
    let plan = house.plan(&text).await;
    let mut alone = plan.clone();
    alone.operations.truncate(1);
    alone.edges.clear();
    house.carry_out(&alone, &text).await.unwrap();
    let plan = house.plan(&text).await;
    assert_eq!((action(&plan, "a"), operations(&plan)), (Action::Read, vec!["check a".to_owned()]));
    // What is said besides is taken over at once.
    let edited = blueprint(&["a: { kind: box, validate: { level: quick }, protect: true }"]);
    house.up(&edited).await;
    house.settled(&edited).await;
}

#[tokio::test(start_paused = true)]
async fn two_objects_can_not_have_one_name() {
    let house = House::new();
    let text = |name: &str, shape: &str, more: &str| {
        blueprint(&[&format!("a: {{ kind: named, name: {name}, shape: {shape}{more} }}")])
    };
    house.up(&text("n", "round", "")).await;
    let first = ", replace: create_first";
    assert!(matches!(
        house.try_plan(&text("n", "flat", first), Mode::Apply).await,
        Err(EngineError::Blueprint(problems)) if problems.list[0].message.contains("under the same name")
    ));
    house.plan(&text("m", "flat", first)).await;
    house.plan(&text("n", "flat", "")).await;
    house.plan(&text("n", "round", first)).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_in_the_way_of_a_shared_order_too() {
    let house = House::new();
    let text = |shape: &str| {
        blueprint(&[
            &format!("a: {{ kind: named, name: n, shape: {shape} }}"),
            &format!("b: {{ kind: scarce, base: '{{{{ a.id }}}}', shape: {shape} }}"),
        ])
    };
    house.up(&text("round")).await;
    let planned = house.try_plan(&text("flat"), Mode::Apply).await;
    assert!(matches!(planned, Err(EngineError::Blueprint(_))), "{planned:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_changes_replaces() {
    let house = House::new();
    let text =
        |region: &str| blueprint_with(&format!("providers: {{ toy: {{ region: {region} }} }}"), &["a: { kind: box }"]);
    house.up(&text("r1")).await;
    let plan = house.plan(&text("r2")).await;
    assert_eq!(change(&plan, "a").reasons, [Reason::Moved { what: "region".to_owned() }]);
    house.up(&text("r2")).await;
    assert_eq!(house.cloud.one("a").region, "r2");
    house.settled(&text("r2")).await;
}

#[tokio::test(start_paused = true)]
async fn an_alias_that_is_renamed_moves_nothing() {
    let house = House::new();
    let text = |alias: &str| {
        let head = format!("providers: {{ toy.{alias}: {{}} }}");
        blueprint_with(
            &head,
            &[&format!(
                "a: {{ kind: box, placement: [{{ provider: toy.{alias}, region: r1 }}, {{ provider: toy.{alias}, region: r2 }}] }}"
            )],
        )
    };
    house.cloud.fail("create a r1", Fault::Fails(Class::NoCapacity));
    house.up(&text("x")).await;
    assert_eq!(house.cloud.one("a").region, "r2");
    let plan = house.plan(&text("y")).await;
    assert!(plan.operations.is_empty(), "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_was_feared_may_turn_out_an_update_or_nothing() {
    let house = House::new();
    let text = |note: &str, size: u32| {
        blueprint(&[
            &format!("a: {{ kind: box, note: {note} }}"),
            // Volatile: unknown while `a` is updated. What is made of it stays.
            &format!("b: {{ kind: scarce, base: 'n{{{{ a.address | length }}}}', size: {size} }}"),
            "c: { kind: box, host: '{{ b.id }}' }",
        ])
    };
    house.up(&text("one", 1)).await;
    house.settled(&text("one", 1)).await;
    house.cloud.take_calls();
    let plan = house.plan(&text("two", 1)).await;
    assert_eq!(action(&plan, "b"), Action::Replace(Order::CreateFirst));
    let report = house.up(&text("two", 1)).await;
    assert_eq!(done(&report), ["update a"]);
    house.settled(&text("two", 1)).await;
    house.cloud.take_calls();
    let report = house.up(&text("three", 2)).await;
    assert_eq!(done(&report), ["update a", "update b"]);
    house.settled(&text("three", 2)).await;
    assert_eq!(house.cloud.take_calls(), ["update a", "update b"]);
}

#[tokio::test(start_paused = true)]
async fn a_weaker_replacement_is_not_checked_anew() {
    let house = House::new();
    let text = |note: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, note: {note} }}"),
            "b: { kind: box, base: 'n{{ a.address | length }}', validate: { level: quick } }",
            "c: { kind: box, depends_on: [b], base: 'n{{ a.address | length }}', placement: [{ provider: toy, region: r1 }, { provider: toy, region: r2 }] }",
            "d: { kind: box, host: '{{ c.id }}' }",
        ])
    };
    house.up(&text("one")).await;
    house.cloud.take_calls();
    house.up(&text("two")).await;
    assert_eq!(house.cloud.take_calls(), ["update a"]);
    house.settled(&text("two")).await;
}

/// Of an earlier run's call nothing may have been heard: that there is nothing left to call for is found only when it is its turn.
#[tokio::test(start_paused = true)]
async fn what_came_about_unheard_is_recorded_though_nothing_is_left_to_do() {
    let house = House::new();
    let text = |note: &str, more: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, note: {note} }}"),
            &format!("b: {{ kind: box, host: 'n{{{{ a.address | length }}}}', {more} }}"),
            "c: { kind: box, host: '{{ b.id }}' }",
        ])
    };
    house.up(&text("one", "label: x")).await;
    house.cloud.edit("b", "label", Some("y".into()));
    house.cloud.take_calls();
    let text = text("two", "label: y, protect: true");
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["update a"]);
    house.settled(&text).await;
    let state = house.state().await;
    let record = &state.records[&support::address("b")];
    assert!(record.declared.protect);
    assert_eq!(record.current.as_ref().unwrap().sent.get("label"), Some(&"y".into()));
}

#[tokio::test(start_paused = true)]
async fn a_chain_is_replaced_from_its_end_and_made_from_its_beginning() {
    let house = House::new();
    let text = |shape: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, shape: {shape} }}"),
            "b: { kind: box, base: '{{ a.id }}' }",
            "c: { kind: box, base: '{{ b.id }}' }",
        ])
    };
    house.up(&text("round")).await;
    house.cloud.take_calls();
    house.up(&text("flat")).await;
    assert_eq!(house.cloud.take_calls(), ["delete c", "delete b", "delete a", "create a", "create b", "create c"]);
    assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
    house.settled(&text("flat")).await;
}

#[tokio::test(start_paused = true)]
async fn create_first_is_shared_down_to_what_it_depends_on() {
    let house = House::new();
    let text = |shape: &str, host: &str| {
        blueprint(&[
            &format!("a: {{ kind: box, shape: {shape} }}"),
            &format!("b: {{ kind: box, host: '{{{{ a.id }}}}', note: {shape} }}"),
            &format!("c: {{ kind: scarce, shape: {shape}, host: '{{{{ {host}.id }}}}' }}"),
        ])
    };
    house.up(&text("round", "b")).await;
    house.cloud.take_calls();
    let plan = house.plan(&text("flat", "b")).await;
    assert_eq!(action(&plan, "a"), Action::Replace(Order::CreateFirst));
    let reason = Reason::CreateFirstFor { dependant: "c".parse().unwrap() };
    assert!(change(&plan, "a").reasons.contains(&reason), "{:?}", change(&plan, "a").reasons);
    house.up(&text("flat", "b")).await;
    let calls = house.cloud.take_calls();
    let at = |call: &str| calls.iter().position(|other| other == call).unwrap();
    assert!(at("create a") < at("update b") && at("update b") < at("create c"), "{calls:?}");
    assert!(at("create c") < at("delete c") && at("update b") < at("delete a"), "{calls:?}");
    house.settled(&text("flat", "b")).await;
}

#[tokio::test(start_paused = true)]
async fn who_lets_go_of_a_resource_changes_before_it_goes() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }", "b: { kind: box, host: '{{ a.id }}' }"])).await;
    house.cloud.take_calls();
    house.up(&blueprint(&["b: { kind: box, host: none }"])).await;
    assert_eq!(house.cloud.take_calls(), ["update b", "delete a"]);
}

#[tokio::test(start_paused = true)]
async fn leaving_out_the_middle_of_a_chain_makes_no_cycle() {
    let house = House::new();
    house
        .up(&blueprint(&[
            "a: { kind: box, shape: round }",
            "b: { kind: box, host: '{{ a.id }}' }",
            "c: { kind: box, host: '{{ b.id }}' }",
        ]))
        .await;
    let text = blueprint(&["a: { kind: box, shape: flat }", "c: { kind: box, host: '{{ a.id }}' }"]);
    house.up(&text).await;
    house.settled(&text).await;
    assert!(house.cloud.of("b").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_told_stops_one_resource_and_what_needs_it() {
    let house = House::new();
    let text = blueprint(&["a: { kind: blind }", "b: { kind: box, host: '{{ a.id }}' }", "c: { kind: box }"]);
    house.cloud.fail("create a", Fault::LostAfter);
    house.run(&text).await;
    house.cloud.take_calls();
    let report = house
        .run(&blueprint(&["a: { kind: blind }", "b: { kind: box, host: '{{ a.id }}' }", "c: { kind: box, size: 2 }"]))
        .await;
    assert_eq!(report.stopped, None);
    assert_eq!(house.cloud.take_calls(), ["update c"]);
    // A person settles it.
    let (lease, state) = (house.store.lease(&support::stack(), &house.holder()).await.unwrap(), house.state().await);
    let token = state.open.keys().next().unwrap().clone();
    let resolution = Resolution::Id(house.cloud.one("a").id);
    let at = support::clock::START;
    let entry = Entry { at, address: Some("a".parse().unwrap()), event: Event::Resolved { token, resolution } };
    house.store.append(&lease, &[entry]).await.unwrap();
    house.up(&text).await;
    house.settled(&text).await;
    house.cloud.one("b");
}
