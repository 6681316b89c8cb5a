//! The generator with a small random model: output, rollback and crossfades.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use melos::event::Hop;
use melos::generator::model::{Models, runtime};
use melos::generator::notes::WrittenNote;
use melos::generator::{Generator, GeneratorError, Networks};
use melos::mel::{HOP, LATENT_FRAMES};
use melos::music::emotion::{Emotion, Mood};
use melos::music::glide::Glide;
use melos::music::plan::Plan;
use melos::music::theory::Chord;

fn generator() -> Generator {
    Generator::new(Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap()).unwrap()
}

fn plan(seed: u64, emotion: Emotion) -> Arc<Plan> {
    Arc::new(Plan::steady(seed, Mood::pure(emotion), Chord::parse("Am").unwrap(), 90.0))
}

/// Returns a generator with a calm plan.
pub(crate) fn calm_generator() -> Generator {
    let mut generator = generator();
    generator.follow(plan(7, Emotion::Calm));
    generator
}

fn generate(generator: &mut Generator, count: usize) -> Vec<Hop> {
    let mut hops = Vec::new();
    for _ in 0..count {
        generator.step(&mut hops).unwrap();
    }
    hops
}

/// Returns what the engine plays: for every index, the hop sent last.
pub(crate) fn played(hops: &[Hop]) -> Vec<f32> {
    let count = hops.iter().map(|hop| hop.index + 1).max().unwrap();
    (0..count)
        .flat_map(|index| hops.iter().rev().find(|hop| hop.index == index).expect("there should be no gap").samples)
        .collect()
}

#[test]
fn the_first_latent_completes_two_hops_and_every_later_one_eight() {
    let mut generator = calm_generator();
    let mut hops = Vec::new();
    for latent in 0..6 {
        let generated = generator.step(&mut hops).unwrap();
        assert_eq!(generated.from, latent * LATENT_FRAMES);
        assert_eq!(generator.covered(), (8 * latent + 2) * HOP as u64);
    }
    let indices: Vec<_> = hops.iter().map(|hop| hop.index).collect();
    assert_eq!(indices, (0..42).collect::<Vec<_>>());
    assert!(hops.iter().all(|hop| hop.epoch == 0));
    let samples = played(&hops);
    let level = (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt();
    assert!(level > 1e-3 && samples.iter().all(|x| x.abs() < 4.0), "the music should be audible: {level}");
}

#[test]
fn the_same_seed_and_plan_give_the_same_bits() {
    let (mut a, mut b) = (calm_generator(), calm_generator());
    assert!(generate(&mut a, 40) == generate(&mut b, 40));
    let mut other = generator();
    other.follow(plan(8, Emotion::Calm));
    assert!(generate(&mut calm_generator(), 4) != generate(&mut other, 4));
}

#[test]
fn a_step_without_a_plan_fails() {
    assert!(matches!(generator().step(&mut Vec::new()), Err(GeneratorError::NoPlan)));
}

#[test]
fn a_rollback_under_the_same_plan_gives_the_same_bits() {
    // The later starts are past the window and the KV ring, so that the window slides and the ring wraps around.
    for start in [20, 190, 230, 460] {
        let uninterrupted = generate(&mut calm_generator(), start + 32);
        let mut generator = calm_generator();
        let mut hops = generate(&mut generator, start + 30);
        // Roll back as far as possible.
        let splice = (start as u64 - 2) * LATENT_FRAMES + 3 * HOP as u64;
        generator.replan(plan(7, Emotion::Calm), splice, splice);
        hops.extend(generate(&mut generator, 34));
        assert_eq!(generator.epoch(), 1);
        // The crossfade mixes identical signals, which causes rounding errors.
        let (actual, expected) = (played(&hops), played(&uninterrupted));
        let after = splice as usize + 3 * HOP;
        assert!(actual[after..expected.len()] == expected[after..], "after {start} latents");
        let fade = actual[..after].iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(fade < 1e-5, "{fade}");
    }
}

#[test]
fn a_splice_older_than_the_history_starts_at_the_current_latent() {
    let mut generator = calm_generator();
    let mut hops = generate(&mut generator, 60);
    generator.replan(plan(7, Emotion::Angry), 20 * LATENT_FRAMES, 58 * LATENT_FRAMES);
    hops.extend(generate(&mut generator, 12));
    assert_eq!((generator.epoch(), generator.generated_to()), (1, 60 * LATENT_FRAMES));
    let (actual, uninterrupted) = (played(&hops), played(&generate(&mut calm_generator(), 72)));
    let first = actual.iter().zip(&uninterrupted).position(|(a, b)| (a - b).abs() > 1e-5).unwrap() as u64;
    // The regenerated music starts with latent 60, which also completes the last six hops of latent 59.
    assert!((58 * LATENT_FRAMES..61 * LATENT_FRAMES).contains(&first), "{first}");
}

/// Under overload, a splice may be moved repeatedly, beyond the maximum rollback.
#[test]
fn a_splice_moved_beyond_the_rollback_is_reproduced_from_the_log() {
    // The engine plays the last hop sent for each index. There may be a gap, in which the engine would starve.
    let hops_played = |hops: &[Hop]| hops.iter().map(|hop| (hop.index, hop.samples)).collect::<BTreeMap<_, _>>();
    for moved_by in [2, 20, 45] {
        let (planned, performed) = (20 * LATENT_FRAMES, (20 + moved_by) * LATENT_FRAMES);
        let mut live = calm_generator();
        let mut hops = generate(&mut live, 24);
        live.replan(plan(7, Emotion::Angry), planned, planned);
        generate(&mut live, 1);
        live.resplice(performed);
        hops.extend(generate(&mut live, 60));
        let generated_to = live.generated_to();
        assert_eq!(generated_to, 24 * LATENT_FRAMES);

        let mut replayed = calm_generator();
        replayed.replay_splice(plan(7, Emotion::Angry), planned, performed, Some(generated_to));
        let others = generate(&mut replayed, 85);
        let (live, mut replayed) = (hops_played(&hops), hops_played(&others));
        let end = *live.keys().last().unwrap();
        assert!(end > performed / HOP as u64 + 100);
        replayed.retain(|index, _| *index <= end);
        assert!(live == replayed, "moved by {moved_by} latents");
    }
}

#[test]
fn a_new_plan_takes_effect_at_the_splice() {
    let uninterrupted = played(&generate(&mut calm_generator(), 40));
    for offset in 0..8 {
        let mut generator = calm_generator();
        let mut hops = generate(&mut generator, 30);
        let splice = 22 * LATENT_FRAMES + offset * HOP as u64;
        generator.replan(plan(7, Emotion::Angry), splice, splice);
        hops.extend(generate(&mut generator, 18));
        let first = hops.iter().find(|hop| hop.epoch == 1).unwrap();
        assert_eq!(first.index * HOP as u64, splice, "the new epoch should start at the splice");
        let actual = played(&hops);
        let first_different = actual.iter().zip(&uninterrupted).position(|(a, b)| a != b).unwrap() as u64;
        assert!((splice..splice + 64).contains(&first_different), "{first_different} for {splice}");
    }
}

#[test]
fn the_sound_does_not_depend_on_how_far_ahead_it_is_generated() {
    let splices = [(12 * LATENT_FRAMES + 1024, Emotion::Angry), (15 * LATENT_FRAMES, Emotion::Sad)];
    let render = |ahead: u64| {
        let mut generator = calm_generator();
        let mut hops = Vec::new();
        for (splice, emotion) in splices {
            // The plan arrives 64 ms before its splice.
            while generator.covered() < splice - 3072 + ahead {
                generator.step(&mut hops).unwrap();
            }
            generator.replan(plan(7, emotion), splice, splice);
        }
        while generator.covered() < 30 * LATENT_FRAMES {
            generator.step(&mut hops).unwrap();
        }
        let mut samples = played(&hops);
        samples.truncate(30 * LATENT_FRAMES as usize);
        samples
    };
    let near = render(0);
    for ahead in [2048, 8192, 48_000] {
        assert!(near == render(ahead), "{ahead} frames ahead");
    }
}

#[test]
fn a_crossfade_does_not_click() {
    assert_splices_do_not_click(|_, _| {});
}

#[test]
fn a_late_splice_just_after_the_last_hop_of_the_old_future_does_not_click() {
    assert_splices_do_not_click(|generator, end| generator.resplice(end));
}

/// Splices many times, and compares the steps there with those elsewhere. `delay` may move each splice after the plan has
/// taken effect; it is passed the frame at which the old future ends.
fn assert_splices_do_not_click(delay: impl Fn(&mut Generator, u64)) {
    let mut generator = calm_generator();
    let mut hops = generate(&mut generator, 24);
    let emotions = [Emotion::Angry, Emotion::Sad, Emotion::Energetic, Emotion::Calm];
    for round in 0..40 {
        let end = generator.covered();
        generator.replan(plan(7, emotions[round % 4]), end - 20 * HOP as u64, end - 20 * HOP as u64);
        let rejected = generate(&mut generator, 1);
        let epoch = generator.epoch();
        delay(&mut generator, end);
        if generator.epoch() == epoch {
            hops.extend(rejected);
        }
        hops.extend(generate(&mut generator, 6));
    }
    let samples = played(&hops);
    let splices = hops.windows(2).filter(|pair| pair[0].epoch != pair[1].epoch).map(|pair| pair[1].index as usize);
    let boundaries: Vec<usize> = splices.flat_map(|first| (first..first + 4).map(|hop| hop * HOP)).collect();
    assert_eq!(boundaries.len(), 160);
    let mut steps: Vec<f32> = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let worst = boundaries.iter().flat_map(|frame| &steps[frame - 2..frame + 2]).copied().fold(0.0, f32::max);
    steps.sort_by(f32::total_cmp);
    let usual = steps[(steps.len() as f64 * 0.9999) as usize];
    assert!(worst <= usual, "{worst} at a splice, {usual} elsewhere");
}

#[test]
fn a_late_splice_moves_without_being_generated_again() {
    let planned = 22 * LATENT_FRAMES;
    let performed = planned + 5 * HOP as u64;
    let mut generator = calm_generator();
    let mut hops = generate(&mut generator, 30);
    generator.replan(plan(7, Emotion::Angry), planned, planned);
    let rejected = generate(&mut generator, 6);
    assert!(rejected.iter().all(|hop| hop.epoch == 1));
    generator.resplice(performed);
    hops.extend(generate(&mut generator, 6));
    // The result is the same as if the delay had been known in advance.
    let mut known = calm_generator();
    let mut expected = generate(&mut known, 30);
    known.replan(plan(7, Emotion::Angry), planned, performed);
    expected.extend(generate(&mut known, 12));
    assert!(played(&hops) == played(&expected));
    assert_eq!(hops.iter().find(|hop| hop.epoch == 2).unwrap().index * HOP as u64, performed);
}

#[test]
fn after_a_gap_the_music_resumes_at_the_playhead() {
    let mut generator = calm_generator();
    let before = generate(&mut generator, 10);
    generator.resume_at(100_000);
    assert!((100_000..100_000 + 6144).contains(&generator.covered()), "{}", generator.covered());
    let start = generator.covered();
    let after = generate(&mut generator, 4);
    assert_eq!(after[0].index * HOP as u64, start);
    assert_eq!(after.len(), 32);
    generator.resume_at(50_000);
    assert_eq!(generator.covered(), start + 32 * HOP as u64, "frames that are already covered should not be skipped");
    // The plan starts in the gap, so everything after the gap is generated again.
    generator.replan(plan(7, Emotion::Angry), 90_000, start);
    let angry = generate(&mut generator, 8);
    assert_eq!(angry.iter().find(|hop| hop.epoch == 1).unwrap().index * HOP as u64, start);
    assert_eq!(before.len(), 74);
}

#[test]
fn temperature_widens_the_choice_of_keys_without_changing_the_density() {
    let written = |temperature: f32| {
        let mut generator = generator();
        let mut plan = Plan::clone(&plan(1, Emotion::Happy));
        plan.steering.temperature = Glide::constant(temperature);
        generator.follow(Arc::new(plan));
        let latents = (0..200).map(|_| generator.step(&mut Vec::new()).unwrap().written);
        latents.flat_map(|latent| latent.notes).collect::<Vec<_>>()
    };
    let [low, normal, high] = [0.2, 1.0, 2.0].map(written);
    let keys = |notes: &[WrittenNote]| notes.iter().map(|note| note.key).collect::<BTreeSet<_>>().len();
    assert!(keys(&low) < keys(&normal) && keys(&normal) < keys(&high), "{} to {} keys", keys(&low), keys(&high));
    let share = low.len() as f32 / high.len() as f32;
    assert!((0.8..1.25).contains(&share), "{share} times as many notes at low temperature");
}

/// Returns different networks: the small model with the spectral peak vocoder.
fn other_networks() -> Networks {
    let mut models = Models::load(runtime().unwrap(), Path::new("tests/fixtures/tiny-model")).unwrap();
    models.vocoder = None;
    Networks::new(models).unwrap()
}

#[test]
fn new_networks_take_over_without_a_click() {
    let uninterrupted = played(&generate(&mut calm_generator(), 60));
    let mut generator = calm_generator();
    let mut hops = generate(&mut generator, 20);
    let splice = generator.covered() as usize - 16 * HOP;
    generator.swap(other_networks(), splice as u64);
    hops.extend(generate(&mut generator, 40));
    let (mixed, end) = (played(&hops), splice + 3 * HOP);
    assert!(mixed.len() > end + 48_000, "the music should continue: {} frames", mixed.len());
    assert_eq!(generator.epoch(), 1);
    assert!(mixed[..splice] == uninterrupted[..splice], "the old networks should play up to the splice");
    assert!(mixed[end..] != uninterrupted[end..mixed.len()], "the new networks should play after it");

    let steepest = |samples: &[f32]| samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    let usual = steepest(&mixed[..splice]).max(steepest(&mixed[end..]));
    assert!(steepest(&mixed[splice - 1..=end]) <= usual, "{} against {usual}", steepest(&mixed[splice - 1..=end]));
    let energy = |samples: &[f32]| samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
    assert!(energy(&mixed[end..][..4800]) > 0.0, "the new networks should be audible at once");
}

#[test]
fn plans_work_after_a_swap() {
    let mut generator = calm_generator();
    generate(&mut generator, 20);
    generator.swap(other_networks(), generator.covered());
    generator.follow(plan(7, Emotion::Sad));
    generate(&mut generator, 12);
    let splice = generator.covered() + 4096;
    generator.replan(plan(7, Emotion::Angry), splice, splice);
    generate(&mut generator, 6);
    assert_eq!((generator.epoch(), generator.covered() > splice), (2, true));

    generator.replan(plan(7, Emotion::Calm), 5 * LATENT_FRAMES, splice);
    let generated_to = generator.generated_to();
    generate(&mut generator, 8);
    assert!(generator.generated_to() > generated_to, "the history should start at the swap");
}
