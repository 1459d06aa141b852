//! What the store in memory does when it is told to fail: nothing acknowledged is lost, nothing is half written.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::time::Duration;

use support::entries::{made, spec};
use support::{House, holder, stack};
use trueup_state::StoreError;
use trueup_state::memory::Fault;

const SPAN: Duration = Duration::from_secs(5);

async fn addresses(house: &House) -> Vec<String> {
    let state = house.open().snapshot(&stack()).await.unwrap().state.unwrap();
    state.records.keys().map(ToString::to_string).collect()
}

fn is_lost(outcome: &Result<u64, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Backend { .. }))
}

#[tokio::test]
async fn a_lost_append_took_no_effect_and_an_unanswered_one_did() {
    let house = House::memory();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    house.faults().fail_append(2, Fault::Lost);
    house.faults().fail_append(3, Fault::Unanswered);
    let mut outcomes = Vec::new();
    for name in ["a", "b", "c", "d"] {
        outcomes.push(store.append(&lease, &made(name, spec("eu"))).await);
    }
    assert_eq!((&outcomes[0], &outcomes[3]), (&Ok(2), &Ok(6)));
    assert!(is_lost(&outcomes[1]) && is_lost(&outcomes[2]), "{outcomes:?}");
    assert_eq!(addresses(&house).await, ["a", "c", "d"]);
}

/// Delayed appends, so many of which take effect in a crash.
async fn crashed(kept: usize) -> (House, Vec<Result<u64, StoreError>>) {
    let house = House::memory();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    store.append(&lease, &made("safe", spec("eu"))).await.unwrap();
    house.faults().delay_appends(Some(SPAN));
    let mut tasks = Vec::new();
    for name in ["a", "b", "c"] {
        let (store, lease) = (store.clone(), lease.clone());
        tasks.push(tokio::spawn(async move { store.append(&lease, &made(name, spec("eu"))).await }));
        while house.faults().pending() < tasks.len() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(addresses(&house).await, ["safe"], "not yet");
    house.faults().crash(kept, &*house.clock);
    house.clock.pass(SPAN);
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    (house, outcomes)
}

#[tokio::test]
async fn a_crash_loses_only_what_was_not_acknowledged() {
    let (house, outcomes) = crashed(0).await;
    assert!(outcomes.iter().all(is_lost), "{outcomes:?}");
    assert_eq!(addresses(&house).await, ["safe"]);
}

#[tokio::test]
async fn a_crash_may_keep_some_of_what_was_not_acknowledged() {
    let (house, outcomes) = crashed(2).await;
    assert!(outcomes.iter().all(is_lost), "{outcomes:?}");
    assert_eq!(addresses(&house).await, ["a", "b", "safe"]);
    assert_eq!(house.open().history(&stack(), 0).await.unwrap().len(), 6, "each whole");
}

#[tokio::test]
async fn a_delayed_append_takes_effect_in_its_time() {
    let house = House::memory();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    house.faults().delay_appends(Some(SPAN));
    let (late, other) = (store.clone(), lease.clone());
    let task = tokio::spawn(async move { late.append(&other, &made("a", spec("eu"))).await });
    while house.faults().pending() == 0 {
        tokio::task::yield_now().await;
    }
    house.clock.pass(SPAN);
    assert_eq!(task.await.unwrap(), Ok(2));
    let (late, other) = (store.clone(), lease.clone());
    let task = tokio::spawn(async move { late.append(&other, &made("b", spec("eu"))).await });
    while house.faults().pending() == 0 {
        tokio::task::yield_now().await;
    }
    house.clock.pass(support::OVER);
    assert_eq!(task.await.unwrap(), Err(StoreError::Fenced), "the lease ran out on the way");
}

#[tokio::test]
async fn a_delayed_append_that_is_given_up_is_gone() {
    let house = House::memory();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    house.faults().delay_appends(Some(SPAN));
    let task = tokio::spawn(async move { store.append(&lease, &made("a", spec("eu"))).await });
    while house.faults().pending() == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(house.faults().pending(), 0);
    house.clock.pass(SPAN);
    assert_eq!(addresses(&house).await, Vec::<String>::new());
}
