//! See [`melos_fuzz::stage::model`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::stage::model(bytes));
