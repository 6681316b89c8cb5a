//! Melos plays endless emotion-steered piano music, live.
//!
//! The modules follow the data flow, from the shared vocabulary to the whole session; `ARCHITECTURE.md` describes it on
//! one page, and `tests/architecture.rs` checks that a module only uses modules above it.

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

/// Lets unit tests check that callbacks do not allocate.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
