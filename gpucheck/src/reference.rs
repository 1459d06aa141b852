//! What the kernels must answer, worked out on the CPU: in integers where the GPU's sums are exact, and step by step where they
//! round. A GPU that is held against itself would pass with a fault that it always makes.

use crate::format::TensorType;

/// Rows and columns of the exact product (`EDGE` in `kernels/product.h`).
pub const EDGE: usize = 64;
/// The depth of the exact product. Sums stay below 2^24, so FP32 has them exactly.
pub const DEPTH: usize = 256;
/// Chains of each warp in `rate_*` and `burn_*`, and of each thread in `fma_chains`.
pub const CHAINS: usize = 8;

/// What `fma_chains` multiplies by and adds, there and back: 1 / 1.7 is rounded, so that every step rounds too, and the way back
/// ends some three units in the last place further, so that a chain never comes to stand.
pub const FMA_STEPS: [f32; 4] = [1.7, -0.85, 1.0 / 1.7, 0.5 + 6.0 * f32::EPSILON / 2.0];

/// Pseudorandom numbers from a seed: `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// An integer from `-most` to `most`.
    pub fn within(&mut self, most: u8) -> i32 {
        let span = u64::from(most) * 2 + 1;
        #[allow(clippy::cast_possible_truncation)] // A remainder by 511 at most.
        let remainder = (self.bits() % span) as i32;
        remainder - i32::from(most)
    }

    fn fill(&mut self, count: usize, most: u8) -> Vec<i32> {
        (0..count).map(|_| self.within(most)).collect()
    }
}

/// Rows, columns and depth of what one `mma` of a warp multiplies. `m8n8k4` does four products, which count as 32 rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of A and of the sums.
    pub m: usize,
    /// Columns of B and of the sums.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
}

impl Shape {
    /// The shape that the kernels of a tier (70, 75, 80, …) use for a type.
    pub fn of(kind: TensorType, tier: u32) -> Self {
        match (kind, tier) {
            (TensorType::Fp16, ..75) => Self { m: 32, n: 8, k: 4 },
            (TensorType::Fp16, ..80) | (TensorType::Tf32, _) => Self { m: 16, n: 8, k: 8 },
            (TensorType::Fp16 | TensorType::Bf16, _) => Self { m: 16, n: 8, k: 16 },
            (TensorType::Fp8, _) => Self { m: 16, n: 8, k: 32 },
        }
    }

    /// Floating-point operations of one `mma` of one warp; a multiply-add is two.
    pub fn operations(self) -> u64 {
        2 * (self.m * self.n * self.k) as u64
    }

    /// Its name in the PTX ISA.
    pub fn instruction(self) -> &'static str {
        match self.k {
            4 => "mma.m8n8k4",
            8 => "mma.m16n8k8",
            16 => "mma.m16n8k16",
            _ => "mma.m16n8k32",
        }
    }
}

/// The matrices of `rate_*` and `burn_*`.
#[derive(Debug, Clone)]
pub struct Chains {
    /// The shape of one step.
    pub shape: Shape,
    /// M × K, row by row.
    pub ahead: Vec<i32>,
    /// M × K: minus `ahead`, but for one element of each row, which is one off.
    pub back: Vec<i32>,
    /// One K × N for each chain.
    pub b: Vec<i32>,
}

impl Chains {
    /// Matrices from a seed.
    pub fn new(kind: TensorType, shape: Shape, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let most = if kind == TensorType::Fp8 { 2 } else { 3 };
        let ahead = random.fill(shape.m * shape.k, most);
        let mut back: Vec<i32> = ahead.iter().map(|value| -value).collect();
        for row in 0..shape.m {
            let at = row * shape.k + usize::try_from(random.bits() % shape.k as u64).unwrap_or(0);
            // Towards zero, so that it is no larger than the others.
            back[at] += if back[at] > 0 { -1 } else { 1 };
        }
        Self { shape, ahead, back, b: random.fill(CHAINS * shape.k * shape.n, most) }
    }

    /// How many pairs of steps keep all sums exact: below 2^24 over all chains for FP32's significand; for FP8 each below 2^12,
    /// since Hopper adds these with some 14 bits (DeepSeek-V3 Technical Report, 3.3.2).
    pub fn most_pairs(kind: TensorType) -> u32 {
        if kind == TensorType::Fp8 { 1024 } else { 1 << 19 }
    }

    /// The sums of each warp, M × N: `pairs` times (ahead + back) · B, over all chains.
    pub fn sums(&self, pairs: u32) -> Vec<f32> {
        let Shape { m, n, k } = self.shape;
        let mut sums = Vec::with_capacity(m * n);
        for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
            let step = |depth: usize| {
                let rest = self.ahead[row * k + depth] + self.back[row * k + depth];
                rest * (0..CHAINS).map(|chain| self.b[(chain * k + depth) * n + column]).sum::<i32>()
            };
            sums.push(exact(i64::from((0..k).map(step).sum::<i32>()) * i64::from(pairs)));
        }
        sums
    }
}

/// The matrices of `product_*`.
#[derive(Debug, Clone)]
pub struct Product {
    /// EDGE × depth, row by row.
    pub a: Vec<i32>,
    /// depth × EDGE.
    pub b: Vec<i32>,
}

impl Product {
    /// Matrices from a seed, of integers up to `most`.
    pub fn new(most: u8, depth: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { a: random.fill(EDGE * depth, most), b: random.fill(depth * EDGE, most) }
    }

    /// How large integers may be for each type, or for plain FP32 where there is none: exact in the format and in sums.
    pub fn most(kind: Option<TensorType>) -> u8 {
        if kind == Some(TensorType::Fp8) { 2 } else { 100 }
    }

    /// A · B, row by row.
    pub fn answer(&self) -> Vec<f32> {
        let depth = self.a.len() / EDGE;
        let mut answer = Vec::with_capacity(EDGE * EDGE);
        for row in self.a.chunks_exact(depth) {
            let mut sums = [0i64; EDGE];
            for (left, line) in row.iter().zip(self.b.chunks_exact(EDGE)) {
                sums.iter_mut().zip(line).for_each(|(sum, right)| *sum += i64::from(left * right));
            }
            answer.extend(sums.map(exact));
        }
        answer
    }
}

#[allow(clippy::cast_precision_loss)] // It is exact by what the callers multiply.
fn exact(sum: i64) -> f32 {
    debug_assert!(sum.unsigned_abs() < 1 << 24, "{sum} is not exact in FP32");
    sum as f32
}

/// What each lane of `fma_chains` ends with.
pub fn fma_chains(pairs: u32, seed: u32) -> [u32; 32] {
    let [scale, shift, unscale, unshift] = FMA_STEPS;
    std::array::from_fn(|lane| {
        (0..CHAINS).fold(0u32, |folded, chain| {
            #[allow(clippy::cast_possible_truncation)] // 256 chains at most.
            let mixed =
                (((lane * CHAINS + chain + 1) as u32).wrapping_mul(0x9e37_79b1) ^ seed).wrapping_mul(0x85eb_ca6b);
            let start = 1.0 + f32::from((mixed >> 16) as u16) / 65536.0;
            let end = (0..pairs).fold(start, |x, _| x.mul_add(scale, shift).mul_add(unscale, unshift));
            folded.rotate_left(3) ^ end.to_bits()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_what_a_hand_gets() {
        let mut product = Product { a: vec![0; EDGE * 2], b: vec![0; 2 * EDGE] };
        (product.a[0], product.a[1], product.b[3], product.b[EDGE + 3]) = (2, -3, 5, 7);
        let answer = product.answer();
        assert_eq!((answer[3], answer.iter().filter(|value| **value != 0.0).count()), (-11.0, 1));
    }

    #[test]
    fn chains_go_there_and_nearly_back_and_stay_exact() {
        for kind in TensorType::ALL {
            let chains = Chains::new(kind, Shape::of(kind, 90), 7);
            let rest: Vec<i32> = chains.ahead.iter().zip(&chains.back).map(|(a, b)| a + b).collect();
            assert!(rest.chunks(chains.shape.k).all(|row| row.iter().filter(|rest| rest.abs() == 1).count() == 1));
            let sums = chains.sums(Chains::most_pairs(kind));
            assert!(sums.iter().any(|sum| *sum != 0.0) && sums.iter().all(|sum| sum.abs() < 16_777_216.0));
        }
    }

    #[test]
    fn the_chains_of_fp32_neither_grow_nor_settle() {
        let (some, more) = (fma_chains(1000, 5), fma_chains(1000, 6));
        assert!(some.iter().zip(&more).all(|(some, more)| some != more));
        assert_ne!(fma_chains(1000, 5), fma_chains(1001, 5));
    }
}
