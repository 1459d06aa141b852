//! Strikes one run at each of its moments, and lets the next ones mend it.

use std::collections::BTreeSet;
use std::time::Duration;

use trueup_engine::apply::Report;
use trueup_state::Store;

use crate::support::cloud::{Fault, Manners};
use crate::support::crash::Moment;
use crate::support::trio::part_kind;
use crate::support::{End, House, change, on_paused_time, stack};

/// From one blueprint to another.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// What goes wrong in the run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    /// It dies at an append.
    Append(usize, Moment),
    /// It dies at a call.
    Call(usize, Moment),
    /// The reply of a call is lost, before or after it took effect.
    Reply(usize, Moment),
}

/// Lets one run be struck, in whichever of its phases, and the next ones mend it. False once there is nothing more to strike.
async fn strike(case: &Case, blow: Blow, polls: u32) -> bool {
    let house = House::new();
    house.cloud.set_manners(Manners { polls, lag: Duration::from_secs(3), ..Manners::default() });
    house.phases(&case.before).await;
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
    let end = house.run_to_death(&case.after, append).await;
    let struck = matches!(end, End::Died) || matches!(blow, Blow::Reply(..)) && house.cloud.forget_nth();
    house.cloud.die_at.lock().unwrap().take();
    let what = format!("{} {blow:?} polls {polls}", case.name);
    if let End::Lived(reports) = end {
        let reports = reports.unwrap();
        assert!(struck || reports.iter().all(Report::is_complete), "{what} {reports:#?}");
    }
    mended(&house, &what, &case.after).await;
    struck
}

/// Recover, plan, apply, in as many phases as it takes: it converges, with one object for each address and nothing left to do.
async fn mended(house: &House, what: &str, after: &str) {
    let reports = house.try_phases(after).await.unwrap();
    if !house.plan(after).await.is_empty() {
        // Where nothing could tell what a call did until the run itself looked, the next one goes on.
        assert!(reports.iter().all(|report| report.failed.is_empty()), "{what}: {reports:#?}");
        house.phases(after).await;
    }
    let planned = house.planned(after).await;
    assert!(planned.plan.is_empty(), "{what}: {:#?}", planned.plan);
    let wanted: BTreeSet<String> = planned.plan.changes.iter().map(|change| change.address.to_string()).collect();
    let recorded = house.recorded().await;
    let composed = |address: &str| part_kind(change(&planned.plan, address).kind.as_str()).is_some();
    let one = |(address, ids): (&String, &Vec<String>)| ids.len() == usize::from(!composed(address));
    assert!(recorded.iter().all(one), "{what}: {recorded:#?}");
    let things: Vec<String> = house.cloud.things().into_iter().map(|thing| thing.id).collect();
    let mut ids: Vec<String> = recorded.values().flatten().cloned().collect();
    ids.sort();
    assert_eq!((recorded.into_keys().collect(), ids), (wanted, things), "{what}");
    assert!(house.cloud.wrongs().is_empty(), "{what}: {:?}", house.cloud.wrongs());
    let state = house.state().await;
    assert!(state.open.is_empty(), "{what}");
    assert!(state.records.values().all(|record| record.current.is_some()), "{what}");
    let history = house.store.history(&stack(), 0).await.unwrap();
    assert_eq!(history.len() as u64, state.serial, "{what}: the chain is whole");
}

pub(crate) fn every_blow(cases: &[Case], polls: u32, blow: impl Fn(usize, Moment) -> Blow) {
    for case in cases {
        for moment in [Moment::Before, Moment::After] {
            let mut number = 1;
            while on_paused_time(strike(case, blow(number, moment), polls)) {
                number += 1;
                assert!(number < 100, "{} never ends", case.name);
            }
            assert!(number > 1, "{} was never struck", case.name);
        }
    }
}

/// All blows at what `cases` has for each kind.
macro_rules! on_every_kind {
    ($($kind:ident,)*) => {
        $(mod $kind {
            use crate::blows::{Blow, every_blow};

            #[test]
            fn dies_at_each_append() {
                every_blow(&crate::cases(stringify!($kind)), 0, Blow::Append);
            }

            #[test]
            fn dies_at_each_append_of_pending_work() {
                every_blow(&crate::cases(stringify!($kind)), 2, Blow::Append);
            }

            #[test]
            fn dies_at_each_call() {
                every_blow(&crate::cases(stringify!($kind)), 0, Blow::Call);
            }

            #[test]
            fn dies_at_each_call_of_pending_work() {
                every_blow(&crate::cases(stringify!($kind)), 2, Blow::Call);
            }

            #[test]
            fn loses_each_reply() {
                every_blow(&crate::cases(stringify!($kind)), 0, Blow::Reply);
            }

            #[test]
            fn loses_each_reply_of_pending_work() {
                every_blow(&crate::cases(stringify!($kind)), 2, Blow::Reply);
            }
        })*
    };
}
