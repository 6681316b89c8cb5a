//! Who leads the tempo: of all clocks only the chosen one is heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, sync_channel};

use super::timeline::Timeline;
use crate::event::ControlEvent;
use crate::event::parameter::TempoSource;
use crate::midi::{ClockEvent, follow_transport};

/// Events that may wait; a turn empties the channel within milliseconds.
const EVENTS: usize = 1024;

/// A session or a transport that leads when it is chosen.
struct Leader {
    source: TempoSource,
    /// Whether it is chosen; what is not wanted says nothing, and says everything afresh when it is.
    wanted: Arc<AtomicBool>,
    events: Receiver<ClockEvent>,
    /// What keeps us in it.
    _peer: Option<Box<dyn Send>>,
}

/// Who may lead the tempo besides MIDI clocks: the JACK transport, and an Ableton Link session.
pub(super) struct Leaders(Vec<Leader>);

impl Leaders {
    /// Follows the JACK transport; joins Link if that is wanted.
    ///
    /// # Errors
    /// When there can be no more threads, or this program was built without Link.
    pub(super) fn open(link: bool) -> anyhow::Result<Self> {
        let wanted = Arc::new(AtomicBool::new(false));
        let (sender, events) = sync_channel(EVENTS);
        follow_transport(Arc::clone(&wanted), sender)?;
        let jack = Leader { source: TempoSource::Jack, wanted, events, _peer: None };
        Ok(Self([jack].into_iter().chain(join_link(link)?).collect()))
    }

    /// What the chosen session or transport said since this was last asked; what the others said is left out.
    pub(super) fn take(&self, chosen: TempoSource, timeline: &Timeline) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        for leader in &self.0 {
            leader.wanted.store(leader.source == chosen, Relaxed);
            let events = leader.events.try_iter().filter(|_| leader.source == chosen);
            out.extend(events.map(|event| event.on_time_line(|at| timeline.frame(at))));
        }
        out
    }

    /// Whether it can lead at all.
    pub(super) fn knows(&self, source: TempoSource) -> bool {
        self.0.iter().any(|leader| leader.source == source)
    }
}

#[cfg(feature = "link")]
fn join_link(wanted: bool) -> anyhow::Result<Option<Leader>> {
    if !wanted {
        return Ok(None);
    }
    let (sender, events) = sync_channel(EVENTS);
    let chosen = Arc::new(AtomicBool::new(false));
    let peer = crate::remote::link::Link::start(Arc::clone(&chosen), sender)?;
    tracing::info!("in the Ableton Link session; `melos set tempo/source link` lets it lead the tempo");
    Ok(Some(Leader { source: TempoSource::Link, wanted: chosen, events, _peer: Some(Box::new(peer)) }))
}

#[cfg(not(feature = "link"))]
fn join_link(wanted: bool) -> anyhow::Result<Option<Leader>> {
    if wanted {
        anyhow::bail!(
            "this melos was built without Ableton Link: build it with `cargo build --release --features link`, or leave `link` out"
        );
    }
    Ok(None)
}
