//! A value on its way to another, as a function of the frame.

use crate::music::clock::MusicClock;
use crate::music::emotion::Mood;

/// Positions this much before the end are at the end: beats are sums of fractions.
const SAME_BEAT: f64 = 1e-6;

/// What can stand between two values.
pub trait Blend {
    /// The value a share `t` (0..=1) of the way to `other`.
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

/// How long a way takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// In time.
    Frames(u64),
    /// In music: as long as so many quarter notes last, whatever the tempo does meanwhile.
    Beats(f64),
}

impl Length {
    /// No time at all.
    pub const CUT: Self = Self::Frames(0);
}

/// A straight way from one value to another, over frames or over beats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glide<T> {
    from: T,
    to: T,
    start: u64,
    start_beat: f64,
    length: Length,
}

impl<T: Blend + Clone + PartialEq> Glide<T> {
    /// A value that stays.
    #[must_use]
    pub fn at_rest(value: T) -> Self {
        Self { from: value.clone(), to: value, start: 0, start_beat: 0.0, length: Length::CUT }
    }

    /// The value at a frame, under a clock that says which beat that is. A glide over nothing is at its target at every
    /// frame, also before its start, so that the first latent heard after a change already obeys it.
    #[must_use]
    pub fn at(&self, frame: u64, clock: &MusicClock) -> T {
        match self.share(frame, clock) {
            Some(share) => self.from.toward(&self.to, share),
            None => self.to.clone(),
        }
    }

    /// Where it ends.
    #[must_use]
    pub const fn target(&self) -> &T {
        &self.to
    }

    /// Whether it is at its target at a frame.
    #[must_use]
    pub fn arrived(&self, frame: u64, clock: &MusicClock) -> bool {
        self.share(frame, clock).is_none()
    }

    /// Leaves the value of frame `start` for `to`, arriving a `length` later.
    pub fn go(&mut self, to: T, start: u64, length: Length, clock: &MusicClock) {
        *self = Self { from: self.at(start, clock), to, start, start_beat: clock.beat_at(start), length };
    }

    /// How much of the way lies behind, 0..1; `None` at the target.
    fn share(&self, frame: u64, clock: &MusicClock) -> Option<f32> {
        match self.length {
            Length::Frames(frames) => {
                let passed = frame.saturating_sub(self.start);
                (passed < frames).then(|| passed as f32 / frames as f32)
            }
            Length::Beats(beats) => {
                let passed = (clock.beat_at(frame) - self.start_beat).max(0.0);
                (passed + SAME_BEAT < beats).then(|| (passed / beats) as f32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::emotion::Emotion;

    #[test]
    fn a_glide_is_a_straight_line_between_rests() {
        let (mut glide, clock) = (Glide::at_rest(1.0f32), MusicClock::new(120.0));
        assert_eq!(glide.at(0, &clock), 1.0);
        glide.go(3.0, 100, Length::Frames(100), &clock);
        assert_eq!([50, 100, 150, 200, 900].map(|frame| glide.at(frame, &clock)), [1.0, 1.0, 2.0, 3.0, 3.0]);
        glide.go(0.0, 150, Length::Frames(10), &clock);
        assert_eq!(glide.at(150, &clock), 2.0, "a new glide leaves from where the old one was");
        assert!(!glide.arrived(159, &clock) && glide.arrived(160, &clock));
    }

    #[test]
    fn no_length_means_everywhere_at_once() {
        let (mut glide, clock) = (Glide::at_rest(Mood::pure(Emotion::Calm)), MusicClock::new(120.0));
        for cut in [Length::CUT, Length::Beats(0.0)] {
            glide.go(Mood::pure(Emotion::Angry), 5_000, cut, &clock);
            assert_eq!(glide.at(4_000, &clock), Mood::pure(Emotion::Angry));
        }
    }

    #[test]
    fn a_glide_over_beats_follows_the_tempo() {
        let mut clock = MusicClock::new(120.0);
        let mut glide = Glide::at_rest(0.0f32);
        glide.go(4.0, 24_000, Length::Beats(4.0), &clock);
        // A beat at 120 bpm, then half speed.
        clock.set_tempo(48_000, 60.0);
        let values = [0, 24_000, 36_000, 48_000, 96_000, 144_000].map(|frame| glide.at(frame, &clock));
        assert_eq!(values, [0.0, 0.0, 0.5, 1.0, 2.0, 3.0]);
        assert!(!glide.arrived(191_999, &clock) && glide.arrived(192_000, &clock));
    }
}
