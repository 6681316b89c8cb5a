//! Melos plays endless piano music, live and steered by emotion.
//!
//! The modules are listed in order of dependency, from shared helpers to the whole session.
//! `tests/offline/architecture.rs` checks that each module uses only those above it; `ARCHITECTURE.md` is a one-page
//! overview.

pub mod quote;
pub mod bytes;
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

/// Lets unit tests check that code for real-time threads does not allocate.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
