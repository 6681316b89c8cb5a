//! The queue of requests to the worker.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::Networks;
use super::Request;

/// Capacity of the queue. The worker takes requests between latents, so the queue fills up only if the worker hangs or a
/// splice stays pending for seconds.
const CAPACITY: usize = 32;

/// A bounded queue of requests.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<Request>,
    /// The newest pending networks, which replace older ones.
    networks: Option<Box<Networks>>,
    closed: bool,
}

impl Mailbox {
    /// Adds a request. A plan without a splice replaces another directly before it, and a full queue drops its oldest request.
    /// Returns the frame of the dropped splice, if any.
    pub(super) fn put(&self, request: Request) -> Option<u64> {
        let mut queue = self.lock();
        if matches!(request, Request::Follow(_)) && matches!(queue.requests.back(), Some(Request::Follow(_))) {
            queue.requests.pop_back();
        }
        let dropped = if queue.requests.len() == CAPACITY { queue.requests.pop_front() } else { None };
        queue.requests.push_back(request);
        drop(queue);
        self.changed.notify_one();
        match dropped {
            Some(Request::Replan { splice, .. }) => Some(splice),
            _ => None,
        }
    }

    /// Takes the next request. While `hold` is set, splices and save requests stay queued, with everything behind them.
    pub(super) fn take(&self, hold: bool) -> Option<Request> {
        let mut queue = self.lock();
        if hold && matches!(queue.requests.front(), Some(Request::Replan { .. } | Request::Save { .. })) {
            return None;
        }
        queue.requests.pop_front()
    }

    /// Stores new networks.
    pub(super) fn put_networks(&self, networks: Box<Networks>) {
        // Drop the replaced networks outside the lock, because that takes a while.
        let _old = self.lock().networks.replace(networks);
        self.changed.notify_one();
    }

    /// Takes the pending networks, unless `hold` is set.
    pub(super) fn take_networks(&self, hold: bool) -> Option<Box<Networks>> {
        if hold { None } else { self.lock().networks.take() }
    }

    /// Returns whether a splice is queued.
    pub(super) fn has_splice(&self) -> bool {
        self.lock().requests.iter().any(|request| matches!(request, Request::Replan { .. }))
    }

    /// Waits until there is a request, the mailbox is closed or `timeout` has passed. Returns whether the mailbox is closed.
    /// While `hold` is set, requests do not end the wait, because they may have to stay queued.
    pub(super) fn wait(&self, timeout: Duration, hold: bool) -> bool {
        let queue = self.lock();
        let (queue, _) = self
            .changed
            .wait_timeout_while(queue, timeout, |queue| (hold || queue.requests.is_empty()) && !queue.closed)
            .unwrap_or_else(PoisonError::into_inner);
        queue.closed
    }

    /// Closes the mailbox, which stops the worker.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Locks the queue. Ignores poisoning, because the queue is consistent after every statement.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::music::emotion::{Emotion, Mood};
    use crate::music::plan::Plan;
    use crate::music::theory::Chord;

    fn plan(seed: u64) -> Arc<Plan> {
        Arc::new(Plan::steady(seed, Mood::pure(Emotion::Calm), Chord::parse("C").unwrap(), 90.0))
    }

    #[test]
    fn a_plan_replaces_only_a_plan_directly_before_it() {
        let mailbox = Mailbox::default();
        for seed in 0..3 {
            mailbox.put(Request::Follow(plan(seed)));
        }
        mailbox.put(Request::Replan { plan: plan(3), splice: 512 });
        mailbox.put(Request::Save { frame: 64, buffer: Vec::new() });
        mailbox.put(Request::Follow(plan(4)));
        assert!(matches!(mailbox.take(true), Some(Request::Follow(plan)) if plan.seed == 2));
        assert!(mailbox.take(true).is_none() && mailbox.has_splice());
        assert!(matches!(mailbox.take(false), Some(Request::Replan { splice: 512, .. })));
        assert!(mailbox.take(true).is_none());
        assert!(matches!(mailbox.take(false), Some(Request::Save { frame: 64, .. })));
        assert!(matches!(mailbox.take(true), Some(Request::Follow(plan)) if plan.seed == 4));
        assert!(mailbox.take(false).is_none());
    }

    #[test]
    fn a_full_mailbox_drops_and_reports_its_oldest_splice() {
        let mailbox = Mailbox::default();
        let put = |splice| mailbox.put(Request::Replan { plan: plan(splice), splice });
        for splice in 0..CAPACITY as u64 {
            assert_eq!(put(splice), None);
        }
        assert_eq!(put(100), Some(0));
    }

    #[test]
    fn a_closed_mailbox_does_not_wait() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.wait(Duration::ZERO, false));
        mailbox.close();
        assert!(mailbox.wait(Duration::from_secs(3600), true));
    }
}
