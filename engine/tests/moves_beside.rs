//! What moves, and what else becomes of it: it is edited, replaced, protected, waits, or goes.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::{Fault, Manners};
use support::{House, action, address, blueprint, change, done, moved, operations, stack, using};
use trueup_engine::EngineError;
use trueup_engine::plan::{Action, Mode, Order, Reason};
use trueup_state::entry::{Class, Resolution};
use trueup_state::{Entry, Event, FieldPath, Status, Store};

fn renamed(from: &str) -> impl Fn(&Reason) -> bool {
    let from = address(from);
    move |reason| matches!(reason, Reason::Renamed { from: told, .. } if *told == from)
}

#[tokio::test(start_paused = true)]
async fn what_moves_and_is_edited_is_changed_under_its_new_address() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, size: 1 }", "r: { kind: box, host: '{{ a.address }}' }"])).await;
    let before = house.recorded().await;
    let text = moved(&["a -> b"], &["b: { kind: box, size: 2 }", "r: { kind: box, host: '{{ b.address }}' }"]);
    let plan = house.plan(&text).await;
    let reasons = &change(&plan, "b").reasons;
    assert!(reasons.iter().any(renamed("a")), "{reasons:?}");
    assert!(
        reasons.iter().any(|reason| matches!(reason, Reason::Edited { path, .. } if *path == FieldPath::parse("size")))
    );
    house.cloud.take_calls();
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["update b", "update r"]);
    assert_eq!(house.recorded().await["b"], before["a"]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_moves_and_is_replaced_keeps_count_of_its_objects() {
    for (kind, calls) in [("named", ["delete b", "create b"]), ("scarce", ["create b", "delete b"])] {
        let house = House::new();
        let text = |name: &str, shape: &str| format!("{name}: {{ kind: {kind}, shape: {shape} }}");
        house.up(&blueprint(&[&text("a", "round")])).await;
        house.cloud.take_calls();
        let text = moved(&["a -> b"], &[&text("b", "flat")]);
        house.up(&text).await;
        assert_eq!(house.cloud.take_calls(), calls);
        house.settled(&text).await;
        assert_eq!((house.cloud.things().len(), house.recorded().await["b"].len()), (1, 1));
        assert_eq!(house.state().await.records[&address("b")].generation, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_moves_and_is_of_another_kind_is_another_thing() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    house.cloud.take_calls();
    let text = moved(&["a -> b"], &["b: { kind: named }"]);
    assert_eq!(action(&house.plan(&text).await, "b"), Action::Replace(Order::DestroyFirst));
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["delete b", "create b"]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_moves_and_is_gone_is_made_again() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: named }"])).await;
    house.cloud.remove("a");
    let text = moved(&["a -> b"], &["b: { kind: named }"]);
    let plan = house.plan(&text).await;
    assert!(matches!(change(&plan, "b").reasons[..], [Reason::Renamed { .. }, Reason::Gone]), "{plan:#?}");
    assert_eq!(done(&house.up(&text).await), ["create b"]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_moves_and_drifted_is_put_right() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, note: one }"])).await;
    house.cloud.edit("a", "note", Some("by hand".into()));
    let text = moved(&["a -> b"], &["b: { kind: box, note: one }"]);
    let plan = house.plan(&text).await;
    assert_eq!((plan.drift[0].address.clone(), operations(&plan)), (address("b"), vec!["update b".to_owned()]));
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_moves_to_where_nothing_is_goes_under_its_new_address() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box, when: '{{ 1 > 2 }}' }"]);
    assert_eq!(action(&house.plan(&text).await, "b"), Action::Delete);
    house.up(&text).await;
    assert!(house.cloud.things().is_empty());
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_moves_stays_protected() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, protect: true }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box, shape: flat }"]);
    assert_eq!(house.plan(&text).await.refusals[0].address, address("b"));
    let text = moved(&["a -> b"], &["b: { kind: box, protect: true }"]);
    assert!(house.up(&text).await.done.is_empty());
    assert_eq!(house.plan(&blueprint(&[])).await.refusals[0].address, address("b"));
}

#[tokio::test(start_paused = true)]
async fn what_was_left_partly_made_moves_and_is_made_anew() {
    let house = House::new();
    house.cloud.fail("create a", Fault::Partly);
    house.run(&blueprint(&["a: { kind: box }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box }"]);
    house.cloud.take_calls();
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["delete b", "create b"]);
    assert_eq!(house.state().await.records[&address("b")].status, Status::Ready);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_replacement_moves_too() {
    let house = House::new();
    let text = |name: &str, shape: &str| blueprint(&[&format!("{name}: {{ kind: scarce, shape: {shape} }}")]);
    house.up(&text("a", "round")).await;
    house.cloud.fail("delete a", Fault::Fails(Class::Denied));
    house.run(&text("a", "flat")).await;
    assert_eq!(house.recorded().await["a"].len(), 2);
    house.cloud.take_calls();
    let text = moved(&["a -> b"], &["b: { kind: scarce, shape: flat }"]);
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["delete b"]);
    house.settled(&text).await;
    assert_eq!((house.recorded().await["b"].len(), house.cloud.things().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_destruction_deletes_what_is_recorded_where_it_is_recorded() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }", "r: { kind: box, host: '{{ a.id }}' }"])).await;
    house.cloud.take_calls();
    let text = moved(&["a -> b"], &["b: { kind: box }", "r: { kind: box, host: '{{ b.id }}' }"]);
    assert!(house.run_for(&text, Mode::Destroy).await.is_complete());
    assert_eq!(house.cloud.take_calls(), ["delete r", "delete a"]);
    assert!(house.state().await.records.is_empty() && house.cloud.things().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_correction_moves_nothing_and_takes_nothing_away() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, note: n }", "r: { kind: box, host: '{{ a.id }}', note: n }"])).await;
    house.cloud.edit("r", "note", Some("by hand".into()));
    house.cloud.take_calls();
    let text = moved(&["a -> b"], &["b: { kind: box, note: n }", "r: { kind: box, host: '{{ b.id }}', note: n }"]);
    let plan = house.plan_for(&text, Mode::Correct).await;
    let told = |notice: &trueup_engine::plan::Notice| {
        notice.address == Some(address("a")) && notice.message == "it moves to b; `trueup apply` does that"
    };
    assert!(plan.notices.iter().any(told), "{:#?}", plan.notices);
    house.run_for(&text, Mode::Correct).await;
    assert_eq!(house.cloud.take_calls(), ["update r"]);
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["a", "r"]);
    assert!(house.up(&text).await.done.is_empty());
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_moves_too_and_is_refused_once_the_state_moved_on() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, size: 1 }", "c: { kind: box }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box, size: 2 }", "c: { kind: box }"]);
    let plan = house.plan(&text).await;
    let opened = house.saved(&plan);
    house.cloud.edit("a", "note", Some("by hand".into()));
    let refused = house.carry_out(&opened, &text).await;
    let Err(EngineError::WorldMoved { addresses }) = refused else { panic!("{refused:#?}") };
    assert_eq!(addresses, [address("b")]);
    house.cloud.edit("a", "note", None);
    assert!(house.carry_out(&opened, &text).await.unwrap().is_complete());
    house.settled(&text).await;
    // It is refused at another serial, whatever the moves come to by then.
    let again = house.carry_out(&opened, &text).await;
    assert!(matches!(again, Err(EngineError::StateMoved { .. })), "{again:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_mere_move_is_refused_at_another_serial() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box }"]);
    let plan = house.plan(&text).await;
    house.up(&blueprint(&["a: { kind: box, size: 3 }"])).await;
    let refused = house.carry_out(&plan, &text).await;
    assert!(matches!(refused, Err(EngineError::StateMoved { .. })), "{refused:#?}");
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn moves_that_are_about_nothing_are_harmless() {
    let house = House::new();
    let text = moved(
        &["a -> b", r#"old["k"] -> c["k"]"#, "m -> c", "n/x -> b"],
        &["b: { kind: box }", "c: { kind: box, for_each: [k] }"],
    );
    assert_eq!(done(&house.up(&text).await), ["create b", r#"create c["k"]"#]);
    house.settled(&text).await;
    assert!(house.run_for(&text, Mode::Destroy).await.is_complete());
    // A name that ends like a former one is another name.
    house.up(&using(&["other: { source: m.yaml }"], &[], "blueprint: m\nresources: { a: { kind: box } }\n")).await;
    let plan = house.plan(&text).await;
    assert_eq!(action(&plan, "other/a"), Action::Delete);
}

#[tokio::test(start_paused = true)]
async fn what_an_operation_has_not_ended_of_moves_after_its_end() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, size: 1 }"])).await;
    house.cloud.set_manners(Manners { polls: 1, ..Manners::default() });
    for _ in 0..6 {
        house.cloud.fail("poll a", Fault::Fails(Class::Transient));
    }
    let report = house.run(&blueprint(&[])).await;
    assert_eq!(report.unfinished.len(), 1, "{report:#?}");
    let text = moved(&["a -> b"], &["b: { kind: box, size: 2 }", "r: { kind: box, host: '{{ b.id }}' }"]);
    // Nothing is made beside it, and nothing is said to go.
    let plan = house.plan(&text).await;
    assert_eq!((operations(&plan), plan.entries.len()), (Vec::<String>::new(), 0));
    let stops: Vec<_> = plan.notices.iter().filter(|notice| notice.stops).map(|notice| &notice.address).collect();
    assert_eq!(stops, [&Some(address("b")), &Some(address("r"))]);
    // The delete is carried through, and so the move is about nothing.
    house.up(&text).await;
    house.settled(&text).await;
    assert_eq!((house.cloud.things().len(), house.cloud.of("a").len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_being_made_moves_once_it_is_there() {
    let house = House::new();
    for _ in 0..6 {
        house.cloud.fail("create a", Fault::LostAfter);
    }
    assert_eq!(house.run(&blueprint(&["a: { kind: box }"])).await.unfinished.len(), 1);
    let text = moved(&["a -> b"], &["b: { kind: box }"]);
    let plan = house.plan(&text).await;
    assert_eq!(operations(&plan), Vec::<String>::new(), "a second one would be made");
    house.cloud.take_calls();
    house.up(&text).await;
    house.settled(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create a"], "the repeat that tells");
    assert_eq!((house.cloud.things().len(), house.recorded().await.contains_key("b")), (1, true));
}

#[tokio::test(start_paused = true)]
async fn a_move_waits_for_what_is_being_made_where_it_ends() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    house.cloud.fail("create b", Fault::LostAfter);
    house.run(&blueprint(&["a: { kind: box }", "b: { kind: blind }"])).await;
    let text = moved(&["a -> b"], &["b: { kind: box }"]);
    let plan = house.plan(&text).await;
    assert!(plan.operations.is_empty() && plan.entries.is_empty(), "{plan:#?}");
    // A person says that nothing came of it.
    let (lease, state) = (house.store.lease(&stack(), &house.holder()).await.unwrap(), house.state().await);
    let token = state.open.keys().next().unwrap().clone();
    let event = Event::Resolved { token, resolution: Resolution::Absent };
    let entry = Entry { at: support::clock::START, address: Some(address("b")), event };
    house.store.append(&lease, &[entry]).await.unwrap();
    assert!(house.up(&text).await.done.is_empty());
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["b"]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_one_under_a_former_address_is_another_thing() {
    for kind in ["box", "named", "tagged", "scarce"] {
        for fault in [Fault::LostBefore, Fault::LostAfter] {
            let house = House::new();
            let line = |name: &str, more: &str| format!("{name}: {{ kind: {kind}{more} }}");
            house.up(&blueprint(&[&line("a", "")])).await;
            let old = house.recorded().await.remove("a");
            house.up(&moved(&["a -> b"], &[&line("b", "")])).await;
            let text = blueprint(&[&line("a", ""), &line("b", "")]);
            house.cloud.fail("create a", fault);
            house.run(&text).await;
            house.up(&text).await;
            house.settled(&text).await;
            let recorded = house.recorded().await;
            assert_eq!(recorded.get("b"), old.as_ref());
            assert!(recorded["a"] != recorded["b"] && house.cloud.things().len() == 2, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_elsewhere_is_not_what_an_operation_made() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: named, name: n }"])).await;
    house.up(&moved(&["a -> b"], &["b: { kind: named, name: n }"])).await;
    // The thing at `b` has the name that would be made at `a`, and the tags of what was there.
    house.cloud.fail("create a", Fault::LostBefore);
    // That the names are one is known only once `c` is made: a plan that knew it would be refused.
    let one = ["a: { kind: named, name: '{{ c.zone }}' }", "b: { kind: named, name: n }", "c: { kind: box, zone: n }"];
    let report = house.run(&blueprint(&one)).await;
    assert_eq!(report.failed[0].address, address("a"), "{report:#?}");
    assert_eq!(house.recorded().await.into_keys().collect::<Vec<_>>(), ["b", "c"]);
}
