//! External tempo sources. Only the chosen one is followed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, sync_channel};

use super::timeline::Timeline;
use crate::event::parameter::TempoSource;
use crate::event::{ControlEvent, Wake};
use crate::midi::{ClockEvent, follow_transport};

/// Capacity of the event channel; it is drained every few milliseconds.
const CHANNEL_CAPACITY: usize = 1024;

/// A session or transport that can be chosen as the tempo source.
struct TempoLeader {
    source: TempoSource,
    /// Whether this is the current tempo source; otherwise it sends no events, and starts over when it is chosen again.
    chosen: Arc<AtomicBool>,
    events: Receiver<ClockEvent>,
    /// Leaves the session when dropped.
    _session: Option<Box<dyn Send>>,
}

/// Possible tempo sources besides MIDI clocks: the JACK transport and an Ableton Link session.
pub(super) struct TempoLeaders(Vec<TempoLeader>);

impl TempoLeaders {
    /// Follows the JACK transport, and joins Link if `link` is set. Their events wake the performance thread.
    ///
    /// # Errors
    /// When no thread can be created, or this program was built without Link.
    pub(super) fn open(link: bool, wake: &Wake) -> anyhow::Result<Self> {
        let chosen = Arc::new(AtomicBool::new(false));
        let (sender, events) = sync_channel(CHANNEL_CAPACITY);
        follow_transport(Arc::clone(&chosen), sender, wake.clone())?;
        let jack = TempoLeader { source: TempoSource::Jack, chosen, events, _session: None };
        Ok(Self([jack].into_iter().chain(join_link(link, wake)?).collect()))
    }

    /// Returns the events of the chosen session or transport since the last call; others are discarded.
    pub(super) fn poll(&self, chosen: TempoSource, timeline: &Timeline) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        for tempo_leader in &self.0 {
            tempo_leader.chosen.store(tempo_leader.source == chosen, Relaxed);
            let events = tempo_leader.events.try_iter().filter(|_| tempo_leader.source == chosen);
            out.extend(events.map(|event| event.to_control_event(|at| timeline.frame(at))));
        }
        out
    }

    /// Returns whether a tempo source is available.
    pub(super) fn is_available(&self, source: TempoSource) -> bool {
        self.0.iter().any(|tempo_leader| tempo_leader.source == source)
    }
}

#[cfg(feature = "link")]
fn join_link(enabled: bool, wake: &Wake) -> anyhow::Result<Option<TempoLeader>> {
    if !enabled {
        return Ok(None);
    }
    let (sender, events) = sync_channel(CHANNEL_CAPACITY);
    let chosen = Arc::new(AtomicBool::new(false));
    let peer = crate::remote::link::Link::start(Arc::clone(&chosen), sender, wake.clone())?;
    tracing::info!("joined the Ableton Link session; `melos set tempo/source link` lets it control the tempo");
    Ok(Some(TempoLeader { source: TempoSource::Link, chosen, events, _session: Some(Box::new(peer)) }))
}

#[cfg(not(feature = "link"))]
fn join_link(enabled: bool, _: &Wake) -> anyhow::Result<Option<TempoLeader>> {
    if enabled {
        anyhow::bail!(
            "this melos was built without Ableton Link: build it with `cargo build --release --features link`, or remove `link` from melos.toml"
        );
    }
    Ok(None)
}
