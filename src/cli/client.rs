//! Client of a running daemon: queries over HTTP, control over OSC.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rosc::{OscMessage, OscPacket, OscType, encoder};
use serde_json::Value as Json;

use super::endpoint::{DaemonArgs, socket_to};

/// Time for the daemon to answer, and to apply a change.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Interval between checks whether the change has been applied.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Which daemon to talk to.
#[derive(Debug, clap::Args)]
pub(crate) struct Client {
    #[command(flatten)]
    daemon: DaemonArgs,
}

impl Client {
    /// Fetches the JSON at a path with one HTTP/1.0 request; the response ends when the connection closes.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Json> {
        let at = self.daemon.http()?;
        let (head, body) = ask(at, path).with_context(|| format!("no Melos daemon answers on {at}"))?;
        match head.split_whitespace().nth(1) {
            Some("200") => Ok(serde_json::from_str(&body)?),
            Some("401") => bail!("{at} requires a password: set MELOS_PASSWORD"),
            Some("404") => bail!("the Melos daemon on {at} does not serve {path}; is it an older version?"),
            _ => bail!("{at} answered {}", head.lines().next().unwrap_or("nothing")),
        }
    }

    /// Sends an OSC message to the address given, or else to the port that the daemon reports.
    pub(crate) fn send(&self, address: &str, args: Vec<OscType>) -> anyhow::Result<()> {
        let to = if self.daemon.names_osc() {
            self.daemon.osc()?
        } else {
            let port = self.get("/?HOST_INFO")?["OSC_PORT"].as_u64().and_then(|port| u16::try_from(port).ok());
            SocketAddr::new(
                self.daemon.http()?.ip(),
                port.context("the daemon does not report its OSC port; give it with --osc")?,
            )
        };
        let packet = encoder::encode(&OscPacket::Message(OscMessage { addr: address.to_owned(), args }))?;
        socket_to(to)?.send_to(&packet, to)?;
        Ok(())
    }

    /// Waits until a parameter has a value.
    pub(crate) fn wait_for(&self, id: &str, value: &Json) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let now = self.get("/status")?["parameters"][id].take();
            if now == *value {
                return Ok(());
            }
            if begun.elapsed() > TIMEOUT {
                bail!("{id} is still {now}: the daemon did not accept {value}; run `melos log` to see why");
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Splits a response into head and body.
fn ask(at: SocketAddr, path: &str) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&at, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let password = std::env::var("MELOS_PASSWORD").map_or_else(
        |_| String::new(),
        |password| format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("melos:{password}"))),
    );
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {at}\r\n{password}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    Ok((head.to_owned(), body.to_owned()))
}
