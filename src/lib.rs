//! Melos plays emotion-steered piano music without end, live.
//!
//! The modules are the data flow, from what everyone speaks to what ties everything together; `ARCHITECTURE.md` tells the
//! story on one page, and `tests/architecture.rs` checks that a module only names modules above it.

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

/// Lets unit tests see whether what runs in a callback allocates.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
