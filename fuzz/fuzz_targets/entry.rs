//! `cargo +nightly fuzz run entry`: any lines as entries of a journal.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { let _ = trueup_fuzz::entry(bytes); });
