//! See [`melos_fuzz::audio`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::audio(bytes));
