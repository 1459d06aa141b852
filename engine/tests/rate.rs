//! How APIs that refuse calls are treated: fast enough, never held against an operation, at nobody else's cost, and not forever.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "these are tests, and their counts are small")]

mod schedules;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use schedules::{LATENCY, Limit, done_a_second, house, limit, many};
use support::clock::{PausedClock, since, uptime};
use support::cloud::{Fault, Manners};
use support::{blueprint, blueprint_with, done, events, on_paused_time};
use tokio::sync::watch;
use trueup_engine::Engine;
use trueup_engine::apply::pace::PATIENCE;
use trueup_engine::plan::Mode;
use trueup_state::entry::Class;
use trueup_state::{Clock, Timestamp};

#[test]
fn an_api_that_takes_a_hundred_a_second_does_more_than_ninety() {
    let limits = [(100.0, false), (100.0, true), (10.0, false), (1.0, false)];
    for (burst, whole_seconds) in limits {
        let limit = Limit { rate: 100.0, burst, whole_seconds };
        let (done, refused) = done_a_second(3_000, limit);
        assert!(done >= 90.0 && refused < 0.1, "{limit:?}: {done:.1} done, {refused:.3} refused");
    }
}

#[test]
fn slow_apis_are_used_well_too() {
    for (operations, rate) in [(300, 2.0), (1_000, 10.0)] {
        let limit = Limit { rate, burst: 1.0, whole_seconds: true };
        let (done, refused) = done_a_second(operations, limit);
        assert!(done >= 0.8 * rate && refused < 0.5, "{limit:?}: {done:.1} done, {refused:.3} refused");
    }
}

#[tokio::test(start_paused = true)]
async fn asking_after_pending_work_is_paced_too() {
    let house = house(32);
    limit(&house, "r1", Limit { rate: 20.0, burst: 5.0, whole_seconds: false });
    house.cloud.set_manners(Manners { latency: LATENCY, polls: 3, ..Manners::default() });
    house.up(&many(200, "{ kind: box }")).await;
    let polls = house.cloud.calls().iter().filter(|call| call.verb == "poll").count();
    let refused = house.cloud.limits().refused("r1");
    assert!(polls >= 600 && refused < 80, "{polls} polls, {refused} refused");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_refuses_holds_up_no_other() {
    let house = house(4);
    limit(&house, "r1", Limit { rate: 1.0, burst: 1.0, whole_seconds: true });
    let line = |number: usize, region: &str| {
        format!("{region}n{number}: {{ kind: box, placement: [{{ provider: toy, region: {region} }}] }}")
    };
    let lines: Vec<String> =
        (0..40).map(|number| line(number, "r1")).chain((0..400).map(|number| line(number, "r2"))).collect();
    let start = uptime();
    house.up(&blueprint(&lines.iter().map(String::as_str).collect::<Vec<_>>())).await;
    let calls = house.cloud.calls();
    let last = calls.iter().filter(|call| call.region == "r2").map(|call| call.at).max().unwrap();
    // By themselves they take a hundred rounds of four.
    let took = last.saturating_sub(start);
    assert!(took < LATENCY * 115, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_api_has_its_own_number_of_places() {
    let mut house = house(32);
    house.api = 3;
    let regions: Vec<String> = (0..20)
        .map(|number| {
            let region = if number % 2 == 0 { "east" } else { "west" };
            format!("n{number}: {{ kind: box, placement: [{{ provider: toy, region: {region} }}] }}")
        })
        .collect();
    house.up(&blueprint(&regions.iter().map(String::as_str).collect::<Vec<_>>())).await;
    let busy = ["east", "west", "toy"].map(|name| house.cloud.most_busy(name));
    assert_eq!(busy, [3, 3, 6]);
}

#[tokio::test(start_paused = true)]
async fn nobody_calls_before_the_api_asked_to_be_called_again() {
    let house = house(2);
    let patience = Duration::from_mins(1);
    house.cloud.fail("create r0", Fault::Fails(Class::Throttled { retry_after: Some(patience) }));
    house.up(&many(10, "{ kind: box }")).await;
    let calls = house.cloud.calls();
    let start = calls.iter().find(|call| call.verb == "create").unwrap().at;
    // One other was under way by then.
    let soon = calls.iter().filter(|call| call.verb == "create" && call.at < start + Duration::from_secs(59));
    assert_eq!(soon.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_uses_up_no_try_while_others_are_taken() {
    let house = house(4);
    house.cloud.set_manners(Manners { latency: Duration::from_secs(10), ..Manners::default() });
    for _ in 0..30 {
        house.cloud.fail("create r0", Fault::Fails(Class::Throttled { retry_after: Some(Duration::from_secs(20)) }));
    }
    let lines: Vec<String> = (0..80)
        .map(|number| {
            let after = if number < 2 { String::new() } else { format!(", depends_on: [r{}]", number - 1) };
            format!("r{number}: {{ kind: box{after} }}")
        })
        .collect();
    house.up(&blueprint(&lines.iter().map(String::as_str).collect::<Vec<_>>())).await;
}

#[tokio::test(start_paused = true)]
async fn an_api_that_takes_nothing_ends_the_run_all_the_same() {
    let house = house(8);
    limit(&house, "r1", Limit { rate: 0.01, burst: 0.0, whole_seconds: false });
    let mut lines = vec!["b: { kind: box, placement: [{ provider: toy, region: r2 }] }".to_owned()];
    lines.extend((0..50).map(|number| format!("a{number}: {{ kind: box }}")));
    let start = uptime();
    let report = house.run(&blueprint(&lines.iter().map(String::as_str).collect::<Vec<_>>())).await;
    assert_eq!(done(&report), ["create b"]);
    assert_eq!(report.failed.len(), 50);
    assert!(since(start) < PATIENCE * 2, "{:?}", since(start));
}

#[tokio::test(start_paused = true)]
async fn a_look_after_a_lost_reply_is_tried_again_where_it_is_refused() {
    let house = house(8);
    house.cloud.fail("create a", Fault::LostAfter);
    let refused = Fault::Fails(Class::Throttled { retry_after: Some(Duration::from_secs(3)) });
    (0..8).for_each(|_| house.cloud.fail("observe", refused.clone()));
    house.up(&blueprint(&["a: { kind: named }"])).await;
    house.cloud.one("a");
}

#[tokio::test(start_paused = true)]
async fn a_look_after_a_lost_reply_needs_no_second_place() {
    let house = house(1);
    house.cloud.fail("create a", Fault::LostAfter);
    let text = blueprint(&["a: { kind: named }"]);
    let ended = tokio::time::timeout(Duration::from_hours(1), house.up(&text)).await;
    assert!(ended.is_ok(), "it waits for itself");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_does_not_wait_for_an_api_that_asked_to_be_left_alone() {
    let house = house(2);
    house.cloud.set_manners(Manners { latency: LATENCY, polls: 1, ..Manners::default() });
    let refused = Fault::Fails(Class::Throttled { retry_after: Some(Duration::from_mins(2)) });
    house.cloud.fail("create r0", refused);
    let ((sender, _kept), (cancel, cancelled)) = (events(), watch::channel(false));
    let (engine, text, start) = (house.engine(), many(10, "{ kind: box }"), uptime());
    let run = house.run_with(&text, Mode::Apply, &engine, &sender, &cancelled);
    let stop = async {
        // By then, one waits to try again, and the other to ask after what is pending.
        PausedClock.sleep(Duration::from_secs(8)).await;
        cancel.send(true).unwrap();
    };
    let (report, ()) = tokio::join!(run, stop);
    let report = report.unwrap();
    assert!(report.interrupted && since(start) < Duration::from_secs(9), "{report:#?}");
    assert_eq!((report.unfinished.len(), report.failed.len(), report.skipped.len()), (1, 1, 8));
    house.up(&text).await;
}

/// A clock that counts how often it is asked, and how often it is slept by.
#[derive(Debug, Default)]
struct Counting {
    asked: AtomicUsize,
    slept: AtomicUsize,
}

#[async_trait]
impl Clock for Counting {
    fn now(&self) -> Timestamp {
        PausedClock.now()
    }

    fn uptime(&self) -> Duration {
        self.asked.fetch_add(1, Ordering::Relaxed);
        PausedClock.uptime()
    }

    async fn sleep(&self, span: Duration) {
        self.slept.fetch_add(1, Ordering::Relaxed);
        PausedClock.sleep(span).await;
    }
}

/// How often a run of so many operations asks for the time and sleeps, under a limit, beside a provider that is full.
fn turns(operations: usize) -> usize {
    on_paused_time(async {
        let house = house(8);
        limit(&house, "r1", Limit { rate: 100.0, burst: 10.0, whole_seconds: false });
        house.cloud.set_manners(Manners { latency: LATENCY, polls: 1, ..Manners::default() });
        let counting = Arc::new(Counting::default());
        let engine = Engine { clock: counting.clone(), ..house.engine() };
        let lines: Vec<String> = (0..operations)
            .map(|number| format!("r{number}: {{ kind: box, provider: {} }}", ["mini", "toy"][number % 2]))
            .collect();
        let text =
            blueprint_with("providers: { toy: {}, mini: {} }", &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let ((sender, _kept), (_cancel, cancelled)) = (events(), watch::channel(false));
        let report = house.run_with(&text, Mode::Apply, &engine, &sender, &cancelled).await.unwrap();
        assert!(report.is_complete());
        counting.asked.load(Ordering::Relaxed) + counting.slept.load(Ordering::Relaxed)
    })
}

#[test]
fn what_the_executor_does_grows_with_the_operations_and_no_faster() {
    let (few, many) = (turns(400), turns(1_600));
    assert!(many <= few * 4 * 11 / 10, "{few} for 400, {many} for 1600");
    assert!(many <= 40 * 1_600, "{many} for 1600");
}
