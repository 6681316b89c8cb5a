//! MIDI for instruments: the network's piano and the harmony voices as notes, and the beat as MIDI clock.

mod piano;

use crate::event::parameter::Param;
use crate::event::{EngineCommand, TimedCommand};
use crate::files::config::MidiOutConfig;
use crate::generator::GeneratedLatent;
use crate::midi::Message;
use crate::music::theory::Voice;
use crate::session::notes::PianoEvent;

use piano::Piano;

/// Controller number of the sustain pedal.
const SUSTAIN: u8 = 64;
/// Controller number of the All Notes Off message.
const ALL_NOTES_OFF: u8 = 123;
/// MIDI clock pulses per sixteenth note, the unit of song position.
const PULSES_PER_SIXTEENTH: u64 = 6;

/// Converts the conductor's output to MIDI messages. Muted voices are sent too, since an instrument may play them instead.
#[derive(Debug)]
pub(in crate::session::live) struct MidiSequencer {
    config: MidiOutConfig,
    playing: bool,
    /// Channel and note number of each sounding note of the harmony.
    sounding: Vec<(u8, u8)>,
    piano: Piano,
    /// Reused for the piano's events.
    piano_events: Vec<(u64, PianoEvent)>,
    /// The next clock pulse; `None` while the clock is stopped.
    next_pulse: Option<u64>,
    out: Vec<(u64, Message)>,
}

impl MidiSequencer {
    pub(in crate::session::live) fn new(config: MidiOutConfig) -> Self {
        Self {
            config,
            playing: true,
            sounding: Vec::new(),
            piano: Piano::default(),
            piano_events: Vec::new(),
            next_pulse: None,
            out: Vec::new(),
        }
    }

    /// Applies a new configuration from a frame onwards, ending sounding notes.
    pub(super) fn configure(&mut self, frame: u64, config: MidiOutConfig) {
        self.play_piano(frame);
        self.end_notes(frame);
        if !config.clock {
            self.stop_clock(frame);
        }
        self.config = config;
    }

    /// Silences the instruments at a frame, because messages to them may have been lost.
    pub(super) fn silence_after_loss(&mut self, frame: u64) {
        self.play_piano(frame);
        self.piano.distrust_pedal();
        self.silence(frame);
    }

    /// Adds the notes of a latent, replacing all later ones that have not been played.
    pub(super) fn add_latent(&mut self, latent: &GeneratedLatent) {
        self.piano.add_latent(latent);
    }

    /// Adds commands and pulses, both in frame order.
    pub(in crate::session::live) fn add(&mut self, commands: &[TimedCommand], pulses: &[(u64, u64)]) {
        let mut pulses = pulses.iter().peekable();
        for TimedCommand { frame, command } in commands {
            while let Some((at, pulse)) = pulses.next_if(|(at, _)| at <= frame) {
                self.add_pulse(*at, *pulse);
            }
            self.play_piano(*frame);
            self.add_command(*frame, *command);
        }
        pulses.for_each(|(at, pulse)| self.add_pulse(*at, *pulse));
    }

    /// Removes and returns the messages up to a frame, each with its frame, in order.
    pub(super) fn drain_until(&mut self, frame: u64) -> impl Iterator<Item = (u64, Message)> {
        self.play_piano(frame);
        self.out.drain(..)
    }

    fn add_command(&mut self, frame: u64, command: EngineCommand) {
        match command {
            EngineCommand::NoteOn { voice, note, velocity } if self.playing && self.config.notes => {
                let channel = self.channel(voice);
                let velocity = (velocity * 127.0).round().clamp(1.0, 127.0) as u8;
                self.sounding.push((channel, note));
                self.out.push((frame, Message::NoteOn { channel, note, velocity }));
            }
            EngineCommand::NoteOff { voice, note } => {
                let ended = (self.channel(voice), note);
                if let Some(index) = self.sounding.iter().position(|sounding| *sounding == ended) {
                    self.sounding.swap_remove(index);
                    self.out.push((frame, Message::NoteOff { channel: ended.0, note }));
                }
            }
            EngineCommand::Panic => self.silence(frame),
            EngineCommand::Toggle(Param::Play, on) => {
                self.playing = on;
                if !on {
                    self.end_notes(frame);
                    self.stop_clock(frame);
                }
            }
            _ => {}
        }
    }

    fn add_pulse(&mut self, frame: u64, pulse: u64) {
        self.play_piano(frame);
        if !self.playing || !self.config.clock {
            return;
        }
        if self.next_pulse != Some(pulse) {
            self.stop_clock(frame);
            if pulse == 0 {
                self.out.push((frame, Message::Start));
            } else if pulse.is_multiple_of(PULSES_PER_SIXTEENTH) {
                // Song position has 14 bits.
                self.out.push((frame, Message::SongPosition(((pulse / PULSES_PER_SIXTEENTH) & 0x3FFF) as u16)));
                self.out.push((frame, Message::Continue));
            } else {
                return;
            }
        }
        self.next_pulse = Some(pulse + 1);
        self.out.push((frame, Message::Clock));
    }

    fn stop_clock(&mut self, frame: u64) {
        if self.next_pulse.take().is_some() {
            self.out.push((frame, Message::Stop));
        }
    }

    /// Ends all notes, including those that an instrument holds for any other reason.
    fn silence(&mut self, frame: u64) {
        self.end_notes(frame);
        if self.config.notes {
            let channels = self.config.channels.iter().chain([&self.config.piano_channel]);
            self.out.extend(channels.map(|channel| {
                (frame, Message::ControlChange { channel: channel.index(), controller: ALL_NOTES_OFF, value: 0 })
            }));
        }
    }

    fn end_notes(&mut self, frame: u64) {
        let ended = self.sounding.drain(..).map(|(channel, note)| (frame, Message::NoteOff { channel, note }));
        self.out.extend(ended);
        self.piano.stop(frame, &mut self.piano_events);
        self.send_piano();
    }

    /// Plays the piano up to a frame.
    fn play_piano(&mut self, frame: u64) {
        self.piano.play_until(frame, self.playing && self.config.notes, &mut self.piano_events);
        self.send_piano();
    }

    fn send_piano(&mut self) {
        let channel = self.config.piano_channel.index();
        self.out.extend(self.piano_events.drain(..).map(|(frame, event)| {
            let message = match event {
                PianoEvent::NoteOn { key, velocity } => Message::NoteOn { channel, note: key, velocity },
                PianoEvent::NoteOff { key } => Message::NoteOff { channel, note: key },
                PianoEvent::Pedal(down) => {
                    Message::ControlChange { channel, controller: SUSTAIN, value: if down { 127 } else { 0 } }
                }
            };
            (frame, message)
        }));
    }

    const fn channel(&self, voice: Voice) -> u8 {
        self.config.channels[voice as usize].index()
    }
}

#[cfg(test)]
mod tests;
