//! The bandwidth of device memory, and whether what was copied came.

use super::device::{Buffer, Device, DeviceError};
use super::effort::Effort;
use super::kernels::{self, Faults, Pattern};
use super::{repeat, warm_up};
use crate::report::{Correctness, Figures, Unit};

/// Copy and triad, and the answers of both.
pub(crate) struct Bandwidth {
    pub(crate) copy: Figures,
    pub(crate) triad: Figures,
    pub(crate) answers: Correctness,
}

/// What the triad adds and multiplies: exact in FP32.
const LEFT: f32 = 1.5;
const RIGHT: f32 = 2.25;
const SCALE: f32 = 3.0;

pub(crate) fn measure(device: &Device, effort: &Effort) -> Result<Bandwidth, DeviceError> {
    let (free, _) = device.memory()?;
    let bytes = effort.bandwidth_bytes.min(free / 4) / 4096 * 4096;
    let allocate = || device.allocate(bytes);
    let (target, left, right) = (allocate()?, allocate()?, allocate()?);
    let faults = Faults::new(device)?;
    let seed = 0x1cee_d00d ^ device.index;
    kernels::write(device, &left, 0, Pattern::Address(seed))?;
    warm_up(device, effort.warm_up, &|| kernels::copy(device, &target, &left))?;
    let copy = figures(device, effort, 2 * bytes, || kernels::copy(device, &target, &left))?;
    kernels::verify(device, &target, 0, Pattern::Address(seed), &faults)?;
    let wanted = fill(device, &left, &right)?;
    let triad = figures(device, effort, 3 * bytes, || kernels::triad(device, &target, &left, &right, SCALE))?;
    kernels::verify(device, &target, 0, wanted, &faults)?;
    let (wrong, first) = faults.read(device)?;
    let answers = Correctness {
        compared: 2 * (bytes / 4) as u64,
        wrong,
        first_wrong: first.map(|word| format!("word {word} of a copy")),
        seeds: 1,
        multiprocessors: None,
    };
    Ok(Bandwidth { copy, triad, answers })
}

/// Fills what the triad reads; what it must write.
fn fill(device: &Device, left: &Buffer, right: &Buffer) -> Result<Pattern, DeviceError> {
    kernels::write(device, left, 0, Pattern::Constant(LEFT.to_bits()))?;
    kernels::write(device, right, 0, Pattern::Constant(RIGHT.to_bits()))?;
    Ok(Pattern::Constant(SCALE.mul_add(RIGHT, LEFT).to_bits()))
}

fn figures(
    device: &Device,
    effort: &Effort,
    bytes: usize,
    work: impl Fn() -> Result<(), DeviceError>,
) -> Result<Figures, DeviceError> {
    let seconds = repeat(device, effort, &work)?;
    let samples = seconds.into_iter().map(|seconds| bytes as f64 / seconds / 1e9).collect();
    Figures::of(Unit::GigabytesPerSecond, "16-byte loads and stores", samples).ok_or(DeviceError::NoTime)
}
