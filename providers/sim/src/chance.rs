//! Chance, from the entropy that the cloud was given.

use trueup_state::Entropy;

/// A random number from 0 to 1.
pub(crate) fn unit(entropy: &dyn Entropy) -> f64 {
    f64::from(u32::try_from(entropy.number() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
