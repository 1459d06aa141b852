//! Faults put into the kernels on purpose, as edits of their text: each must be found by the checks, and none by the compiler.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use crate::{CASES, program};

/// In a file, what becomes of a text; and the file and tier that must notice.
struct Mutant {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    noticed_by: (&'static str, u32),
}

const fn mutant(file: &'static str, from: &'static str, to: &'static str, noticed_by: (&'static str, u32)) -> Mutant {
    Mutant { file, from, to, noticed_by }
}

const BANDWIDTH: (&str, u32) = ("bandwidth.cu", 70);
const MEMORY: (&str, u32) = ("memory.cu", 70);
const FP32: (&str, u32) = ("fp32.cu", 70);
const VOLTA: (&str, u32) = ("fp16.cu", 70);
const TURING: (&str, u32) = ("fp16.cu", 75);
const AMPERE: (&str, u32) = ("fp16.cu", 80);
const BF16: (&str, u32) = ("bf16.cu", 80);
const TF32: (&str, u32) = ("tf32.cu", 80);
const FP8: (&str, u32) = ("fp8.cu", 89);

const MUTANTS: &[Mutant] = &[
    mutant("gpu.h", "(u64)block_index() * block_size() + thread_index()", "thread_index()", BANDWIDTH),
    mutant("gpu.h", "(u64)grid_size() * block_size()", "(u64)grid_size() * block_size() + 1", BANDWIDTH),
    mutant("bandwidth.cu", "target[at] = source[at]", "target[at] = source[at ^ 1]", BANDWIDTH),
    mutant(
        "bandwidth.cu",
        "at < quads; at += global_size()) {\n        target[at]",
        "at <= quads; at += global_size()) {\n        target[at]",
        BANDWIDTH,
    ),
    mutant("bandwidth.cu", "fused(scale, real(r.y), real(l.y))", "fused(scale, real(r.y), real(l.x))", BANDWIDTH),
    mutant("bandwidth.cu", "fused(scale, real(r.w), real(l.w))", "(scale * real(r.w) + real(l.w))", BANDWIDTH),
    mutant("memory.cu", "pattern_quad(kind, seed, first + at);", "pattern_quad(kind, seed, at);", MEMORY),
    mutant(
        "memory.cu",
        "pattern_quad(kind, seed, first + at), &word",
        "pattern_quad(kind, ~seed, first + at), &word",
        MEMORY,
    ),
    mutant("memory.cu", "wrong += here", "wrong += here != 0", MEMORY),
    mutant("memory.cu", "index < where ? index : where", "index", MEMORY),
    mutant("memory.cu", "(first + at) * 4 + word", "(first + at) * 4", MEMORY),
    mutant("memory.cu", "(first + at) * 4 + word", "at * 4 + word", MEMORY),
    mutant("pattern.h", "(u32)(index >> 32)", "0u", MEMORY),
    mutant("pattern.h", "index % 32", "index % 31", MEMORY),
    mutant("pattern.h", "case CONSTANT: return seed", "case CONSTANT: return ~seed", MEMORY),
    mutant("pattern.h", "found.z != wanted.z", "0", MEMORY),
    mutant("pattern.h", "found.w != wanted.w", "(found.w & 0x7fffffff) != (wanted.w & 0x7fffffff)", AMPERE),
    mutant("pattern.h", "u64 word = quad * 4", "u64 word = quad * 2", MEMORY),
    mutant("fp32.cu", "fused(x[chain], unscale, unshift)", "fused(x[chain], unscale, shift)", FP32),
    mutant("fp32.cu", "fused(x[chain], scale, shift)", "(x[chain] * scale + shift)", FP32),
    mutant("fp32.cu", "pair < pairs", "pair + 1 < pairs", FP32),
    mutant("fp32.cu", "^ seed", "", FP32),
    mutant("fp32.cu", "folded << 3 | folded >> 29", "folded", FP32),
    mutant("fp32.cu", "k < PANEL; k++", "k < PANEL - 1; k++", FP32),
    mutant("fp32.cu", "b_panel[k * EDGE + left + column]", "b_panel[k * EDGE + left]", FP32),
    mutant("fp32.cu", "depth, from);\n        barrier();", "depth, from);", FP32),
    mutant("fp32.cu", "        }\n        barrier();\n", "        }\n", FP32),
    mutant("fp32.cu", "(u64)block_index() * EDGE * EDGE", "0", FP32),
    mutant("product.h", "a[at / PANEL * depth + from + at % PANEL]", "a[at / PANEL * depth + at % PANEL]", FP32),
    mutant("product.h", "b[(from + at / EDGE) * EDGE", "b[(at / EDGE) * EDGE", AMPERE),
    mutant(
        "product.h",
        "multiprocessors[block_index()] = multiprocessor()",
        "multiprocessors[block_index()] = 10",
        FP32,
    ),
    mutant(
        "product.h",
        "multiprocessors[block_index()] = multiprocessor()",
        "multiprocessors[0] = multiprocessor()",
        BF16,
    ),
    mutant("matrix.h", "lane / 4 + part % 2 * 8", "lane / 4 + part / 2 * 8", AMPERE),
    mutant("matrix.h", "element % E + part / 2 * 4 * E", "element % E + part / 2 * 2 * E", TF32),
    mutant("matrix.h", "lane % 4 * E + element % E + element / E * 4 * E", "lane % 4 * E + element % E", FP8),
    mutant("matrix.h", "lane % 4 * E + element % E + element / E * 4 * E, lane / 4", "element, lane / 4", TURING),
    mutant("matrix.h", "lane / 4 + element / 2 * 8, lane", "lane / 4 + element % 2 * 8, lane", BF16),
    mutant("matrix.h", "group(lane) + lane % 4 + lane / 16 * 4, element", "group(lane) + lane % 8, element", VOLTA),
    mutant("matrix.h", "Place{element, lane % 4 + lane / 16 * 4}", "Place{element, lane % 8}", VOLTA),
    mutant("matrix.h", "(lane & 1) + (element & 2)", "(lane & 2) + (element & 1)", VOLTA),
    mutant("matrix.h", "(element & 4) + (lane & 2)", "(element & 4) + (element & 2)", VOLTA),
    mutant("matrix.h", "registers[r] = 0;", "registers[r] = 1;", AMPERE),
    mutant("matrix.h", "(e * width % 32)", "((Shape::PER_REGISTER - 1 - e) * width % 32)", FP8),
    mutant("tensor.h", "multiply_add(totals[chain], second", "multiply_add(totals[chain], first", AMPERE),
    mutant("tensor.h", "load_a<Shape>(second, back", "load_a<Shape>(second, ahead", TF32),
    mutant("tensor.h", "b + chain * Shape::K * Shape::N", "b", BF16),
    mutant("tensor.h", "pair < pairs", "pair < pairs - 1", FP8),
    mutant(
        "tensor.h",
        "chain < MMA_CHAINS; chain++) {\n            sums[at]",
        "chain < MMA_CHAINS - 1; chain++) {\n            sums[at]",
        TURING,
    ),
    mutant("tensor.h", "global_index() / 32 * (Shape::M", "thread_index() / 32 * (Shape::M", AMPERE),
    mutant("tensor.h", "place.row * Shape::N + place.column", "place.column * Shape::M + place.row", AMPERE),
    mutant("tensor.h", "at += stride;", "", AMPERE),
    mutant("tensor.h", "wrong += wrong_words", "wrong = wrong_words", BF16),
    mutant("tensor.h", "k < PANEL; k += Shape::K", "k < PANEL - Shape::K; k += Shape::K", AMPERE),
    mutant("tensor.h", "a_panel + top * PANEL + k", "a_panel + top * PANEL", AMPERE),
    mutant("tensor.h", "b_panel + k * EDGE + left", "b_panel + left", VOLTA),
    mutant("tensor.h", "depth, from);\n        barrier();", "depth, from);", AMPERE),
    mutant("tensor.h", "(top + place.row) * EDGE + left", "top * EDGE + left", AMPERE),
    mutant("tensor.h", "(u64)block_index() * EDGE * EDGE", "0", AMPERE),
    mutant("tensor.h", "    sign(multiprocessors);", "", AMPERE),
    mutant(
        "fp16.cu",
        "#elif TIER >= 75\nTENSOR_KERNELS(fp16, Fp16x8)",
        "#elif TIER >= 75\nTENSOR_KERNELS(fp16, Fp16x16)",
        TURING,
    ),
];

impl Mutant {
    /// Puts the fault into a copy of the kernels and says what the checks made of it; an error where they made nothing of it.
    fn try_out(&self, kernels: &Path) -> Result<String, String> {
        let top = tempfile::tempdir().map_err(|error| error.to_string())?;
        copy_files(kernels, top.path());
        let file = top.path().join(self.file);
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let mutated = text.replacen(self.from, self.to, 1);
        if mutated == text {
            return Err(format!("{}: there is no {:?}", self.file, self.from));
        }
        fs::write(&file, mutated).map_err(|error| error.to_string())?;
        let case = CASES.iter().find(|case| (case.file, case.tier) == self.noticed_by).ok_or("no such case")?;
        match case.verify(top.path(), top.path()) {
            Ok(()) => Err(format!("{}: nobody noticed {:?} for {:?}", self.file, self.to, self.from)),
            Err(found) if found.starts_with("does not compile") => Err(format!("{}: {:?} {found}", self.file, self.to)),
            Err(found) => Ok(found),
        }
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("cpu")).unwrap();
    for directory in ["", "cpu"] {
        for entry in
            fs::read_dir(from.join(directory)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file())
        {
            fs::copy(entry.path(), to.join(directory).join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn every_fault_put_into_a_kernel_is_found() {
    if !program::has_compiler() {
        return;
    }
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let queue = Mutex::new(MUTANTS.iter());
    let problems = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(|| {
                while let Some(mutant) = { queue.lock().unwrap().next() } {
                    mutant.try_out(&kernels).err().into_iter().for_each(|error| problems.lock().unwrap().push(error));
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
