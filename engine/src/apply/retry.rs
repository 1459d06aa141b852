//! When a call that failed is tried again, and when no more.

use std::time::Duration;

use trueup_state::{Class, Entropy};

use crate::provider::ProviderError;

/// How often a call is tried that fails by itself.
const ATTEMPTS: u32 = 6;

/// How often it is tried if something else is in its way.
const ATTEMPTS_IN_CONFLICT: u32 = 3;

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The tries of one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    failures: u32,
    /// How often it was refused because there were too many calls. That is no fault of its own, and no try of it.
    refusals: u32,
    /// How long it has waited for what is in its way.
    waited: Duration,
}

impl Tries {
    /// Which one comes next, from 1; refused ones are counted here.
    pub fn next(&self) -> u32 {
        self.failures + self.refusals + 1
    }

    /// How long to wait before the next try; none where another would not help.
    pub fn again(&mut self, error: &ProviderError, entropy: &dyn Entropy) -> Option<Duration> {
        if let Class::Throttled { retry_after } = error.class {
            self.refusals += 1;
            let own = delay(self.refusals, entropy);
            return Some(retry_after.map_or(own, |asked| asked + own / 4));
        }
        self.failures += 1;
        let most = match error.class {
            Class::Transient | Class::Internal => ATTEMPTS,
            Class::Conflict if self.waited < error.patience => u32::MAX,
            Class::Conflict => ATTEMPTS_IN_CONFLICT,
            _ => 0,
        };
        let after = (self.failures < most).then(|| delay(self.failures, entropy));
        self.waited += after.unwrap_or_default();
        after
    }
}

/// Twice as long after each try, and between half and all of it, so that those who failed together don't come back together.
fn delay(tries: u32, entropy: &dyn Entropy) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_DELAY);
    doubled / 2 + doubled.mul_f64(entropy.share()) / 2
}

#[cfg(test)]
mod tests {
    use trueup_state::clock::SeededEntropy;

    use super::*;

    fn again(tries: &mut Tries, class: Class) -> Option<Duration> {
        tries.again(&ProviderError::new(class, "x"), &SeededEntropy::new(1))
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_ever_later() {
        let mut tries = Tries::default();
        let mut longest = Duration::ZERO;
        for attempt in 1..ATTEMPTS {
            assert_eq!(tries.next(), attempt);
            let delay = again(&mut tries, Class::Transient).unwrap();
            assert!(delay >= FIRST_DELAY / 2 && delay <= LONGEST_DELAY);
            assert!(delay * 4 > longest, "attempt {attempt}");
            longest = longest.max(delay);
        }
        assert_eq!(again(&mut tries, Class::Transient), None);
        assert_eq!(again(&mut Tries::default(), Class::Denied), None);
        let mut tries = Tries::default();
        let conflicts = (0..9).map_while(|_| again(&mut tries, Class::Conflict)).count();
        assert_eq!(conflicts + 1, 3);
    }

    #[test]
    fn what_goes_by_itself_is_waited_for_as_long_as_its_provider_says() {
        let patience = Duration::from_mins(2);
        let error = ProviderError { patience, ..ProviderError::new(Class::Conflict, "x") };
        let (mut tries, entropy) = (Tries::default(), SeededEntropy::new(1));
        let waits: Vec<Duration> = (0..99).map_while(|_| tries.again(&error, &entropy)).collect();
        let waited: Duration = waits.iter().sum();
        assert!(waited >= patience && waited < patience + LONGEST_DELAY, "{waits:?}");
    }

    #[test]
    fn a_refusal_uses_no_try_up_and_waits_as_long_as_asked() {
        let (mut tries, asked) = (Tries::default(), Duration::from_secs(7));
        for _ in 0..100 {
            assert!(again(&mut tries, Class::Throttled { retry_after: Some(asked) }).unwrap() >= asked);
        }
        assert!(again(&mut tries, Class::Transient).is_some());
        assert_eq!(tries.next(), 102);
    }
}
