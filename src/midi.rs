//! MIDI input and output. Devices can connect and disconnect at any time; their timestamped messages arrive in one
//! bounded queue. For output, there is one port for instruments, `melos:midi_out`, and feedback ports for
//! controllers.

mod alsa;
mod backend;
mod clock;
mod connection;
mod device;
mod feedback;
mod jack;
pub mod mapping;
mod message;
mod out;
mod parse;
mod session;
mod transport;

pub use clock::{ClockEvent, ClockFollower};
pub use connection::{MidiConnection, MidiSystem, sources};
pub use device::{Device, DeviceId, MidiError, MidiEvent, OWN_PORT};
pub use feedback::MidiFeedback;
pub use message::Message;
pub use out::MidiOut;
pub use parse::Parser;
pub use session::{FollowerState, SessionFollower, SessionStatus};
pub use transport::follow_transport;
