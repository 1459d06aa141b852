//! A state to damage and to repair, and what is said of it.

#![allow(dead_code, reason = "each test program uses some of it")]

use trueup_state::repair::Repaired;
use trueup_state::soundness::verify;
use trueup_state::{Address, Event, State, Value, Verb};

use super::entries::{begin, made, outputs, spec};
use super::{House, holder, stack};

/// A state with a checkpoint at its 6th entry, and 5 entries after it.
pub(crate) async fn with_checkpoint() -> (House, State) {
    let house = House::sqlite();
    let store = house.open();
    let lease = store.lease(&stack(), &holder(1)).await.unwrap();
    for name in ["a", "b"] {
        store.append(&lease, &made(name, spec("eu"))).await.unwrap();
    }
    store.append(&lease, &made("large", Value::from("x".repeat(100_000)))).await.unwrap();
    store.append(&lease, &made("c", spec("eu"))).await.unwrap();
    store.append(&lease, &[outputs("uri", "s3://a".into())]).await.unwrap();
    store.append(&lease, &made("d", spec("eu"))[..1]).await.unwrap();
    store.append(&lease, &[begin(Verb::Delete, &Address::root("a"), 0, "delete-a", spec("eu"))]).await.unwrap();
    store.release(lease).await.unwrap();
    let state = state_of(&house).await;
    (house, state)
}

pub(crate) async fn state_of(house: &House) -> State {
    house.open().snapshot(&stack()).await.unwrap().state.unwrap()
}

pub(crate) async fn repair(house: &House, drop_tail: bool) -> Repaired {
    house.open().repair(&stack(), &holder(9), drop_tail).await.unwrap().unwrap()
}

/// What the state is, but for how many entries led to it.
pub(crate) fn but_serial(state: State) -> State {
    State { serial: 0, ..state }
}

pub(crate) async fn is_sound(house: &House) {
    let verified = verify(&*house.open(), &stack()).await.unwrap().unwrap();
    assert!(verified.is_sound(), "{verified:#?}");
    let lease = house.open().lease(&stack(), &holder(2)).await.unwrap();
    let store = house.open();
    store.append(&lease, &made("more", spec("eu"))).await.unwrap();
    store.release(lease).await.unwrap();
}

/// The entry's place in its table.
pub(crate) fn at(serial: u64) -> String {
    format!("id & 255 = {serial}")
}

pub(crate) fn changed(serial: u64) -> String {
    format!("UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '0', '1') AS BLOB) WHERE {}", at(serial))
}

/// What the first entries of a journal add up to.
pub(crate) async fn sum_of(house: &House, first: usize) -> State {
    let mut state = State::new(state_of(house).await.lineage);
    for entry in house.open().history(&stack(), 0).await.unwrap().iter().take(first) {
        state.apply(entry).unwrap();
    }
    state
}

/// The entries of which only that they are lost is known.
pub(crate) async fn lost(house: &House) -> Vec<u64> {
    let history = house.open().history(&stack(), 0).await.unwrap();
    (1..).zip(&history).filter(|(_, entry)| entry.event == Event::Lost).map(|(serial, _)| serial).collect()
}
