//! When a call that failed is tried again, and when no more.

use std::time::Duration;

use trueup_state::{Class, Entropy};

use crate::provider::ProviderError;

/// How often a call is tried that fails by itself.
const ATTEMPTS: u32 = 6;

/// How often it is tried if something else is in its way.
const ATTEMPTS_IN_CONFLICT: u32 = 3;

/// How long an operation waits for an API that takes no call of anyone's. It has done nothing wrong, so that its tries are not counted;
/// but a cloud that is broken must not hold a run forever.
pub const PATIENCE: Duration = Duration::from_mins(5);

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The tries of one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    failures: u32,
    /// How often it was refused because there were too many calls, and since when, without another answer in between.
    refusals: u32,
    refused_since: Option<Duration>,
}

impl Tries {
    /// Which try comes next, from 1.
    pub fn next(&self) -> u32 {
        self.failures + self.refusals + 1
    }

    /// How long to wait before the next try; none where another would not help. `last_taken`: when the API last took a call.
    pub fn again(
        &mut self,
        error: &ProviderError,
        now: Duration,
        last_taken: Option<Duration>,
        entropy: &dyn Entropy,
    ) -> Option<Duration> {
        let Class::Throttled { retry_after } = error.class else {
            self.failures += 1;
            self.refused_since = None;
            let most = match error.class {
                Class::Transient | Class::Internal => ATTEMPTS,
                Class::Conflict => ATTEMPTS_IN_CONFLICT,
                _ => 0,
            };
            return (self.failures < most).then(|| delay(self.failures, entropy));
        };
        self.refusals += 1;
        let progress = last_taken.max(Some(*self.refused_since.get_or_insert(now))).unwrap_or(now);
        let own = delay(self.refusals, entropy);
        let after = retry_after.map_or(own, |asked| asked + own / 4);
        (now + after <= progress + PATIENCE).then_some(after)
    }
}

/// Twice as long after each try, and between half and all of it, so that those who failed together don't come back together.
fn delay(tries: u32, entropy: &dyn Entropy) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_DELAY);
    doubled / 2 + doubled.mul_f64(unit(entropy)) / 2
}

/// A random number from 0 to 1.
fn unit(entropy: &dyn Entropy) -> f64 {
    f64::from(u32::try_from(entropy.number() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use trueup_state::clock::SeededEntropy;

    use super::*;

    fn again(tries: &mut Tries, class: Class, now: u64, taken: Option<u64>) -> Option<Duration> {
        let error = ProviderError::new(class, "x");
        tries.again(&error, Duration::from_secs(now), taken.map(Duration::from_secs), &SeededEntropy::new(now))
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_ever_later() {
        let mut tries = Tries::default();
        let mut longest = Duration::ZERO;
        for attempt in 1..ATTEMPTS {
            assert_eq!(tries.next(), attempt);
            let delay = again(&mut tries, Class::Transient, 0, None).unwrap();
            assert!(delay >= FIRST_DELAY / 2 && delay <= LONGEST_DELAY);
            assert!(delay * 4 > longest, "attempt {attempt}");
            longest = longest.max(delay);
        }
        assert_eq!(again(&mut tries, Class::Transient, 0, None), None);
        assert_eq!(again(&mut Tries::default(), Class::Denied, 0, None), None);
    }

    #[test]
    fn a_refusal_uses_no_try_up_and_waits_as_long_as_asked() {
        let (mut tries, asked) = (Tries::default(), Duration::from_secs(7));
        let throttled = Class::Throttled { retry_after: Some(asked) };
        for minute in 0..100 {
            let after = again(&mut tries, throttled.clone(), minute * 60, Some(minute * 60)).unwrap();
            assert!(after >= asked);
        }
        assert!(again(&mut tries, Class::Transient, 6_000, None).is_some());
    }

    #[test]
    fn patience_ends_once_the_api_takes_no_call_for_too_long() {
        let throttled = Class::Throttled { retry_after: None };
        let mut tries = Tries::default();
        assert!(again(&mut tries, throttled.clone(), 1_000, Some(100)).is_some(), "it begins with the first refusal");
        assert!(again(&mut tries, throttled.clone(), 1_200, Some(100)).is_some());
        assert!(again(&mut tries, throttled.clone(), 1_400, Some(1_390)).is_some(), "another call was taken");
        assert_eq!(again(&mut tries, throttled, 1_690, Some(1_390)), None);
        let long = Class::Throttled { retry_after: Some(PATIENCE + Duration::from_secs(1)) };
        assert_eq!(again(&mut Tries::default(), long, 0, None), None, "it is not waited for what is longer");
    }
}
