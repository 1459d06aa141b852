//! What holds of every blueprint.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use support::cloud::Fault;
use support::programs::{Toys, edited, toys};
use support::{House, on_paused_time};
use trueup_engine::plan::{Mode, Operation, Plan};
use trueup_state::entry::Class;
use trueup_state::{Address, State, Verb};

const MOST: usize = 6;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What follows from each operation, at any remove.
fn after(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let nodes = plan.operations.len() + plan.joints;
    let mut reach = vec![BTreeSet::new(); nodes];
    let mut waits = vec![0; nodes];
    plan.edges.iter().for_each(|(_, to)| waits[*to] += 1);
    let mut ready: Vec<usize> = (0..waits.len()).filter(|index| waits[*index] == 0).collect();
    let mut order = Vec::new();
    while let Some(index) = ready.pop() {
        order.push(index);
        for (_, to) in plan.edges.iter().filter(|(from, _)| *from == index) {
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    assert_eq!(order.len(), nodes, "the operations go in a circle: {plan:#?}");
    for index in order.into_iter().rev() {
        for (_, to) in plan.edges.iter().filter(|(from, _)| *from == index) {
            let further = reach[*to].clone();
            reach[index].extend(further);
            reach[index].insert(*to);
        }
    }
    reach
}

/// Every operation comes after those that make what it needs, and what is deleted goes after what needed it, unless what was and what is
/// to be are at odds: then the new order holds.
fn orders(plan: &Plan, state: Option<&State>) {
    let reach = after(plan);
    let mut by_address: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
    for (index, operation) in plan.operations.iter().enumerate() {
        by_address.entry(&operation.address).or_default().push(index);
    }
    let of = |address: &Address, verb: fn(&Operation) -> bool| {
        let all = by_address.get(address).cloned().unwrap_or_default();
        all.into_iter().filter(|index| verb(&plan.operations[*index])).collect::<Vec<_>>()
    };
    // A block may be depended on as a whole.
    let of_whole = |dependency: &Address, verb: fn(&Operation) -> bool| {
        let inside = by_address.keys().filter(|address| address.is_in(dependency));
        inside.flat_map(|address| of(address, verb)).collect::<Vec<_>>()
    };
    let makes = |operation: &Operation| operation.verb != Verb::Delete;
    let deletes = |operation: &Operation| operation.verb == Verb::Delete;
    for operation in plan.operations.iter().filter(|operation| makes(operation)) {
        for own in of(&operation.address, makes) {
            for needed in operation.declared.dependencies.iter().flat_map(|address| of_whole(address, makes)) {
                assert!(reach[needed].contains(&own), "{} needs {:?}", operation.address, plan.operations[needed]);
            }
        }
    }
    for (address, record) in state.into_iter().flat_map(|state| &state.records) {
        for own in of(address, deletes) {
            for needed in record.declared.dependencies.iter().flat_map(|needed| of_whole(needed, deletes)) {
                let at_odds = reach[needed].contains(&own);
                assert!(
                    reach[own].contains(&needed) || at_odds,
                    "{address} was made with {:?}",
                    plan.operations[needed]
                );
            }
        }
    }
}

/// Plans and applies; some names and orders can't be, and then nothing is done.
async fn up(house: &House, toys: &Toys) -> bool {
    let text = toys.text();
    let Ok(plan) = house.try_plan(&text, Mode::Apply).await else { return false };
    let state = house.store_state().await;
    orders(&plan, state.as_ref());
    let report = house.run(&text).await;
    assert!(report.is_complete(), "{text}\n{report:#?}");
    true
}

/// Nothing is left to do, and what is there is what the blueprint has.
async fn level(house: &House, toys: &Toys) {
    let text = toys.text();
    house.settled(&text).await;
    let wanted: BTreeSet<String> = house.load(&text).resources.keys().map(ToString::to_string).collect();
    let there: Vec<String> = house.cloud.things().into_iter().map(|thing| thing.address).collect();
    assert_eq!(there.len(), wanted.len(), "{there:?}");
    assert_eq!(there.into_iter().collect::<BTreeSet<_>>(), wanted);
    assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
}

/// Changes what is there outside the engine.
fn disturb(house: &House, choices: &[u8]) {
    let things = house.cloud.things();
    for (thing, choice) in things.iter().zip(choices) {
        match choice % 6 {
            0 => house.cloud.edit_id(&thing.id, "size", Some(77_i64.into())),
            1 => house.cloud.edit_id(&thing.id, "tags", None),
            2 => house.cloud.edit_id(&thing.id, "shape", Some("bent".into())),
            3 => house.cloud.remove(&thing.address),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_applied_leaves_nothing_to_plan((before, after) in edited(MOST), drift in prop::collection::vec(any::<u8>(), 12)) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &before).await {
                return;
            }
            level(&house, &before).await;
            disturb(&house, &drift);
            if up(&house, &after).await {
                level(&house, &after).await;
            }
        });
    }

    #[test]
    fn equal_blueprints_plan_alike(toys in toys(MOST)) {
        on_paused_time(async {
            let house = House::new();
            let plans = [house.try_plan(&toys.text(), Mode::Apply).await, house.try_plan(&toys.text(), Mode::Apply).await];
            let [Ok(one), Ok(other)] = plans else { return };
            assert_eq!(one, other);
        });
    }

    #[test]
    fn after_failures_the_next_run_finishes((before, after) in edited(MOST), faults in prop::collection::vec((0..MOST, 0..6_u8, 0..3_u8), 0..5)) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &before).await || house.try_plan(&after.text(), Mode::Apply).await.is_err() {
                return;
            }
            for (block, fault, verb) in faults {
                let verb = ["create", "update", "delete"][usize::from(verb)];
                house.cloud.fail(&format!("{verb} r{block}"), match fault {
                    0 => Fault::Fails(Class::Denied),
                    1 => Fault::Fails(Class::Transient),
                    2 => Fault::LostBefore,
                    3 => Fault::LostAfter,
                    4 if verb != "delete" => Fault::Partly,
                    _ => Fault::FailsLater(Class::Conflict),
                });
            }
            for _ in 0..6 {
                house.run(&after.text()).await;
            }
            level(&house, &after).await;
        });
    }

    #[test]
    fn a_destroy_leaves_nothing((before, after) in edited(MOST), drift in prop::collection::vec(any::<u8>(), 12)) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &before).await {
                return;
            }
            disturb(&house, &drift);
            let plan = house.plan_for(&after.text(), Mode::Destroy).await;
            orders(&plan, house.store_state().await.as_ref());
            assert!(house.run_for(&after.text(), Mode::Destroy).await.is_complete());
            // A blueprint without resources leaves no state.
            let records = house.store_state().await.map(|state| state.records).unwrap_or_default();
            assert!(house.cloud.things().is_empty() && records.is_empty());
        });
    }

    #[test]
    fn a_correction_leaves_no_drift_that_can_be_put_right_in_place(toys in toys(MOST), sizes in prop::collection::vec(any::<bool>(), 12)) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &toys).await {
                return;
            }
            let things = house.cloud.things();
            for (thing, _) in things.iter().zip(sizes).filter(|(_, drifts)| *drifts) {
                house.cloud.edit_id(&thing.id, "size", Some(77_i64.into()));
            }
            let report = house.run_for(&toys.text(), Mode::Correct).await;
            assert!(report.is_complete(), "{report:#?}");
            assert!(house.plan(&toys.text()).await.drift.is_empty());
            assert!(house.cloud.things().iter().all(|thing| !thing.spec.get("size").unwrap().same(&77_i64.into())));
        });
    }
}
