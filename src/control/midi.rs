//! MIDI in: devices come and go, their messages arrive on one bounded channel with the moment they were sent.
//! MIDI out: one port, `melos:midi_out`, for instruments that join.

mod alsa;
mod clock;
mod host;
mod jack;
mod message;
mod out;
mod parse;

pub use clock::{ClockEvent, ClockFollower};
pub use host::{Device, DeviceId, MidiError, MidiIn, MidiSystem, sources};
pub use message::Message;
pub use out::MidiOut;
pub use parse::Parser;

use std::time::Instant;

/// What a device did.
#[derive(Debug, Clone, PartialEq)]
pub enum MidiEvent {
    /// A device came.
    Came(Device),
    /// A device went; its notes and pedals must be let go.
    Went(DeviceId),
    /// A device sent a message.
    Sent {
        /// Which device.
        device: DeviceId,
        /// When it arrived, as exactly as the system tells.
        at: Instant,
        /// What it sent.
        message: Message,
    },
}
