//! Wakes the performance thread: one mechanism for every source of input.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Wakes a thread that sleeps until input arrives; clones wake the same thread. It carries no data, which each source
/// keeps in a bounded queue of its own.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    rung: AtomicBool,
    sleeper: OnceLock<Thread>,
}

impl Wake {
    /// Wakes the thread, or keeps it from falling asleep. Never waits, locks or allocates; makes one system call at
    /// most, and only for the first ring since the thread last woke. For any thread except the audio callback.
    pub fn ring(&self) {
        if !self.0.rung.swap(true, AcqRel)
            && let Some(sleeper) = self.0.sleeper.get()
        {
            sleeper.unpark();
        }
    }

    /// Sleeps until the next ring, at most for `timeout`; returns at once if it has rung since the last call. Returns
    /// whether it rang. Only one thread may wait: the first that calls this.
    pub fn wait(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        self.0.sleeper.get_or_init(thread::current);
        // `park` may return spuriously.
        while !self.0.rung.swap(false, AcqRel) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use assert_no_alloc::{assert_no_alloc, reset_violation_count, violation_count};

    use super::*;

    /// Far longer than it takes; only a failing test waits for it.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_ring_before_or_during_sleep_wakes_once() {
        let wake = Wake::default();
        wake.ring();
        wake.ring();
        assert!(wake.wait(LONG), "rung before");
        assert!(!wake.wait(Duration::ZERO), "several rings before a wait count as one");
        for _ in 0..100 {
            let ringer = wake.clone();
            let other = thread::spawn(move || ringer.ring());
            assert!(wake.wait(LONG), "rung from another thread");
            other.join().unwrap();
        }
        thread::current().unpark();
        assert!(!wake.wait(Duration::from_millis(1)), "woken for no reason");
    }

    #[test]
    fn ringing_allocates_nothing() {
        let wake = Wake::default();
        assert!(!wake.wait(Duration::ZERO));
        reset_violation_count();
        assert_no_alloc(|| wake.ring());
        assert_eq!(violation_count(), 0);
        assert!(wake.wait(LONG));
    }
}
