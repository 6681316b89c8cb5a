//! Limits how often wrong passwords are tried: per client, so that one that guesses does not keep out the others, and in
//! total, so that many clients cannot guess faster together.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The limit of a client: enough for typing errors, and then slow.
const PER_CLIENT: Limit = Limit { burst: 4, interval: Duration::from_secs(2) };
/// The limit of all other machines together; that of several clients that guess without pause.
const IN_TOTAL: Limit = Limit { burst: 16, interval: Duration::from_millis(250) };
/// Minimum interval between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A number of events allowed in a burst, and the interval after which one more is allowed.
#[derive(Debug, Clone, Copy)]
struct Limit {
    burst: u32,
    interval: Duration,
}

impl Limit {
    /// Returns how long to wait until the next event, if events have used up the limit until `used_until`.
    fn wait(self, used_until: Instant, now: Instant) -> Duration {
        used_until.saturating_duration_since(now + self.interval * (self.burst - 1))
    }

    /// Returns until when the limit is used up after another event.
    fn after_event(self, used_until: Instant, now: Instant) -> Instant {
        used_until.max(now) + self.interval
    }
}

/// What became of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// Not checked, because too many others were wrong; the client may try again after this time.
    Unchecked(Duration),
}

/// The wrong passwords of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// Until when the limit of each client is used up. The limit in total bounds the number of entries, as those in the
    /// past are removed.
    clients: BTreeMap<IpAddr, Instant>,
    /// Until when the limit in total is used up.
    total: Option<Instant>,
    logged: Option<Instant>,
    /// Number of passwords refused since the last log line.
    unlogged: u64,
}

impl Guesses {
    /// Checks a password with `is_right`, unless this client or all of them together have just supplied too many wrong
    /// ones.
    pub(super) fn check(&mut self, client: IpAddr, now: Instant, is_right: impl FnOnce() -> bool) -> Outcome {
        let network = network(client);
        let used = self.clients.get(&network).copied().unwrap_or(now);
        // Clients on this machine are limited only by themselves: others that guess must not keep out the machine's own
        // user.
        let total = (!client.is_loopback()).then(|| self.total.unwrap_or(now));
        let wait = PER_CLIENT.wait(used, now).max(total.map_or(Duration::ZERO, |total| IN_TOTAL.wait(total, now)));
        if !wait.is_zero() {
            return Outcome::Unchecked(wait);
        }
        if is_right() {
            return Outcome::Right;
        }
        self.clients.retain(|_, used_until| *used_until > now);
        self.clients.insert(network, PER_CLIENT.after_event(used, now));
        self.total = total.map(|total| IN_TOTAL.after_event(total, now)).or(self.total);
        Outcome::Wrong
    }

    /// Notes that a password was refused, checked or not. Returns the number of those since the last log line if it is time
    /// for another one.
    pub(super) fn count_for_log(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        if self.logged.is_some_and(|logged| now.saturating_duration_since(logged) < LOG_INTERVAL) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// Returns the address with which a client is identified: of an IPv6 address, only the network, in which a client can choose
/// among more addresses than can be counted.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Tries wrong passwords for a minute, one per client every 10 ms; returns how many were checked.
    fn checked_in_a_minute(clients: &[IpAddr]) -> usize {
        let (mut guesses, start) = (Guesses::default(), Instant::now());
        let tries = (0..6000).flat_map(|step| clients.iter().map(move |client| (step, client)));
        tries
            .filter(|(step, client)| {
                let now = start + Duration::from_millis(10) * *step;
                guesses.check(**client, now, || false) == Outcome::Wrong
            })
            .count()
    }

    #[test]
    fn guessing_is_slow_however_many_clients_guess() {
        assert_eq!(checked_in_a_minute(&[ip("192.0.2.1")]), 4 + 29);
        let many: Vec<_> = (1..=200).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        assert_eq!(checked_in_a_minute(&many), 16 + 239);
        // A single machine has all these addresses.
        let same_network: Vec<_> = (1..=50).map(|last| ip(&format!("2001:db8::{last:x}"))).collect();
        assert_eq!(checked_in_a_minute(&same_network), 4 + 29);
    }

    #[test]
    fn a_right_password_is_accepted_while_another_client_guesses() {
        let (mut guesses, start) = (Guesses::default(), Instant::now());
        for step in 0..6000 {
            let now = start + Duration::from_millis(10) * step;
            for guessing in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
                guesses.check(ip(guessing), now, || false);
            }
            assert_eq!(guesses.check(ip("192.0.2.9"), now, || true), Outcome::Right, "step {step}");
        }
    }

    #[test]
    fn the_machines_own_user_is_accepted_however_many_clients_guess() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        (1..=100).for_each(|last| _ = guesses.check(IpAddr::from([192, 0, 2, last]), now, || false));
        assert!(matches!(guesses.check(ip("192.0.2.200"), now, || true), Outcome::Unchecked(_)));
        assert_eq!(guesses.check(ip("127.0.0.1"), now, || true), Outcome::Right);
        assert!(guesses.clients.len() <= 16, "{} clients remembered", guesses.clients.len());
    }

    #[test]
    fn a_client_may_try_again_after_the_given_time() {
        let (mut guesses, now, client) = (Guesses::default(), Instant::now(), ip("192.0.2.1"));
        (0..4).for_each(|_| assert_eq!(guesses.check(client, now, || false), Outcome::Wrong));
        let Outcome::Unchecked(wait) = guesses.check(client, now, || true) else { panic!("checked") };
        assert_eq!(wait, Duration::from_secs(2));
        assert_eq!(guesses.check(client, now + wait, || true), Outcome::Right);
    }

    #[test]
    fn refused_passwords_are_logged_at_most_once_a_minute_with_their_number() {
        let (mut guesses, start) = (Guesses::default(), Instant::now());
        let lines: Vec<_> =
            (0..130).filter_map(|second| guesses.count_for_log(start + Duration::from_secs(second))).collect();
        assert_eq!(lines, [1, 60, 60]);
    }
}
