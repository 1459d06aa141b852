//! What the planner makes of what is wanted, recorded and observed.

mod support;

use support::provider::condemned;
use support::{House, action, blueprint, blueprint_with, change, done, operations};
use trueup_engine::plan::{Action, Mode, Order, Plan, Reason};
use trueup_engine::{EngineError, PlanOptions};
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
    let text = blueprint(&["a: { kind: box, note: forbidden, placement: [{ provider: toy, size: -1 }] }"]);
    assert_eq!(wrong(&house, &text).await, [("`size` is less than 0".to_owned(), 4, None)]);
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

/// What the deletes of a plan carry of what matters to them alone, as `a true`.
fn forced(plan: &Plan) -> Vec<String> {
    let deletes = plan.operations.iter().filter(|operation| operation.verb == Verb::Delete);
    deletes.map(|delete| format!("{} {}", delete.address, delete.spec.get("force") == Some(&true.into()))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_delete_goes_by_what_the_blueprint_says_then() {
    let house = House::new();
    let first = blueprint(&["a: { kind: box, shape: round }", "b: { kind: box, force: true }"]);
    house.up(&first).await;
    let edited = blueprint(&["a: { kind: box, shape: flat, force: true }", "b: { kind: box }"]);
    assert_eq!(forced(&house.plan_for(&first, Mode::Destroy).await), ["a false", "b true"]);
    assert_eq!(forced(&house.plan_for(&edited, Mode::Destroy).await), ["a true", "b false"]);
    assert_eq!(forced(&house.plan(&edited).await), ["a true"]);
    // Whose block is gone, or is another's by now, goes as it was recorded.
    assert_eq!(forced(&house.plan(&blueprint(&[])).await), ["a false", "b true"]);
    let other = blueprint(&["a: { kind: scarce, force: true }", "b: { kind: box }"]);
    assert_eq!(forced(&house.plan(&other).await), ["a false"]);
    assert_eq!(forced(&house.plan_for(&other, Mode::Destroy).await), ["a false", "b false"]);
    let read = blueprint(&["a: { kind: box }", "b: { kind: box, existing: other }"]);
    assert_eq!(forced(&house.plan_for(&read, Mode::Destroy).await), ["a false", "b true"]);
    // What has another address is still declared.
    let moved = format!("{}moved: [{{ from: a, to: c }}]\n", blueprint(&["c: { kind: box, force: true }"]));
    assert_eq!(forced(&house.plan_for(&moved, Mode::Destroy).await), ["a true", "b true"]);
    // What is sent is what was planned, to what was superseded as well.
    house.cloud.fail("delete a", condemned());
    assert_eq!(house.run(&blueprint(&["a: { kind: box, shape: flat, replace: create_first }"])).await.failed.len(), 1);
    let again = blueprint(&["a: { kind: box, shape: flat, replace: create_first, force: true }"]);
    assert_eq!(forced(&house.plan(&again).await), ["a true"]);
}

/// What a plan is refused for, as message, help and line.
fn refused(plan: &Plan) -> Vec<(&str, &str, usize)> {
    let line = |refusal: &trueup_engine::plan::Refusal| refusal.source.as_ref().map_or(0, |place| place.line);
    plan.refusals.iter().map(|one| (one.message.as_str(), one.help.as_str(), line(one))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_deleted_is_told_before_anything_is() {
    let house = House::new();
    let text = |shape: &str, force: &str| {
        blueprint(&["a:", "  kind: box", "  label: sticky", &format!("  shape: {shape}"), force, "b: { kind: box }"])
    };
    house.up(&text("round", "  force: false")).await;
    let says =
        ("a can't be deleted: it sticks", "set `force: true` in the blueprint, and run the same command again", 8);
    let plan = house.plan_for(&text("round", "  force: false"), Mode::Destroy).await;
    assert_eq!((refused(&plan), operations(&plan).len()), (vec![says], 2));
    assert!(matches!(house.carry_out(&plan, &text("round", "  force: false")).await, Err(EngineError::Refused(_))));
    assert_eq!(refused(&house.plan(&text("flat", "  force: false")).await), [says]);
    assert!(refused(&house.plan(&text("round", "  force: false")).await).is_empty());
    for (text, mode) in [(text("round", "  force: true"), Mode::Destroy), (text("flat", "  force: true"), Mode::Apply)]
    {
        assert!(refused(&house.plan_for(&text, mode).await).is_empty());
    }
    // Its block is gone: it has to be put back before anything can be said of it.
    let plan = house.plan(&blueprint(&["b: { kind: box }"])).await;
    let back = "put its block back with `force: true`, apply, and take it out again";
    assert_eq!(refused(&plan), [("a can't be deleted: it sticks", back, 4)]);
    // Nobody asks where nobody is to look.
    let program = house.load(&blueprint(&[]));
    let options = PlanOptions { mode: Mode::Destroy, refresh: false };
    let planned = house.engine().plan(&program, &support::stack(), options).await.unwrap();
    assert!(planned.plan.refusals.is_empty() && planned.plan.operations.len() == 2);
    // What may turn out an update is not refused before that is known.
    let perhaps =
        format!("{}  c: {{ kind: box }}\n", text("\"{{ 'round' if c.zone == 'z1' else 'flat' }}\"", "  note: x"));
    let plan = house.plan(&perhaps).await;
    assert_eq!((action(&plan, "a"), refused(&plan).len()), (Action::Replace(Order::DestroyFirst), 0));
    // What was superseded is in nobody's way.
    house.cloud.edit("a", "label", None);
    house.cloud.fail("delete a", condemned());
    let flat = text("flat", "  replace: create_first");
    assert_eq!(house.run(&flat).await.failed.len(), 1);
    let old = house.cloud.of("a").into_iter().find(|thing| thing.spec.get("shape") == Some(&"round".into())).unwrap();
    house.cloud.edit_id(&old.id, "label", Some("sticky".into()));
    let plan = house.plan(&flat).await;
    assert_eq!((operations(&plan), refused(&plan).len()), (vec!["delete a".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn what_matters_only_to_a_delete_changes_only_the_record() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    house.cloud.take_calls();
    let text = blueprint(&["a:", "  kind: box", "  force: true"]);
    let plan = house.plan(&text).await;
    assert_eq!((action(&plan, "a"), operations(&plan).len()), (Action::Record, 0));
    assert_eq!(change(&plan, "a").reasons, [Reason::Recorded { what: "force".to_owned() }]);
    let field = &change(&plan, "a").fields[0];
    assert_eq!(
        (&field.path, &field.after, field.source.as_ref().unwrap().line),
        (&path("force"), &Some(true.into()), 6)
    );
    house.up(&text).await;
    assert!(house.cloud.take_calls().is_empty());
    house.settled(&text).await;
    // Nobody looks what the cloud has of it.
    house.cloud.edit("a", "force", Some(false.into()));
    house.settled(&text).await;
    // Beside another change it is told too.
    let plan = house.plan(&blueprint(&["a: { kind: box, size: 2 }"])).await;
    let fields: Vec<_> = change(&plan, "a").fields.iter().map(|field| field.path.to_string()).collect();
    assert_eq!((action(&plan, "a"), fields), (Action::Update, vec!["force".to_owned(), "size".to_owned()]));
    // A correction leaves it, as it leaves other edits.
    let plan = house.plan_for(&blueprint(&["a: { kind: box }"]), Mode::Correct).await;
    assert_eq!((action(&plan, "a"), plan.notices.len()), (Action::None, 1));
    // What only apply can tell can't be recorded before.
    let text = blueprint(&["a: { kind: box, force: \"{{ b.zone != 'z1' }}\" }", "b: { kind: box }"]);
    house.cloud.take_calls();
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create b", "update a"]);
    house.settled(&text).await;
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
    assert!(change(&plan, "a").reasons.contains(&Reason::Tainted));
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
async fn a_failed_check_condemns_and_the_good_one_goes_last() {
    let house = House::new();
    let text =
        |shape: &str| blueprint(&[&format!("a: {{ kind: scarce, shape: {shape}, validate: {{ level: quick }} }}")]);
    house.up(&text("round")).await;
    house.cloud.fail("check a", condemned());
    house.cloud.take_calls();
    assert_eq!(house.run(&text("flat")).await.failed.len(), 1);
    assert_eq!(house.cloud.take_calls(), ["create a", "check a"]);
    let record = house.state().await.records.into_values().next().unwrap();
    assert_eq!((record.status, record.generation, record.deposed.len()), (Status::Tainted, 1, 1));
    // Even the deposed one may change outside.
    let deposed = record.deposed[0].id.clone().unwrap();
    house.cloud.edit_id(&deposed, "note", Some("by hand".into()));
    house.up(&text("flat")).await;
    let calls = house.cloud.take_calls();
    assert_eq!(calls[..2], ["create a", "check a"]);
    assert_eq!(house.state().await.records.into_values().next().unwrap().generation, 2);
    house.cloud.one("a");
    house.settled(&text("flat")).await;
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
