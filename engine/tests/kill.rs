//! A run may die at any moment: the next one finishes the job, makes nothing twice and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::Duration;

use support::cloud::{Fault, Manners};
use support::crash::Moment;
use support::{End, House, blueprint, on_paused_time, stack};
use trueup_engine::apply::Report;
use trueup_state::Store;

/// From one blueprint to another.
struct Case {
    before: &'static [&'static str],
    after: &'static [&'static str],
}

/// What may die on the way: each verb, and both orders of a replacement, with a dependant that waits.
fn cases(kind: &str) -> Vec<(String, Vec<String>, Vec<String>)> {
    let cases = [
        Case { before: &[], after: &["a: { kind: KIND }", "b: { kind: box, host: '{{ a.id }}' }"] },
        Case { before: &["a: { kind: KIND, size: 1 }"], after: &["a: { kind: KIND, size: 2, note: new }"] },
        Case {
            before: &["a: { kind: KIND, shape: round }", "b: { kind: box, host: '{{ a.id }}' }"],
            after: &["a: { kind: KIND, shape: flat, replace: destroy_first }", "b: { kind: box, host: '{{ a.id }}' }"],
        },
        Case {
            before: &["a: { kind: KIND, shape: round }", "b: { kind: box, host: '{{ a.id }}' }"],
            after: &["a: { kind: KIND, shape: flat, replace: create_first }", "b: { kind: box, host: '{{ a.id }}' }"],
        },
        Case { before: &["a: { kind: KIND }", "b: { kind: box, host: '{{ a.id }}' }"], after: &[] },
        Case {
            before: &["a: { kind: KIND, shape: round, validate: { level: quick } }"],
            after: &["a: { kind: KIND, shape: flat, replace: create_first, validate: { level: quick } }"],
        },
    ];
    let with_kind = |lines: &[&str]| lines.iter().map(|line| line.replace("KIND", kind)).collect::<Vec<_>>();
    cases
        .iter()
        .map(|case| (format!("{kind} {:?}", case.after), with_kind(case.before), with_kind(case.after)))
        .collect()
}

fn text(lines: &[String]) -> String {
    blueprint(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What goes wrong in the run.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// It dies at an append.
    Append(usize, Moment),
    /// It dies at a call.
    Call(usize, Moment),
    /// The reply of a call is lost, before or after it took effect.
    Reply(usize, Moment),
}

/// Lets one run be struck and the next ones mend it. False once there is nothing more to strike.
async fn strike(name: &str, before: &str, after: &str, blow: Blow, polls: u32) -> bool {
    let house = House::new();
    house.cloud.set_manners(Manners { polls, lag: Duration::from_secs(3), ..Manners::default() });
    house.up(before).await;
    let append = match blow {
        Blow::Append(at, moment) => Some((at, moment)),
        Blow::Call(at, moment) => {
            *house.cloud.die_at.lock().unwrap() = Some((at, moment));
            None
        }
        Blow::Reply(at, moment) => {
            house.cloud.fail_nth(at, if moment == Moment::Before { Fault::LostBefore } else { Fault::LostAfter });
            None
        }
    };
    let end = house.run_to_death(after, append).await;
    let struck = matches!(end, End::Died) || matches!(blow, Blow::Reply(..)) && house.cloud.forget_nth();
    house.cloud.die_at.lock().unwrap().take();
    if let End::Lived(reports) = end {
        let reports = reports.unwrap();
        assert!(struck || reports.iter().all(Report::is_complete), "{name} {blow:?} {reports:#?}");
    }
    mended(&house, &format!("{name} {blow:?} polls {polls}"), after).await;
    struck
}

/// Recover, plan, apply: it converges, with one object for each address and nothing left to do.
async fn mended(house: &House, what: &str, after: &str) {
    let report = house.run(after).await;
    let settled = house.plan(after).await;
    if !settled.is_empty() {
        // Where nothing could tell what a call did until the run itself looked, the next one goes on.
        assert!(report.failed.is_empty(), "{what}: {report:#?}");
        house.up(after).await;
    }
    let plan = house.plan(after).await;
    assert!(plan.is_empty(), "{what}: {plan:#?}");
    let wanted = house.load(after).resources;
    for address in wanted.keys() {
        let things = house.cloud.of(&address.to_string());
        assert_eq!(things.len(), 1, "{what}: {address} {things:#?}");
    }
    assert_eq!(house.cloud.things().len(), wanted.len(), "{what}: {:#?}", house.cloud.things());
    assert!(house.cloud.wrongs().is_empty(), "{what}: {:?}", house.cloud.wrongs());
    let state = house.state().await;
    assert!(state.open.is_empty(), "{what}");
    assert_eq!(state.records.len(), wanted.len(), "{what}");
    assert!(state.records.values().all(|record| record.deposed.is_empty() && record.current.is_some()), "{what}");
    let history = house.store.history(&stack(), 0).await.unwrap();
    assert_eq!(history.len() as u64, state.serial, "{what}: the chain is whole");
}

fn every_blow(kind: &str, polls: u32, blow: impl Fn(usize, Moment) -> Blow) {
    for (name, before, after) in cases(kind) {
        for moment in [Moment::Before, Moment::After] {
            let mut number = 1;
            while on_paused_time(strike(&name, &text(&before), &text(&after), blow(number, moment), polls)) {
                number += 1;
                assert!(number < 100, "{name} never ends");
            }
            assert!(number > 1, "{name} was never struck");
        }
    }
}

macro_rules! on_every_kind {
    ($($kind:ident,)*) => {
        $(mod $kind {
            use super::Blow;

            #[test]
            fn dies_at_each_append() {
                super::every_blow(stringify!($kind), 0, Blow::Append);
            }

            #[test]
            fn dies_at_each_append_of_pending_work() {
                super::every_blow(stringify!($kind), 2, Blow::Append);
            }

            #[test]
            fn dies_at_each_call() {
                super::every_blow(stringify!($kind), 0, Blow::Call);
            }

            #[test]
            fn dies_at_each_call_of_pending_work() {
                super::every_blow(stringify!($kind), 2, Blow::Call);
            }

            #[test]
            fn loses_each_reply() {
                super::every_blow(stringify!($kind), 0, Blow::Reply);
            }

            #[test]
            fn loses_each_reply_of_pending_work() {
                super::every_blow(stringify!($kind), 2, Blow::Reply);
            }
        })*
    };
}

on_every_kind! {
    scarce,
    named,
    tagged,
}
