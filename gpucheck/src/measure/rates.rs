//! How fast it computes: FP32 by chains of multiply-adds, and each type of the tensor cores by `mma`. All results are compared.

use super::device::{Device, DeviceError};
use super::effort::Effort;
use super::kernels::{self, Operands};
use super::repeat;
use crate::format::TensorType;
use crate::reference::{Chains, Shape, fma_chains};
use crate::report::{Correctness, Figures, Unit};

/// A rate, and whether the results were right.
pub(crate) type Rate = (Figures, Correctness);

/// How long one launch is to take, in seconds: long beside what a launch costs, short beside what a person waits.
const LAUNCH: f64 = 0.004;

/// FP32 without tensor cores.
pub(crate) fn fp32(device: &Device, effort: &Effort) -> Result<Rate, DeviceError> {
    const SEED: u32 = 0x5eed;
    let results = device.allocate(kernels::fma_bytes(device))?;
    let pairs = long_enough(1 << 16, |pairs| device.timed(|| kernels::fma_chains(device, &results, pairs, SEED)))?;
    let seconds = repeat(device, effort, &|| kernels::fma_chains(device, &results, pairs, SEED))?;
    let operations = kernels::fma_operations(device, pairs);
    let answers = compare(&device.download(&results)?, &bytes(&fma_chains(pairs, SEED)), 32, "lane");
    Ok((figures("fma.rn.f32", operations, seconds)?, answers))
}

/// One type of the tensor cores.
pub(crate) fn tensor(device: &Device, kind: TensorType, effort: &Effort) -> Result<Rate, DeviceError> {
    let (chains, operands) = operands(device, kind, 0xc0de)?;
    let pairs =
        long_enough(Chains::most_pairs(kind), |pairs| device.timed(|| kernels::rate(device, &operands, pairs)))?;
    let seconds = repeat(device, effort, &|| kernels::rate(device, &operands, pairs))?;
    let operations = operands.operations(device, pairs);
    let answers = compare_sums(device, &operands, &chains, pairs)?;
    Ok((figures(chains.shape.instruction(), operations, seconds)?, answers))
}

/// The matrices of a type by a seed, here and on the GPU.
pub(crate) fn operands(device: &Device, kind: TensorType, seed: u64) -> Result<(Chains, Operands), DeviceError> {
    let (file, ..) = kernels::names(kind);
    let chains = Chains::new(kind, Shape::of(kind, device.tier(file)?), seed);
    let operands = Operands::new(device, kind, &chains)?;
    Ok((chains, operands))
}

/// Every warp's sums against the CPU's.
pub(crate) fn compare_sums(
    device: &Device,
    operands: &Operands,
    chains: &Chains,
    pairs: u32,
) -> Result<Correctness, DeviceError> {
    let wanted: Vec<u32> = chains.sums(pairs).iter().map(|sum| sum.to_bits()).collect();
    Ok(compare(&device.download(&operands.sums)?, &bytes(&wanted), wanted.len(), "sum"))
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What is found, against what should be there over and over: words, in groups of `group`.
fn compare(found: &[u8], wanted: &[u8], group: usize, what: &str) -> Correctness {
    let mut answers = Correctness { compared: 0, wrong: 0, first_wrong: None, seeds: 1, multiprocessors: None };
    for (number, part) in found.chunks(group * 4).enumerate() {
        answers.compared += (part.len() / 4) as u64;
        if part == wanted {
            continue;
        }
        for (at, (found, wanted)) in
            part.chunks(4).zip(wanted.chunks(4)).enumerate().filter(|(_, (found, wanted))| found != wanted)
        {
            answers.wrong += 1;
            answers
                .first_wrong
                .get_or_insert_with(|| format!("{what} {at} of group {number}: {found:02x?} for {wanted:02x?}"));
        }
    }
    answers
}

/// How many pairs of steps make a launch long enough; no more than `most`.
pub(crate) fn long_enough(most: u32, launch: impl Fn(u32) -> Result<f64, DeviceError>) -> Result<u32, DeviceError> {
    const FEW: u32 = 64;
    launch(FEW)?;
    let seconds = launch(FEW)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It is within `most`.
    Ok((LAUNCH / seconds * f64::from(FEW)).clamp(f64::from(FEW), f64::from(most)) as u32)
}

pub(crate) fn figures(by: &str, operations: f64, seconds: Vec<f64>) -> Result<Figures, DeviceError> {
    let samples = seconds.into_iter().map(|seconds| operations / seconds / 1e12).collect();
    Figures::of(Unit::TeraflopsPerSecond, by, samples).ok_or(DeviceError::NoTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_word_is_counted_and_the_first_is_told() {
        let wanted = bytes(&[1, 2, 3, 4]);
        let mut found = wanted.repeat(3);
        assert_eq!(compare(&found, &wanted, 4, "sum").wrong, 0);
        (found[21], found[40]) = (1, 9);
        let answers = compare(&found, &wanted, 4, "sum");
        assert_eq!((answers.compared, answers.wrong), (12, 2));
        assert_eq!(answers.first_wrong.unwrap(), "sum 1 of group 1: [02, 01, 00, 00] for [02, 00, 00, 00]");
    }

    #[test]
    fn launches_are_made_long_enough_and_no_longer_than_may_be() {
        let at = |rate: f64| long_enough(4096, move |pairs| Ok(f64::from(pairs) / rate)).unwrap();
        assert_eq!(at(1e6), 4000);
        assert_eq!((at(1e9), at(1e3)), (4096, 64));
        assert!(long_enough(4096, |_| Err(DeviceError::NoTime)).is_err());
    }
}
