//! Messages to the worker.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::Networks;
use super::Order;

/// Capacity. The worker takes one message between latents; more accumulate only if it hangs, and then the latest wins.
const ORDERS: usize = 32;

/// A bounded queue of messages.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    orders: VecDeque<Order>,
    /// The newest pending networks; older ones are obsolete.
    networks: Option<Box<Networks>>,
    closed: bool,
}

impl Mailbox {
    /// Adds a message. It replaces a preceding plan with no splice in between, and a full queue drops its oldest message.
    /// Returns the dropped splice, if any.
    pub(super) fn put(&self, order: Order) -> Option<u64> {
        let mut inside = self.lock();
        if matches!(order, Order::Follow(_)) && matches!(inside.orders.back(), Some(Order::Follow(_))) {
            inside.orders.pop_back();
        }
        let lost = if inside.orders.len() == ORDERS { inside.orders.pop_front() } else { None };
        inside.orders.push_back(order);
        drop(inside);
        self.changed.notify_one();
        match lost {
            Some(Order::Replan { splice, .. }) => Some(splice),
            _ => None,
        }
    }

    /// Takes the next message. While `hold` is set, a splice or a request for the state and everything after it stay queued.
    pub(super) fn take(&self, hold: bool) -> Option<Order> {
        let mut inside = self.lock();
        if hold && matches!(inside.orders.front(), Some(Order::Replan { .. } | Order::Save(_))) {
            return None;
        }
        inside.orders.pop_front()
    }

    /// Stores networks to change to.
    pub(super) fn put_networks(&self, networks: Box<Networks>) {
        // Dropping the replaced networks takes a while, so do it outside the lock.
        let _old = self.lock().networks.replace(networks);
        self.changed.notify_one();
    }

    /// Takes the pending networks, unless `hold` is set.
    pub(super) fn take_networks(&self, hold: bool) -> Option<Box<Networks>> {
        if hold { None } else { self.lock().networks.take() }
    }

    /// Returns whether a splice is queued.
    pub(super) fn has_splice(&self) -> bool {
        self.lock().orders.iter().any(|order| matches!(order, Order::Replan { .. }))
    }

    /// Waits for a message, for the mailbox to close, or until `limit` has passed. Returns true if it is closed. While `hold`
    /// is set, messages do not end the wait, because they cannot be taken.
    pub(super) fn wait(&self, limit: Duration, hold: bool) -> bool {
        let inside = self.lock();
        let (inside, _) = self
            .changed
            .wait_timeout_while(inside, limit, |inside| (hold || inside.orders.is_empty()) && !inside.closed)
            .unwrap_or_else(PoisonError::into_inner);
        inside.closed
    }

    /// Tells the worker to stop.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Ignores poisoning: the queue is consistent between any two statements.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_plan_replaces_the_previous_one_unless_a_splice_or_a_saved_state_is_between() {
        let mailbox = Mailbox::default();
        for seed in 0..3 {
            mailbox.put(Order::Follow(plan(seed)));
        }
        mailbox.put(Order::Replan { plan: plan(3), splice: 512 });
        mailbox.put(Order::Save(64));
        mailbox.put(Order::Follow(plan(4)));
        assert!(matches!(mailbox.take(true), Some(Order::Follow(plan)) if plan.seed == 2));
        assert!(mailbox.take(true).is_none() && mailbox.has_splice());
        assert!(matches!(mailbox.take(false), Some(Order::Replan { splice: 512, .. })));
        assert!(mailbox.take(true).is_none());
        assert!(matches!(mailbox.take(false), Some(Order::Save(64))));
        assert!(matches!(mailbox.take(true), Some(Order::Follow(plan)) if plan.seed == 4));
        assert!(mailbox.take(false).is_none());
    }

    #[test]
    fn a_full_mailbox_drops_and_reports_its_oldest_splice() {
        let mailbox = Mailbox::default();
        let put = |splice| mailbox.put(Order::Replan { plan: plan(splice), splice });
        for splice in 0..ORDERS as u64 {
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
