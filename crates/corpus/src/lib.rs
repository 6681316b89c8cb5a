//! Corpus preparation and audio analysis, separate from the daemon.
//!
//! The crate reuses the daemon's code for mel spectrograms, conditions and music theory, so that the networks get the
//! same inputs in training and in performance.

pub mod analysis;
pub mod prepare;
