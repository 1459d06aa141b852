//! Number formats of the tensor cores: small integers as the bits of each.

use serde::{Deserialize, Serialize};

/// What a tensor core multiplies. Sums are in FP32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorType {
    /// IEEE half precision: 11 bits of significand.
    Fp16,
    /// The upper half of FP32: 8 bits of significand.
    Bf16,
    /// FP32 with 11 bits of significand, stored in 32 bits.
    Tf32,
    /// FP8 of the kind e4m3: 4 bits of significand.
    Fp8,
}

impl TensorType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fp16, Self::Bf16, Self::Tf32, Self::Fp8];

    /// Its name, as kernels and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Tf32 => "tf32",
            Self::Fp8 => "fp8",
        }
    }

    /// Bytes of one element in memory.
    pub fn bytes(self) -> usize {
        match self {
            Self::Fp16 | Self::Bf16 => 2,
            Self::Tf32 => 4,
            Self::Fp8 => 1,
        }
    }

    /// The bits of an integer, which must have no more significant bits than the format (16 for FP8, 256 for BF16, 2048 for the
    /// others are the largest of which all smaller ones have).
    pub fn encode(self, value: i32) -> u32 {
        #[allow(clippy::cast_precision_loss)] // Integers as small as these are exact.
        let bits = (value as f32).to_bits();
        let (exponent, fraction) = (bits >> 23 & 0xff, bits & 0x7f_ffff);
        let sign = bits >> 31;
        match self {
            Self::Tf32 => bits,
            Self::Bf16 => bits >> 16,
            _ if value == 0 => 0,
            // The bias of an exponent is 127 in FP32, 15 in FP16, 7 in e4m3.
            Self::Fp16 => sign << 15 | (exponent - 127 + 15) << 10 | fraction >> 13,
            Self::Fp8 => sign << 7 | (exponent - 127 + 7) << 3 | fraction >> 20,
        }
    }

    /// Integers as they lie in the memory of a GPU.
    pub fn encode_all(self, values: &[i32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.encode(*value).to_le_bytes().into_iter().take(self.bytes())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_bits_that_the_standards_give_them() {
        // IEEE 754-2019 for FP16; OCP "8-bit Floating Point Specification" 1.0 for e4m3.
        let bits = |kind: TensorType| [0, 1, -1, 2, 3, -4].map(|value| kind.encode(value));
        assert_eq!(bits(TensorType::Fp16), [0, 0x3c00, 0xbc00, 0x4000, 0x4200, 0xc400]);
        assert_eq!(bits(TensorType::Bf16), [0, 0x3f80, 0xbf80, 0x4000, 0x4040, 0xc080]);
        assert_eq!(bits(TensorType::Tf32), [0, 0x3f80_0000, 0xbf80_0000, 0x4000_0000, 0x4040_0000, 0xc080_0000]);
        assert_eq!(bits(TensorType::Fp8), [0, 0x38, 0xb8, 0x40, 0x44, 0xc8]);
        assert_eq!(TensorType::Fp16.encode(100), 0x5640);
        assert_eq!(TensorType::Bf16.encode(100), 0x42c8);
        assert_eq!(TensorType::Fp8.encode(15), 0x57);
    }

    #[test]
    fn they_lie_in_memory_lowest_byte_first() {
        assert_eq!(TensorType::Fp16.encode_all(&[1, -1]), [0x00, 0x3c, 0x00, 0xbc]);
        assert_eq!(TensorType::Fp8.encode_all(&[1, -1]), [0x38, 0xb8]);
    }
}
