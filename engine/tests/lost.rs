//! Replies that are lost, where what comes after says nothing of them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::Duration;

use support::cloud::{Fault, Manners};
use support::{House, blueprint};
use trueup_state::entry::Class;

#[tokio::test(start_paused = true)]
async fn that_there_is_no_capacity_for_another_says_nothing_of_what_a_lost_call_made() {
    let house = House::new();
    house.cloud.set_manners(Manners { lag: Duration::from_secs(80), ..Manners::default() });
    let text = blueprint(&["a: { kind: named }"]);
    house.cloud.fail("create a", Fault::LostAfter);
    house.cloud.fail("create a", Fault::Fails(Class::NoCapacity));
    let report = house.run(&text).await;
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(house.cloud.things().len(), 1);
    house.settled(&text).await;
}

#[tokio::test(start_paused = true)]
async fn once_nothing_of_a_lost_call_can_show_any_more_its_operation_fails() {
    let house = House::new();
    let text = blueprint(&["a: { kind: named }"]);
    house.cloud.fail("create a", Fault::LostBefore);
    for _ in 0..2 {
        house.cloud.fail("create a", Fault::Fails(Class::NoCapacity));
    }
    let report = house.run(&text).await;
    assert!(report.failed.len() == 1 && report.failed[0].no_capacity, "{report:#?}");
    assert!(house.cloud.things().is_empty());
}
