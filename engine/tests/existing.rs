//! What is there already and belongs to somebody else: it is read, and never managed.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::{Fault, Manners};
use support::{House, action, address, blueprint, blueprint_with, change, operations, pointed, using};
use trueup_engine::EngineError;
use trueup_engine::plan::{Action, Existing, Mode, Plan, Reason};
use trueup_state::entry::Class;

/// A house in which somebody else has things: a `named` of the name `shared`, in zone z5, and a `box` without one.
fn house() -> House {
    let house = House::new();
    house.cloud.plant("named", "shared");
    house.cloud.edit_id("other-shared", "zone", Some("z5".into()));
    house.cloud.plant("box", "lone");
    house
}

fn existing<'a>(plan: &'a Plan, of: &str) -> &'a Existing {
    plan.existing.iter().find(|existing| existing.address == address(of)).unwrap_or_else(|| panic!("{plan:#?}"))
}

/// The things of somebody else are as they were.
fn untouched(house: &House) {
    let others: Vec<_> = house.cloud.of("of another").into_iter().map(|thing| thing.id).collect();
    assert_eq!(others, ["other-lone", "other-shared"]);
    assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
}

#[tokio::test(start_paused = true)]
async fn it_is_found_by_its_id_and_by_its_name_and_is_read() {
    for (kind, name, id) in [
        ("named", "other-shared", "other-shared"),
        ("named", "shared", "other-shared"),
        ("box", "other-lone", "other-lone"),
    ] {
        let house = house();
        let text = blueprint(&[
            &format!("s: {{ kind: {kind}, existing: {name} }}"),
            "b: { kind: box, host: '{{ s.id }}', note: \"at {{ s.zone or 'null' }}\" }",
        ]) + "outputs: { whose: '{{ s.address }}' }\n";
        let plan = house.plan(&text).await;
        let found = existing(&plan, "s");
        assert_eq!((found.id.as_str(), found.kind.as_str()), (id, kind));
        assert_eq!(found.attributes.get("id"), Some(&id.into()));
        assert_eq!(found.source.as_ref().unwrap().line, 4);
        assert_eq!(operations(&plan), ["create b"]);
        house.up(&text).await;
        assert_eq!(house.cloud.take_calls(), ["create b"]);
        let spec = house.cloud.one("b").spec;
        let zone = if kind == "named" { "at z5" } else { "at null" };
        assert_eq!((spec.get("host"), spec.get("note")), (Some(&id.into()), Some(&zone.into())));
        assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(house.state().await.outputs["whose"], format!("{id}.0").as_str().into());
        house.settled(&text).await;
        untouched(&house);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_comes_before_a_name() {
    let house = house();
    house.cloud.plant("named", "other-shared");
    let plan = house.plan(&blueprint(&["s: { kind: named, existing: other-shared }"])).await;
    assert_eq!(existing(&plan, "s").id, "other-shared");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_an_error_with_its_place() {
    let house = house();
    let text = blueprint(&[
        "s: { kind: named, existing: shared }",
        "t: { kind: named, existing: missing }",
        "u: { kind: box, existing: lone }",
        "b: { kind: box, host: '{{ t.id }}' }",
    ]);
    let problems = house.refused(&text).await;
    assert_eq!((problems.list.len(), pointed(&text, &problems)), (2, "missing"));
    assert_eq!(problems.list[0].message, "there is no named `missing` at toy");
    assert_eq!((problems.list[0].context.as_deref(), problems.list[0].help.is_some()), (None, true));
    assert_eq!(problems.list[1].message, "there is no box `lone` at toy", "its kind knows no names");
    // Of several it is said which.
    let module = "blueprint: m\nresources:\n  u: { kind: named, existing: nowhere }\n";
    let each = "s: { kind: named, for_each: [shared, missing], existing: '{{ each.key }}' }";
    let problems = house.refused(&using(&["m: { source: m.yaml }"], &[each], module)).await;
    let contexts: Vec<_> = problems.list.iter().map(|problem| problem.context.as_deref().unwrap()).collect();
    assert_eq!(contexts, [r#"s["missing"]"#, "m/u"]);
    assert!(house.cloud.take_calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_is_an_error_that_says_so() {
    let house = house();
    let text = blueprint(&["s: { kind: named, existing: shared }", "b: { kind: box, host: '{{ s.id }}' }"]);
    // By its id, or only by its name.
    for failures in [vec![Fault::Fails(Class::Denied)], vec![Fault::Fails(Class::Denied), Fault::Fails(Class::Denied)]]
    {
        failures.into_iter().for_each(|fault| house.cloud.fail("observe", fault));
        let problems = house.refused(&text).await;
        assert_eq!((problems.list.len(), pointed(&text, &problems)), (1, "shared"));
        assert_eq!(problems.list[0].message, "the named `shared` can't be read: the list can't be had");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_managed_and_is_only_read_from_now_on_is_forgotten_and_left_alone() {
    let house = house();
    house.up(&blueprint(&["a: { kind: box, note: n, protect: true }", "b: { kind: box, host: '{{ a.id }}' }"])).await;
    house.cloud.take_calls();
    let id = house.cloud.one("a").id;
    let text = blueprint(&[&format!("a: {{ kind: box, existing: {id} }}"), "b: { kind: box, host: '{{ a.id }}' }"]);
    // An edit that a correction leaves to an apply.
    let plan = house.plan_for(&text, Mode::Correct).await;
    assert!(plan.entries.is_empty() && plan.changes.iter().all(|change| change.action == Action::None), "{plan:#?}");
    assert_eq!(plan.notices[0].address, Some(address("a")));
    let plan = house.plan(&text).await;
    assert_eq!((action(&plan, "a"), &change(&plan, "a").reasons[..]), (Action::Forget, &[Reason::Released][..]));
    house.up(&text).await;
    assert!(house.cloud.take_calls().is_empty());
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["b"]);
    house.settled(&text).await;
    assert!(house.run_for(&text, Mode::Destroy).await.is_complete());
    assert_eq!(house.cloud.take_calls(), ["delete b"]);
    house.cloud.one("a");
}

#[tokio::test(start_paused = true)]
async fn where_another_thing_is_read_from_now_on_the_old_one_goes() {
    let house = house();
    let b = "b: { kind: box, host: '{{ a.id }}' }";
    house.up(&blueprint(&["a: { kind: named }", b])).await;
    house.cloud.take_calls();
    let text = blueprint(&["a: { kind: named, existing: shared }", b]);
    assert_eq!(action(&house.plan(&text).await, "a"), Action::Delete);
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["update b", "delete a"]);
    assert_eq!(house.cloud.one("b").spec.get("host"), Some(&"other-shared".into()));
    house.settled(&text).await;
    untouched(&house);
    // A protected one stays, and the plan is refused.
    house.up(&blueprint(&["c: { kind: box, protect: true }"])).await;
    let plan = house.plan(&blueprint(&["c: { kind: box, existing: other-lone }"])).await;
    assert_eq!(plan.refusals.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_and_is_managed_from_now_on_is_made() {
    let house = house();
    let text = blueprint(&["s: { kind: named, existing: shared }", "b: { kind: box, host: '{{ s.id }}' }"]);
    house.up(&text).await;
    house.cloud.take_calls();
    let text = blueprint(&["s: { kind: named }", "b: { kind: box, host: '{{ s.id }}' }"]);
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create s", "update b"]);
    house.settled(&text).await;
    untouched(&house);
}

#[tokio::test(start_paused = true)]
async fn all_of_a_for_each_and_what_stands_in_a_module_is_read() {
    let house = house();
    house.cloud.plant("named", "second");
    let module = [
        "blueprint: m",
        "variables: { name: { type: string } }",
        "resources:",
        "  u: { kind: named, existing: '{{ var.name }}' }",
        "outputs: { id: '{{ u.id }}' }",
    ];
    let text = using(
        &["m: { source: m.yaml, for_each: [shared], inputs: { name: '{{ each.key }}' } }"],
        &[
            "s: { kind: named, for_each: [shared, second], existing: '{{ each.key }}' }",
            "b: { kind: box, for_each: '{{ s }}', host: '{{ each.value.id }}' }",
            "c: { kind: box, host: \"{{ module.m['shared'].id }}\" }",
        ],
        &module.join("\n"),
    );
    let plan = house.plan(&text).await;
    let found: Vec<_> =
        plan.existing.iter().map(|existing| (existing.address.to_string(), existing.id.as_str())).collect();
    let expected =
        [(r#"m["shared"]/u"#, "other-shared"), (r#"s["second"]"#, "other-second"), (r#"s["shared"]"#, "other-shared")];
    assert_eq!(found, expected.map(|(address, id)| (address.to_owned(), id)));
    house.up(&text).await;
    assert_eq!(house.cloud.one(r#"b["second"]"#).spec.get("host"), Some(&"other-second".into()));
    assert_eq!(house.cloud.one("c").spec.get("host"), Some(&"other-shared".into()));
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn one_whose_name_only_apply_can_tell_is_read_in_a_further_phase() {
    let house = house();
    let text = blueprint(&[
        "a: { kind: box, zone: shared }",
        "s: { kind: named, existing: '{{ a.zone }}' }",
        "b: { kind: box, host: '{{ s.id }}' }",
    ]);
    let plan = house.plan(&text).await;
    assert_eq!((operations(&plan), plan.existing.len()), (vec!["create a".to_owned()], 0));
    assert_eq!(house.phases(&text).await, [["create a"], ["create b"]]);
    // What turns out not to be there is told then.
    let missing = text.replace("zone: shared", "zone: nowhere, shape: flat");
    let Err(EngineError::Blueprint(problems)) = house.try_phases(&missing).await else { panic!() };
    assert_eq!(pointed(&missing, &problems), "'{{ a.zone }}'");
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_read_decides_what_there_is_without_a_further_phase() {
    let house = house();
    let text = blueprint_with(
        "providers: { toy: {}, toy.far: { region: '{{ s.zone }}' } }",
        &[
            "s: { kind: named, provider: toy, existing: shared }",
            "b: { kind: box, provider: toy.far, for_each: '{{ [s.id] }}' }",
            "t: { kind: named, provider: toy, existing: '{{ s.id }}' }",
        ],
    );
    let plan = house.plan(&text).await;
    assert!(plan.deferred.is_empty() && plan.existing.len() == 2, "{plan:#?}");
    // However often the plan was expanded, each was looked for once: `s` by id and by name, `t` by id.
    assert_eq!(house.cloud.calls().iter().filter(|call| call.verb == "observe").count(), 3);
    house.up(&text).await;
    assert_eq!(house.cloud.one(r#"b["other-shared"]"#).region, "z5");
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_destruction_needs_nothing_of_it() {
    let house = house();
    let text = blueprint(&["s: { kind: named, existing: shared }", "b: { kind: box, host: '{{ s.id }}' }"]);
    house.up(&text).await;
    // Not even that it is there.
    let missing = text.replace("existing: shared", "existing: nowhere");
    let plan = house.plan_for(&missing, Mode::Destroy).await;
    assert_eq!((operations(&plan), plan.existing.len()), (vec!["delete b".to_owned()], 0));
    assert!(house.run_for(&missing, Mode::Destroy).await.is_complete());
    untouched(&house);
}

#[tokio::test(start_paused = true)]
async fn it_has_no_drift_and_what_reads_it_follows() {
    let house = house();
    let text = blueprint(&["s: { kind: named, existing: shared }", "b: { kind: box, note: '{{ s.zone }}' }"]);
    house.up(&text).await;
    house.cloud.edit_id("other-shared", "zone", Some("z6".into()));
    let plan = house.plan(&text).await;
    assert!(plan.drift.is_empty());
    assert_eq!(operations(&plan), ["update b"]);
    house.up(&text).await;
    assert_eq!(house.cloud.one("b").spec.get("note"), Some(&"z6".into()));
    house.settled(&text).await;
}

/// A plan that reads two things of somebody else, and makes one.
async fn reading(house: &House) -> (Plan, String) {
    let text = blueprint(&[
        "s: { kind: named, existing: shared }",
        "l: { kind: box, existing: other-lone }",
        "b: { kind: box, host: '{{ s.id }}', note: '{{ s.zone }}' }",
    ]);
    (house.plan(&text).await, text)
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_carries_what_it_read() {
    let house = house();
    let (plan, text) = reading(&house).await;
    let opened = house.saved(&plan);
    assert_eq!(opened.existing.len(), 2);
    assert!(house.carry_out(&opened, &text).await.unwrap().is_complete());
    assert_eq!(house.cloud.one("b").spec.get("host"), Some(&"other-shared".into()));
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_read_and_is_gone_or_other_by_then_refuses_the_plan() {
    for what in ["gone", "another", "other"] {
        let house = house();
        let (plan, text) = reading(&house).await;
        match what {
            "gone" => house.cloud.remove_id("other-shared"),
            // Another thing has its name by now, and is like it.
            "another" => house.cloud.rename_id("other-shared", "other-new"),
            _ => house.cloud.edit_id("other-shared", "zone", Some("z6".into())),
        }
        let refused = house.carry_out(&plan, &text).await;
        let Err(EngineError::WorldMoved { addresses }) = refused else { panic!("{what}: {refused:#?}") };
        assert_eq!(addresses, [address("s")], "{what}");
        assert!(house.cloud.take_calls().is_empty() && house.recorded().await.is_empty(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_plan_does_not_carry_may_change() {
    let house = house();
    let (plan, text) = reading(&house).await;
    house.cloud.edit_id("other-shared", "note", Some("by hand".into()));
    // That it can't be read now is no sign of a change: what was seen still counts.
    house.cloud.fail("observe", Fault::Fails(Class::Transient));
    assert!(house.carry_out(&plan, &text).await.unwrap().is_complete());
    assert_eq!(house.cloud.one("b").spec.get("note"), Some(&"z5".into()));
}

#[tokio::test(start_paused = true)]
async fn what_is_released_while_an_operation_has_not_ended_waits() {
    let house = house();
    house.up(&blueprint(&["a: { kind: scarce, shape: round }"])).await;
    let replaced = blueprint(&["a: { kind: scarce, shape: flat }"]);
    house.cloud.fail("delete a", Fault::Fails(Class::Denied));
    house.run(&replaced).await;
    // The delete of what was replaced is under way.
    house.cloud.set_manners(Manners { polls: 1, ..Manners::default() });
    for _ in 0..6 {
        house.cloud.fail("poll a", Fault::Fails(Class::Transient));
    }
    assert_eq!(house.run(&replaced).await.unfinished.len(), 1);
    let current = house.recorded().await["a"][0].clone();
    let text = blueprint(&[&format!("a: {{ kind: scarce, existing: {current} }}")]);
    let plan = house.plan(&text).await;
    assert!(plan.changes_nothing() && plan.notices.iter().any(|notice| notice.stops), "{plan:#?}");
    house.up(&text).await;
    house.settled(&text).await;
    assert!(house.recorded().await.is_empty());
    assert_eq!(house.cloud.of("a").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_by_what_it_depends_on_is_read_in_a_further_phase() {
    let house = House::new();
    let text = blueprint(&["own: { kind: named, name: n }", "one: { kind: named, existing: n, depends_on: [own] }"]);
    let plan = house.plan(&text).await;
    assert_eq!((operations(&plan), plan.deferred.len()), (vec!["create own".to_owned()], 1));
    assert!(plan.deferred[0].reason.contains("there is no named `n` yet"), "{}", plan.deferred[0].reason);
    house.phases(&text).await;
    house.settled(&text).await;
    // Where nothing is about to make it, it is missing.
    let missing = blueprint(&["own: { kind: named, name: n }", "one: { kind: named, existing: m, depends_on: [own] }"]);
    assert!(house.try_plan(&missing, Mode::Apply).await.is_err());
}
