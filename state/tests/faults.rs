//! What the store in memory does when it is told to fail: nothing acknowledged is lost, nothing is half written.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::entries::{AT, made, outputs, spec};
use support::{House, holder, stack};
use trueup_state::memory::Fault;
use trueup_state::vault::Vault;
use trueup_state::{Entry, Event, StoreError, Value};

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

/// One entry seals everything anew: a run that dies in it leaves all of it sealed for the one key or all for the other.
#[tokio::test]
async fn a_rekey_that_fails_leaves_one_key_or_the_other() {
    for (fault, is_new) in [(Fault::Lost, false), (Fault::Unanswered, true)] {
        let house = House::memory();
        let store = house.open();
        let lease = store.lease(&stack(), &holder(1)).await.unwrap();
        let secret = Value::secret("canary".into());
        store.append(&lease, &made("a", secret.clone())).await.unwrap();
        store.append(&lease, &[outputs("token", secret)]).await.unwrap();
        store.release(lease).await.unwrap();
        let to = Arc::new(Vault::ephemeral());
        let anew = house.open_with(to.clone());
        let lease = anew.lease(&stack(), &holder(1)).await.unwrap();
        let part = Box::new(store.snapshot(&stack()).await.unwrap().state.unwrap().secret_part());
        house.faults().fail_append(1, fault);
        let entry = Entry { at: AT, address: None, event: Event::Rekeyed { state: part } };
        assert!(is_lost(&anew.append(&lease, &[entry]).await));
        for (vault, opens) in [(to, is_new), (house.vault.clone(), !is_new)] {
            let state = house.open_with(vault).snapshot(&stack()).await.unwrap().state.unwrap();
            assert_eq!(state.has_locked(), !opens, "{fault:?}");
        }
    }
}
