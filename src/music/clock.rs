//! The music clock: maps frames to beats under a piecewise constant tempo.

use serde::{Deserialize, Serialize};

use crate::units::SAMPLE_RATE;

const FRAMES_PER_MINUTE: f64 = SAMPLE_RATE as f64 * 60.0;
/// Tolerance in frames for rounding errors, which are much smaller.
const FRAME_TOLERANCE: f64 = 1e-4;

/// A constant tempo from `frame` on, where the clock is at `beat`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct TempoSpan {
    frame: u64,
    beat: f64,
    bpm: f64,
}

impl TempoSpan {
    fn beat_at(&self, frame: u64) -> f64 {
        self.beat + (frame - self.frame) as f64 * self.bpm / FRAMES_PER_MINUTE
    }
}

/// Maps frames to beats and back. Beats are quarter notes, counted from 0 at the start of the performance, and never go
/// backwards. Every bar has [`MusicClock::beats_per_bar`] beats.
///
/// Each tempo lasts until the next one begins, and the last never ends, so every frame has a beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MusicClock {
    /// In ascending order of frame and of beat; never empty.
    spans: Vec<TempoSpan>,
    beats_per_bar: u32,
}

impl MusicClock {
    /// Creates a clock with beat 0 at frame 0, in 4/4.
    #[must_use]
    pub fn new(bpm: f64) -> Self {
        Self { spans: vec![TempoSpan { frame: 0, beat: 0.0, bpm }], beats_per_bar: 4 }
    }

    /// Returns the number of beats per bar.
    #[must_use]
    pub const fn beats_per_bar(&self) -> u32 {
        self.beats_per_bar
    }

    /// Returns the position in beats at a frame. Frames before the oldest stored span are clamped to its start.
    #[must_use]
    pub fn beat_at(&self, frame: u64) -> f64 {
        let span = self.span_at(frame);
        span.beat_at(frame.max(span.frame))
    }

    /// Returns the first frame at or after a beat.
    #[must_use]
    pub fn frame_at(&self, beat: f64) -> u64 {
        let next = self.spans.partition_point(|span| span.beat <= beat);
        let Some(span) = next.checked_sub(1).map(|index| self.spans[index]) else {
            return self.spans[0].frame;
        };
        let ahead = ((beat - span.beat) * FRAMES_PER_MINUTE / span.bpm - FRAME_TOLERANCE).ceil().max(0.0) as u64;
        let end = self.spans.get(next).map_or(u64::MAX, |next| next.frame);
        (span.frame + ahead).min(end)
    }

    /// Returns the tempo in beats per minute at a frame.
    #[must_use]
    pub fn tempo_at(&self, frame: u64) -> f64 {
        self.span_at(frame).bpm
    }

    /// Returns the position within the beat at a frame, 0..1.
    #[must_use]
    pub fn beat_phase(&self, frame: u64) -> f64 {
        self.beat_at(frame).fract()
    }

    /// Returns the position within the bar at a frame, 0..1.
    #[must_use]
    pub fn bar_phase(&self, frame: u64) -> f64 {
        (self.beat_at(frame) / f64::from(self.beats_per_bar)).fract()
    }

    /// Sets the tempo from a frame on, discarding all changes planned from that frame on.
    pub fn set_tempo(&mut self, frame: u64, bpm: f64) {
        let beat = self.beat_at(frame);
        self.spans.retain(|span| span.frame < frame);
        match self.spans.last() {
            Some(last) if last.bpm == bpm => {}
            _ => self.spans.push(TempoSpan { frame, beat, bpm }),
        }
    }

    /// Skips to a later beat at a frame, keeping the tempo at that frame and discarding all changes planned from there
    /// on. All skipped beats fall on that frame. Does nothing if the beat has already passed.
    pub fn skip_to(&mut self, frame: u64, beat: f64) {
        if beat > self.beat_at(frame) {
            let bpm = self.tempo_at(frame);
            self.spans.retain(|span| span.frame < frame);
            self.spans.push(TempoSpan { frame, beat, bpm });
        }
    }

    /// Discards the spans that have ended by `frame`.
    pub fn discard_before(&mut self, frame: u64) {
        let current = self.spans.partition_point(|span| span.frame <= frame).saturating_sub(1);
        self.spans.drain(..current);
    }

    fn span_at(&self, frame: u64) -> &TempoSpan {
        &self.spans[self.spans.partition_point(|span| span.frame <= frame).saturating_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn converts_beats_and_frames_at_a_steady_tempo() {
        let clock = MusicClock::new(120.0);
        assert_eq!(clock.frame_at(1.0), 24_000);
        assert_eq!(clock.beat_at(36_000), 1.5);
        assert_eq!(clock.beat_phase(36_000), 0.5);
        assert_eq!(clock.bar_phase(48_000), 0.5);
    }

    #[test]
    fn a_tempo_change_keeps_the_position() {
        let mut clock = MusicClock::new(120.0);
        clock.set_tempo(12_000, 60.0);
        assert_eq!(clock.beat_at(12_000), 0.5);
        assert_eq!(clock.frame_at(1.0), 12_000 + 24_000);
        assert_eq!(clock.tempo_at(11_999), 120.0);
        clock.set_tempo(6_000, 240.0);
        assert_eq!(clock.frame_at(1.0), 6_000 + 9_000, "the later change should be discarded");
    }

    #[test]
    fn all_skipped_beats_fall_on_the_frame_of_the_skip() {
        let mut clock = MusicClock::new(120.0);
        clock.skip_to(30_000, 4.0);
        assert_eq!(clock.frame_at(2.0), 30_000);
        assert_eq!(clock.frame_at(4.0), 30_000);
        assert_eq!(clock.frame_at(5.0), 54_000);
        clock.skip_to(40_000, 1.0);
        assert_eq!(clock.frame_at(5.0), 54_000, "the clock should never go back");
    }

    proptest! {
        #[test]
        fn frame_at_is_the_first_frame_of_a_beat(
            changes in prop::collection::vec((1u64..200_000, 30.0f64..300.0), 0..20),
            beats in prop::collection::vec(0.0f64..400.0, 1..20),
        ) {
            let mut clock = MusicClock::new(100.0);
            let mut frame = 0;
            for (gap, bpm) in changes {
                frame += gap;
                clock.set_tempo(frame, bpm);
            }
            for beat in beats {
                let frame = clock.frame_at(beat);
                prop_assert!(clock.beat_at(frame) >= beat - 1e-8);
                prop_assert!(frame == 0 || clock.beat_at(frame - 1) < beat + 1e-8);
            }
        }

        #[test]
        fn discarding_the_past_preserves_later_positions(
            changes in prop::collection::vec((1u64..50_000, 30.0f64..300.0), 1..20),
            cut in 0u64..500_000,
        ) {
            let mut clock = MusicClock::new(100.0);
            let mut frame = 0;
            for (gap, bpm) in changes {
                frame += gap;
                clock.set_tempo(frame, bpm);
            }
            let original = clock.clone();
            clock.discard_before(cut);
            for later in (cut..cut + 600_000).step_by(7_919) {
                prop_assert_eq!(clock.beat_at(later), original.beat_at(later));
                let beat = original.beat_at(later);
                prop_assert_eq!(clock.frame_at(beat), original.frame_at(beat));
            }
        }
    }
}
