//! What is asked of what is made of parts, and what becomes of it, holds for its parts.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::clock::START;
use support::{
    House, action, acts_of, address, asked, blueprint, blueprint_with, moved, on_paused_time, operations, pointed,
    stack,
};
use trueup_engine::plan::select::Asked;
use trueup_engine::plan::{Action, Mode, Order};
use trueup_state::entry::{Entry, Event};
use trueup_state::{Object, Store};

const NET: &str = r#"trio-net["r1"]"#;

#[test]
fn it_moves_and_is_forgotten_with_its_parts() {
    on_paused_time(async {
        let house = House::new();
        let text = |name: &str| blueprint(&[&format!("{name}: {{ kind: trio, size: 2 }}")]);
        house.up(&text("a")).await;
        let declared = moved(&["a -> b"], &["b: { kind: trio, size: 2 }"]);
        let plan = house.plan(&declared).await;
        assert!(plan.operations.is_empty(), "{:#?}", operations(&plan));
        house.up(&declared).await;
        house.settled(&declared).await;
        let keys = house.recorded().await.into_keys().collect::<Vec<_>>();
        assert_eq!(keys, ["b", "b/config", "b/face", "b/model", NET]);

        let (engine, stack) = (house.engine(), support::stack());
        let moved = engine.rename(&stack, &house.holder(), &address("b"), &address("c")).await.unwrap();
        assert_eq!(moved.len(), 4);
        house.settled(&text("c")).await;
        for (from, to) in [("c/model", "d"), (NET, "d")] {
            let error = engine.rename(&stack, &house.holder(), &address(from), &address(to)).await.unwrap_err();
            assert!(error.to_string().contains("part"), "{error}");
        }
        let serial = house.state().await.serial;
        engine.forget(&stack, &house.holder(), &[address("c")], serial).await.unwrap();
        assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), [NET]);
    });
}

#[test]
fn its_parts_are_selected_with_it() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: trio, tags: { t: a } }", "b: { kind: trio, tags: { t: b } }"]);
        let plan = house.plan_asked(&text, asked(&["a"], &[])).await;
        let mut found = acts_of(&plan);
        found.sort();
        assert_eq!(found, ["Create a", "Create a/config", "Create a/face", "Create a/model", &format!("Create {NET}")]);
        let plan = house.plan_asked(&text, asked(&[], &["a"])).await;
        assert!(acts_of(&plan).iter().all(|act| !act.contains("Create a")), "{:?}", acts_of(&plan));
        let plan = house.plan_asked(&text, asked(&[], &["kind:trio"])).await;
        assert_eq!(acts_of(&plan), [""; 0], "what they share waits for them");
        house.up(&text).await;
        house.cloud.edit("a/model", "label", Some("x".into()));
        house.cloud.edit("b/model", "label", Some("x".into()));
        house.cloud.edit("b/config", "size", Some(8.into()));
        let plan = house.plan_asked(&text, asked(&["kind:trio"], &["tag:t=a"])).await;
        assert_eq!(operations(&plan), ["update b/config", "update b"]);
        let plan = house.try_plan_asked(&text, Mode::Destroy, asked(&["tag:t=a"], &[])).await.unwrap();
        let mut found = acts_of(&plan);
        found.sort();
        assert_eq!(found, ["Delete a", "Delete a/config", "Delete a/face", "Delete a/model"]);
    });
}

#[test]
fn its_parts_are_replaced_with_it() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: trio }", "b: { kind: box, host: '{{ a.id }}' }"]);
        house.up(&text).await;
        let before = house.recorded().await;
        let replaces = |what: &str| Asked { replaces: [address(what)].into(), ..Asked::default() };
        house.up_asked(&text, Mode::Apply, replaces("a")).await;
        let after = house.recorded().await;
        for part in ["a/model", "a/config", "a/face"] {
            assert_ne!(before[part], after[part], "{part}");
        }
        assert_eq!(before[NET], after[NET], "what is shared stays");
        assert_eq!(house.cloud.one("b").spec.get("host"), Some(&after["a/face"][0].as_str().into()));
        house.settled(&text).await;
        house.up_asked(&text, Mode::Apply, replaces("a/face")).await;
        let last = house.recorded().await;
        assert_eq!((&last["a/model"], last["a/face"] == after["a/face"]), (&after["a/model"], false));
        assert_eq!(house.cloud.one("b").spec.get("host"), Some(&last["a/face"][0].as_str().into()));
        house.settled(&text).await;
    });
}

#[test]
fn a_placement_has_one_candidate() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint_with(
            "providers: { toy: {}, mini: {} }",
            &["a: { kind: trio, placement: [{ provider: toy }, { provider: mini }] }"],
        );
        let problems = house.refused(&text).await;
        assert!(problems.list[0].message.contains("candidate by candidate"), "{problems:#?}");
        assert_eq!(pointed(&text, &problems), "a");
        let one = blueprint_with(
            "providers: { toy: {} }",
            &["a: { kind: trio, placement: [{ provider: toy, region: r2, size: 4 }] }"],
        );
        house.up(&one).await;
        assert_eq!(
            (house.cloud.one("a/config").spec.get("size"), house.cloud.one("a/face").region.as_str()),
            (Some(&4.into()), "r2")
        );
        house.settled(&one).await;
        let elsewhere = one.replace("r2", "r1");
        house.up(&elsewhere).await;
        assert!(house.cloud.things().iter().all(|thing| thing.region == "r1"), "{:#?}", house.cloud.things());
        house.settled(&elsewhere).await;
    });
}

#[test]
fn each_instance_has_parts_of_its_own() {
    on_paused_time(async {
        let house = House::new();
        let with =
            |keys: &str| blueprint(&[&format!("a: {{ kind: trio, for_each: {keys}, note: '{{{{ each.key }}}}' }}")]);
        house.up(&with("[x, y]")).await;
        assert_eq!(house.cloud.one(r#"a["y"]/config"#).spec.get("note"), Some(&"y".into()));
        let plan = house.plan(&with("[x]")).await;
        let mut gone = acts_of(&plan);
        gone.sort();
        assert_eq!(
            gone,
            [r#"Delete a["y"]"#, r#"Delete a["y"]/config"#, r#"Delete a["y"]/face"#, r#"Delete a["y"]/model"#]
        );
        house.up(&with("[x]")).await;
        house.settled(&with("[x]")).await;
        assert_eq!(house.cloud.things().len(), 4);
    });
}

#[test]
fn what_waits_for_a_further_phase_keeps_its_parts() {
    on_paused_time(async {
        let house = House::new();
        let with = |shape: &str| {
            blueprint(&[
                &format!("z: {{ kind: box, shape: {shape} }}"),
                "a: { kind: trio, for_each: '{{ [z.zone] }}', host: '{{ z.id }}' }",
            ])
        };
        house.phases(&with("round")).await;
        let before = house.recorded().await;
        let plan = house.plan(&with("flat")).await;
        assert!(acts_of(&plan).iter().all(|act| !act.contains("Delete")), "{:?}", acts_of(&plan));
        house.phases(&with("flat")).await;
        let after = house.recorded().await;
        assert_eq!(before[r#"a["z1"]/face"#], after[r#"a["z1"]/face"#]);
        assert_eq!(house.cloud.one(r#"a["z1"]/model"#).spec.get("host"), Some(&house.cloud.one("z").id.into()));
    });
}

#[test]
fn a_part_of_which_nobody_can_tell_holds_the_rest() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: trio_blind }", "b: { kind: box, host: '{{ a.id }}' }"]);
        house.cloud.fail("create a/config", support::cloud::Fault::LostAfter);
        let report = house.run(&text).await;
        assert!(!report.is_complete());
        let plan = house.plan(&text).await;
        let stopped: Vec<String> = plan
            .notices
            .iter()
            .filter(|notice| notice.stops)
            .filter_map(|notice| Some(notice.address.as_ref()?.to_string()))
            .collect();
        assert_eq!(stopped, ["a/config", "a/face", "a", "b"]);
        assert!(plan.operations.is_empty(), "{:?}", operations(&plan));
    });
}

#[test]
fn what_waits_for_a_person_keeps_its_parts() {
    on_paused_time(async {
        let house = House::new();
        let with = |shape: &str| {
            blueprint(&[&format!("z: {{ kind: blind, shape: {shape} }}"), "a: { kind: trio, host: '{{ z.id }}' }"])
        };
        house.up(&with("round")).await;
        house.cloud.fail("create z", support::cloud::Fault::LostAfter);
        assert!(!house.run(&with("flat")).await.is_complete());
        let plan = house.plan(&with("flat")).await;
        assert_eq!(acts_of(&plan), [""; 0]);
        assert_eq!(plan.notices.iter().filter(|notice| notice.stops).count(), 2, "{:#?}", plan.notices);
    });
}

#[test]
fn one_thing_becomes_several_and_one_again() {
    on_paused_time(async {
        let house = House::new();
        let with = |kind: &str| {
            blueprint(&[&format!("a: {{ kind: {kind}, size: 2 }}"), "b: { kind: box, host: '{{ a.id }}' }"])
        };
        house.up(&with("box")).await;
        let plan = house.plan(&with("trio")).await;
        assert_eq!(
            (action(&plan, "a"), action(&plan, "a/face")),
            (Action::Replace(Order::DestroyFirst), Action::Create)
        );
        house.up(&with("trio")).await;
        house.settled(&with("trio")).await;
        assert_eq!(house.cloud.one("b").spec.get("host"), Some(&house.cloud.one("a/face").id.into()));
        assert!(house.cloud.of("a").is_empty());
        house.up(&with("box")).await;
        house.settled(&with("box")).await;
        let left: Vec<String> = house.cloud.things().into_iter().map(|thing| thing.address).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(house.cloud.one("b").spec.get("host"), Some(&house.cloud.one("a").id.into()));
    });
}

#[test]
fn who_shares_a_part_must_say_the_same_of_it() {
    on_paused_time(async {
        let house = House::new();
        let problems = house.refused(&blueprint(&["a: { kind: trio }", "b: { kind: trio, force: true }"])).await;
        let said = format!("b and a share {NET}, and need it to be different things");
        assert_eq!(problems.list[0].message, said);
    });
}

#[test]
fn what_was_made_as_one_thing_is_not_taken_for_its_parts() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: trio }"]);
        house.up(&text).await;
        let record = house.state().await.records[&address("a")].clone();
        let object = Object { id: Some("old-1".to_owned()), generation: 7, ..record.current.unwrap() };
        let event = Event::Adopted {
            kind: record.kind,
            schema_version: 1,
            declared: Box::new(record.declared),
            object: Box::new(object),
        };
        let lease = house.store.lease(&stack(), &house.holder()).await.unwrap();
        let forgotten = Event::Forgotten { generation: 0 };
        let entry = |event| Entry { at: START, address: Some(address("a")), event };
        house.store.append(&lease, &[entry(forgotten), entry(event)]).await.unwrap();
        house.store.release(lease).await.unwrap();
        let problems = house.refused(&text).await;
        assert!(problems.list[0].message.contains("was made as one thing, `old-1`"), "{problems:#?}");
        let report = house.run_for(&text, Mode::Destroy).await;
        assert!(report.failed[0].message.contains("delete it by hand"), "{report:#?}");
        assert_eq!(house.cloud.things().len(), 4, "what it is made of stays with it");
    });
}
