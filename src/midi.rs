//! MIDI in: devices come and go, their messages arrive on one bounded channel with the moment they were sent.
//! MIDI out: one port, `melos:midi_out`, for instruments that join, and ways back to the devices that send.

mod alsa;
mod clock;
mod feedback;
mod host;
mod jack;
pub mod mapping;
mod message;
mod out;
mod parse;
mod session;
mod transport;

pub use clock::{ClockEvent, ClockFollower};
pub use feedback::MidiFeedback;
pub use host::{Device, DeviceId, MidiError, MidiIn, MidiSystem, sources};
pub use message::Message;
pub use out::MidiOut;
pub use parse::Parser;
pub use session::SessionFollower;
pub use transport::follow_transport;

use std::time::Instant;

/// What a device did.
#[derive(Debug, Clone, PartialEq)]
pub enum MidiEvent {
    /// A device came.
    Came(Device),
    /// A device went; its notes and pedals must be let go.
    Went(DeviceId),
    /// The way back to a device is open: somebody hears now what it is told.
    Hears(DeviceId),
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
