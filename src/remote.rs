//! Control, monitoring and synchronization over the network: OSC, OSCQuery, the HTTP API with the page, and Ableton Link.

pub mod http;
pub mod journal;
#[cfg(feature = "link")]
pub mod link;
pub(crate) mod log_limiter;
pub mod osc;
pub mod oscquery;
pub mod status;
