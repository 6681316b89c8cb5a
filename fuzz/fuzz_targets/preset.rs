//! See [`melos_fuzz::preset`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::preset(bytes));
