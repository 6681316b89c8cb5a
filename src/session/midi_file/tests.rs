use super::*;
use crate::conductor::Score;
use crate::event::parameter::Param;
use crate::event::{EngineCommand, Notice, TimedCommand};
use crate::units::SAMPLE_RATE;

fn beat(frame: u64) -> (u64, Notice) {
    (frame, Notice::Beat { beat: 0, bar: 0, tempo: 120.0 })
}

fn on(frame: u64, voice: Voice, note: u8, velocity: f32) -> TimedCommand {
    TimedCommand { frame, command: EngineCommand::NoteOn { voice, note, velocity } }
}

fn off(frame: u64, voice: Voice, note: u8) -> TimedCommand {
    TimedCommand { frame, command: EngineCommand::NoteOff { voice, note } }
}

/// Returns the file of the notes in a range of frames.
fn written(frames: Range<u64>, notes: Notes) -> Vec<u8> {
    let mut bytes = Vec::new();
    MidiFile::new(frames, notes).write(&mut bytes).unwrap();
    bytes
}

/// Returns the time in seconds, key and velocity (0 for note-offs) of a track's notes, using the file's tempo map.
fn played(bytes: &[u8], track: usize) -> Vec<(f64, u8, u8)> {
    let smf = Smf::parse(bytes).unwrap();
    let mut tempi = Vec::new();
    let mut tick = 0;
    for event in &smf.tracks[0] {
        tick += event.delta.as_int();
        if let TrackEventKind::Meta(MetaMessage::Tempo(tempo)) = event.kind {
            tempi.push((tick, f64::from(tempo.as_int()) / 1e6));
        }
    }
    let seconds = |tick: u32| {
        let mut sum = 0.0;
        for (index, (start, quarter)) in tempi.iter().enumerate() {
            let end = tempi.get(index + 1).map_or(tick, |(next, _)| tick.min(*next));
            sum += f64::from(end.saturating_sub(*start)) / f64::from(TICKS_PER_QUARTER) * quarter;
        }
        sum
    };
    let mut notes = Vec::new();
    let mut tick = 0;
    for event in &smf.tracks[track] {
        tick += event.delta.as_int();
        match event.kind {
            TrackEventKind::Midi { message: MidiMessage::NoteOn { key, vel }, .. } => {
                notes.push((seconds(tick), key.as_int(), vel.as_int()));
            }
            TrackEventKind::Midi { message: MidiMessage::NoteOff { key, .. }, .. } => {
                notes.push((seconds(tick), key.as_int(), 0));
            }
            _ => {}
        }
    }
    notes
}

#[test]
fn notes_keep_their_times_while_the_tempo_changes() {
    let mut notes = Notes::default();
    let score = Score {
        // The first beat comes a quarter of a second after the start; then the tempo increases.
        notices: [24_000, 48_000, 66_000, 78_000].map(beat).into(),
        commands: vec![
            on(6_000, Voice::Bass, 30, 1.0),
            off(7_000, Voice::Bass, 30),
            on(30_000, Voice::Bass, 36, 0.5),
            off(60_000, Voice::Bass, 36),
            on(60_000, Voice::Bass, 43, 1.0),
            on(150_000, Voice::Upper, 72, 0.0),
        ],
        ..Score::default()
    };
    notes.add_score(&score);
    let bytes = written(12_000..180_000, notes);
    let assert_notes = |actual: Vec<(f64, u8, u8)>, expected: &[(u64, u8, u8)]| {
        assert_eq!(actual.len(), expected.len(), "{actual:?}");
        for ((seconds, key, velocity), (frame, expected_key, expected_velocity)) in actual.into_iter().zip(expected) {
            let expected_seconds = (*frame - 12_000) as f64 / f64::from(SAMPLE_RATE);
            assert!((seconds - expected_seconds).abs() < 0.001, "{seconds} s instead of {expected_seconds} s");
            assert_eq!((key, velocity), (*expected_key, *expected_velocity));
        }
    };
    assert_notes(played(&bytes, 1), &[(30_000, 36, 64), (60_000, 36, 0), (60_000, 43, 127), (180_000, 43, 0)]);
    assert_notes(played(&bytes, 2), &[]);
    assert_notes(played(&bytes, 3), &[(150_000, 72, 1), (180_000, 72, 0)]);
}

#[test]
fn muted_notes_are_not_written_and_panic_ends_all_notes() {
    let mut notes = Notes::default();
    let command = |frame, command| TimedCommand { frame, command };
    notes.add_score(&Score {
        notices: vec![beat(0), beat(24_000)],
        commands: vec![
            command(0, EngineCommand::Toggle(Param::MutePad, true)),
            on(0, Voice::Pad, 60, 0.5),
            on(0, Voice::Bass, 40, 0.5),
            command(12_000, EngineCommand::Panic),
            command(13_000, EngineCommand::Toggle(Param::MuteHarmony, true)),
            on(24_000, Voice::Bass, 41, 0.5),
        ],
        ..Score::default()
    });
    let bytes = written(0..48_000, notes);
    assert_eq!(played(&bytes, 1), [(0.0, 40, 64), (0.25, 40, 0)]);
    assert_eq!(played(&bytes, 2), []);
}
