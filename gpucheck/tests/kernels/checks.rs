//! Each kernel against an independent reference: loops over plain integers and floats, written from what a kernel promises.

use trueup_gpucheck::format::TensorType;
use trueup_gpucheck::reference::{Chains, EDGE, FMA_STEPS, Product, Random, Shape};

use crate::program::{Arguments, Program};

type Outcome = Result<(), String>;

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &[T], wanted: &[T]) -> Outcome {
    if found.len() != wanted.len() {
        return Err(format!("{what}: {} elements for {}", found.len(), wanted.len()));
    }
    match found.iter().zip(wanted).position(|(found, wanted)| found != wanted) {
        Some(at) => Err(format!("{what}: element {at} is {:?} and should be {:?}", found[at], wanted[at])),
        None => Ok(()),
    }
}

fn words(seed: u64, count: usize) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.bits() as u32).collect()
}

/// `copy` and `triad`: more quads than threads, and not a multiple of them.
pub(crate) fn bandwidth(program: &Program) -> Outcome {
    let (quads, grid, block) = (1003, 3, 64);
    let (target, source) = (words(1, quads * 4 + 8), words(2, quads * 4));
    let arguments = Arguments::new().words(&target).words(&source).wide(quads as u64);
    let found = program.run("copy", grid, block, &arguments)?;
    same("copy", &found[0][..quads * 4], &source)?;
    same("copy, behind its end", &found[0][quads * 4..], &target[quads * 4..])?;
    let real = |words: &[u32]| -> Vec<f32> { words.iter().map(|word| (word % 1000) as f32 / 7.0 - 60.0).collect() };
    let (left, right) = (real(&words(3, quads * 4)), real(&words(4, quads * 4)));
    let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits()).collect() };
    let arguments =
        Arguments::new().words(&target).words(&bits(&left)).words(&bits(&right)).real(3.1).wide(quads as u64);
    let found = program.run("triad", grid, block, &arguments)?;
    let wanted: Vec<u32> =
        left.iter().zip(&right).map(|(left, right)| 3.1f32.mul_add(*right, *left).to_bits()).collect();
    same("triad", &found[0][..quads * 4], &wanted)?;
    same("triad, behind its end", &found[0][quads * 4..], &target[quads * 4..])
}

/// What a pattern has at a word, told anew: `kernels/pattern.h` says it in C.
fn pattern(kind: u32, seed: u32, index: u64) -> u32 {
    match kind {
        0 => seed,
        1 => ((index & 0xffff_ffff).wrapping_mul(2_654_435_761).wrapping_add(index >> 32) & 0xffff_ffff) as u32 ^ seed,
        _ => 2u32.pow((index % 32) as u32) ^ seed,
    }
}

/// `memory_write` and `memory_verify`, beyond 2^32 words too.
pub(crate) fn memory(program: &Program) -> Outcome {
    let (quads, grid, block) = (517u64, 2, 96);
    for (kind, seed, first) in [(0, 0xaaaa_5555, 0), (1, 0, 5), (1, 0x1234_5678, (1 << 31) + 3), (2, 0xffff_ffff, 1)] {
        let wanted: Vec<u32> = (0..quads * 4).map(|word| pattern(kind, seed, first * 4 + word)).collect();
        let arguments =
            Arguments::new().words(&words(1, wanted.len())).wide(quads).wide(first).narrow(kind).narrow(seed);
        same("memory_write", &program.run("memory_write", grid, block, &arguments)?[0], &wanted)?;
        let verify = |memory: &[u32]| -> Result<(u64, u64), String> {
            let arguments = Arguments::new().words(memory).wide(quads).wide(first).narrow(kind).narrow(seed);
            let arguments = arguments.words(&[0, 0, u32::MAX, u32::MAX]);
            let found = program.run("memory_verify", grid, block, &arguments)?.swap_remove(1);
            let wide = |at: usize| u64::from(found[at]) | u64::from(found[at + 1]) << 32;
            Ok((wide(0), wide(2)))
        };
        same("memory_verify of what is whole", &[verify(&wanted)?], &[(0, u64::MAX)])?;
        // Each word of a quad on its own, and several of one quad; one bit each.
        for wrong in
            [&[8usize][..], &[9], &[10], &[11], &[2067, 1204, 1205, 1207, 700], &[8, 776], &[0, 2064, 2065, 2066, 2067]]
        {
            let mut memory = wanted.clone();
            wrong.iter().for_each(|at| memory[*at] ^= 1 << (at % 32));
            let least = wrong.iter().min().map_or(0, |at| *at as u64);
            let faults = (wrong.len() as u64, first * 4 + least);
            same("memory_verify of what is not", &[verify(&memory)?], &[faults])?;
        }
    }
    Ok(())
}

/// `fma_chains`, and the product by plain FP32.
pub(crate) fn fp32(program: &Program) -> Outcome {
    let [scale, shift, unscale, unshift] = FMA_STEPS;
    for (pairs, seed) in [(0, 1), (1, 2), (37, 0xdead_beef)] {
        let mut wanted = Vec::new();
        for thread in 0..3 * 64u32 {
            let mut ends = [0f32; 8];
            for (chain, end) in ends.iter_mut().enumerate() {
                let mixed = (thread % 32 * 8 + chain as u32 + 1).wrapping_mul(2_654_435_761) ^ seed;
                let mixed = mixed.wrapping_mul(2_246_822_507);
                *end = 1.0 + (mixed / 65536) as f32 / 65536.0;
                for _ in 0..pairs {
                    *end = f32::mul_add(*end, scale, shift);
                    *end = f32::mul_add(*end, unscale, unshift);
                }
            }
            wanted.push(ends.iter().fold(0u32, |folded, end| folded.rotate_left(3) ^ end.to_bits()));
        }
        let arguments = Arguments::new().words(&[0; 192]).narrow(pairs);
        let arguments = arguments.real(scale).real(shift).real(unscale).real(unshift).narrow(seed);
        same("fma_chains", &program.run("fma_chains", 3, 64, &arguments)?[0], &wanted)?;
    }
    let encode = |values: &[i32]| values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect::<Vec<u8>>();
    product(program, "product_fp32", 100, encode)
}

/// The rate, the product and the burn of one type.
pub(crate) fn tensor(program: &Program, kind: TensorType) -> Outcome {
    rate(program, kind)?;
    burn(program, kind)?;
    product(program, &format!("product_{}", kind.name()), Product::most(Some(kind)), |values| kind.encode_all(values))
}

fn product(program: &Program, kernel: &str, most: u8, encode: impl Fn(&[i32]) -> Vec<u8>) -> Outcome {
    const DEPTH: usize = 64;
    for seed in [1, 2] {
        let Product { a, b } = Product::new(most, DEPTH, seed);
        let mut wanted = Vec::new();
        for (row, column) in (0..EDGE).flat_map(|row| (0..EDGE).map(move |column| (row, column))) {
            wanted.push((0..DEPTH).map(|k| a[row * DEPTH + k] * b[k * EDGE + column]).sum::<i32>() as f32);
        }
        let wanted: Vec<u32> = wanted.iter().chain(&wanted).map(|value| value.to_bits()).collect();
        let arguments = Arguments::new().words(&vec![7; wanted.len()]).words(&[0; 2]);
        let arguments = arguments.bytes(&encode(&a)).bytes(&encode(&b)).narrow(DEPTH as u32);
        let found = program.run(kernel, 2, 256, &arguments)?;
        same(kernel, &found[0], &wanted)?;
        same("the multiprocessors", &found[1], &[10, 11])?;
    }
    Ok(())
}

/// The sums of a warp, by multiplying step after step.
fn stepped(chains: &Chains, pairs: u32) -> Vec<u32> {
    let Shape { m, n, k } = chains.shape;
    let mut sums = vec![0i32; m * n];
    for _ in 0..pairs {
        for (a, chain) in [&chains.ahead, &chains.back].into_iter().flat_map(|a| (0..8).map(move |chain| (a, chain))) {
            for (at, sum) in sums.iter_mut().enumerate() {
                let (row, column) = (at / n, at % n);
                *sum += (0..k).map(|k_at| a[row * k + k_at] * chains.b[(chain * k + k_at) * n + column]).sum::<i32>();
            }
        }
    }
    sums.iter().map(|sum| (*sum as f32).to_bits()).collect()
}

fn matrices(kind: TensorType, chains: &Chains, results: usize) -> Arguments {
    let arguments = Arguments::new().words(&vec![7; results]).bytes(&kind.encode_all(&chains.ahead));
    arguments.bytes(&kind.encode_all(&chains.back)).bytes(&kind.encode_all(&chains.b))
}

fn rate(program: &Program, kind: TensorType) -> Outcome {
    for pairs in [1, 5] {
        let chains = Chains::new(kind, Shape::of(kind, program.tier), 11 + u64::from(pairs));
        let wanted = stepped(&chains, pairs).repeat(4);
        let own: Vec<u32> = chains.sums(pairs).iter().map(|sum| sum.to_bits()).collect();
        same("the library's own answer", &own, &wanted[..own.len()])?;
        let arguments = matrices(kind, &chains, wanted.len()).narrow(pairs);
        same("rate", &program.run(&format!("rate_{}", kind.name()), 2, 64, &arguments)?[0], &wanted)?;
    }
    Ok(())
}

fn burn(program: &Program, kind: TensorType) -> Outcome {
    let (pairs, quads, seed) = (7, 300u64, 0x0bad_cafe);
    let chains = Chains::new(kind, Shape::of(kind, program.tier), 23);
    let wanted = stepped(&chains, pairs).repeat(4);
    let whole: Vec<u32> = (0..quads * 4).map(|word| pattern(1, seed, word)).collect();
    // 128 threads look at 7 quads each, 896 looks over 300 quads: all are seen twice, and quads below 296 three times.
    for (wrong, faults) in [(&[][..], 0), (&[4usize][..], 3), (&[1187], 2), (&[1183], 3), (&[0, 1, 2, 3], 12)] {
        let mut memory = whole.clone();
        wrong.iter().for_each(|at| memory[*at] ^= 1 << 31);
        let arguments = matrices(kind, &chains, wanted.len()).narrow(pairs).words(&memory).wide(quads).narrow(seed);
        let found = program.run(&format!("burn_{}", kind.name()), 2, 64, &arguments.words(&[0, 0]))?;
        same("burn", &found[0], &wanted)?;
        same("the faults of burn", &found[5], &[faults, 0])?;
    }
    Ok(())
}
