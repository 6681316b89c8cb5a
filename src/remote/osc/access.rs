//! Address verification: large replies and subscriptions are only for clients that have proved that their address is
//! genuine.
//!
//! A datagram's source address can be forged. To prevent Melos from being used to flood a third party, an address on
//! another machine is sent only a small multiple of what it has sent, until it returns the token that Melos sent to it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Maximum ratio of bytes sent to bytes received for an unverified address.
pub(super) const MAX_AMPLIFICATION: usize = 3;
/// How long a verification is valid.
pub(super) const VALIDITY: Duration = Duration::from_secs(600);
/// Maximum number of verified addresses; a further one replaces the one closest to expiry, which may verify again.
const MAX_ADDRESSES: usize = 256;
/// Tokens change at this interval, and the previous one stays valid, so a token is valid for one to two intervals.
const TOKEN_INTERVAL: Duration = Duration::from_secs(30);

/// What a client requested when it was sent a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// The state and all changes.
    Subscribe,
    /// A single reply.
    Read,
}

/// The trusted hosts and the verified addresses.
#[derive(Debug)]
pub(super) struct Access {
    /// The key from which tokens are derived, so that none need be stored.
    key: RandomState,
    start: Instant,
    trusted: Vec<IpAddr>,
    /// The verified addresses, and when each verification expires.
    verified: BTreeMap<SocketAddr, Instant>,
}

impl Access {
    /// Creates the initial state: this machine and the hosts in `trusted` are trusted, and no address is verified.
    pub(super) fn new(trusted: Vec<IpAddr>, now: Instant) -> Self {
        Self { key: RandomState::new(), start: now, trusted, verified: BTreeMap::new() }
    }

    /// Returns whether an address needs no verification.
    pub(super) fn trusts(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        ip.is_loopback() || self.trusted.contains(&ip)
    }

    /// Returns whether an address may be sent any amount of data, because it is trusted or verified.
    pub(super) fn is_verified(&self, address: SocketAddr, now: Instant) -> bool {
        self.trusts(address) || self.verified.get(&address).is_some_and(|expiry| *expiry > now)
    }

    /// Returns when the verification of an address expires, which is in the past if it was never verified; `None` if
    /// the address is trusted.
    pub(super) fn expiry(&self, address: SocketAddr) -> Option<Instant> {
        (!self.trusts(address)).then(|| self.verified.get(&address).copied().unwrap_or(self.start))
    }

    /// Returns the token for an address: the purpose, the port, and a number that only this server can compute.
    pub(super) fn token(&self, purpose: Purpose, address: SocketAddr, now: Instant) -> String {
        self.token_of(purpose, address, self.token_interval(now))
    }

    /// Checks a returned token. If it is valid, marks the address to which it was sent as verified, and returns the
    /// purpose and that address.
    pub(super) fn confirm(&mut self, from: SocketAddr, token: &str, now: Instant) -> Option<(Purpose, SocketAddr)> {
        let (port, _) = token.get(1..)?.split_once('-')?;
        let mut address = from;
        address.set_port(port.parse().ok()?);
        let interval = self.token_interval(now);
        let purpose = [Purpose::Subscribe, Purpose::Read].into_iter().find(|purpose| {
            [interval, interval.saturating_sub(1)]
                .into_iter()
                .any(|interval| self.token_of(*purpose, address, interval) == token)
        })?;
        self.mark_verified(address, now);
        Some((purpose, address))
    }

    /// Marks an address as verified for [`VALIDITY`].
    pub(super) fn mark_verified(&mut self, address: SocketAddr, now: Instant) {
        if self.verified.len() == MAX_ADDRESSES && !self.verified.contains_key(&address) {
            let soonest = self.verified.iter().min_by_key(|(_, expiry)| **expiry).map(|(address, _)| *address);
            soonest.map(|address| self.verified.remove(&address));
        }
        self.verified.insert(address, now + VALIDITY);
    }

    fn token_of(&self, purpose: Purpose, address: SocketAddr, interval: u64) -> String {
        let letter = if purpose == Purpose::Subscribe { 's' } else { 'r' };
        format!("{letter}{}-{:016x}", address.port(), self.key.hash_one((purpose, address, interval)))
    }

    fn token_interval(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / TOKEN_INTERVAL.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    #[test]
    fn returning_the_token_verifies_an_address() {
        let now = Instant::now();
        let mut access = Access::new(Vec::new(), now);
        let token = access.token(Purpose::Subscribe, client(9001), now);
        assert!(!access.is_verified(client(9001), now));
        // The token may be returned from another port of the same host, but not from another host.
        assert_eq!(access.confirm(SocketAddr::from(([192, 0, 2, 8], 9001)), &token, now), None);
        assert_eq!(access.confirm(client(50_000), &token, now), Some((Purpose::Subscribe, client(9001))));
        assert!(access.is_verified(client(9001), now) && !access.is_verified(client(50_000), now));
        assert!(!access.is_verified(client(9001), now + VALIDITY), "the verification should expire");
    }

    #[test]
    fn foreign_and_expired_tokens_are_rejected() {
        let now = Instant::now();
        let (mut access, other) = (Access::new(Vec::new(), now), Access::new(Vec::new(), now));
        let token = other.token(Purpose::Read, client(9001), now);
        for invalid in ["", "s", "s9001-0000000000000000", "r-", "♭♭", "s99999-1", &token] {
            assert_eq!(access.confirm(client(9001), invalid, now), None, "{invalid}");
        }
        let token = access.token(Purpose::Read, client(9001), now);
        assert_eq!(
            access.confirm(client(9001), &token, now + 3 * TOKEN_INTERVAL),
            None,
            "an expired token should be rejected"
        );
        assert!(access.confirm(client(9001), &token, now + TOKEN_INTERVAL).is_some());
    }

    #[test]
    fn this_machine_and_configured_hosts_are_trusted() {
        let now = Instant::now();
        let access = Access::new(vec!["192.0.2.7".parse().unwrap()], now);
        for (address, expected) in [
            ("127.0.0.1:1", true),
            ("127.8.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("[::ffff:192.0.2.7]:1", true),
            ("192.0.2.8:1", false),
            ("[fe80::1]:1", false),
        ] {
            assert_eq!(access.is_verified(address.parse().unwrap(), now), expected, "{address}");
        }
    }

    #[test]
    fn verified_addresses_are_bounded() {
        let now = Instant::now();
        let mut access = Access::new(Vec::new(), now);
        for port in 1..=1000 {
            access.mark_verified(client(port), now + Duration::from_millis(u64::from(port)));
        }
        assert_eq!(access.verified.len(), MAX_ADDRESSES);
        assert!(access.is_verified(client(1000), now) && !access.is_verified(client(1), now));
    }
}
