//! What is found of one GPU besides figures.

use serde::{Deserialize, Serialize};

use super::{Correctness, Figures, Outcome};

/// What the driver says a GPU is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name: `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Its UUID, in hexadecimal digits.
    pub uuid: String,
    /// Where it is on the bus: `0000:1b:00.0`.
    pub pci_address: String,
    /// Bytes of memory that the driver shows.
    pub memory_bytes: u64,
    /// Major and minor: 9.0 for Hopper.
    pub compute_capability: (u32, u32),
    /// How many multiprocessors it has.
    pub multiprocessors: u32,
    /// Whether memory corrects errors; none where the driver does not say.
    pub ecc: Option<bool>,
}

/// The link to the host, as it was while copies ran over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PcieLink {
    /// Its generation.
    pub generation: u32,
    /// Its lanes.
    pub width: u32,
    /// The most that the GPU and its slot can do together.
    pub most_generation: u32,
    /// The most lanes that they have together.
    pub most_width: u32,
}

/// What patterns in memory came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryTest {
    /// Bytes that were written and verified.
    pub bytes: u64,
    /// Bytes of memory that there are.
    pub of: u64,
    /// How many patterns.
    pub patterns: u32,
    /// Words of 32 bits that were not what was written, over all patterns.
    pub wrong_words: u64,
    /// The offset in bytes of the first of them, in what was allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_wrong: Option<u64>,
}

/// What a burn came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// How long it burned, in seconds.
    pub seconds: f64,
    /// The rate over all of it, in TFLOP/s.
    pub rate: Figures,
    /// The median rate of its first third, and of its last.
    pub thirds: (f64, f64),
    /// The answers of the tensor cores, and the words of memory that were looked at meanwhile.
    pub answers: Correctness,
    /// Words of memory that differed meanwhile.
    pub wrong_words: u64,
    /// What NVML saw meanwhile.
    pub conditions: Outcome<Conditions>,
}

/// What a GPU was like under load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// The lowest and highest clock of the multiprocessors, in MHz.
    pub clock_mhz: Option<(u32, u32)>,
    /// The highest temperature, in degrees Celsius.
    pub temperature: Option<u32>,
    /// The highest power, in watts.
    pub power: Option<f64>,
    /// Every reason for lower clocks that was seen, by NVML's bits; none where NVML does not say.
    pub throttle: Option<u64>,
}

/// What NVML counts, at one time. What it does not say is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Corrected memory errors since the driver was loaded.
    pub corrected: Option<u64>,
    /// Uncorrected memory errors since the driver was loaded.
    pub uncorrected: Option<u64>,
    /// Uncorrected memory errors of the board's life.
    pub uncorrected_ever: Option<u64>,
    /// Rows of memory that were replaced by spare ones.
    pub remapped: Option<Remapped>,
    /// Pages given up for errors, and whether more are to be at the next reboot: before Ampere.
    pub retired_pages: Option<(u32, bool)>,
    /// NVLinks that are up, and that are down.
    pub links: Option<(u32, u32)>,
}

/// Rows of memory that were replaced by spare ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remapped {
    /// For errors that were corrected.
    pub corrected: u32,
    /// For errors that were not.
    pub uncorrected: u32,
    /// One is to be replaced at the next reset.
    pub pending: bool,
    /// One could not be replaced: there is no spare row left.
    pub failed: bool,
}

/// NVML's counters, before everything and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Before anything was measured.
    pub before: Counters,
    /// After everything was.
    pub after: Counters,
    /// Errors that the driver reported meanwhile (XIDs); none where it could not be listened to.
    pub xids: Option<Vec<u64>>,
}
