//! A value on its way to another, as a function of the frame.

use crate::emotion::Mood;

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

/// A straight way from one value to another over some frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glide<T> {
    from: T,
    to: T,
    start: u64,
    frames: u64,
}

impl<T: Blend + Clone + PartialEq> Glide<T> {
    /// A value that stays.
    #[must_use]
    pub fn at_rest(value: T) -> Self {
        Self { from: value.clone(), to: value, start: 0, frames: 0 }
    }

    /// The value at a frame. A glide over 0 frames is at its target at every frame, also before its start, so that the
    /// first latent heard after a change already obeys it.
    #[must_use]
    pub fn at(&self, frame: u64) -> T {
        let passed = frame.saturating_sub(self.start);
        if passed >= self.frames {
            return self.to.clone();
        }
        self.from.toward(&self.to, passed as f32 / self.frames as f32)
    }

    /// Where it ends.
    #[must_use]
    pub const fn target(&self) -> &T {
        &self.to
    }

    /// The first frame at the target.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start + self.frames
    }

    /// Leaves the value of frame `start` for `to`, arriving `frames` later.
    pub fn go(&mut self, to: T, start: u64, frames: u64) {
        *self = Self { from: self.at(start), to, start, frames };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emotion::Emotion;

    #[test]
    fn a_glide_is_a_straight_line_between_rests() {
        let mut glide = Glide::at_rest(1.0f32);
        assert_eq!(glide.at(0), 1.0);
        glide.go(3.0, 100, 100);
        assert_eq!([50, 100, 150, 200, 900].map(|frame| glide.at(frame)), [1.0, 1.0, 2.0, 3.0, 3.0]);
        glide.go(0.0, 150, 10);
        assert_eq!(glide.at(150), 2.0, "a new glide leaves from where the old one was");
        assert_eq!(glide.end(), 160);
    }

    #[test]
    fn no_frames_means_everywhere_at_once() {
        let mut glide = Glide::at_rest(Mood::pure(Emotion::Calm));
        glide.go(Mood::pure(Emotion::Angry), 5_000, 0);
        assert_eq!(glide.at(4_000), Mood::pure(Emotion::Angry));
    }
}
