//! Measures the GPUs of a machine and judges whether they are what was paid for.
//!
//! `measure` asks the driver and fills a [`report::Report`], in a child process of its own; [`judge`] is pure code
//! that says what to make of one.
#![allow(clippy::doc_markdown)] // PCIe, NVLink, cuBLASLt: names of things, and no code.

pub mod format;
pub mod judge;
pub mod models;
pub mod reference;
pub mod report;

#[cfg(test)]
mod testing;
