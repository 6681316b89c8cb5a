//! An HTTP client of the running daemon: sends queries and, to set parameters, OSC packets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use melos::quote::{choices, visible};
use rosc::{OscMessage, OscPacket, OscType, encoder};
use serde_json::Value as Json;

use super::endpoint::DaemonArgs;
use super::environment;

/// Time limit for a response, and for a change to take effect.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// Time within which the daemon lists a newly stored scene.
pub(super) const LISTING_DELAY: Duration = Duration::from_millis(500);
/// Interval between checks of whether a change has taken effect.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The environment variable with the daemon's password.
const PASSWORD: &str = "MELOS_PASSWORD";

/// The daemon to contact.
#[derive(Debug, clap::Args)]
pub(crate) struct Client {
    #[command(flatten)]
    daemon: DaemonArgs,
}

impl Client {
    /// Fetches the JSON at a path.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Json> {
        Ok(serde_json::from_str(&self.request("GET", path, &[])?)?)
    }

    /// Returns whether the daemon is on another machine.
    pub(crate) fn is_remote(&self) -> bool {
        self.daemon.http().is_ok_and(|address| !address.ip().is_loopback())
    }

    /// Fetches the list at a path and returns the names or ids of its entries.
    ///
    /// # Errors
    /// If no daemon responds.
    pub(crate) fn names(&self, path: &str, key: &str) -> anyhow::Result<Vec<String>> {
        let response = self.get(path)?;
        let entries = response[key].as_array().into_iter().flatten();
        Ok(entries.filter_map(|entry| entry.as_str().or_else(|| entry["id"].as_str()).map(str::to_owned)).collect())
    }

    /// Sends an OSC message.
    ///
    /// # Errors
    /// If no daemon responds, or if the daemon refuses the message; the error says why.
    pub(crate) fn send(&self, address: &str, args: Vec<OscType>) -> anyhow::Result<()> {
        let packet = encoder::encode(&OscPacket::Message(OscMessage { addr: address.to_owned(), args }))?;
        self.request("POST", "/osc", &packet).map(drop)
    }

    /// Sends a request and returns the body of a successful response.
    fn request(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<String> {
        let address = self.daemon.http()?;
        let (head, body) = request(address, method, path, body, TIMEOUT).with_context(|| {
            format!(
                "no Melos daemon responds on {address}; start one with `melos run`, or give its address with --http"
            )
        })?;
        match head.split_whitespace().nth(1) {
            Some("200" | "204") => Ok(body),
            Some("400" | "503") if let Some(reason) = error_in(&body) => bail!("{}", visible(&reason)),
            Some("401") if environment(PASSWORD).is_some() => bail!("{address} refuses the password in {PASSWORD}"),
            Some("401") => bail!("{address} requires a password: set {PASSWORD}"),
            Some("429") => bail!("{}", visible(body.trim_end())),
            Some("404" | "405") => {
                bail!("the Melos daemon on {address} does not serve {path}; is it an older version?")
            }
            _ => bail!("unexpected response from {address}: {}", head.lines().next().unwrap_or("nothing")),
        }
    }

    /// Waits until a parameter has the given value.
    ///
    /// # Errors
    /// If the parameter does not reach the value within [`TIMEOUT`]; the error says why.
    pub(crate) fn wait_for(&self, id: &str, value: &Json) -> anyhow::Result<()> {
        let fetch = || Ok(self.get("/status")?["parameters"][id].clone());
        let (current, applied) = poll(TIMEOUT, fetch, |current| current == value)?;
        if applied {
            return Ok(());
        }
        let known = self.choices(id);
        if !known.is_empty() && !known.iter().any(|choice| choice == value) {
            let kind = id.split('/').next().unwrap_or(id);
            bail!("there is no {kind} {value}; {}", choices(known.iter().filter_map(Json::as_str)));
        }
        let source = self.get("/status")?["parameters"]["tempo/source"].clone();
        if let (Some(source @ ("clock" | "link" | "jack")), "tempo") = (source.as_str(), id) {
            bail!(
                "tempo is still {current}: the tempo source is `{source}`; to set the tempo, first run `melos set tempo/source pinned`"
            );
        }
        bail!("{id} is still {current}: the daemon did not accept {value}; run `melos log` to see why");
    }

    /// Returns the values that a parameter currently accepts, such as preset names; empty if the daemon lists none.
    fn choices(&self, id: &str) -> Vec<Json> {
        let range = self.get(&format!("/melos/{id}?RANGE")).unwrap_or_default();
        range["RANGE"][0]["VALS"].as_array().cloned().unwrap_or_default()
    }
}

/// Fetches a value repeatedly until it meets a condition or the time limit has passed. Returns the last value, and
/// whether it met the condition.
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

/// Fetches the JSON at a path from the daemon at the address in `MELOS_HTTP`, or else on the default port; `None` if no
/// valid response arrives in time.
pub(super) fn get_from_default(path: &str, timeout: Duration) -> Option<Json> {
    let (_, body) = request(DaemonArgs::default().http().ok()?, "GET", path, &[], timeout).ok()?;
    serde_json::from_str(&body).ok()
}

/// Returns the error message in the body of a response, if it contains one.
fn error_in(body: &str) -> Option<String> {
    let body: Json = serde_json::from_str(body).ok()?;
    body["error"].as_str().map(str::to_owned)
}

/// Sends a request and splits the response into head and body. Uses HTTP/1.0, in which the response ends when the
/// connection closes.
fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
    timeout: Duration,
) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let authorization = environment(PASSWORD).map_or_else(String::new, |password| {
        format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("melos:{password}")))
    });
    let content = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n"),
    };
    let host = host(address);
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n{authorization}{content}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").context("the response is not HTTP")?;
    Ok((head.to_owned(), body.to_owned()))
}

/// Returns the value of `Host` for an address, without the scope of a link-local one, which means something only on this
/// machine.
fn host(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    SocketAddr::new(ip, port).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_no_scope() {
        for (address, expected) in
            [("127.0.0.1:9080", "127.0.0.1:9080"), ("[::1]:9080", "[::1]:9080"), ("[fe80::1%3]:9080", "[fe80::1]:9080")]
        {
            assert_eq!(host(address.parse().unwrap()), expected);
        }
    }
}
