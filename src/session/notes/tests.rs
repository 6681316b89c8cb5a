use super::*;
use crate::event::TimedCommand;
use crate::generator::notes::{HELD, Pedal, Release, StepNotes, WrittenNote};
use crate::mel::LATENT_FRAMES;
use crate::session::midi_file::MidiFile;

/// Returns a latent whose pedal action is at offset 2, and whose notes, given as offsets and keys, last 0.19 s.
fn latent(index: u64, pedal: Pedal, notes: &[(u8, u8)]) -> GeneratedLatent {
    let note =
        |(offset, key): &(u8, u8)| WrittenNote { offset: *offset, key: *key, velocity: 16, duration: 8, voice: 0 };
    let written = StepNotes { pedal, pedal_offset: 2, notes: notes.iter().map(note).collect(), ..StepNotes::default() };
    GeneratedLatent {
        from: index * LATENT_FRAMES,
        chroma: [0.0; 12],
        onsets: [0.0; 8],
        written,
        mel: Box::new([0.0; 1024]),
        restarted: false,
    }
}

fn toggle(frame: u64, param: Param, on: bool) -> Score {
    Score { commands: vec![TimedCommand { frame, command: EngineCommand::Toggle(param, on) }], ..Score::default() }
}

#[test]
fn a_latent_replaces_later_notes_and_a_repeated_key_ends_its_previous_note() {
    let mut notes = Notes::default();
    notes.add_latent(&latent(0, Pedal::Down, &[(0, 39), (4, 39)]));
    notes.add_latent(&latent(1, Pedal::Down, &[(0, 50)]));
    notes.add_latent(&latent(1, Pedal::Changed, &[(0, 51)]));
    let events = notes.piano(&(0..48_000));
    let pedal = events.iter().filter(|(_, event)| matches!(event, PianoEvent::Pedal(_)));
    assert_eq!(pedal.map(|(frame, _)| *frame).collect::<Vec<_>>(), [1024, 5120, 7168, 48_000]);
    let ends: Vec<_> = events
        .iter()
        .filter_map(|(frame, event)| if let PianoEvent::NoteOff { key } = event { Some((*frame, *key)) } else { None })
        .collect();
    assert_eq!(ends[0], (2048, 60));
    assert_eq!(ends.iter().map(|(_, key)| *key).collect::<Vec<_>>(), [60, 60, 72]);
    notes.add_score(&toggle(0, Param::MuteNetwork, true));
    let muted = notes.piano(&(0..48_000));
    assert!(muted.iter().all(|(_, event)| matches!(event, PianoEvent::Pedal(_))), "{muted:?}");
}

#[test]
fn a_held_note_ends_with_its_release() {
    let step = |index, held: &[(u8, u8)], releases: Vec<Release>| {
        let mut latent = latent(index, Pedal::Up, held);
        latent.written.notes.iter_mut().for_each(|note| note.duration = HELD);
        latent.written.releases = releases;
        latent
    };
    let mut notes = Notes::default();
    notes.add_latent(&step(0, &[(2, 39), (2, 43)], vec![]));
    notes.add_latent(&step(1, &[(4, 43)], vec![Release { offset: 4, key: 43 }]));
    notes.add_latent(&step(2, &[], vec![Release { offset: 1, key: 39 }]));
    notes.add_latent(&step(2, &[], vec![Release { offset: 3, key: 39 }]));
    let ends = notes.piano(&(0..48_000)).into_iter().filter_map(|(frame, event)| match event {
        PianoEvent::NoteOff { key } => Some((key, frame)),
        _ => None,
    });
    let frame = |latent: u64, offset: u64| latent * LATENT_FRAMES + offset * 512;
    assert_eq!(ends.collect::<Vec<_>>(), [(64, frame(1, 4)), (60, frame(2, 3)), (64, 48_000)]);
}

/// Returns the notes of three seconds in which everything changes. Before each step, passes its frame to `before_step`.
fn eventful(mut before_step: impl FnMut(&mut Notes, u64)) -> Notes {
    let mut notes = Notes::default();
    let voices = Voice::ALL.into_iter().cycle();
    let mutes = [Param::MutePad, Param::MuteNetwork, Param::MuteHarmony, Param::MuteBass].into_iter().cycle();
    for ((index, voice), mute) in (0..36).zip(voices).zip(mutes) {
        let frame = index * LATENT_FRAMES;
        before_step(&mut notes, frame);
        let key = index as u8;
        let pedal = [Pedal::Down, Pedal::Down, Pedal::Changed, Pedal::Up][index as usize % 4];
        notes.add_latent(&latent(index + 2, pedal, &[(1, 40 + key % 3), (6, 10)]));
        if index % 7 == 3 {
            // A new plan.
            notes.add_latent(&latent(index + 1, Pedal::Down, &[(1, 41), (3, 60)]));
            notes.add_latent(&latent(index + 2, Pedal::Up, &[(0, 44)]));
        }
        let at = |offset, command| TimedCommand { frame: frame + offset, command };
        let on = |note| EngineCommand::NoteOn { voice, note, velocity: 0.5 };
        notes.add_score(&Score {
            notices: vec![(frame + 100, Notice::Beat { beat: 0, bar: 0, tempo: 120.0 })],
            commands: vec![
                at(0, EngineCommand::NoteOff { voice, note: key - key.min(3) }),
                at(10, on(key)),
                at(10, on(key + 12)),
                at(2000, EngineCommand::NoteOff { voice, note: key + 12 }),
                at(2000, EngineCommand::Toggle(mute, index % 5 == 0)),
            ],
            ..Score::default()
        });
    }
    notes
}

#[test]
fn forgetting_does_not_change_later_notes() {
    let frames = 50_000..120_000;
    let file = |notes: Notes| {
        let mut bytes = Vec::new();
        MidiFile::new(frames.clone(), notes).write(&mut bytes).unwrap();
        bytes
    };
    let all = eventful(|_, _| {});
    let expected = file(all.clone());
    assert!(expected.len() > 300, "{}", expected.len());
    for ahead in [0, 1, 5000] {
        let forgetful = eventful(|notes, frame| notes.forget_before((frame + ahead).min(frames.start)));
        assert_eq!(forgetful.start(), frames.start);
        assert!(file(forgetful) == expected, "{ahead}");
    }
    let mut forgotten = all;
    forgotten.forget_before(u64::MAX);
    assert!(forgotten.piano(&(0..u64::MAX)).len() <= 2 && forgotten.beats.is_empty() && forgotten.chords.is_empty());
}
