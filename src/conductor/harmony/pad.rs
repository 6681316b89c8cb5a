//! The pad's rhythm and number of voices.

use crate::music::emotion::Emotion;

use super::ChordSpan;

/// Beat in a bar of four, length in beats, accent.
type PadOnset = (f64, f64, f32);

/// Returns the onsets of an emotion's pad over four beats. Longer bars repeat them; shorter ones truncate them.
const fn rhythm(emotion: Emotion) -> &'static [PadOnset] {
    match emotion {
        Emotion::Calm | Emotion::Sad => &[(0.0, 4.0, 1.0)],
        Emotion::Romantic | Emotion::Nostalgic => &[(0.0, 2.0, 1.0), (2.0, 2.0, 0.85)],
        Emotion::Mysterious => &[(0.0, 2.5, 1.0), (2.5, 1.5, 0.75)],
        Emotion::Happy => &[(0.0, 1.4, 1.0), (1.5, 1.4, 0.85), (3.0, 0.9, 0.9)],
        Emotion::Energetic => {
            &[(0.0, 0.7, 1.0), (0.75, 0.7, 0.85), (1.5, 0.9, 0.95), (2.5, 0.45, 0.8), (3.0, 0.9, 0.9)]
        }
        Emotion::Angry => &[(0.0, 0.6, 1.0), (1.5, 0.3, 0.9), (2.0, 0.3, 0.8), (2.5, 0.6, 0.95), (3.5, 0.3, 0.9)],
    }
}

/// Returns the number of voices of an emotion's pad: three if it is rhythmic, four if it is sustained.
pub(super) const fn voices(emotion: Emotion) -> usize {
    match emotion {
        Emotion::Happy | Emotion::Energetic | Emotion::Angry => 3,
        _ => 4,
    }
}

/// Returns the pad's onsets in a chord span as (beat, length, accent). The first one begins with the chord span.
pub(super) fn onsets(span: &ChordSpan, emotion: Emotion) -> Vec<PadOnset> {
    let bars = (0..).map(|bar| f64::from(bar) * 4.0).take_while(|start| *start < span.end);
    let all = bars.flat_map(|bar| rhythm(emotion).iter().map(move |onset| (bar + onset.0, onset.1, onset.2)));
    let mut onsets: Vec<PadOnset> = all
        .filter(|(at, ..)| (span.start..span.end).contains(at))
        .map(|(at, beats, accent)| (at, beats.min(span.end - at), accent))
        .collect();
    if onsets.first().is_none_or(|first| first.0 > span.start) {
        let end = onsets.first().map_or(span.end, |first| first.0);
        onsets.insert(0, (span.start, end - span.start, 0.95));
    }
    onsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::theory::{Chord, Quality};

    #[test]
    fn the_pad_starts_with_its_span_and_stays_in_it() {
        for emotion in Emotion::ALL {
            for (start, end) in [(0.0, 4.0), (2.0, 4.0), (0.0, 3.0), (1.7, 4.0), (0.0, 7.0), (3.9, 4.0)] {
                let span = ChordSpan { start, end, chord: Chord::new(0, Quality::Major), bass: 36, pad: Vec::new() };
                let onsets = onsets(&span, emotion);
                assert_eq!(onsets[0].0, start);
                assert!(onsets.iter().all(|(at, beats, _)| *beats > 0.0 && at + beats <= end));
                assert!(
                    onsets.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0 + 1e-9),
                    "{emotion} {onsets:?}"
                );
            }
        }
    }
}
