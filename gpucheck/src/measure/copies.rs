//! Copies between the host's pinned memory and a GPU, one GPU at a time.

use super::device::{Device, DeviceError, Pinned};
use super::effort::Effort;
use super::kernels::{self, Faults, Pattern};
use crate::report::{Correctness, Figures, Unit};

/// There, back, and whether what was sent came.
pub(crate) struct Copies {
    pub(crate) there: Figures,
    pub(crate) back: Figures,
    pub(crate) answers: Correctness,
}

/// `meanwhile` is called while a copy's link is still warm.
pub(crate) fn measure(device: &Device, effort: &Effort, meanwhile: impl FnOnce()) -> Result<Copies, DeviceError> {
    let bytes = effort.pinned_bytes;
    let pattern = Pattern::Address(0xbeef ^ device.index);
    let mut host = device.pin(bytes)?;
    fill(host.bytes_mut()?, pattern);
    let memory = device.allocate(bytes)?;
    let there = samples(effort, || device.send(&host, &memory))?;
    let faults = Faults::new(device)?;
    kernels::verify(device, &memory, 0, pattern, &faults)?;
    let (wrong_there, first) = faults.read(device)?;
    // What comes back is another pattern, so that what was there before can't pass for it.
    let other = Pattern::Address(!0xbeef ^ device.index);
    kernels::write(device, &memory, 0, other)?;
    let back = samples(effort, || device.receive(&memory, &mut host))?;
    meanwhile();
    let (wrong_back, first_back) = compare(&host, other)?;
    let answers = Correctness {
        compared: 2 * (bytes / 4) as u64,
        wrong: wrong_there + wrong_back,
        first_wrong: first.map(|word| format!("word {word} on the way there")).or(first_back),
        seeds: 1,
        multiprocessors: None,
    };
    let figures = |seconds: Vec<f64>| {
        let samples = seconds.into_iter().map(|seconds| bytes as f64 / seconds / 1e9).collect();
        Figures::of(Unit::GigabytesPerSecond, "copy engine, pinned memory", samples).ok_or(DeviceError::NoTime)
    };
    Ok(Copies { there: figures(there)?, back: figures(back)?, answers })
}

fn samples(effort: &Effort, mut copy: impl FnMut() -> Result<f64, DeviceError>) -> Result<Vec<f64>, DeviceError> {
    copy()?;
    (0..effort.repetitions).map(|_| copy()).collect()
}

/// Fills memory of the host with a pattern.
pub(crate) fn fill(bytes: &mut [u8], pattern: Pattern) {
    for (index, word) in (0..).zip(bytes.as_chunks_mut::<4>().0) {
        *word = pattern.word(index).to_le_bytes();
    }
}

fn compare(host: &Pinned, pattern: Pattern) -> Result<(u64, Option<String>), DeviceError> {
    let found = (0..).zip(host.bytes()?.as_chunks::<4>().0);
    let mut wrong = found.filter(|(index, word)| **word != pattern.word(*index).to_le_bytes());
    let first = wrong.next().map(|(index, word)| format!("word {index} on the way back: {word:02x?}"));
    Ok((u64::from(first.is_some()) + wrong.count() as u64, first))
}
