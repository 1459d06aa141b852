//! What is made of parts and there already: read, or taken under management.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::{House, acts_of, address, blueprint, change, on_paused_time, operations, stack};
use trueup_engine::by_hand::{Adoption, MatchedBy, Which};
use trueup_engine::plan::Action;

const NET: &str = r#"trio-net["r1"]"#;

/// A trio of somebody else's: the id of its face.
fn planted(house: &House) -> &'static str {
    for (name, fields) in [
        ("model", &[("shape", "round")][..]),
        ("config", &[("host", "other-model")]),
        ("face", &[("host", "other-config")]),
    ] {
        house.cloud.plant("box", name);
        for (field, value) in fields.iter().chain(&[("zone", "z7")]) {
            house.cloud.edit_id(&format!("other-{name}"), field, Some((*value).into()));
        }
        house.cloud.edit_id(&format!("other-{name}"), "size", Some(1.into()));
    }
    "other-face"
}

#[test]
fn it_is_read_through_its_parts() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&[
            "a: { kind: trio, existing: other-face }",
            "b: { kind: box, host: '{{ a.id }}', note: '{{ a.address }}' }",
        ]);
        let error = house.refused(&text).await;
        assert!(error.list[0].message.contains("there is no trio"), "{error:#?}");
        planted(&house);
        house.up(&text).await;
        let b = house.cloud.one("b").spec;
        assert_eq!((b.get("host"), b.get("note")), (Some(&"other-face".into()), Some(&"other-config.0".into())));
        house.settled(&text).await;
        assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["b"]);
        house.cloud.remove_id("other-model");
        let error = house.refused(&text).await;
        assert!(error.list[0].message.contains("there is no trio"), "{error:#?}");
    });
}

#[test]
fn what_is_only_read_from_now_on_is_given_up_with_its_parts() {
    on_paused_time(async {
        let house = House::new();
        house.up(&blueprint(&["a: { kind: trio, size: 2 }", "c: { kind: trio }"])).await;
        let face = house.cloud.one("a/face").id;
        let read = blueprint(&[&format!("a: {{ kind: trio, existing: {face} }}"), "c: { kind: trio }"]);
        let plan = house.plan(&read).await;
        assert!(plan.operations.is_empty(), "{:#?}", operations(&plan));
        let mut found = acts_of(&plan);
        found.sort();
        assert_eq!(found, ["Forget a", "Forget a/config", "Forget a/face", "Forget a/model"]);
        house.up(&read).await;
        house.settled(&read).await;
        let alone = blueprint(&[&format!("a: {{ kind: trio, existing: {face} }}")]);
        let plan = house.plan(&alone).await;
        assert_eq!(change(&plan, NET).action, Action::Forget, "what is only read has it still");
    });
}

async fn adopted(house: &House, text: &str, which: &Which) -> Adoption {
    let (engine, program) = (house.engine(), house.load(text));
    let adoption = engine.adoption(&program, &stack(), which).await.unwrap();
    house.engine().adopt(&program, &stack(), &house.holder(), which, &adoption).await.unwrap();
    adoption
}

#[test]
fn it_is_adopted_by_the_id_of_the_whole() {
    on_paused_time(async {
        let house = House::new();
        planted(&house);
        let text =
            blueprint(&["a: { kind: trio, shape: round, size: 1, zone: z7 }", "b: { kind: box, host: '{{ a.id }}' }"]);
        let which = Which::Id { address: address("a"), id: "other-face".to_owned(), force: false };
        let adoption = adopted(&house, &text, &which).await;
        let matched: Vec<String> = adoption.matches.iter().map(|one| format!("{} {}", one.address, one.id)).collect();
        assert_eq!(matched, ["a ", "a/config other-config", "a/face other-face", "a/model other-model"]);
        assert_eq!(adoption.matches[0].by, MatchedBy::Parts);
        let state = house.state().await;
        let object = state.records[&address("a")].current.clone().unwrap();
        assert_eq!((object.id, object.attributes.get("id")), (None, Some(&"other-face".into())));
        let plan = house.plan(&text).await;
        assert_eq!(change(&plan, "a/model").action, Action::None);
        // What they share is yet to be made, and the face is to have it.
        assert!(operations(&plan).contains(&format!("create {NET}")));
        house.up(&text).await;
        house.settled(&text).await;
        assert_eq!(house.cloud.one("b").spec.get("host"), Some(&house.cloud.one("a/face").id.into()));
    });
}

#[test]
fn it_is_adopted_by_the_names_of_its_parts() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: trio_named, size: 4, tags: { x: y } }"]);
        house.up(&text).await;
        let before = house.recorded().await;
        let serial = house.state().await.serial;
        house.engine().forget(&stack(), &house.holder(), &[address("a")], serial).await.unwrap();
        for which in [Which::One(address("a")), Which::All] {
            let adoption = house.engine().adoption(&house.load(&text), &stack(), &which).await.unwrap();
            assert_eq!((adoption.matches.len(), adoption.left.len()), (4, 0), "{:?}", adoption.left);
        }
        adopted(&house, &text, &Which::One(address("a"))).await;
        assert_eq!(house.recorded().await, before);
        house.settled(&text).await;
    });
}

#[test]
fn its_secrets_are_none_the_less_secret() {
    on_paused_time(async {
        let house = House::new();
        planted(&house);
        house.cloud.edit_id("other-model", "password", Some("hunter2".into()));
        let text = "blueprint: toy\nproviders: { toy: {} }\nvariables: { p: { type: string, secret: true, default: hunter2 } }\n\
                    resources:\n  a: { kind: trio, shape: round, zone: z7, password: '{{ var.p }}' }\n";
        let which = Which::Id { address: address("a"), id: "other-face".to_owned(), force: false };
        adopted(&house, text, &which).await;
        assert!(!format!("{:?}", house.state().await).contains("hunter2"));
    });
}
