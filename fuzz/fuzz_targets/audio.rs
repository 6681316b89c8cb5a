//! See [`melos_fuzz::sound::audio`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::sound::audio(bytes));
