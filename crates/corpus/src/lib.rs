//! Corpus preparation and audio analysis, separate from the daemon.
//!
//! The crate uses the daemon's mel spectrogram, conditions and music theory, so that the networks get the same inputs
//! in training and in performance.

pub mod analysis;
pub mod prepare;
