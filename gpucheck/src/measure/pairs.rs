//! Every pair of GPUs, each way: without the host, and through it.

use super::device::{Device, DeviceError};
use super::effort::Effort;
use super::kernels::{self, Faults, Pattern};
use crate::report::{Correctness, Figures, Outcome, Unit};

/// How often one repetition copies, so that it is long beside what a copy costs to begin.
const TIMES: u32 = 4;

/// Without the host. Inapplicable where the driver says that one can't reach the other.
pub(crate) fn direct(
    from: &Device,
    to: &Device,
    effort: &Effort,
) -> Result<(Outcome<Figures>, Outcome<Correctness>), DeviceError> {
    if !from.join(to)? {
        let reason = "one can't reach the other's memory";
        return Ok((Outcome::Inapplicable { reason: reason.into() }, Outcome::Inapplicable { reason: reason.into() }));
    }
    let (source, target) = (from.allocate(effort.direct_bytes)?, to.allocate(effort.direct_bytes)?);
    let pattern = pattern(from, to);
    kernels::write(from, &source, 0, pattern)?;
    kernels::write(to, &target, 0, Pattern::Constant(0))?;
    from.wait()?;
    from.send_to(&source, to, &target, 1)?;
    let bytes = f64::from(TIMES) * effort.direct_bytes as f64;
    let rate = || from.send_to(&source, to, &target, TIMES).map(|seconds| bytes / seconds / 1e9);
    let samples = (0..effort.repetitions).map(|_| rate()).collect::<Result<_, _>>()?;
    let faults = Faults::new(to)?;
    kernels::verify(to, &target, 0, pattern, &faults)?;
    let answers = answers(&faults, to, effort.direct_bytes)?;
    Ok((Outcome::Measured(figures("peer copy", samples)?), Outcome::Measured(answers)))
}

/// Through pinned memory of the host: there, and then from there.
pub(crate) fn staged(from: &Device, to: &Device, effort: &Effort) -> Result<(Figures, Correctness), DeviceError> {
    let bytes = effort.staged_bytes;
    let (source, target) = (from.allocate(bytes)?, to.allocate(bytes)?);
    let pattern = pattern(from, to);
    kernels::write(from, &source, 0, pattern)?;
    kernels::write(to, &target, 0, Pattern::Constant(0))?;
    to.wait()?;
    let mut host = from.pin(bytes)?;
    let mut once = || Ok(from.receive(&source, &mut host)? + to.send(&host, &target)?);
    once()?;
    let samples = (0..effort.repetitions.min(3)).map(|_| once().map(|seconds: f64| bytes as f64 / seconds / 1e9));
    let samples = samples.collect::<Result<_, DeviceError>>()?;
    let faults = Faults::new(to)?;
    kernels::verify(to, &target, 0, pattern, &faults)?;
    Ok((figures("two copies through pinned memory", samples)?, answers(&faults, to, bytes)?))
}

/// Another for each pair and way.
fn pattern(from: &Device, to: &Device) -> Pattern {
    Pattern::Address(0xface_0000 | from.index << 8 | to.index)
}

fn answers(faults: &Faults, device: &Device, bytes: usize) -> Result<Correctness, DeviceError> {
    let (wrong, first) = faults.read(device)?;
    let first_wrong = first.map(|word| format!("word {word} of what came"));
    Ok(Correctness { compared: (bytes / 4) as u64, wrong, first_wrong, seeds: 1, multiprocessors: None })
}

fn figures(by: &str, samples: Vec<f64>) -> Result<Figures, DeviceError> {
    Figures::of(Unit::GigabytesPerSecond, by, samples).ok_or(DeviceError::NoTime)
}
