//! `cargo +nightly fuzz run blueprint`: any bytes as a blueprint.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trueup_fuzz::blueprint(bytes));
