//! External tempo sources, of which only the chosen one is followed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, sync_channel};

use super::timeline::Timeline;
use crate::event::parameter::TempoSource;
use crate::event::{ControlEvent, Wake};
use crate::midi::{ClockEvent, follow_transport};

/// Capacity of the event channel; it is drained every few milliseconds.
const EVENTS: usize = 1024;

/// A session or transport that can be chosen as the tempo source.
struct TempoLeader {
    source: TempoSource,
    /// Whether it is the current tempo source; otherwise it reports nothing, and starts over when it is chosen again.
    chosen: Arc<AtomicBool>,
    events: Receiver<ClockEvent>,
    /// Keeps the session joined.
    _peer: Option<Box<dyn Send>>,
}

/// Possible tempo sources besides MIDI clocks: the JACK transport and an Ableton Link session.
pub(super) struct TempoLeaders(Vec<TempoLeader>);

impl TempoLeaders {
    /// Follows the JACK transport, and joins Link if it is configured. Their reports wake the performance thread.
    ///
    /// # Errors
    /// When no thread can be created, or this program was built without Link.
    pub(super) fn open(link: bool, wake: &Wake) -> anyhow::Result<Self> {
        let chosen = Arc::new(AtomicBool::new(false));
        let (sender, events) = sync_channel(EVENTS);
        follow_transport(Arc::clone(&chosen), sender, wake.clone())?;
        let jack = TempoLeader { source: TempoSource::Jack, chosen, events, _peer: None };
        Ok(Self([jack].into_iter().chain(join_link(link, wake)?).collect()))
    }

    /// Returns the reports of the chosen session or transport since the last call; others are discarded.
    pub(super) fn poll(&self, chosen: TempoSource, timeline: &Timeline) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        for leader in &self.0 {
            leader.chosen.store(leader.source == chosen, Relaxed);
            let events = leader.events.try_iter().filter(|_| leader.source == chosen);
            out.extend(events.map(|event| event.to_control_event(|at| timeline.frame(at))));
        }
        out
    }

    /// Whether it is available.
    pub(super) fn is_available(&self, source: TempoSource) -> bool {
        self.0.iter().any(|leader| leader.source == source)
    }
}

#[cfg(feature = "link")]
fn join_link(wanted: bool, wake: &Wake) -> anyhow::Result<Option<TempoLeader>> {
    if !wanted {
        return Ok(None);
    }
    let (sender, events) = sync_channel(EVENTS);
    let chosen = Arc::new(AtomicBool::new(false));
    let peer = crate::remote::link::Link::start(Arc::clone(&chosen), sender, wake.clone())?;
    tracing::info!("joined the Ableton Link session; `melos set tempo/source link` lets it control the tempo");
    Ok(Some(TempoLeader { source: TempoSource::Link, chosen, events, _peer: Some(Box::new(peer)) }))
}

#[cfg(not(feature = "link"))]
fn join_link(wanted: bool, _: &Wake) -> anyhow::Result<Option<TempoLeader>> {
    if wanted {
        anyhow::bail!(
            "this melos was built without Ableton Link: build it with `cargo build --release --features link`, or remove `link` from melos.toml"
        );
    }
    Ok(None)
}
