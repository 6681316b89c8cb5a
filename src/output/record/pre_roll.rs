//! The latest seconds of output, which can be included in a take.

use super::PRE_ROLL_SECONDS;
use crate::units::SAMPLE_RATE;

/// Capacity in frames.
const CAPACITY: usize = PRE_ROLL_SECONDS as usize * SAMPLE_RATE as usize;

/// A ring buffer of the latest frames.
#[derive(Debug)]
pub(super) struct PreRoll {
    frames: Box<[[f32; 2]]>,
    write_index: usize,
    filled: usize,
}

impl PreRoll {
    pub(super) fn new() -> Self {
        Self { frames: vec![[0.0; 2]; CAPACITY].into_boxed_slice(), write_index: 0, filled: 0 }
    }

    pub(super) fn push(&mut self, frames: &[[f32; 2]]) {
        for frame in frames {
            self.frames[self.write_index] = *frame;
            self.write_index = (self.write_index + 1) % CAPACITY;
        }
        self.filled = (self.filled + frames.len()).min(CAPACITY);
    }

    /// Returns the last `count` frames, or all frames if there are fewer, as two consecutive slices.
    pub(super) fn last(&self, count: u64) -> [&[[f32; 2]]; 2] {
        let count = usize::try_from(count).unwrap_or(CAPACITY).min(self.filled);
        if count <= self.write_index {
            [&self.frames[self.write_index - count..self.write_index], &[]]
        } else {
            [&self.frames[CAPACITY - (count - self.write_index)..], &self.frames[..self.write_index]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_latest_frames() {
        let mut pre_roll = PreRoll::new();
        let all: Vec<[f32; 2]> = (0..CAPACITY + 1000).map(|n| [n as f32, 0.0]).collect();
        assert_eq!(pre_roll.last(10).concat().len(), 0);
        for chunk in all.chunks(777) {
            pre_roll.push(chunk);
        }
        for count in [0, 1, 999, 1000, 1001, 50_000, CAPACITY] {
            assert_eq!(pre_roll.last(count as u64).concat(), all[all.len() - count..]);
        }
        assert_eq!(pre_roll.last(u64::MAX).concat().len(), CAPACITY);
    }
}
