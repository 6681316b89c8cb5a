//! See [`melos_fuzz::stage::state`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::stage::state(bytes));
