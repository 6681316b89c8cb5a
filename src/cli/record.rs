//! `melos record`.

use rosc::OscType;

use super::client::Client;

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
    /// Begins a recording
    Start,
    /// Ends it
    Stop,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    if let Some(seconds) = args.preroll {
        args.melos.send("/melos/record/preroll", vec![OscType::Float(seconds)])?;
    }
    if let Some(format) = args.format {
        args.melos.send("/melos/record/format", vec![OscType::String(format)])?;
    }
    let on = args.what == What::Start;
    args.melos.send("/melos/record", vec![OscType::Int(i32::from(on))])?;
    args.melos.wait_for("record", &on.into())
}
