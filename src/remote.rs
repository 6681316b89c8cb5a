//! Remote control and monitoring over the network: OSC, OSCQuery, the page, Ableton Link.

pub mod http;
pub mod journal;
#[cfg(feature = "link")]
pub mod link;
pub(crate) mod log_limiter;
pub mod osc;
pub mod oscquery;
pub mod status;
