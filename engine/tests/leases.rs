//! A run and its lease: that it keeps it, what becomes of it once that is lost, and what it tells when it can't give it back.

mod support;

use std::time::Duration;

use support::cloud::{Fault, Manners};
use support::{House, blueprint, done, events, stack};
use tokio::sync::watch;
use trueup_engine::plan::Mode;
use trueup_state::Store;
use trueup_state::entry::Class;

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_writing() {
    let house = House::new();
    house.cloud.set_manners(Manners { latency: Duration::from_secs(10), ..Manners::default() });
    let text = blueprint(&["a: { kind: box }", "b: { kind: box, host: '{{ a.id }}' }"]);
    let (sender, _receiver) = events();
    let (_cancel, cancelled) = watch::channel(false);
    let engine = house.engine();
    let run = house.run_with(&text, Mode::Apply, &engine, &sender, &cancelled);
    let thief = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        // A new process, to which the old one looks gone.
        house.store.lease(&stack(), &house.holder()).await.unwrap()
    };
    let (report, lease) = tokio::join!(run, thief);
    let report = report.unwrap();
    assert!(report.stopped.is_some());
    assert_eq!(house.cloud.take_calls(), ["create a"]);
    let state = house.state().await;
    assert!(state.records.is_empty() && state.open.len() == 1);
    house.store.release(lease).await.unwrap();
    house.up(&text).await;
    house.cloud.one("a");
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_broken_ends_the_calling_at_its_next_renewal() {
    let house = House::new();
    let throttled = Class::Throttled { retry_after: Some(Duration::from_secs(20)) };
    house.cloud.fail("create a", Fault::Fails(throttled));
    let text = blueprint(&["a: { kind: box }"]);
    let person = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let holder = house.store.holder(&stack()).await.unwrap().unwrap();
        house.store.break_lease(&stack(), &holder).await.unwrap();
    };
    let (report, ()) = tokio::join!(house.run(&text), person);
    assert!(report.stopped.is_some(), "{report:#?}");
    assert_eq!(house.cloud.take_calls(), ["create a"], "and not again after 20 s");
    house.up(&text).await;
    house.cloud.one("a");
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_while_an_apply_looks_at_what_it_changes() {
    let house = House::new();
    house.up(&blueprint(&["a: { kind: box, size: 1 }"])).await;
    let text = blueprint(&["a: { kind: box, size: 2 }"]);
    let plan = house.plan(&text).await;
    house.cloud.set_manners(Manners { looks: Duration::from_secs(70), ..Manners::default() });
    let report = house.carry_out(&plan, &text).await.unwrap();
    assert!(report.is_complete(), "{report:#?}");
    house.settled(&text).await;
}

/// A disk may be full: then what was done is told all the same, and the lease ends with its process.
#[tokio::test(start_paused = true)]
async fn what_a_run_did_is_told_though_its_lease_can_not_be_given_back() {
    let mut house = House::new();
    house.is_full = true;
    let text = blueprint(&["a: { kind: box }"]);
    let report = house.run(&text).await;
    assert_eq!(done(&report), ["create a"]);
    assert!(report.stopped.as_ref().is_some_and(|why| why.contains("no room left")), "{report:#?}");
    assert!(!report.is_complete());
    house.is_full = false;
    house.settled(&text).await;
    house.up(&blueprint(&["a: { kind: box, size: 2 }"])).await;
}
