//! Numbers by their bits, told apart from the program that is tested.

/// Reads elements of so many bytes, lowest first.
pub(crate) fn elements(bytes: &[u8], size: usize) -> Vec<u32> {
    bytes
        .chunks_exact(size)
        .map(|element| element.iter().rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte)))
        .collect()
}

/// A number with so many bits of exponent and of fraction.
fn value(bits: u32, exponent_bits: u32, fraction_bits: u32) -> f64 {
    let fraction = bits & ((1 << fraction_bits) - 1);
    let exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
    let middle = (1 << (exponent_bits - 1)) - 1;
    let whole = f64::from(fraction) / f64::from(1u32 << fraction_bits);
    let size =
        if exponent == 0 { whole * 2f64.powi(1 - middle) } else { (1.0 + whole) * 2f64.powi(exponent as i32 - middle) };
    if bits >> (exponent_bits + fraction_bits) & 1 == 1 { -size } else { size }
}

/// A type by the name that its kernels end with: bytes of an element, and its value.
pub(crate) fn format(name: &str) -> (usize, fn(u32) -> f64) {
    match name {
        "fp16" => (2, |bits| value(bits, 5, 10)),
        "bf16" => (2, |bits| value(bits, 8, 7)),
        // TF32 is stored in 32 bits, of which the lowest 13 are not looked at.
        "tf32" => (4, |bits| value(bits >> 13, 8, 10)),
        "fp32" => (4, |bits| f64::from(f32::from_bits(bits))),
        "fp8" => (1, |bits| value(bits, 4, 3)),
        other => panic!("there is no type {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_the_values_that_the_standards_give_them() {
        let at = |name: &str, bits| format(name).1(bits);
        let found = [
            at("fp16", 0xc400),
            at("bf16", 0x42c8),
            at("tf32", 0x4040_0000),
            at("fp8", 0x57),
            at("fp8", 0xb8),
            at("fp16", 0),
        ];
        assert_eq!(found.map(|value| value.to_string()), ["-4", "100", "3", "15", "-1", "0"]);
    }
}
