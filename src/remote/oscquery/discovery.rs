//! Being found: zeroconf over multicast DNS.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use thiserror::Error;

use super::door::host_name;

/// Service type of OSCQuery over HTTP.
const OSCQUERY: &str = "_oscjson._tcp.local.";
/// Service type of OSC over UDP.
const OSC: &str = "_osc._udp.local.";

/// Why the instrument cannot be advertised; it can still be reached by its address.
#[derive(Debug, Error)]
#[error("zeroconf: {0}")]
pub struct DiscoveryError(#[from] mdns_sd::Error);

/// Keeps OSCQuery (`_oscjson._tcp`) and OSC (`_osc._udp`) advertised until dropped.
pub struct Discovery {
    daemon: ServiceDaemon,
}

impl Discovery {
    /// Advertises OSCQuery, OSC, or both, on the interfaces where they can be reached: all of them for an address such as
    /// 0.0.0.0, the one that has the address otherwise; so 127.0.0.1 never goes beyond this machine.
    /// Starts a thread of its own.
    ///
    /// # Errors
    /// When multicast DNS cannot be used.
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

/// DNS-SD asks for a TXT record even where there is nothing to say; RFC 6763, section 6.
const TXT: [(&str, &str); 1] = [("txtvers", "1")];

/// The interface that has an address.
fn interface(address: IpAddr) -> IfKind {
    match address {
        IpAddr::V4(address) if address.is_loopback() => IfKind::LoopbackV4,
        IpAddr::V6(address) if address.is_loopback() => IfKind::LoopbackV6,
        _ => IfKind::Addr(address),
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // Says goodbye to the network; when even that fails, the records expire by themselves.
        let _ = self.daemon.shutdown();
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").finish_non_exhaustive()
    }
}
