//! Announces the services over multicast DNS (zeroconf).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use thiserror::Error;

use super::access::host_name;

/// Service type of OSCQuery over HTTP.
const OSCQUERY: &str = "_oscjson._tcp.local.";
/// Service type of OSC over UDP.
const OSC: &str = "_osc._udp.local.";

/// Why the services cannot be announced; they can still be reached by address.
#[derive(Debug, Error)]
#[error("zeroconf: {0}")]
pub struct DiscoveryError(#[from] mdns_sd::Error);

/// Announces OSCQuery (`_oscjson._tcp`) and OSC (`_osc._udp`) until dropped.
pub struct Discovery {
    daemon: ServiceDaemon,
}

impl Discovery {
    /// Starts a thread that announces OSCQuery, OSC, or both. It uses all interfaces if either address is 0.0.0.0 or
    /// ::, otherwise only the interfaces that have these addresses. If both are loopback addresses, nothing is
    /// announced beyond this machine.
    ///
    /// # Errors
    /// When multicast DNS is unavailable.
    pub fn announce(oscquery: Option<SocketAddr>, osc: Option<SocketAddr>) -> Result<Self, DiscoveryError> {
        let this = Self { daemon: ServiceDaemon::new()? };
        let services = [(OSCQUERY, oscquery), (OSC, osc)];
        let services: Vec<_> = services.into_iter().filter_map(|(kind, address)| Some((kind, address?))).collect();
        if !services.iter().any(|(_, address)| address.ip().is_unspecified()) {
            this.daemon.disable_interface(IfKind::All)?;
            for (_, address) in &services {
                this.daemon.enable_interface(interface(address.ip()))?;
            }
        }
        let host = host_name().unwrap_or_else(|| "melos".to_owned());
        let port = services.first().map_or(0, |(_, address)| address.port());
        let name = format!("Melos {port} on {host}");
        for (kind, address) in services {
            let new = |ip: &str| ServiceInfo::new(kind, &name, &format!("{host}.local."), ip, address.port(), &TXT[..]);
            let service = if address.ip().is_unspecified() {
                new("")?.enable_addr_auto()
            } else {
                new(&address.ip().to_string())?
            };
            this.daemon.register(service)?;
        }
        Ok(this)
    }
}

/// The TXT record, which DNS-SD requires; RFC 6763, section 6.
const TXT: [(&str, &str); 1] = [("txtvers", "1")];

/// Returns the selector for the interface that has the given address.
fn interface(address: IpAddr) -> IfKind {
    match address {
        IpAddr::V4(address) if address.is_loopback() => IfKind::LoopbackV4,
        IpAddr::V6(address) if address.is_loopback() => IfKind::LoopbackV6,
        _ => IfKind::Addr(address),
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // Sends goodbye packets to the network; if that fails, the records expire.
        let _ = self.daemon.shutdown();
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").finish_non_exhaustive()
    }
}
