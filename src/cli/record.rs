//! `melos record`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rosc::{OscMessage, OscPacket, OscType, encoder};

use super::status::ask;

/// How long the daemon may take to follow.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whether a recording begins or ends
    #[arg(value_enum)]
    what: What,
    /// Begin with the last seconds, at most 30
    #[arg(long, value_name = "SECONDS")]
    preroll: Option<f32>,
    /// Kind of file
    #[arg(long, value_parser = ["wav", "flac"])]
    format: Option<String>,
    /// The daemon's OSC port
    #[arg(long, default_value_t = 9000)]
    osc: u16,
    /// The daemon's HTTP port
    #[arg(long, default_value_t = 9080)]
    http: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Begins a recording
    Start,
    /// Ends it
    Stop,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    ask(local(args.http)).with_context(|| format!("no Melos answers on port {}", args.http))?;
    let socket = UdpSocket::bind(local(0))?;
    let send = |address: &str, value: OscType| -> anyhow::Result<()> {
        let packet = encoder::encode(&OscPacket::Message(OscMessage { addr: address.to_owned(), args: vec![value] }))?;
        socket.send_to(&packet, local(args.osc))?;
        Ok(())
    };
    if let Some(seconds) = args.preroll {
        send("/melos/record/preroll", OscType::Float(seconds))?;
    }
    if let Some(format) = args.format {
        send("/melos/record/format", OscType::String(format))?;
    }
    let on = args.what == What::Start;
    send("/melos/record", OscType::Int(i32::from(on)))?;
    let begun = Instant::now();
    while ask(local(args.http))?["parameters"]["record"] != on {
        if begun.elapsed() > PATIENCE {
            bail!("Melos answers on port {}, but not to OSC on port {}", args.http, args.osc);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
