//! Emotions differ in mode, activity, touch and chords.

use std::collections::BTreeMap;

use melos::music::emotion::Emotion;
use melos::music::profile::Profile;
use melos::music::theory::Chord;

use super::play;

/// Returns the balance of major and minor thirds over the tonic (−1 to 1), onsets per second, and mean velocity.
fn measure(emotion: Emotion) -> (f64, f64, f64) {
    let (mut major, mut onsets, mut touch, mut bars) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..6 {
        for plan in play(seed, emotion, 5, 4) {
            major += if plan.key.contains((plan.key.tonic + 4) % 12) { 1.0 } else { -1.0 };
            onsets += plan.notes.len() as f64;
            touch += plan.notes.iter().map(|note| f64::from(note.velocity)).sum::<f64>() / plan.notes.len() as f64;
            bars += 1.0;
        }
    }
    let bar_seconds = 4.0 * 60.0 / f64::from(Profile::of(emotion).tempo_bpm);
    (major / bars, onsets / bars / bar_seconds, touch / bars)
}

#[test]
fn mode_conveys_valence_and_activity_conveys_arousal() {
    let measured = Emotion::ALL.map(measure);
    let correlate = |x: [f64; 8], y: [f64; 8]| {
        let (mx, my) = (x.iter().sum::<f64>() / 8.0, y.iter().sum::<f64>() / 8.0);
        let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(&y).map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
        sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
    };
    let valence = Emotion::ALL.map(|emotion| f64::from(emotion.anchor().valence));
    let arousal = Emotion::ALL.map(|emotion| f64::from(emotion.anchor().arousal));
    let mode = correlate(measured.map(|m| m.0), valence);
    let density = correlate(measured.map(|m| m.1.ln()), arousal);
    let touch = correlate(measured.map(|m| m.2), arousal);
    assert!(mode > 0.9, "mode should follow valence: {mode} {measured:?}");
    assert!(density > 0.85, "onsets should follow arousal: {density} {measured:?}");
    // The correlation is imperfect because velocity also depends on accents and phrases.
    assert!(touch > 0.85, "velocity should follow arousal: {touch} {measured:?}");
    assert!(correlate(measured.map(|m| m.0), arousal).abs() < 0.4, "mode should be nearly independent of arousal");
}

#[test]
fn every_pair_of_emotions_uses_different_chords() {
    let histogram = |emotion| {
        let mut counts = BTreeMap::<String, f64>::new();
        for seed in 0..6 {
            let chords = play(seed, emotion, 0, 4).into_iter().flat_map(|plan| plan.chords);
            for (_, chord) in chords {
                *counts.entry(Chord { bass: chord.root, ..chord }.to_string()).or_default() += 1.0;
            }
        }
        let total: f64 = counts.values().sum();
        counts.values_mut().for_each(|count| *count /= total);
        counts
    };
    let histograms = Emotion::ALL.map(|emotion| (emotion, histogram(emotion)));
    for (index, (one, a)) in histograms.iter().enumerate() {
        for (other, b) in &histograms[index + 1..] {
            let shared: f64 = a.iter().map(|(symbol, share)| share.min(b.get(symbol).copied().unwrap_or(0.0))).sum();
            assert!(shared < 0.75, "{one} and {other} share {shared:.2} of their chords");
        }
    }
}
