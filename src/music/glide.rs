//! Values that glide to a target, as a function of the frame.

use serde::{Deserialize, Serialize};

use crate::music::clock::MusicClock;
use crate::music::emotion::Mood;

/// Tolerance in beats for rounding errors.
const BEAT_TOLERANCE: f64 = 1e-6;

/// Types that can be interpolated.
pub trait Blend {
    /// Interpolates towards `other` by `t` (0..=1).
    #[must_use]
    fn toward(&self, other: &Self, t: f32) -> Self;
}

impl Blend for f32 {
    fn toward(&self, other: &Self, t: f32) -> Self {
        self + (other - self) * t
    }
}

impl Blend for Mood {
    fn toward(&self, other: &Self, t: f32) -> Self {
        Mood::toward(self, other, t)
    }
}

/// The duration of a glide.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Length {
    /// In frames.
    Frames(u64),
    /// In quarter notes, following tempo changes.
    Beats(f64),
}

impl Length {
    /// An immediate change.
    pub const INSTANT: Self = Self::Frames(0);
}

/// A linear transition from one value to another, over frames or beats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Glide<T> {
    from: T,
    to: T,
    start: u64,
    start_beat: f64,
    length: Length,
}

impl<T: Blend + Clone + PartialEq> Glide<T> {
    /// Returns a glide that stays at a value.
    #[must_use]
    pub fn constant(value: T) -> Self {
        Self { from: value.clone(), to: value, start: 0, start_beat: 0.0, length: Length::INSTANT }
    }

    /// Returns the value at a frame, which `clock` converts to beats. A glide of zero length is at its target at every
    /// frame, even before its start, so that the change applies to the whole latent that contains it.
    #[must_use]
    pub fn at(&self, frame: u64, clock: &MusicClock) -> T {
        match self.progress(frame, clock) {
            Some(progress) => self.from.toward(&self.to, progress),
            None => self.to.clone(),
        }
    }

    /// Returns the target.
    #[must_use]
    pub const fn target(&self) -> &T {
        &self.to
    }

    /// Returns whether the value has reached its target at a frame.
    #[must_use]
    pub fn has_arrived(&self, frame: u64, clock: &MusicClock) -> bool {
        self.progress(frame, clock).is_none()
    }

    /// Starts a glide over `length` from the value at frame `start` to `to`.
    pub fn glide_to(&mut self, to: T, start: u64, length: Length, clock: &MusicClock) {
        *self = Self { from: self.at(start, clock), to, start, start_beat: clock.beat_at(start), length };
    }

    /// Returns the progress, 0..1; `None` at the target.
    fn progress(&self, frame: u64, clock: &MusicClock) -> Option<f32> {
        match self.length {
            Length::Frames(frames) => {
                let elapsed = frame.saturating_sub(self.start);
                (elapsed < frames).then(|| elapsed as f32 / frames as f32)
            }
            Length::Beats(beats) => {
                let elapsed = (clock.beat_at(frame) - self.start_beat).max(0.0);
                (elapsed + BEAT_TOLERANCE < beats).then(|| (elapsed / beats) as f32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::emotion::Emotion;

    #[test]
    fn a_glide_is_linear_from_one_constant_value_to_another() {
        let (mut glide, clock) = (Glide::constant(1.0f32), MusicClock::new(120.0));
        assert_eq!(glide.at(0, &clock), 1.0);
        glide.glide_to(3.0, 100, Length::Frames(100), &clock);
        assert_eq!([50, 100, 150, 200, 900].map(|frame| glide.at(frame, &clock)), [1.0, 1.0, 2.0, 3.0, 3.0]);
        glide.glide_to(0.0, 150, Length::Frames(10), &clock);
        assert_eq!(glide.at(150, &clock), 2.0, "a new glide should start from the current value");
        assert!(!glide.has_arrived(159, &clock) && glide.has_arrived(160, &clock));
    }

    #[test]
    fn a_zero_length_glide_applies_at_every_frame() {
        let (mut glide, clock) = (Glide::constant(Mood::pure(Emotion::Calm)), MusicClock::new(120.0));
        for length in [Length::INSTANT, Length::Beats(0.0)] {
            glide.glide_to(Mood::pure(Emotion::Angry), 5_000, length, &clock);
            assert_eq!(glide.at(4_000, &clock), Mood::pure(Emotion::Angry));
        }
    }

    #[test]
    fn a_glide_over_beats_follows_the_tempo() {
        let mut clock = MusicClock::new(120.0);
        let mut glide = Glide::constant(0.0f32);
        glide.glide_to(4.0, 24_000, Length::Beats(4.0), &clock);
        // One beat at 120 bpm, then half the tempo.
        clock.set_tempo(48_000, 60.0);
        let values = [0, 24_000, 36_000, 48_000, 96_000, 144_000].map(|frame| glide.at(frame, &clock));
        assert_eq!(values, [0.0, 0.0, 0.5, 1.0, 2.0, 3.0]);
        assert!(!glide.has_arrived(191_999, &clock) && glide.has_arrived(192_000, &clock));
    }
}
