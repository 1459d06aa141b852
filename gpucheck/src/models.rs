//! The models of GPUs that are known, and what each can do by its specification.
//!
//! The figures are the vendor's peaks for dense matrices, as `stas00/ml-engineering` (2026-08-22, which cites the vendor's page
//! in each row), Lightning's `throughput.py` and NVIDIA's datasheets give them. What our kernels reach of them was measured for those that
//! are [`Model::calibrated`].

use crate::format::TensorType;
use crate::report::Identity;

/// What memory a model has: stacked on the chip's package, or on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// High-bandwidth memory.
    Hbm,
    /// Graphics memory.
    Gddr,
}

/// How the GPUs of a node are joined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fabric {
    /// By PCIe alone, or by a bridge between some.
    Pcie,
    /// Each to each by NVLink, with so many GB/s one way.
    NvLink(f64),
    /// Some to some by NVLink, over differing numbers of links.
    Mesh,
}

/// One model. Rates are peaks in TFLOP/s, bandwidths in GB/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// Our name for it.
    pub name: &'static str,
    /// What the driver's name has in it, all of these; see also `without`.
    pub words: &'static [&'static str],
    /// What the driver's name must not have in it.
    pub without: &'static [&'static str],
    /// The nominal size of its memory in GiB. Drivers and ECC hide some of it.
    pub memory: f64,
    /// Where the memory is.
    pub memory_kind: MemoryKind,
    /// Compute capability.
    pub capability: (u32, u32),
    /// The peak of device memory.
    pub bandwidth: f64,
    /// The peak of FP32 without tensor cores.
    pub fp32: f64,
    /// The peak of TF32.
    pub tf32: Option<f64>,
    /// The peak of FP16, and of BF16 where the chip has it.
    pub fp16: f64,
    /// The peak of FP8.
    pub fp8: Option<f64>,
    /// The generation of its PCIe link of 16 lanes.
    pub pcie: u32,
    /// How it is joined with others.
    pub fabric: Fabric,
    /// The power it may draw, in watts.
    pub watts: u32,
    /// Where the figures are from: V, the vendor's page by way of ml-engineering; L, Lightning's table; D, a datasheet from
    /// memory, to be read again.
    pub source: &'static str,
    /// Whether what is expected of it was measured with these kernels, on a GPU whose report is kept (`gpucheck/reports`). Of the
    /// others it comes from what others published.
    pub calibrated: bool,
}

impl Model {
    /// The peak of a type on the tensor cores, in TFLOP/s.
    pub fn tensor(&self, kind: TensorType) -> Option<f64> {
        match kind {
            TensorType::Fp16 => Some(self.fp16),
            TensorType::Bf16 => (self.capability >= (8, 0)).then_some(self.fp16),
            TensorType::Tf32 => self.tf32,
            TensorType::Fp8 => self.fp8,
        }
    }

    /// Whether its name and chip are those that the driver tells.
    fn is_named(&self, identity: &Identity) -> bool {
        self.capability == identity.compute_capability
            && self.words.iter().all(|word| identity.name.contains(word))
            && !self.without.iter().any(|word| identity.name.contains(word))
    }

    /// Whether as much memory is there as it should have: 90 to 103 % of the nominal size, since drivers and ECC hide some.
    pub fn has_its_memory(&self, bytes: u64) -> bool {
        #[allow(clippy::cast_precision_loss)] // To a percent.
        let share = bytes as f64 / (self.memory * f64::from(1 << 30));
        (0.90..=1.03).contains(&share)
    }
}

/// The model that a GPU is, by name and chip; of several sizes, the one whose memory is there, or else the one nearest.
pub fn identify(identity: &Identity) -> Option<&'static Model> {
    #[allow(clippy::cast_precision_loss)] // To a percent.
    let off = |model: &&Model| (identity.memory_bytes as f64 / f64::from(1 << 30) - model.memory).abs();
    MODELS.iter().filter(|model| model.is_named(identity)).min_by(|left, right| off(left).total_cmp(&off(right)))
}

/// The model of a name of ours.
pub fn named(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name.eq_ignore_ascii_case(name))
}

const BASE: Model = Model {
    name: "",
    words: &[],
    without: &[],
    memory: 0.0,
    memory_kind: MemoryKind::Hbm,
    capability: (0, 0),
    bandwidth: 0.0,
    fp32: 0.0,
    tf32: None,
    fp16: 0.0,
    fp8: None,
    pcie: 4,
    fabric: Fabric::Pcie,
    watts: 0,
    source: "",
    calibrated: false,
};
const VOLTA: Model =
    Model { capability: (7, 0), bandwidth: 900.0, fp32: 15.7, fp16: 125.0, pcie: 3, watts: 300, source: "D", ..BASE };
const AMPERE: Model = Model {
    capability: (8, 0),
    bandwidth: 2039.0,
    fp32: 19.5,
    tf32: Some(156.0),
    fp16: 312.0,
    watts: 400,
    source: "V",
    ..BASE
};
const HOPPER: Model = Model {
    capability: (9, 0),
    bandwidth: 3350.0,
    fp32: 67.0,
    tf32: Some(494.5),
    fp16: 989.0,
    fp8: Some(1979.0),
    pcie: 5,
    fabric: Fabric::NvLink(450.0),
    watts: 700,
    source: "V",
    ..BASE
};
const BLACKWELL: Model = Model {
    capability: (10, 0),
    bandwidth: 8000.0,
    fp32: 80.0,
    tf32: Some(1125.0),
    fp16: 2250.0,
    fp8: Some(4500.0),
    pcie: 5,
    fabric: Fabric::NvLink(900.0),
    watts: 1000,
    source: "V",
    ..BASE
};
const BOARD: Model = Model { memory_kind: MemoryKind::Gddr, capability: (8, 6), ..BASE };
const ADA: Model = Model { capability: (8, 9), ..BOARD };

/// Every model that is known.
pub const MODELS: &[Model] = &[
    Model { name: "V100-SXM2-16GB", words: &["V100-SXM2"], memory: 16.0, fabric: Fabric::Mesh, ..VOLTA },
    Model { name: "V100-SXM2-32GB", words: &["V100-SXM2"], memory: 32.0, fabric: Fabric::Mesh, ..VOLTA },
    Model { name: "V100-PCIE-16GB", words: &["V100-PCIE"], memory: 16.0, fp32: 14.0, fp16: 112.0, watts: 250, ..VOLTA },
    Model { name: "V100-PCIE-32GB", words: &["V100-PCIE"], memory: 32.0, fp32: 14.0, fp16: 112.0, watts: 250, ..VOLTA },
    Model {
        name: "T4",
        words: &["T4"],
        memory: 16.0,
        memory_kind: MemoryKind::Gddr,
        capability: (7, 5),
        bandwidth: 320.0,
        fp32: 8.1,
        fp16: 65.0,
        pcie: 3,
        watts: 70,
        source: "L, D",
        ..BASE
    },
    Model { name: "A100-SXM4-80GB", words: &["A100-SXM4-80GB"], memory: 80.0, fabric: Fabric::NvLink(300.0), ..AMPERE },
    Model {
        name: "A100-SXM4-40GB",
        words: &["A100-SXM4-40GB"],
        memory: 40.0,
        bandwidth: 1555.0,
        fabric: Fabric::NvLink(300.0),
        ..AMPERE
    },
    Model {
        name: "A100-PCIE-80GB",
        words: &["A100", "80GB PCIe"],
        memory: 80.0,
        bandwidth: 1935.0,
        watts: 300,
        ..AMPERE
    },
    Model { name: "A100-PCIE-40GB", words: &["A100-PCIE-40GB"], memory: 40.0, bandwidth: 1555.0, watts: 250, ..AMPERE },
    Model {
        name: "A10",
        words: &["A10"],
        without: &["A10G", "A100"],
        memory: 24.0,
        bandwidth: 600.0,
        fp32: 31.2,
        tf32: Some(62.5),
        fp16: 125.0,
        watts: 150,
        source: "L, D",
        ..BOARD
    },
    Model {
        name: "A10G",
        words: &["A10G"],
        memory: 24.0,
        bandwidth: 600.0,
        fp32: 35.0,
        tf32: Some(35.0),
        fp16: 70.0,
        watts: 300,
        source: "D",
        ..BOARD
    },
    Model {
        name: "RTX-A6000",
        words: &["RTX A6000"],
        memory: 48.0,
        bandwidth: 768.0,
        fp32: 38.7,
        tf32: Some(77.4),
        fp16: 154.8,
        watts: 300,
        source: "L, D",
        ..BOARD
    },
    Model {
        name: "L4",
        words: &["L4"],
        without: &["L40"],
        memory: 24.0,
        bandwidth: 300.0,
        fp32: 30.3,
        tf32: Some(60.0),
        fp16: 121.0,
        fp8: Some(242.0),
        watts: 72,
        source: "L, D",
        ..ADA
    },
    Model {
        name: "L40S",
        words: &["L40S"],
        memory: 48.0,
        bandwidth: 864.0,
        fp32: 91.6,
        tf32: Some(183.0),
        fp16: 362.0,
        fp8: Some(733.0),
        watts: 350,
        source: "V",
        ..ADA
    },
    Model {
        name: "H100-SXM5-80GB",
        words: &["H100", "HBM3"],
        without: &["PCIe", "NVL"],
        memory: 80.0,
        calibrated: true,
        ..HOPPER
    },
    Model {
        name: "H100-PCIE-80GB",
        words: &["H100 PCIe"],
        memory: 80.0,
        bandwidth: 2000.0,
        fp32: 51.0,
        tf32: Some(378.0),
        fp16: 756.0,
        fp8: Some(1513.0),
        fabric: Fabric::Pcie,
        watts: 350,
        ..HOPPER
    },
    Model {
        name: "H100-NVL-94GB",
        words: &["H100 NVL"],
        memory: 94.0,
        bandwidth: 3900.0,
        fp32: 60.0,
        tf32: Some(417.5),
        fp16: 835.5,
        fp8: Some(1671.0),
        fabric: Fabric::Pcie,
        watts: 400,
        source: "L, V",
        ..HOPPER
    },
    Model {
        name: "H200-SXM5-141GB",
        words: &["H200"],
        without: &["NVL", "GH200"],
        memory: 141.0,
        bandwidth: 4800.0,
        calibrated: true,
        ..HOPPER
    },
    Model {
        name: "H200-NVL-141GB",
        words: &["H200 NVL"],
        memory: 141.0,
        bandwidth: 4800.0,
        fp32: 60.0,
        tf32: Some(420.0),
        fp16: 840.0,
        fp8: Some(1680.0),
        fabric: Fabric::Pcie,
        watts: 600,
        source: "L, V",
        ..HOPPER
    },
    Model { name: "GH200-96GB", words: &["GH200"], memory: 96.0, bandwidth: 4000.0, fabric: Fabric::Pcie, ..HOPPER },
    Model { name: "GH200-144GB", words: &["GH200"], memory: 141.0, bandwidth: 4900.0, fabric: Fabric::Pcie, ..HOPPER },
    Model { name: "B200-180GB", words: &["B200"], without: &["GB200"], memory: 180.0, ..BLACKWELL },
    Model {
        name: "GB200-186GB",
        words: &["GB200"],
        memory: 186.0,
        tf32: Some(1250.0),
        fp16: 2500.0,
        fp8: Some(5000.0),
        watts: 1200,
        ..BLACKWELL
    },
    Model {
        name: "B300-288GB",
        words: &["B300"],
        without: &["GB300"],
        memory: 270.0,
        capability: (10, 3),
        pcie: 6,
        watts: 1100,
        source: "V, D",
        ..BLACKWELL
    },
    Model {
        name: "GB300-288GB",
        words: &["GB300"],
        memory: 279.0,
        capability: (10, 3),
        tf32: Some(1250.0),
        fp16: 2500.0,
        fp8: Some(5000.0),
        watts: 1400,
        source: "V, D",
        ..BLACKWELL
    },
    Model {
        name: "RTX-PRO-6000",
        words: &["RTX PRO 6000"],
        memory: 96.0,
        memory_kind: MemoryKind::Gddr,
        capability: (12, 0),
        bandwidth: 1597.0,
        fp32: 120.0,
        tf32: Some(252.0),
        fp16: 504.0,
        fp8: Some(1008.0),
        pcie: 5,
        watts: 600,
        source: "D",
        ..BASE
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, capability: (u32, u32), mib: u64) -> Identity {
        Identity {
            name: name.into(),
            uuid: String::new(),
            pci_address: String::new(),
            memory_bytes: mib << 20,
            compute_capability: capability,
            multiprocessors: 1,
            ecc: None,
        }
    }

    #[test]
    fn what_drivers_and_clouds_call_a_gpu_is_known() {
        // Names as RunPod's catalogue and drivers have them; sizes as AWS reports them.
        for (name, capability, mib, model) in [
            ("NVIDIA H100 80GB HBM3", (9, 0), 81_559, "H100-SXM5-80GB"),
            ("NVIDIA H100 PCIe", (9, 0), 81_559, "H100-PCIE-80GB"),
            ("NVIDIA H100 NVL", (9, 0), 95_830, "H100-NVL-94GB"),
            ("NVIDIA H200", (9, 0), 143_771, "H200-SXM5-141GB"),
            ("NVIDIA H200 NVL", (9, 0), 143_771, "H200-NVL-141GB"),
            ("NVIDIA GH200 480GB", (9, 0), 97_871, "GH200-96GB"),
            ("NVIDIA A100-SXM4-80GB", (8, 0), 81_920, "A100-SXM4-80GB"),
            ("NVIDIA A100-SXM4-40GB", (8, 0), 40_960, "A100-SXM4-40GB"),
            ("NVIDIA A100 80GB PCIe", (8, 0), 81_920, "A100-PCIE-80GB"),
            ("NVIDIA A10", (8, 6), 23_028, "A10"),
            ("NVIDIA A10G", (8, 6), 22_888, "A10G"),
            ("NVIDIA L4", (8, 9), 22_888, "L4"),
            ("NVIDIA L40S", (8, 9), 46_068, "L40S"),
            ("Tesla T4", (7, 5), 15_360, "T4"),
            ("Tesla V100-SXM2-16GB", (7, 0), 16_160, "V100-SXM2-16GB"),
            ("Tesla V100-SXM2-32GB", (7, 0), 32_510, "V100-SXM2-32GB"),
            ("NVIDIA B200", (10, 0), 183_359, "B200-180GB"),
            ("NVIDIA B300 SXM6 AC", (10, 3), 275_040, "B300-288GB"),
        ] {
            let identity = told(name, capability, mib);
            let found = identify(&identity).unwrap_or_else(|| panic!("{name} is not known"));
            assert_eq!(found.name, model, "{name}");
            assert!(found.has_its_memory(identity.memory_bytes), "{name} of {mib} MiB");
        }
    }

    #[test]
    fn a_name_alone_makes_no_model() {
        assert_eq!(identify(&told("NVIDIA H100 80GB HBM3", (8, 0), 81_559)), None);
        assert_eq!(identify(&told("NVIDIA GeForce RTX 9090", (12, 0), 32_768)), None);
        let half = told("NVIDIA H100 80GB HBM3", (9, 0), 40_000);
        assert!(!identify(&half).unwrap().has_its_memory(half.memory_bytes));
    }

    #[test]
    fn every_model_is_told_whole_and_once() {
        for model in MODELS {
            let peaks = [model.memory, model.bandwidth, model.fp32, model.fp16, f64::from(model.watts)];
            assert!(peaks.iter().all(|peak| *peak > 0.0) && !model.source.is_empty(), "{}", model.name);
            assert_eq!(model.fp8.is_some(), model.capability >= (8, 9), "{}", model.name);
            assert_eq!(MODELS.iter().filter(|other| other.name == model.name).count(), 1, "{}", model.name);
            assert_eq!(named(model.name), Some(model));
        }
    }
}
