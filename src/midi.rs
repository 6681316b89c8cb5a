//! MIDI input: devices connect and disconnect, and their timestamped messages arrive on one bounded channel. MIDI
//! output: one port, `melos:midi_out`, for instruments, and feedback ports to the devices that send.

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

/// An event of a MIDI device.
#[derive(Debug, Clone, PartialEq)]
pub enum MidiEvent {
    /// A device connected.
    Connected(Device),
    /// A device disconnected; its notes and pedals must be released.
    Disconnected(DeviceId),
    /// Feedback to a device is open: from now on it receives what is sent.
    FeedbackReady(DeviceId),
    /// A device sent a message.
    Sent {
        /// The device.
        device: DeviceId,
        /// When it arrived, as precisely as the system reports it.
        at: Instant,
        /// The message.
        message: Message,
    },
}
