//! The addresses on which the running daemon listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::str::FromStr;

use anyhow::{Context, bail};

const DEFAULT_OSC_PORT: u16 = 9000;
const DEFAULT_HTTP_PORT: u16 = 9080;

/// The addresses of a daemon, as given to `melos run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DaemonArgs {
    /// OSC address of the daemon, as given to `melos run`: a port, or address and port [default: 127.0.0.1:9000]
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    osc: Option<Endpoint>,
    /// HTTP address of the daemon, as given to `melos run`: a port, or address and port [default: 127.0.0.1:9080]
    #[arg(long, value_name = "[ADDRESS:]PORT", env = HTTP_VARIABLE)]
    http: Option<Endpoint>,
}

/// The environment variable for the HTTP address; completions use it too.
const HTTP_VARIABLE: &str = "MELOS_HTTP";

/// A port, or a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    host: Option<String>,
    port: u16,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("{text:?} is neither a port nor an address and port such as 127.0.0.2:9000 or [::1]:9000");
        let (host, port) = match text.rsplit_once(':') {
            None => (None, text),
            Some((host, port)) => {
                let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                (Some(host.to_owned()), port)
            }
        };
        if host.as_deref() == Some("") {
            return Err(expected());
        }
        Ok(Self { host, port: port.parse().map_err(|_| expected())? })
    }
}

impl DaemonArgs {
    /// Returns the addresses that apply without command-line options.
    pub(super) fn from_environment() -> Self {
        let http = std::env::var(HTTP_VARIABLE).ok().and_then(|http| http.parse().ok());
        Self { osc: None, http }
    }

    /// Returns whether an OSC address was given.
    pub(crate) fn has_osc(&self) -> bool {
        self.osc.is_some()
    }

    /// Returns the address to send OSC to.
    pub(crate) fn osc(&self) -> anyhow::Result<SocketAddr> {
        resolve(self.osc.as_ref(), DEFAULT_OSC_PORT)
    }

    /// Returns the address to send HTTP requests to.
    pub(crate) fn http(&self) -> anyhow::Result<SocketAddr> {
        resolve(self.http.as_ref(), DEFAULT_HTTP_PORT)
    }
}

/// Resolves an address to send to; an unspecified address, such as 0.0.0.0, becomes the loopback address.
fn resolve(endpoint: Option<&Endpoint>, default_port: u16) -> anyhow::Result<SocketAddr> {
    let host = endpoint.and_then(|endpoint| endpoint.host.as_deref()).unwrap_or("127.0.0.1");
    let port = endpoint.map_or(default_port, |endpoint| endpoint.port);
    let first = (host, port).to_socket_addrs().with_context(|| format!("cannot resolve {host}"))?.next();
    let Some(mut address) = first else { bail!("{host} has no address") };
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Ok(address)
}

/// Opens a UDP socket that can send to an address.
pub(crate) fn socket_to(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(osc: Option<&str>, http: Option<&str>) -> DaemonArgs {
        DaemonArgs { osc: osc.map(|osc| osc.parse().unwrap()), http: http.map(|http| http.parse().unwrap()) }
    }

    #[test]
    fn the_addresses_given_to_the_daemon_can_be_resolved() {
        for (osc, http, expected) in [
            (None, None, ["127.0.0.1:9000", "127.0.0.1:9080"]),
            (Some("9100"), None, ["127.0.0.1:9100", "127.0.0.1:9080"]),
            (Some("127.0.0.2:9210"), None, ["127.0.0.2:9210", "127.0.0.1:9080"]),
            (Some("127.0.0.2:9210"), Some("9280"), ["127.0.0.2:9210", "127.0.0.1:9280"]),
            (None, Some("127.0.0.3:1"), ["127.0.0.1:9000", "127.0.0.3:1"]),
            (Some("0.0.0.0:9000"), None, ["127.0.0.1:9000", "127.0.0.1:9080"]),
            (Some("[::1]:9000"), Some("80"), ["[::1]:9000", "127.0.0.1:80"]),
            (Some("[::]:9000"), None, ["[::1]:9000", "127.0.0.1:9080"]),
        ] {
            let args = args(osc, http);
            assert_eq!(
                [args.osc().unwrap(), args.http().unwrap()],
                expected.map(|address| address.parse().unwrap()),
                "{osc:?} {http:?}"
            );
        }
        assert_eq!(args(Some("localhost:7"), None).osc().unwrap().port(), 7);
        for invalid in ["", "host", "127.0.0.1", ":9000", "127.0.0.1:70000", "127.0.0.1:"] {
            assert!(invalid.parse::<Endpoint>().is_err(), "{invalid}");
        }
    }
}
