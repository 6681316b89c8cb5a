//! Limits the number of connections; idle ones are evicted to make room for new ones.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// A limited number of slots, in total and per remote host.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    max_per_host: usize,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    next_number: u64,
    states: BTreeMap<u64, Arc<ConnectionState>>,
}

#[derive(Debug)]
struct ConnectionState {
    host: IpAddr,
    idle: AtomicBool,
    last_active: Mutex<Instant>,
    evicted: Notify,
}

/// A connection's slot, held until dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    state: Arc<ConnectionState>,
}

impl Slots {
    pub(super) fn new(max: usize, max_per_host: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_host, connections: Mutex::default() })
    }

    /// Takes a slot for a host. If all slots, or all of a remote host's, are taken, evicts the connection among them
    /// that has been idle longest. Returns `None` if none of them is idle.
    pub(super) fn take(self: &Arc<Self>, host: IpAddr, now: Instant) -> Option<Slot> {
        let host = host.to_canonical();
        let mut connections = self.connections();
        let on_host = connections.states.values().filter(|state| state.host == host).count();
        if !host.is_loopback() && on_host >= self.max_per_host {
            connections.evict(|state| state.host == host)?;
        } else if connections.states.len() >= self.max {
            connections.evict(|_| true)?;
        }
        let number = connections.next_number;
        connections.next_number += 1;
        let last_active = Mutex::new(now);
        let state =
            Arc::new(ConnectionState { host, idle: AtomicBool::new(true), last_active, evicted: Notify::new() });
        connections.states.insert(number, Arc::clone(&state));
        Some(Slot { slots: Arc::clone(self), number, state })
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        // A partial change leaves the slots usable, so a panic elsewhere does no harm.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Evicts the candidate that has been idle longest; returns `None` if no candidate is idle.
    fn evict(&mut self, is_candidate: impl Fn(&ConnectionState) -> bool) -> Option<()> {
        let idle = self.states.iter().filter(|(_, state)| state.idle.load(Ordering::Relaxed) && is_candidate(state));
        let number = idle.min_by_key(|(_, state)| state.last_active()).map(|(number, _)| *number)?;
        let state = self.states.remove(&number)?;
        state.evicted.notify_one();
        Some(())
    }
}

impl ConnectionState {
    fn last_active(&self) -> Instant {
        *self.last_active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Records activity, and whether the connection is now idle.
    pub(super) fn set_idle(&self, idle: bool, now: Instant) {
        self.state.idle.store(idle, Ordering::Relaxed);
        *self.state.last_active.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Completes when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.state.evicted.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.connections().states.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn is_evicted(slot: &Slot) -> bool {
        // The first poll completes if a permit is already available.
        let mut eviction = std::pin::pin!(slot.evicted());
        eviction.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn the_longest_idle_connection_is_evicted() {
        let (slots, start) = (Slots::new(3, 3), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let taken: Vec<_> = (0..3).map(|second| slots.take(HERE, at(second)).unwrap()).collect();
        taken[0].set_idle(true, at(10));
        taken[1].set_idle(false, at(1));
        let added = slots.take(HERE, at(11)).unwrap();
        assert_eq!([0, 1, 2].map(|index| is_evicted(&taken[index])), [false, false, true]);
        added.set_idle(false, at(12));
        taken[0].set_idle(false, at(12));
        assert!(slots.take(HERE, at(13)).is_none(), "a connection that is not idle should not be evicted");
        drop(added);
        assert!(slots.take(HERE, at(14)).is_some());
    }

    #[test]
    fn one_host_cannot_take_all_slots() {
        let (slots, now) = (Slots::new(8, 2), Instant::now());
        let host: IpAddr = "192.0.2.7".parse().unwrap();
        let first: Vec<_> = (0..2).map(|_| slots.take(host, now).unwrap()).collect();
        first.iter().for_each(|slot| slot.set_idle(false, now));
        assert!(slots.take(host, now).is_none());
        let mapped = slots.take("::ffff:192.0.2.7".parse().unwrap(), now);
        assert!(mapped.is_none(), "the IPv4-mapped address should count as the same host");
        let others: Vec<_> = (0..6).map(|_| slots.take(HERE, now).unwrap()).collect();
        assert_eq!(others.len(), 6);
    }
}
