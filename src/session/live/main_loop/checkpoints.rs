//! Takes checkpoints for the control log: the conductor's state at once, those of generator and engine when they get
//! there.

use ringbuf::traits::{Consumer, Observer, Producer};
use ringbuf::{HeapCons, HeapProd};

use crate::conductor::{Conductor, Handover};
use crate::engine::QUANTUM;
use crate::event::{SaveRequest, Saved};
use crate::session::checkpoint::Checkpoint;
use crate::units::SAMPLE_RATE;

/// Frames until the next attempt after the engine was past the frame.
const RETRY: u64 = SAMPLE_RATE as u64;
/// Shortest audio block, in frames, with which checkpoints are taken. With 128 frames, each cost up to three xruns when it was
/// measured; with 256, none.
const SHORTEST_BLOCK: u64 = 256;

/// When the next checkpoint is due, the one being taken, and the engine's rings for it.
pub(in crate::session::live) struct Checkpoints {
    /// Frames from one to the next; `None` if there are none.
    interval: Option<u64>,
    due: u64,
    taking: Option<Checkpoint>,
    saves: HeapProd<SaveRequest>,
    saved: HeapCons<Saved>,
    state: HeapCons<u8>,
}

impl Checkpoints {
    /// The first is due after one interval.
    pub(in crate::session::live) fn new(
        interval: Option<u64>,
        saves: HeapProd<SaveRequest>,
        saved: HeapCons<Saved>,
        state: HeapCons<u8>,
    ) -> Self {
        Self { interval, due: interval.unwrap_or(0), taking: None, saves, saved, state }
    }

    /// The frame of the next checkpoint, if one is due before the horizon, the conductor at `now` has not reached it, and audio
    /// blocks of this length leave the time.
    pub(super) fn due(&self, now: u64, horizon: u64, block: u64) -> Option<u64> {
        let frame = horizon / QUANTUM as u64 * QUANTUM as u64;
        self.interval.filter(|_| frame >= self.due && frame > now && block >= SHORTEST_BLOCK).map(|_| frame)
    }

    /// Begins with the state of a conductor that has just arrived at the frame, and requests the engine's; gives up a
    /// checkpoint that is not complete by now. Returns whether it has begun: not while the engine misses commands, or owes
    /// an answer.
    pub(super) fn begin(&mut self, conductor: &Conductor, handover: &Handover) -> bool {
        let frame = conductor.frame();
        self.state.clear();
        if handover.is_behind() || self.saves.try_push(SaveRequest { frame, commands: handover.count() }).is_err() {
            self.due = frame + RETRY;
            return false;
        }
        self.due = frame + self.interval.unwrap_or(0);
        self.taking = Some(Checkpoint::of(conductor, handover));
        true
    }

    /// Adds the generator's state.
    pub(super) fn add_generator(&mut self, frame: u64, state: Vec<u8>, splices: u64) {
        if let Some(taking) = self.taking.as_mut().filter(|taking| taking.frame == frame) {
            taking.add_generator(state, splices);
        }
    }

    /// Takes the checkpoint that is complete, if any; to be polled.
    pub(super) fn complete(&mut self) -> Option<Checkpoint> {
        if let Some(Saved { frame, complete }) = self.saved.try_pop() {
            let mut state = vec![0; self.state.occupied_len()];
            self.state.pop_slice(&mut state);
            if let Some(taking) = self.taking.as_mut().filter(|taking| taking.frame == frame && complete) {
                taking.add_engine(state);
            } else if !complete {
                self.due = frame + RETRY;
                self.taking = None;
            }
        }
        self.taking.take_if(|taking| taking.is_complete())
    }

    /// Takes no more checkpoints: what follows cannot be rendered again.
    pub(super) fn stop(&mut self) {
        (self.interval, self.taking) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use ringbuf::HeapRb;
    use ringbuf::traits::Split;

    use super::*;

    #[test]
    fn a_checkpoint_is_due_at_a_quantum_unless_blocks_are_short() {
        let (saves, _) = HeapRb::new(1).split();
        let (_, saved) = HeapRb::new(1).split();
        let (_, state) = HeapRb::new(1).split();
        let checkpoints = Checkpoints::new(Some(1000), saves, saved, state);
        assert_eq!(checkpoints.due(0, 1000, 256), None, "the quantum before the horizon is too early");
        assert_eq!(checkpoints.due(0, 1100, 256), Some(1088));
        assert_eq!(checkpoints.due(1088, 1100, 256), None, "the conductor is already there");
        assert_eq!(checkpoints.due(0, 1100, 128), None, "there is no time to spare");
    }
}
