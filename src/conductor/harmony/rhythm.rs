//! Harmonic rhythm: the beats of a bar on which chords change.

use super::phrase::SECTION_BARS;
use super::rng::{Purpose, RngStreams};

/// Returns the beats of a bar on which chords change: none (the previous chord continues), the first, or the first and the
/// middle one. `rate` is the approximate average number of chords per bar (at least 0.75 in effect), `position` the bar's
/// position in its phrase. A section always opens with a new chord and closes with a single one; in the bar before the
/// last, the chord is most likely to change twice, which leads to the cadence.
pub(super) fn chord_onsets(streams: RngStreams, bar: u64, position: u32, beats: u32, rate: f32) -> Vec<f64> {
    let (none_probability, two_probability) = match position % SECTION_BARS {
        0 => (0.0, rate - 1.2),
        1 => (2.0 * (1.0 - rate), 1.3 * (rate - 1.0)),
        2 => (0.0, 1.6 * (rate - 0.9)),
        _ => (0.0, 0.0),
    };
    let draw = streams.rng(Purpose::Rhythm, bar).unit();
    if draw < none_probability {
        Vec::new()
    } else if draw < two_probability && beats > 1 {
        vec![0.0, f64::from(beats.div_ceil(2))]
    } else {
        vec![0.0]
    }
}

/// Returns the number of chords that remain in the section after a bar.
pub(super) fn remaining_chords(streams: RngStreams, bar: u64, position: u32, beats: u32, rate: f32) -> usize {
    let later = 1..SECTION_BARS - position % SECTION_BARS;
    later.map(|ahead| chord_onsets(streams, bar + u64::from(ahead), position + ahead, beats, rate).len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAMS: RngStreams = RngStreams::new(3, 1.0);

    #[test]
    fn the_average_is_close_to_the_rate() {
        for rate in [0.55, 1.0, 1.3, 1.6] {
            let chords: usize = (0..4000).map(|bar| chord_onsets(STREAMS, bar, (bar % 4) as u32, 4, rate).len()).sum();
            let mean = chords as f32 / 4000.0;
            assert!((mean - rate).abs() < 0.25, "{rate}: {mean}");
        }
    }

    #[test]
    fn the_remaining_chords_are_those_of_the_following_bars() {
        for bar in (0..400).step_by(4) {
            let counts: Vec<usize> =
                (0..4).map(|position| chord_onsets(STREAMS, bar + position, position as u32, 4, 1.3).len()).collect();
            assert_eq!(remaining_chords(STREAMS, bar, 0, 4, 1.3), counts[1] + counts[2] + counts[3]);
            assert_eq!(remaining_chords(STREAMS, bar + 2, 2, 4, 1.3), counts[3]);
            assert_eq!(remaining_chords(STREAMS, bar + 3, 3, 4, 1.3), 0);
            assert!(counts[0] > 0 && counts[3] == 1);
        }
    }

    #[test]
    fn odd_metres_have_a_longer_first_half() {
        let split = |beats| {
            let mut bars = (0..50).map(|bar| chord_onsets(STREAMS, bar, 2, beats, 2.0));
            bars.find(|onsets| onsets.len() == 2)
        };
        assert_eq!(split(3), Some(vec![0.0, 2.0]));
        assert_eq!(split(7), Some(vec![0.0, 4.0]));
        assert_eq!(split(1), None);
    }
}
