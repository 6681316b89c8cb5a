//! A bounded number of guests, among whom idle ones give way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// So many places, and how many of them one host beyond this machine may take.
#[derive(Debug)]
pub(super) struct Places {
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

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    seat: Arc<Seat>,
}

impl Places {
    pub(super) fn new(most: usize, most_of_host: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_host, taken: Mutex::default() })
    }

    /// A place for a guest from a host; where all are taken, that of the one that has been idle longest, who is sent away.
    /// `None` where nobody is idle.
    pub(super) fn take(self: &Arc<Self>, host: IpAddr, now: Instant) -> Option<Place> {
        let host = host.to_canonical();
        let mut taken = self.taken();
        let of_host = taken.seats.values().filter(|seat| seat.host == host).count();
        if !host.is_loopback() && of_host >= self.most_of_host {
            taken.send_away(|seat| seat.host == host)?;
        } else if taken.seats.len() >= self.most {
            taken.send_away(|_| true)?;
        }
        let number = taken.next;
        taken.next += 1;
        let active = Mutex::new(now);
        let seat = Arc::new(Seat { host, idle: AtomicBool::new(true), active, leave: Notify::new() });
        taken.seats.insert(number, Arc::clone(&seat));
        Some(Place { places: Arc::clone(self), number, seat })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Each change is complete in itself.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Makes room; `None` where nobody who is asked is idle.
    fn send_away(&mut self, asked: impl Fn(&Seat) -> bool) -> Option<()> {
        let idle = self.seats.iter().filter(|(_, seat)| seat.idle.load(Ordering::Relaxed) && asked(seat));
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

impl Place {
    /// The guest has done something; from now on it may be sent away, or not.
    pub(super) fn is(&self, idle: bool, now: Instant) {
        self.seat.idle.store(idle, Ordering::Relaxed);
        *self.seat.active.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Returns when the guest is to leave.
    pub(super) async fn until_sent_away(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn is_sent_away(place: &Place) -> bool {
        // A permit that waits is there at the first look.
        let mut waiting = std::pin::pin!(place.until_sent_away());
        waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn whoever_has_been_idle_longest_gives_way() {
        let (places, start) = (Places::new(3, 3), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let taken: Vec<_> = (0..3).map(|second| places.take(HERE, at(second)).unwrap()).collect();
        taken[0].is(true, at(10));
        taken[1].is(false, at(1));
        let newcomer = places.take(HERE, at(11)).unwrap();
        assert_eq!([0, 1, 2].map(|index| is_sent_away(&taken[index])), [false, false, true]);
        newcomer.is(false, at(12));
        taken[0].is(false, at(12));
        assert!(places.take(HERE, at(13)).is_none(), "nobody is idle");
        drop(newcomer);
        assert!(places.take(HERE, at(14)).is_some());
    }

    #[test]
    fn one_host_cannot_take_all() {
        let (places, now) = (Places::new(8, 2), Instant::now());
        let host: IpAddr = "192.0.2.7".parse().unwrap();
        let first: Vec<_> = (0..2).map(|_| places.take(host, now).unwrap()).collect();
        first.iter().for_each(|place| place.is(false, now));
        assert!(places.take(host, now).is_none());
        assert!(places.take("::ffff:192.0.2.7".parse().unwrap(), now).is_none(), "the same host");
        let others: Vec<_> = (0..6).map(|_| places.take(HERE, now).unwrap()).collect();
        assert_eq!(others.len(), 6);
    }
}
