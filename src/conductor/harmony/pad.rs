//! How the pad plays its voicings.

use crate::music::emotion::Emotion;

use super::Segment;

/// Beat in a bar of four, length in beats, accent.
type Strike = (f64, f64, f32);

/// Onsets of an emotion's pad over four beats; longer bars repeat them, shorter ones cut them off.
const fn rhythm(emotion: Emotion) -> &'static [Strike] {
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

/// Number of voices of an emotion's pad: three where it is rhythmic, four where it is sustained.
pub(super) const fn voices(emotion: Emotion) -> usize {
    match emotion {
        Emotion::Happy | Emotion::Energetic | Emotion::Angry => 3,
        _ => 4,
    }
}

/// The pad's onsets in a segment: (beat, length, accent), the first at its start.
pub(super) fn strikes(segment: &Segment, emotion: Emotion) -> Vec<Strike> {
    let bars = (0..).map(|bar| f64::from(bar) * 4.0).take_while(|start| *start < segment.end);
    let all = bars.flat_map(|bar| rhythm(emotion).iter().map(move |strike| (bar + strike.0, strike.1, strike.2)));
    let mut strikes: Vec<Strike> = all
        .filter(|(at, ..)| (segment.start..segment.end).contains(at))
        .map(|(at, beats, accent)| (at, beats.min(segment.end - at), accent))
        .collect();
    if strikes.first().is_none_or(|first| first.0 > segment.start) {
        let end = strikes.first().map_or(segment.end, |first| first.0);
        strikes.insert(0, (segment.start, end - segment.start, 0.95));
    }
    strikes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::theory::{Chord, Quality};

    #[test]
    fn the_pad_starts_with_its_segment_and_never_sounds_past_its_end() {
        for emotion in Emotion::ALL {
            for (start, end) in [(0.0, 4.0), (2.0, 4.0), (0.0, 3.0), (1.7, 4.0), (0.0, 7.0), (3.9, 4.0)] {
                let segment = Segment { start, end, chord: Chord::new(0, Quality::Major), bass: 36, pad: Vec::new() };
                let strikes = strikes(&segment, emotion);
                assert_eq!(strikes[0].0, start);
                assert!(strikes.iter().all(|(at, beats, _)| *beats > 0.0 && at + beats <= end));
                assert!(
                    strikes.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0 + 1e-9),
                    "{emotion} {strikes:?}"
                );
            }
        }
    }
}
