//! Sound out: the engine runs in the callback of whatever carries the sound, and survives its loss.
//!
//! A supervisor thread watches the stream, which lives on a thread of its own. When the device or its server goes away or
//! stands still, it takes the engine back, lets it play on into nothing (so the clock, the recorder and the music go on)
//! and tries every 200 ms to come back, and every two seconds each way that the configuration allows.

mod cookie;
mod devices;
mod feed;
mod heartbeat;
mod home;
mod jack_client;
mod line;
mod pace;
mod resample;
mod route;
mod status;
mod supervisor;

pub use devices::{DeviceInfo, devices};
pub use route::AudioError;
pub use status::OutputStatus;
pub use supervisor::Output;
