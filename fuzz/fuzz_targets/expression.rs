//! `cargo +nightly fuzz run expression`: any text as an expression.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| trueup_fuzz::expression(text));
