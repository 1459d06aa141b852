//! All GPUs at once, for as long as is asked: tensor cores and memory together. All words of memory that are read are looked at, and of
//! the sums those that each round ends with.

use super::device::{Device, DeviceError};
use super::kernels::{self, Faults, Pattern};
use super::rates;
use crate::format::TensorType;
use crate::nvml::Eye;
use crate::reference::Chains;
use crate::report::{Burn, Conditions, Correctness, Figures, Outcome, Unit, median};

/// How long one look at a GPU is apart from the next, in seconds by its clock.
const ROUND: f64 = 0.5;
/// How long what is told is apart, likewise.
const TOLD: f64 = 5.0;
/// Bytes of memory that are looked at meanwhile: more than any cache holds.
const MEMORY: usize = 1 << 30;
const SEED: u32 = 0xb0b0;

/// Burns one GPU; others do so in threads of their own. `tick`: how many seconds are done.
pub(crate) fn measure(
    device: &Device,
    seconds: f64,
    eye: Option<&Eye>,
    tick: impl Fn(f64),
) -> Result<Burn, DeviceError> {
    let (chains, operands) = rates::operands(device, TensorType::Fp16, 0xb0b0)?;
    let (free, _) = device.memory()?;
    let memory = device.allocate(MEMORY.min(free / 2) / 4096 * 4096)?;
    kernels::write(device, &memory, 0, Pattern::Address(SEED))?;
    let faults = Faults::new(device)?;
    let launch = |pairs| kernels::burn(device, &operands, pairs, &memory, SEED, &faults);
    let pairs = rates::long_enough(Chains::most_pairs(TensorType::Fp16), |pairs| device.timed(|| launch(pairs)))?;
    let once = device.timed(|| launch(pairs))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 1 and 1000.
    let launches = (ROUND / once).clamp(1.0, 1000.0) as u32;
    let operations = operands.operations(device, pairs) * f64::from(launches);
    let mut answers = Correctness { compared: 0, wrong: 0, first_wrong: None, seeds: 1, multiprocessors: None };
    let mut samples = Vec::new();
    let mut conditions = eye.map(|_| Conditions::default());
    let (mut burnt, mut told) = (0.0, 0.0);
    while burnt < seconds {
        let timer = device.start()?;
        for _ in 0..launches {
            launch(pairs)?;
        }
        // It is asked while it is at it.
        eye.into_iter().zip(conditions.as_mut()).for_each(|(eye, conditions)| eye.look(conditions));
        let took = timer.stop()?;
        burnt += took;
        samples.push(operations / took / 1e12);
        add(&mut answers, rates::compare_sums(device, &operands, &chains, pairs)?);
        if burnt >= told + TOLD || burnt >= seconds {
            tick(burnt);
            told = burnt;
        }
    }
    let (wrong_words, _) = faults.read(device)?;
    let thirds = thirds(&samples);
    let rate = Figures::of(Unit::TeraflopsPerSecond, "mma and memory at once", samples).ok_or(DeviceError::NoTime)?;
    let conditions = conditions.map_or_else(|| Outcome::not_checked("there is no NVML"), Outcome::Measured);
    Ok(Burn { seconds: burnt, rate, thirds, answers, wrong_words, conditions })
}

fn add(sum: &mut Correctness, more: Correctness) {
    sum.compared += more.compared;
    sum.wrong += more.wrong;
    sum.first_wrong = sum.first_wrong.take().or(more.first_wrong);
}

/// The median of the first third, and of the last.
fn thirds(samples: &[f64]) -> (f64, f64) {
    let part = samples.len().div_ceil(3);
    let middle = |part: &[f64]| {
        let mut part = part.to_vec();
        part.sort_by(f64::total_cmp);
        median(&part)
    };
    (middle(&samples[..part]), middle(&samples[samples.len() - part..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirds_are_of_the_start_and_the_end() {
        let near =
            |found: (f64, f64), wanted: (f64, f64)| (found.0 - wanted.0).abs() + (found.1 - wanted.1).abs() < 1e-9;
        assert!(near(thirds(&[9.0]), (9.0, 9.0)));
        assert!(near(thirds(&[9.0, 8.0]), (9.0, 8.0)));
        assert!(near(thirds(&[9.0, 10.0, 11.0, 5.0, 5.0, 5.0, 7.0, 8.0, 6.0]), (10.0, 7.0)));
    }
}
