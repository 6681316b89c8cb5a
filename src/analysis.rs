//! Measures sound: timbre, rhythm, harmony.

pub mod tonal;
