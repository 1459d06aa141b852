//! What machine the double is.

use std::sync::OnceLock;

use serde::Deserialize;

/// The machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) gpus: Vec<Gpu>,
    /// How many of them CUDA sees, if not all.
    pub(crate) seen_by_cuda: Option<usize>,
    /// As `cuDriverGetVersion` has it: 12040 for 12.4.
    #[serde(default = "twelve_four")]
    pub(crate) version: i32,
    /// The newest PTX that the driver knows, times ten: 84 for 8.4.
    #[serde(default = "eight_four")]
    pub(crate) ptx: u32,
    /// Bytes a second between two GPUs, if one can reach the other.
    pub(crate) peer: Option<f64>,
    /// What `cuInit` answers.
    #[serde(default)]
    pub(crate) init: i32,
    /// What the library prints on standard output as it starts.
    pub(crate) prints: Option<String>,
}

fn twelve_four() -> i32 {
    12040
}

fn eight_four() -> u32 {
    84
}

/// One GPU. Rates are in bytes or floating-point operations a second.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gpu {
    pub(crate) name: String,
    pub(crate) memory: u64,
    pub(crate) capability: (i32, i32),
    pub(crate) multiprocessors: u32,
    #[serde(default)]
    pub(crate) ecc: bool,
    pub(crate) bandwidth: f64,
    pub(crate) host: f64,
    pub(crate) fp32: f64,
    pub(crate) fp16: f64,
    #[serde(default)]
    pub(crate) bf16: f64,
    #[serde(default)]
    pub(crate) tf32: f64,
    #[serde(default)]
    pub(crate) fp8: f64,
    /// FP16, BF16, TF32 and FP8 by cuBLASLt.
    #[serde(default)]
    pub(crate) library: (f64, f64, f64, f64),
    /// Generation and width of the link, and the most of each.
    pub(crate) pcie: (u32, u32, u32, u32),
    #[serde(default)]
    pub(crate) ill: Illness,
    #[serde(default)]
    pub(crate) counted: Counted,
}

/// What ails a GPU.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Illness {
    /// A bit of memory that is always one: the byte, and the bit in it.
    pub(crate) stuck: Option<(u64, u32)>,
    /// A kernel whose answer has one wrong bit, on multiprocessor 7.
    pub(crate) wrong: Option<String>,
    /// A kernel that never ends.
    pub(crate) hangs: Option<String>,
    /// A kernel after which every call fails.
    pub(crate) breaks: Option<String>,
    /// A kernel that takes the process with it.
    pub(crate) crashes: Option<String>,
    /// A bit that is turned over on its way to another GPU.
    pub(crate) garbles_peers: bool,
    /// Of its rate, how much is lost in each minute of burning.
    pub(crate) fades: f64,
}

/// What NVML counts of a GPU: before, and after the first look.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Counted {
    pub(crate) corrected: (u64, u64),
    pub(crate) uncorrected: (u64, u64),
    /// Corrected, uncorrected, pending, failed. None: the call is not supported.
    pub(crate) rows: Option<(u32, u32, u32, u32)>,
    pub(crate) xids: Vec<u64>,
    /// NVLinks up, and down.
    pub(crate) links: (u32, u32),
    pub(crate) throttle: u64,
}

/// The settings that the environment has.
pub(crate) fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let text = std::env::var("GPUCHECK_DOUBLE").expect("GPUCHECK_DOUBLE says what machine this is");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("GPUCHECK_DOUBLE: {error}"))
    })
}
