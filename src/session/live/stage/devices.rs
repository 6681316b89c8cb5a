//! Controllers, clocks and instruments: MIDI in and out, MIDI learn, Ableton Link.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use super::learn::Lesson;
use super::timeline::Timeline;
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Inbox, Source};
use crate::files::config::{Config, MidiHost};
use crate::midi::mapping::{Learned, LiveMappings, Mapping};
use crate::midi::{ClockEvent, Message, MidiEvent, MidiIn, MidiSystem};
use crate::output::device::OutputStatus;

/// Events of either kind that may wait; a turn empties the channel within milliseconds.
const EVENTS: usize = 1024;

/// MIDI devices, and what they do; the handle keeps them connected.
type Midi = (MidiIn, Receiver<MidiEvent>);

/// A Link session: the peer that keeps us in it, and what it says.
struct LinkSession {
    _peer: Box<dyn Send>,
    events: Receiver<ClockEvent>,
}

/// Everything with keys, knobs or a clock.
pub(in crate::session::live) struct Devices {
    midi: Option<Midi>,
    /// What was asked to carry MIDI at the start.
    host: MidiHost,
    link: Option<LinkSession>,
    pub(super) mappings: LiveMappings,
    /// The control that is being learnt.
    pub(super) lesson: Option<Lesson>,
}

impl Devices {
    /// Looks for devices on the system asked for, or on the one that belongs to the `output`; joins Link if it is to be
    /// followed. What they do wakes whoever empties the `inbox`.
    ///
    /// # Errors
    /// When there can be no more threads, or this program knows no Link.
    pub(in crate::session::live) fn open(
        config: &Config,
        output: &OutputStatus,
        mappings: LiveMappings,
        inbox: &Inbox,
    ) -> anyhow::Result<Self> {
        let host = config.midi.host;
        let midi = open_midi(host, output, inbox)?;
        let devices = Self { midi, host, link: join_link(config.link, inbox)?, mappings, lesson: None };
        devices.want_feedback();
        Ok(devices)
    }

    /// What devices and clocks did since this was last asked, given where moments lie.
    pub(super) fn take(&mut self, timeline: &Timeline) -> Vec<(ControlEvent, Source)> {
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
        let midi = out.into_iter().map(|event| (event, Source::Midi));
        let link = self.link.iter().flat_map(|link| link.events.try_iter());
        midi.chain(link.map(|event| (event.on_time_line(|at| timeline.frame(at)), Source::Other))).collect()
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
            midi.feedback().want(self.mappings.told_devices());
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

/// What an Ableton Link session says, if it is to be followed.
#[cfg(feature = "link")]
fn join_link(wanted: bool, inbox: &Inbox) -> anyhow::Result<Option<LinkSession>> {
    if !wanted {
        return Ok(None);
    }
    let (sender, events) = sync_channel(EVENTS);
    tracing::info!("following Ableton Link");
    Ok(Some(LinkSession { _peer: Box::new(crate::remote::link::Link::start(sender, inbox.wake().clone())?), events }))
}

#[cfg(not(feature = "link"))]
fn join_link(wanted: bool, _: &Inbox) -> anyhow::Result<Option<LinkSession>> {
    if wanted {
        anyhow::bail!(
            "this melos was built without Ableton Link: build it with `cargo build --release --features link`, or leave `link` out"
        );
    }
    Ok(None)
}
