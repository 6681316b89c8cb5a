//! The UDP sockets: the one asked for, and beside IPv4's the one that `localhost` may mean as well.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;

/// The address on which else to listen, so that `localhost` reaches what it is resolved to: some programs take IPv6 first.
pub(in crate::remote) fn companion(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) if address == Ipv4Addr::LOCALHOST || address.is_unspecified() => {
            Some(Ipv6Addr::LOCALHOST.into())
        }
        IpAddr::V6(address) if address.is_loopback() => Some(Ipv4Addr::LOCALHOST.into()),
        _ => None,
    }
}

/// One or two sockets on one port.
#[derive(Debug)]
pub(super) struct Sockets {
    main: UdpSocket,
    companion: Option<UdpSocket>,
    /// Which one is looked at first, in turns, so that neither starves the other.
    turn: AtomicBool,
}

impl Sockets {
    /// Binds an address, and its companion where the system has one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let main = UdpSocket::bind(address).await?;
        let companion = match companion(address.ip()) {
            Some(ip) => UdpSocket::bind((ip, main.local_addr()?.port()))
                .await
                .inspect_err(|error| tracing::debug!(%ip, %error, "OSC listens on one address only"))
                .ok(),
            None => None,
        };
        Ok(Self { main, companion, turn: AtomicBool::new(false) })
    }

    /// Where the main one listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// The next datagram, from either. May be given up at any time without losing one.
    ///
    /// # Errors
    /// Those of the sockets; they can be used further.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let Some(companion) = &self.companion else { return self.main.recv_from(buffer).await };
        loop {
            let turn = self.turn.fetch_xor(true, Ordering::Relaxed);
            let order = if turn { [companion, &self.main] } else { [&self.main, companion] };
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

    /// Sends from the socket that reaches an address.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let fits = |socket: &&UdpSocket| socket.local_addr().is_ok_and(|local| local.is_ipv4() == to.is_ipv4());
        let socket = self.companion.as_ref().filter(fits).unwrap_or(&self.main);
        socket.send_to(bytes, to).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_and_nothing_else_is_opened() {
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
