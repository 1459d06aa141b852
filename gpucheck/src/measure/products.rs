//! The exact product on every multiprocessor: several seeds, each block's answer compared bit for bit with the CPU's.

use std::collections::BTreeSet;

use super::device::{Device, DeviceError};
use super::effort::Effort;
use super::kernels;
use crate::format::TensorType;
use crate::reference::{DEPTH, EDGE, Product};
use crate::report::Correctness;

/// How often more blocks are tried where a multiprocessor had none.
const ATTEMPTS: u32 = 4;

/// The product by one type of the tensor cores, or by plain FP32.
pub(crate) fn measure(device: &Device, kind: Option<TensorType>, effort: &Effort) -> Result<Correctness, DeviceError> {
    let mut answers = Correctness { compared: 0, wrong: 0, first_wrong: None, seeds: 0, multiprocessors: None };
    let mut ran_on = BTreeSet::new();
    let mut blocks = device.multiprocessors * 4;
    for seed in 0..effort.seeds.max(1) + ATTEMPTS {
        let covered = ran_on.len() >= device.multiprocessors as usize;
        if seed >= effort.seeds && covered {
            break;
        }
        if seed >= effort.seeds {
            blocks *= 2;
        }
        one(device, kind, blocks, seed, &mut answers, &mut ran_on)?;
    }
    let ran = u32::try_from(ran_on.len()).unwrap_or(u32::MAX).min(device.multiprocessors);
    answers.multiprocessors = Some((ran, device.multiprocessors));
    Ok(answers)
}

fn one(
    device: &Device,
    kind: Option<TensorType>,
    blocks: u32,
    seed: u32,
    answers: &mut Correctness,
    ran_on: &mut BTreeSet<u32>,
) -> Result<(), DeviceError> {
    let product = Product::new(Product::most(kind), DEPTH, u64::from(seed) << 8 | u64::from(device.index));
    // Plain FP32 has the bits that TF32 is stored in.
    let encode = |values: &[i32]| kind.unwrap_or(TensorType::Tf32).encode_all(values);
    let (a, b) = (device.upload(&encode(&product.a))?, device.upload(&encode(&product.b))?);
    let products = device.allocate(blocks as usize * EDGE * EDGE * 4)?;
    let multiprocessors = device.upload(&vec![0xff; blocks as usize * 4])?;
    let kernel = kind.map_or(("fp32", "product_fp32"), |kind| (kernels::names(kind).0, kernels::names(kind).2));
    kernels::product(device, kernel, blocks, [&products, &multiprocessors, &a, &b])?;
    let (found, places) = (device.download(&products)?, device.download(&multiprocessors)?);
    let wanted: Vec<u8> = product.answer().iter().flat_map(|value| value.to_le_bytes()).collect();
    answers.seeds += 1;
    for (found, place) in found.chunks_exact(wanted.len()).zip(words(&places)) {
        ran_on.insert(place);
        answers.compared += (EDGE * EDGE) as u64;
        if found != wanted {
            differing(found, &wanted, place, seed, answers);
        }
    }
    Ok(())
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

fn differing(found: &[u8], wanted: &[u8], place: u32, seed: u32, answers: &mut Correctness) {
    for (at, (found, wanted)) in
        words(found).zip(words(wanted)).enumerate().filter(|(_, (found, wanted))| found != wanted)
    {
        answers.wrong += 1;
        answers.first_wrong.get_or_insert_with(|| {
            let (row, column, found, wanted) = (at / EDGE, at % EDGE, f32::from_bits(found), f32::from_bits(wanted));
            format!("row {row}, column {column} on multiprocessor {place}, seed {seed}: {found} for {wanted}")
        });
    }
}
