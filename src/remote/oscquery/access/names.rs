//! The names and addresses of this machine, with which the hosts that clients name are compared.

use std::net::{IpAddr, Ipv6Addr};

/// The names by which clients may reach this machine, besides its addresses; in lower case.
#[derive(Debug)]
pub(super) struct OwnNames(Vec<String>);

impl OwnNames {
    /// Collects this machine's own names, and `hosts` as further names or addresses.
    pub(super) fn new(hosts: &[String]) -> Self {
        let own = host_name().into_iter().flat_map(|name| [format!("{name}.local"), name]);
        Self(["localhost".to_owned()].into_iter().chain(own).chain(hosts.iter().map(|host| plain(host))).collect())
    }

    /// Returns whether a host name or address refers to this machine, for a client that reached it at `local`.
    pub(super) fn include(&self, host: &str, local: IpAddr) -> bool {
        let local = local.to_canonical();
        let is_address = address(host).is_some_and(|ip| ip == local || ip.is_loopback() && local.is_loopback());
        is_address || self.0.contains(&plain(host))
    }
}

/// Returns whether a host is `localhost` or a loopback address, by which only this machine reaches itself.
pub(super) fn is_loopback(host: &str) -> bool {
    plain(host) == "localhost" || address(host).is_some_and(|ip| ip.is_loopback())
}

/// Returns a host in lower case, without the brackets of an IPv6 address and the final dot of a name.
fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase()
}

/// Returns the address that a host consists of. The scope of a link-local address, as in `fe80::1%eth0`, is ignored: its
/// name means something only on the machine that wrote it.
fn address(host: &str) -> Option<IpAddr> {
    let host = plain(host);
    let unscoped = || host.split_once('%')?.0.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    host.parse().ok().or_else(unscoped).map(|ip| ip.to_canonical())
}

/// Returns the machine's host name without its domain, in lower case.
pub(in crate::remote::oscquery) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let host = name.trim().split('.').next().unwrap_or_default().to_lowercase();
    (!host.is_empty()).then_some(host)
}
