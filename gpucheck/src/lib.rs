//! Measures the GPUs of a machine and judges whether they are what was paid for.
//!
//! `measure` asks the driver and fills a [`report::Report`], in a child process of its own; [`judge`] is pure code
//! that says what to make of one.
#![allow(clippy::doc_markdown)] // PCIe, NVLink, cuBLASLt: names of things, and no code.

pub mod child;
pub mod events;
pub mod format;
pub mod judge;
pub mod measure;
pub mod models;
mod nvml;
pub mod probe;
pub mod ptx;
pub mod reference;
pub mod report;
pub mod svg;
pub mod table;

#[cfg(test)]
mod testing;
