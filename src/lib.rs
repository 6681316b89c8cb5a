//! Melos plays endless emotion-steered piano music, live.
//!
//! The modules are listed in data-flow order, from the shared vocabulary to the session that ties everything together.
//! `ARCHITECTURE.md` is a one-page overview, and `tests/architecture.rs` checks that a module uses only modules above it.

pub mod quote;
pub mod threads;
pub mod units;
pub mod mel;
pub mod music;
pub mod event;
pub mod files;
pub mod engine;
pub mod generator;
pub mod conductor;
pub mod output;
pub mod midi;
pub mod remote;
pub mod session;

/// Lets unit tests detect allocations in callback code.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
