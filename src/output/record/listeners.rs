//! Live listeners, which receive the whole output as long as they keep up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Maximum number of listeners, not counting internal ones.
pub const MAX_LISTENERS: usize = 8;
/// Queue capacity per listener in chunks: more than a second of audio.
const QUEUE_CAPACITY: usize = 32;

/// A chunk of consecutive stereo frames of the output.
pub type Chunk = Arc<[[f32; 2]]>;

/// The listeners, shared by all clones. Must not be used in the audio callback.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Arc<Mutex<Vec<Listener>>>);

#[derive(Debug)]
struct Listener {
    chunks: Sender<Chunk>,
    /// Whether the listener counts towards the maximum.
    is_counted: bool,
}

impl Listeners {
    /// Adds a listener: chunks arrive as they are played, until the listener falls behind. Returns `None` if there are
    /// already [`MAX_LISTENERS`].
    #[must_use]
    pub fn join(&self) -> Option<Receiver<Chunk>> {
        let mut listeners = self.lock();
        listeners.retain(|listener| !listener.chunks.is_closed());
        if listeners.iter().filter(|listener| listener.is_counted).count() >= MAX_LISTENERS {
            return None;
        }
        let (chunks, receiver) = channel(QUEUE_CAPACITY);
        listeners.push(Listener { chunks, is_counted: true });
        Some(receiver)
    }

    /// Adds an internal listener, such as the spectrum analyser, which does not count towards the maximum.
    #[must_use]
    pub fn monitor(&self) -> Receiver<Chunk> {
        let (chunks, receiver) = channel(QUEUE_CAPACITY);
        self.lock().push(Listener { chunks, is_counted: false });
        receiver
    }

    /// Sends frames to all listeners and drops those that have disconnected or fallen behind. Returns the number of
    /// listeners that have fallen behind. Never waits for a listener.
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
        // A panic cannot leave the list in an invalid state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_only_slow_listeners() {
        let listeners = Listeners::default();
        let (mut slow, mut fast) = (listeners.join().unwrap(), listeners.join().unwrap());
        let mut received = 0;
        for chunk in 0..=QUEUE_CAPACITY {
            assert_eq!(listeners.send(&[[chunk as f32, 0.0]]), u64::from(chunk == QUEUE_CAPACITY));
            received += usize::from(fast.try_recv().is_ok_and(|frames| frames[0][0] == chunk as f32));
        }
        assert_eq!(received, QUEUE_CAPACITY + 1);
        let queued = std::iter::from_fn(|| slow.try_recv().ok()).count();
        assert!(queued == QUEUE_CAPACITY && slow.is_closed() && !fast.is_closed());
    }

    #[test]
    fn accepts_a_listener_after_another_leaves() {
        let listeners = Listeners::default();
        let mut receivers: Vec<_> = (0..MAX_LISTENERS).map(|_| listeners.join().unwrap()).collect();
        assert!(listeners.join().is_none());
        receivers.pop();
        let monitor = listeners.monitor();
        assert!(listeners.join().is_some() && !monitor.is_closed());
    }
}
