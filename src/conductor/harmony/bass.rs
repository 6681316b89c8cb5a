//! The bass line: the bass note of each chord, and a figure for each emotion.

use crate::music::emotion::Emotion;
use crate::music::theory::{Chord, Key, Quality};

use super::ChordSpan;
use super::scale::{Scale, nearest};

/// Range of the bass in MIDI notes.
pub(super) const RANGE: std::ops::RangeInclusive<u8> = 28..=50;

/// The pitch of one note of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Tone {
    /// The chord's bass note.
    Bass,
    /// A fifth above the bass note, or the nearest chord tone.
    Fifth,
    /// An octave above the bass note or, if that is out of range, below it; see [`octave`].
    Octave,
    /// The scale note next to the bass note of the next chord, on the side of the current one; a fifth if the chord span
    /// goes on for 1.5 beats or more.
    Approach,
}

/// Beat in a bar of four, length in beats, tone, accent.
type FigureNote = (f64, f64, Tone, f32);

/// Returns the figure of an emotion over four beats. Longer bars repeat it; shorter ones truncate it.
const fn figure(emotion: Emotion) -> &'static [FigureNote] {
    use Tone::{Approach, Bass, Fifth, Octave};
    match emotion {
        Emotion::Happy => &[
            (0.0, 0.9, Bass, 1.0),
            (1.0, 0.9, Fifth, 0.8),
            (2.0, 0.9, Bass, 0.95),
            (3.0, 0.45, Fifth, 0.8),
            (3.5, 0.5, Approach, 0.75),
        ],
        Emotion::Sad => &[(0.0, 2.0, Bass, 1.0), (2.0, 1.0, Fifth, 0.75), (3.0, 1.0, Approach, 0.7)],
        Emotion::Energetic => &[
            (0.0, 0.45, Bass, 1.0),
            (0.5, 0.45, Bass, 0.75),
            (1.0, 0.45, Octave, 0.9),
            (1.5, 0.45, Bass, 0.85),
            (2.0, 0.45, Bass, 0.95),
            (2.5, 0.45, Bass, 0.75),
            (3.0, 0.45, Octave, 0.95),
            (3.5, 0.45, Approach, 0.85),
        ],
        Emotion::Calm => &[(0.0, 4.0, Bass, 1.0)],
        Emotion::Romantic => &[
            (0.0, 0.5, Bass, 1.0),
            (0.5, 0.5, Fifth, 0.7),
            (1.0, 1.0, Octave, 0.85),
            (2.0, 0.5, Bass, 0.9),
            (2.5, 0.5, Fifth, 0.7),
            (3.0, 0.5, Octave, 0.8),
            (3.5, 0.5, Approach, 0.7),
        ],
        Emotion::Angry => &[
            (0.0, 0.45, Bass, 1.0),
            (0.5, 0.22, Bass, 0.8),
            (0.75, 0.22, Bass, 0.8),
            (1.0, 0.45, Bass, 0.9),
            (1.5, 0.22, Bass, 0.8),
            (1.75, 0.22, Bass, 0.8),
            (2.0, 0.45, Bass, 1.0),
            (2.5, 0.22, Bass, 0.8),
            (2.75, 0.22, Fifth, 0.85),
            (3.0, 0.45, Octave, 0.95),
            (3.5, 0.45, Approach, 0.9),
        ],
        Emotion::Nostalgic => {
            &[(0.0, 1.5, Bass, 1.0), (1.5, 0.5, Fifth, 0.7), (2.0, 1.0, Octave, 0.8), (3.0, 1.0, Approach, 0.7)]
        }
        Emotion::Mysterious => &[(0.0, 1.5, Bass, 1.0), (1.5, 1.0, Fifth, 0.65), (2.5, 1.5, Octave, 0.75)],
    }
}

/// Returns the chord, in first inversion if that brings its bass sufficiently closer to the bass note `previous`. The
/// higher the `preference` for inversions (0..=1), the smaller the required difference.
pub(super) fn invert(chord: Chord, previous: Option<u8>, preference: f32) -> Chord {
    let Some(previous) = previous else { return chord };
    if preference <= 0.0 || matches!(chord.quality, Quality::Sus2 | Quality::Sus4 | Quality::Augmented) {
        return chord;
    }
    let distance = |pitch_class: u8| f32::from(nearest(pitch_class, f32::from(previous), RANGE).abs_diff(previous));
    let third = (chord.root + chord.quality.intervals()[1]) % 12;
    let threshold = 0.5 + 6.0 * (1.0 - preference);
    if distance(third) + threshold < distance(chord.root) { Chord { bass: third, ..chord } } else { chord }
}

/// Returns the first bass note of a chord: the one nearest to the midpoint between the previous bass note and `centre`.
pub(super) fn starting_note(chord: &Chord, previous: Option<u8>, centre: f32) -> u8 {
    let target = previous.map_or(centre, |previous| f32::midpoint(f32::from(previous), centre));
    nearest(chord.bass, target, RANGE)
}

/// Returns the bass line of a chord span as (beat, length, note, accent), leading to the bass note `next`. The first
/// note begins with the chord span.
pub(super) fn line(span: &ChordSpan, next: u8, key: Key, emotion: Emotion) -> Vec<(f64, f64, u8, f32)> {
    let notes = figure(emotion);
    let mut line: Vec<(f64, f64, u8, f32)> = Vec::new();
    let bars = (0..).map(|bar| f64::from(bar) * 4.0).take_while(|start| *start < span.end);
    for (at, beats, tone, accent) in
        bars.flat_map(|bar| notes.iter().map(move |note| (bar + note.0, note.1, note.2, note.3)))
    {
        if at < span.start || at >= span.end {
            continue;
        }
        let at_end = at + 1.5 > span.end;
        let note = match tone {
            _ if at == span.start => span.bass,
            Tone::Bass => span.bass,
            Tone::Octave => octave(span.bass),
            Tone::Approach if at_end => approach(span, next, key),
            Tone::Fifth | Tone::Approach => fifth(span),
        };
        line.push((at, beats.min(span.end - at), note, accent));
    }
    if line.first().is_none_or(|first| first.0 > span.start) {
        let end = line.first().map_or(span.end, |first| first.0);
        line.insert(0, (span.start, end - span.start, span.bass, 0.9));
    }
    line
}

/// Returns the note an octave above or, if that is out of range, below; the note itself if both are out of range.
fn octave(bass: u8) -> u8 {
    [bass + 12, bass - 12].into_iter().find(|note| RANGE.contains(note)).unwrap_or(bass)
}

/// Returns the chord tone, other than the bass note, nearest to a fifth above it or, at the top of the range, to a fourth
/// below it.
fn fifth(span: &ChordSpan) -> u8 {
    let target = i32::from(span.bass) + if span.bass + 7 <= *RANGE.end() { 7 } else { -5 };
    let tones = RANGE.filter(|note| *note != span.bass && span.chord.contains(*note));
    tones.min_by_key(|note| (i32::from(*note) - target).abs()).unwrap_or(span.bass)
}

/// Returns the scale note adjacent to the bass note `next`, on the side of this chord span's bass note. Falls back to
/// the fifth if both bass notes are the same, and to this chord span's bass note if the scale note is out of range.
fn approach(span: &ChordSpan, next: u8, key: Key) -> u8 {
    if next == span.bass {
        return fifth(span);
    }
    let scale = Scale::over(&span.chord, key);
    let note = scale.step(next, if span.bass > next { 1 } else { -1 });
    if RANGE.contains(&note) { note } else { span.bass }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::theory::Mode;

    fn chord(symbol: &str) -> Chord {
        Chord::parse(symbol).unwrap()
    }

    #[test]
    fn inverts_a_chord_if_inversions_are_preferred_and_the_third_is_closer() {
        assert_eq!(invert(chord("G"), Some(36), 0.6), chord("G/B"));
        assert_eq!(invert(chord("G"), Some(36), 0.0), chord("G"));
        assert_eq!(invert(chord("Dm"), Some(36), 0.6), chord("Dm"));
        assert_eq!(invert(chord("G"), None, 1.0), chord("G"));
    }

    #[test]
    fn every_figure_starts_on_the_bass_note_and_stays_in_its_span() {
        let key = Key { tonic: 0, mode: Mode::Major };
        for emotion in Emotion::ALL {
            for (start, end) in [(0.0, 4.0), (2.0, 4.0), (0.0, 3.0), (1.7, 4.0), (0.0, 7.0), (3.9, 4.0), (0.0, 1.0)] {
                let span = ChordSpan { start, end, chord: chord("F"), bass: 41, pad: Vec::new() };
                let line = line(&span, 43, key, emotion);
                assert_eq!((line[0].0, line[0].2), (start, 41), "{emotion}");
                assert!(line.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0 + 1e-9), "{emotion} {line:?}");
                assert!(line.iter().all(|(at, beats, ..)| *beats > 0.0 && at + beats <= end), "{emotion} {line:?}");
            }
        }
    }

    #[test]
    fn the_line_approaches_the_next_chord_by_step() {
        let key = Key { tonic: 0, mode: Mode::Major };
        let span = ChordSpan { start: 0.0, end: 4.0, chord: chord("C"), bass: 36, pad: Vec::new() };
        assert_eq!(line(&span, 41, key, Emotion::Happy).last().map(|note| note.2), Some(40));
        assert_eq!(line(&span, 33, key, Emotion::Happy).last().map(|note| note.2), Some(35));
    }
}
