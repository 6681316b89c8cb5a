//! Beats, bars and tempo, with and without an external clock.

use super::*;
use crate::music::emotion::Emotion;
use crate::music::profile::Profile;

/// Returns the frames of the announced beats.
fn beats(score: &Score) -> Vec<u64> {
    let beats = score.notices.iter().filter(|(_, notice)| matches!(notice, Notice::Beat { .. }));
    beats.map(|(frame, _)| *frame).collect()
}

#[test]
fn beats_and_bars_are_announced_on_their_frames() {
    let (_, score) = play(at_tempo(120.0), &[], 5 * SECOND, &[777]);
    assert_eq!(beats(&score), (0..10).map(|beat| beat * 24_000).collect::<Vec<_>>());
    let bars: Vec<_> = score
        .notices
        .iter()
        .filter_map(|(frame, notice)| match notice {
            Notice::Bar { bar, .. } => Some((*frame, *bar)),
            _ => None,
        })
        .collect();
    assert_eq!(bars, [(0, 0), (96_000, 1), (192_000, 2)]);
}

#[test]
fn the_tempo_follows_the_mood_until_it_is_pinned() {
    let mut conductor = Conductor::new(1, &[]);
    let near = |tempo: f64, emotion| (tempo - f64::from(Profile::of(emotion).tempo_bpm)).abs() < 0.1;
    assert!(near(conductor.tempo(), Emotion::Calm));
    let script = [(0, choose(Param::Emotion, Emotion::Angry as u8))];
    conductor = play(conductor, &script, 6 * SECOND, &[512]).0;
    assert!(near(conductor.tempo(), Emotion::Angry));
    conductor.apply(&ControlEvent::Set(Param::TempoFollow, Value::Toggle(false))).unwrap();
    conductor.apply(&choose(Param::Emotion, Emotion::Sad as u8)).unwrap();
    conductor = play(conductor, &[], 12 * SECOND, &[512]).0;
    assert!(near(conductor.tempo(), Emotion::Angry), "the tempo should be kept when it stops following the mood");
    conductor.apply(&set(Param::Tempo, 90.0)).unwrap();
    conductor = play(conductor, &[], 13 * SECOND, &[512]).0;
    assert_eq!((conductor.tempo(), conductor.value(Param::Tempo)), (90.0, Value::Number(90.0)));
    conductor.apply(&ControlEvent::Set(Param::TempoFollow, Value::Toggle(true))).unwrap();
    conductor = play(conductor, &[], 18 * SECOND, &[512]).0;
    assert!(near(conductor.tempo(), Emotion::Sad));
}

#[test]
fn a_tempo_change_affects_beats_and_plan_alike() {
    let (_, score) = play(at_tempo(120.0), &[(12_000, set(Param::Tempo, 60.0))], 4 * SECOND, &[512]);
    assert_eq!(beats(&score), [0, 36_000, 84_000, 132_000, 180_000]);
    let update = score.plans.iter().find(|update| update.splice.is_some()).unwrap();
    assert_eq!(update.plan.clock.frame_at(2.0), 84_000);
    assert_eq!(update.plan.conditions(48_000).tempo_bpm, Some(60.0));
}

/// Returns the events of an external clock that changes from 80 to 140 bpm after 8 beats, and the frames of its beats. Like
/// the MIDI input, it reports every beat late; here, by 300 frames.
fn external_clock() -> (Vec<(u64, ControlEvent)>, Vec<u64>) {
    let (mut script, mut external_beats) = (Vec::new(), Vec::new());
    let mut at = 10_000.0;
    for beat in 0..32u32 {
        let bpm = if beat < 8 { 80.0 } else { 140.0 };
        let reported = at as u64 + 300;
        external_beats.push(at as u64);
        if beat == 1 {
            script.push((reported, ControlEvent::Tempo(80.0)));
        } else if beat == 9 {
            script.push((reported, ControlEvent::Tempo(140.0)));
        }
        script.push((reported, ControlEvent::Beat { beat: f64::from(beat), at: at as u64 }));
        at += 60.0 / bpm * f64::from(SAMPLE_RATE);
    }
    (script, external_beats)
}

#[test]
fn follows_an_external_clock_within_two_bars() {
    let (script, external_beats) = external_clock();
    let (_, score) = play(at_tempo(100.0), &script, *external_beats.last().unwrap(), &[256]);
    let own_beats = beats(&score);
    let error = |frame: &u64| own_beats.iter().map(|beat| beat.abs_diff(*frame)).min().unwrap();
    let errors: Vec<u64> = external_beats[16..31].iter().map(error).collect();
    assert!(
        errors.iter().all(|error| *error < 480),
        "the errors should stay below 10 ms from two bars after the change onwards: {errors:?}"
    );
    assert!(splices(&score).len() < 12, "too many corrections: {}", splices(&score).len());
}

#[test]
fn the_start_of_an_external_clock_begins_a_bar() {
    let script = [(50_500, ControlEvent::Beat { beat: 0.0, at: 50_000 })];
    let (_, score) = play(at_tempo(120.0), &script, 4 * SECOND, &[256]);
    let bars: Vec<_> = score
        .notices
        .iter()
        .filter_map(|(frame, notice)| match notice {
            Notice::Bar { .. } => Some(*frame),
            _ => None,
        })
        .collect();
    assert_eq!(
        bars,
        [0, 50_500, 146_000],
        "a bar should begin when the start is reported, and the next bar should be in phase with the clock"
    );
}

#[test]
fn midi_clock_pulses_are_aligned_with_the_beats() {
    let (_, score) = play(at_tempo(120.0), &[], 2 * SECOND, &[777]);
    let expected: Vec<_> = (0..4 * PULSES_PER_BEAT).map(|pulse| (pulse * 24_000 / PULSES_PER_BEAT, pulse)).collect();
    assert_eq!(score.pulses, expected);
}
