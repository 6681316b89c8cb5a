//! A whole performance: live, or rendered offline from its control log.

pub mod checkpoint;
pub mod live;
pub mod log;
pub mod midi_file;
pub mod offline;
