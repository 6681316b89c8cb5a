use super::*;
use crate::generator::notes::{Pedal, StepNotes, WrittenNote};

fn take(
    sequencer: &mut MidiSequencer,
    commands: &[(u64, EngineCommand)],
    pulses: &[(u64, u64)],
) -> Vec<(u64, Message)> {
    let commands: Vec<_> =
        commands.iter().map(|(frame, command)| TimedCommand { frame: *frame, command: *command }).collect();
    sequencer.add(&commands, pulses);
    sequencer.drain_until(0).collect()
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
    assert_eq!(sent[2..], [0, 1, 2, 3].map(silenced));
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
    sequencer.configure(5, MidiOutConfig { clock: false, channels: [pad, bass, upper], ..MidiOutConfig::default() });
    let sent = take(&mut sequencer, &[(6, ON), (7, OFF)], &[(7, 1)]);
    let on = |channel| Message::NoteOn { channel, note: 60, velocity: 64 };
    assert_eq!(sent, [(5, NOTE_OFF), (5, Message::Stop), (6, on(0)), (7, Message::NoteOff { channel: 0, note: 60 })]);
}

#[test]
fn disabled_messages_are_not_sent() {
    let config = MidiOutConfig { notes: false, clock: false, ..MidiOutConfig::default() };
    let sent = take(&mut MidiSequencer::new(config), &[(0, ON), (1, OFF), (2, EngineCommand::Panic)], &[(0, 0)]);
    assert_eq!(sent, []);
}

#[test]
fn the_piano_plays_in_time_with_the_harmony_and_stops_with_it() {
    let mut sequencer = MidiSequencer::new(MidiOutConfig::default());
    let note = |offset, key| WrittenNote { offset, key, velocity: 16, duration: 8, voice: 1 };
    let written = StepNotes {
        pedal: Pedal::Down,
        pedal_offset: 1,
        notes: vec![note(0, 39), note(2, 43), note(7, 46)],
        ..StepNotes::default()
    };
    let mel = Box::new([0.0; 1024]);
    sequencer.add_latent(&GeneratedLatent {
        from: 0,
        chroma: [0.0; 12],
        onsets: [0.0; 8],
        written,
        mel,
        restarted: false,
    });
    let on = |note| Message::NoteOn { channel: 3, note, velocity: 66 };
    let off = |note| Message::NoteOff { channel: 3, note };
    let pedal = |value| Message::ControlChange { channel: 3, controller: 64, value };
    let sent = take(&mut sequencer, &[(600, ON), (1025, EngineCommand::Panic)], &[]);
    assert_eq!(sent[..4], [(0, on(60)), (512, pedal(127)), (600, NOTE_ON), (1024, on(64))]);
    let (silenced, controllers) = sent[4..].split_at(4);
    assert_eq!(silenced, [(1025, NOTE_OFF), (1025, off(60)), (1025, off(64)), (1025, pedal(0))]);
    assert_eq!(controllers.len(), 5, "{controllers:?}");
    assert_eq!(controllers[4], (1025, pedal(127)), "the pianist's foot is still down");
    let sent = take(&mut sequencer, &[(3000, EngineCommand::Toggle(Param::Play, false)), (4000, ON)], &[]);
    assert_eq!(sent, [(3000, pedal(0))], "the last note should not be played");
    sequencer.silence_after_loss(4000);
    assert!(sequencer.drain_until(4000).any(|message| message == (4000, pedal(0))), "the pedal may still be down");
}
