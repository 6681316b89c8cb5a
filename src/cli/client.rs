//! An HTTP client of the running daemon: sends queries and, to set parameters, OSC packets.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use melos::files::{NameError, exact_name};
use melos::quote::visible;
use rosc::{OscMessage, OscPacket, OscType, encoder};
use serde_json::Value as Json;

use super::endpoint::DaemonArgs;
use super::environment;

/// Time limit for each part of a response, and for a change to take effect.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// Time limit for a whole response, as a multiple of that for a part.
const MAX_TIMEOUTS: u32 = 15;
/// Maximum size of a response in bytes, far above that of the longest log.
const MAX_RESPONSE: usize = 64 << 20;
/// Time within which the daemon lists a scene that was stored just now.
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
        let body = self.request("GET", path, &[])?;
        let answer = serde_json::from_str(&body).ok().filter(|answer| is_from_melos(path, answer));
        match answer {
            Some(answer) => Ok(answer),
            None => Err(another_program(self.daemon.http()?)),
        }
    }

    /// Fetches the status of a daemon that has started.
    ///
    /// # Errors
    /// If no daemon responds, or the daemon is still starting, and has no parameters or scenes yet.
    pub(super) fn status(&self) -> anyhow::Result<Json> {
        let status = self.get("/status")?;
        if status["state"].as_str().is_none_or(str::is_empty) {
            bail!("Melos is starting; try again in a moment");
        }
        Ok(status)
    }

    /// Returns whether the daemon is on another machine.
    pub(crate) fn is_remote(&self) -> bool {
        self.daemon.http().is_ok_and(|address| !address.ip().is_loopback())
    }

    /// Fetches the list at a path.
    ///
    /// # Errors
    /// If no daemon responds, or the daemon is still starting, when every list is empty.
    pub(super) fn list(&self, path: &str, key: &str) -> anyhow::Result<Json> {
        let list = self.get(path)?[key].take();
        if list.as_array().is_none_or(Vec::is_empty) {
            self.status()?;
        }
        Ok(list)
    }

    /// Fetches the names in the list at a path.
    ///
    /// # Errors
    /// As for [`Client::list`].
    pub(super) fn names(&self, path: &str, key: &str) -> anyhow::Result<Names> {
        Ok(Names::in_list(&self.list(path, key)?))
    }

    /// Fetches the list at a path until it contains a name, or until a scene stored just now under this name would be in it.
    ///
    /// # Errors
    /// As for [`Client::list`].
    pub(super) fn names_with(&self, path: &str, key: &str, name: &str) -> anyhow::Result<Names> {
        Ok(poll(LISTING_DELAY, || self.names(path, key), |names| names.contains(name))?.0)
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
        let (head, body) = request(address, method, path, body, TIMEOUT).map_err(|error| match error.kind() {
            ErrorKind::InvalidData => another_program(address),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                anyhow!("{address} did not answer within {} s", TIMEOUT.as_secs())
            }
            _ => anyhow!(
                "no Melos daemon responds on {address} ({}); start one with `melos run`, or give its address with \
                 --http",
                reason(&error)
            ),
        })?;
        match head.split_whitespace().nth(1) {
            Some("200" | "202" | "204") => Ok(body),
            Some("400" | "503") if let Some(reason) = error_in(&body) => bail!("{}", visible(&reason)),
            Some("401") if environment(PASSWORD).is_some() => bail!("{address} refuses the password in {PASSWORD}"),
            Some("401") => bail!("{address} requires a password: set {PASSWORD}"),
            Some("429") => bail!("{}", visible(body.trim_end())),
            Some("404" | "405") => {
                bail!("{address} does not serve {path}; is it an older version of Melos, or another program?")
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
        // A daemon that is still starting has no values yet, and accepts the change later.
        self.status()?;
        bail!("{id} is still {current}: the daemon did not accept {value}; run `melos log` to see why");
    }
}

/// The names in a list, each with its title or, if it has none, with the name again.
#[derive(Debug)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// Reads the names or ids of the entries of a list.
    pub(super) fn in_list(list: &Json) -> Self {
        let name_and_title = |entry: &Json| {
            let name = entry.as_str().or_else(|| entry["id"].as_str())?;
            Some((name.to_owned(), entry["name"].as_str().unwrap_or(name).to_owned()))
        };
        Self(list.as_array().into_iter().flatten().filter_map(name_and_title).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Returns the exact name that a text stands for, as in the daemon.
    ///
    /// # Errors
    /// If it stands for none, or for several.
    pub(super) fn exact(&self, kind: &'static str, text: &str) -> Result<&str, NameError> {
        exact_name(kind, text, self.0.iter().map(|(name, title)| (name.as_str(), title.as_str())))
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

/// Returns whether an answer contains what every answer of Melos at this path contains.
fn is_from_melos(path: &str, answer: &Json) -> bool {
    let key = match path.split('?').next().unwrap_or(path) {
        "/status" => "parameters",
        "/presets" => "presets",
        "/scenes" => "scenes",
        "/takes" => "takes",
        "/log" => "lines",
        _ => return answer.is_object(),
    };
    answer.get(key).is_some()
}

fn another_program(address: SocketAddr) -> anyhow::Error {
    anyhow!("another program, not Melos, answers at {address}; give the address of Melos with --http")
}

/// Describes an error without the number that the system gives to it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(text, _)| text).to_owned()
}

/// Returns the error message in the body of a response, if it contains one.
fn error_in(body: &str) -> Option<String> {
    let body: Json = serde_json::from_str(body).ok()?;
    body["error"].as_str().map(str::to_owned)
}

/// Sends a request and splits the response into head and body. Uses HTTP/1.0, in which the response ends when the
/// connection closes.
///
/// # Errors
/// [`ErrorKind::TimedOut`] or [`ErrorKind::WouldBlock`] if there is no response in time, and [`ErrorKind::InvalidData`] if
/// it is endless or not HTTP.
fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
    timeout: Duration,
) -> io::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
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
    let response = String::from_utf8(read_to_end(&mut stream, Instant::now() + MAX_TIMEOUTS * timeout)?);
    let response = response.map_err(|_| ErrorKind::InvalidData)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(ErrorKind::InvalidData)?;
    Ok((head.to_owned(), body.to_owned()))
}

/// Reads until the connection closes.
///
/// # Errors
/// [`ErrorKind::InvalidData`] if it is still open at the deadline or after [`MAX_RESPONSE`] bytes.
fn read_to_end(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let (mut response, mut part) = (Vec::new(), [0; 16_384]);
    while response.len() <= MAX_RESPONSE && Instant::now() < deadline {
        match stream.read(&mut part) {
            Ok(0) => return Ok(response),
            Ok(count) => response.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::InvalidData.into())
}

/// Returns the value of `Host` for an address, without the scope of a link-local one, which means something only on this
/// machine.
fn host(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    SocketAddr::new(ip, port).to_string()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        client: Client,
    }

    /// Returns a client of a program that responds to every request and then closes the connection.
    fn client_of(respond: impl Fn(&mut TcpStream) + Send + 'static) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                respond(&mut stream);
            }
        });
        Arguments::parse_from(["melos", "--http", &address]).client
    }

    #[test]
    fn other_programs_are_recognised() {
        for response in ["HTTP/1.0 200 OK\r\n\r\n<html>", "HTTP/1.0 200 OK\r\n\r\n{}", "SSH-2.0-OpenSSH\r\n"] {
            let client = client_of(move |stream| stream.write_all(response.as_bytes()).unwrap());
            let error = client.get("/status").unwrap_err().to_string();
            assert!(error.starts_with("another program, not Melos, answers at 127.0.0.1:"), "{response}: {error}");
        }
        let endless = client_of(|stream| while stream.write_all(&[b'x'; 65_536]).is_ok() {});
        let error = endless.get("/status").unwrap_err().to_string();
        assert!(error.starts_with("another program") && error.ends_with("--http"), "{error}");
    }

    #[test]
    fn a_daemon_that_is_starting_has_no_status_yet() {
        let answer = b"HTTP/1.0 200 OK\r\n\r\n{\"state\": \"\", \"parameters\": {}, \"scenes\": []}";
        let client = client_of(move |stream| stream.write_all(answer).unwrap());
        assert!(client.get("/status").is_ok());
        let errors = [
            client.status().unwrap_err(),
            client.names("/scenes", "scenes").unwrap_err(),
            client.wait_for("tempo", &Json::from(90)).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().starts_with("Melos is starting"), "{error}");
        }
    }

    #[test]
    fn the_cause_precedes_the_advice() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let client = Arguments::parse_from(["melos", "--http", &address]).client;
        let error = client.get("/status").unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            format!(
                "no Melos daemon responds on {address} (Connection refused); start one with `melos run`, or give its \
                 address with --http"
            )
        );
    }

    #[test]
    fn a_program_that_does_not_answer_is_reported() {
        let silent = client_of(|_| std::thread::sleep(2 * TIMEOUT));
        let error = silent.get("/status").unwrap_err().to_string();
        assert!(error.ends_with("did not answer within 2 s"), "{error}");
    }

    #[test]
    fn the_host_has_no_scope() {
        for (address, expected) in
            [("127.0.0.1:9080", "127.0.0.1:9080"), ("[::1]:9080", "[::1]:9080"), ("[fe80::1%3]:9080", "[fe80::1]:9080")]
        {
            assert_eq!(host(address.parse().unwrap()), expected);
        }
    }
}
