//! How a plan is carried out: what goes on after a failure, what is tried again, how much at once, and what is refused.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use support::cloud::{Fault, Manners};
use support::kinds::TOKENS_LAST;
use support::provider::condemned;
use support::{House, blueprint, blueprint_with, done, events, stack, told};
use tokio::sync::watch;
use trueup_engine::apply::ApplyEvent;
use trueup_engine::plan::{Action, Mode, saved};
use trueup_engine::{EngineError, PlanOptions};
use trueup_state::entry::Class;
use trueup_state::{Status, Store, Verb};

fn many(count: usize, line: &str) -> String {
    let lines: Vec<String> = (0..count).map(|number| format!("r{number}: {line}")).collect();
    blueprint(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_can_not_take_is_said_before_the_call_once_it_is_known() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, zone: forbidden }", "b: { kind: box, note: '{{ a.zone }}' }"]);
    let report = house.run(&text).await;
    assert_eq!(report.failed[0].message, "note: a toy takes no such note, says nobody (toy.yaml:5)");
    assert_eq!(house.cloud.take_calls(), ["create a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_independent_goes_on_after_a_failure() {
    let house = House::new();
    let text = blueprint(&[
        "a: { kind: box }",
        "b: { kind: box, host: '{{ a.id }}' }",
        "c: { kind: box, host: '{{ b.id }}' }",
        "d: { kind: box }",
    ]);
    house.cloud.fail("create a", Fault::Fails(Class::Denied));
    let report = house.run(&text).await;
    assert_eq!(done(&report), ["create d"]);
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].address.to_string(), "a");
    assert!(report.failed[0].help.is_some());
    let because = BTreeSet::from(["a".parse().unwrap()]);
    let skipped: Vec<_> =
        report.skipped.iter().map(|skipped| (skipped.address.to_string(), &skipped.because)).collect();
    assert_eq!(skipped, [("b".to_owned(), &because), ("c".to_owned(), &because)]);
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_ever_later_and_the_rest_is_not() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    for class in [Class::Denied, Class::Quota, Class::Invalid { field: None }, Class::AlreadyExists, Class::NotFound] {
        house.cloud.fail("create a", Fault::Fails(class));
        assert_eq!(house.run(&text).await.failed.len(), 1);
    }
    assert_eq!(house.cloud.take_calls().len(), 5);
    house.cloud.fail("create a", Fault::Fails(Class::Transient));
    house.cloud.fail("create a", Fault::Fails(Class::Internal));
    let patience = Duration::from_secs(17);
    house.cloud.fail("create a", Fault::Fails(Class::Throttled { retry_after: Some(patience) }));
    let (sender, mut receiver) = events();
    let (_cancel, cancelled) = watch::channel(false);
    let report = house.run_with(&text, Mode::Apply, &house.engine(), &sender, &cancelled).await.unwrap();
    assert!(report.is_complete());
    let calls = house.cloud.calls();
    let creates: Vec<_> = calls.iter().filter(|call| call.verb == "create").collect();
    assert_eq!(creates.len(), 4);
    assert!(creates.windows(2).all(|pair| pair[0].at < pair[1].at));
    assert!(creates[3].at >= creates[2].at + patience);
    // The request is the same, so its token is too.
    assert!(creates.iter().all(|call| call.token == creates[0].token));
    let retries = told(&mut receiver).into_iter().filter(|event| matches!(event, ApplyEvent::Retrying { .. }));
    assert_eq!(retries.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn trying_again_has_an_end() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    for _ in 0..20 {
        house.cloud.fail("create a", Fault::Fails(Class::Transient));
    }
    assert_eq!(house.run(&text).await.failed.len(), 1);
    assert!((2..20).contains(&house.cloud.take_calls().len()));
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_at_once_and_no_more() {
    let mut house = House::new();
    house.parallelism = 3;
    house.cloud.set_manners(Manners { latency: Duration::from_secs(1), ..Manners::default() });
    house.up(&many(10, "{ kind: box }")).await;
    assert_eq!(house.cloud.most_busy("toy"), 3);
}

#[tokio::test(start_paused = true)]
async fn each_provider_has_its_own_limit_and_holds_up_no_other() {
    let house = House::new();
    house.cloud.set_manners(Manners { latency: Duration::from_secs(1), ..Manners::default() });
    let lines: Vec<String> = (0..6)
        .flat_map(|number| ["mini", "toy"].map(|name| format!("{name}{number}: {{ kind: box, provider: {name} }}")))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    house.up(&blueprint_with("providers: { toy: {}, mini: {} }", &lines)).await;
    assert_eq!((house.cloud.most_busy("mini"), house.cloud.most_busy("toy")), (2, 6));
}

#[tokio::test(start_paused = true)]
async fn pending_work_holds_no_slot() {
    let mut house = House::new();
    house.parallelism = 2;
    house.cloud.set_manners(Manners { latency: Duration::from_millis(10), polls: 10, ..Manners::default() });
    let text = many(12, "{ kind: box }");
    house.up(&text).await;
    let calls = house.cloud.calls();
    let last_create = calls.iter().filter(|call| call.verb == "create").map(|call| call.at).max().unwrap();
    let first_poll = calls.iter().filter(|call| call.verb == "poll").map(|call| call.at).min().unwrap();
    assert!(last_create < first_poll, "all are taken before the first is asked after");
    assert_eq!(house.cloud.most_busy("toy"), 2);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn the_longest_path_goes_first() {
    let mut house = House::new();
    house.parallelism = 1;
    let text = blueprint(&[
        "a: { kind: box }",
        "b: { kind: box }",
        "z: { kind: box }",
        "y: { kind: box, host: '{{ z.id }}' }",
        "x: { kind: box, host: '{{ y.id }}' }",
    ]);
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create z", "create y", "create a", "create b", "create x"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_cancel_nothing_starts_and_what_is_under_way_is_resumed() {
    let mut house = House::new();
    house.parallelism = 1;
    house.cloud.set_manners(Manners { polls: 100, ..Manners::default() });
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, host: '{{ a.id }}' }"]);
    let (sender, _receiver) = events();
    let (cancel, cancelled) = watch::channel(false);
    let engine = house.engine();
    let run = house.run_with(&text, Mode::Apply, &engine, &sender, &cancelled);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        cancel.send(true).unwrap();
    };
    let (report, ()) = tokio::join!(run, stop);
    let report = report.unwrap();
    assert!(report.interrupted && report.failed.is_empty() && report.done.is_empty());
    assert_eq!(report.unfinished[0].address.to_string(), "a");
    assert_eq!(report.skipped[0].address.to_string(), "b");
    assert_eq!(house.cloud.take_calls(), ["create a"]);
    let plan = house.plan(&text).await;
    assert_eq!((plan.resumes.len(), plan.resumes[0].verb), (1, Verb::Create));
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create b"]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_lets_go_of_the_cancel_has_not_cancelled() {
    let house = House::new();
    house.cloud.set_manners(Manners { polls: 3, ..Manners::default() });
    let (sender, receiver) = events();
    let (cancel, cancelled) = watch::channel(false);
    drop((cancel, receiver));
    let text = blueprint(&["a: { kind: box }"]);
    let report = house.run_with(&text, Mode::Apply, &house.engine(), &sender, &cancelled).await.unwrap();
    assert!(report.is_complete(), "{report:#?}");
}

const PLACED: &str = "a: { kind: box, validate: { level: quick }, placement: [{ provider: toy, region: r1 }, { provider: toy, region: r2 }, { provider: mini, region: r3 }] }";

#[tokio::test(start_paused = true)]
async fn only_a_lack_of_room_moves_on_to_the_next_candidate() {
    let house = House::new();
    let text = blueprint_with(
        "providers: { toy: {}, mini: {} }",
        &[PLACED, "b: { kind: box, provider: toy, host: '{{ a.id }}' }"],
    );
    house.cloud.fail("create a r1", Fault::Fails(Class::NoCapacity));
    house.cloud.fail("create a r2", Fault::Fails(Class::Quota));
    let report = house.up(&text).await;
    assert_eq!(done(&report), ["create a", "check a", "create b"]);
    assert_eq!(house.cloud.one("a").region, "r3");
    let calls = house.cloud.calls();
    let tokens: BTreeSet<_> = calls.iter().filter(|call| call.verb == "create").map(|call| &call.token).collect();
    assert_eq!(tokens.len(), 4, "each candidate has a request of its own");
    // What was found stays, and is no reason to move.
    house.settled(&text).await;
    house.cloud.take_calls();
    let edited = text.replace("kind: box, validate", "kind: box, size: 4, validate");
    house.up(&edited).await;
    assert_eq!((house.cloud.take_calls(), house.cloud.one("a").region.as_str()), (vec!["update a".to_owned()], "r3"));
}

#[tokio::test(start_paused = true)]
async fn other_failures_stay_with_their_candidate() {
    let house = House::new();
    let text = blueprint_with(
        "providers: { toy: {}, mini: {} }",
        &[PLACED, "b: { kind: box, provider: toy, host: '{{ a.id }}' }"],
    );
    house.cloud.fail("create a r1", Fault::Fails(Class::Denied));
    let report = house.run(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create a"]);
    let skipped: Vec<_> = report.skipped.iter().map(|skipped| (skipped.address.to_string(), skipped.verb)).collect();
    assert_eq!(skipped, [("a".to_owned(), Verb::Check), ("b".to_owned(), Verb::Create)]);
    assert!(report.skipped.iter().all(|skipped| !skipped.because.is_empty()));
    for region in ["r1", "r2", "r3"] {
        house.cloud.fail(&format!("create a {region}"), Fault::Fails(Class::NoCapacity));
    }
    let report = house.run(&text).await;
    assert!(report.failed[0].no_capacity && report.failed.len() == 1, "{report:#?}");
    assert!(house.cloud.things().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_check_comes_before_dependants_and_a_failed_one_condemns() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, validate: { level: quick } }", "b: { kind: box, host: '{{ a.id }}' }"]);
    house.cloud.fail("check a", condemned());
    let report = house.run(&text).await;
    assert_eq!(report.skipped[0].address.to_string(), "b");
    let plan = house.plan(&text).await;
    assert!(matches!(support::action(&plan, "a"), Action::Replace(_)));
    let report = house.up(&text).await;
    assert_eq!(done(&report), ["delete a", "create a", "check a", "create b"]);
    assert_eq!(house.state().await.records[&"a".parse().unwrap()].status, Status::Ready);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_makes_no_second_object() {
    for kind in ["box", "named", "tagged", "scarce"] {
        for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Hangs] {
            let house = House::new();
            house.cloud.set_manners(Manners { lag: Duration::from_secs(8), ..Manners::default() });
            let text = blueprint(&[&format!("a: {{ kind: {kind} }}"), "b: { kind: box, host: '{{ a.id }}' }"]);
            house.cloud.fail("create a", fault.clone());
            let report = house.run(&text).await;
            let settled = report.is_complete();
            assert!(settled || (kind == "tagged" && fault != Fault::LostAfter), "{kind} {fault:?} {report:#?}");
            house.up(&text).await;
            house.cloud.one("a");
            assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
            house.settled(&text).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_always_lost_leaves_the_operation_open() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    for _ in 0..6 {
        house.cloud.fail("create a", Fault::LostAfter);
    }
    let report = house.run(&text).await;
    assert_eq!((report.unfinished.len(), report.failed.len()), (1, 0), "{report:#?}");
    house.up(&text).await;
    house.cloud.one("a");
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_is_denied_says_nothing_of_the_first() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    house.cloud.fail("create a", Fault::LostAfter);
    house.cloud.fail("create a", Fault::Fails(Class::Denied));
    assert_eq!(house.run(&text).await.unfinished.len(), 1);
    house.up(&text).await;
    house.cloud.one("a");
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_no_longer_good_is_not_sent_again() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    for _ in 0..6 {
        house.cloud.fail("create a", Fault::LostAfter);
    }
    house.run(&text).await;
    tokio::time::sleep(TOKENS_LAST).await;
    house.cloud.take_calls();
    house.run(&text).await;
    assert!(house.cloud.take_calls().is_empty());
    assert!(house.plan(&text).await.resumes[0].parked.is_some());
}

#[tokio::test(start_paused = true)]
async fn asking_after_pending_work_may_fail_and_the_work_goes_on() {
    let house = House::new();
    house.cloud.set_manners(Manners { polls: 1, ..Manners::default() });
    let text = blueprint(&["a: { kind: box }"]);
    for _ in 0..6 {
        house.cloud.fail("poll a", Fault::Fails(Class::Transient));
    }
    let report = house.run(&text).await;
    assert_eq!((report.unfinished.len(), report.failed.len()), (1, 0), "{report:#?}");
    house.up(&text).await;
    assert_eq!(house.cloud.take_calls(), ["create a"]);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn pending_work_may_fail_for_good() {
    let house = House::new();
    let text =
        blueprint(&["a: { kind: box, placement: [{ provider: toy, region: r1 }, { provider: toy, region: r2 }] }"]);
    house.cloud.fail("create a r1", Fault::FailsLater(Class::NoCapacity));
    house.up(&text).await;
    assert_eq!(house.cloud.one("a").region, "r2");
    house.settled(&text).await;
}

/// An error of the call that asks after work says nothing of the work. The work's own end does, whatever its class.
#[tokio::test(start_paused = true)]
async fn work_that_failed_is_over_whatever_it_failed_for() {
    for class in
        [Class::Denied, Class::Throttled { retry_after: None }, Class::Transient, Class::Internal, Class::Quota]
    {
        let house = House::new();
        let text = blueprint(&["a: { kind: box }"]);
        house.cloud.fail("create a", Fault::FailsLater(class.clone()));
        let report = house.run(&text).await;
        assert_eq!((report.unfinished.len(), report.failed.len()), (0, 1), "{class:?}: {report:#?}");
        assert_eq!(house.cloud.take_calls(), ["create a"], "{class:?}");
        assert!(house.state().await.open.is_empty());
        house.up(&text).await;
        house.settled(&text).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_another_has_is_left_alone() {
    let house = House::new();
    house.cloud.plant("named", "n");
    let text = blueprint(&["a: { kind: named, name: n }"]);
    for fault in [None, Some(Fault::LostBefore)] {
        fault.into_iter().for_each(|fault| house.cloud.fail("create a", fault));
        let report = house.run(&text).await;
        assert_eq!(report.failed.len(), 1, "{report:#?}");
        assert_eq!(house.cloud.things().len(), 1);
    }
    // A reply that is lost before the name was found taken is no claim to it.
    assert!(house.state().await.records.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_promise_that_is_broken_is_named() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box }"])).await;
    house.cloud.fail("update a", Fault::BreaksPromise);
    let report = house.run(&blueprint(&["a: { kind: box, size: 2 }", "b: { kind: box, host: '{{ a.id }}' }"])).await;
    assert!(report.failed[0].message.contains("`toy`") && report.failed[0].message.contains("`id`"), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_told_at_once_is_asked_again() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, note: said }"]);
    house.up(&text).await;
    house.cloud.edit("a", "note", Some("by hand".into()));
    let refused = Class::Throttled { retry_after: Some(Duration::from_secs(30)) };
    for class in [Class::Transient, refused, Class::Transient] {
        house.cloud.fail("observe", Fault::Fails(class));
    }
    let plan = house.plan(&text).await;
    assert!(plan.notices.is_empty() && plan.drift.len() == 1, "{plan:#?}");
    // Not for ever: then it says so.
    for _ in 0..20 {
        house.cloud.fail("observe", Fault::Fails(Class::Throttled { retry_after: Some(Duration::from_secs(30)) }));
    }
    assert_eq!(house.plan(&text).await.notices.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_refused_once_the_state_or_the_world_moved_on() {
    let house = House::new();
    let first = blueprint(&["a: { kind: box, ports: [1, 2] }", "b: { kind: box, host: '{{ a.id }}' }"]);
    house.up(&first).await;
    let second = blueprint(&["a: { kind: box, ports: [1, 2, 3] }", "b: { kind: box, host: '{{ a.id }}' }"]);
    let plan = house.plan(&second).await;
    house.cloud.edit("a", "note", Some("by hand".into()));
    house.cloud.edit("b", "note", Some("by hand".into()));
    let refused = house.carry_out(&plan, &second).await;
    let Err(EngineError::WorldMoved { addresses }) = refused else { panic!("{refused:#?}") };
    assert_eq!(addresses, ["a".parse().unwrap()], "what it leaves alone may have moved");
    house.cloud.edit("a", "note", None);
    // A set has no order.
    house.cloud.edit("a", "ports", Some(vec![2_i64, 1].into()));
    let stale = plan.clone();
    assert!(house.carry_out(&plan, &second).await.unwrap().is_complete());
    assert!(matches!(house.carry_out(&stale, &second).await, Err(EngineError::StateMoved { .. })));
    let deletion = house.plan(&blueprint(&[])).await;
    house.cloud.remove("b");
    assert!(house.carry_out(&deletion, &blueprint(&[])).await.unwrap().is_complete(), "what is to go may be gone");
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_does_the_same() {
    let text = blueprint_with(
        "variables: { key: { type: string, secret: true, default: hush } }\nproviders: { toy: {} }",
        &["a: { kind: box, password: '{{ var.key }}' }", "b: { kind: named, host: '{{ a.address }}' }"],
    );
    let house = House::new();
    let plan = house.plan(&text).await;
    let bytes = saved::write(&plan, house.vault.as_ref()).unwrap();
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("hush"));
    let opened = saved::read(&bytes, house.vault.as_ref()).unwrap();
    assert_eq!(opened, plan);
    let again = saved::write(&opened, house.vault.as_ref()).unwrap();
    assert!(!String::from_utf8(again).unwrap().contains("hush"), "{opened:?}");
    assert!(house.carry_out(&opened, &text).await.unwrap().is_complete());
    assert!(house.cloud.one("a").spec.get("password").unwrap().same(&"hush".into()));
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_correction_brings_back_what_drifted_and_nothing_else() {
    let house = House::new();
    house
        .up(&blueprint(&[
            "a: { kind: box, note: one, label: l }",
            "b: { kind: box, host: '{{ a.address }}', size: 1 }",
        ]))
        .await;
    house.cloud.edit("a", "label", Some("by hand".into()));
    house.cloud.take_calls();
    // `a` and `b` were edited too, and `c` is new.
    let text = blueprint(&[
        "a: { kind: box, note: two, label: l }",
        "b: { kind: box, host: '{{ a.address }}', size: 2 }",
        "c: { kind: box, host: '{{ a.address }}' }",
    ]);
    let report = house.run_for(&text, Mode::Correct).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(house.cloud.take_calls(), ["update a", "update b"]);
    let (a, b) = (house.cloud.one("a").spec, house.cloud.one("b").spec);
    assert_eq!((a.get("note"), a.get("label")), (Some(&"one".into()), Some(&"l".into())));
    assert!(b.get("size").unwrap().same(&1_i64.into()));
    house.up(&text).await;
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_correction_keeps_to_what_it_may_put_right() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box, note: one, label: l, drift: { correct: [note] } }"]);
    house.up(&text).await;
    house.cloud.edit("a", "label", Some("by hand".into()));
    house.cloud.edit("a", "note", Some("by hand".into()));
    house.run_for(&text, Mode::Correct).await;
    let a = house.cloud.one("a").spec;
    assert_eq!((a.get("note"), a.get("label")), (Some(&"one".into()), Some(&"by hand".into())));
    assert_eq!(house.plan(&text).await.operations.len(), 1, "what stays is not forgotten");
    let protected = blueprint(&["a: { kind: box, note: one, label: l, protect: true, drift: { correct: [note] } }"]);
    house.run_for(&protected, Mode::Correct).await;
    assert!(!house.state().await.records[&"a".parse().unwrap()].declared.protect, "an edit waits for an apply");
}

#[tokio::test(start_paused = true)]
async fn a_destroy_leaves_nothing() {
    let house = House::new();
    let text = blueprint(&["a: { kind: scarce }", "b: { kind: named, host: '{{ a.id }}' }"])
        + "outputs: { id: '{{ a.id }}' }\n";
    house.up(&text).await;
    assert!(!house.state().await.outputs.is_empty());
    house.cloud.take_calls();
    assert!(house.run_for(&text, Mode::Destroy).await.is_complete());
    assert_eq!(house.cloud.take_calls(), ["delete b", "delete a"]);
    let state = house.state().await;
    assert!(state.records.is_empty() && state.outputs.is_empty() && house.cloud.things().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_observation_that_fails_is_not_an_absence() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    house.up(&text).await;
    house.cloud.fail("observe", Fault::Fails(Class::Denied));
    let plan = house.plan(&text).await;
    assert!(plan.is_empty() && plan.notices.len() == 1, "{plan:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_takes_no_lease_and_writes_nothing() {
    let house = House::new();
    let text = blueprint(&["a: { kind: box }"]);
    house.plan(&text).await;
    assert!(house.store.snapshot(&stack()).await.unwrap().state.is_none());
    let lease = house.store.lease(&stack(), &house.holder()).await.unwrap();
    house.plan(&text).await;
    house.store.release(lease).await.unwrap();
    assert_eq!(house.state().await.serial, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_partly_changed_is_changed_again() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, size: 1 }"])).await;
    let text = blueprint(&["a: { kind: box, size: 2 }"]);
    house.cloud.fail("update a", Fault::Partly);
    assert_eq!(house.run(&text).await.failed.len(), 1);
    house.up(&text).await;
    assert!(house.cloud.one("a").spec.get("size").unwrap().same(&2_i64.into()));
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_without_progress_ends() {
    // More ready operations than slots, of a provider that is full: whoever frees a slot wakes the rest.
    let mut house = House::new();
    (house.parallelism, house.mini) = (2, 1);
    house.cloud.set_manners(Manners { latency: Duration::from_secs(1), polls: 2, ..Manners::default() });
    let lines: Vec<String> = (0..9)
        .map(|number| format!("r{number}: {{ kind: box, provider: {} }}", if number % 2 == 0 { "mini" } else { "toy" }))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let text = blueprint_with("providers: { toy: {}, mini: {} }", &lines);
    let house = Arc::new(house);
    let ended = tokio::time::timeout(Duration::from_hours(1), house.run(&text)).await;
    assert!(ended.unwrap().is_complete());
    let engine = house.engine();
    let program = house.load(&text);
    let options = PlanOptions { refresh: false, ..PlanOptions::new(Mode::Apply) };
    assert!(engine.plan(&program, &stack(), options).await.unwrap().plan.is_empty());
}
