//! See [`melos_fuzz::daemon::checkpoint`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| melos_fuzz::daemon::checkpoint(bytes));
