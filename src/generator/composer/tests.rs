use std::path::Path;

use super::*;
use crate::generator::model::{Models, runtime};
use crate::generator::parity;
use crate::music::emotion::{Emotion, Mood};
use crate::music::glide::Glide;
use crate::music::plan::{Earlier, Returning};
use crate::music::theory::Chord;

fn composer() -> Composer {
    let models = Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap();
    Composer::new(models.composer, models.manifest.composer)
}

fn plan(seed: u64, temperature: f32) -> Plan {
    let mut plan = Plan::steady(seed, Mood::pure(Emotion::Happy), Chord::parse("Am").unwrap(), 120.0);
    plan.steering.temperature = Glide::at_rest(temperature);
    plan
}

fn written(plan: &Plan, frames: u64) -> Vec<WrittenFrame> {
    let mut composer = composer();
    let mut state = composer.start();
    (0..frames).map(|latent| composer.write(&mut state, latent, plan, None).unwrap()).collect()
}

#[test]
fn frames_are_in_order_and_within_bounds() {
    let frames = written(&plan(3, 1.0), 120);
    assert!(frames.iter().map(|frame| frame.notes.len()).sum::<usize>() > 40);
    for frame in &frames {
        assert!(frame.notes.len() <= MAX_NOTES && frame.notes.is_sorted_by_key(|note| (note.offset, note.key)));
        assert!(frame.notes.iter().all(|note| {
            usize::from(note.offset) < OFFSETS
                && usize::from(note.key) < KEYS
                && usize::from(note.velocity) < VELOCITIES
                && usize::from(note.duration) < DURATIONS
        }));
    }
}

#[test]
fn the_same_seed_and_plan_give_the_same_notes() {
    assert_eq!(written(&plan(3, 1.0), 40), written(&plan(3, 1.0), 40));
    assert_ne!(written(&plan(3, 1.0), 40), written(&plan(4, 1.0), 40));
}

#[test]
fn a_rewound_composer_writes_the_same_again() {
    let straight = written(&plan(3, 1.0), 40);
    let (mut composer, plan) = (composer(), plan(3, 1.0));
    let mut state = composer.start();
    let mut states = Vec::new();
    for latent in 0..30 {
        states.push(state.clone());
        composer.write(&mut state, latent, &plan, None).unwrap();
    }
    // Rewinding to the middle of a latent also works: earlier notes are kept, and the same random numbers follow.
    for (latent, hops) in [(22, 0), (20, 5)] {
        let kept = composer.rewind(latent * LATENT_FRAMES + hops * HOP as u64);
        assert_eq!(kept.is_some(), hops > 0);
        state = states[latent as usize].clone();
        for latent in latent..latent + 10 {
            let kept = kept.as_ref().filter(|_| latent == 20);
            assert_eq!(composer.write(&mut state, latent, &plan, kept).unwrap(), straight[latent as usize], "{latent}");
        }
    }
}

#[test]
fn what_began_before_a_change_stays() {
    let (mut composer, calm) = (composer(), plan(3, 1.0));
    let mut state = composer.start();
    let before: Vec<_> =
        (0..20).map(|latent| (state.clone(), composer.write(&mut state, latent, &calm, None).unwrap())).collect();
    let (latent, (state, old)) =
        (0u64..).zip(before).filter(|(_, (_, frame))| frame.notes.iter().any(|note| note.offset < 4)).last().unwrap();
    let kept = composer.rewind(latent * LATENT_FRAMES + 4 * HOP as u64).unwrap();
    let other = Plan::steady(3, Mood::pure(Emotion::Sad), Chord::parse("F#").unwrap(), 90.0);
    let new = composer.write(&mut state.clone(), latent, &other, Some(&kept)).unwrap();
    let early = |frame: &WrittenFrame| frame.notes.iter().filter(|note| note.offset < 4).copied().collect::<Vec<_>>();
    assert_eq!(early(&new), early(&old));
    assert_eq!((new.pedal, new.pedal_offset), (old.pedal, old.pedal_offset));
}

/// Reproduces a performance by the training code with the exported graphs: given its conditions and random numbers, the
/// notes must be the same.
#[test]
fn the_composer_writes_what_the_training_code_writes() {
    let folder = parity::folder();
    let models = parity::models(&folder);
    let expected = parity::vectors(&folder, "composer.safetensors");
    let frames = expected["pedal"].len() / 2;
    let dice_per_frame = expected["dice"].len() / frames;
    let mut composer = Composer::new(models.composer, models.manifest.composer);
    let mut state = composer.start();
    let mut plan = plan(1, 1.0);
    let earlier = Earlier { latents: 188, share: 1.0 };
    plan.returns = vec![Returning { frame: 190 * LATENT_FRAMES, earlier: Some(earlier) }];
    let (mut notes, mut pedal) = (Vec::new(), Vec::new());
    for latent in 0..frames {
        let mut conditions = FrameConditions::UNKNOWN;
        conditions.frame.copy_from_slice(&expected["frame"][latent * FRAME_WIDTH..][..FRAME_WIDTH]);
        let fine = conditions.fine.as_flattened_mut();
        fine.copy_from_slice(&expected["fine"][latent * OFFSETS * FINE_WIDTH..][..OFFSETS * FINE_WIDTH]);
        let known = |value: usize, mask: usize| (conditions.frame[51 + mask] > 0.0).then_some(conditions.frame[value]);
        let requested = Conditions {
            density: known(11, 3).map(|it| (it * 0.7 + 1.8).exp_m1()),
            loudness: known(12, 4).map(|it| it * 20.0 + 64.0),
            register: known(13, 5).map(|it| it * 12.0 + 60.0),
            ..Conditions::default()
        };
        let mut dice = expected["dice"][latent * dice_per_frame..].iter().copied().map(f64::from);
        let frame = Frame {
            latent: latent as u64,
            conditions: &conditions,
            requested: &requested,
            sampling: Sampling { guidance: 1.3, ..Sampling::of(1.0, 1.0) },
            dice: || dice.next().unwrap(),
        };
        let written = composer.write_frame(&mut state, &plan, frame, None).unwrap();
        pedal.extend([written.pedal as u8, written.pedal_offset].map(f32::from));
        for note in written.notes {
            notes.push(latent as f32);
            notes.extend(note.parts());
        }
    }
    let theirs: Vec<_> = expected["notes"].chunks_exact(6).collect();
    let ours: Vec<_> = notes.chunks_exact(6).collect();
    let first = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    assert_eq!(first, None, "{:?} instead of {:?}", ours[first.unwrap_or(0)], theirs[first.unwrap_or(0)]);
    assert_eq!((ours.len(), pedal), (theirs.len(), expected["pedal"].clone()));
}
