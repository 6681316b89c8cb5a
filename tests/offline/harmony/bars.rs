//! Properties of every bar: range, key, voice leading, and what replanning may change.

use melos::conductor::harmony::{BarPlan, BarRequest, Harmony, Note};
use melos::music::emotion::Emotion;
use melos::music::theory::{Chord, Key, Quality, Voice};
use proptest::prelude::*;

use super::{chord_at, notes_of, play, request};

/// Checks properties that hold for every bar; `keys` lists the bar's keys with the beats at which they start.
fn check_bar(plan: &BarPlan, beats: u32, keys: &[(f64, Key)]) -> Result<(), TestCaseError> {
    prop_assert_eq!(plan.chords[0].0, 0.0);
    prop_assert!(plan.chords.windows(2).all(|pair| pair[0].0 < pair[1].0));
    prop_assert!(plan.chords.iter().all(|(at, _)| *at < f64::from(beats)));
    prop_assert!((0.0..=1.0).contains(&plan.expression));
    prop_assert!(plan.notes.windows(2).all(|pair| pair[0].at_beat <= pair[1].at_beat));
    for note in &plan.notes {
        prop_assert!(note.at_beat >= 0.0 && note.beats > 0.0, "{note:?}");
        prop_assert!(note.at_beat + note.beats <= f64::from(beats) + 1e-9, "{note:?}");
        prop_assert!((0.05..=1.0).contains(&note.velocity), "{note:?}");
        let range = match note.voice {
            Voice::Bass => 28..=50,
            Voice::Pad => 50..=74,
            Voice::Upper => 67..=96,
        };
        prop_assert!(range.contains(&note.note), "{note:?}");
        let chord = chord_at(plan, note.at_beat);
        let key = keys.iter().rfind(|(from, _)| *from <= note.at_beat).expect("the first key should start at beat 0").1;
        let fits = chord.contains(note.note) || chord.bass == note.note % 12;
        prop_assert!(fits || note.voice != Voice::Pad && key.contains(note.note), "{note:?} over {chord}");
    }
    for voice in Voice::ALL {
        for note in notes_of(plan, voice) {
            let repeats = notes_of(plan, voice).filter(|other| other.note == note.note && other.at_beat > note.at_beat);
            for other in repeats {
                prop_assert!(note.at_beat + note.beats <= other.at_beat + 1e-9, "{note:?} {other:?}");
            }
        }
    }
    Ok(())
}

/// Returns the previous bass note, the bass note and the pad's notes at the start of each chord.
fn chord_changes(plans: &[BarPlan]) -> Vec<(Option<u8>, u8, Vec<u8>)> {
    let (mut changes, mut last_bass) = (Vec::new(), None);
    for plan in plans {
        for (index, (at, _)) in plan.chords.iter().enumerate() {
            let end = plan.chords.get(index + 1).map_or(f64::INFINITY, |(next, _)| *next);
            let struck = |voice, within: f64| -> Vec<u8> {
                let struck = notes_of(plan, voice).filter(|note| (*at..at + within).contains(&note.at_beat));
                struck.map(|note| note.note).collect()
            };
            changes.push((last_bass, struck(Voice::Bass, 0.1)[0], struck(Voice::Pad, 0.35)));
            last_bass = notes_of(plan, Voice::Bass).filter(|note| note.at_beat < end).last().map(|note| note.note);
        }
    }
    changes
}

/// Returns the interval between two notes in semitones, modulo an octave, if it is a unison or a fifth.
fn perfect_interval(low: u8, high: u8) -> Option<u8> {
    Some((high - low) % 12).filter(|interval| matches!(interval, 0 | 7))
}

fn any_emotion() -> impl Strategy<Value = Emotion> {
    prop::sample::select(Emotion::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn notes_are_in_range_and_in_key_with_good_voice_leading(
        seed: u64, emotion in any_emotion(), tonic in 0u8..12, beats in 1u32..8
    ) {
        let plans = play(seed, emotion, tonic, beats);
        for plan in &plans {
            prop_assert_eq!(plan.key.tonic, tonic);
            check_bar(plan, beats, &[(0.0, plan.key)])?;
            let long_notes = notes_of(plan, Voice::Upper).filter(|note| note.beats >= 1.0);
            for note in long_notes {
                prop_assert!(chord_at(plan, note.at_beat).contains(note.note), "{note:?}");
            }
        }
        let changes = chord_changes(&plans);
        let (mut motion, mut leaps) = (0.0, 0);
        for pair in changes.windows(2) {
            let ((_, bass_before, pad_before), (last_bass, bass, pad)) = (&pair[0], &pair[1]);
            let (top_before, top) = (pad_before[pad_before.len() - 1], pad[pad.len() - 1]);
            for low in [*bass_before, last_bass.unwrap_or(*bass_before)] {
                let both_move = low != *bass && top_before != top;
                let interval = perfect_interval(*bass, top);
                let parallel = interval.is_some() && perfect_interval(low, top_before) == interval;
                prop_assert!(!(both_move && parallel), "{low} {top_before} -> {bass} {top}");
            }
            motion += pad.iter().zip(pad_before).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / pad.len() as f64;
            leaps += usize::from(top.abs_diff(top_before) > 7);
        }
        let count = (changes.len() - 1) as f64;
        prop_assert!(motion / count < 3.0, "the pad moves {} semitones per chord", motion / count);
        prop_assert!((leaps as f64) < 0.05 * count + 1.0, "{leaps} leaps of the top voice in {count} chords");
    }

    #[test]
    fn the_same_requests_give_the_same_music_and_a_clone_continues_identically(seed: u64, emotion in any_emotion()) {
        let (mut one, mut two) = (Harmony::new(seed), Harmony::new(seed));
        for bar in 0..8 {
            prop_assert_eq!(one.plan_bar(&request(bar, emotion)), two.plan_bar(&request(bar, emotion)));
        }
        let mut clone = one.clone();
        for bar in 8..16 {
            prop_assert_eq!(one.plan_bar(&request(bar, Emotion::Sad)), clone.plan_bar(&request(bar, Emotion::Sad)));
        }
        let other = Harmony::new(seed ^ 1).plan_bar(&request(0, emotion));
        prop_assert_ne!(other, Harmony::new(seed).plan_bar(&request(0, emotion)));
    }

    #[test]
    fn replanning_keeps_the_past(
        seed: u64, from in any_emotion(), to in any_emotion(), eighth in 1u32..8, bars in 1u64..6,
        lead in prop::option::of(0u8..12), tonic in prop::option::of(0u8..12),
    ) {
        let beat = f64::from(eighth) / 2.0 + 0.1;
        let mut harmony = Harmony::new(seed);
        let mut before = harmony.plan_bar(&request(0, from));
        for bar in 1..bars {
            before = harmony.plan_bar(&request(bar, from));
        }
        let lead = lead.map(|root| Chord::new(root, Quality::Minor7));
        let changed = BarRequest { lead, tonic: tonic.unwrap_or(0), ..request(bars - 1, to) };
        let after = harmony.replan_from(beat, &changed);
        check_bar(&after, 4, &[(0.0, before.key), (beat, after.key)])?;
        let earlier = |plan: &BarPlan| -> Vec<(Voice, u8, f64, f32)> {
            let notes = plan.notes.iter().filter(|note| note.at_beat < beat);
            notes.map(|note| (note.voice, note.note, note.at_beat, note.velocity)).collect()
        };
        prop_assert_eq!(earlier(&before), earlier(&after));
        let chords = |plan: &BarPlan| plan.chords.iter().copied().filter(|(at, _)| *at < beat).collect::<Vec<_>>();
        prop_assert_eq!(chords(&before), chords(&after));
        if let Some(lead) = lead {
            prop_assert_eq!(chord_at(&after, beat), lead);
        }
        for note in after.notes.iter().filter(|note| note.at_beat < beat && note.at_beat + note.beats > beat + 1e-9) {
            let chord = chord_at(&after, beat);
            prop_assert!(chord.contains(note.note) || after.chords == before.chords, "{note:?} is held over {chord}");
        }
        let next = harmony.plan_bar(&request(bars, to));
        check_bar(&next, 4, &[(0.0, next.key)])?;
    }

    #[test]
    fn any_series_of_changes_keeps_the_bar_valid(
        seed: u64, beats in 1u32..6,
        changes in prop::collection::vec((0.0f64..2.0, any_emotion(), 0u8..12, prop::option::of(0u8..12)), 1..40),
    ) {
        let mut harmony = Harmony::new(seed);
        let (mut bar, mut beat) = (0, 0.0);
        let mut plan = harmony.plan_bar(&BarRequest { beats, ..request(0, Emotion::Calm) });
        let mut keys = vec![(0.0, plan.key)];
        for (delay, emotion, tonic, lead) in changes {
            let lead = lead.map(|root| Chord::new(root, Quality::Major7));
            beat += delay;
            while beat >= f64::from(beats) {
                beat -= f64::from(beats);
                bar += 1;
                plan = harmony.plan_bar(&BarRequest { beats, tonic, lead, ..request(bar, emotion) });
                keys = vec![(0.0, plan.key)];
                check_bar(&plan, beats, &keys)?;
            }
            let played: Vec<Note> = plan.notes.iter().filter(|note| note.at_beat < beat).copied().collect();
            plan = harmony.replan_from(beat, &BarRequest { beats, tonic, lead, ..request(bar, emotion) });
            keys.push((beat, plan.key));
            check_bar(&plan, beats, &keys)?;
            for note in played {
                let kept = plan.notes.iter().find(|new| Note { beats: note.beats, ..**new } == note);
                prop_assert!(kept.is_some_and(|new| new.beats <= note.beats), "{note:?} was playing and should be kept");
            }
        }
    }

    #[test]
    fn replanning_without_a_change_changes_nothing(seed: u64, emotion in any_emotion(), eighth in 0u32..8) {
        let mut harmony = Harmony::new(seed);
        for bar in 0..6 {
            let plan = harmony.plan_bar(&request(bar, emotion));
            prop_assert_eq!(&harmony.replan_from(f64::from(eighth) / 2.0, &request(bar, emotion)), &plan);
        }
    }

    #[test]
    fn a_lead_chord_plays_immediately_and_can_be_released(
        seed: u64, emotion in any_emotion(), root in 0u8..12,
        quality in prop::sample::select(Quality::ALL.to_vec()),
    ) {
        let mut harmony = Harmony::new(seed);
        let lead = Chord::new(root, quality);
        for bar in 0..12 {
            let led = (3..6).contains(&bar);
            let plan = harmony.plan_bar(&BarRequest { lead: led.then_some(lead), ..request(bar, emotion) });
            check_bar(&plan, 4, &[(0.0, plan.key)])?;
            if led {
                prop_assert_eq!(&plan.chords, &vec![(0.0, lead)]);
                prop_assert!(notes_of(&plan, Voice::Pad).all(|note| lead.contains(note.note)));
            } else {
                prop_assert_eq!(plan.key.tonic, 0);
            }
        }
    }

    #[test]
    fn mode_changes_are_smooth(seed: u64, from in any_emotion(), to in any_emotion()) {
        let mut harmony = Harmony::new(seed);
        let mut before: Option<BarPlan> = None;
        for bar in 0..40 {
            let plan = harmony.plan_bar(&request(bar, if bar / 10 % 2 == 0 { from } else { to }));
            if let Some(before) = before.filter(|before| before.key != plan.key) {
                let (last, first) = (before.chords[before.chords.len() - 1].1, plan.chords[0].1);
                let shares = first.pitch_classes().any(|pitch| last.contains(pitch));
                let within = |chord: &Chord, key: &Key| chord.pitch_classes().take(3).all(|pitch| key.contains(pitch));
                let pivots = within(&first, &before.key) || within(&last, &plan.key);
                let starts_on_tonic = first.root == plan.key.tonic;
                prop_assert!(shares || pivots || starts_on_tonic, "{} {last} -> {} {first}", before.key, plan.key);
            }
            before = Some(plan);
        }
    }
}
