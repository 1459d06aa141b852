//! What was measured, as plain data. Nothing is judged here: a report says what was found, and of what could not be looked at
//! that it was not, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::TensorType;

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

/// A figure that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Device memory, bytes read and written by a copy.
    CopyBandwidth,
    /// Device memory, bytes read and written by `a = b + s·c`.
    TriadBandwidth,
    /// From pinned memory of the host to the GPU, one GPU at a time.
    HostToDevice,
    /// From the GPU to pinned memory of the host, one GPU at a time.
    DeviceToHost,
    /// Fused multiply-adds in FP32, without tensor cores.
    Fp32Rate,
    /// FP16 products on the tensor cores, by `mma`.
    Fp16Rate,
    /// BF16 products on the tensor cores, by `mma`.
    Bf16Rate,
    /// TF32 products on the tensor cores, by `mma`.
    Tf32Rate,
    /// FP8 (e4m3) products on the tensor cores, by `mma`.
    Fp8Rate,
    /// FP16 by cuBLASLt's best shape, where that library is there.
    LibraryFp16Rate,
    /// BF16 by cuBLASLt's best shape, where that library is there.
    LibraryBf16Rate,
    /// TF32 by cuBLASLt's best shape, where that library is there.
    LibraryTf32Rate,
    /// FP8 by cuBLASLt's best shape, where that library is there.
    LibraryFp8Rate,
}

impl Quantity {
    /// All of them, in the order in which a table has them.
    pub const ALL: [Self; 13] = [
        Self::CopyBandwidth,
        Self::TriadBandwidth,
        Self::HostToDevice,
        Self::DeviceToHost,
        Self::Fp32Rate,
        Self::Fp16Rate,
        Self::Bf16Rate,
        Self::Tf32Rate,
        Self::Fp8Rate,
        Self::LibraryFp16Rate,
        Self::LibraryBf16Rate,
        Self::LibraryTf32Rate,
        Self::LibraryFp8Rate,
    ];

    /// Its name in reports and in `require`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CopyBandwidth => "copy_bandwidth",
            Self::TriadBandwidth => "triad_bandwidth",
            Self::HostToDevice => "host_to_device",
            Self::DeviceToHost => "device_to_host",
            Self::Fp32Rate => "fp32_rate",
            Self::Fp16Rate => "fp16_rate",
            Self::Bf16Rate => "bf16_rate",
            Self::Tf32Rate => "tf32_rate",
            Self::Fp8Rate => "fp8_rate",
            Self::LibraryFp16Rate => "library_fp16_rate",
            Self::LibraryBf16Rate => "library_bf16_rate",
            Self::LibraryTf32Rate => "library_tf32_rate",
            Self::LibraryFp8Rate => "library_fp8_rate",
        }
    }

    /// The unit of its figures.
    pub fn unit(self) -> Unit {
        match self {
            Self::CopyBandwidth | Self::TriadBandwidth | Self::HostToDevice | Self::DeviceToHost => {
                Unit::GigabytesPerSecond
            }
            _ => Unit::TeraflopsPerSecond,
        }
    }

    /// The rate of a type on the tensor cores, by `mma`.
    pub fn rate(kind: TensorType) -> Self {
        match kind {
            TensorType::Fp16 => Self::Fp16Rate,
            TensorType::Bf16 => Self::Bf16Rate,
            TensorType::Tf32 => Self::Tf32Rate,
            TensorType::Fp8 => Self::Fp8Rate,
        }
    }

    /// The rate of a type on the tensor cores, by cuBLASLt.
    pub fn library(kind: TensorType) -> Self {
        match kind {
            TensorType::Fp16 => Self::LibraryFp16Rate,
            TensorType::Bf16 => Self::LibraryBf16Rate,
            TensorType::Tf32 => Self::LibraryTf32Rate,
            TensorType::Fp8 => Self::LibraryFp8Rate,
        }
    }

    /// The type that the tensor cores multiply for it, if they do.
    pub fn tensor(self) -> Option<TensorType> {
        match self {
            Self::Fp16Rate | Self::LibraryFp16Rate => Some(TensorType::Fp16),
            Self::Bf16Rate | Self::LibraryBf16Rate => Some(TensorType::Bf16),
            Self::Tf32Rate | Self::LibraryTf32Rate => Some(TensorType::Tf32),
            Self::Fp8Rate | Self::LibraryFp8Rate => Some(TensorType::Fp8),
            _ => None,
        }
    }

    /// Whether cuBLASLt is what is measured, which need not be there.
    pub fn is_library(self) -> bool {
        matches!(self, Self::LibraryFp16Rate | Self::LibraryBf16Rate | Self::LibraryTf32Rate | Self::LibraryFp8Rate)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quantity {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|quantity| quantity.name() == name).ok_or(())
    }
}

/// The least compute capability whose tensor cores multiply a type.
pub fn least_capability(kind: TensorType) -> (u32, u32) {
    match kind {
        TensorType::Fp16 => (7, 0),
        TensorType::Bf16 | TensorType::Tf32 => (8, 0),
        TensorType::Fp8 => (8, 9),
    }
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// 10⁹ bytes a second.
    #[serde(rename = "GB/s")]
    GigabytesPerSecond,
    /// 10¹² floating-point operations a second; a multiply-add is two.
    #[serde(rename = "TFLOP/s")]
    TeraflopsPerSecond,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GigabytesPerSecond => "GB/s",
            Self::TeraflopsPerSecond => "TFLOP/s",
        })
    }
}

/// What came of looking at something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome<T> {
    /// This was found.
    Measured(T),
    /// It was not looked at, or could not be. That is never a pass.
    NotChecked {
        /// Why not.
        reason: String,
    },
    /// The attempt went wrong.
    Failed {
        /// What the driver said.
        error: String,
    },
    /// There is nothing of the kind here: one GPU has no pairs, a chip no FP8.
    Inapplicable {
        /// Why there is none.
        reason: String,
    },
}

impl<T> Outcome<T> {
    /// Not looked at, for this reason.
    pub fn not_checked(reason: impl Into<String>) -> Self {
        Self::NotChecked { reason: reason.into() }
    }

    /// What was found, if anything was.
    pub fn measured(&self) -> Option<&T> {
        match self {
            Self::Measured(found) => Some(found),
            _ => None,
        }
    }
}

impl<T> Outcome<Outcome<T>> {
    /// One that came of another.
    pub(crate) fn flat(self) -> Outcome<T> {
        match self {
            Self::Measured(inner) => inner,
            Self::NotChecked { reason } => Outcome::NotChecked { reason },
            Self::Failed { error } => Outcome::Failed { error },
            Self::Inapplicable { reason } => Outcome::Inapplicable { reason },
        }
    }
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self::not_checked("the run did not come to it")
    }
}

/// One figure, of several repetitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What it counts.
    pub unit: Unit,
    /// How often it was measured.
    pub repetitions: u32,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The slowest.
    pub least: f64,
    /// The fastest.
    pub most: f64,
    /// (most - least) / median.
    pub spread: f64,
    /// What did the work: an instruction, a copy engine, a library's shape.
    pub by: String,
}

impl Figures {
    /// Sums up repetitions; none where there is none, or one is no positive number.
    pub fn of(unit: Unit, by: impl Into<String>, mut samples: Vec<f64>) -> Option<Self> {
        if samples.is_empty() || samples.iter().any(|sample| !sample.is_finite() || *sample <= 0.0) {
            return None;
        }
        samples.sort_by(f64::total_cmp);
        let (least, most, median) = (samples[0], samples[samples.len() - 1], median(&samples));
        let repetitions = u32::try_from(samples.len()).ok()?;
        Some(Self { unit, repetitions, median, least, most, spread: (most - least) / median, by: by.into() })
    }
}

/// The middle of sorted numbers, of which there is one at least.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// How many answers were compared, and how many were wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correctness {
    /// Answers that were compared bit for bit with the CPU's.
    pub compared: u64,
    /// How many of them differed.
    pub wrong: u64,
    /// Where the first of them is, and what it was and should have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_wrong: Option<String>,
    /// Different inputs that were tried.
    pub seeds: u32,
    /// On how many multiprocessors it ran, where that was told, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiprocessors: Option<(u32, u32)>,
}

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

/// What went wrong with the measuring itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Incident {
    /// The process that talks to the driver ended by a signal.
    Crashed {
        /// The signal's number.
        signal: i32,
        /// What was being measured, and on which GPUs.
        during: Vec<String>,
    },
    /// It ended without an end of its report.
    Ended {
        /// Its exit status.
        status: i32,
        /// What was being measured.
        during: Vec<String>,
        /// What it said last.
        said: String,
    },
    /// It was still at it when the time was over, and was ended.
    Hung {
        /// The time that it had, in seconds.
        after: u64,
        /// What was being measured.
        during: Vec<String>,
    },
    /// It said what can't be read.
    Garbled {
        /// The start of what it said.
        said: String,
    },
    /// The driver refused.
    Refused {
        /// What was asked of it.
        what: String,
        /// What it said.
        error: String,
    },
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |during: &[String]| if during.is_empty() { "nothing in particular".into() } else { during.join(", ") };
        match self {
            Self::Crashed { signal, during } => {
                write!(f, "the measuring process died of signal {signal} during {}", at(during))
            }
            Self::Ended { status, during, said } => {
                write!(f, "the measuring process ended with status {status} during {}: {said}", at(during))
            }
            Self::Hung { after, during } => write!(f, "still measuring after {after} s: {}", at(during)),
            Self::Garbled { said } => write!(f, "the measuring process said what can't be read: {said}"),
            Self::Refused { what, error } => write!(f, "the driver refused {what}: {error}"),
        }
    }
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
