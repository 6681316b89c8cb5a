use std::path::Path;

use super::*;
use crate::generator::model::{Models, runtime};
use crate::generator::parity;
use crate::music::emotion::{Emotion, Mood};
use crate::music::glide::Glide;
use crate::music::plan::{EarlierPhrase, PlannedRecall, PlayedNote};
use crate::music::theory::Chord;

fn composer() -> Composer {
    let models = Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap();
    Composer::new(models.composer, models.manifest.composer)
}

fn plan(seed: u64, temperature: f32) -> Plan {
    let mut plan = Plan::steady(seed, Mood::pure(Emotion::Happy), Chord::parse("Am").unwrap(), 120.0);
    plan.steering.temperature = Glide::constant(temperature);
    plan
}

fn compose(plan: &Plan, latents: u64) -> Vec<StepNotes> {
    let mut composer = composer();
    let mut state = composer.initial_state();
    (0..latents).map(|latent| composer.write(&mut state, latent, plan, None).unwrap()).collect()
}

#[test]
fn notes_are_sorted_and_within_bounds() {
    let steps = compose(&plan(3, 1.0), 120);
    assert!(steps.iter().map(|step| step.notes.len()).sum::<usize>() > 40);
    for step in &steps {
        assert!(step.notes.len() <= MAX_NOTES && step.notes.is_sorted_by_key(|note| (note.offset, note.key)));
        assert!(step.notes.iter().all(|note| {
            usize::from(note.offset) < OFFSETS
                && usize::from(note.key) < KEYS
                && usize::from(note.velocity) < VELOCITIES
                && usize::from(note.duration) < DURATIONS
        }));
    }
}

#[test]
fn notes_depend_only_on_seed_and_plan() {
    assert_eq!(compose(&plan(3, 1.0), 40), compose(&plan(3, 1.0), 40));
    assert_ne!(compose(&plan(3, 1.0), 40), compose(&plan(4, 1.0), 40));
}

#[test]
fn sparseness_makes_chords_smaller() {
    let (plan, mut composer) = (plan(3, 1.0), composer());
    let mut largest_chord = |sparseness: f64| {
        let mut state = composer.initial_state();
        let sizes = (0..60).map(|latent| {
            let frame = latent * LATENT_FRAMES;
            let mut random = (0..).map(|n| f64::from(n) * 0.618 + latent as f64 * 0.324).map(f64::fract);
            let step = Step {
                latent,
                conditions: &StepConditions::new(&plan, frame),
                requested: &plan.conditions(frame),
                sampling: Sampling { sparseness, ..Sampling::new(1.0, 1.0) },
                economy: false,
                random: || random.next().unwrap(),
            };
            composer.write_step(&mut state, &plan, step, None).unwrap().notes.len()
        });
        sizes.max().unwrap()
    };
    assert!(largest_chord(0.0) > 1);
    assert_eq!(largest_chord(30.0), 1);
}

#[test]
fn a_rewound_composer_repeats_its_notes() {
    let uninterrupted = compose(&plan(3, 1.0), 40);
    let (mut composer, plan) = (composer(), plan(3, 1.0));
    let mut state = composer.initial_state();
    let mut states = Vec::new();
    for latent in 0..30 {
        states.push(state.clone());
        composer.write(&mut state, latent, &plan, None).unwrap();
    }
    // The second rewind goes back to mid-latent: earlier notes are kept, and later notes draw the same random numbers.
    for (latent, hops) in [(22, 0), (20, 5)] {
        let kept = composer.rewind(latent * LATENT_FRAMES + hops * HOP as u64);
        assert_eq!(kept.is_some(), hops > 0);
        state = states[latent as usize].clone();
        for latent in latent..latent + 10 {
            let kept = kept.as_ref().filter(|_| latent == 20);
            assert_eq!(
                composer.write(&mut state, latent, &plan, kept).unwrap(),
                uninterrupted[latent as usize],
                "latent {latent}"
            );
        }
    }
}

#[test]
fn keeps_notes_that_begin_before_a_change() {
    let (mut composer, happy) = (composer(), plan(3, 1.0));
    let mut state = composer.initial_state();
    let before: Vec<_> =
        (0..20).map(|latent| (state.clone(), composer.write(&mut state, latent, &happy, None).unwrap())).collect();
    let (latent, (state, old)) =
        (0u64..).zip(before).filter(|(_, (_, step))| step.notes.iter().any(|note| note.offset < 4)).last().unwrap();
    let kept = composer.rewind(latent * LATENT_FRAMES + 4 * HOP as u64).unwrap();
    let sad = Plan::steady(3, Mood::pure(Emotion::Sad), Chord::parse("F#").unwrap(), 90.0);
    let new = composer.write(&mut state.clone(), latent, &sad, Some(&kept)).unwrap();
    let early = |step: &StepNotes| step.notes.iter().filter(|note| note.offset < 4).copied().collect::<Vec<_>>();
    assert_eq!(early(&new), early(&old));
    assert_eq!((new.pedal, new.pedal_offset), (old.pedal, old.pedal_offset));
}

/// Uses the exported graphs to repeat a performance recorded by the training code, under the same conditions and with the same
/// random numbers. The notes must be identical.
#[test]
fn notes_match_the_training_code() {
    let folder = parity::folder();
    let models = parity::models(&folder);
    let expected = parity::vectors(&folder, "composer.safetensors");
    let latents = expected["pedal"].len() / 2;
    let draws_per_latent = expected["dice"].len() / latents;
    let mut composer = Composer::new(models.composer, models.manifest.composer);
    let mut state = composer.initial_state();
    let mut plan = plan(1, 1.0);
    let earlier = EarlierPhrase { latents: 188, share: 1.0 };
    plan.recalls = vec![PlannedRecall { frame: 190 * LATENT_FRAMES, earlier: Some(earlier) }];
    let (mut notes, mut pedal) = (Vec::new(), Vec::new());
    for latent in 0..latents {
        let mut conditions = StepConditions::UNCONSTRAINED;
        conditions.step.copy_from_slice(&expected["frame"][latent * STEP_WIDTH..][..STEP_WIDTH]);
        let fine = conditions.fine.as_flattened_mut();
        fine.copy_from_slice(&expected["fine"][latent * OFFSETS * FINE_WIDTH..][..OFFSETS * FINE_WIDTH]);
        let constrained =
            |value: usize, mask: usize| (conditions.step[51 + mask] > 0.0).then_some(conditions.step[value]);
        let requested = Conditions {
            density: constrained(11, 3).map(|density| (density * 0.7 + 1.8).exp_m1()),
            loudness: constrained(12, 4).map(|velocity| velocity * 20.0 + 64.0),
            register: constrained(13, 5).map(|note| note * 12.0 + 60.0),
            ..Conditions::default()
        };
        let mut random = expected["dice"][latent * draws_per_latent..].iter().copied().map(f64::from);
        let step = Step {
            latent: latent as u64,
            conditions: &conditions,
            requested: &requested,
            sampling: Sampling { guidance: 1.3, sparseness: 0.0, ..Sampling::new(1.0, 1.0) },
            economy: false,
            random: || random.next().unwrap(),
        };
        let written = composer.write_step(&mut state, &plan, step, None).unwrap();
        pedal.extend([written.pedal as u8, written.pedal_offset].map(f32::from));
        for note in written.notes {
            notes.push(latent as f32);
            notes.extend(note.classes());
        }
    }
    let reference: Vec<_> = expected["notes"].chunks_exact(6).collect();
    let notes: Vec<_> = notes.chunks_exact(6).collect();
    let first = notes.iter().zip(&reference).position(|(notes, reference)| notes != reference);
    assert_eq!(first, None, "{:?} instead of {:?}", notes[first.unwrap_or(0)], reference[first.unwrap_or(0)]);
    assert_eq!((notes.len(), pedal), (reference.len(), expected["pedal"].clone()));
}

#[test]
fn the_performers_notes_are_written_and_heeded() {
    let plain = plan(3, 1.0);
    let (frame, released) = (20 * LATENT_FRAMES + 3 * HOP as u64, 30 * LATENT_FRAMES + 5 * HOP as u64);
    let stroke = |note| PlayedNote { frame, note, velocity: 100, released: Some(released) };
    let played = Plan { played: vec![stroke(67), stroke(40), stroke(64)], ..plain.clone() };
    let (alone, together) = (compose(&plain, 40), compose(&played, 40));
    assert_eq!(alone[..20], together[..20]);
    let held: Vec<_> = together[20].notes.iter().filter(|note| note.is_held()).collect();
    assert_eq!(
        held.iter().map(|note| (note.offset, note.midi_note())).collect::<Vec<_>>(),
        [(3, 40), (3, 64), (3, 67)]
    );
    assert_eq!(held.iter().map(|note| note.is_melody()).collect::<Vec<_>>(), [false, true, true]);
    assert!(held.iter().all(|note| note.midi_velocity() == 102), "the velocity should keep its class");
    for (latent, step) in together.iter().enumerate() {
        assert!(step.notes.is_sorted_by_key(|note| (note.offset, note.key)), "latent {latent}");
        let struck_by_composer = |key: u8| step.notes.iter().any(|note| !note.is_held() && note.midi_note() == key);
        assert!(!(21..30).contains(&latent) || ![40, 64, 67].into_iter().any(struck_by_composer), "latent {latent}");
    }
    let releases: Vec<_> = together[30].releases.iter().map(|release| (release.offset, release.midi_note())).collect();
    assert_eq!(releases, [(5, 67), (5, 40), (5, 64)]);
    assert_eq!(together.iter().map(|step| step.releases.len()).sum::<usize>(), 3);
    assert_ne!(alone[21..], together[21..], "the composer should hear the performer");
}

#[test]
fn a_change_keeps_the_performers_earlier_notes() {
    let stroke = |hop: u64| PlayedNote {
        frame: 20 * LATENT_FRAMES + hop * HOP as u64,
        note: 60 + hop as u8,
        velocity: 90,
        released: None,
    };
    let first = Plan { played: vec![stroke(2)], ..plan(3, 1.0) };
    let both = Plan { played: vec![stroke(2), stroke(6)], ..plan(3, 1.0) };
    let mut composer = composer();
    let mut state = composer.initial_state();
    let before: Vec<_> =
        (0..=20).map(|latent| (state.clone(), composer.write(&mut state, latent, &first, None).unwrap())).collect();
    let (state, _) = before.into_iter().next_back().unwrap();
    let kept = composer.rewind(20 * LATENT_FRAMES + 5 * HOP as u64);
    let new = composer.write(&mut state.clone(), 20, &both, kept.as_ref()).unwrap();
    let held = new.notes.iter().filter(|note| note.is_held()).map(|note| note.midi_note()).collect::<Vec<_>>();
    assert_eq!(held, [62, 66], "each note should be played once");
}
