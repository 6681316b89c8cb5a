//! Corpus preparation and audio analysis, separate from the daemon.
//!
//! Shares the mel spectrogram, the conditions and the music theory with Melos, so that the networks are trained on what
//! they are later given.

pub mod analysis;
pub mod prepare;
