//! What people write: TOML documents read with every problem at once, libraries of them, watched and reloaded.

pub mod config;
pub mod document;
pub mod library;
pub mod preset;
pub mod watch;
