//! Tests of the corpus tools.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod analysis;
mod analyze;
mod fuzz_seeds;
mod prepare;
