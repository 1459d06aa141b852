//! What is replaced because a person asks for it, though nothing differs.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::{Fault, Manners};
use support::{House, action, address, asked, blueprint, change, operations};
use trueup_engine::plan::select::Asked;
use trueup_engine::plan::{Action, Mode, Order, Plan, Reason};
use trueup_engine::{EngineError, PlanOptions};
use trueup_state::Class;

fn replacing(addresses: &[&str]) -> Asked {
    Asked { replaces: addresses.iter().map(|text| address(text)).collect(), ..Asked::default() }
}

fn notices(plan: &Plan) -> Vec<&str> {
    plan.notices.iter().map(|notice| notice.message.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_replaced_in_its_order_and_those_that_read_it_follow() {
    let house = House::new();
    let text = blueprint(&[
        "a: { kind: box }",
        "b: { kind: scarce }",
        "c: { kind: box, replace: create_first }",
        "r: { kind: box, host: '{{ a.id }}' }",
        "s: { kind: box }",
    ]);
    house.up(&text).await;
    let before = house.recorded().await;
    let plan = house.up_asked(&text, Mode::Apply, replacing(&["a", "b", "c"])).await;
    for (name, order) in [("a", Order::DestroyFirst), ("b", Order::CreateFirst), ("c", Order::CreateFirst)] {
        assert_eq!(action(&plan, name), Action::Replace(order), "{name}");
        assert!(change(&plan, name).reasons.contains(&Reason::Asked), "{name}");
    }
    assert_eq!((action(&plan, "r"), action(&plan, "s")), (Action::Update, Action::None));
    let after = house.recorded().await;
    for (name, is_same) in [("a", false), ("b", false), ("c", false), ("r", true), ("s", true)] {
        assert_eq!(before[name] == after[name], is_same, "{name}");
        house.cloud.one(name);
    }
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_reads_something_unknown_is_replaced_all_the_same() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, host: '{{ a.zone }}' }"]);
    house.up(&text).await;
    let before = house.recorded().await;
    house.up_asked(&text, Mode::Apply, replacing(&["a", "b"])).await;
    let after = house.recorded().await;
    assert!(before["a"] != after["a"] && before["b"] != after["b"], "{before:?} {after:?}");
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_for_another_the_old_one_stays() {
    let text = |shape: &str| {
        let scarce = format!("a: {{ kind: scarce, shape: {shape} }}");
        blueprint(&[&scarce, "b: { kind: box, host: '{{ a.id }}' }"])
    };
    for class in [Class::NoCapacity, Class::Quota] {
        let house = House::new();
        house.up(&text("round")).await;
        let before = house.recorded().await;
        house.cloud.fail("create a", Fault::Fails(class));
        let report = house.run(&text("flat")).await;
        let help = report.failed[0].help.as_deref().unwrap();
        assert!(help.starts_with("the old one stays; "), "{help}");
        assert_eq!(house.recorded().await, before);
        assert_eq!(house.cloud.one("a").id, before["a"][0]);
        house.up(&text("flat")).await;
        house.settled(&text("flat")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn protection_forbids_it() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, protect: true }"]);
    house.up(&text).await;
    let plan = house.plan_asked(&text, replacing(&["a"])).await;
    assert!(
        plan.refusals[0].message.contains("is protected") && plan.refusals[0].help.contains("don't ask"),
        "{plan:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_is_recorded_can_be_replaced() {
    let house = House::new();
    let text = blueprint(&["weights: { kind: box }", "t: { kind: box, for_each: [x] }"]);
    let plan = house.plan_asked(&text, replacing(&["weights"])).await;
    assert_eq!((action(&plan, "weights"), notices(&plan).len()), (Action::Create, 1));
    assert!(notices(&plan)[0].contains("nothing to replace"));
    house.up(&text).await;
    for (name, help) in [
        ("wieghts", "did you mean `weights`?"),
        ("t", "did you mean `t[\"x\"]`?"),
        ("zzz", "`trueup graph --each` shows what there is"),
    ] {
        match house.try_plan_asked(&text, Mode::Apply, replacing(&[name])).await {
            Err(EngineError::Select(error)) => {
                assert_eq!(error.to_string(), format!("there is no resource `{name}` to replace"));
                assert_eq!(error.help(), help);
            }
            other => panic!("{other:#?}"),
        }
    }
    let plan = house.plan_asked(&blueprint(&["weights: { kind: box }"]), replacing(&["t[\"x\"]"])).await;
    assert_eq!(operations(&plan), ["delete t[\"x\"]"]);
    assert!(notices(&plan)[0].contains("nothing takes its place"), "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_can_not_be_left_out() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, host: '{{ a.id }}' }"]);
    house.up(&text).await;
    let both = Asked { replaces: replacing(&["a"]).replaces, ..asked(&["b"], &[]) };
    let plan = house.plan_asked(&text, both).await;
    // It changes for what is replaced, and so needs it.
    assert_eq!((action(&plan, "a"), plan.part.beside.len()), (Action::Replace(Order::DestroyFirst), 1));
    for asked in [asked(&[], &["a"]), asked(&["b"], &["a"])] {
        let both = Asked { replaces: replacing(&["a"]).replaces, ..asked };
        let planned = house.try_plan_asked(&text, Mode::Apply, both).await;
        assert!(matches!(planned, Err(EngineError::Select(_))), "{planned:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_further_phase_replaces_nothing_twice() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, for_each: '{{ [a.id] }}' }"]);
    house.phases(&text).await;
    let first = house.up_asked(&text, Mode::Apply, replacing(&["a", "b[\"box-1\"]"])).await;
    assert_eq!((operations(&first), first.deferred.len()), (vec!["create a".to_owned(), "delete a".to_owned()], 1));
    let next = first.asked.after(&first);
    assert_eq!(next.replaces.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b[\"box-1\"]"]);
    let plan = house.up_asked(&text, Mode::Apply, next).await;
    assert_eq!(action(&plan, "a"), Action::None);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_looks_at_nothing_says_so_and_is_refused_where_the_world_is_another() {
    let house = House::new();
    let text = |size: u8| blueprint(&[&format!("a: {{ kind: box, size: {size} }}")]);
    house.up(&text(1)).await;
    house.cloud.edit("a", "size", Some(9_i64.into()));
    let options = PlanOptions { refresh: false, ..PlanOptions::new(Mode::Apply) };
    let planned = house.engine().plan(&house.load(&text(2)), &support::stack(), options).await.unwrap();
    assert!(!planned.plan.refreshed && planned.plan.drift.is_empty());
    let refused = house.carry_out(&house.saved(&planned.plan), &text(2)).await;
    assert!(matches!(refused, Err(EngineError::WorldMoved { .. })), "{refused:#?}");
    assert!(house.plan(&text(2)).await.refreshed);
}

/// What stays as it is was checked when it was made. What is made anew is checked again, though it is wanted as it was sent.
#[tokio::test(start_paused = true)]
async fn what_can_not_be_made_again_is_told_at_plan() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, note: x }", "b: { kind: box, note: x }"]);
    house.up(&text).await;
    house.cloud.set_manners(Manners { takes_no_note: true, ..Manners::default() });
    house.settled(&text).await;
    let told = |error: EngineError| match error {
        EngineError::Blueprint(problems) => problems.list.into_iter().map(|one| one.message).collect::<Vec<_>>(),
        other => panic!("{other:#?}"),
    };
    let words = ["a toy takes no such note, says nobody"];
    let asked = house.try_plan_asked(&text, Mode::Apply, replacing(&["a"])).await.unwrap_err();
    assert_eq!(told(asked), words);
    house.cloud.remove("b");
    for mode in [Mode::Apply, Mode::Correct] {
        assert_eq!(told(house.try_plan(&text, mode).await.unwrap_err()), words, "{mode:?}");
    }
}
