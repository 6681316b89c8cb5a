//! See [`melos_fuzz::mapping`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::mapping(bytes));
