//! Corpora and measurement, away from the stage: training data from collections of music, and what a recording sounds like.
//!
//! It shares the mel spectrogram, the conditions and the music theory with Melos itself, so that the networks are trained on
//! what they are later asked for.

pub mod analysis;
pub mod prepare;
