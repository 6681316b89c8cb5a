//! Controllers, clocks and instruments: MIDI in and out, MIDI learn, Ableton Link.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use super::leader::Leaders;
use super::learn::Lesson;
use super::timeline::Timeline;
use crate::event::health::Losses;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::event::{ControlEvent, Source};
use crate::files::config::{Config, MidiHost};
use crate::midi::mapping::{Learned, LiveMappings, Mapping};
use crate::midi::{Message, MidiEvent, MidiIn, MidiSystem};
use crate::output::device::OutputStatus;
use crate::quote::shown;

/// Events of either kind that may wait; a turn empties the channel within milliseconds.
const EVENTS: usize = 1024;

/// MIDI devices, and what they do; the handle keeps them connected.
type Midi = (MidiIn, Receiver<MidiEvent>);

/// Everything with keys, knobs or a clock.
pub(in crate::session::live) struct Devices {
    midi: Option<Midi>,
    /// What was asked to carry MIDI at the start.
    host: MidiHost,
    leaders: Leaders,
    pub(super) mappings: LiveMappings,
    /// The control that is being learnt.
    pub(super) lesson: Option<Lesson>,
}

impl Devices {
    /// Looks for devices on the system asked for, or on the one that belongs to the `output`; joins Link if it is to be
    /// followed.
    ///
    /// # Errors
    /// When there can be no more threads, or this program knows no Link.
    pub(in crate::session::live) fn open(
        config: &Config,
        output: &OutputStatus,
        mappings: LiveMappings,
        losses: &Arc<Losses>,
    ) -> anyhow::Result<Self> {
        let host = config.midi.host;
        let midi = open_midi(host, output, Arc::clone(losses))?;
        let devices = Self { midi, host, leaders: Leaders::open(config.link)?, mappings, lesson: None };
        devices.want_feedback();
        Ok(devices)
    }

    /// What devices and clocks did since this was last asked, given where moments lie. Of all clocks only the one that
    /// leads the tempo is heard.
    pub(super) fn take(&mut self, leader: TempoSource, timeline: &Timeline) -> Vec<(ControlEvent, Source)> {
        let mut out = Vec::new();
        if let Some((midi, events)) = &self.midi {
            midi.gather();
            let now = Instant::now();
            for event in events.try_iter() {
                if let Some(Lesson { learning, .. }) = &mut self.lesson {
                    learning.hear(&event, now);
                }
                self.mappings.midi(event, |at| timeline.frame(at), &mut out);
            }
        }
        let is_of_clock = |event: &ControlEvent| matches!(event, ControlEvent::Tempo(_) | ControlEvent::Beat { .. });
        out.retain(|event| leader == TempoSource::Clock || !is_of_clock(event));
        let midi = out.into_iter().map(|event| (event, Source::Midi));
        midi.chain(self.leaders.take(leader, timeline).into_iter().map(|event| (event, Source::Other))).collect()
    }

    /// Says who leads the tempo from now on; `bpm` is the tempo of this moment.
    pub(super) fn say_leader(&mut self, leader: TempoSource, bpm: f32) {
        match leader {
            TempoSource::Mood => tracing::info!("the mood leads the tempo"),
            TempoSource::Pinned => {
                tracing::info!(
                    "the tempo is pinned at {bpm} bpm; `melos set tempo/source mood` gives it back to the mood"
                );
            }
            TempoSource::Clock => {
                self.mappings.report_clock_again();
                tracing::info!("a MIDI clock leads the tempo; until one ticks it stays where it is");
            }
            TempoSource::Link if !self.leaders.knows(leader) => tracing::warn!(
                "tempo/source is link, but no Link session is joined: set `link = true` in melos.toml; the tempo stays \
                 where it is"
            ),
            TempoSource::Link | TempoSource::Jack => tracing::info!("{} leads the tempo", leader.name()),
        }
    }

    /// Says which devices are here with which mapping.
    pub(super) fn greet(&self) {
        if self.midi.is_none() {
            return tracing::info!("MIDI is off");
        }
        // Under JACK there is always a port to connect to.
        let here = self.mappings.devices().filter(|(name, _)| *name != "melos:midi_in");
        let here: Vec<_> = here
            .map(|(name, mappings)| {
                let by = if mappings.is_empty() { "Keyboard".to_owned() } else { mappings.join(", ") };
                format!("{} ({by})", shown(name))
            })
            .collect();
        if here.is_empty() {
            tracing::info!("MIDI: no device yet; one that is plugged in or connected is taken while the music plays");
        } else {
            tracing::info!("MIDI: {}", here.join("; "));
        }
    }

    /// Sends instruments what they are to play.
    pub(super) fn send(&self, messages: impl Iterator<Item = (u64, Message)>, timeline: &Timeline) {
        let out = self.midi.as_ref().map(|(midi, _)| midi.out());
        for (frame, message) in messages {
            if let Some(out) = out {
                out.send(timeline.moment(frame), message);
            }
        }
    }

    /// Learns that a parameter has a value now.
    pub(super) fn value(&mut self, param: Param, value: &Value) {
        self.mappings.value(param, value);
    }

    /// Tells motors and lights of controllers where they are to stand.
    pub(super) fn tell_controls(&mut self) {
        let Some((midi, _)) = &self.midi else { return };
        let mut out = Vec::new();
        self.mappings.feedback(&mut out);
        for (device, message) in out {
            midi.feedback().send(device, message);
        }
    }

    /// Where nobody said what carries MIDI, it goes where the sound goes.
    pub(super) fn follow(&self, output: &OutputStatus) {
        if let Some((midi, _)) = self.midi.as_ref().filter(|_| self.host == MidiHost::Auto)
            && output.connected()
        {
            let system = MidiSystem::beside(&output.name());
            if system != midi.system() {
                tracing::info!(?system, "MIDI goes where the sound goes");
                midi.switch(system);
            }
        }
    }

    /// Takes other mappings; what follows from letting held keys go.
    pub(super) fn set_mappings(&mut self, mappings: Vec<Mapping>) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        self.mappings.set_mappings(mappings, &mut out);
        self.want_feedback();
        out
    }

    pub(super) const fn mappings(&self) -> &LiveMappings {
        &self.mappings
    }

    /// The parameter that a control is being learnt for.
    pub(super) fn learning(&self) -> Option<Param> {
        self.lesson.as_ref().map(|lesson| lesson.learning.param())
    }

    /// The controls that were learnt, oldest first.
    pub(super) fn learned(&self) -> impl Iterator<Item = &Learned> {
        self.mappings.learned()
    }

    /// Says which devices the mappings want to tell anything.
    fn want_feedback(&self) {
        if let Some((midi, _)) = &self.midi {
            midi.feedback().want(self.mappings.feedback_devices());
        }
    }
}

/// MIDI through the system asked for; none is no reason not to play.
fn open_midi(host: MidiHost, output: &OutputStatus, losses: Arc<Losses>) -> std::io::Result<Option<Midi>> {
    let system = match host {
        MidiHost::Off => return Ok(None),
        MidiHost::Alsa => MidiSystem::Alsa,
        MidiHost::Jack => MidiSystem::Jack,
        MidiHost::Auto => MidiSystem::beside(&output.name()),
    };
    let (sender, events) = sync_channel(EVENTS);
    Ok(Some((MidiIn::start(system, sender, losses)?, events)))
}
