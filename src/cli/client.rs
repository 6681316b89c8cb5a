//! A running Melos: asked over HTTP, steered over OSC.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rosc::{OscMessage, OscPacket, OscType, encoder};
use serde_json::Value as Json;

use super::endpoint::{DaemonArgs, socket_to};

/// How long Melos may take to answer, and to follow.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks whether it has followed.
const LOOK: Duration = Duration::from_millis(50);

/// Which Melos is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct Client {
    #[command(flatten)]
    daemon: DaemonArgs,
}

impl Client {
    /// The JSON at a path, by one HTTP/1.0 request, whose answer ends with the connection.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Json> {
        let at = self.daemon.http()?;
        let (head, body) = ask(at, path).with_context(|| format!("no Melos answers on {at}"))?;
        match head.split_whitespace().nth(1) {
            Some("200") => Ok(serde_json::from_str(&body)?),
            Some("401") => bail!("{at} asks for a password: put it into MELOS_PASSWORD"),
            Some("404") => bail!("the Melos on {at} does not know {path}; is it an older one?"),
            _ => bail!("{at} answered {}", head.lines().next().unwrap_or("nothing")),
        }
    }

    /// Sends a message to where Melos listens to OSC: as given, else where it says that it does.
    pub(crate) fn send(&self, address: &str, args: Vec<OscType>) -> anyhow::Result<()> {
        let to = if self.daemon.names_osc() {
            self.daemon.osc()?
        } else {
            let port = self.get("/?HOST_INFO")?["OSC_PORT"].as_u64().and_then(|port| u16::try_from(port).ok());
            SocketAddr::new(self.daemon.http()?.ip(), port.context("Melos does not say where it listens to OSC")?)
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
            if begun.elapsed() > PATIENCE {
                bail!("{id} is still {now}: Melos did not take {value}; its log says why");
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The head and the body of an answer.
fn ask(at: SocketAddr, path: &str) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
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
