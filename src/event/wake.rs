//! Wakes the performance thread when input arrives from any source.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Wakes a thread that sleeps until input arrives; clones wake the same thread. Carries no data: each source has its
/// own bounded queue.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    notified: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Wake {
    /// Wakes the thread, or keeps it from falling asleep. Never waits, locks or allocates; makes at most one system
    /// call, and only for the first notification since the thread last woke. May be called on any thread except that of
    /// the audio callback.
    pub fn notify(&self) {
        if !self.0.notified.swap(true, AcqRel)
            && let Some(thread) = self.0.thread.get()
        {
            thread.unpark();
        }
    }

    /// Sleeps until the next notification, for at most `timeout`; returns at once if there was one since the last call.
    /// Returns whether the thread was notified. Only one thread may wait: the first that calls this.
    pub fn wait(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        self.0.thread.get_or_init(thread::current);
        // `park` may return spuriously.
        while !self.0.notified.swap(false, AcqRel) {
            let remaining = end.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return false;
            }
            thread::park_timeout(remaining);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use assert_no_alloc::{assert_no_alloc, reset_violation_count, violation_count};

    use super::*;

    /// Far longer than needed, so that only a failing test waits this long.
    const TIMEOUT: Duration = Duration::from_secs(600);

    #[test]
    fn a_notification_before_or_during_sleep_wakes_once() {
        let wake = Wake::default();
        wake.notify();
        wake.notify();
        assert!(wake.wait(TIMEOUT), "a notification before the wait should wake the thread");
        assert!(!wake.wait(Duration::ZERO), "several notifications before a wait should count as one");
        for _ in 0..100 {
            let notifier = wake.clone();
            let thread = thread::spawn(move || notifier.notify());
            assert!(wake.wait(TIMEOUT), "a notification from another thread should wake the thread");
            thread.join().unwrap();
        }
        thread::current().unpark();
        assert!(!wake.wait(Duration::from_millis(1)), "a spurious wake-up should not count as a notification");
    }

    #[test]
    fn notifying_does_not_allocate() {
        let wake = Wake::default();
        assert!(!wake.wait(Duration::ZERO));
        reset_violation_count();
        assert_no_alloc(|| wake.notify());
        assert_eq!(violation_count(), 0);
        assert!(wake.wait(TIMEOUT));
    }
}
