//! Whatever is renamed, and wherever it is put, keeps what it is: an edit does with a renaming what it does without.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use support::programs::{Form, Toys, Waits, edited, forms, toys, waits};
use support::{House, on_paused_time, with_moves};
use trueup_engine::EngineError;
use trueup_engine::apply::Report;
use trueup_engine::plan::{Action, Mode, Plan, Reason};
use trueup_state::Address;

const MOST: usize = 6;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Where what is recorded at an address is after these moves.
fn now(moves: &[String], recorded: &str) -> String {
    let target = |line: &String| {
        let (from, to) = line.split_once(" -> ").unwrap();
        let rest = recorded.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with(['[', '/'])).then(|| format!("{to}{rest}"))
    };
    moves.iter().find_map(target).unwrap_or_else(|| recorded.to_owned())
}

/// How often a plan does what.
fn actions(plan: &Plan) -> BTreeMap<String, usize> {
    let mut actions = BTreeMap::new();
    let done = plan.changes.iter().filter(|change| !matches!(change.action, Action::None | Action::Record));
    done.for_each(|change| *actions.entry(format!("{:?}", change.action)).or_default() += 1);
    actions
}

/// A blueprint in other forms, with the moves from those that it had.
fn renamed(old: &Toys, new: &Toys, from: &[Form], to: &[Form], waits: &Waits) -> (Vec<String>, String) {
    let (moves, text) = (old.moves(new, from, to), new.text_in(to, waits));
    let lines: Vec<&str> = moves.iter().map(String::as_str).collect();
    let text = if moves.is_empty() { text } else { with_moves(&lines, &text) };
    (moves, text)
}

/// What becomes of an edit: what is planned at first, and in the end.
#[derive(Debug, PartialEq)]
struct Outcome {
    actions: BTreeMap<String, usize>,
    /// How often each verb was called.
    calls: BTreeMap<String, usize>,
    /// The things that were there before, and are still.
    survivors: BTreeSet<String>,
}

/// Changes what is there outside the engine, and applies; why that can't be planned, where it can't.
async fn outcome(before: &str, after: &str, drift: &[u8]) -> Result<Outcome, String> {
    let house = House::new();
    if !house.try_plan(before, Mode::Apply).await.is_ok_and(|plan| !plan.operations.is_empty()) {
        return Err("there is nothing to edit".to_owned());
    }
    house.phases(before).await;
    let things = house.cloud.things();
    for (thing, choice) in things.iter().zip(drift) {
        match choice % 5 {
            0 => house.cloud.edit_id(&thing.id, "size", Some(77_i64.into())),
            1 => house.cloud.edit_id(&thing.id, "shape", Some("bent".into())),
            2 => house.cloud.remove_id(&thing.id),
            _ => {}
        }
    }
    house.cloud.take_calls();
    let plan = match house.try_plan(after, Mode::Apply).await {
        Ok(plan) => plan,
        Err(EngineError::Blueprint(problems)) => return Err(problems.list[0].message.clone()),
        Err(other) => panic!("{other:#?}"),
    };
    let phases = match house.try_phases(after).await {
        Ok(phases) => phases,
        Err(EngineError::Blueprint(problems)) => return Err(problems.list[0].message.clone()),
        Err(other) => panic!("{other:#?}"),
    };
    assert!(phases.iter().all(Report::is_complete), "{phases:#?}");
    let mut calls = BTreeMap::new();
    for call in house.cloud.take_calls() {
        *calls.entry(call.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    house.settled(after).await;
    assert!(house.cloud.wrongs().is_empty(), "{:?}", house.cloud.wrongs());
    let left: BTreeSet<String> = house.cloud.things().into_iter().map(|thing| thing.id).collect();
    let survivors = things.into_iter().map(|thing| thing.id).filter(|id| left.contains(id)).collect();
    Ok(Outcome { actions: actions(&plan), calls, survivors })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_renaming_alone_calls_nothing(toys in toys(MOST), from in forms(MOST), to in forms(MOST), waits in waits(MOST)) {
        on_paused_time(async {
            let (from, to) = (toys.fit(&toys, &from), toys.fit(&toys, &to));
            let (before, (moves, after)) = (toys.text_in(&from, &waits), renamed(&toys, &toys, &from, &to, &waits));
            let house = House::new();
            house.phases(&before).await;
            let recorded = house.recorded().await;
            house.cloud.take_calls();
            let plan = house.plan(&after).await;
            assert!(plan.operations.is_empty() && plan.deferred.is_empty(), "{before}\n{after}\n{plan:#?}");
            for change in &plan.changes {
                let renamed = matches!(change.reasons[..], [Reason::Renamed { .. }]);
                assert_eq!(change.action, if renamed { Action::Record } else { Action::None }, "{}", change.address);
            }
            house.run(&after).await;
            assert!(house.cloud.take_calls().is_empty());
            let expected = recorded.into_iter().map(|(address, ids)| (now(&moves, &address), ids)).collect();
            assert_eq!(house.recorded().await, expected, "{before}\n{after}");
            house.settled(&after).await;
            for record in house.store_state().await.iter().flat_map(|state| state.records.values()) {
                let is_there = |needed: &Address| {
                    expected.keys().any(|known| known.parse::<Address>().unwrap().is_in(needed))
                };
                // A block that has no instance is depended on all the same.
                let is_empty = toys.has_empty_block();
                assert!(is_empty || record.declared.dependencies.iter().all(is_there), "{record:#?}");
            }
        });
    }

    #[test]
    fn an_edit_does_with_a_renaming_what_it_does_without(
        (old, new) in edited(MOST),
        from in forms(MOST),
        to in forms(MOST),
        waits in waits(MOST),
        drift in prop::collection::vec(any::<u8>(), 12),
    ) {
        on_paused_time(async {
            let (from, to) = (old.fit(&new, &from), old.fit(&new, &to));
            let (before, edited) = (old.text_in(&from, &waits), new.text_in(&from, &waits));
            let (_, renamed) = renamed(&old, &new, &from, &to, &waits);
            let (with, without) = (outcome(&before, &renamed, &drift).await, outcome(&before, &edited, &drift).await);
            let (mut with, mut without) = (with, without);
            if waits.iter().any(Option::is_some) {
                // What waits in one form may go at once in another: only in the end it comes to the same.
                [&mut with, &mut without].into_iter().flatten().for_each(|outcome| outcome.actions.clear());
            }
            match with {
                // An edit that gives it a `for_each`, or takes it away, leaves it no place to move to: nobody is to lose it unasked.
                Err(message) if message.contains("would move to") => {}
                with => assert_eq!(with.ok(), without.ok(), "{before}\n{renamed}"),
            }
        });
    }
}
