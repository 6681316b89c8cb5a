//! See [`melos_fuzz::stage::control_log`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::stage::control_log(bytes));
