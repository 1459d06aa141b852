//! What a provider makes out of other resources is planned and made as these.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::{House, action, address, blueprint, change, done, on_paused_time, operations, pointed};
use trueup_engine::plan::{Action, Mode, Order, Plan, Reason};
use trueup_state::Value;

const NET: &str = r#"trio-net["r1"]"#;

fn attribute(plan: &Plan, of: &str, name: &str) -> Option<Value> {
    change(plan, of).attributes_after.get(name).cloned()
}

#[test]
fn its_parts_are_made_in_their_order_and_it_is_what_they_are() {
    on_paused_time(async {
        let house = House::new();
        let text =
            blueprint(&["a: { kind: trio, size: 3 }", "b: { kind: box, host: '{{ a.id }}', note: '{{ a.zone }}' }"]);
        let plan = house.plan(&text).await;
        assert_eq!(change(&plan, "a/config").part_of, Some(address("a")));
        let report = house.up(&text).await;
        let order = done(&report);
        let at = |what: &str| order.iter().position(|done| done == what).unwrap_or_else(|| panic!("{what}: {order:?}"));
        assert!(at("create a/model") < at("create a/config"));
        assert!(at("create a/config") < at("create a/face"));
        assert!(at(&format!("create {NET}")) < at("create a/face"));
        assert!(at("create a/face") < at("create a"));
        assert!(at("create a") < at("create b"));
        assert_eq!(house.cloud.things().len(), 5, "the whole is no thing of its own");
        assert_eq!(house.cloud.one("a/config").spec.get("host"), Some(&house.cloud.one("a/model").id.into()));
        assert_eq!(house.cloud.one(NET).spec.get("note"), Some(&"a {{ net }}".into()), "text stays what it is");
        let face = house.cloud.one("a/face");
        assert_eq!(house.cloud.one("b").spec.get("host"), Some(&face.id.as_str().into()));
        assert_eq!(house.cloud.one("b").spec.get("note"), Some(&"z1".into()));
        let state = house.state().await;
        let object = state.records[&address("a")].current.clone().unwrap();
        assert_eq!((object.id, object.attributes.get("id")), (None, Some(&face.id.as_str().into())));
        assert!(state.records[&address("a")].declared.dependencies.contains(&address(NET)));
        house.settled(&text).await;
    });
}

#[test]
fn an_edit_touches_the_part_that_has_the_field_and_points_at_its_line() {
    on_paused_time(async {
        let house = House::new();
        let text = "blueprint: toy\nproviders: { toy: {} }\nresources:\n  a:\n    kind: trio\n    size: 1\n    tags: { x: y }\n    shape: round\n";
        house.up(text).await;
        let edited = text.replace("size: 1", "size: 2");
        let plan = house.plan(&edited).await;
        assert_eq!(operations(&plan), ["update a/config", "update a"]);
        let [field] = &change(&plan, "a/config").fields[..] else { panic!("{plan:#?}") };
        assert_eq!((field.path.to_string().as_str(), field.source.as_ref().unwrap().line), ("size", 6));
        let place = change(&plan, "a/config").reasons[0].place().unwrap();
        assert_eq!(place.line, 6);
        house.up(&edited).await;
        house.settled(&edited).await;
        let below = edited.replace("x: y", "x: z");
        let plan = house.plan(&below).await;
        assert_eq!(change(&plan, "a/config").fields[0].source.as_ref().unwrap().line, 7);
        assert_eq!(change(&plan, "a/config").fields[0].path.to_string(), "tags.x");
        let gone = edited.replace("    tags: { x: y }\n", "");
        let plan = house.plan(&gone).await;
        assert_eq!(change(&plan, "a/config").fields[0].path.to_string(), "tags");
        assert_eq!(change(&plan, "a/config").fields[0].source.as_ref().unwrap().line, 4, "it is said nowhere now");
    });
}

#[test]
fn what_is_made_of_a_part_that_is_made_anew_follows() {
    on_paused_time(async {
        let house = House::new();
        let with = |shape: &str| {
            blueprint(&[
                &format!("a: {{ kind: trio, shape: {shape} }}"),
                "b: { kind: box, note: '{{ a.address }}', host: '{{ a.id }}' }",
            ])
        };
        house.up(&with("round")).await;
        let plan = house.plan(&with("flat")).await;
        assert_eq!(action(&plan, "a/model"), Action::Replace(Order::DestroyFirst));
        assert_eq!(action(&plan, "a/config"), Action::Update);
        assert_eq!(action(&plan, "a/face"), Action::None);
        assert_eq!((action(&plan, "a"), action(&plan, "b")), (Action::Update, Action::Update));
        assert_eq!(attribute(&plan, "a", "address"), Some(Value::Unknown));
        assert_ne!(attribute(&plan, "a", "id"), Some(Value::Unknown), "the face stays");
        house.up(&with("flat")).await;
        let config = house.cloud.one("a/config");
        assert_eq!(config.spec.get("host"), Some(&house.cloud.one("a/model").id.into()));
        let seen = house.state().await.records[&address("a")].current.clone().unwrap().attributes;
        assert_eq!(house.cloud.one("b").spec.get("note"), seen.get("address"));
        house.settled(&with("flat")).await;
    });
}

#[test]
fn only_its_parts_may_change_and_it_says_which() {
    on_paused_time(async {
        let house = House::new();
        let with = |note: &str| {
            blueprint(&[
                &format!("z: {{ kind: box, note: {note} }}"),
                "a: { kind: trio, host: '{{ z.address }}', note: '{{ z.id }}' }",
            ])
        };
        house.up(&with("one")).await;
        house.cloud.edit("a/config", "size", Some(9.into()));
        let plan = house.plan(&with("one")).await;
        assert_eq!(operations(&plan), ["update a/config", "update a"]);
        assert_eq!(change(&plan, "a").reasons, [Reason::Parts { parts: vec![address("a/config")] }]);
        house.up(&with("one")).await;
        let plan = house.plan(&with("two")).await;
        assert_eq!(operations(&plan), ["update z", "update a/model", "update a"], "{:#?}", plan.changes);
        house.up(&with("two")).await;
        house.settled(&with("two")).await;
    });
}

#[test]
fn it_may_read_what_is_yet_to_be_made() {
    on_paused_time(async {
        let house = House::new();
        let text =
            blueprint(&["z: { kind: box }", "a: { kind: trio, host: '{{ z.id }}', tags: { z: '{{ z.address }}' } }"]);
        let plan = house.saved(&house.plan(&text).await);
        assert_eq!(change(&plan, "a/model").after.get("host"), Some(&Value::Unknown));
        let report = house.carry_out(&plan, &text).await.unwrap();
        assert!(report.is_complete(), "{report:#?}");
        let z = house.cloud.one("z").id;
        assert_eq!(house.cloud.one("a/model").spec.get("host"), Some(&z.as_str().into()));
        assert_eq!(house.cloud.one("a/config").spec.get("tags").unwrap().get("z"), Some(&format!("{z}.0").into()));
        house.settled(&text).await;
    });
}

#[test]
fn a_secret_stays_one_in_parts_and_in_what_is_known_of_them() {
    on_paused_time(async {
        let house = House::new();
        let text = "blueprint: toy\nproviders: { toy: {} }\nvariables: { p: { type: string, secret: true, default: hunter2 } }\n\
                    resources:\n  a: { kind: trio, password: '{{ var.p }}', label: '{{ var.p }}' }\n  b: { kind: box, note: '{{ a.echo }}' }\n";
        house.up(text).await;
        let state = house.state().await;
        assert!(!format!("{state:?}").contains("hunter2"));
        assert_eq!(house.cloud.one("a/model").spec.get("password"), Some(&"hunter2".into()));
        assert_eq!(house.cloud.one("b").spec.get("note"), Some(&"hunter2".into()));
        assert!(state.records[&address("a")].current.as_ref().unwrap().attributes.get("echo").unwrap().has_secret());
        house.settled(text).await;
    });
}

#[test]
fn what_is_ignored_of_it_is_ignored_of_its_parts() {
    on_paused_time(async {
        let house = House::new();
        let with = |size: u8| {
            blueprint(&[&format!("a: {{ kind: trio, size: {size}, tags: {{ x: y }}, ignore: [size, tags.x] }}")])
        };
        house.up(&with(1)).await;
        house.cloud.edit("a/config", "size", Some(7.into()));
        house.settled(&with(1)).await;
        house.settled(&with(2)).await;
        house.cloud.edit("a/config", "note", Some("by hand".into()));
        house.settled(&with(1)).await;
        assert_eq!(house.cloud.one("a/config").spec.get("size"), Some(&7.into()));
    });
}

#[test]
fn drift_of_a_part_is_found_and_corrected_as_far_as_it_may_be() {
    on_paused_time(async {
        let house = House::new();
        let with = |drift: &str| {
            blueprint(&[
                &format!("a: {{ kind: trio, size: 1, note: x{drift} }}"),
                "b: { kind: box, host: '{{ a.id }}' }",
            ])
        };
        house.up(&with("")).await;
        house.cloud.edit("a/config", "size", Some(5.into()));
        house.cloud.edit("a/config", "note", Some("y".into()));
        let plan = house.plan_for(&with(""), Mode::Correct).await;
        assert_eq!(plan.drift.len(), 1);
        assert_eq!(plan.drift[0].address, address("a/config"));
        let kept = with(", drift: { correct: [note] }");
        house.up(&kept).await;
        house.cloud.edit("a/config", "size", Some(5.into()));
        house.cloud.edit("a/config", "note", Some("y".into()));
        let report = house.run_for(&kept, Mode::Correct).await;
        assert_eq!(done(&report), ["update a/config", "update a"]);
        let config = house.cloud.one("a/config").spec;
        assert_eq!((config.get("note"), config.get("size")), (Some(&"x".into()), Some(&5.into())));
        house.cloud.remove("a/face");
        let plan = house.plan_for(&kept, Mode::Correct).await;
        assert!(plan.drift.iter().any(|drift| drift.gone && drift.address == address("a/face")), "{:#?}", plan.drift);
        let report = house.run_for(&kept, Mode::Correct).await;
        assert!(report.is_complete() && done(&report).contains(&"create a/face".to_owned()), "{report:#?}");
        assert_eq!(house.cloud.one("b").spec.get("host"), Some(&house.cloud.one("a/face").id.into()));
    });
}

#[test]
fn a_correction_makes_nothing_of_what_was_edited() {
    on_paused_time(async {
        let house = House::new();
        house.up(&blueprint(&["a: { kind: trio, size: 1 }"])).await;
        let edited = blueprint(&["a: { kind: trio, size: 2 }", "b: { kind: trio }"]);
        let plan = house.plan_for(&edited, Mode::Correct).await;
        assert!(plan.changes_nothing(), "{plan:#?}");
    });
}

#[test]
fn its_parts_are_protected_with_it() {
    on_paused_time(async {
        let house = House::new();
        let with = |shape: &str| blueprint(&[&format!("a: {{ kind: trio, shape: {shape}, protect: true }}")]);
        house.up(&with("round")).await;
        let plan = house.plan(&with("flat")).await;
        assert_eq!(plan.refusals[0].address, address("a/model"), "{:#?}", plan.refusals);
        let plan = house.plan(&blueprint(&[])).await;
        let refused: Vec<String> = plan.refusals.iter().map(|refusal| refusal.address.to_string()).collect();
        assert_eq!(refused, ["a", "a/config", "a/face", "a/model"]);
    });
}

#[test]
fn what_is_taken_out_goes_before_its_parts_and_the_last_takes_what_is_shared() {
    on_paused_time(async {
        let house = House::new();
        let two = ["a: { kind: trio }", "b: { kind: trio }", "c: { kind: box, host: '{{ a.id }}' }"];
        house.up(&blueprint(&two)).await;
        assert_eq!(house.cloud.of(NET).len(), 1, "it is made once");
        let report = house.up(&blueprint(&two[1..2])).await;
        let order = done(&report);
        assert_eq!(order, ["delete c", "delete a", "delete a/face", "delete a/config", "delete a/model"]);
        assert_eq!(house.cloud.of(NET).len(), 1, "another has it still");
        house.settled(&blueprint(&two[1..2])).await;
        let plan = house.plan(&blueprint(&[])).await;
        assert_eq!(change(&plan, NET).reasons, [Reason::NoPart { of: None }]);
        let order = done(&house.up(&blueprint(&[])).await);
        assert_eq!(order.first().map(String::as_str), Some("delete b"));
        assert!(house.cloud.things().is_empty());
        assert!(house.state().await.records.is_empty());
    });
}

#[test]
fn all_of_it_goes_when_everything_is_destroyed() {
    on_paused_time(async {
        let house = House::new();
        house.up(&blueprint(&["a: { kind: trio }", "b: { kind: trio, host: '{{ a.id }}' }"])).await;
        let report = house.run_for(&blueprint(&[]), Mode::Destroy).await;
        assert!(report.is_complete(), "{report:#?}");
        assert!(house.cloud.things().is_empty() && house.state().await.records.is_empty());
    });
}

#[test]
fn what_its_provider_or_a_part_can_not_take_stands_at_its_field() {
    on_paused_time(async {
        let house = House::new();
        for (field, said) in [("label: odd", "no odd label"), ("note: forbidden", "takes no such note")] {
            let text = blueprint(&[&format!("a: {{ kind: trio, {field} }}")]);
            let problems = house.refused(&text).await;
            assert!(problems.list[0].message.contains(said), "{problems:#?}");
            assert_eq!(pointed(&text, &problems), field.split_once(": ").unwrap().1);
        }
    });
}

#[test]
fn a_failure_of_a_part_holds_back_what_is_made_of_it_alone() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: trio }", "b: { kind: box, host: '{{ a.id }}' }", "c: { kind: trio }"]);
        house.cloud.fail("create a/config", support::cloud::Fault::Fails(trueup_state::Class::Denied));
        let report = house.run(&text).await;
        let skipped: Vec<String> = report.skipped.iter().map(|skipped| skipped.address.to_string()).collect();
        assert_eq!(report.failed.len(), 1);
        assert_eq!(skipped.iter().map(String::as_str).collect::<Vec<_>>(), ["a/face", "a", "b"], "{report:#?}");
        house.up(&text).await;
        house.settled(&text).await;
        assert_eq!(house.cloud.things().len(), 8);
    });
}

/// Whether one operation waits for another, at any remove.
fn is_before(plan: &Plan, first: usize, then: usize) -> bool {
    let next = |at: usize| plan.edges.iter().filter(move |(from, _)| *from == at).map(|(_, to)| *to);
    let mut open = vec![first];
    while let Some(at) = open.pop() {
        if at == then {
            return true;
        }
        open.extend(next(at));
    }
    false
}

#[test]
fn who_uses_it_does_without_an_old_part_before_that_goes() {
    on_paused_time(async {
        let house = House::new();
        let with = |shape: &str| {
            blueprint(&[
                &format!("a: {{ kind: trio, shape: {shape}, replace: create_first }}"),
                "b: { kind: box, note: '{{ a.address }}' }",
            ])
        };
        house.up(&with("round")).await;
        let plan = house.plan(&with("flat")).await;
        let at = |what: &str| operations(&plan).iter().position(|one| one == what).unwrap();
        assert!(is_before(&plan, at("update b"), at("delete a/model")), "{:?}", operations(&plan));
        let order = done(&house.up(&with("flat")).await);
        assert_eq!(order, ["create a/model", "update a/config", "update a", "update b", "delete a/model"]);
        house.settled(&with("flat")).await;
    });
}

#[test]
fn what_its_parts_came_to_is_written_though_its_own_fields_stay() {
    on_paused_time(async {
        let house = House::new();
        let with = |shape: &str| {
            blueprint(&[
                &format!("z: {{ kind: box, shape: {shape} }}"),
                "a: { kind: trio, note: '{{ z.zone }}' }",
                "b: { kind: box, note: '{{ a.address }}' }",
            ])
        };
        house.up(&with("round")).await;
        house.cloud.edit("a/config", "size", Some(9.into()));
        // The zone of what is made anew is known only then, and is what it was.
        house.up(&with("flat")).await;
        let seen = house.state().await.records[&address("a")].current.clone().unwrap().attributes;
        assert_eq!(seen.get("address"), Some(&format!("{}.1", house.cloud.one("a/config").id).as_str().into()));
        assert_eq!(house.cloud.one("b").spec.get("note"), seen.get("address"));
        house.settled(&with("flat")).await;
    });
}

#[test]
fn what_a_part_can_not_take_once_it_is_known_stands_at_its_field_too() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["z: { kind: box, zone: forbidden }", "a:", "  kind: trio", "  note: '{{ z.zone }}'"]);
        let report = house.run(&text).await;
        let failed = &report.failed[0];
        assert_eq!(failed.address, address("a/config"));
        assert!(failed.message.contains("takes no such note") && failed.message.contains("toy.yaml:7"), "{failed:#?}");
    });
}

#[test]
fn its_provider_may_say_that_a_new_part_comes_first_whatever_the_resource_says() {
    on_paused_time(async {
        let house = House::new();
        let with = |shape: &str, label: &str| {
            blueprint(&[&format!("a: {{ kind: trio, shape: {shape}, label: {label}, replace: destroy_first }}")])
        };
        house.up(&with("round", "first")).await;
        assert_eq!(action(&house.plan(&with("flat", "first")).await, "a/model"), Action::Replace(Order::CreateFirst));
        assert_eq!(action(&house.plan(&with("flat", "any")).await, "a/model"), Action::Replace(Order::DestroyFirst));
        let order = done(&house.up(&with("flat", "first")).await);
        assert_eq!(order, ["create a/model", "update a/config", "update a", "delete a/model"]);
    });
}

#[test]
fn what_is_read_of_a_part_may_be_a_piece_of_its_text_and_stand_in_another() {
    on_paused_time(async {
        let house = House::new();
        let with = |size: u8| blueprint(&[&format!("a: {{ kind: trio, needs: [address], size: {size} }}")]);
        house.up(&with(1)).await;
        // The address of a thing is its id, a dot, and how often it was changed.
        let host = |house: &House| house.cloud.one("a/face").spec.get("note").cloned();
        assert_eq!(host(&house), Some("<0>".into()));
        house.up(&with(2)).await;
        assert_eq!(host(&house), Some("<1>".into()));
        house.settled(&with(2)).await;
    });
}
