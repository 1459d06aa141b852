//! What a managed kind needs beside it is made before it, at each of its candidates, and goes with the last that needs it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::Fault;
use support::crash::Moment;
use support::{House, acts_of, address, asked, blueprint, change, done, on_paused_time, operations, pointed};
use trueup_engine::plan::{Action, Mode, Reason};
use trueup_state::{Class, Value};

const HOUSE: &str = r#"guest-house["r1"]"#;
const OTHER_HOUSE: &str = r#"guest-house["r2"]"#;
const KEY: &str = r#"guest-key["blue"]"#;
const PLACED: &str = "a: { kind: guest, placement: [{ provider: toy, region: r1 }, { provider: toy, region: r2 }] }";

fn id(house: &House, of: &str) -> Value {
    house.cloud.one(of).id.as_str().into()
}

fn field(house: &House, of: &str, name: &str) -> Option<Value> {
    house.cloud.one(of).spec.get(name).cloned()
}

#[test]
fn it_is_made_once_before_who_needs_it_and_what_is_known_of_it_is_sent() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: guest, label: blue }", "b: { kind: guest }"]);
        let plan = house.saved(&house.plan(&text).await);
        assert_eq!(change(&plan, "a").after.get("host"), Some(&Value::Unknown));
        assert_eq!((&change(&plan, "a").part_of, &change(&plan, HOUSE).part_of), (&None, &Some(address("a"))));
        let report = house.carry_out(&plan, &text).await.unwrap();
        let order = done(&report);
        let at = |what: &str| order.iter().position(|done| done == what).unwrap_or_else(|| panic!("{what}: {order:?}"));
        assert!(at(&format!("create {HOUSE}")) < at(&format!("create {KEY}")));
        assert!(at(&format!("create {KEY}")) < at("create a") && at(&format!("create {HOUSE}")) < at("create b"));
        assert_eq!(house.cloud.things().len(), 4);
        assert_eq!(
            (field(&house, "a", "host"), field(&house, "a", "base")),
            (Some(id(&house, HOUSE)), Some(id(&house, KEY)))
        );
        assert_eq!((field(&house, "b", "host"), field(&house, "b", "base")), (Some(id(&house, HOUSE)), None));
        assert!(
            house.state().await.records[&address("a")].current.as_ref().unwrap().id.is_some(),
            "it is a thing of its own"
        );
        house.settled(&text).await;
    });
}

#[test]
fn it_is_there_at_every_candidate_and_stays_wherever_the_resource_went() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&[PLACED]);
        house.cloud.fail("create a r1", Fault::Fails(Class::NoCapacity));
        house.up(&text).await;
        assert_eq!(house.cloud.one("a").region, "r2");
        assert_eq!(field(&house, "a", "host"), Some(id(&house, OTHER_HOUSE)));
        assert_eq!(house.cloud.of(HOUSE).len(), 1);
        house.settled(&text).await;
        let alone = blueprint(&["a: { kind: guest, placement: [{ provider: toy, region: r2 }] }"]);
        let plan = house.plan(&alone).await;
        assert_eq!(operations(&plan), [format!("delete {HOUSE}")], "{:#?}", plan.changes);
        assert_eq!(change(&plan, HOUSE).reasons, [Reason::NoPart { of: None }]);
    });
}

#[test]
fn it_goes_with_the_last_that_needs_it() {
    on_paused_time(async {
        let house = House::new();
        let two = ["a: { kind: guest }", "b: { kind: guest }"];
        house.up(&blueprint(&two)).await;
        assert_eq!(done(&house.up(&blueprint(&two[1..])).await), ["delete a"]);
        house.settled(&blueprint(&two[1..])).await;
        let order = done(&house.up(&blueprint(&[])).await);
        assert_eq!(order, ["delete b".to_owned(), format!("delete {HOUSE}")]);
        house.up(&blueprint(&two)).await;
        let report = house.run_for(&blueprint(&two), Mode::Destroy).await;
        assert_eq!(done(&report).last(), Some(&format!("delete {HOUSE}")));
        assert!(house.cloud.things().is_empty() && house.state().await.records.is_empty());
    });
}

#[test]
fn its_drift_is_corrected_and_what_is_made_anew_is_followed() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: guest }"]);
        house.up(&text).await;
        house.cloud.edit(HOUSE, "note", Some("by hand".into()));
        let plan = house.plan_for(&text, Mode::Correct).await;
        assert_eq!(plan.drift.iter().map(|drift| drift.address.to_string()).collect::<Vec<_>>(), [HOUSE]);
        assert_eq!(done(&house.run_for(&text, Mode::Correct).await), [format!("update {HOUSE}")]);
        house.cloud.remove(HOUSE);
        let plan = house.plan(&text).await;
        assert_eq!(operations(&plan), [format!("create {HOUSE}"), "update a".to_owned()]);
        house.up(&text).await;
        assert_eq!(field(&house, "a", "host"), Some(id(&house, HOUSE)));
        house.settled(&text).await;
    });
}

#[test]
fn it_is_selected_with_who_needs_it() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: guest, label: blue }", "b: { kind: guest }"]);
        let plan = house.plan_asked(&text, asked(&["b"], &[])).await;
        let mut acts = acts_of(&plan);
        acts.sort();
        assert_eq!(acts, ["Create b".to_owned(), format!("Create {HOUSE}")]);
        let plan = house.plan_asked(&text, asked(&[], &["kind:guest"])).await;
        assert_eq!(acts_of(&plan), [""; 0]);
        house.up(&text).await;
        let plan = house.try_plan_asked(&text, Mode::Destroy, asked(&["a"], &[])).await.unwrap();
        let mut acts = acts_of(&plan);
        acts.sort();
        assert_eq!(acts, ["Delete a".to_owned(), format!("Delete {KEY}")], "b needs the house still");
    });
}

#[test]
fn a_run_that_dies_anywhere_is_finished_by_the_next() {
    on_paused_time(async {
        for append in 1..40 {
            let house = House::new();
            let text = blueprint(&[PLACED, "b: { kind: guest, label: blue }"]);
            house.cloud.fail("create a r1", Fault::Fails(Class::NoCapacity));
            house.run_to_death(&text, Some((append, Moment::After))).await;
            // What has no record yet needs them none the less.
            let plan = house.plan(&text).await;
            assert!(operations(&plan).iter().all(|one| !one.starts_with("delete")), "{append}: {:#?}", plan.changes);
            house.up(&text).await;
            house.settled(&text).await;
            assert_eq!(house.cloud.things().len(), 5, "{append}");
            assert_eq!(house.cloud.wrongs(), [""; 0]);
        }
    });
}

#[test]
fn what_its_provider_can_not_take_stands_at_its_field() {
    on_paused_time(async {
        let house = House::new();
        let text = blueprint(&["a: { kind: guest, label: odd }"]);
        let problems = house.refused(&text).await;
        assert!(problems.list[0].message.contains("no odd label"), "{problems:#?}");
        assert_eq!(pointed(&text, &problems), "odd");
        let problems = house.refused(&blueprint(&["a: { kind: guest, label: own }"])).await;
        assert!(problems.list[0].message.contains("nothing shares"), "{problems:#?}");
    });
}

#[test]
fn another_key_replaces_what_can_not_change_it_and_the_former_goes_after() {
    on_paused_time(async {
        let house = House::new();
        let with = |label: &str| blueprint(&[&format!("a: {{ kind: guest, label: {label} }}")]);
        house.up(&with("blue")).await;
        let plan = house.plan(&with("red")).await;
        assert!(matches!(change(&plan, "a").action, Action::Replace(_)), "{:#?}", plan.changes);
        let red = r#"guest-key["red"]"#;
        let order = done(&house.up(&with("red")).await);
        assert_eq!(
            order,
            [format!("create {red}"), "create a".to_owned(), "delete a".to_owned(), format!("delete {KEY}")]
        );
        assert_eq!(field(&house, "a", "base"), Some(id(&house, red)));
        house.settled(&with("red")).await;
    });
}
