//! The address of the running daemon.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};

use super::environment;

const DEFAULT_HTTP_PORT: u16 = 9080;

/// The option that selects the daemon by its address.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct DaemonArgs {
    /// HTTP address of the daemon, as given to `melos run`: a port, or address and port [default: MELOS_HTTP, otherwise
    /// 127.0.0.1:9080]
    #[arg(long, value_name = "[ADDRESS:]PORT")]
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
            || format!("{text:?} is neither a port nor an address with a port, such as 127.0.0.2:9000 or [::1]:9000");
        // As Melos prints its address.
        let plain = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = match plain.rsplit_once(':') {
            None => (None, plain),
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
    /// Returns the address to send HTTP requests to.
    pub(crate) fn http(&self) -> anyhow::Result<SocketAddr> {
        if self.http.is_some() {
            return resolve(self.http.as_ref());
        }
        let variable = environment(HTTP_VARIABLE).map(|text| text.parse::<Endpoint>()).transpose();
        resolve(variable.map_err(|error| anyhow!("{HTTP_VARIABLE}: {error}"))?.as_ref())
    }
}

/// Returns the address to send to, by default 127.0.0.1:9080. An unspecified address, such as 0.0.0.0, becomes the
/// loopback address.
fn resolve(endpoint: Option<&Endpoint>) -> anyhow::Result<SocketAddr> {
    let host = endpoint.and_then(|endpoint| endpoint.host.as_deref()).unwrap_or("127.0.0.1");
    let port = endpoint.map_or(DEFAULT_HTTP_PORT, |endpoint| endpoint.port);
    let first = (host, port).to_socket_addrs().with_context(|| format!("cannot resolve {host}"))?.next();
    let Some(mut address) = first else { bail!("{host} has no address") };
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_the_daemon_accepts_is_resolved() {
        let resolved = |text: Option<&str>| resolve(text.map(|text| text.parse().unwrap()).as_ref()).unwrap();
        for (text, expected) in [
            (None, "127.0.0.1:9080"),
            (Some("9280"), "127.0.0.1:9280"),
            (Some("http://127.0.0.3:9280/"), "127.0.0.3:9280"),
            (Some("127.0.0.3:1"), "127.0.0.3:1"),
            (Some("0.0.0.0:9000"), "127.0.0.1:9000"),
            (Some("[::1]:9000"), "[::1]:9000"),
            (Some("[::]:9000"), "[::1]:9000"),
        ] {
            assert_eq!(resolved(text), expected.parse().unwrap(), "{text:?}");
        }
        assert_eq!(resolved(Some("localhost:7")).port(), 7);
        for invalid in ["", "host", "127.0.0.1", ":9000", "127.0.0.1:70000", "127.0.0.1:"] {
            assert!(invalid.parse::<Endpoint>().is_err(), "{invalid}");
        }
    }
}
