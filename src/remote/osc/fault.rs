//! What can be wrong with a packet, counted and said once.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use thiserror::Error;

/// Why a packet, or a message in it, was not taken.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than `guard::MAX_BYTES`.
    #[error("{0} bytes is too large; at most {max} are taken", max = super::guard::MAX_BYTES)]
    Oversized(usize),
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

/// Says each complaint once; after [`Said::MOST`] different ones it only counts, so that a flood cannot fill the disk.
#[derive(Debug, Default)]
pub(in crate::remote) struct Said {
    before: BTreeSet<String>,
}

impl Said {
    const MOST: usize = 100;

    pub(in crate::remote) fn once(&mut self, from: SocketAddr, fault: &Fault) {
        // Packets that are no OSC at all differ in nothing a performer could act on.
        let key = match fault {
            Fault::Malformed(_) | Fault::Oversized(_) | Fault::TooEarly(_) => {
                format!("{:?}", std::mem::discriminant(fault))
            }
            _ => fault.to_string(),
        };
        if self.is_first(key) {
            tracing::warn!(%from, "OSC ignored: {fault} (said once, counted from now on)");
        }
    }

    pub(in crate::remote) fn clipped(&mut self, from: SocketAddr, what: &str) {
        // The parameter, not the number: a fader that goes too far sends many.
        let parameter = what.split(':').next().unwrap_or_default();
        if self.is_first(format!("clipped {parameter}")) {
            tracing::warn!(%from, "{what}; the nearest is taken (said once)");
        }
    }

    fn is_first(&mut self, key: String) -> bool {
        self.before.len() < Self::MOST && self.before.insert(key)
    }
}
