//! What a person says of an operation that no rule can settle, and when that is not taken.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;

use support::cloud::{Fault, Manners};
use support::crash::Moment;
use support::{End, House, action, address, blueprint, change, operations, stack};
use trueup_engine::EngineError;
use trueup_engine::by_hand::{Answer, ByHandError, Settlement};
use trueup_engine::plan::{Action, Mode};
use trueup_state::entry::{Class, Event, Resolution};
use trueup_state::{State, Status, Store, Value, Verb};

async fn resolve(house: &House, at: &str, answer: Answer) -> Result<Settlement, ByHandError> {
    let (engine, holder) = (house.engine(), house.holder());
    match engine.resolve(&stack(), &holder, &address(at), &answer).await {
        Ok(settlement) => Ok(settlement),
        Err(EngineError::ByHand(error)) => Err(error),
        Err(error) => panic!("{error:#?}"),
    }
}

fn id(text: &str) -> Answer {
    Answer::Id(text.to_owned())
}

/// A house in which it can't be told whether `a` was made.
async fn parked(line: &str, fault: Fault) -> (House, String) {
    let house = House::new();
    let text = blueprint(&[line]);
    house.cloud.fail("create a", fault);
    let report = house.run(&text).await;
    assert_eq!(report.unfinished.len(), 1, "{report:#?}");
    let open = house.state().await.open.into_values().next().unwrap();
    assert!(open.parked.unwrap().contains("trueup state resolve a"));
    assert!(house.plan(&text).await.notices[0].message.contains("`trueup state resolve` settles it"));
    (house, text)
}

/// Refuses, and leaves the state as it is.
async fn refused(house: &House, at: &str, answer: Answer) -> ByHandError {
    let before = house.state().await;
    let error = resolve(house, at, answer).await.unwrap_err();
    assert_eq!(house.state().await, before, "{error}");
    error
}

#[tokio::test(start_paused = true)]
async fn what_was_made_is_taken_in_by_its_id() {
    let (house, text) = parked("a: { kind: blind, label: Big, password: hunter2 }", Fault::LostAfter).await;
    let made = house.cloud.one("a").id;
    let settlement = resolve(&house, "a", id(&made)).await.unwrap();
    assert_eq!(settlement, Settlement { verb: Verb::Create, id: Some(made.clone()), differs: [].into() });
    let state = house.state().await;
    assert!(state.open.is_empty());
    let record = &state.records[&address("a")];
    assert_eq!(record.status, Status::Ready);
    let object = record.current.as_ref().unwrap();
    assert_eq!(object.id.as_deref(), Some(made.as_str()));
    assert_eq!(object.seen.get("label"), Some(&"big".into()), "as the cloud spells it, which is no drift");
    assert!(!format!("{state:?}").contains("hunter2"));
    house.cloud.take_calls();
    house.settled(&text).await;
    assert!(house.up(&text).await.done.is_empty());
    assert_eq!(house.cloud.take_calls(), Vec::<String>::new());
    let history = house.store.history(&stack(), 0).await.unwrap();
    let told = |event: &Event| matches!(event, Event::Resolved { resolution: Resolution::Id(id), .. } if *id == made);
    assert_eq!(history.iter().filter(|entry| told(&entry.event)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_made_is_made_by_the_next_run() {
    let (house, text) = parked("a: { kind: blind }", Fault::LostBefore).await;
    let settlement = resolve(&house, "a", Answer::Absent).await.unwrap();
    assert_eq!(settlement, Settlement { verb: Verb::Create, id: None, differs: [].into() });
    assert!(house.state().await.records.is_empty());
    assert_eq!(action(&house.plan(&text).await, "a"), Action::Create);
    house.up(&text).await;
    house.settled(&text).await;
    assert_eq!(house.cloud.of("a").len(), 1);
    assert_eq!(house.cloud.wrongs(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_not_said_to_be_absent() {
    let (house, _) = parked("a: { kind: blind }", Fault::LostAfter).await;
    let made = house.cloud.one("a").id;
    let error = refused(&house, "a", Answer::Absent).await;
    assert_eq!(error, ByHandError::IsThere { address: address("a"), id: made.clone(), verb: Verb::Create });
    assert_eq!(error.help().unwrap(), format!("take it in: `trueup state resolve a --id {made}`"));
}

#[tokio::test(start_paused = true)]
async fn an_id_of_nothing_is_refused() {
    let (house, _) = parked("a: { kind: blind }", Fault::LostBefore).await;
    let error = refused(&house, "a", id("blind-99")).await;
    let said = "there is no blind with the id `blind-99` in toy (region r1), where a would be";
    assert_eq!(error.to_string(), said);
    assert!(error.help().unwrap().contains("--absent"));
}

#[tokio::test(start_paused = true)]
async fn what_differs_from_what_was_asked_for_is_told_and_shown_by_the_next_plan() {
    let (house, text) = parked("a: { kind: blind, size: 3, note: new }", Fault::LostBefore).await;
    house.cloud.plant("blind", "x");
    house.cloud.edit_id("other-x", "size", Some(3.into()));
    house.cloud.edit_id("other-x", "note", Some("old".into()));
    house.cloud.edit_id("other-x", "zone", Some("z1".into()));
    let settlement = resolve(&house, "a", id("other-x")).await.unwrap();
    assert_eq!(settlement.differs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["note"]);
    let plan = house.plan(&text).await;
    assert_eq!(operations(&plan), ["update a"], "it is kept, and brought level");
    assert_eq!(plan.drift.len(), 1, "{plan:#?}");
    assert_eq!(change(&plan, "a").after.get("note"), Some(&Value::from("new")));
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_belongs_elsewhere_is_refused() {
    let (house, _) = parked("a: { kind: blind }", Fault::LostBefore).await;
    house.cloud.plant("blind", "x");
    house.cloud.own("other-x", &BTreeMap::from([("trueup:stack".to_owned(), "fedcba9876543210".to_owned())]));
    let error = refused(&house, "a", id("other-x")).await;
    assert_eq!(error.to_string(), "`other-x` belongs to another stack, with the lineage fedcba9876543210");

    house.run(&blueprint(&["a: { kind: blind }", "b: { kind: blind }"])).await;
    let recorded = house.cloud.one("b").id;
    let error = refused(&house, "a", id(&recorded)).await;
    assert_eq!(error.to_string(), format!("`{recorded}` is recorded already, as b"));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_can_not_tell_settles_nothing() {
    let (house, text) = parked("a: { kind: blind, password: hunter2 }", Fault::LostAfter).await;
    let made = house.cloud.one("a").id;
    for (fault, said) in [
        (Fault::Fails(Class::Denied), "whether a is there can't be told: the list can't be had"),
        (Fault::Hangs, "whether a is there can't be told: the provider does not answer"),
    ] {
        house.cloud.fail("observe", fault);
        assert_eq!(refused(&house, "a", id(&made)).await.to_string(), said);
    }
    resolve(&house, "a", id(&made)).await.unwrap();
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn only_what_waits_is_settled() {
    let (house, text) = parked("a: { kind: blind }", Fault::LostBefore).await;
    let error = refused(&house, "b", Answer::Absent).await;
    assert_eq!(error.to_string(), "no operation of b waits to be settled");
    assert_eq!(error.help().unwrap(), "these do: `a`");
    resolve(&house, "a", Answer::Absent).await.unwrap();
    house.up(&text).await;
    for answer in [Answer::Absent, id(&house.cloud.one("a").id)] {
        let error = refused(&house, "a", answer).await;
        assert_eq!(error, ByHandError::NothingOpen { address: address("a"), others: Vec::new() });
    }
    let house = House::new();
    let error = resolve(&house, "a", Answer::Absent).await.unwrap_err();
    assert_eq!(error, ByHandError::NoState(stack()));
    assert!(house.store_state().await.is_none(), "and none is made");
}

/// A house in which a run died right after it began an operation of `a`.
async fn begun(before: &str, after: &str) -> House {
    let house = House::new();
    house.up(before).await;
    let died = house.run_to_death(after, Some((1, Moment::After))).await;
    assert!(matches!(died, End::Died));
    house
}

#[tokio::test(start_paused = true)]
async fn a_delete_is_done_once_its_object_is_gone() {
    let house = begun(&blueprint(&["a: { kind: box }"]), &blueprint(&[])).await;
    let made = house.cloud.one("a").id;
    let error = refused(&house, "a", Answer::Absent).await;
    assert_eq!(error, ByHandError::IsThere { address: address("a"), id: made.clone(), verb: Verb::Delete });
    let error = refused(&house, "a", id(&made)).await;
    assert_eq!(error, ByHandError::SettlesItself { address: address("a"), verb: Verb::Delete });
    house.cloud.remove("a");
    house.cloud.fail("observe", Fault::Fails(Class::Transient));
    assert!(matches!(refused(&house, "a", Answer::Absent).await, ByHandError::Unanswered { .. }));
    let settlement = resolve(&house, "a", Answer::Absent).await.unwrap();
    assert_eq!(settlement, Settlement { verb: Verb::Delete, id: None, differs: [].into() });
    let state = house.state().await;
    assert!(state.is_empty(), "{state:#?}");
    house.settled(&blueprint(&[])).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_and_a_check_are_for_the_next_run() {
    let house = begun(&blueprint(&["a: { kind: box }"]), &blueprint(&["a: { kind: box, size: 2 }"])).await;
    for answer in [Answer::Absent, id(&house.cloud.one("a").id)] {
        let error = refused(&house, "a", answer).await;
        assert_eq!(error, ByHandError::SettlesItself { address: address("a"), verb: Verb::Update });
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_only_was_cut_off_may_be_settled_too() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named }"]);
    assert!(matches!(house.run_to_death(&text, Some((1, Moment::After))).await, End::Died));
    resolve(&house, "a", Answer::Absent).await.unwrap();
    assert_eq!(house.state().await, State { serial: 2, ..State::new(house.state().await.lineage) });
    house.up(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_goes_on_with_is_not_settled_by_hand() {
    let house = House::new();
    house.cloud.set_manners(Manners { polls: 100, ..Manners::default() });
    let text = blueprint(&["a: { kind: blind }"]);
    assert!(matches!(house.run_to_death(&text, Some((2, Moment::After))).await, End::Died));
    for answer in [Answer::Absent, id(&house.cloud.one("a").id)] {
        let error = refused(&house, "a", answer).await;
        assert_eq!(error, ByHandError::GoesOn { address: address("a"), verb: Verb::Create });
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_checked_is_checked_by_the_next_run() {
    let (house, text) = parked("a: { kind: blind, validate: { level: quick } }", Fault::LostAfter).await;
    resolve(&house, "a", id(&house.cloud.one("a").id)).await.unwrap();
    assert_eq!(house.state().await.records[&address("a")].status, Status::Unverified);
    assert_eq!(operations(&house.plan(&text).await), ["check a"]);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_is_replaced_is_deleted_once_the_new_one_is_known() {
    let house = House::new();
    let line = |shape: &str| blueprint(&[&format!("a: {{ kind: blind, shape: {shape}, replace: create_first }}")]);
    house.up(&line("round")).await;
    house.cloud.fail("create a", Fault::LostAfter);
    house.run(&line("square")).await;
    let things = house.cloud.of("a");
    let new = things.iter().find(|thing| thing.spec.get("shape") == Some(&"square".into())).unwrap();
    resolve(&house, "a", id(&new.id)).await.unwrap();
    house.up(&line("square")).await;
    house.settled(&line("square")).await;
    assert_eq!(house.cloud.one("a").id, new.id);
    house.run_for(&line("square"), Mode::Destroy).await;
    assert!(house.cloud.of("a").is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_several_operations_the_one_that_waits_is_meant() {
    let (house, _) = parked("a: { kind: blind }", Fault::LostBefore).await;
    let mut state = house.state().await;
    let mut second = state.open.values().next().unwrap().clone();
    (second.parked, second.request.generation, second.request.token) = (None, 7, "other".into());
    state.open.insert("other".into(), second);
    let other = House::seeded(8);
    other.engine().restore(&stack(), &other.holder(), state.clone()).await.unwrap();
    resolve(&other, "a", Answer::Absent).await.unwrap();
    assert_eq!(other.state().await.open.into_keys().collect::<Vec<_>>(), ["other".into()]);

    state.open.values_mut().for_each(|open| open.parked = None);
    let other = House::seeded(8);
    other.engine().restore(&stack(), &other.holder(), state).await.unwrap();
    assert_eq!(refused(&other, "a", Answer::Absent).await, ByHandError::SeveralOpen(address("a")));
}
