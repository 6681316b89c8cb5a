//! What can be wrong with a packet, counted and said.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use thiserror::Error;

use crate::remote::said::{Said, and_more};

/// Why a packet, or a message in it, was not taken.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than `guard::MAX_BYTES`.
    #[error("{0} bytes is too large; at most {max} are taken", max = super::guard::MAX_BYTES)]
    Oversized(usize),
    /// An address longer than `guard::MAX_ADDRESS`.
    #[error("an address of {0} bytes is too long; at most {max} are taken", max = super::guard::MAX_ADDRESS)]
    LongAddress(usize),
    /// Bundles or arrays inside each other, deeper than `guard::MAX_DEPTH`.
    #[error("nested too deeply; at most {max} levels are taken", max = super::guard::MAX_DEPTH)]
    Nested,
    /// Not OSC.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Not-a-number or infinite.
    #[error("{0} holds a number that is not finite")]
    NotFinite(String),
    /// No such parameter.
    #[error("there is no {0}")]
    Unknown(String),
    /// The argument does not fit the parameter.
    #[error("{0}")]
    Unfit(String),
    /// Scheduled further ahead than `time::MAX_AHEAD`.
    #[error("the time tag lies {0} s ahead; is the sender's clock right?")]
    TooEarly(u64),
}

impl Fault {
    /// What faults are told apart by when they are said: by what a performer could act on.
    fn kind(&self) -> String {
        match self {
            // Of one parameter, whatever was sent to it.
            Self::Unfit(what) => what.split(':').next().unwrap_or_default().to_owned(),
            Self::Unknown(_) => "unknown".to_owned(),
            Self::NotFinite(_) => "not finite".to_owned(),
            _ => "not OSC".to_owned(),
        }
    }
}

/// How many packets came and how many were not taken; only ever growing.
#[derive(Default)]
pub struct Counters {
    /// Datagrams received.
    pub received: AtomicU64,
    /// Packets and messages not taken.
    pub refused: AtomicU64,
    /// Bundles whose time tag had passed; taken at once.
    pub late: AtomicU64,
    /// Messages that could not be sent.
    pub unsent: AtomicU64,
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        f.debug_struct("Counters")
            .field("received", &count(&self.received))
            .field("refused", &count(&self.refused))
            .field("late", &count(&self.late))
            .field("unsent", &count(&self.unsent))
            .finish()
    }
}

/// What is wrong with what came, in the log.
#[derive(Debug, Default)]
pub(in crate::remote) struct Complaints(Said);

impl Complaints {
    pub(in crate::remote) fn fault(&mut self, from: SocketAddr, fault: &Fault, now: Instant) {
        if let Some(unsaid) = self.0.say(&fault.kind(), &fault.to_string(), now) {
            tracing::warn!(%from, "OSC ignored: {fault}; counted from now on{}", and_more(unsaid));
        }
    }

    pub(in crate::remote) fn clipped(&mut self, from: SocketAddr, what: &str, now: Instant) {
        // The parameter, not the number: a fader that goes too far sends many.
        let parameter = what.split(':').next().unwrap_or_default();
        if self.0.say("clipped", parameter, now).is_some() {
            tracing::warn!(%from, "{what}; the nearest is taken");
        }
    }

    pub(in crate::remote) fn late(&mut self, from: SocketAddr, now: Instant) {
        if let Some(unsaid) = self.0.say("late", &from.ip().to_string(), now) {
            let more = and_more(unsaid);
            tracing::warn!(%from, "an OSC bundle came after its time and is taken at once; counted from now on{more}");
        }
    }
}
