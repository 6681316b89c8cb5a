//! MIDI for instruments: the harmony voices as notes, and the beat as MIDI clock.

use crate::event::parameter::Param;
use crate::event::{EngineCommand, TimedCommand};
use crate::files::config::MidiOutConfig;
use crate::midi::Message;
use crate::music::theory::Voice;

/// Controller number of the All Notes Off message.
const ALL_NOTES_OFF: u8 = 123;
/// MIDI clock pulses per sixteenth note, the unit of song position.
const PULSES_PER_SIXTEENTH: u64 = 6;

/// Converts the conductor's output to MIDI messages. Muted voices are sent too, since an instrument may play them instead.
#[derive(Debug)]
pub(in crate::session::live) struct MidiSequencer {
    config: MidiOutConfig,
    playing: bool,
    /// Channel and note number of each sounding note.
    sounding: Vec<(u8, u8)>,
    /// The next clock pulse; `None` while the clock is stopped.
    next_pulse: Option<u64>,
    out: Vec<(u64, Message)>,
}

impl MidiSequencer {
    pub(in crate::session::live) fn new(config: MidiOutConfig) -> Self {
        Self { config, playing: true, sounding: Vec::new(), next_pulse: None, out: Vec::new() }
    }

    /// Applies a new configuration from a frame onwards, ending sounding notes.
    pub(super) fn configure(&mut self, frame: u64, config: MidiOutConfig) {
        self.end_notes(frame);
        if !config.clock {
            self.stop_clock(frame);
        }
        self.config = config;
    }

    /// Adds commands and pulses, both in frame order.
    pub(in crate::session::live) fn add(&mut self, commands: &[TimedCommand], pulses: &[(u64, u64)]) {
        let mut pulses = pulses.iter().peekable();
        for TimedCommand { frame, command } in commands {
            while let Some((at, pulse)) = pulses.next_if(|(at, _)| at <= frame) {
                self.add_pulse(*at, *pulse);
            }
            self.add_command(*frame, *command);
        }
        pulses.for_each(|(at, pulse)| self.add_pulse(*at, *pulse));
    }

    /// Removes and returns the messages, each with its frame, in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, Message)> {
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
            EngineCommand::Panic => {
                self.end_notes(frame);
                if self.config.notes {
                    let channels = self.config.channels.map(|channel| channel.index());
                    self.out.extend(channels.map(|channel| {
                        (frame, Message::ControlChange { channel, controller: ALL_NOTES_OFF, value: 0 })
                    }));
                }
            }
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

    fn end_notes(&mut self, frame: u64) {
        let ended = self.sounding.drain(..).map(|(channel, note)| (frame, Message::NoteOff { channel, note }));
        self.out.extend(ended);
    }

    const fn channel(&self, voice: Voice) -> u8 {
        self.config.channels[voice as usize].index()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(
        sequencer: &mut MidiSequencer,
        commands: &[(u64, EngineCommand)],
        pulses: &[(u64, u64)],
    ) -> Vec<(u64, Message)> {
        let commands: Vec<_> =
            commands.iter().map(|(frame, command)| TimedCommand { frame: *frame, command: *command }).collect();
        sequencer.add(&commands, pulses);
        sequencer.drain().collect()
    }

    const ON: EngineCommand = EngineCommand::NoteOn { voice: Voice::Pad, note: 60, velocity: 0.5 };
    const OFF: EngineCommand = EngineCommand::NoteOff { voice: Voice::Pad, note: 60 };
    const NOTE_ON: Message = Message::NoteOn { channel: 1, note: 60, velocity: 64 };
    const NOTE_OFF: Message = Message::NoteOff { channel: 1, note: 60 };

    #[test]
    fn notes_and_clock_are_in_time_order() {
        let mut sequencer = MidiSequencer::new(MidiOutConfig::default());
        let sent = take(&mut sequencer, &[(0, ON), (1500, OFF)], &[(0, 0), (1000, 1), (2000, 2)]);
        let clock = Message::Clock;
        let expected = [(0, Message::Start), (0, clock), (0, NOTE_ON), (1000, clock), (1500, NOTE_OFF), (2000, clock)];
        assert_eq!(sent, expected);
    }

    #[test]
    fn stop_and_panic_leave_no_hanging_notes() {
        let mut sequencer = MidiSequencer::new(MidiOutConfig::default());
        let play = |on| EngineCommand::Toggle(Param::Play, on);
        let sent = take(&mut sequencer, &[(0, ON), (10, play(false)), (20, ON), (30, OFF)], &[(0, 0), (25, 1)]);
        let start = [(0, Message::Start), (0, Message::Clock), (0, NOTE_ON)];
        assert_eq!(sent[..3], start);
        assert_eq!(sent[3..], [(10, NOTE_OFF), (10, Message::Stop)]);
        let sent = take(&mut sequencer, &[(40, play(true)), (50, ON), (60, EngineCommand::Panic), (60, OFF)], &[]);
        assert_eq!(sent[..2], [(50, NOTE_ON), (60, NOTE_OFF)]);
        let silenced = |channel| (60, Message::ControlChange { channel, controller: 123, value: 0 });
        assert_eq!(sent[2..], [0, 1, 2].map(silenced));
    }

    #[test]
    fn a_clock_that_skips_pulses_continues_at_the_next_sixteenth() {
        let mut sequencer = MidiSequencer::new(MidiOutConfig::default());
        take(&mut sequencer, &[], &[(0, 0)]);
        let sent = take(&mut sequencer, &[], &[(10, 95), (20, 96), (30, 97)]);
        let (clock, position) = (Message::Clock, Message::SongPosition(16));
        let expected = [(10, Message::Stop), (20, position), (20, Message::Continue), (20, clock), (30, clock)];
        assert_eq!(sent, expected);
    }

    #[test]
    fn changing_channels_leaves_no_hanging_notes() {
        let mut sequencer = MidiSequencer::new(MidiOutConfig::default());
        take(&mut sequencer, &[(0, ON)], &[(0, 0)]);
        let [bass, pad, upper] = MidiOutConfig::default().channels;
        sequencer
            .configure(5, MidiOutConfig { clock: false, channels: [pad, bass, upper], ..MidiOutConfig::default() });
        let sent = take(&mut sequencer, &[(6, ON), (7, OFF)], &[(7, 1)]);
        let on = |channel| Message::NoteOn { channel, note: 60, velocity: 64 };
        assert_eq!(
            sent,
            [(5, NOTE_OFF), (5, Message::Stop), (6, on(0)), (7, Message::NoteOff { channel: 0, note: 60 })]
        );
    }

    #[test]
    fn disabled_messages_are_not_sent() {
        let config = MidiOutConfig { notes: false, clock: false, ..MidiOutConfig::default() };
        let sent = take(&mut MidiSequencer::new(config), &[(0, ON), (1, OFF), (2, EngineCommand::Panic)], &[(0, 0)]);
        assert_eq!(sent, []);
    }
}
