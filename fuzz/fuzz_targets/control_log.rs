//! See [`melos_fuzz::daemon::control_log`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::daemon::control_log(bytes));
