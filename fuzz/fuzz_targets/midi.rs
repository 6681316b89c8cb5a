//! See [`melos_fuzz::midi`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::midi(bytes));
