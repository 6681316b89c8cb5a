//! Faults in packets, and how they are counted and logged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use thiserror::Error;

use crate::event::health::{Loss, Losses};
use crate::remote::log_limiter::{LogLimiter, suppressed_suffix};

/// Maximum datagram size in bytes: several hundred messages.
pub(in crate::remote) const MAX_BYTES: usize = 16 * 1024;
/// Maximum nesting depth of bundles and of arrays.
pub(super) const MAX_DEPTH: usize = 8;
/// Maximum length of an address or pattern in bytes: several times the longest address, to leave room for patterns that
/// match many addresses.
pub(super) const MAX_ADDRESS: usize = 255;

/// Why a packet, or a message in it, was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than `MAX_BYTES`.
    #[error("packet of {0} bytes is too large (maximum {max})", max = MAX_BYTES)]
    Oversized(usize),
    /// An address longer than `MAX_ADDRESS`.
    #[error("address of {0} bytes is too long (maximum {max})", max = MAX_ADDRESS)]
    LongAddress(usize),
    /// Bundles or arrays nested deeper than `MAX_DEPTH`.
    #[error("nested too deeply (maximum {max} levels)", max = MAX_DEPTH)]
    TooDeep,
    /// Not OSC; the text says what is wrong.
    #[error("{0}")]
    Malformed(String),
    /// An argument is NaN or infinite.
    #[error("{0} has a NaN or infinite argument")]
    NotFinite(String),
    /// No such parameter.
    #[error("there is no parameter {0}")]
    Unknown(String),
    /// An invalid argument.
    #[error("{0}")]
    Invalid(String),
    /// Sent by Melos to itself, perhaps through a forged source address.
    #[error("it was sent from Melos's own address")]
    Own,
    /// A request that only UDP clients need.
    #[error("subscriptions are for clients over UDP; over a WebSocket, send LISTEN instead")]
    OnlyUdp,
    /// Scheduled further ahead than `time::MAX_AHEAD`.
    #[error("the time tag is {0} s in the future; is the sender's clock right?")]
    TooFarAhead(u64),
}

impl Fault {
    /// Returns the group within which log lines are rate-limited: one per address for invalid arguments, one each for
    /// unknown addresses and non-finite arguments, and one for everything else.
    fn log_group(&self) -> String {
        match self {
            // The message starts with the address and a colon.
            Self::Invalid(message) => message.split(':').next().unwrap_or_default().to_owned(),
            Self::Unknown(_) => "unknown".to_owned(),
            Self::NotFinite(_) => "not finite".to_owned(),
            Self::OnlyUdp => "only UDP".to_owned(),
            _ => "not OSC".to_owned(),
        }
    }
}

/// Counts received packets and OSC losses.
#[derive(Debug, Default)]
pub struct Counters {
    received: AtomicU64,
    losses: Arc<Losses>,
}

impl Counters {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { received: AtomicU64::new(0), losses }
    }

    /// Returns the number of OSC packets received so far, over UDP, WebSocket and HTTP.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(in crate::remote) fn count_received(&self) {
        self.received.fetch_add(1, Relaxed);
    }

    pub(in crate::remote) fn count_lost(&self, loss: Loss, count: u64) {
        self.losses.add(loss, count);
    }
}

/// Logs faults in received packets.
#[derive(Debug, Default)]
pub(in crate::remote) struct FaultLog(LogLimiter);

impl FaultLog {
    /// Logs a fault, at a limited rate; returns whether it did, and so whether the client should be told too.
    pub(in crate::remote) fn log_fault(&mut self, from: SocketAddr, fault: &Fault, now: Instant) -> bool {
        let admitted = self.0.admit(&fault.log_group(), &fault.to_string(), now);
        if let Some(suppressed) = admitted {
            tracing::warn!(%from, "OSC message ignored: {fault}; repeats are only counted{}", suppressed_suffix(suppressed));
        }
        admitted.is_some()
    }

    pub(in crate::remote) fn log_clamped(&mut self, from: SocketAddr, message: &str, now: Instant) {
        // Limited by parameter, not by value: a fader moved outside the range sends many different values.
        let parameter = message.split(':').next().unwrap_or_default();
        if self.0.admit("clamped", parameter, now).is_some() {
            tracing::warn!(%from, "{message}");
        }
    }

    pub(in crate::remote) fn log_late(&mut self, from: SocketAddr, now: Instant) {
        if let Some(suppressed) = self.0.admit("late", &from.ip().to_string(), now) {
            let suffix = suppressed_suffix(suppressed);
            tracing::warn!(%from, "OSC bundle arrived after its time tag and was applied at once; repeats are only counted{suffix}");
        }
    }
}
