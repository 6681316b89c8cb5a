//! A running Melos: asked over HTTP, steered over OSC.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rosc::{OscMessage, OscPacket, OscType, encoder};
use serde_json::Value as Json;

/// How long Melos may take to answer, and to follow.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks whether it has followed.
const LOOK: Duration = Duration::from_millis(50);

/// Which Melos is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct Client {
    /// Machine that Melos runs on; MELOS_PASSWORD holds its password, if it asks for one
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    host: String,
    /// Its HTTP port
    #[arg(long, default_value_t = 9080, value_name = "PORT")]
    http: u16,
}

impl Client {
    /// The JSON at a path, by one HTTP/1.0 request, whose answer ends with the connection.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Json> {
        let (head, body) =
            self.ask(path).with_context(|| format!("no Melos answers on {}:{}", self.host, self.http))?;
        match head.split_whitespace().nth(1) {
            Some("200") => Ok(serde_json::from_str(&body)?),
            Some("401") => bail!("{} asks for a password: put it into MELOS_PASSWORD", self.host),
            Some("404") => bail!("the Melos on {} does not know {path}; is it an older one?", self.host),
            _ => bail!("{}:{} answered {}", self.host, self.http, head.lines().next().unwrap_or("nothing")),
        }
    }

    fn ask(&self, path: &str) -> anyhow::Result<(String, String)> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let password = std::env::var("MELOS_PASSWORD").map_or_else(
            |_| String::new(),
            |password| format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("melos:{password}"))),
        );
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}:{}\r\n{password}\r\n", self.host, self.http)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
        Ok((head.to_owned(), body.to_owned()))
    }

    fn connect(&self) -> anyhow::Result<TcpStream> {
        let mut failed = None;
        for address in (self.host.as_str(), self.http).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.map_or_else(|| anyhow::anyhow!("{} has no address", self.host), Into::into))
    }

    /// Sends a message to where Melos says that it listens to OSC.
    pub(crate) fn send(&self, address: &str, args: Vec<OscType>) -> anyhow::Result<()> {
        let info = self.get("/?HOST_INFO")?;
        let port = info["OSC_PORT"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.context("Melos does not say where it listens to OSC")?;
        let to = SocketAddr::new(self.connect()?.peer_addr()?.ip(), port);
        let here = SocketAddr::new(if to.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() }, 0);
        let packet = encoder::encode(&OscPacket::Message(OscMessage { addr: address.to_owned(), args }))?;
        UdpSocket::bind(here)?.send_to(&packet, to)?;
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
