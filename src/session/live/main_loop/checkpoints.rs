//! Takes checkpoints for the control log: saves the conductor's state immediately, and requests the states of the
//! generator, which responds once no splice is in progress, and of the engine, which responds at the checkpoint's frame.

use ringbuf::traits::{Consumer, Producer};
use ringbuf::{HeapCons, HeapProd};

use crate::conductor::{Conductor, EngineSync};
use crate::engine::QUANTUM;
use crate::event::{SaveRequest, Saved};
use crate::session::checkpoint::Checkpoint;
use crate::units::SAMPLE_RATE;

/// Frames until the next attempt after a failed one.
const RETRY_DELAY: u64 = SAMPLE_RATE as u64;
/// Shortest audio block, in frames, with which checkpoints are taken. In a measurement, each checkpoint caused up to three
/// xruns with blocks of 128 frames, and none with blocks of 256.
const MIN_BLOCK: u64 = 256;

/// Schedules checkpoints, and assembles the one in progress.
pub(in crate::session::live) struct Checkpoints {
    /// Frames between checkpoints; `None` if none are taken.
    interval: Option<u64>,
    due: u64,
    in_progress: Option<Checkpoint>,
    save_requests: HeapProd<SaveRequest>,
    saved: HeapCons<Saved>,
    state: HeapCons<u8>,
}

impl Checkpoints {
    /// Schedules the first checkpoint after one interval.
    pub(in crate::session::live) fn new(
        interval: Option<u64>,
        save_requests: HeapProd<SaveRequest>,
        saved: HeapCons<Saved>,
        state: HeapCons<u8>,
    ) -> Self {
        Self { interval, due: interval.unwrap_or(0), in_progress: None, save_requests, saved, state }
    }

    /// Returns the frame of the next checkpoint if one is due: the last start of a quantum at or before the horizon. Returns
    /// `None` if the conductor, at frame `now`, has already reached that frame, or if audio blocks of `block` frames are too
    /// short.
    pub(super) fn due(&self, now: u64, horizon: u64, block: u64) -> Option<u64> {
        let frame = horizon / QUANTUM as u64 * QUANTUM as u64;
        self.interval.filter(|_| frame >= self.due && frame > now && block >= MIN_BLOCK).map(|_| frame)
    }

    /// Makes the next checkpoint due now.
    pub(super) const fn hasten(&mut self) {
        self.due = 0;
    }

    /// Starts a checkpoint at the conductor's frame and requests the engine's state; abandons a previous checkpoint that is
    /// still incomplete. `unused` returns a checkpoint to reuse. Returns a buffer for the generator's state; returns `None`
    /// and retries later if the engine has missed commands or has not answered the previous request.
    pub(super) fn start(
        &mut self,
        conductor: &Conductor,
        engine_sync: &EngineSync,
        unused: impl FnOnce() -> Checkpoint,
    ) -> Option<Vec<u8>> {
        let frame = conductor.frame();
        self.state.clear();
        self.in_progress = None;
        if engine_sync.is_out_of_sync()
            || self.save_requests.try_push(SaveRequest { frame, commands: engine_sync.count() }).is_err()
        {
            self.due = frame + RETRY_DELAY;
            return None;
        }
        self.due = frame + self.interval.unwrap_or(0);
        let started = self.in_progress.insert(unused().restart(conductor, engine_sync));
        Some(started.take_buffer())
    }

    /// Adds the generator's state, unless its checkpoint was abandoned.
    pub(super) fn add_generator(&mut self, frame: u64, state: Vec<u8>, splices: u64) {
        if let Some(in_progress) = self.in_progress.as_mut().filter(|in_progress| in_progress.frame == frame) {
            in_progress.add_generator(state, splices);
        }
    }

    /// Removes and returns the checkpoint once it is complete. Must be called regularly.
    pub(super) fn take_complete(&mut self) -> Option<Checkpoint> {
        if let Some(Saved { frame, complete }) = self.saved.try_pop() {
            if let Some(in_progress) =
                self.in_progress.as_mut().filter(|in_progress| in_progress.frame == frame && complete)
            {
                let (first, second) = self.state.as_slices();
                in_progress.add_engine([first, second]);
            } else if !complete {
                self.due = frame + RETRY_DELAY;
                self.in_progress = None;
            }
        }
        self.in_progress.take_if(|in_progress| in_progress.is_complete())
    }

    /// Stops taking checkpoints, because the music from here onwards cannot be rendered again.
    pub(super) fn stop(&mut self) {
        (self.interval, self.in_progress) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use ringbuf::HeapRb;
    use ringbuf::traits::Split;

    use super::*;

    #[test]
    fn checkpoints_start_at_a_quantum_and_require_long_blocks() {
        let (save_requests, _) = HeapRb::new(1).split();
        let (_, saved) = HeapRb::new(1).split();
        let (_, state) = HeapRb::new(1).split();
        let mut checkpoints = Checkpoints::new(Some(1000), save_requests, saved, state);
        assert_eq!(checkpoints.due(0, 1000, 256), None, "the quantum before the horizon is too early");
        assert_eq!(checkpoints.due(0, 1100, 256), Some(1088));
        assert_eq!(checkpoints.due(1088, 1100, 256), None, "the conductor is already there");
        assert_eq!(checkpoints.due(0, 1100, 128), None, "the audio blocks are too short");
        assert_eq!(checkpoints.due(0, 640, 256), None, "too early");
        checkpoints.hasten();
        assert_eq!(checkpoints.due(0, 640, 256), Some(640));
    }
}
