//! Live listeners: they receive all output as long as they keep up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Maximum number of listeners.
pub const MAX_LISTENERS: usize = 8;
/// Queue capacity per listener in chunks: more than a second of audio.
const QUEUE_CAPACITY: usize = 32;

/// A chunk of consecutive stereo frames of the output.
pub type Chunk = Arc<[[f32; 2]]>;

/// The listeners, shared by all clones. Not for the audio callback.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Arc<Mutex<Vec<Listener>>>);

#[derive(Debug)]
struct Listener {
    chunks: Sender<Chunk>,
    /// Whether it counts towards the maximum.
    counts: bool,
}

impl Listeners {
    /// Starts listening: chunks arrive as they are played, until the listener falls behind. `None` when there are
    /// already [`MAX_LISTENERS`].
    #[must_use]
    pub fn join(&self) -> Option<Receiver<Chunk>> {
        let mut listeners = self.lock();
        listeners.retain(|listener| !listener.chunks.is_closed());
        if listeners.iter().filter(|listener| listener.counts).count() >= MAX_LISTENERS {
            return None;
        }
        let (chunks, receiver) = channel(QUEUE_CAPACITY);
        listeners.push(Listener { chunks, counts: true });
        Some(receiver)
    }

    /// Starts listening on behalf of the program itself, for continuous measurement; does not count towards the
    /// maximum.
    #[must_use]
    pub fn monitor(&self) -> Receiver<Chunk> {
        let (chunks, receiver) = channel(QUEUE_CAPACITY);
        self.lock().push(Listener { chunks, counts: false });
        receiver
    }

    /// Sends frames to all listeners, and drops those that have disconnected or fallen behind. Returns how many have
    /// fallen behind. Never waits for a listener.
    pub(super) fn send(&self, frames: &[[f32; 2]]) -> u64 {
        let mut listeners = self.lock();
        if listeners.is_empty() {
            return 0;
        }
        let chunk = Chunk::from(frames);
        let mut dropped = 0;
        listeners.retain(|listener| {
            let sent = listener.chunks.try_send(Arc::clone(&chunk));
            dropped += u64::from(matches!(sent, Err(TrySendError::Full(_))));
            sent.is_ok()
        });
        dropped
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listener>> {
        // The list is valid between any two statements, so a panic elsewhere does not corrupt it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_listener_is_dropped_and_the_others_hear_everything() {
        let listeners = Listeners::default();
        let (mut slow, mut fast) = (listeners.join().unwrap(), listeners.join().unwrap());
        let mut heard = 0;
        for chunk in 0..=QUEUE_CAPACITY {
            assert_eq!(listeners.send(&[[chunk as f32, 0.0]]), u64::from(chunk == QUEUE_CAPACITY));
            heard += usize::from(fast.try_recv().is_ok_and(|frames| frames[0][0] == chunk as f32));
        }
        assert_eq!(heard, QUEUE_CAPACITY + 1);
        let waiting = std::iter::from_fn(|| slow.try_recv().ok()).count();
        assert!(waiting == QUEUE_CAPACITY && slow.is_closed() && !fast.is_closed());
    }

    #[test]
    fn listeners_are_limited_and_make_room_when_they_leave() {
        let listeners = Listeners::default();
        let mut places: Vec<_> = (0..MAX_LISTENERS).map(|_| listeners.join().unwrap()).collect();
        assert!(listeners.join().is_none());
        places.pop();
        let measured = listeners.monitor();
        assert!(listeners.join().is_some() && !measured.is_closed());
    }
}
