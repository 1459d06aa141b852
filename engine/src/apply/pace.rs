//! How fast an API is called: at will until it refuses a call, then evenly, a little faster every second, until it refuses again.
//!
//! The rate is no setting: it is found. The first refusal brings it down to a share of what the API took in the second before, each
//! further one to a share of what it had grown to; in between it grows by the same amount every second. So the calls of a run stay
//! within a tenth of what the API allows, whatever that is, and find out when it allows more.

use std::time::Duration;

/// What is left of the rate when a call is refused. Less would cost more than the few calls that are refused at each try for more.
const DOWN: f64 = 0.9;

/// What the rate grows by in a second, as a share of what it was brought down to.
const UP: f64 = 0.01;

/// The lowest rate, and the least that a rate grows by in a second, in calls a second: from there a limit that was lifted is found.
const LEAST: f64 = 1.0;

/// What is refused within so long of a first refusal is refused for the same reason. What an API takes is counted over as long.
const WINDOW: Duration = Duration::from_secs(1);

/// How far a call may be late and those after it still on time: timers wake late, which must not add up.
const SLACK: Duration = Duration::from_millis(50);

/// The pace of one API. Moments are those of [`trueup_state::Clock::uptime`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// None until a call was refused.
    rate: Option<Rate>,
    /// When the next call is due.
    next: Duration,
    /// Before when nobody calls, as the API asked.
    held: Duration,
    taken: Taken,
}

/// A rate, since it was last brought down.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// In calls a second.
    lowest: f64,
    since: Duration,
}

/// How many calls the API took.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// In calls a second, over the last full window.
    rate: f64,
    since: Duration,
    count: u32,
    /// When the last one was.
    last: Option<Duration>,
}

impl Pace {
    /// Gives the next turn away: when its call may be sent, which is now or later.
    pub fn turn(&mut self, now: Duration) -> Duration {
        let Some(rate) = self.rate else { return now.max(self.held) };
        let at = now.max(self.next).max(self.held);
        self.next = self.next.max(at.saturating_sub(SLACK)) + Duration::from_secs_f64(1.0 / rate.at(now));
        at
    }

    /// When the next turn would be: now or later.
    pub fn opens(&self, now: Duration) -> Duration {
        let next = if self.rate.is_some() { self.next } else { now };
        now.max(next).max(self.held)
    }

    /// Whether the API asked to be left alone. Whoever had a turn before it did needs another one.
    pub fn is_held(&self, now: Duration) -> bool {
        self.held > now
    }

    /// The API took a call, however that went.
    pub fn took(&mut self, now: Duration) {
        self.taken.add(now);
    }

    /// When the API last took a call; none until it does.
    pub fn last_taken(&self) -> Option<Duration> {
        self.taken.last
    }

    /// The API refused a call because there were too many. `sent`: when it was sent. `asked`: how long the API asks to wait.
    ///
    /// All calls that were under way when the rate came down may be refused too: that brings it down no further.
    pub fn refused(&mut self, now: Duration, sent: Duration, asked: Option<Duration>) {
        // An API that counts whole seconds asks for one when it means less: the lower rate is answer enough to that.
        self.held = self.held.max(now + asked.unwrap_or_default().saturating_sub(WINDOW));
        if self.rate.is_some_and(|rate| sent < rate.since || now < rate.since + WINDOW) {
            return;
        }
        let sent = self.rate.map_or(f64::INFINITY, |rate| rate.at(now));
        let lowest = (DOWN * sent.min(self.taken.rate(now))).max(LEAST);
        self.rate = Some(Rate { lowest, since: now.max(self.held) });
    }
}

impl Rate {
    /// In calls a second.
    fn at(&self, now: Duration) -> f64 {
        self.lowest + (UP * self.lowest).max(LEAST) * now.saturating_sub(self.since).as_secs_f64()
    }
}

impl Taken {
    fn add(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.since);
        if passed >= WINDOW {
            self.rate = f64::from(self.count) / passed.as_secs_f64();
            (self.since, self.count) = (now, 0);
        }
        self.count += 1;
        self.last = Some(now);
    }

    /// In calls a second. A window that is not over counts as if nothing more came in it.
    fn rate(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.since).max(WINDOW);
        self.rate.max(f64::from(self.count) / passed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn millis(millis: u64) -> Duration {
        START + Duration::from_millis(millis)
    }

    /// A pace that was brought down at `START`, when the API had taken `count` calls within a second.
    fn paced(count: u32) -> Pace {
        let mut pace = Pace::default();
        (0..count).for_each(|_| pace.took(START));
        pace.refused(START, START, None);
        pace
    }

    #[test]
    fn there_is_no_limit_until_a_call_is_refused() {
        let mut pace = Pace::default();
        assert!((0..10_000).all(|_| pace.turn(START) == START && pace.opens(START) == START));
    }

    #[test]
    fn a_refusal_brings_the_rate_below_what_was_taken_and_then_it_grows() {
        let mut pace = paced(100);
        let mut turns = 0;
        let mut at = START;
        while at < START + Duration::from_secs(1) {
            at = pace.turn(at);
            turns += 1;
        }
        assert!((90..=97).contains(&turns), "{turns}");
        assert!((pace.rate.unwrap().at(millis(10_000)) - 100.0).abs() < 0.1);
    }

    #[test]
    fn what_was_under_way_brings_it_down_once() {
        let mut pace = paced(100);
        let lowest = |pace: &Pace| pace.rate.unwrap().lowest;
        let before = lowest(&pace);
        pace.refused(millis(900), millis(800), None);
        pace.refused(millis(30_000), START - Duration::from_secs(1), None);
        assert!((lowest(&pace) - before).abs() < f64::EPSILON);
        pace.refused(millis(2_000), millis(1_900), None);
        assert!(lowest(&pace) < before);
    }

    #[test]
    fn a_rate_never_falls_so_low_that_nothing_is_tried() {
        let mut pace = paced(1);
        (1..100).for_each(|second| pace.refused(millis(second * 2_000), millis(second * 2_000), None));
        assert!(pace.turn(millis(200_000)) <= millis(201_000));
        assert!(pace.turn(millis(200_000)) <= millis(202_000));
    }

    #[test]
    fn nobody_calls_before_the_api_asked_to_be_called_again() {
        let mut pace = Pace::default();
        pace.refused(START, START, Some(Duration::from_secs(30)));
        assert!(pace.is_held(millis(28_900)) && !pace.is_held(millis(29_000)));
        assert_eq!(pace.opens(START), millis(29_000));
        assert_eq!(pace.turn(millis(5)), millis(29_000));
        assert!(pace.turn(millis(5)) >= millis(29_000));
        // A second is what an API says that means less.
        let mut brief = Pace::default();
        brief.refused(START, START, Some(Duration::from_secs(1)));
        assert!(!brief.is_held(START));
    }

    #[test]
    fn whoever_is_late_makes_nobody_after_it_late() {
        let mut pace = paced(100);
        let mut at = START;
        for _ in 0..90 {
            // A timer that counts whole milliseconds.
            at = Duration::from_millis(u64::try_from(pace.opens(at).as_nanos().div_ceil(1_000_000)).unwrap());
            pace.turn(at);
        }
        assert!(at <= millis(1_000), "{at:?}");
    }
}
