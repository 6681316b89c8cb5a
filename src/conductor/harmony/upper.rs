//! The upper voice: short figures at the turning points of a phrase, with rests in between that leave room for the piano.

use crate::music::emotion::Emotion;
use crate::music::theory::{Chord, Key};

use super::phrase::SECTION_BARS;
use super::rng::Rng;
use super::scale::{Scale, nearest};
use super::{ChordSpan, PhrasePosition};

/// Range of the upper voice in MIDI notes.
pub(super) const RANGE: std::ops::RangeInclusive<u8> = 67..=96;

/// Beat in the bar, length in beats, and scale steps from the figure's reference note, a chord tone.
type FigureNote = (f64, f64, i32);

/// Returns the figures of an emotion. Notes of a beat or more are moved to chord tones; shorter ones may be passing notes.
const fn figures(emotion: Emotion) -> [&'static [FigureNote]; 3] {
    match emotion {
        Emotion::Happy => [
            &[(0.0, 0.5, 0), (0.5, 0.5, 1), (1.0, 0.5, 2), (1.5, 1.5, 4)],
            &[(0.0, 0.5, 4), (0.5, 0.5, 2), (1.0, 1.0, 0), (2.5, 0.5, 1), (3.0, 1.0, 2)],
            &[(1.0, 0.5, 0), (1.5, 0.5, 2), (2.0, 0.5, 1), (2.5, 1.5, 2)],
        ],
        Emotion::Sad => [
            &[(0.0, 0.9, 1), (1.0, 2.5, 0)],
            &[(1.0, 1.0, 2), (2.0, 0.9, 1), (3.0, 1.0, 0)],
            &[(0.0, 1.5, 2), (1.5, 0.5, 1), (2.0, 2.0, -1)],
        ],
        Emotion::Energetic => [
            &[(0.0, 0.25, 0), (0.5, 0.25, 0), (0.75, 0.75, 2), (1.5, 0.5, 4), (2.0, 1.0, 2)],
            &[(1.5, 0.5, 4), (2.0, 0.5, 3), (2.5, 0.5, 4), (3.0, 1.0, 7)],
            &[(0.0, 0.5, 4), (0.5, 0.5, 4), (1.0, 0.5, 2), (1.5, 1.0, 4)],
        ],
        Emotion::Calm => [&[(0.0, 3.5, 2)], &[(1.0, 3.0, 4)], &[(0.0, 2.0, 2), (2.0, 2.0, 0)]],
        Emotion::Romantic => [
            &[(0.0, 1.0, 0), (1.0, 1.5, 5), (2.5, 0.5, 4), (3.0, 1.0, 3)],
            &[(0.0, 1.5, 2), (1.5, 0.5, 3), (2.0, 1.5, 4), (3.5, 0.5, 3)],
            &[(0.5, 0.5, -1), (1.0, 1.5, 0), (2.5, 0.5, 2), (3.0, 1.0, 4)],
        ],
        Emotion::Angry => [
            &[(0.0, 0.25, 1), (0.25, 0.5, 0), (1.5, 0.25, 1), (1.75, 0.5, 0)],
            &[(2.0, 0.25, 3), (2.25, 0.25, 2), (2.5, 0.25, 1), (2.75, 1.0, 0)],
            &[(0.0, 0.5, 0), (0.5, 0.25, -1), (0.75, 0.75, 0)],
        ],
        Emotion::Nostalgic => [
            &[(0.0, 1.0, 4), (1.0, 0.5, 3), (1.5, 0.5, 2), (2.0, 2.0, 0)],
            &[(0.5, 0.5, 2), (1.0, 0.5, 3), (1.5, 1.5, 4), (3.0, 1.0, 2)],
            &[(0.0, 1.5, 5), (1.5, 0.5, 4), (2.0, 2.0, 2)],
        ],
        Emotion::Mysterious => [
            &[(1.5, 0.5, 1), (2.0, 2.0, 0)],
            &[(0.5, 0.5, 0), (1.0, 0.5, -1), (1.5, 2.0, 3)],
            &[(2.5, 0.5, 3), (3.0, 1.0, 4)],
        ],
    }
}

/// The context for a line of the upper voice.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineContext {
    /// The emotion.
    pub emotion: Emotion,
    /// The key.
    pub key: Key,
    /// Number of the phrase, or of the phrase that it recalls; selects the figure that serves as the motif.
    pub phrase: u64,
    /// The bar's position in the phrase.
    pub position: PhrasePosition,
    /// Probability that the voice plays in the first bar of a section, where it is highest; 0..=1.
    pub activity: f32,
    /// The previous note, if any.
    pub previous: Option<u8>,
    /// The note around which the line is centred.
    pub centre: f32,
    /// The pad's highest note; the line stays above it.
    pub floor: u8,
}

/// Returns the upper voice's notes over the chord spans of a bar as (beat, length, note); often empty. A note that the
/// next chord does not contain ends with its own chord.
pub(super) fn line(context: &LineContext, spans: &[ChordSpan], rng: &mut Rng) -> Vec<(f64, f64, u8)> {
    let Some(last) = spans.last() else { return Vec::new() };
    let span_at = |beat: f64| spans.iter().find(|span| beat < span.end).unwrap_or(last);
    let emphasis = match context.position.bar % SECTION_BARS {
        0 => 1.0,
        1 => 0.3,
        2 => 0.9,
        _ => 0.6,
    };
    if rng.unit() >= context.activity * emphasis {
        return Vec::new();
    }
    let variation = usize::from(rng.unit() < 0.3);
    let figures = figures(context.emotion);
    let figure = figures[((context.phrase % 3) as usize + variation) % 3];
    let range = *RANGE.start().max(&(context.floor + 1))..=*RANGE.end();
    let start = span_at(figure[0].0).chord;
    let target = context.previous.map_or(context.centre, |previous| f32::from(previous) * 0.4 + context.centre * 0.6);
    let reference = chord_tone(&start, target, &reference_range(figure, &range));
    let mut line = Vec::new();
    for (at, beats, steps) in figure.iter().copied().filter(|note| note.0 < last.end) {
        let span = span_at(at);
        let scale_note = fold(Scale::over(&span.chord, context.key).step(reference, steps), &range);
        let note = if beats >= 1.0 { chord_tone(&span.chord, f32::from(scale_note), &range) } else { scale_note };
        let continues = span.end < last.end && span_at(span.end).chord.contains(note);
        let end = if continues { span_at(span.end).end } else { span.end };
        line.push((at, beats.min(end - at), note));
    }
    line
}

/// Returns the range of reference notes, at least an octave, that keep all notes of a figure within `range`, assuming
/// scale steps of at most a whole tone.
fn reference_range(figure: &[FigureNote], range: &std::ops::RangeInclusive<u8>) -> std::ops::RangeInclusive<u8> {
    let extent = |sign: i32| figure.iter().map(|note| (note.2 * sign * 2).max(0)).max().unwrap_or(0) as u8;
    let lowest = range.start() + extent(-1);
    lowest..=(range.end() - extent(1)).max(lowest + 11)
}

/// Returns the chord tone nearest to a note, within a range.
fn chord_tone(chord: &Chord, target: f32, range: &std::ops::RangeInclusive<u8>) -> u8 {
    let distance = |note: &u8| (f32::from(*note) - target).abs();
    let candidates = chord.pitch_classes().map(|pitch_class| nearest(pitch_class, target, range.clone()));
    candidates.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(*range.start())
}

/// Transposes a note by octaves into a range of at least one octave.
fn fold(note: u8, range: &std::ops::RangeInclusive<u8>) -> u8 {
    nearest(note % 12, f32::from(note), range.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conductor::harmony::rng::Purpose;
    use crate::music::theory::Mode;

    #[test]
    fn all_notes_are_in_the_scale_and_long_ones_are_chord_tones() {
        let key = Key { tonic: 0, mode: Mode::HarmonicMinor };
        let chords = ["G7", "Abmaj7", "F#m", "Db"].map(|symbol| Chord::parse(symbol).unwrap());
        let mut bars_played = 0;
        for emotion in Emotion::ALL {
            for number in 0..60 {
                let position = PhrasePosition { bar: (number % 4) as u32, bars: 4, cadence: None };
                let context = LineContext {
                    emotion,
                    key,
                    phrase: number / 4,
                    position,
                    activity: 0.6,
                    previous: Some(80),
                    centre: 78.0,
                    floor: 74,
                };
                let spans = [0, 1].map(|half| ChordSpan {
                    start: f64::from(half) * 2.0,
                    end: f64::from(half + 1) * 2.0,
                    chord: chords[(number as usize + half as usize) % 4],
                    bass: 36,
                    pad: Vec::new(),
                });
                let line = line(&context, &spans, &mut Rng::new(5, Purpose::Upper, number));
                bars_played += usize::from(!line.is_empty());
                for (at, beats, note) in line {
                    assert!((75..=96).contains(&note));
                    for span in spans.iter().filter(|span| span.start < at + beats && span.end > at) {
                        let describe = || format!("{emotion} {number}: {note} over {}", span.chord);
                        assert!(Scale::over(&span.chord, key).contains(note), "{}", describe());
                        assert!(beats < 1.0 || span.chord.contains(note), "{}", describe());
                    }
                }
            }
        }
        assert!((100..350).contains(&bars_played), "{bars_played} of 480 bars");
    }
}
