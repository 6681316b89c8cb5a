//! Controllers, clocks and instruments: MIDI in and out, MIDI learn, Ableton Link.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use super::leader::Leaders;
use super::learn::Lesson;
use super::timeline::Timeline;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::event::{ControlEvent, Inbox, Source};
use crate::files::config::{Config, MidiHost};
use crate::midi::mapping::{Learned, LiveMappings, Mapping};
use crate::midi::{Message, MidiEvent, MidiIn, MidiSystem};
use crate::output::device::OutputStatus;

/// Capacity of the event channels; a turn empties them within milliseconds.
const EVENTS: usize = 1024;

/// MIDI devices and their events; the handle keeps them connected.
type Midi = (MidiIn, Receiver<MidiEvent>);

/// Everything with keys, knobs or a clock.
pub(in crate::session::live) struct Devices {
    midi: Option<Midi>,
    /// The MIDI system requested at startup.
    host: MidiHost,
    leaders: Leaders,
    pub(super) mappings: LiveMappings,
    /// The parameter being learned.
    pub(super) lesson: Option<Lesson>,
}

impl Devices {
    /// Looks for devices on the system asked for, or on the one that belongs to the `output`; joins Link if it is to be
    /// followed. Their events wake the thread that drains the `inbox`.
    ///
    /// # Errors
    /// When no thread can be created, or the program was built without Link.
    pub(in crate::session::live) fn open(
        config: &Config,
        output: &OutputStatus,
        mappings: LiveMappings,
        inbox: &Inbox,
    ) -> anyhow::Result<Self> {
        let host = config.midi.host;
        let midi = open_midi(host, output, inbox)?;
        let leaders = Leaders::open(config.link, inbox.wake())?;
        let devices = Self { midi, host, leaders, mappings, lesson: None };
        devices.want_feedback();
        Ok(devices)
    }

    /// Events from devices and clocks since the last call; `timeline` converts times. Of all clocks only the tempo
    /// source counts.
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

    /// Sets the tempo source; `bpm` is the current tempo.
    pub(super) fn say_leader(&mut self, leader: TempoSource, bpm: f32) {
        match leader {
            TempoSource::Mood => tracing::info!("the mood controls the tempo"),
            TempoSource::Pinned => {
                tracing::info!("the tempo is fixed at {bpm} bpm; `melos set tempo/source mood` returns it to the mood");
            }
            TempoSource::Clock => {
                self.mappings.report_clock_again();
                tracing::info!("a MIDI clock controls the tempo, which stays as it is until one ticks");
            }
            TempoSource::Link if !self.leaders.knows(leader) => tracing::warn!(
                "tempo/source is link, but no Link session is joined: set `link = true` in melos.toml; the tempo stays \
                 where it is"
            ),
            TempoSource::Link | TempoSource::Jack => tracing::info!("{} controls the tempo", leader.name()),
        }
    }

    /// Sends notes and clock to instruments.
    pub(super) fn send(&self, messages: impl Iterator<Item = (u64, Message)>, timeline: &Timeline) {
        let out = self.midi.as_ref().map(|(midi, _)| midi.out());
        for (frame, message) in messages {
            if let Some(out) = out {
                out.send(timeline.moment(frame), message);
            }
        }
    }

    /// Reports a parameter's value to the mappings.
    pub(super) fn value(&mut self, param: Param, value: &Value) {
        self.mappings.value(param, value);
    }

    /// Sends feedback to controllers' motors and lights.
    pub(super) fn tell_controls(&mut self) {
        let Some((midi, _)) = &self.midi else { return };
        let mut out = Vec::new();
        self.mappings.feedback(&mut out);
        for (device, message) in out {
            midi.feedback().send(device, message);
        }
    }

    /// If no MIDI system is configured, it follows the audio system.
    pub(super) fn follow(&self, output: &OutputStatus) {
        if let Some((midi, _)) = self.midi.as_ref().filter(|_| self.host == MidiHost::Auto)
            && output.connected()
        {
            let system = MidiSystem::beside(&output.name());
            if system != midi.system() {
                tracing::info!(?system, "MIDI follows the audio system");
                midi.switch(system);
            }
        }
    }

    /// Replaces the mappings; returns the events of released keys.
    pub(super) fn set_mappings(&mut self, mappings: Vec<Mapping>) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        self.mappings.set_mappings(mappings, &mut out);
        self.want_feedback();
        out
    }

    pub(super) const fn mappings(&self) -> &LiveMappings {
        &self.mappings
    }

    /// The parameter being learned.
    pub(super) fn learning(&self) -> Option<Param> {
        self.lesson.as_ref().map(|lesson| lesson.learning.param())
    }

    /// The learned controls, oldest first.
    pub(super) fn learned(&self) -> impl Iterator<Item = &Learned> {
        self.mappings.learned()
    }

    /// Opens feedback to the devices that the mappings want it for.
    fn want_feedback(&self) {
        if let Some((midi, _)) = &self.midi {
            midi.feedback().want(self.mappings.feedback_devices());
        }
    }
}

/// MIDI through the system asked for; none is no reason not to play.
fn open_midi(host: MidiHost, output: &OutputStatus, inbox: &Inbox) -> std::io::Result<Option<Midi>> {
    let system = match host {
        MidiHost::Off => return Ok(None),
        MidiHost::Alsa => MidiSystem::Alsa,
        MidiHost::Jack => MidiSystem::Jack,
        MidiHost::Auto => MidiSystem::beside(&output.name()),
    };
    let (sender, events) = sync_channel(EVENTS);
    Ok(Some((MidiIn::start(system, sender, inbox.wake().clone(), Arc::clone(inbox.losses()))?, events)))
}
