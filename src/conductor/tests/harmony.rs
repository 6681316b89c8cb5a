//! Planned chords, lead chords and chord notices.

use super::*;

/// Returns the announced chords with their frames.
fn chords(score: &Score) -> Vec<(u64, String)> {
    let announced = score.notices.iter().filter_map(|(frame, notice)| match notice {
        Notice::Chord(chord, _) => Some((*frame, chord.to_string())),
        _ => None,
    });
    announced.collect()
}

#[test]
fn chords_are_announced_when_they_begin() {
    let (conductor, score) = play(at_tempo(120.0), &[], 10 * SECOND, &[512]);
    let announced = chords(&score);
    assert_eq!(announced[0].0, 0);
    let plan = &score.plans.last().unwrap().plan;
    for (frame, chord) in announced.iter().filter(|(frame, _)| *frame > 8 * SECOND) {
        assert_eq!(plan.chord_at(*frame).to_string(), *chord);
    }
    assert_eq!(conductor.chord().unwrap().0, plan.chord_at(conductor.frame()));
}

#[test]
fn held_notes_set_the_lead_chord_until_released() {
    let script = [(100_000, lead_notes(&[58, 61, 65])), (200_000, lead_notes(&[]))];
    let (_, score) = play(at_tempo(120.0), &script, 6 * SECOND, &[512]);
    let announced = chords(&score);
    let led: Vec<_> = announced.iter().filter(|(frame, _)| (100_000..200_000).contains(frame)).collect();
    assert_eq!(led, [&(100_000, "Bbm".to_owned())], "{announced:?}");
    let pitches = score.commands.iter().filter_map(|timed| match timed.command {
        EngineCommand::NoteOn { note, .. } if (100_000..198_000).contains(&timed.frame) => Some(note % 12),
        _ => None,
    });
    let pitches: Vec<_> = pitches.collect();
    assert!(pitches.contains(&10) && pitches.iter().all(|pitch| [10, 1, 5].contains(pitch)), "{pitches:?}");
    let update = score.plans.iter().find(|update| update.splice.is_some()).unwrap();
    assert_eq!(update.plan.chord_at(150_000).to_string(), "Bbm");
    let after = score.plans.last().unwrap();
    assert_ne!(after.plan.chord_at(288_000).to_string(), "Bbm", "the progression should resume in the next bar");
}

#[test]
fn a_named_chord_leads_until_it_is_set_to_auto() {
    let script = [(10_000, set_text(Param::Chord, "F#dim")), (5 * SECOND, set_text(Param::Chord, "auto"))];
    let (_, score) = play(at_tempo(120.0), &script, 8 * SECOND, &[512]);
    let announced = chords(&score);
    assert!(
        announced.iter().filter(|(frame, _)| (12_000..5 * SECOND).contains(frame)).all(|(_, chord)| chord == "F#dim")
    );
    assert!(announced.iter().any(|(frame, chord)| *frame > 5 * SECOND && chord != "F#dim"));
}

#[test]
fn a_new_key_applies_on_the_next_beat() {
    let script = [(30_000, choose(Param::Mode, 1)), (30_000, choose(Param::Key, 6))];
    let (conductor, score) = play(at_tempo(120.0), &script, 4 * SECOND, &[512]);
    let (_, key) = conductor.chord().unwrap();
    assert_eq!(key.to_string(), "F# major");
    let changed = score.notices.iter().find(|(_, notice)| matches!(notice, Notice::Chord(_, key) if key.tonic == 6));
    assert_eq!(changed.unwrap().0, 48_000);
}

#[test]
fn the_harmony_receives_the_networks_chroma() {
    let played = |with_chroma: bool| {
        let mut conductor = at_tempo(120.0);
        let mut score = Score::default();
        for latent in 0..200u64 {
            let mut chroma = [0.0; 12];
            chroma[6] = 1.0;
            if with_chroma {
                conductor.record_chroma(latent * 4096, &chroma);
            }
            conductor.advance(latent * 4096, &mut score);
        }
        conductor.arrangement.request(100, 400.0).played
    };
    assert_eq!(played(false), None);
    assert_eq!(played(true).unwrap().chroma[6], 1.0);
}
