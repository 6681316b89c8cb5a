//! A limited number of connections, where idle ones make room for new ones.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// A number of connections, and the maximum per remote host.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    most_of_host: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Arc<Seat>>,
}

#[derive(Debug)]
struct Seat {
    host: IpAddr,
    idle: AtomicBool,
    active: Mutex<Instant>,
    leave: Notify,
}

/// A connection's slot, held until dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    seat: Arc<Seat>,
}

impl Slots {
    pub(super) fn new(most: usize, most_of_host: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_host, taken: Mutex::default() })
    }

    /// Takes a slot for a host; if all are taken, evicts the connection that has been idle longest. `None` if no
    /// connection is idle.
    pub(super) fn take(self: &Arc<Self>, host: IpAddr, now: Instant) -> Option<Slot> {
        let host = host.to_canonical();
        let mut taken = self.taken();
        let of_host = taken.seats.values().filter(|seat| seat.host == host).count();
        if !host.is_loopback() && of_host >= self.most_of_host {
            taken.evict(|seat| seat.host == host)?;
        } else if taken.seats.len() >= self.most {
            taken.evict(|_| true)?;
        }
        let number = taken.next;
        taken.next += 1;
        let active = Mutex::new(now);
        let seat = Arc::new(Seat { host, idle: AtomicBool::new(true), active, leave: Notify::new() });
        taken.seats.insert(number, Arc::clone(&seat));
        Some(Slot { slots: Arc::clone(self), number, seat })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Every change is complete.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Evicts an idle connection; `None` if no candidate is idle.
    fn evict(&mut self, is_candidate: impl Fn(&Seat) -> bool) -> Option<()> {
        let idle = self.seats.iter().filter(|(_, seat)| seat.idle.load(Ordering::Relaxed) && is_candidate(seat));
        let number = idle.min_by_key(|(_, seat)| seat.active()).map(|(number, _)| *number)?;
        let seat = self.seats.remove(&number)?;
        seat.leave.notify_one();
        Some(())
    }
}

impl Seat {
    fn active(&self) -> Instant {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Reports activity, and whether the connection is now idle.
    pub(super) fn is(&self, idle: bool, now: Instant) {
        self.seat.idle.store(idle, Ordering::Relaxed);
        *self.seat.active.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Returns when the connection is evicted.
    pub(super) async fn until_evicted(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn is_evicted(slot: &Slot) -> bool {
        // A permit that is already available is seen on the first poll.
        let mut waiting = std::pin::pin!(slot.until_evicted());
        waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn the_longest_idle_client_makes_room() {
        let (slots, start) = (Slots::new(3, 3), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let taken: Vec<_> = (0..3).map(|second| slots.take(HERE, at(second)).unwrap()).collect();
        taken[0].is(true, at(10));
        taken[1].is(false, at(1));
        let newcomer = slots.take(HERE, at(11)).unwrap();
        assert_eq!([0, 1, 2].map(|index| is_evicted(&taken[index])), [false, false, true]);
        newcomer.is(false, at(12));
        taken[0].is(false, at(12));
        assert!(slots.take(HERE, at(13)).is_none(), "nobody is idle");
        drop(newcomer);
        assert!(slots.take(HERE, at(14)).is_some());
    }

    #[test]
    fn one_host_cannot_take_all_slots() {
        let (slots, now) = (Slots::new(8, 2), Instant::now());
        let host: IpAddr = "192.0.2.7".parse().unwrap();
        let first: Vec<_> = (0..2).map(|_| slots.take(host, now).unwrap()).collect();
        first.iter().for_each(|slot| slot.is(false, now));
        assert!(slots.take(host, now).is_none());
        assert!(slots.take("::ffff:192.0.2.7".parse().unwrap(), now).is_none(), "the same host");
        let others: Vec<_> = (0..6).map(|_| slots.take(HERE, now).unwrap()).collect();
        assert_eq!(others.len(), 6);
    }
}
