//! See [`melos_fuzz::oscquery`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::oscquery(bytes));
