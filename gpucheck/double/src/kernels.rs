//! What each kernel must answer, from its arguments: written from what it promises, not from its text.

use std::sync::{Arc, Mutex, PoisonError};

use crate::contents::Content;
use crate::formats::{elements, format};
use crate::gpu::Gpu;
use crate::modules::Function;

/// Rows and columns of the exact product.
const EDGE: usize = 64;
/// What starting a kernel costs, in seconds.
const START: f64 = 3e-6;

/// A launch: the kernel's arguments by their bits, and its blocks and threads.
pub(crate) struct Launch<'a> {
    pub(crate) function: &'a Function,
    pub(crate) arguments: Vec<u64>,
    pub(crate) blocks: u64,
    pub(crate) threads: u64,
}

/// An address that a kernel may not touch.
pub(crate) const ILLEGAL_ADDRESS: i32 = 700;

/// Runs a kernel: changes memory and spends time.
pub(crate) fn run(gpu: &mut Gpu, launch: &Launch) -> Result<(), i32> {
    let name = launch.function.name.as_str();
    let seconds = match name.split_once('_') {
        None if name == "copy" => copy(gpu, launch)?,
        None if name == "triad" => triad(gpu, launch)?,
        Some(("memory", "write")) => write(gpu, launch)?,
        Some(("memory", "verify")) => verify(gpu, launch)?,
        Some(("fma", "chains")) => fma_chains(gpu, launch)?,
        Some(("product", kind)) => product(gpu, launch, kind)?,
        Some(("rate", kind)) => rate(gpu, launch, kind)?,
        Some(("burn", kind)) => burn(gpu, launch, kind)?,
        _ => panic!("there is no kernel {name}"),
    };
    gpu.spend(START + seconds);
    Ok(())
}

fn check(gpu: &Gpu, address: u64, length: u64) -> Result<(), i32> {
    let (_, at) = crate::gpu::place(address);
    if gpu.holds(at, length) { Ok(()) } else { Err(ILLEGAL_ADDRESS) }
}

fn copy(gpu: &mut Gpu, launch: &Launch) -> Result<f64, i32> {
    let [target, source, quads] = launch.arguments[..] else { panic!("copy has three arguments") };
    let bytes = quads * 16;
    check(gpu, target, bytes)?;
    check(gpu, source, bytes)?;
    for (at, length, content, from) in gpu.contents.taken(source, bytes) {
        gpu.contents.write(target + at, length, content, from);
    }
    Ok(2.0 * bytes as f64 / gpu.facts.bandwidth)
}

fn triad(gpu: &mut Gpu, launch: &Launch) -> Result<f64, i32> {
    let [target, left, right, scale, quads] = launch.arguments[..] else { panic!("triad has five arguments") };
    let (bytes, scale) = (quads * 16, f32::from_bits(scale as u32));
    [target, left, right].into_iter().try_for_each(|address| check(gpu, address, bytes))?;
    let constant = |stretches: Vec<(u64, u64, Content, u64)>| match stretches[..] {
        [(_, length, Content::Words(0, seed), _)] if length == bytes => f32::from_bits(seed),
        _ => panic!("the double adds what is one number all over"),
    };
    let left = constant(gpu.contents.stretches(left, bytes));
    let right = constant(gpu.contents.stretches(right, bytes));
    let sum = (f64::from(scale) * f64::from(right) + f64::from(left)) as f32;
    gpu.contents.write(target, bytes, Content::Words(0, sum.to_bits()), 0);
    Ok(3.0 * bytes as f64 / gpu.facts.bandwidth)
}

fn write(gpu: &mut Gpu, launch: &Launch) -> Result<f64, i32> {
    let [memory, quads, first, kind, seed] = launch.arguments[..] else { panic!("memory_write has five arguments") };
    check(gpu, memory, quads * 16)?;
    gpu.contents.write(memory, quads * 16, Content::Words(kind as u32, seed as u32), first * 16);
    Ok(quads as f64 * 16.0 / gpu.facts.bandwidth)
}

fn verify(gpu: &mut Gpu, launch: &Launch) -> Result<f64, i32> {
    let [memory, quads, first, kind, seed, faults] = launch.arguments[..] else {
        panic!("memory_verify has six arguments")
    };
    check(gpu, memory, quads * 16)?;
    check(gpu, faults, 16)?;
    let (wrong, place) = gpu.contents.differing(memory, quads * 4, kind as u32, seed as u32, first * 4);
    note(gpu, faults, wrong, place);
    Ok(quads as f64 * 16.0 / gpu.facts.bandwidth)
}

/// Adds to the faults, and lowers the place of the first.
fn note(gpu: &mut Gpu, faults: u64, wrong: u64, place: Option<u64>) {
    let found = gpu.contents.read(faults, 16);
    let wide = |at: usize| found[at..at + 8].iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let noted = [wide(0) + wrong, wide(8).min(place.unwrap_or(u64::MAX))];
    let bytes = noted.iter().flat_map(|word| word.to_le_bytes()).collect();
    gpu.contents.write(faults, 16, Content::Bytes(Arc::new(bytes)), 0);
}

fn bytes(words: impl IntoIterator<Item = u32>) -> Content {
    Content::Bytes(Arc::new(words.into_iter().flat_map(u32::to_le_bytes).collect()))
}

/// The arguments of the last chains, and what their lanes end with: the same ones are asked for again and again.
static LAST_CHAINS: Mutex<Option<(Vec<u64>, Vec<u32>)>> = Mutex::new(None);

fn fma_chains(gpu: &mut Gpu, launch: &Launch) -> Result<f64, i32> {
    let [results, pairs, scale, shift, unscale, unshift, seed] = launch.arguments[..] else {
        panic!("fma_chains has seven arguments")
    };
    let threads = launch.blocks * launch.threads;
    check(gpu, results, threads * 4)?;
    let real = |bits: u64| f32::from_bits(bits as u32);
    let key = launch.arguments[1..].to_vec();
    let mut last = LAST_CHAINS.lock().unwrap_or_else(PoisonError::into_inner);
    if last.as_ref().is_none_or(|(arguments, _)| *arguments != key) {
        let ends = (0..32u32).map(|lane| {
            let chain = |chain: u32| {
                let spread = (lane * 8 + chain + 1).wrapping_mul(0x9e37_79b1) ^ seed as u32;
                let start = 1.0 + (spread.wrapping_mul(0x85eb_ca6b) / 65536) as f32 / 65536.0;
                let there = |x: f32| x.mul_add(real(scale), real(shift));
                (0..pairs).fold(start, |x, _| there(x).mul_add(real(unscale), real(unshift))).to_bits()
            };
            // The first chain is turned furthest: by three bits for each that follows.
            (0..8).fold(0, |folded, number| folded ^ chain(number).rotate_left(3 * (7 - number)))
        });
        *last = Some((key, ends.collect()));
    }
    let ends = last.as_ref().map(|(_, ends)| ends.clone()).unwrap_or_default();
    gpu.contents.write(results, threads * 4, bytes(ends), 0);
    Ok(threads as f64 * 32.0 * pairs as f64 / gpu.facts.fp32)
}

fn rate_of(gpu: &Gpu, kind: &str) -> f64 {
    match kind {
        "fp16" => gpu.facts.fp16,
        "bf16" => gpu.facts.bf16,
        "tf32" => gpu.facts.tf32,
        _ => gpu.facts.fp8,
    }
}

/// Rows and depth of what one warp multiplies, by type and tier.
fn shape(kind: &str, tier: u32) -> (usize, usize) {
    match (kind, tier) {
        ("fp16", 70) => (32, 4),
        ("fp16", 75) | ("tf32", _) => (16, 8),
        ("fp8", _) => (16, 32),
        _ => (16, 16),
    }
}

fn values(gpu: &mut Gpu, address: u64, count: usize, kind: &str) -> Result<Vec<f64>, i32> {
    let (size, value) = format(kind);
    check(gpu, address, (count * size) as u64)?;
    Ok(elements(&gpu.contents.read(address, (count * size) as u64), size).into_iter().map(value).collect())
}

/// The sums that every warp ends with, stored one warp after the other; the operations of all.
fn sums(gpu: &mut Gpu, launch: &Launch, kind: &str) -> Result<f64, i32> {
    let [results, ahead, back, b, pairs] = launch.arguments[..5] else { panic!("a rate has five arguments") };
    let (rows, depth) = shape(kind, launch.function.tier);
    let [ahead, back] = [values(gpu, ahead, rows * depth, kind)?, values(gpu, back, rows * depth, kind)?];
    let b = values(gpu, b, 8 * depth * 8, kind)?;
    let mut sums = vec![0f64; rows * 8];
    for chain in b.chunks_exact(depth * 8) {
        for (at, sum) in sums.iter_mut().enumerate() {
            let (row, column) = (at / 8, at % 8);
            let once: f64 =
                (0..depth).map(|k| (ahead[row * depth + k] + back[row * depth + k]) * chain[k * 8 + column]).sum();
            *sum += once * pairs as f64;
        }
    }
    let warps = launch.blocks * launch.threads / 32;
    let length = warps * (rows * 8 * 4) as u64;
    check(gpu, results, length)?;
    gpu.contents.write(results, length, bytes(sums.iter().map(|sum| (*sum as f32).to_bits())), 0);
    if gpu.facts.ill.wrong.as_ref() == Some(&launch.function.name) {
        flip(gpu, results + length / 2);
    }
    Ok(warps as f64 * 16.0 * pairs as f64 * 2.0 * (rows * 8 * depth) as f64)
}

fn rate(gpu: &mut Gpu, launch: &Launch, kind: &str) -> Result<f64, i32> {
    Ok(sums(gpu, launch, kind)? / rate_of(gpu, kind))
}

fn burn(gpu: &mut Gpu, launch: &Launch, kind: &str) -> Result<f64, i32> {
    let operations = sums(gpu, launch, kind)?;
    let [memory, quads, seed, faults] = launch.arguments[5..] else { panic!("a burn has nine arguments") };
    check(gpu, memory, quads * 16)?;
    check(gpu, faults, 16)?;
    let (wrong, _) = gpu.contents.differing(memory, quads * 4, 1, seed as u32, 0);
    note(gpu, faults, wrong, None);
    let left = 1.0 - gpu.facts.ill.fades * gpu.burnt / 60.0;
    let seconds = operations / (rate_of(gpu, kind) * 0.9 * left.max(0.1));
    gpu.burnt += seconds;
    Ok(seconds)
}

/// Turns one bit over.
fn flip(gpu: &mut Gpu, address: u64) {
    let byte = gpu.contents.read(address, 1)[0] ^ 1;
    gpu.contents.write(address, 1, Content::Bytes(Arc::new(vec![byte])), 0);
}

fn product(gpu: &mut Gpu, launch: &Launch, kind: &str) -> Result<f64, i32> {
    let [products, multiprocessors, a, b, depth] = launch.arguments[..] else { panic!("a product has five arguments") };
    let depth = depth as usize;
    let (a, b) = (values(gpu, a, EDGE * depth, kind)?, values(gpu, b, depth * EDGE, kind)?);
    let mut sums = vec![0f64; EDGE * EDGE];
    for (row, line) in sums.chunks_exact_mut(EDGE).enumerate() {
        for k in 0..depth {
            let left = a[row * depth + k];
            line.iter_mut().zip(&b[k * EDGE..]).for_each(|(sum, right)| *sum += left * right);
        }
    }
    let each = (EDGE * EDGE * 4) as u64;
    check(gpu, products, launch.blocks * each)?;
    check(gpu, multiprocessors, launch.blocks * 4)?;
    gpu.contents.write(products, launch.blocks * each, bytes(sums.iter().map(|sum| (*sum as f32).to_bits())), 0);
    gpu.contents.write(multiprocessors, launch.blocks * 4, bytes(0..gpu.facts.multiprocessors), 0);
    if gpu.facts.ill.wrong.as_ref() == Some(&launch.function.name) {
        // The second element of the second row, of what the eighth multiprocessor computes first.
        flip(gpu, products + 7 * each + (EDGE as u64 + 1) * 4 + 2);
    }
    Ok(1e-4)
}
