//! The kernels with their arguments, as `kernels/*.cu` declare them. Each is asked for no more than its buffers hold.

use super::device::{Argument, Buffer, Device, DeviceError};
use crate::format::TensorType;
use crate::reference::{CHAINS, DEPTH, EDGE, FMA_STEPS, Shape};

/// Threads of a block (`BLOCK` in `kernels/product.h`), and warps.
pub(crate) const BLOCK: usize = 256;
const WARPS: usize = BLOCK / 32;
/// Bytes of what one thread moves at once.
const QUAD: usize = 16;
/// Blocks for each multiprocessor where the grid strides over a buffer.
const STRIDING: u32 = 16;

type Done = Result<(), DeviceError>;

/// What is written to memory, as `kernels/pattern.h` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Every word is the seed.
    Constant(u32),
    /// Every word is another, by its index.
    Address(u32),
    /// One bit, a place further at each word.
    Walking(u32),
}

impl Pattern {
    fn arguments(self) -> [Argument<'static>; 2] {
        let (kind, seed) = match self {
            Self::Constant(seed) => (0, seed),
            Self::Address(seed) => (1, seed),
            Self::Walking(seed) => (2, seed),
        };
        [Argument::Narrow(kind), Argument::Narrow(seed)]
    }

    /// The word at an index.
    pub(crate) fn word(self, index: u64) -> u32 {
        #[allow(clippy::cast_possible_truncation)] // The lower half, and the upper.
        let (low, high) = (index as u32, (index >> 32) as u32);
        match self {
            Self::Constant(seed) => seed,
            Self::Address(seed) => low.wrapping_mul(0x9e37_79b1).wrapping_add(high) ^ seed,
            Self::Walking(seed) => 1 << (low % 32) ^ seed,
        }
    }
}

fn quads(buffer: &Buffer) -> Argument<'static> {
    Argument::Wide((buffer.bytes() / QUAD) as u64)
}

fn holds(buffer: &Buffer, bytes: usize) -> Done {
    if bytes <= buffer.bytes() { Ok(()) } else { Err(DeviceError::TooLarge(bytes, buffer.bytes())) }
}

/// As many blocks as give each thread one quad. Of an H200's peak a copy reached 89 % so, and 74-82 % where 16 blocks a multiprocessor
/// strode over the buffers; on an H100 the latter was now 74 %, now 85 % (2026-11-28, driver 580.159).
fn covering(buffer: &Buffer) -> u32 {
    u32::try_from((buffer.bytes() / QUAD).div_ceil(BLOCK)).unwrap_or(u32::MAX)
}

/// target = source.
pub(crate) fn copy(device: &Device, target: &Buffer, source: &Buffer) -> Done {
    holds(source, target.bytes())?;
    let arguments = [Argument::Buffer(target), Argument::Buffer(source), quads(target)];
    device.launch("bandwidth", "copy", covering(target), &arguments)
}

/// target = left + scale · right.
pub(crate) fn triad(device: &Device, target: &Buffer, left: &Buffer, right: &Buffer, scale: f32) -> Done {
    holds(left, target.bytes())?;
    holds(right, target.bytes())?;
    let [target_argument, left, right] = [target, left, right].map(Argument::Buffer);
    let arguments = [target_argument, left, right, Argument::Real(scale), quads(target)];
    device.launch("bandwidth", "triad", covering(target), &arguments)
}

/// Writes a pattern over a buffer, whose first quad of 16 bytes is the `first` of the whole.
pub(crate) fn write(device: &Device, memory: &Buffer, first: u64, pattern: Pattern) -> Done {
    let [kind, seed] = pattern.arguments();
    let arguments = [Argument::Buffer(memory), quads(memory), Argument::Wide(first), kind, seed];
    device.launch("memory", "memory_write", device.multiprocessors * STRIDING, &arguments)
}

/// What `memory_verify` adds up: how many words differ, and the index of the first of them.
pub(crate) struct Faults(Buffer);

impl Faults {
    pub(crate) fn new(device: &Device) -> Result<Self, DeviceError> {
        Ok(Self(device.upload(&[0u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat())?))
    }

    /// How many there were, and the first, if there is one.
    pub(crate) fn read(&self, device: &Device) -> Result<(u64, Option<u64>), DeviceError> {
        let bytes = device.download(&self.0)?;
        let word = |at: usize| bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        Ok((word(0), Some(word(8)).filter(|first| *first != u64::MAX)))
    }
}

/// Looks for a pattern in a buffer.
pub(crate) fn verify(device: &Device, memory: &Buffer, first: u64, pattern: Pattern, faults: &Faults) -> Done {
    let [kind, seed] = pattern.arguments();
    let arguments =
        [Argument::Buffer(memory), quads(memory), Argument::Wide(first), kind, seed, Argument::Buffer(&faults.0)];
    device.launch("memory", "memory_verify", device.multiprocessors * STRIDING, &arguments)
}

/// Blocks of the kernels that compute: enough that each multiprocessor has several.
pub(crate) fn computing_blocks(device: &Device) -> u32 {
    device.multiprocessors * 4
}

/// Bytes of what `fma_chains` leaves: a word a thread.
pub(crate) fn fma_bytes(device: &Device) -> usize {
    computing_blocks(device) as usize * BLOCK * 4
}

/// Chains of multiply-adds.
pub(crate) fn fma_chains(device: &Device, results: &Buffer, pairs: u32, seed: u32) -> Done {
    holds(results, fma_bytes(device))?;
    let [scale, shift, unscale, unshift] = FMA_STEPS.map(Argument::Real);
    let arguments =
        [Argument::Buffer(results), Argument::Narrow(pairs), scale, shift, unscale, unshift, Argument::Narrow(seed)];
    device.launch("fp32", "fma_chains", computing_blocks(device), &arguments)
}

/// Floating-point operations of one `fma_chains`.
pub(crate) fn fma_operations(device: &Device, pairs: u32) -> f64 {
    let threads = f64::from(computing_blocks(device)) * BLOCK as f64;
    threads * (CHAINS * 2 * 2) as f64 * f64::from(pairs)
}

/// The file and the kernels of a type on the tensor cores.
pub(crate) fn names(kind: TensorType) -> (&'static str, &'static str, &'static str, &'static str) {
    match kind {
        TensorType::Fp16 => ("fp16", "rate_fp16", "product_fp16", "burn_fp16"),
        TensorType::Bf16 => ("bf16", "rate_bf16", "product_bf16", "burn_bf16"),
        TensorType::Tf32 => ("tf32", "rate_tf32", "product_tf32", "burn_tf32"),
        TensorType::Fp8 => ("fp8", "rate_fp8", "product_fp8", "burn_fp8"),
    }
}

/// The matrices of `rate_*` and `burn_*` on a GPU, and room for the sums.
pub(crate) struct Operands {
    pub(crate) sums: Buffer,
    pub(crate) kind: TensorType,
    pub(crate) shape: Shape,
    ahead: Buffer,
    back: Buffer,
    b: Buffer,
}

impl Operands {
    pub(crate) fn new(
        device: &Device,
        kind: TensorType,
        chains: &crate::reference::Chains,
    ) -> Result<Self, DeviceError> {
        let shape = chains.shape;
        let sums = device.allocate(computing_blocks(device) as usize * WARPS * shape.m * shape.n * 4)?;
        let upload = |values: &[i32]| device.upload(&kind.encode_all(values));
        Ok(Self {
            sums,
            kind,
            shape,
            ahead: upload(&chains.ahead)?,
            back: upload(&chains.back)?,
            b: upload(&chains.b)?,
        })
    }

    fn arguments(&self, pairs: u32) -> [Argument<'_>; 5] {
        let [sums, ahead, back, b] = [&self.sums, &self.ahead, &self.back, &self.b].map(Argument::Buffer);
        [sums, ahead, back, b, Argument::Narrow(pairs)]
    }

    /// Floating-point operations of one launch.
    pub(crate) fn operations(&self, device: &Device, pairs: u32) -> f64 {
        let warps = f64::from(computing_blocks(device)) * WARPS as f64;
        warps * (2 * CHAINS) as f64 * f64::from(pairs) * self.shape.operations() as f64
    }
}

/// Chains of products.
pub(crate) fn rate(device: &Device, operands: &Operands, pairs: u32) -> Done {
    let (file, rate, _, _) = names(operands.kind);
    device.launch(file, rate, computing_blocks(device), &operands.arguments(pairs))
}

/// The same, with a look at memory in each round, in which [`Pattern::Address`] of the seed must be.
pub(crate) fn burn(
    device: &Device,
    operands: &Operands,
    pairs: u32,
    memory: &Buffer,
    seed: u32,
    faults: &Faults,
) -> Done {
    let (file, _, _, burn) = names(operands.kind);
    let [sums, ahead, back, b, pairs] = operands.arguments(pairs);
    let rest = [Argument::Buffer(memory), quads(memory), Argument::Narrow(seed), Argument::Buffer(&faults.0)];
    let arguments: Vec<Argument> = [sums, ahead, back, b, pairs].into_iter().chain(rest).collect();
    device.launch(file, burn, computing_blocks(device), &arguments)
}

/// The exact product by a kernel: `products` has EDGE × EDGE floats for each block, `multiprocessors` a word.
pub(crate) fn product(
    device: &Device,
    (file, kernel): (&'static str, &'static str),
    blocks: u32,
    [products, multiprocessors, a, b]: [&Buffer; 4],
) -> Done {
    holds(products, blocks as usize * EDGE * EDGE * 4)?;
    holds(multiprocessors, blocks as usize * 4)?;
    let depth = Argument::Narrow(u32::try_from(DEPTH).unwrap_or(u32::MAX));
    let [products, multiprocessors, a, b] = [products, multiprocessors, a, b].map(Argument::Buffer);
    device.launch(file, kernel, blocks, &[products, multiprocessors, a, b, depth])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_what_the_kernels_write() {
        assert_eq!(Pattern::Constant(7).word(9), 7);
        assert_eq!(Pattern::Address(0).word(1), 0x9e37_79b1);
        assert_eq!(Pattern::Address(0xff).word((1 << 32) + 2), 0x3c6e_f362u32.wrapping_add(1) ^ 0xff);
        assert_eq!([0, 1, 33].map(|index| Pattern::Walking(0).word(index)), [1, 2, 2]);
    }
}
