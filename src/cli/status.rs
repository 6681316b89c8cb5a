//! `melos status`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use super::endpoint::DaemonArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Everything, as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let address = args.daemon.http()?;
    let answer = ask(address).with_context(|| format!("no Melos answers on {address}"))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(());
    }
    for (key, value) in answer.as_object().context("the answer is not a JSON object")? {
        match value {
            serde_json::Value::Object(inside) => {
                writeln!(out, "{}", key.replace('_', " "))?;
                for (id, value) in inside {
                    writeln!(out, "  {id:<24} {}", value.to_string().trim_matches('"'))?;
                }
            }
            value => writeln!(out, "{:<20} {}", key.replace('_', " "), value.to_string().trim_matches('"'))?,
        }
    }
    Ok(())
}

/// What the daemon says about itself, by one HTTP/1.0 request, whose answer ends with the connection.
pub(super) fn ask(address: SocketAddr) -> anyhow::Result<serde_json::Value> {
    let timeout = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(b"GET /status HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("the answer is not HTTP") };
    if !head.contains(" 200 ") {
        bail!("the answer was {}", head.lines().next().unwrap_or_default());
    }
    Ok(serde_json::from_str(body)?)
}
