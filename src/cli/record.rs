//! `melos record`.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::bail;
use rosc::OscType;

use super::client::Client;

/// How long the daemon may take to follow.
const PATIENCE: Duration = Duration::from_secs(3);

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
    #[command(flatten)]
    melos: Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Begins a recording, and prints where
    Start,
    /// Ends it, and prints where it is
    Stop,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let status = args.melos.get("/status")?;
    let on = args.what == What::Start;
    // The first minute that is recorded without a device is nobody's wish; a take that was asked for goes on as it is.
    let asked = status["parameters"]["record"] == true;
    if !on && !asked {
        bail!("nothing is being recorded");
    }
    let attempts = &status["recording"]["attempts"];
    let send = |address: &str, value: OscType| args.melos.send(address, vec![value]);
    if let Some(seconds) = args.preroll {
        send("/melos/record/preroll", OscType::Float(seconds))?;
    }
    if let Some(format) = args.format {
        send("/melos/record/format", OscType::String(format))?;
    }
    send("/melos/record", OscType::Int(i32::from(on)))?;
    let begun = Instant::now();
    let now = loop {
        let now = args.melos.get("/status")?["recording"].take();
        let followed = if on { asked || now["attempts"] != *attempts } else { now["on"] == false };
        let decided = now["on"] == on || !now["trouble"].is_null();
        if followed && decided {
            break now;
        }
        if begun.elapsed() > PATIENCE {
            if let Some(trouble) = now["trouble"].as_str() {
                bail!("{trouble}");
            }
            bail!("Melos answers, but does not follow OSC");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if let Some(trouble) = now["trouble"].as_str() {
        bail!("{trouble}");
    }
    writeln!(std::io::stdout(), "{}", now["file"].as_str().unwrap_or_default())?;
    Ok(())
}
