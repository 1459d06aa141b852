//! A double of the CUDA driver and of NVML, for tests alone: a shared library with the symbols that are asked for, which takes
//! each kernel's arguments and computes on the CPU what it must answer, apart from the kernels' own text.
//!
//! What machine it is, and what ails it, the environment says (`GPUCHECK_DOUBLE`, JSON: [`settings::Settings`]). Time is simulated: a kernel
//! takes what its work takes at the rates that are set.
#![allow(unsafe_code)] // It is a C library.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]
#![allow(clippy::missing_safety_doc)] // What is safe is said by NVIDIA's documentation of each symbol.
#![allow(clippy::doc_markdown)] // Names of NVIDIA's.

mod contents;
mod cublaslt;
mod driver;
mod formats;
mod gpu;
mod kernels;
mod modules;
mod nvml;
mod settings;
