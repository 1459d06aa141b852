//! What is measured as a figure, and its units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::TensorType;

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
