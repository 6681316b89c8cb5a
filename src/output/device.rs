//! Audio output devices: the engine runs in the device's callback and survives the loss of the device.
//!
//! A supervisor thread monitors the stream, which has a thread of its own. When the device or its server disappears or
//! stalls, the supervisor takes the engine back and keeps it running silently, so that the clock, the recorder and the
//! music continue. It retries the lost route every 200 ms, and all configured routes every two seconds.

mod cookie;
mod devices;
mod engine_slot;
mod feed;
mod heartbeat;
mod paced_driver;
mod resample;
mod route;
mod status;
mod stream_thread;
mod supervisor;

pub use devices::{DeviceInfo, devices, find_output};
pub use route::AudioError;
pub use status::OutputStatus;
pub use supervisor::Output;
