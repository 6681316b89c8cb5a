//! The options of a request: what the network has played, a pinned mode, dynamics and recall.

use melos::conductor::harmony::{BarPlan, BarRequest, Harmony, PhraseRecall, PlayedBar};
use melos::music::emotion::Emotion;
use melos::music::theory::{Key, Mode, Voice};

use super::{chord, request};

#[test]
fn the_plan_follows_the_network_only_after_repeated_deviation() {
    let other_chord = chord("Am");
    let plans_with = |chroma_of: &dyn Fn(&BarPlan) -> [f32; 12]| {
        let mut harmony = Harmony::new(4);
        let mut plans: Vec<BarPlan> = Vec::new();
        for bar in 0..24 {
            let played = plans.last().map(|plan| {
                let ends = plan.chords.iter().skip(1).map(|(beat, _)| *beat).chain([4.0]);
                let planned = plan.chords.iter().zip(ends).map(|((beat, chord), end)| (end - beat, *chord));
                PlayedBar::new(4.0 * bar as f64, 4.0, chroma_of(plan), planned)
            });
            plans.push(harmony.plan_bar(&BarRequest {
                played,
                mode: Some(Mode::Major),
                ..request(bar, Emotion::Happy)
            }));
        }
        plans
    };
    let following = plans_with(&|plan| plan.chords[0].1.chroma().map(|share| share + 0.1));
    let mut unaware = Harmony::new(4);
    for (bar, plan) in following.iter().enumerate() {
        let alone = unaware.plan_bar(&BarRequest { mode: Some(Mode::Major), ..request(bar as u64, Emotion::Happy) });
        assert_eq!(*plan, alone, "a network that follows the plan should not change it");
    }
    let deviating = plans_with(&|_| other_chord.chroma().map(|share| share + 0.1));
    assert_ne!(deviating, following);
    let other_chord_at_start = |plans: &[BarPlan]| plans.iter().filter(|plan| plan.chords[0].1 == other_chord).count();
    assert!(
        other_chord_at_start(&deviating) > other_chord_at_start(&following) + 2,
        "the plan should move to the network's chord"
    );
    let first = deviating.iter().zip(&following).position(|(a, b)| a != b).expect("the plans should differ");
    assert!(first >= 2, "the plan changed in bar {first}, before the network had deviated for two bars");
    assert_eq!(deviating[first].chords[0].1, other_chord);
}

#[test]
fn a_pinned_mode_is_kept() {
    for mode in Mode::ALL {
        for emotion in Emotion::ALL {
            let mut harmony = Harmony::new(2);
            for bar in 0..16 {
                let plan = harmony.plan_bar(&BarRequest { mode: Some(mode), tonic: 7, ..request(bar, emotion) });
                assert_eq!(plan.key, Key { tonic: 7, mode });
            }
        }
    }
}

#[test]
fn dynamics_widen_the_swell_of_a_phrase() {
    let spread = |dynamics| {
        let mut harmony = Harmony::new(8);
        let bars = (0..16).map(|bar| BarRequest { dynamics, ..request(bar, Emotion::Romantic) });
        let levels: Vec<f32> = bars.map(|request| harmony.plan_bar(&request).expression).collect();
        levels.iter().copied().fold(0.0, f32::max) - levels.iter().copied().fold(1.0, f32::min)
    };
    assert_eq!(spread(0.0), 0.0);
    assert!(spread(0.5) > 0.2 && spread(1.0) > 1.5 * spread(0.5));
}

#[test]
fn phrases_return_as_often_and_as_exactly_as_requested() {
    /// Returns the number of bars in returning phrases, and how many of these repeat the chords and the upper voice of
    /// the bar they recall.
    fn returned(recall: f32, seed: u64) -> (usize, usize) {
        let mut harmony = Harmony::new(seed);
        let mut bars: Vec<BarPlan> = Vec::new();
        let (mut returning, mut alike) = (0, 0);
        for bar in 0..200 {
            let plan =
                harmony.plan_bar(&BarRequest { recall, mode: Some(Mode::Major), ..request(bar, Emotion::Happy) });
            if let Some(PhraseRecall { bar: start, source, .. }) = plan.recall {
                assert!(source < start && start <= bar);
                let before = &bars[(source + bar - start) as usize];
                let upper = |plan: &BarPlan| {
                    let notes = plan.notes.iter().filter(|note| note.voice == Voice::Upper);
                    notes.map(|note| (note.at_beat, note.note)).collect::<Vec<_>>()
                };
                returning += 1;
                alike += usize::from(before.chords == plan.chords && upper(before) == upper(&plan));
            }
            bars.push(plan);
        }
        (returning, alike)
    }
    let all =
        |recall| (0..8).map(|seed| returned(recall, seed)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let [never, some, full] = [0.0, 0.5, 1.0].map(all);
    assert_eq!(never, (0, 0));
    // Recall 0.5 returns fewer than half of the 1600 bars, and recall 1 fewer than nine tenths, because the first
    // phrases have nothing to recall.
    assert!((560..720).contains(&some.0) && (1300..1440).contains(&full.0), "{some:?} {full:?}");
    let share = |(returning, alike): (usize, usize)| alike as f64 / returning as f64;
    assert!(share(full) > 0.7 && share(some) > 0.4 && share(some) < share(full), "{some:?} {full:?}");
}
