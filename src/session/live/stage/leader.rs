//! Who leads the tempo from outside: of all clocks only the chosen one is heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Receiver;

use super::Stage;
use super::timeline::Timeline;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::event::{ControlEvent, Incoming, Source};
use crate::midi::ClockEvent;

/// A session or a transport that leads when it is chosen.
pub(in crate::session::live) struct Outside {
    pub(in crate::session::live) source: TempoSource,
    /// Whether it is chosen; what is not wanted says nothing, and says everything afresh when it is.
    pub(in crate::session::live) wanted: Arc<AtomicBool>,
    pub(in crate::session::live) events: Receiver<ClockEvent>,
    /// What keeps us in it.
    pub(in crate::session::live) _peer: Option<Box<dyn Send>>,
}

/// Whether a MIDI clock said something.
pub(super) const fn is_of_clock(event: &ControlEvent) -> bool {
    matches!(event, ControlEvent::Tempo(_) | ControlEvent::Beat { .. })
}

impl Stage {
    /// Who leads the tempo.
    pub(super) fn tempo_source(&self) -> TempoSource {
        match self.conductor.value(Param::TempoSource) {
            Value::Choice(position) => TempoSource::at(position),
            _ => TempoSource::Mood,
        }
    }

    /// Turns what the chosen session or transport said into events.
    pub(super) fn take_outside(&self, timeline: &Timeline) {
        let chosen = self.tempo_source();
        for outside in &self.outside {
            outside.wanted.store(outside.source == chosen, Relaxed);
            // What was said before another was chosen is left out.
            for event in outside.events.try_iter().filter(|_| outside.source == chosen) {
                let event = event.on_time_line(|at| timeline.frame(at));
                self.inbox.push(Incoming { event, due: None, source: Source::Other });
            }
        }
    }

    /// Says who leads the tempo now, when that is another than before.
    pub(super) fn tell_leader(&mut self, before: TempoSource) {
        let now = self.tempo_source();
        if now == before {
            return;
        }
        match now {
            TempoSource::Mood => tracing::info!("the mood leads the tempo"),
            TempoSource::Pinned => {
                let Value::Number(bpm) = self.conductor.value(Param::Tempo) else { return };
                tracing::info!(
                    "the tempo is pinned at {bpm} bpm; `melos set tempo/source mood` gives it back to the mood"
                );
            }
            TempoSource::Clock => {
                self.mappings.say_clock_again();
                tracing::info!("a MIDI clock leads the tempo; until one ticks it stays where it is");
            }
            TempoSource::Link if !self.outside.iter().any(|outside| outside.source == now) => tracing::warn!(
                "tempo/source is link, but no Link session is joined: set `link = true` in melos.toml; the tempo stays \
                 where it is"
            ),
            TempoSource::Link | TempoSource::Jack => tracing::info!("{} leads the tempo", now.name()),
        }
    }
}
