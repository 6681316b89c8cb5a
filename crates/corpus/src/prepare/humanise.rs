//! Humanises scores that lack dynamics, rubato and pedal: phrases swell and slow down, metre and melody are accented,
//! the notes of a chord are not quite simultaneous, and some pieces are played with pedal.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::beats::BeatGrid;
use super::midi::{MidiScore, Note, Pedal, sort};
use super::piece::{Score, hash};
use super::random::{normal, uniform};

/// Beats per phrase.
const PHRASE_BEATS: usize = 16;
/// Standard deviation of the random shift of a chord, in seconds.
const CHORD_JITTER: f64 = 0.009;
/// Standard deviation of the random shift of a note within its chord, in seconds.
const NOTE_JITTER: f64 = 0.004;
/// Notes that start at most this many seconds after the first note of a chord belong to the chord.
const CHORD_WINDOW: f64 = 0.02;
/// Seconds for which the pedal stays up at each change.
const PEDAL_UP: f64 = 0.06;
/// Probability that a piece is played with pedal.
const PEDAL_PROBABILITY: f64 = 0.6;

/// A phrase of the score; times in seconds.
struct Phrase {
    start: f64,
    end: f64,
    /// Velocity at the start and end of the phrase.
    level: f64,
    /// Velocity added in the middle.
    swell: f64,
    /// Fraction by which slowing down in the second half lengthens the phrase.
    ritardando: f64,
}

/// Humanises a score. The name seeds all random choices, so that the same piece always gives the same performance.
#[must_use]
pub(crate) fn humanise(score: MidiScore, name: &str) -> Score {
    let mut random = ChaCha8Rng::from_seed(hash(&["humanise", name]));
    let grid = BeatGrid::new(&score.beats);
    let phrases = phrases(&score.notes, grid.as_ref(), &mut random);
    let mut notes = score.notes;
    shape_velocity(&mut notes, grid.as_ref(), &phrases, &mut random);
    let mut changes = Vec::new();
    if uniform(&mut random) < PEDAL_PROBABILITY {
        changes = add_pedal(&mut notes, grid.as_ref());
    }
    let starts = performed_starts(&phrases);
    let performed = |time: f64| performed_time(&phrases, &starts, time);
    loosen_timing(&mut notes, performed, &mut random);
    let pedal = changes.into_iter().map(|change| Pedal { time: performed(change.time), ..change }).collect();
    Score { notes, pedal, beats: grid.map(|grid| grid.map(performed)) }
}

/// Divides a score into phrases, with random levels, swells and ritardandos.
fn phrases(notes: &[Note], grid: Option<&BeatGrid>, random: &mut ChaCha8Rng) -> Vec<Phrase> {
    let end = notes.iter().map(|note| note.end).fold(0.0, f64::max) + 1.0;
    let mut bounds: Vec<f64> = match grid {
        Some(grid) => grid.times().step_by(PHRASE_BEATS).collect(),
        None => (0..).map(|i| 8.0 * f64::from(i)).take_while(|time| *time < end).collect(),
    };
    bounds.retain(|time| *time > 0.5 && *time < end - 0.5);
    bounds.insert(0, 0.0);
    bounds.push(end);
    let base_level = 64.0 + 7.0 * normal(random);
    let mut drift = 0.0;
    bounds
        .windows(2)
        .map(|pair| {
            drift = 0.7 * drift + 6.0 * normal(random);
            let swell = 6.0 + 8.0 * uniform(random);
            let ritardando = 0.04 * uniform(random);
            Phrase { start: pair[0], end: pair[1], level: base_level + drift - swell / 2.0, swell, ritardando }
        })
        .collect()
}

/// Returns the index of the phrase at a time.
fn phrase_at(phrases: &[Phrase], time: f64) -> usize {
    phrases.partition_point(|phrase| phrase.start <= time).max(1) - 1
}

/// Sets velocities from the level and swell of the phrase, accents on the beat and in the top voice, the dynamics of
/// the score, and a little randomness.
fn shape_velocity(notes: &mut [Note], grid: Option<&BeatGrid>, phrases: &[Phrase], random: &mut ChaCha8Rng) {
    let mean: f32 = notes.iter().map(|note| note.velocity).sum::<f32>() / notes.len() as f32;
    for index in 0..notes.len() {
        let note = notes[index];
        let phrase = &phrases[phrase_at(phrases, note.start)];
        let progress = ((note.start - phrase.start) / (phrase.end - phrase.start)).clamp(0.0, 1.0);
        let accent = grid.and_then(|grid| grid.at(note.start + 1e-3)).map_or(0.0, |position| {
            let on_beat = position.beat_phase < 0.1;
            let on_bar = on_beat && position.bar_phase < 0.05;
            if on_bar {
                5.0
            } else if on_beat {
                2.0
            } else {
                -1.5
            }
        });
        let near = &notes[index.saturating_sub(12)..(index + 12).min(notes.len())];
        let has_higher = near.iter().any(|other| {
            other.pitch > note.pitch && other.start < note.start + CHORD_WINDOW && other.end > note.start + CHORD_WINDOW
        });
        let voice_accent = if has_higher { -5.0 } else { 5.0 };
        let shaped = phrase.level + phrase.swell * (PI * progress).sin() + accent + voice_accent + 3.0 * normal(random);
        notes[index].velocity = (shaped as f32 + note.velocity - mean).clamp(8.0, 127.0);
    }
}

/// Changes the pedal on every beat, which prolongs notes to the end of their last beat; returns the pedal movements.
fn add_pedal(notes: &mut [Note], grid: Option<&BeatGrid>) -> Vec<Pedal> {
    let Some(grid) = grid else { return Vec::new() };
    let times: Vec<f64> = grid.times().collect();
    let mut next_of_pitch = [f64::INFINITY; 128];
    for note in notes.iter_mut().rev() {
        let change = times[times.partition_point(|time| *time < note.end - 0.01)..].first();
        if let Some(change) = change {
            note.end = change.min(next_of_pitch[usize::from(note.pitch)]).max(note.end);
        }
        next_of_pitch[usize::from(note.pitch)] = note.start;
    }
    let up = times.iter().map(|time| Pedal { time: *time, down: false });
    let down = times.iter().map(|time| Pedal { time: time + PEDAL_UP, down: true });
    up.zip(down).flat_map(|(up, down)| [up, down]).skip(1).collect()
}

/// Returns the start of each phrase after the preceding phrases have been stretched.
fn performed_starts(phrases: &[Phrase]) -> Vec<f64> {
    let mut next = 0.0;
    phrases
        .iter()
        .map(|phrase| {
            let start = next;
            next += (phrase.end - phrase.start) * (1.0 + phrase.ritardando);
            start
        })
        .collect()
}

/// Maps a time in the score to one in the performance, in which the second half of each phrase slows down. The mapping
/// is increasing and continuous.
fn performed_time(phrases: &[Phrase], starts: &[f64], time: f64) -> f64 {
    let index = phrase_at(phrases, time);
    let phrase = &phrases[index];
    let length = phrase.end - phrase.start;
    let progress = (time - phrase.start) / length;
    let late = (2.0 * progress - 1.0).clamp(0.0, 1.0);
    starts[index] + length * (progress + phrase.ritardando * late * late)
}

/// Applies `performed` to the times of the notes, and randomly shifts chords and the notes within each chord.
fn loosen_timing(notes: &mut [Note], performed: impl Fn(f64) -> f64, random: &mut ChaCha8Rng) {
    let mut chord = f64::NEG_INFINITY;
    let mut lag = 0.0;
    for note in notes.iter_mut() {
        if note.start > chord + CHORD_WINDOW {
            chord = note.start;
            lag = (CHORD_JITTER * normal(random)).clamp(-0.02, 0.02);
        }
        let shift = lag + (NOTE_JITTER * normal(random)).clamp(-0.01, 0.01);
        let (start, key_up, end) = (performed(note.start), performed(note.key_up), performed(note.end));
        note.start = (start + shift).max(0.0);
        note.end = (end + shift).max(note.start + 0.03);
        note.key_up = (key_up + shift).clamp(note.start + 0.03, note.end);
    }
    sort(notes);
}
