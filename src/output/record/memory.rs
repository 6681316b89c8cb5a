//! The last seconds of output.

use super::PRE_ROLL_SECONDS;
use crate::units::SAMPLE_RATE;

const FRAMES: usize = PRE_ROLL_SECONDS as usize * SAMPLE_RATE as usize;

/// Ring buffer of the latest frames.
#[derive(Debug)]
pub(super) struct Memory {
    frames: Box<[[f32; 2]]>,
    write: usize,
    filled: usize,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { frames: vec![[0.0; 2]; FRAMES].into_boxed_slice(), write: 0, filled: 0 }
    }

    pub(super) fn remember(&mut self, frames: &[[f32; 2]]) {
        for frame in frames {
            self.frames[self.write] = *frame;
            self.write = (self.write + 1) % FRAMES;
        }
        self.filled = (self.filled + frames.len()).min(FRAMES);
    }

    /// The last `count` frames, or as many as there are, in order, in two slices.
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
        let mut memory = Memory::new();
        let all: Vec<[f32; 2]> = (0..FRAMES + 1000).map(|n| [n as f32, 0.0]).collect();
        assert_eq!(memory.last(10).concat().len(), 0);
        for part in all.chunks(777) {
            memory.remember(part);
        }
        for count in [0, 1, 999, 1000, 1001, 50_000, FRAMES] {
            assert_eq!(memory.last(count as u64).concat(), all[all.len() - count..]);
        }
        assert_eq!(memory.last(u64::MAX).concat().len(), FRAMES);
    }
}
