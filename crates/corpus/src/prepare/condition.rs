//! Computes the conditions for every latent of a copy.

use super::beats::BeatGrid;
use super::features::{Features, features};
use super::label::Label;
use super::midi::Note;
use melos::mel::LATENTS_PER_SECOND;
use melos::music::conditions::Conditions;

/// Half the width, in seconds, of the window around a latent's centre in which the sounding notes form its chord.
pub(crate) const CHORD_HALF_WINDOW: f64 = 0.5;
/// Half the width, in seconds, of the window around a latent's centre in which the onsets determine its density,
/// loudness and register.
pub(crate) const ONSET_HALF_WINDOW: f64 = 1.0;
/// Seconds from one label to the next.
pub(crate) const LABEL_STEP: f64 = 1.0;

/// Computes the conditions for the first `latents` latents of a copy from its notes and beats.
///
/// `context` contains the notes of the whole piece, because labels depend on wider windows. All times count from the
/// start of the copy.
#[must_use]
pub fn conditions(
    notes: &[Note],
    context: &[Note],
    beats: Option<&BeatGrid>,
    label: impl Fn(&Features) -> Option<Label>,
    latents: usize,
) -> Vec<Conditions> {
    let seconds = latents as f64 / LATENTS_PER_SECOND;
    let labels: Vec<Option<Label>> = (0..=(seconds / LABEL_STEP) as usize)
        .map(|step| features(context, step as f64 * LABEL_STEP).and_then(|window| label(&window)))
        .collect();
    let longest = notes.iter().map(|note| note.end - note.start).fold(0.0, f64::max);
    (0..latents)
        .map(|latent| {
            let start = latent as f64 / LATENTS_PER_SECOND;
            let middle = (latent as f64 + 0.5) / LATENTS_PER_SECOND;
            let label = labels[((middle / LABEL_STEP).round() as usize).min(labels.len() - 1)];
            let position = beats.and_then(|beats| beats.at(start));
            let (chord, bass) = harmony(notes, middle, longest);
            let onsets = notes_starting_in(notes, middle - ONSET_HALF_WINDOW, middle + ONSET_HALF_WINDOW);
            let span = ONSET_HALF_WINDOW.min(middle) + ONSET_HALF_WINDOW.min(seconds - middle);
            let mean = |value: fn(&Note) -> f32| {
                (!onsets.is_empty()).then(|| onsets.iter().map(value).sum::<f32>() / onsets.len() as f32)
            };
            Conditions {
                emotion: label.map(|label| label.weights),
                affect: label.map(|label| label.affect),
                chord,
                bass,
                beat_phase: position.map(|position| position.beat_phase),
                bar_phase: position.map(|position| position.bar_phase),
                tempo_bpm: position.map(|position| position.tempo_bpm),
                density: Some((onsets.len() as f64 / span) as f32),
                loudness: mean(|note| note.velocity),
                register: mean(|note| f32::from(note.pitch)),
            }
        })
        .collect()
}

/// Returns the notes that start in `from..to`.
fn notes_starting_in(notes: &[Note], from: f64, to: f64) -> &[Note] {
    let first = notes.partition_point(|note| note.start < from);
    &notes[first..notes.partition_point(|note| note.start < to).max(first)]
}

/// Returns the pitch classes that sound around the time `middle`, weighted by duration, and the pitch class of the
/// lowest note. `longest` is the length of the longest note, in seconds.
fn harmony(notes: &[Note], middle: f64, longest: f64) -> (Option<[f32; 12]>, Option<u8>) {
    let (from, to) = (middle - CHORD_HALF_WINDOW, middle + CHORD_HALF_WINDOW);
    let mut chroma = [0.0f32; 12];
    let mut lowest: Option<u8> = None;
    for note in notes_starting_in(notes, from - longest, to) {
        let overlap = note.end.min(to) - note.start.max(from);
        if overlap > 0.0 {
            chroma[usize::from(note.pitch % 12)] += overlap as f32;
            lowest = Some(lowest.map_or(note.pitch, |low| low.min(note.pitch)));
        }
    }
    let largest = chroma.iter().copied().fold(0.0, f32::max);
    let chord = (largest > 0.0).then(|| chroma.map(|x| x / largest));
    (chord, lowest.map(|pitch| pitch % 12))
}
