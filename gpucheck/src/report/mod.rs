//! What was measured, as plain data. Nothing is judged here: a report says what was found, and of what could not be looked at
//! that it was not, and why.

mod found;
mod incident;
mod outcome;
mod quantity;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::found::{Burn, Conditions, Counters, Identity, MemoryTest, PcieLink, Remapped, Watched};
pub use self::incident::Incident;
pub(crate) use self::outcome::median;
pub use self::outcome::{Correctness, Figures, Outcome};
pub use self::quantity::{Quantity, Unit, least_capability};

/// The version of the report's form; a reader refuses one that it does not know.
pub const FORMAT: u32 = 1;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everything but the burn: under 30 s on a healthy node of eight.
    Quick,
    /// With more repetitions, seeds and patterns, and a burn of 90 s: about 3 min.
    Standard,
    /// As standard, with a burn as long as is asked for.
    Burn,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its number, as CUDA counts.
    pub index: u32,
    /// What it says it is.
    pub identity: Outcome<Identity>,
    /// Its link to the host.
    #[serde(default)]
    pub pcie: Outcome<PcieLink>,
    /// What was measured. What is missing was not.
    #[serde(default)]
    pub figures: BTreeMap<Quantity, Outcome<Figures>>,
    /// Answers that were compared: `product_fp16`, `chains_fp16`, `copies`, …
    #[serde(default)]
    pub answers: BTreeMap<String, Outcome<Correctness>>,
    /// Patterns in memory.
    #[serde(default)]
    pub memory: Outcome<MemoryTest>,
    /// The burn.
    #[serde(default)]
    pub burn: Outcome<Burn>,
    /// NVML's counters.
    #[serde(default)]
    pub counters: Outcome<Watched>,
}

impl Gpu {
    /// Of which nothing is known yet.
    pub fn new(index: u32) -> Self {
        Self {
            index,
            identity: Outcome::default(),
            pcie: Outcome::default(),
            figures: BTreeMap::new(),
            answers: BTreeMap::new(),
            memory: Outcome::default(),
            burn: Outcome::default(),
            counters: Outcome::default(),
        }
    }
}

/// Two GPUs, one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// From this one,
    pub from: u32,
    /// to this one.
    pub to: u32,
    /// Without the host.
    #[serde(default)]
    pub direct: Outcome<Figures>,
    /// Through pinned memory of the host.
    #[serde(default)]
    pub staged: Outcome<Figures>,
    /// Whether what was sent came.
    #[serde(default)]
    pub intact: Outcome<Correctness>,
}

/// All that was found on a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The form of this report: [`FORMAT`].
    pub format: u32,
    /// The version of the program that measured.
    pub program: String,
    /// When it began, in seconds since 1970; none where nobody told.
    #[serde(default)]
    pub started: Option<u64>,
    /// How much was to be measured.
    pub level: Level,
    /// The newest CUDA version that the driver can do: `12.4`.
    pub driver: Option<String>,
    /// How many GPUs NVML sees, which may be more than CUDA does; none where NVML is not there.
    #[serde(default)]
    pub seen_by_nvml: Option<u32>,
    /// Every GPU that CUDA sees.
    pub gpus: Vec<Gpu>,
    /// Every pair, each way.
    #[serde(default)]
    pub pairs: Vec<Pair>,
    /// What went wrong with the measuring itself.
    #[serde(default)]
    pub incidents: Vec<Incident>,
}

impl Report {
    /// Of which nothing is known yet.
    pub fn new(level: Level) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").into(),
            started: None,
            level,
            driver: None,
            seen_by_nvml: None,
            gpus: Vec::new(),
            pairs: Vec::new(),
            incidents: Vec::new(),
        }
    }
}
