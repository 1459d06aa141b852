//! `cargo +nightly fuzz run import`: any bytes as an exported state.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { let _ = trueup_fuzz::import(bytes); });
