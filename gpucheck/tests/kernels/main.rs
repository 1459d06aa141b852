//! The kernels' bodies, compiled as C++ for the CPU and run there: against an independent reference, and with faults put in,
//! each of which must be found. A double of the driver computes their answers on its own, so it could not find these.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // Small numbers, made here.

mod checks;
mod mutants;
mod program;

use std::path::Path;

use program::Program;
use trueup_gpucheck::format::TensorType;

/// A kernel file at a tier, what is in it and what checks it.
pub(crate) struct Case {
    pub(crate) file: &'static str,
    pub(crate) tier: u32,
    entries: &'static [&'static str],
    check: fn(&Program) -> Result<(), String>,
}

pub(crate) const CASES: &[Case] = &[
    Case { file: "bandwidth.cu", tier: 70, entries: &["copy", "triad"], check: checks::bandwidth },
    Case { file: "memory.cu", tier: 70, entries: &["memory_write", "memory_verify"], check: checks::memory },
    Case { file: "fp32.cu", tier: 70, entries: &["fma_chains", "product_fp32"], check: checks::fp32 },
    Case { file: "fp16.cu", tier: 70, entries: FP16, check: |program| checks::tensor(program, TensorType::Fp16) },
    Case { file: "fp16.cu", tier: 75, entries: FP16, check: |program| checks::tensor(program, TensorType::Fp16) },
    Case { file: "fp16.cu", tier: 80, entries: FP16, check: |program| checks::tensor(program, TensorType::Fp16) },
    Case {
        file: "bf16.cu",
        tier: 80,
        entries: &["rate_bf16", "product_bf16", "burn_bf16"],
        check: |program| checks::tensor(program, TensorType::Bf16),
    },
    Case {
        file: "tf32.cu",
        tier: 80,
        entries: &["rate_tf32", "product_tf32", "burn_tf32"],
        check: |program| checks::tensor(program, TensorType::Tf32),
    },
    Case {
        file: "fp8.cu",
        tier: 89,
        entries: &["rate_fp8", "product_fp8", "burn_fp8"],
        check: |program| checks::tensor(program, TensorType::Fp8),
    },
];
const FP16: &[&str] = &["rate_fp16", "product_fp16", "burn_fp16"];

impl Case {
    /// Compiles and checks it, with the kernels of a directory.
    pub(crate) fn verify(&self, kernels: &Path, scratch: &Path) -> Result<(), String> {
        let program = Program::compile(kernels, self.file, self.tier, self.entries, scratch)
            .map_err(|error| format!("does not compile: {error}"))?;
        (self.check)(&program)
    }
}

#[test]
fn every_kernel_answers_as_the_reference_does() {
    if !program::has_compiler() {
        return;
    }
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let scratch = tempfile::tempdir().unwrap();
    for case in CASES {
        case.verify(&kernels, scratch.path()).unwrap_or_else(|error| panic!("{} at {}: {error}", case.file, case.tier));
    }
}
