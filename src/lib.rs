//! Melos plays emotion-steered piano music without end, live.
//!
//! The modules stand in the order of the data flow; `ARCHITECTURE.md` tells the story on one page, and
//! `tests/architecture.rs` checks that a module only names modules above it.

pub mod units;

// What is steered.
pub mod config;
pub mod emotion;
pub mod parameter;
pub mod theory;

// Control in.
pub mod control;
pub mod mapping;
pub mod preset;

// What is to be played: clock, harmony, plan, and the engine's commands.
pub mod clock;
pub mod conditions;
pub mod engine;
pub mod harmony;
pub mod plan;

// From events and time to commands and plans.
pub mod conductor;

// Generation: latents, mel, samples.
pub mod generator;
pub mod mel;
pub mod model;
pub mod vocoder;

// Sound out.
pub mod audio;
pub mod record;

// Everything together.
pub mod daemon;
pub mod render;

// Corpora and measurement, away from the stage.
pub mod analysis;
pub mod prepare;
