//! See [`melos_fuzz::model`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::model(bytes));
