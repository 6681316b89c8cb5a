//! Client of a running daemon: queries over HTTP, control over OSC.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use melos::quote::listed;
use rosc::{OscMessage, OscPacket, OscType, encoder};
use serde_json::Value as Json;

use super::endpoint::{DaemonArgs, socket_to};

/// Time limit for a response, and for a change to take effect.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// Interval between checks whether a change has been applied.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Which daemon to talk to.
#[derive(Debug, clap::Args)]
pub(crate) struct Client {
    #[command(flatten)]
    daemon: DaemonArgs,
}

impl Client {
    /// Fetches the JSON at a path with an HTTP/1.0 request, whose response ends when the connection closes.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Json> {
        let at = self.daemon.http()?;
        let (head, body) = request(at, path, TIMEOUT).with_context(|| {
            format!("no Melos daemon responds on {at}; start one with `melos run`, or give its address with --http")
        })?;
        match head.split_whitespace().nth(1) {
            Some("200") => Ok(serde_json::from_str(&body)?),
            Some("401") => bail!("{at} requires a password: set MELOS_PASSWORD"),
            Some("404") => bail!("the Melos daemon on {at} does not serve {path}; is it an older version?"),
            _ => bail!("expected an HTTP response from {at}, not {}", head.lines().next().unwrap_or("nothing")),
        }
    }

    /// Returns whether the daemon is on another machine.
    pub(crate) fn is_remote(&self) -> bool {
        self.daemon.http().is_ok_and(|at| !at.ip().is_loopback())
    }

    /// Sends an OSC message to the given address, otherwise to the port that the daemon reports.
    pub(crate) fn send(&self, address: &str, args: Vec<OscType>) -> anyhow::Result<()> {
        let to = if self.daemon.has_osc() {
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
        let fetch = || Ok(self.get("/status")?["parameters"][id].take());
        let (now, applied) = poll(TIMEOUT, fetch, |now| now == value)?;
        if applied {
            return Ok(());
        }
        let choices = self.choices(id);
        if !choices.is_empty() && !choices.iter().any(|choice| choice == value) {
            bail!("there is no {id} {value}; choose one of {}", listed(choices.iter().filter_map(Json::as_str)));
        }
        bail!("{id} is still {now}: the daemon did not accept {value}; run `melos log` to see why");
    }

    /// Returns the values that a parameter currently accepts, such as preset names; empty if it accepts any text.
    fn choices(&self, id: &str) -> Vec<Json> {
        let range = self.get(&format!("/melos/{id}?RANGE"));
        range
            .ok()
            .and_then(|mut range| range["RANGE"][0]["VALS"].as_array_mut().map(std::mem::take))
            .unwrap_or_default()
    }
}

/// Fetches a value repeatedly until it meets a condition or the time limit has passed. Returns the last value, and whether it
/// meets the condition.
pub(super) fn poll<T>(
    limit: Duration,
    mut fetch: impl FnMut() -> anyhow::Result<T>,
    condition: impl Fn(&T) -> bool,
) -> anyhow::Result<(T, bool)> {
    let started = Instant::now();
    loop {
        let value = fetch()?;
        let met = condition(&value);
        if met || started.elapsed() > limit {
            return Ok((value, met));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Fetches the JSON at a path from the daemon on the default port, or the one in `MELOS_HTTP`, if it responds in time.
pub(super) fn request_local(path: &str, timeout: Duration) -> Option<Json> {
    let (_, body) = request(DaemonArgs::from_environment().http().ok()?, path, timeout).ok()?;
    serde_json::from_str(&body).ok()
}

/// Sends a GET request and splits the response into head and body.
fn request(at: SocketAddr, path: &str, timeout: Duration) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&at, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let password = std::env::var("MELOS_PASSWORD").map_or_else(
        |_| String::new(),
        |password| format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("melos:{password}"))),
    );
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {at}\r\n{password}\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").context("the response is not HTTP")?;
    Ok((head.to_owned(), body.to_owned()))
}
