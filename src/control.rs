//! Control in and out: MIDI and OSC become control events, what happens becomes notices.

#[cfg(feature = "link")]
pub mod link;
pub mod log;
pub mod midi;
pub mod osc;
pub mod oscquery;
pub mod watch;
