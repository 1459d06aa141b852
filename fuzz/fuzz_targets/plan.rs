//! `cargo +nightly fuzz run plan`: any bytes as a saved plan.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trueup_fuzz::plan(bytes));
