//! The UDP sockets: one for the requested address and, if clients may use `localhost`, one for the other IP version.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;

/// Returns the second address to listen on, if any, so that `localhost` works whether it resolves to IPv4 or IPv6.
pub(in crate::remote) fn companion(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) if address == Ipv4Addr::LOCALHOST || address.is_unspecified() => {
            Some(Ipv6Addr::LOCALHOST.into())
        }
        IpAddr::V6(address) if address.is_loopback() => Some(Ipv4Addr::LOCALHOST.into()),
        _ => None,
    }
}

/// Returns whether datagrams to an address reach the server that is bound to `bound`.
pub(super) fn is_own(address: SocketAddr, bound: SocketAddr) -> bool {
    let (ip, bound_ip) = (address.ip().to_canonical(), bound.ip().to_canonical());
    // Only addresses of this machine can be bound.
    let is_local = || std::net::UdpSocket::bind((ip, 0)).is_ok();
    address.port() == bound.port()
        && (ip == bound_ip || companion(bound_ip) == Some(ip) || bound_ip.is_unspecified() && is_local())
}

/// One or two sockets on one port.
#[derive(Debug)]
pub(super) struct Sockets {
    main: UdpSocket,
    companion: Option<UdpSocket>,
    /// Whether the companion is read first; alternates, so that neither socket starves.
    companion_first: AtomicBool,
}

impl Sockets {
    /// Binds an address and, if possible, its companion.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let main = UdpSocket::bind(address).await?;
        let companion = match companion(address.ip()) {
            Some(ip) => UdpSocket::bind((ip, main.local_addr()?.port()))
                .await
                .inspect_err(|error| tracing::debug!(%ip, %error, "cannot listen for OSC on the second address"))
                .ok(),
            None => None,
        };
        Ok(Self { main, companion, companion_first: AtomicBool::new(false) })
    }

    /// Returns the main address.
    ///
    /// # Errors
    /// When the system does not report it.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// Receives the next datagram from either socket. Cancel-safe.
    ///
    /// # Errors
    /// Socket errors; the sockets stay usable.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let Some(companion) = &self.companion else { return self.main.recv_from(buffer).await };
        loop {
            let companion_first = self.companion_first.fetch_xor(true, Ordering::Relaxed);
            let order = if companion_first { [companion, &self.main] } else { [&self.main, companion] };
            for socket in order {
                match socket.try_recv_from(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    received => return received,
                }
            }
            tokio::select! {
                ready = self.main.readable() => ready?,
                ready = companion.readable() => ready?,
            }
        }
    }

    /// Sends a datagram from the socket that can reach its destination.
    ///
    /// # Errors
    /// Socket errors.
    pub(super) async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let same_version = |socket: &&UdpSocket| socket.local_addr().is_ok_and(|local| local.is_ipv4() == to.is_ipv4());
        let socket = self.companion.as_ref().filter(same_version).unwrap_or(&self.main);
        socket.send_to(bytes, to).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_knows_its_own_addresses() {
        for (bound, address, expected) in [
            ("127.0.0.1:9000", "127.0.0.1:9000", true),
            ("127.0.0.1:9000", "[::ffff:127.0.0.1]:9000", true),
            ("127.0.0.1:9000", "[::1]:9000", true),
            ("127.0.0.1:9000", "127.0.0.1:9001", false),
            ("127.0.0.1:9000", "127.0.0.2:9000", false),
            ("0.0.0.0:9000", "127.0.0.2:9000", true),
            // Reserved for documentation, so never an address of this machine.
            ("0.0.0.0:9000", "192.0.2.1:9000", false),
            ("[::]:9000", "127.0.0.1:9000", true),
        ] {
            assert_eq!(is_own(address.parse().unwrap(), bound.parse().unwrap()), expected, "{address} at {bound}");
        }
    }

    #[test]
    fn only_localhost_and_the_ipv4_wildcard_have_a_second_address() {
        for (address, expected) in [
            ("127.0.0.1", Some("::1")),
            ("::1", Some("127.0.0.1")),
            ("0.0.0.0", Some("::1")),
            ("::", None),
            ("127.0.0.2", None),
            ("192.0.2.1", None),
        ] {
            let expected = expected.map(|ip| ip.parse().unwrap());
            assert_eq!(companion(address.parse().unwrap()), expected, "{address}");
        }
    }
}
