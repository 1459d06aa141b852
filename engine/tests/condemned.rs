//! What failed its check: it goes once another is good, and not before.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::cloud::Fault;
use support::provider::condemned;
use support::{House, blueprint};
use trueup_engine::plan::Mode;
use trueup_state::Status;
use trueup_state::entry::Class;

#[tokio::test(start_paused = true)]
async fn a_failed_check_condemns_and_the_good_one_goes_last() {
    let house = House::new();
    let text =
        |shape: &str| blueprint(&[&format!("a: {{ kind: scarce, shape: {shape}, validate: {{ level: quick }} }}")]);
    house.up(&text("round")).await;
    house.cloud.fail("check a", condemned());
    house.cloud.take_calls();
    assert_eq!(house.run(&text("flat")).await.failed.len(), 1);
    assert_eq!(house.cloud.take_calls(), ["create a", "check a"]);
    let record = house.state().await.records.into_values().next().unwrap();
    assert_eq!((record.status, record.generation, record.deposed.len()), (Status::Tainted, 1, 1));
    // Even the deposed one may change outside.
    let deposed = record.deposed[0].id.clone().unwrap();
    house.cloud.edit_id(&deposed, "note", Some("by hand".into()));
    house.up(&text("flat")).await;
    let calls = house.cloud.take_calls();
    assert_eq!(calls[..2], ["create a", "check a"]);
    assert_eq!(house.state().await.records.into_values().next().unwrap().generation, 2);
    house.cloud.one("a");
    house.settled(&text("flat")).await;
}

/// Found by seed 69586 of the simulation.
#[tokio::test(start_paused = true)]
async fn what_is_deposed_stays_while_nothing_is_in_its_place_also_in_a_correction() {
    let house = House::new();
    let text =
        |shape: &str| blueprint(&[&format!("a: {{ kind: scarce, shape: {shape}, validate: {{ level: quick }} }}")]);
    house.up(&text("round")).await;
    house.cloud.fail("check a", condemned());
    house.run(&text("flat")).await;
    // The new one is deleted by hand, and there is room for no other.
    let record = house.state().await.records.into_values().next().unwrap();
    house.cloud.remove_id(record.current.unwrap().id.as_deref().unwrap());
    house.cloud.fail("create a", Fault::Fails(Class::NoCapacity));
    house.run(&text("flat")).await;
    house.cloud.take_calls();
    house.run_for(&text("flat"), Mode::Correct).await;
    assert_eq!(house.cloud.take_calls(), [""; 0]);
    house.cloud.one("a");
    house.up(&text("flat")).await;
    house.cloud.one("a");
    house.settled(&text("flat")).await;
}
