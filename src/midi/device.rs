//! MIDI devices and their events.

use std::time::Instant;

use thiserror::Error;

use super::Message;

/// Identifies a device; never reused while Melos is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// The name of Melos's first JACK input while nothing is connected to it. It counts as a device, because other programs
/// connect to it, but is not logged as one.
pub const OWN_PORT: &str = "melos:midi_in";

/// A connected device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The id in the device's events.
    pub id: DeviceId,
    /// The port's name; under JACK, the names of the connected sources and of Melos's input port, separated by commas.
    pub name: String,
}

/// Why MIDI is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MidiError {
    /// The ALSA sequencer cannot be used.
    #[error("cannot open the ALSA sequencer ({0}); is the kernel module snd-seq loaded?")]
    Alsa(String),
    /// JACK cannot be used, usually because no server is running.
    #[error("cannot use JACK ({0}); is a JACK server running?")]
    Jack(String),
}

/// An event from a MIDI device.
#[derive(Debug, Clone, PartialEq)]
pub enum MidiEvent {
    /// A device connected.
    Connected(Device),
    /// A device disconnected; its held notes and pedals must be released.
    Disconnected(DeviceId),
    /// The output to a device is open, so the device receives all feedback sent from now on.
    FeedbackReady(DeviceId),
    /// A device sent a message.
    Sent {
        /// The device.
        device: DeviceId,
        /// When the message arrived, as precisely as the system reports it.
        at: Instant,
        /// The message.
        message: Message,
    },
}
