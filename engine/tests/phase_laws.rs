//! What holds of every blueprint that takes several phases.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use support::cloud::Fault;
use support::programs::{Form, Toys, Waits, edited, forms, waits};
use support::{House, on_paused_time};
use trueup_engine::plan::{Deferred, Mode, Plan};
use trueup_state::entry::Class;
use trueup_state::{Address, State, Verb};

const MOST: usize = 6;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Nothing is done to what waits, and what it needs, at any remove, does not go.
fn keeps_what_waits(plan: &Plan, state: Option<&State>) {
    // A block or a module of which it is not known what there is waits with all that is in it; a resource only for itself.
    let covers = |left: &Deferred, address: &Address| {
        *address == left.address || (left.reason.starts_with("its ") && address.is_in(&left.address))
    };
    let waits = |address: &Address| plan.deferred.iter().any(|left| covers(left, address));
    for operation in &plan.operations {
        assert!(!waits(&operation.address), "{} waits: {plan:#?}", operation.address);
    }
    let Some(state) = state else { return };
    let mut needed: Vec<&Address> = state.records.keys().filter(|address| waits(address)).collect();
    let mut held: BTreeSet<&Address> = BTreeSet::new();
    while let Some(address) = needed.pop() {
        if held.insert(address) {
            needed.extend(state.records.get(address).into_iter().flat_map(|record| &record.declared.dependencies));
        }
    }
    for operation in plan.operations.iter().filter(|operation| operation.verb == Verb::Delete) {
        let current = state.records[&operation.address].current.as_ref();
        let goes =
            current.is_some_and(|object| object.generation == operation.generation) && operation.partner.is_none();
        assert!(!goes || !held.contains(&operation.address), "{} is needed: {plan:#?}", operation.address);
    }
}

/// Carries out one phase after the other, each looked at before.
async fn level(house: &House, text: &str) {
    for _ in 0..=MOST {
        let before = house.cloud.prepares();
        let plan = house.plan(text).await;
        // Each expansion but the last knows one block more; the state is looked at besides, in up to one scope.
        assert!(house.cloud.prepares() - before <= MOST + 2, "{text}");
        keeps_what_waits(&plan, house.store_state().await.as_ref());
        if plan.is_empty() {
            break;
        }
        house.up(text).await;
    }
    house.settled(text).await;
    whole(house, text).await;
}

/// What is there is what the blueprint has: one thing for each address.
async fn whole(house: &House, text: &str) {
    let wanted: BTreeSet<String> =
        house.planned(text).await.program.resources.keys().map(ToString::to_string).collect();
    let recorded = house.recorded().await;
    let ids: BTreeSet<String> = recorded.values().flatten().cloned().collect();
    let things: Vec<String> = house.cloud.things().into_iter().map(|thing| thing.id).collect();
    assert_eq!(recorded.into_keys().collect::<BTreeSet<_>>(), wanted, "{text}");
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), things, "{text}");
    assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
}

/// Changes what is there outside the engine.
fn disturb(house: &House, choices: &[u8]) {
    for (thing, choice) in house.cloud.things().iter().zip(choices) {
        match choice % 6 {
            0 => house.cloud.edit_id(&thing.id, "size", Some(77_i64.into())),
            1 => house.cloud.edit_id(&thing.id, "tags", None),
            2 => house.cloud.edit_id(&thing.id, "shape", Some("bent".into())),
            3 => house.cloud.remove_id(&thing.id),
            _ => {}
        }
    }
}

/// Two blueprints of blocks that wait for others, in the same forms.
fn waiting() -> impl Strategy<Value = (String, String)> {
    let text = |((before, after), forms, waits): ((Toys, Toys), Vec<Form>, Waits)| {
        let forms = before.fit(&after, &forms);
        (before.text_in(&forms, &waits), after.text_in(&forms, &waits))
    };
    (edited(MOST), forms(MOST), waits(MOST)).prop_map(text)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn phases_come_to_an_end_and_leave_nothing_to_plan((before, after) in waiting(), drift in prop::collection::vec(any::<u8>(), 12)) {
        on_paused_time(async {
            let house = House::new();
            level(&house, &before).await;
            disturb(&house, &drift);
            level(&house, &after).await;
        });
    }

    #[test]
    fn a_destruction_between_phases_leaves_nothing((before, after) in waiting(), drift in prop::collection::vec(any::<u8>(), 12)) {
        on_paused_time(async {
            let house = House::new();
            house.phases(&before).await;
            disturb(&house, &drift);
            house.up(&after).await;
            let plan = house.plan_for(&after, Mode::Destroy).await;
            assert!(plan.deferred.is_empty() && plan.existing.is_empty());
            assert!(house.run_for(&after, Mode::Destroy).await.is_complete());
            assert!(house.cloud.things().is_empty());
            assert!(house.store_state().await.is_none_or(|state| state.records.is_empty()));
        });
    }

    #[test]
    fn after_failures_in_any_phase_the_next_runs_finish(
        (before, after) in waiting(),
        faults in prop::collection::vec((1..12_usize, 0..6_u8), 0..5),
    ) {
        on_paused_time(async {
            let house = House::new();
            house.phases(&before).await;
            for (nth, fault) in faults {
                house.cloud.fail_nth(nth, match fault {
                    0 => Fault::Fails(Class::Denied),
                    1 => Fault::Fails(Class::Transient),
                    2 => Fault::LostBefore,
                    3 => Fault::LostAfter,
                    _ => Fault::FailsLater(Class::Conflict),
                });
                house.try_phases(&after).await.unwrap();
            }
            house.cloud.forget_nth();
            for _ in 0..3 {
                house.try_phases(&after).await.unwrap();
            }
            house.settled(&after).await;
            whole(&house, &after).await;
        });
    }
}
