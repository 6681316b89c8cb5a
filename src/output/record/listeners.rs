//! Those who listen in: they get everything that is played, as long as they keep up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Most listeners at a time.
pub const MAX_LISTENERS: usize = 8;
/// Parts that may wait for a listener: more than a second of sound.
const WAITING: usize = 32;

/// Some frames of what is played, stereo, one after the other.
pub type Part = Arc<[[f32; 2]]>;

/// The listeners; clones are the same. Nothing here is for the audio callback.
#[derive(Debug, Clone, Default)]
pub struct Listeners(Arc<Mutex<Vec<Listener>>>);

#[derive(Debug)]
struct Listener {
    parts: Sender<Part>,
    /// Whether it takes one of the places.
    counts: bool,
}

impl Listeners {
    /// Begins to listen: parts arrive as they are played, and end for one that does not keep up. `None` when there are
    /// [`MAX_LISTENERS`] already.
    #[must_use]
    pub fn join(&self) -> Option<Receiver<Part>> {
        let mut listeners = self.lock();
        listeners.retain(|listener| !listener.parts.is_closed());
        if listeners.iter().filter(|listener| listener.counts).count() >= MAX_LISTENERS {
            return None;
        }
        let (parts, receiver) = channel(WAITING);
        listeners.push(Listener { parts, counts: true });
        Some(receiver)
    }

    /// The same for the program itself, which takes nobody's place: for what is measured all the time.
    #[must_use]
    pub fn attend(&self) -> Receiver<Part> {
        let (parts, receiver) = channel(WAITING);
        self.lock().push(Listener { parts, counts: false });
        receiver
    }

    /// Hands frames to everyone; who is gone or has not kept up is forgotten. Returns how many have not kept up. Never
    /// waits for a listener.
    pub(super) fn send(&self, frames: &[[f32; 2]]) -> u64 {
        let mut listeners = self.lock();
        if listeners.is_empty() {
            return 0;
        }
        let part = Part::from(frames);
        let mut cut = 0;
        listeners.retain(|listener| {
            let sent = listener.parts.try_send(Arc::clone(&part));
            cut += u64::from(matches!(sent, Err(TrySendError::Full(_))));
            sent.is_ok()
        });
        cut
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listener>> {
        // The list is whole between any two statements, so a panic elsewhere does not spoil it.
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
        for part in 0..=WAITING {
            assert_eq!(listeners.send(&[[part as f32, 0.0]]), u64::from(part == WAITING));
            heard += usize::from(fast.try_recv().is_ok_and(|frames| frames[0][0] == part as f32));
        }
        assert_eq!(heard, WAITING + 1);
        let waiting = std::iter::from_fn(|| slow.try_recv().ok()).count();
        assert!(waiting == WAITING && slow.is_closed() && !fast.is_closed());
    }

    #[test]
    fn places_are_limited_and_become_free_again() {
        let listeners = Listeners::default();
        let mut places: Vec<_> = (0..MAX_LISTENERS).map(|_| listeners.join().unwrap()).collect();
        assert!(listeners.join().is_none());
        places.pop();
        let measured = listeners.attend();
        assert!(listeners.join().is_some() && !measured.is_closed());
    }
}
