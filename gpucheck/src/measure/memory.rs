//! Patterns over as much of memory as there is: all is written before any of it is verified.

use super::device::{Buffer, Device, DeviceError};
use super::effort::Effort;
use super::kernels::{self, Faults, Pattern};
use crate::report::MemoryTest;

/// Memory is taken in pieces of this size.
const PIECE: usize = 1 << 30;
/// The last pieces are as small as this.
const SMALLEST: usize = 16 << 20;
/// What is left to the driver.
const LEFT: usize = 128 << 20;

/// The patterns of one round.
fn patterns(round: u32) -> [Pattern; 6] {
    let seed = round.wrapping_mul(0x85eb_ca6b);
    [
        Pattern::Constant(0),
        Pattern::Constant(u32::MAX),
        Pattern::Constant(0xaaaa_aaaa ^ seed),
        Pattern::Address(seed),
        Pattern::Address(!seed),
        Pattern::Walking(seed),
    ]
}

pub(crate) fn measure(device: &Device, effort: &Effort) -> Result<MemoryTest, DeviceError> {
    let (_, of) = device.memory()?;
    let pieces = take_all(device)?;
    let bytes = pieces.iter().map(|piece| piece.bytes() as u64).sum();
    let mut test = MemoryTest { bytes, of: of as u64, patterns: 0, wrong_words: 0, first_wrong: None };
    for pattern in (0..effort.rounds).flat_map(patterns) {
        let faults = Faults::new(device)?;
        for (piece, first) in placed(&pieces) {
            kernels::write(device, piece, first, pattern)?;
        }
        for (piece, first) in placed(&pieces) {
            kernels::verify(device, piece, first, pattern, &faults)?;
        }
        let (wrong, first) = faults.read(device)?;
        test.patterns += 1;
        test.wrong_words += wrong;
        test.first_wrong = test.first_wrong.or(first.map(|word| word * 4));
    }
    Ok(test)
}

/// Takes pieces until there is no room for the smallest.
fn take_all(device: &Device) -> Result<Vec<Buffer>, DeviceError> {
    let mut pieces = Vec::new();
    let mut size = PIECE;
    while size >= SMALLEST {
        let (free, _) = device.memory()?;
        if free < size + LEFT {
            size /= 2;
            continue;
        }
        // Less may be had in one piece than is free.
        match device.allocate(size) {
            Ok(piece) => pieces.push(piece),
            Err(DeviceError::Driver(cudarc::driver::sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => size /= 2,
            Err(error) => return Err(error),
        }
    }
    Ok(pieces)
}

/// Each piece with the quad of 16 bytes that it begins with, of all.
fn placed(pieces: &[Buffer]) -> impl Iterator<Item = (&Buffer, u64)> {
    pieces.iter().scan(0, |next, piece| {
        let first = *next;
        *next += (piece.bytes() / 16) as u64;
        Some((piece, first))
    })
}
