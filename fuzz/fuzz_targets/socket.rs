//! See [`melos_fuzz::socket`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::socket(bytes));
