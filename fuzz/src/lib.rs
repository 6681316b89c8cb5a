//! What every target does with its bytes. Plain functions, so that the tests run them over the seeds with a stable compiler.

pub mod sound;
pub mod stage;
