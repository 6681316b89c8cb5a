//! Controllers, clocks and instruments: MIDI in and out, MIDI learn, Ableton Link and the JACK transport.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use super::midi_learn::MidiLearn;
use super::tempo_leaders::{self, Absence, TempoLeaders};
use super::timeline::Timeline;
use crate::conductor::Conductor;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::event::{ControlEvent, Inbox, LearnRequest, Notice, Source};
use crate::files::config::{Config, MidiHost};
use crate::midi::mapping::{LearnedControl, LiveMappings, Mapping};
use crate::midi::{Message, MidiConnection, MidiEvent, MidiSystem};
use crate::output::device::OutputStatus;
use crate::quote::{listed, one_decimal, shown};
use crate::units::SAMPLE_RATE;

/// Capacity of the channel for MIDI events, which is drained every few milliseconds.
const CHANNEL_CAPACITY: usize = 1024;

/// Number of frames after startup within which connected MIDI devices are found.
const MIDI_SEARCH: u64 = 3 * SAMPLE_RATE as u64 / 2;

/// MIDI devices and their events; the handle keeps them connected.
type Midi = (MidiConnection, Receiver<MidiEvent>);

/// Controllers, instruments and external clocks.
pub(in crate::session::live) struct Devices {
    midi: Option<Midi>,
    /// The MIDI system requested at startup.
    host: MidiHost,
    tempo_leaders: TempoLeaders,
    /// The tempo source last logged.
    tempo_source: TempoSource,
    absence: Absence,
    /// The latest tempo of the external source, in beats per minute; `None` if another source sets the tempo.
    external_bpm: Option<f64>,
    mappings: LiveMappings,
    learn: MidiLearn,
    /// Whether the devices found at startup have been logged.
    logged: bool,
}

impl Devices {
    /// Opens the configured MIDI system, or the one that suits the `output`, follows the JACK transport, and joins Link
    /// if configured. Events from any of them wake the thread that drains the `inbox`.
    ///
    /// # Errors
    /// When no thread can be created, or Link is configured but the program was built without it.
    pub(in crate::session::live) fn open(
        config: &Config,
        output: &OutputStatus,
        mappings: LiveMappings,
        inbox: &Inbox,
        tempo_source: TempoSource,
    ) -> anyhow::Result<Self> {
        let host = config.midi.host;
        let midi = open_midi(host, output, inbox)?;
        let tempo_leaders = TempoLeaders::open(config.link, inbox.wake())?;
        let (absence, external_bpm, learn) = (Absence::default(), None, MidiLearn::default());
        let devices =
            Self { midi, host, tempo_leaders, tempo_source, absence, external_bpm, mappings, learn, logged: false };
        devices.open_feedback();
        Ok(devices)
    }

    /// Returns the events from devices and clocks since the last call; `timeline` converts times. All clocks except the
    /// tempo source are ignored.
    pub(super) fn poll(&mut self, source: TempoSource, timeline: &Timeline) -> Vec<(ControlEvent, Source)> {
        let mut out = Vec::new();
        if let Some((midi, events)) = &self.midi {
            midi.forward_received();
            let now = Instant::now();
            for event in events.try_iter() {
                self.learn.observe(&event, now);
                self.mappings.process(event, |at| timeline.frame(at), &mut out);
            }
        }
        let is_clock_event = |event: &ControlEvent| matches!(event, ControlEvent::Tempo(_) | ControlEvent::Beat { .. });
        out.retain(|event| source == TempoSource::Clock || !is_clock_event(event));
        let led = self.tempo_leaders.poll(source, timeline);
        for event in out.iter().chain(&led) {
            if let ControlEvent::Tempo(bpm) = event {
                self.external_bpm = Some(*bpm);
            }
        }
        let midi = out.into_iter().map(|event| (event, Source::Midi));
        midi.chain(led.into_iter().map(|event| (event, Source::Other))).collect()
    }

    /// Processes MIDI learn requests, given the current parameter values; returns the replies.
    pub(super) fn learn(
        &mut self,
        requests: impl Iterator<Item = (LearnRequest, Option<SocketAddr>)>,
        value: impl Fn(Param) -> Value,
    ) -> Vec<Notice> {
        self.learn.process(requests, &mut self.mappings, value)
    }

    /// Logs a change of the tempo source, and returns whether there was one. If a MIDI clock is now the source, also lets
    /// its tempo take effect.
    pub(super) fn log_tempo_source(&mut self, source: TempoSource, conductor: &Conductor) -> bool {
        if std::mem::replace(&mut self.tempo_source, source) == source {
            return false;
        }
        self.external_bpm = None;
        match source {
            TempoSource::Mood => tracing::info!("the mood controls the tempo"),
            TempoSource::Pinned => {
                let Value::Number(bpm) = conductor.value(Param::Tempo) else { return true };
                let bpm = one_decimal(bpm.into());
                tracing::info!(
                    "the tempo is fixed at {bpm} bpm; `melos set tempo/source mood` lets the mood control it again"
                );
            }
            TempoSource::Clock | TempoSource::Link | TempoSource::Jack => {
                if source == TempoSource::Clock {
                    self.mappings.repeat_tempo();
                }
                tracing::info!("{} controls the tempo", source.name());
            }
        }
        true
    }

    /// Returns why the tempo source cannot set the tempo, or only within limits, once this has lasted for a while.
    pub(super) fn tempo_absence(&mut self, source: TempoSource) -> Option<&'static str> {
        let now = Instant::now();
        let reason = match source {
            TempoSource::Mood | TempoSource::Pinned => None,
            TempoSource::Clock if self.mappings.has_active_clock(now) => None,
            TempoSource::Clock => Some("no MIDI clock received; the current tempo is kept"),
            TempoSource::Link | TempoSource::Jack => self.tempo_leaders.absence(source),
        };
        let reason = reason.or_else(|| self.external_bpm.and_then(tempo_leaders::excess));
        self.absence.update(source, reason, now)
    }

    /// Logs the connected devices and their mappings once, after allowing enough time to find them.
    pub(super) fn log_devices_once(&mut self, head: u64) {
        if self.logged || head < MIDI_SEARCH {
            return;
        }
        self.logged = true;
        if self.midi.is_none() {
            return tracing::info!("MIDI is off");
        }
        let connected: Vec<_> = self
            .mappings
            .devices()
            .map(|(name, mappings)| {
                let mappings = if mappings.is_empty() {
                    "Keyboard".to_owned()
                } else {
                    listed(mappings.iter().map(String::as_str))
                };
                format!("{} ({mappings})", shown(name))
            })
            .collect();
        if connected.is_empty() {
            tracing::info!("MIDI: no device connected yet; you can connect one at any time");
        } else {
            tracing::info!("MIDI: {}", connected.join("; "));
        }
    }

    /// Returns whether the instruments may have missed messages since the last call.
    pub(super) fn have_missed_messages(&self) -> bool {
        self.midi.as_ref().is_some_and(|(midi, _)| midi.out().take_missed())
    }

    /// Sends notes and clock messages to instruments.
    pub(super) fn send(&self, messages: impl Iterator<Item = (u64, Message)>, timeline: &Timeline) {
        let out = self.midi.as_ref().map(|(midi, _)| midi.out());
        for (frame, message) in messages {
            if let Some(out) = out {
                out.send(timeline.time(frame), message);
            }
        }
    }

    /// Reports a parameter's value to the mappings.
    pub(super) fn report_value(&mut self, param: Param, value: &Value) {
        self.mappings.update_value(param, value);
    }

    /// Sends feedback to controllers' motors and lights.
    pub(super) fn send_feedback(&mut self) {
        let Some((midi, _)) = &self.midi else { return };
        let mut out = Vec::new();
        self.mappings.feedback(&mut out);
        for (device, message) in out {
            midi.feedback().send(device, message);
        }
    }

    /// Switches MIDI to the system that suits the audio output, unless one is configured.
    pub(super) fn follow_audio_system(&self, output: &OutputStatus) {
        if let Some((midi, _)) = self.midi.as_ref().filter(|_| self.host == MidiHost::Auto)
            && output.is_connected()
        {
            let system = MidiSystem::for_output(&output.name());
            if system != midi.system() {
                tracing::info!(?system, "MIDI follows the audio system");
                midi.switch(system);
            }
        }
    }

    /// Replaces the mappings; returns events that release held keys.
    pub(super) fn set_mappings(&mut self, mappings: Vec<Mapping>) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        self.mappings.set_mappings(mappings, &mut out);
        self.open_feedback();
        out
    }

    pub(super) const fn mappings(&self) -> &LiveMappings {
        &self.mappings
    }

    /// Returns the parameter being learned.
    pub(super) fn learning(&self) -> Option<Param> {
        self.learn.param()
    }

    /// Returns the learned controls, oldest first.
    pub(super) fn learned(&self) -> impl Iterator<Item = &LearnedControl> {
        self.mappings.learned()
    }

    /// Adds a control learned earlier, unless the same control has been learned again since.
    pub(super) fn add_learned(&mut self, control: LearnedControl) {
        if !self.learned().any(|newer| newer.replaces(&control)) {
            self.mappings.learn(control);
        }
    }

    /// Opens feedback to the devices whose mappings use it.
    fn open_feedback(&self) {
        if let Some((midi, _)) = &self.midi {
            midi.feedback().request(self.mappings.feedback_devices());
        }
    }
}

/// Opens MIDI on the configured system or, if none is configured, on the one that suits the `output`.
fn open_midi(host: MidiHost, output: &OutputStatus, inbox: &Inbox) -> std::io::Result<Option<Midi>> {
    let system = match host {
        MidiHost::Off => return Ok(None),
        MidiHost::Alsa => MidiSystem::Alsa,
        MidiHost::Jack => MidiSystem::Jack,
        MidiHost::Auto => MidiSystem::for_output(&output.name()),
    };
    let (sender, events) = sync_channel(CHANNEL_CAPACITY);
    Ok(Some((MidiConnection::start(system, sender, inbox.wake().clone(), Arc::clone(inbox.losses()))?, events)))
}
