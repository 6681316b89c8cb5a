//! A whole performance, played live or rendered offline.

pub mod checkpoint;
pub mod live;
pub mod midi_file;
pub mod notes;
pub mod offline;
