//! Remote control and monitoring over the network: OSC, OSCQuery, the web page and Ableton Link.

pub mod http;
pub mod journal;
#[cfg(feature = "link")]
pub mod link;
pub(crate) mod log_limiter;
pub mod osc;
pub mod oscquery;
pub mod status;
