//! What a healthy GPU of a model reaches of its peaks, and from where on it is told to be slow.
//!
//! The peak of a specification is no measure of a kernel: `mma.sync` cannot reach what Hopper's and Blackwell's own
//! instructions do, a board of 70 W cannot keep its clocks. So each has its fraction by instruction and chip. Where a source is
//! named the figure was measured there; J is a judgement. Those of models that are [`Model::calibrated`] were measured with our kernels on
//! one GPU of each, whose reports are kept in `gpucheck/reports`: [`OURS`]. What two of one model differ by is still a judgement.

use crate::format::TensorType;
use crate::models::{Fabric, MemoryKind, Model};
use crate::report::{PcieLink, Quantity};

/// Against a stored baseline of the model: SuperBench's rules for Azure's NDv4 fail at 10 % less, its documentation and
/// `AzNHC` warn at 5 %.
pub const BASELINE: Band = Band { expected: 1.0, warn: 0.95, fail: 0.90, source: "a stored baseline" };
/// Against the median of the node: 5 % between equal GPUs is usual (ml-engineering); the bounds are a judgement.
pub const NODE: Band = Band { expected: 1.0, warn: 0.95, fail: 0.88, source: "the median of the node" };
/// The last third of a burn against its first: a judgement.
pub const DECAY: Band = Band { expected: 1.0, warn: 0.95, fail: 0.90, source: "the first third of the burn" };

/// Where what is expected of calibrated models is from: an H100 SXM and an H200 SXM, 2026-11-28, driver 580.159.
const OURS: &str = "measured with these kernels on one of its model; bounds J";

/// Fractions of a peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// What a healthy one reaches.
    pub expected: f64,
    /// Below this it is told to be slow.
    pub warn: f64,
    /// Below this it is not what was paid for.
    pub fail: f64,
    /// Where that is from.
    pub source: &'static str,
}

/// A peak, in the unit of what is measured, and what of it counts as what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// By the specification.
    pub peak: f64,
    /// What of it is enough.
    pub band: Band,
}

impl Expectation {
    /// What a healthy one reaches, in the unit of what is measured.
    pub fn expected(&self) -> f64 {
        self.peak * self.band.expected
    }
}

const fn band(expected: f64, warn: f64, fail: f64, source: &'static str) -> Band {
    Band { expected, warn, fail, source }
}

/// What is expected of one figure of one GPU. `link`: as it was under load; the model's own where nobody saw it.
pub fn expectation(model: &Model, quantity: Quantity, link: Option<&PcieLink>) -> Option<Expectation> {
    let (peak, band) = match quantity {
        Quantity::CopyBandwidth | Quantity::TriadBandwidth => (model.bandwidth, memory(model)),
        Quantity::HostToDevice | Quantity::DeviceToHost => return Some(pcie(model, link)),
        Quantity::Fp32Rate => (model.fp32, fp32(model)),
        _ => {
            let kind = quantity.tensor()?;
            let peak = model.tensor(kind)?;
            (peak, if quantity.is_library() { library(model, kind) } else { mma(model, kind) })
        }
    };
    Some(Expectation { peak, band })
}

/// Of the peak of device memory.
fn memory(model: &Model) -> Band {
    match (model.memory_kind, model.capability) {
        _ if model.calibrated => band(0.86, 0.79, 0.70, OURS),
        (MemoryKind::Gddr, _) => band(0.82, 0.75, 0.65, "DCGM measured 76-88 % on GDDR; bounds J"),
        (_, (10, _)) => band(0.72, 0.65, 0.55, "DCGM measured 68-77 % on Blackwell; bounds J"),
        _ if model.bandwidth >= 4000.0 => band(0.70, 0.62, 0.55, "DCGM measured 61-71 % on H200 and its kin; bounds J"),
        _ => band(0.80, 0.72, 0.60, "DCGM measured 70-90 % on HBM; bounds J"),
    }
}

/// Of the peak of FP32, by chains of multiply-adds.
fn fp32(model: &Model) -> Band {
    match model.watts {
        _ if model.calibrated => band(0.95, 0.88, 0.78, OURS),
        ..=150 => band(0.70, 0.55, 0.45, "boards of 70-150 W cannot keep their clocks; J"),
        ..=350 if model.memory_kind == MemoryKind::Gddr => band(0.80, 0.65, 0.55, "boards of 350 W at most; J"),
        _ => band(0.92, 0.85, 0.75, "SuperBench measured 94 % with SGEMM on A100; bounds J"),
    }
}

/// Of the peak of the tensor cores, by `mma.sync`.
fn mma(model: &Model, kind: TensorType) -> Band {
    match (model.capability, kind) {
        // Hopper's full rate needs `wgmma`, Blackwell's `tcgen05`.
        (_, TensorType::Fp8) if model.calibrated => band(0.54, 0.48, 0.42, OURS),
        _ if model.calibrated => band(0.66, 0.60, 0.53, OURS),
        ((9, _), TensorType::Fp8) => {
            band(0.50, 0.40, 0.30, "54 % measured on H100 and H200 with these kernels; bounds J")
        }
        ((9, _), _) => band(0.60, 0.52, 0.45, "mma.sync tops out at 60-65 % on Hopper; bounds J"),
        ((10, _), TensorType::Fp8) => band(0.15, 0.10, 0.07, "mma.sync is not Blackwell's way; J"),
        ((10, _), _) => band(0.30, 0.20, 0.15, "mma.sync is not Blackwell's way; J"),
        _ => whole(model, kind),
    }
}

/// Of the peak of the tensor cores, by cuBLASLt.
fn library(model: &Model, kind: TensorType) -> Band {
    match model.capability {
        _ if model.calibrated => match kind {
            TensorType::Fp8 => band(0.68, 0.60, 0.52, OURS),
            TensorType::Tf32 => band(0.88, 0.79, 0.70, OURS),
            _ => band(0.76, 0.68, 0.60, OURS),
        },
        (9, _) if kind == TensorType::Fp8 => band(0.70, 0.60, 0.50, "MAMF: 71-73 % on H100 and H200; bounds J"),
        (10, _) if kind == TensorType::Fp8 => band(0.72, 0.60, 0.50, "MAMF: 72-76 % on B200 and its kin; bounds J"),
        (9, _) => band(0.76, 0.68, 0.60, "MAMF: 75-80 % on H100 and H200; bounds J"),
        (10, _) => band(0.75, 0.65, 0.55, "MAMF: 73-79 % on B200 and B300; bounds J"),
        _ => whole(model, kind),
    }
}

/// Of the peak of the tensor cores, where `mma.sync` is the chip's own way.
fn whole(model: &Model, kind: TensorType) -> Band {
    match model.watts {
        ..=75 => band(0.60, 0.45, 0.35, "boards of 70 W cannot keep their clocks; J"),
        ..=350 if model.memory_kind == MemoryKind::Gddr && model.capability >= (8, 9) => {
            band(0.72, 0.60, 0.50, "boards of 350 W at most; J")
        }
        ..=350 if model.memory_kind == MemoryKind::Gddr => band(0.68, 0.55, 0.45, "boards of 150-300 W; J"),
        _ if model.capability < (8, 0) => band(0.80, 0.70, 0.60, "Volta; J"),
        _ if kind == TensorType::Tf32 => band(0.82, 0.75, 0.68, "SuperBench measured 82 % on A100; bounds J"),
        _ => band(0.85, 0.78, 0.70, "MAMF and SuperBench: 81-90 % on A100; bounds J"),
    }
}

/// What a PCIe link of a generation and width could carry one way, in GB/s.
pub fn pcie_peak(generation: u32, width: u32) -> f64 {
    let lane = match generation {
        ..=3 => 0.984,
        4 => 1.969,
        5 => 3.938,
        _ => 7.563,
    };
    lane * f64::from(width)
}

/// Of pinned copies over the link that is there: `AzNHC`'s floors, as fractions of what the link could carry.
fn pcie(model: &Model, link: Option<&PcieLink>) -> Expectation {
    let (generation, width) = link.map_or((model.pcie, 16), |link| (link.generation, link.width));
    let band = match generation {
        ..=3 => band(0.78, 0.63, 0.60, "AzNHC: 9-10 of 12 GB/s on Gen3 x16"),
        4 => band(0.82, 0.70, 0.67, "AzNHC: 21 of 26 GB/s on Gen4 x16"),
        5 => band(0.87, 0.80, 0.76, "AzNHC: 48 of 55 GB/s on Gen5 x16"),
        _ => band(0.85, 0.74, 0.70, "Gen6; J"),
    };
    Expectation { peak: pcie_peak(generation, width), band }
}

/// What is expected between two GPUs without the host. Those that NVLink does not join, each to each, are only expected to do what
/// the slower of their PCIe links lets them: a bridge or a mesh is faster between some.
pub fn direct(model: &Model, links: [Option<&PcieLink>; 2]) -> Expectation {
    let Fabric::NvLink(peak) = model.fabric else {
        let peak = slower(model, links);
        return Expectation { peak, band: band(0.75, 0.45, 0.30, "peer copies over PCIe; J") };
    };
    let band = match model.capability {
        (8, _) => band(0.90, 0.82, 0.78, "AzNHC: 235 of 300 GB/s on A100"),
        (9, _) => band(0.85, 0.78, 0.74, "AzNHC: 335 of 450 GB/s on H100 and H200"),
        _ => band(0.82, 0.75, 0.70, "NVLink of 900 GB/s one way; J"),
    };
    Expectation { peak, band }
}

/// What the slower of two links could carry.
fn slower(model: &Model, links: [Option<&PcieLink>; 2]) -> f64 {
    let [from, to] = links.map(|link| pcie(model, link).peak);
    from.min(to)
}

/// What is expected between two GPUs through the host: a copy there and then a copy from there, over the slower of their links.
pub fn staged(model: &Model, links: [Option<&PcieLink>; 2]) -> Expectation {
    Expectation { peak: slower(model, links) / 2.0, band: band(0.85, 0.50, 0.40, "two copies one after the other; J") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{MODELS, named};

    #[test]
    fn bounds_are_in_their_order_for_every_model_and_figure() {
        for model in MODELS {
            for quantity in Quantity::ALL {
                let Some(Expectation { peak, band }) = expectation(model, quantity, None) else { continue };
                assert!(peak > 0.0 && 0.0 < band.fail && band.fail < band.warn, "{} {quantity}", model.name);
                assert!(band.warn < band.expected && band.expected <= 1.0, "{} {quantity}", model.name);
            }
        }
    }

    #[test]
    fn the_floors_of_those_who_gate_nodes_are_kept() {
        // AzNHC (2026-05-01): H2D and D2H 21 and 48 GB/s, P2P 235 and 335 GB/s, each a failure below.
        let floor = |expectation: Expectation| expectation.peak * expectation.band.fail;
        let near = |found: f64, wanted: f64| (found - wanted).abs() / wanted < 0.02;
        let (a100, h100) = (named("A100-SXM4-40GB").unwrap(), named("H100-SXM5-80GB").unwrap());
        assert!(near(floor(expectation(a100, Quantity::HostToDevice, None).unwrap()), 21.0));
        assert!(near(floor(expectation(h100, Quantity::DeviceToHost, None).unwrap()), 48.0));
        assert!(near(floor(direct(a100, [None, None])), 235.0));
        assert!(near(floor(direct(h100, [None, None])), 335.0));
    }

    #[test]
    fn a_healthy_hopper_is_not_failed_for_what_mma_sync_cannot_do() {
        let h100 = named("H100-SXM5-80GB").unwrap();
        let mma = expectation(h100, Quantity::Fp16Rate, None).unwrap();
        // 66 % of the peak is all that there is: well above the floor, and that of cuBLASLt would tell it to be slow.
        assert!(0.66 > mma.band.warn);
        assert!(expectation(h100, Quantity::LibraryFp16Rate, None).unwrap().band.warn > 0.66);
    }

    #[test]
    fn gpus_without_nvlink_are_expected_to_do_what_their_links_let_them() {
        let l40s = named("L40S").unwrap();
        let half = PcieLink { generation: 4, width: 8, most_generation: 4, most_width: 8 };
        assert!((direct(l40s, [None, Some(&half)]).peak - pcie_peak(4, 8)).abs() < 1e-9);
        assert!((staged(l40s, [None, None]).peak - pcie_peak(4, 16) / 2.0).abs() < 1e-9);
    }

    #[test]
    fn half_a_link_is_expected_to_carry_half() {
        let t4 = named("T4").unwrap();
        let link = PcieLink { generation: 3, width: 8, most_generation: 3, most_width: 8 };
        let [half, whole] = [Some(&link), None].map(|link| expectation(t4, Quantity::HostToDevice, link).unwrap());
        assert!((half.expected() * 2.0 - whole.expected()).abs() < 1e-9);
    }
}
