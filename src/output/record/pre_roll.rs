//! The last seconds of output, with which a take may begin.

use super::PRE_ROLL_SECONDS;
use crate::units::SAMPLE_RATE;

const FRAMES: usize = PRE_ROLL_SECONDS as usize * SAMPLE_RATE as usize;

/// A ring buffer of the latest frames.
#[derive(Debug)]
pub(super) struct PreRoll {
    frames: Box<[[f32; 2]]>,
    write: usize,
    filled: usize,
}

impl PreRoll {
    pub(super) fn new() -> Self {
        Self { frames: vec![[0.0; 2]; FRAMES].into_boxed_slice(), write: 0, filled: 0 }
    }

    pub(super) fn push(&mut self, frames: &[[f32; 2]]) {
        for frame in frames {
            self.frames[self.write] = *frame;
            self.write = (self.write + 1) % FRAMES;
        }
        self.filled = (self.filled + frames.len()).min(FRAMES);
    }

    /// Returns the last `count` frames, or all frames if there are fewer, as two consecutive slices.
    pub(super) fn last(&self, count: u64) -> [&[[f32; 2]]; 2] {
        let count = usize::try_from(count).unwrap_or(FRAMES).min(self.filled);
        if count <= self.write {
            [&self.frames[self.write - count..self.write], &[]]
        } else {
            [&self.frames[FRAMES - (count - self.write)..], &self.frames[..self.write]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_frames_are_kept() {
        let mut pre_roll = PreRoll::new();
        let all: Vec<[f32; 2]> = (0..FRAMES + 1000).map(|n| [n as f32, 0.0]).collect();
        assert_eq!(pre_roll.last(10).concat().len(), 0);
        for chunk in all.chunks(777) {
            pre_roll.push(chunk);
        }
        for count in [0, 1, 999, 1000, 1001, 50_000, FRAMES] {
            assert_eq!(pre_roll.last(count as u64).concat(), all[all.len() - count..]);
        }
        assert_eq!(pre_roll.last(u64::MAX).concat().len(), FRAMES);
    }
}
