//! From events and time to commands and plans (being written).

mod performance;
mod scenes;
mod settings;
