//! Melos plays emotion-steered piano music without end, live.
//!
//! The modules stand in the order of the data flow; `ARCHITECTURE.md` tells the story on one page, and
//! `tests/architecture.rs` checks that a module only names modules above it.

// What everything is measured in, and what is steered.
pub mod units;
pub mod mel;
pub mod emotion;
pub mod theory;
pub mod health;
pub mod parameter;
pub mod check;
pub mod config;

// Control in.
pub mod jack_clients;
pub mod control;
pub mod mapping;
pub mod preset;

// What is to be played: clock, harmony, plan; and the real-time engine that plays it.
pub mod conditions;
pub mod chance;
pub mod clock;
pub mod harmony;
pub mod plan;
pub mod engine;
pub mod conductor;

// Generation: latents, mel, samples.
pub mod model;
pub mod vocoder;
pub mod generator;

// Sound out.
pub mod audio;
pub mod record;

// Everything together.
pub mod render;
pub mod daemon;

// Corpora and measurement, away from the stage.
pub mod analysis;
pub mod prepare;
