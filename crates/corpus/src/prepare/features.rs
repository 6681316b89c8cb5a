//! Computes features of notes, from which emotions are inferred.

use crate::analysis::tonal::{Chroma, KeyEstimate};

use super::midi::Note;

/// Length of the window in seconds.
pub const WINDOW: f64 = 16.0;
/// Minimum number of onsets in a window.
const MIN_ONSETS: usize = 5;
/// The highest note number that counts as low, more than an octave below middle C.
const HIGHEST_LOW_NOTE: u8 = 47;
/// Maximum note length in seconds; longer notes count as this long.
const MAX_LENGTH: f64 = 4.0;

/// A feature of a window of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Mean velocity of the onsets.
    Velocity,
    /// Standard deviation of the velocity.
    VelocitySpread,
    /// 90th percentile of the velocity.
    VelocityHigh,
    /// Logarithm of onsets per second.
    Density,
    /// Mean logarithm of the note lengths.
    Length,
    /// Share of notes shorter than 0.2 s.
    Staccato,
    /// Share of low notes.
    Low,
    /// Mean note number of the lowest quarter of the notes.
    Bass,
    /// Standard deviation of the note numbers.
    Range,
    /// Mean interval between the highest notes of successive chords, in semitones.
    Leap,
    /// Correlation with the best major key minus that with the best minor key.
    Mode,
    /// Correlation with the best key.
    Clarity,
    /// Entropy of the pitch classes, in bits.
    Entropy,
    /// Share of minor seconds, tritones, major sevenths and their compounds among the intervals between notes of
    /// different pitch classes that sound together.
    Dissonance,
    /// Ambiguity between major and minor: the negated absolute value of [`Feature::Mode`].
    Mixture,
}

/// Number of features.
pub const COUNT: usize = Feature::Mixture as usize + 1;

/// One value per [`Feature`].
pub type Features = [f64; COUNT];

/// Computes the features of the notes that start in a window of [`WINDOW`] seconds around `centre`; `None` if there are
/// too few notes. `notes` must be in order of onset.
#[must_use]
pub fn features(notes: &[Note], centre: f64) -> Option<Features> {
    let from = notes.partition_point(|note| note.start < centre - WINDOW / 2.0);
    let to = notes.partition_point(|note| note.start < centre + WINDOW / 2.0);
    let window = &notes[from..to];
    if window.len() < MIN_ONSETS {
        return None;
    }
    let count = window.len() as f64;
    let mean = |value: &dyn Fn(&Note) -> f64| window.iter().map(value).sum::<f64>() / count;
    let length = |note: &Note| (note.end - note.start).clamp(0.03, MAX_LENGTH);

    let velocity = mean(&|note| f64::from(note.velocity));
    let mut velocities: Vec<f32> = window.iter().map(|note| note.velocity).collect();
    velocities.sort_by(f32::total_cmp);
    let mut pitches: Vec<f64> = window.iter().map(|note| f64::from(note.pitch)).collect();
    pitches.sort_by(f64::total_cmp);
    let pitch = mean(&|note| f64::from(note.pitch));
    let lowest = &pitches[..pitches.len().div_ceil(4)];

    let mut chroma: Chroma = [0.0; 12];
    for note in window {
        chroma[usize::from(note.pitch % 12)] += length(note) as f32;
    }
    let total: f32 = chroma.iter().sum();
    let entropy = -chroma.iter().map(|x| x / total).filter(|p| *p > 0.0).map(|p| p * p.log2()).sum::<f32>();
    let key = KeyEstimate::of(&chroma);

    let mut values = [0.0; COUNT];
    let mut set = |feature: Feature, value: f64| values[feature as usize] = value;
    set(Feature::Velocity, velocity);
    set(Feature::VelocitySpread, mean(&|note| (f64::from(note.velocity) - velocity).powi(2)).sqrt());
    set(Feature::VelocityHigh, f64::from(velocities[(window.len() * 9 / 10).min(window.len() - 1)]));
    set(Feature::Density, (count / WINDOW).ln());
    set(Feature::Length, mean(&|note| length(note).ln()));
    set(Feature::Staccato, mean(&|note| f64::from(u8::from(length(note) < 0.2))));
    set(Feature::Low, mean(&|note| f64::from(u8::from(note.pitch <= HIGHEST_LOW_NOTE))));
    set(Feature::Bass, lowest.iter().sum::<f64>() / lowest.len() as f64);
    set(Feature::Range, mean(&|note| (f64::from(note.pitch) - pitch).powi(2)).sqrt());
    set(Feature::Leap, leap(window));
    set(Feature::Mode, f64::from(key.major - key.minor));
    set(Feature::Clarity, f64::from(key.major.max(key.minor)));
    set(Feature::Entropy, f64::from(entropy));
    set(Feature::Dissonance, dissonance(window));
    set(Feature::Mixture, -f64::from((key.major - key.minor).abs()));
    Some(values)
}

/// Returns the mean interval between the highest notes of successive chords (onsets within 30 ms).
fn leap(window: &[Note]) -> f64 {
    let mut tops: Vec<(f64, u8)> = Vec::new();
    for note in window {
        match tops.last_mut() {
            Some((start, top)) if note.start < *start + 0.03 => *top = (*top).max(note.pitch),
            _ => tops.push((note.start, note.pitch)),
        }
    }
    let steps = tops.windows(2).map(|pair| f64::from(pair[0].1.abs_diff(pair[1].1)));
    steps.sum::<f64>() / (tops.len().max(2) - 1) as f64
}

fn dissonance(window: &[Note]) -> f64 {
    let (mut dissonant, mut pairs) = (0u32, 0u32);
    for (index, note) in window.iter().enumerate() {
        for other in &window[index.saturating_sub(24)..index] {
            if other.end > note.start + 0.03 && other.pitch % 12 != note.pitch % 12 {
                pairs += 1;
                let class = note.pitch.abs_diff(other.pitch) % 12;
                dissonant += u32::from(matches!(class, 1 | 6 | 11));
            }
        }
    }
    f64::from(dissonant) / f64::from(pairs.max(1))
}
