//! What holds of every part of every blueprint.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use support::programs::{Toys, edited};
use support::{House, on_paused_time};
use trueup_engine::EngineError;
use trueup_engine::blueprint::{Instances, Program};
use trueup_engine::plan::select::Asked;
use trueup_engine::plan::{Mode, Plan};
use trueup_state::{Address, Record, Verb};

const MOST: usize = 6;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

async fn records(house: &House) -> BTreeMap<Address, Record> {
    house.store_state().await.map(|state| state.records).unwrap_or_default()
}

/// Makes what a blueprint has; some names and orders can't be.
async fn up(house: &House, toys: &Toys) -> bool {
    house.try_plan(&toys.text(), Mode::Apply).await.is_ok() && house.run(&toys.text()).await.is_complete()
}

/// Some of the addresses that there are, by position.
fn picked(house: &House, toys: &Toys, recorded: &BTreeMap<Address, Record>, picks: &[usize]) -> Vec<Address> {
    let program = house.load(&toys.text());
    let declared = program.resources.keys().cloned();
    let all: BTreeSet<Address> = declared.chain(recorded.keys().cloned()).collect();
    if all.is_empty() {
        return Vec::new();
    }
    picks.iter().filter_map(|pick| all.iter().nth(pick % all.len()).cloned()).collect()
}

fn asked(targets: &[Address], excludes: &[Address]) -> Asked {
    let parse = |addresses: &[Address]| {
        addresses.iter().map(|one| one.to_string().parse().expect("an address is a selector")).collect()
    };
    Asked { targets: parse(targets), excludes: parse(excludes), ..Asked::default() }
}

/// What is left out is neither called nor written of, and what is there depends on nothing that is gone.
async fn leaves_the_rest(house: &House, plan: &Plan, before: &BTreeMap<Address, Record>, program: &Program) {
    let calls = house.cloud.take_calls();
    let after = records(house).await;
    for left in &plan.part.left_out {
        let is_of = |call: &&String| call.split_once(' ').is_some_and(|(_, name)| name == left.address.to_string());
        assert_eq!(calls.iter().find(is_of), None, "{} was left out", left.address);
        assert_eq!(before.get(&left.address), after.get(&left.address));
    }
    for record in after.values() {
        for dependency in &record.declared.dependencies {
            let is_gone =
                !is_whole(program, dependency) && before.contains_key(dependency) && !after.contains_key(dependency);
            assert!(!is_gone, "{} depends on {dependency}, which is gone", record.address);
        }
    }
}

/// Whether a dependency is on a block as a whole, which has no record of its own: one of its name is of a time before it.
fn is_whole(program: &Program, dependency: &Address) -> bool {
    matches!(program.instances(dependency), Some(Instances::Keyed(_)))
}

/// What is done needs nothing that is left out.
fn is_closed(plan: &Plan, program: &Program) {
    let left: BTreeSet<&Address> = plan.part.left_out.iter().map(|left| &left.address).collect();
    for operation in &plan.operations {
        assert!(!left.contains(&operation.address), "{}", operation.address);
        if operation.verb != Verb::Delete {
            let is_left = |needed: &&Address| {
                let whole = is_whole(program, needed);
                // Of a whole that is what the blueprint has of it.
                let is_of_whole = |left: &Address| left.is_in(needed) && program.resources.contains_key(left);
                left.iter().any(|left| if whole { is_of_whole(left) } else { left == needed })
            };
            let needs = operation.declared.dependencies.iter().find(is_left);
            assert_eq!(needs, None, "{} needs it", operation.address);
        }
    }
}

/// Carries out a part, if that can be asked for; what it was.
async fn part(house: &House, text: &str, mode: Mode, asked: Asked) -> Option<Plan> {
    let before = records(house).await;
    house.cloud.take_calls();
    let plan = match house.try_plan_asked(text, mode, asked.clone()).await {
        Ok(plan) => plan,
        Err(EngineError::Select(_)) => return None,
        Err(error) => panic!("{text}\n{error:#?}"),
    };
    let program = house.load(text);
    is_closed(&plan, &program);
    let plan = house.up_asked(text, mode, asked).await;
    leaves_the_rest(house, &plan, &before, &program).await;
    Some(plan)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn targets_and_then_the_rest_are_the_whole((before, after) in edited(MOST), picks in prop::collection::vec(0..24_usize, 1..4)) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &before).await || house.try_plan(&after.text(), Mode::Apply).await.is_err() {
                return;
            }
            let targets = picked(&house, &after, &records(&house).await, &picks);
            if targets.is_empty() {
                return;
            }
            let asked = asked(&targets, &[]);
            let plan = part(&house, &after.text(), Mode::Apply, asked.clone()).await.expect("targets alone can be had");
            // What was selected needs nothing more, and nothing was done that nobody needs.
            let again = house.plan_asked(&after.text(), Asked { is_further: true, ..asked }).await;
            assert!(again.operations.is_empty(), "{}\n{again:#?}", after.text());
            let done: BTreeSet<&Address> = plan.operations.iter().map(|operation| &operation.address).collect();
            let beside: BTreeSet<&Address> = plan.part.beside.iter().map(|along| &along.address).collect();
            assert!(done.iter().all(|address| beside.contains(*address) || targets.iter().any(|target| address.is_in(target))));
            assert!(house.run(&after.text()).await.is_complete());
            house.settled(&after.text()).await;
            let declared: BTreeSet<Address> = house.load(&after.text()).resources.keys().cloned().collect();
            assert_eq!(records(&house).await.into_keys().collect::<BTreeSet<_>>(), declared);
            assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
        });
    }

    #[test]
    fn what_is_excluded_is_never_touched((before, after) in edited(MOST), picks in prop::collection::vec(0..24_usize, 1..4)) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &before).await || house.try_plan(&after.text(), Mode::Apply).await.is_err() {
                return;
            }
            let recorded = records(&house).await;
            let excludes = picked(&house, &after, &recorded, &picks);
            if excludes.is_empty() {
                return;
            }
            part(&house, &after.text(), Mode::Apply, asked(&[], &excludes)).await.expect("excludes alone can be had");
            let now = records(&house).await;
            for address in &excludes {
                assert_eq!(recorded.get(address), now.get(address), "{address}");
            }
            assert!(house.run(&after.text()).await.is_complete());
            house.settled(&after.text()).await;
        });
    }

    #[test]
    fn both_together_are_the_targets_without_the_excluded_or_an_error((before, after) in edited(MOST), picks in prop::collection::vec(0..24_usize, 4)) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &before).await || house.try_plan(&after.text(), Mode::Apply).await.is_err() {
                return;
            }
            let recorded = records(&house).await;
            let picked = picked(&house, &after, &recorded, &picks);
            let Some((targets, excludes)) = picked.split_at_checked(2) else { return };
            if part(&house, &after.text(), Mode::Apply, asked(targets, excludes)).await.is_some() {
                let now = records(&house).await;
                assert!(excludes.iter().all(|address| recorded.get(address) == now.get(address)));
            }
        });
    }

    #[test]
    fn a_part_is_destroyed_before_what_it_depends_on(toys in support::programs::toys(MOST), picks in prop::collection::vec(0..24_usize, 1..4), exclude in any::<bool>()) {
        on_paused_time(async {
            let house = House::new();
            if !up(&house, &toys).await {
                return;
            }
            let recorded = records(&house).await;
            let picked = picked(&house, &toys, &recorded, &picks);
            if picked.is_empty() {
                return;
            }
            let asked = if exclude { asked(&[], &picked) } else { asked(&picked, &[]) };
            part(&house, &toys.text(), Mode::Destroy, asked).await.expect("one way alone can be had");
            let now = records(&house).await;
            assert!(picked.iter().all(|address| now.contains_key(address) == (exclude && recorded.contains_key(address))));
            assert!(house.run(&toys.text()).await.is_complete());
            house.settled(&toys.text()).await;
        });
    }
}
