//! Orders to the worker.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::Networks;
use super::Order;

/// Orders that may wait. The worker takes one between two latents; more than this many only gather when it hangs, and
/// then the latest counts.
const ORDERS: usize = 32;

/// A bounded queue of orders, in order.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    orders: VecDeque<Order>,
    /// The newest networks that wait; older ones are not wanted any more.
    networks: Option<Box<Networks>>,
    closed: bool,
}

impl Mailbox {
    /// Adds an order. What it makes pointless leaves: a plan that another follows without a splice between, and in a
    /// full box the oldest order. Returns the splice that will never be performed, if there is one.
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

    /// Takes the next order. A splice is held back while `hold`, and so is everything behind it.
    pub(super) fn take(&self, hold: bool) -> Option<Order> {
        let mut inside = self.lock();
        if hold && matches!(inside.orders.front(), Some(Order::Replan { .. })) {
            return None;
        }
        inside.orders.pop_front()
    }

    /// Leaves networks to change over to.
    pub(super) fn put_networks(&self, networks: Box<Networks>) {
        // What they replace is dropped after the lock: it takes a while.
        let _old = self.lock().networks.replace(networks);
        self.changed.notify_one();
    }

    /// Takes the networks that wait, unless `hold`.
    pub(super) fn take_networks(&self, hold: bool) -> Option<Box<Networks>> {
        if hold { None } else { self.lock().networks.take() }
    }

    /// Whether a splice is among the waiting orders.
    pub(super) fn has_splice(&self) -> bool {
        self.lock().orders.iter().any(|order| matches!(order, Order::Replan { .. }))
    }

    /// Waits until an order comes or the box is closed, but not longer than `limit`; true when it is closed. Orders do not
    /// count while `hold`, for they may not be taken.
    pub(super) fn wait(&self, limit: Duration, hold: bool) -> bool {
        let inside = self.lock();
        let (inside, _) = self
            .changed
            .wait_timeout_while(inside, limit, |inside| (hold || inside.orders.is_empty()) && !inside.closed)
            .unwrap_or_else(PoisonError::into_inner);
        inside.closed
    }

    /// Tells the worker to end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The queue is whole between any two statements, so a panic elsewhere does not spoil it.
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
    fn the_newest_extension_wins_but_not_across_a_splice() {
        let mailbox = Mailbox::default();
        for seed in 0..3 {
            mailbox.put(Order::Follow(plan(seed)));
        }
        mailbox.put(Order::Replan { plan: plan(3), splice: 512 });
        mailbox.put(Order::Follow(plan(4)));
        assert!(matches!(mailbox.take(true), Some(Order::Follow(plan)) if plan.seed == 2));
        assert!(mailbox.take(true).is_none() && mailbox.has_splice());
        assert!(matches!(mailbox.take(false), Some(Order::Replan { splice: 512, .. })));
        assert!(matches!(mailbox.take(true), Some(Order::Follow(plan)) if plan.seed == 4));
        assert!(mailbox.take(false).is_none());
    }

    #[test]
    fn a_full_box_loses_its_oldest_splice_and_says_so() {
        let mailbox = Mailbox::default();
        let put = |splice| mailbox.put(Order::Replan { plan: plan(splice), splice });
        for splice in 0..ORDERS as u64 {
            assert_eq!(put(splice), None);
        }
        assert_eq!(put(100), Some(0));
    }

    #[test]
    fn a_closed_box_does_not_wait() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.wait(Duration::ZERO, false));
        mailbox.close();
        assert!(mailbox.wait(Duration::from_secs(3600), true));
    }
}
