//! How fast an API is called: at will until it refuses a call, then evenly, a little faster every second, until it refuses again.
//!
//! The rate is no setting: it is found. The first refusal makes it a share of what the API took by then. That may be far too low, so it
//! doubles every second until it is refused too. From there on, a refusal brings it down to a share of what it was, and it grows by the
//! same amount every second: calls keep within a tenth of what the API allows, whatever that is. A rate that has grown past what was
//! refused, without being refused, is forgotten: the limit is no longer where it was.

use std::time::Duration;

/// What is left of the rate when a call is refused. Less would cost more than the few calls that are refused at each try for more.
const DOWN: f64 = 0.9;

/// What the rate grows by in a second, as a share of what it was brought down to.
const UP: f64 = 0.01;

/// How many times what the API took a rate must be to say nothing of it. At a rate that is just too high a strict API may refuse every
/// other call: what it takes then is less than what it would take.
const FAR: f64 = 3.0;

/// How long after its last refusal a rate is forgotten. By then it has grown to 1.3 times what it was brought down to.
const MEMORY: Duration = Duration::from_secs(30);

/// The lowest rate, in calls a second: an API that takes fewer says itself how long to wait.
const LEAST: f64 = 0.5;

/// What is refused within so long of a first refusal is refused for the same reason. What an API takes is counted over as long.
const WINDOW: Duration = Duration::from_millis(250);

/// Without a call for so long, an API is at rest.
const REST: Duration = Duration::from_secs(1);

/// What an API asks for that counts whole seconds and means less: the lower rate is answer enough to that.
const BRIEF: Duration = Duration::from_secs(1);

/// How far a call may be late and those after it still on time: timers wake late, which must not add up.
const SLACK: Duration = Duration::from_millis(50);

/// How long operations wait for an API that refuses every call. None of them is at fault, so that none counts its tries; but a cloud that
/// is broken must not hold a run forever. Once one has waited for so long, all of them fail, and nobody calls for as long again.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The pace of one API. Moments are those of [`trueup_state::Clock::uptime`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// None where no call was refused lately.
    rate: Option<Rate>,
    /// When the next call is due.
    next: Duration,
    /// Before when nobody calls, as the API asked.
    held: Duration,
    /// How often the rate was brought down: a turn that was given away before is none any more.
    cuts: u32,
    taken: Taken,
    /// When it refused the first and the last of the calls since it last took one.
    refusing: Option<(Duration, Duration)>,
    /// When somebody had waited for too long.
    given_up: Option<Duration>,
}

/// The right to send one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When.
    pub at: Duration,
    cuts: u32,
}

/// A rate, since it was last brought down.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// In calls a second.
    lowest: f64,
    since: Duration,
    /// Whether it was refused at least once, so that the limit is near.
    is_found: bool,
}

/// How many calls the API took in the window that is under way, and in the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// When the window began; none before the first.
    since: Option<Duration>,
    count: u32,
    /// In calls a second.
    before: Option<f64>,
}

impl Pace {
    /// Gives the next turn away, which is now or later.
    pub fn turn(&mut self, now: Duration) -> Turn {
        let at = self.opens(now);
        if let Some(rate) = &self.rate {
            self.next = self.next.max(at.saturating_sub(SLACK)) + Duration::from_secs_f64(1.0 / rate.at(at));
        }
        Turn { at, cuts: self.cuts }
    }

    /// When the next turn is: now or later.
    pub fn opens(&mut self, now: Duration) -> Duration {
        if self.is_given_up(now) {
            return now;
        }
        if let Some(rate) = self.rate.take_if(|rate| now > rate.since + MEMORY) {
            // What was taken by then was what was sent. The API may take more, and at least what the rate came to.
            self.taken = Taken { since: Some(now), count: 0, before: Some(rate.at(now)) };
        }
        let next = if self.rate.is_some() { self.next } else { now };
        now.max(next).max(self.held)
    }

    /// Whether a turn may be used, now that it has come. A turn from before the API refused a call is no longer good: it was given away at a rate that is
    /// too high, or the API asked to be left alone.
    pub fn is_good(&self, turn: Turn, now: Duration) -> bool {
        self.is_given_up(now) || turn.cuts == self.cuts && self.held <= now
    }

    /// Whether the API has refused every call for so long that no more are sent.
    pub fn is_given_up(&self, now: Duration) -> bool {
        self.given_up.is_some_and(|since| now < since + PATIENCE)
    }

    /// Whether it is worth to wait for so long and call again, after a refusal. If not, the API is given up.
    pub fn is_worth_waiting(&mut self, now: Duration, span: Duration) -> bool {
        let is_worth = self.refusing.is_none_or(|(first, _)| now + span <= first + PATIENCE);
        if !is_worth {
            self.given_up = Some(now);
        }
        is_worth
    }

    /// The API took a call, however that went. `sent`: when it was sent.
    pub fn took(&mut self, now: Duration, sent: Duration) {
        self.taken.add(now, sent);
        (self.refusing, self.given_up) = (None, None);
    }

    /// The API refused a call because there were too many. `sent`: when it was sent. `asked`: how long the API asks to wait.
    ///
    /// All calls that were under way when the rate came down may be refused too: that brings it down no further.
    pub fn refused(&mut self, now: Duration, sent: Duration, asked: Option<Duration>) {
        // What was refused long ago, and nobody called since, is another matter.
        let first = self.refusing.filter(|(_, last)| now <= *last + PATIENCE).map_or(now, |(first, _)| first);
        self.refusing = Some((first, now));
        let held = now + asked.unwrap_or_default().saturating_sub(BRIEF);
        self.held = self.held.max(held.min(first + PATIENCE));
        if self.rate.is_some_and(|rate| sent < rate.since || now < rate.since + WINDOW) {
            return;
        }
        let taken = self.taken.rate(now);
        let is_found = self.rate.is_some();
        let rate = self.rate.map(|rate| rate.at(now)).filter(|rate| *rate < FAR * taken).unwrap_or(taken);
        (self.next, self.cuts) = (now, self.cuts.wrapping_add(1));
        self.rate = Some(Rate { lowest: (DOWN * rate).max(LEAST), since: now.max(self.held), is_found });
    }
}

impl Rate {
    /// In calls a second.
    fn at(&self, now: Duration) -> f64 {
        let seconds = now.saturating_sub(self.since).as_secs_f64();
        self.lowest * if self.is_found { 1.0 + UP * seconds } else { seconds.exp2() }
    }
}

impl Taken {
    fn add(&mut self, now: Duration, sent: Duration) {
        let passed = self.since.map(|since| now.saturating_sub(since)).filter(|passed| *passed < REST);
        match passed {
            Some(passed) if passed < WINDOW => self.count += 1,
            Some(passed) => {
                let before = Some(f64::from(self.count) / passed.as_secs_f64());
                *self = Self { since: Some(now), count: 1, before };
            }
            // There is no window before it to go by: it counts from when it was sent.
            None => *self = Self { since: Some(sent), count: 1, before: None },
        }
    }

    /// In calls a second: over the last full window; where there is none, at least so many.
    fn rate(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.since.unwrap_or(now)).max(SLACK);
        self.before.unwrap_or(f64::from(self.count.max(1)) / passed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Duration = Duration::from_secs(999);
    const START: Duration = Duration::from_secs(1_000);

    fn at(millis: u64) -> Duration {
        START + Duration::from_millis(millis)
    }

    /// A pace that was brought down at `START`, when the API had taken a hundred calls in a second.
    fn paced() -> Pace {
        let mut pace = Pace::default();
        (1..=100).for_each(|call| pace.took(BEFORE + Duration::from_millis(call * 10), BEFORE));
        pace.refused(START, BEFORE, None);
        pace
    }

    fn lowest(pace: &Pace) -> f64 {
        pace.rate.unwrap().lowest
    }

    #[test]
    fn there_is_no_limit_until_a_call_is_refused() {
        let mut pace = Pace::default();
        assert!((0..10_000).all(|_| pace.turn(START).at == START && pace.opens(START) == START));
    }

    #[test]
    fn a_refusal_brings_the_rate_below_what_was_taken_and_then_it_grows() {
        let mut pace = paced();
        let (mut turns, mut now) = (0, START);
        while now < at(1_000) {
            now = pace.turn(now).at;
            turns += 1;
        }
        assert!((130..=140).contains(&turns), "{turns}");
        assert!(pace.rate.unwrap().at(at(2_000)) > 300.0, "it may have been far too low");
        pace.refused(at(500), at(400), None);
        let share = pace.rate.unwrap().at(at(10_500)) / lowest(&pace);
        assert!((share - 1.1).abs() < 0.001, "{share}");
    }

    #[test]
    fn what_was_under_way_brings_it_down_once() {
        let mut pace = paced();
        pace.refused(at(200), at(100), None);
        pace.refused(at(20_000), BEFORE, None);
        assert_eq!(pace.cuts, 1);
        pace.refused(at(20_000), at(19_900), None);
        assert_eq!(pace.cuts, 2);
    }

    #[test]
    fn turns_at_a_rate_that_was_too_high_are_taken_back() {
        let mut pace = paced();
        let turns: Vec<Turn> = (0..100).map(|_| pace.turn(START)).collect();
        pace.refused(at(500), at(400), None);
        assert!(turns.iter().all(|turn| !pace.is_good(*turn, at(10_000))));
        assert!(pace.turn(at(500)).at <= at(600), "nobody waits for those who had them");
    }

    #[test]
    fn a_rate_that_was_far_too_high_is_mended_by_what_was_taken() {
        let mut pace = Pace::default();
        // A hundred at once, and no more than ten a second after that.
        (0..100).for_each(|_| pace.took(at(50), START));
        pace.refused(at(50), START, None);
        assert!(lowest(&pace) > 300.0);
        (1..=11).for_each(|tenth| pace.took(at(50 + tenth * 100), at(tenth * 100)));
        pace.refused(at(1_200), at(1_150), None);
        assert!((7.0..=12.0).contains(&lowest(&pace)), "{}", lowest(&pace));
    }

    #[test]
    fn what_came_before_a_rest_says_nothing_after_it() {
        let mut pace = Pace::default();
        (0..5).for_each(|_| pace.took(START, START));
        (0..100).for_each(|call| pace.took(at(600_000 + call), at(600_000)));
        pace.refused(at(600_100), at(600_050), None);
        assert!(lowest(&pace) > 100.0);
    }

    #[test]
    fn a_rate_is_given_up_once_it_has_grown_past_the_limit_that_was() {
        let mut pace = paced();
        let later = START + MEMORY + Duration::from_millis(1);
        assert!((0..1_000).all(|_| pace.turn(later).at == later));
    }

    #[test]
    fn a_rate_never_falls_so_low_that_nothing_is_tried() {
        let mut pace = paced();
        (1..100).for_each(|second| pace.refused(at(second * 2_000), at(second * 2_000), None));
        pace.turn(at(200_000));
        assert!(pace.turn(at(200_000)).at <= at(202_000));
    }

    #[test]
    fn nobody_calls_before_the_api_asked_to_be_called_again() {
        let mut pace = Pace::default();
        pace.refused(START, START, Some(Duration::from_secs(30)));
        assert_eq!(pace.opens(START), at(29_000));
        let turns = [pace.turn(at(5)), pace.turn(at(5))];
        assert!(turns[0].at == at(29_000) && turns[1].at >= at(29_000));
        assert!(pace.is_good(turns[0], at(29_000)) && !pace.is_good(turns[0], at(28_900)));
        // A second is what an API says that means less.
        let mut brief = Pace::default();
        brief.refused(START, START, Some(Duration::from_secs(1)));
        assert_eq!(brief.opens(START), START);
    }

    #[test]
    fn an_api_that_takes_nothing_is_given_up_for_a_while() {
        let (mut pace, brief) = (Pace::default(), Duration::from_secs(10));
        for tens in 0..30 {
            pace.refused(at(tens * 10_000), at(tens * 10_000), None);
            assert!(pace.is_worth_waiting(at(tens * 10_000), brief) && !pace.is_given_up(at(tens * 10_000)));
        }
        let end = START + PATIENCE;
        pace.refused(end, end, None);
        assert!(!pace.is_worth_waiting(end, brief) && pace.is_given_up(end));
        assert_eq!(pace.opens(end), end, "whoever comes now is told at once");
        assert!(!pace.is_given_up(end + PATIENCE));
        pace.took(end, end);
        assert!(!pace.is_given_up(end));
    }

    #[test]
    fn an_api_that_takes_some_calls_is_not_given_up() {
        let mut pace = Pace::default();
        for minute in 0..60 {
            let now = at(minute * 60_000);
            pace.took(now, now);
            pace.refused(now, now, None);
            assert!(pace.is_worth_waiting(now, Duration::from_mins(2)));
        }
        assert!(!pace.is_worth_waiting(at(3_600_000), PATIENCE * 2), "nor is it waited for what is longer");
        let later = at(36_000_000);
        pace.refused(later, later, Some(Duration::from_hours(1)));
        assert!(pace.is_worth_waiting(later, Duration::from_mins(2)), "what was refused hours ago no longer counts");
        assert!(pace.opens(later) <= later + PATIENCE, "nobody is held for longer");
    }

    #[test]
    fn whoever_is_late_makes_nobody_after_it_late() {
        let mut pace = paced();
        let mut now = START;
        for _ in 0..90 {
            // A timer that counts whole milliseconds.
            now = Duration::from_millis(u64::try_from(pace.opens(now).as_nanos().div_ceil(1_000_000)).unwrap());
            pace.turn(now);
        }
        assert!(now <= at(1_000), "{now:?}");
    }
}
