//! Sound out: the engine runs in the callback of whatever carries the sound, and survives its loss.
//!
//! A supervisor thread owns the stream. When the device or its server goes away, it takes the engine back, lets it play
//! on into nothing (so the clock, the recorder and the music go on) and tries every 200 ms to come back.

mod cookie;
mod devices;
mod feed;
mod home;
mod jack_client;
mod pace;
mod resample;
mod route;
mod status;
mod supervisor;

pub use devices::{DeviceInfo, devices};
pub use route::AudioError;
pub use status::OutputStatus;
pub use supervisor::Output;
