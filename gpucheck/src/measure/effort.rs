//! How much is done at each level.

use crate::report::Level;

/// How long, how often, over how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Repetitions of each figure, besides the one that warms up.
    pub(crate) repetitions: u32,
    /// How long one repetition is to take, in seconds by the GPU's clock.
    pub(crate) sample: f64,
    /// How long memory is warmed up, in seconds by the GPU's clock: of a GPU that was idle it is slower by a tenth for up to a third of a
    /// second (H100 and H200, 2026-11-28).
    pub(crate) warm_up: f64,
    /// Inputs of the exact products.
    pub(crate) seeds: u32,
    /// How often the patterns of memory are gone through, with other seeds.
    pub(crate) rounds: u32,
    /// Bytes of each buffer of the bandwidth: four times the largest cache (126 MB, B200) at least.
    pub(crate) bandwidth_bytes: usize,
    /// Bytes of pinned copies.
    pub(crate) pinned_bytes: usize,
    /// Bytes of copies between GPUs without the host.
    pub(crate) direct_bytes: usize,
    /// Bytes of copies between GPUs through the host.
    pub(crate) staged_bytes: usize,
    /// How long all burn, in seconds.
    pub(crate) burn: Option<f64>,
}

impl Effort {
    pub(crate) fn of(level: Level, burn_seconds: f64) -> Self {
        let quick = Self {
            repetitions: 5,
            sample: 0.05,
            warm_up: 0.5,
            seeds: 4,
            rounds: 1,
            bandwidth_bytes: 1 << 30,
            pinned_bytes: 64 << 20,
            direct_bytes: 256 << 20,
            staged_bytes: 16 << 20,
            burn: None,
        };
        match level {
            Level::Quick => quick,
            Level::Standard => Self { repetitions: 9, sample: 0.2, seeds: 16, rounds: 4, burn: Some(90.0), ..quick },
            Level::Burn => {
                Self { repetitions: 9, sample: 0.2, seeds: 16, rounds: 4, burn: Some(burn_seconds), ..quick }
            }
        }
    }
}
