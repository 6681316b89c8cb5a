//! Audio output: devices and recordings.

pub mod device;
pub mod jack_clients;
pub mod record;
