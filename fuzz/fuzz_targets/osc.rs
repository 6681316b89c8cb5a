//! See [`melos_fuzz::osc`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::osc(bytes));
