//! `melos render`.

use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use melos::event::ControlEvent;
use melos::files;
use melos::files::library::Library;
use melos::files::preset::{Preset, Walk, begin_with};
use melos::generator::Generator;
use melos::generator::model::{Models, find_model, runtime};
use melos::output::record::{Bits, Format, SoundFile};
use melos::session::log::{ControlLog, Entry};
use melos::session::offline::Offline;
use melos::units::{frames_to_seconds, seconds_to_frames};

use super::data::DataArgs;
use super::plan_file::PlanFile;
use super::progress::Progress;
use super::settings::StartArgs;

/// Frames rendered between two looks at the progress bar: one latent.
const BLOCK: usize = 4096;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File to write, stereo, 48 kHz: name.wav, which is RF64 where it grows beyond 4 GB, or name.flac
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Preset to begin with, journey and all
    #[arg(long, conflicts_with = "control_log")]
    preset: Option<String>,
    #[command(flatten)]
    start: StartArgs,
    /// How long, in seconds [default: 30, or as long as the control log]
    #[arg(long)]
    seconds: Option<f64>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Renders a recorded session, or the recording beside the log, again, bit for bit
    #[arg(long, value_name = "LOG", conflicts_with = "seed")]
    control_log: Option<PathBuf>,
    /// Also write what was asked of the music, as JSON lines, one for every 4096 frames
    #[arg(long, value_name = "JSONL")]
    plan: Option<PathBuf>,
    /// Also says how far it has come on standard output, as JSON lines with the highest sample since the line before
    #[arg(long)]
    progress: bool,
    /// Bits per sample; 32 is floating point
    #[arg(long, default_value = "24", value_parser = clap::builder::PossibleValuesParser::new(["16", "24", "32"]))]
    bits: String,
    /// Model: a folder in models/
    #[arg(long, default_value = "melos-piano")]
    model: String,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let (format, bits) = format(&args.output, &args.bits)?;
    let mut log = match &args.control_log {
        Some(path) => read_log(path)?,
        None => ControlLog::default(),
    };
    if args.control_log.is_none() {
        log.header.seed = args.seed;
    }
    let places = args.data.places()?;
    let mut journey = None;
    if let Some(name) = &args.preset {
        let (presets, problems) = Library::open(places.all("presets"), Preset::read);
        problems.iter().for_each(|problem| tracing::warn!("{problem}"));
        let (settings, preset) = begin_with(&presets, name)?;
        log.header.settings = settings;
        // As on stage, where the plan of the first frame stands before anything moves.
        let moving = preset.modulations.iter();
        log.entries.extend(moving.map(|(param, by)| (1, Entry::Event(ControlEvent::Modulate(*param, Some(*by))))));
        journey = Some(Walk::new(&preset, 0));
    }
    let start = args.start.values()?;
    if start.iter().any(|(param, _)| param.policy().ends_journey) {
        journey = None;
    }
    log.header.settings.extend(start);

    let mut frames = log.frames();
    match args.seconds {
        Some(seconds) if !(seconds > 0.0 && seconds < 1e6) => bail!("--seconds {seconds} is not a length"),
        Some(seconds) => frames.end = frames.start + seconds_to_frames(seconds),
        None if frames.is_empty() => frames.end = seconds_to_frames(30.0),
        None => {}
    }
    for (frame, step) in journey.into_iter().flatten().take_while(|(frame, _)| frames.contains(frame)) {
        // As there, too.
        let frame = frame.max(1);
        log.entries
            .extend(step.into_iter().map(|(param, value)| (frame, Entry::Event(ControlEvent::Set(param, value)))));
    }
    let models = Models::load(runtime()?, &find_model(&places, &args.model)?)?;
    let mut performance = Offline::new(log, Generator::new(models)?);
    let sound = SoundFile::create(&args.output, format, bits)?;
    write(&args, &mut performance, frames, sound)
}

/// Renders up to the last of the frames, and writes them into the file.
fn write(args: &Args, performance: &mut Offline, wanted: Range<u64>, mut sound: SoundFile) -> anyhow::Result<()> {
    let mut plan = args.plan.as_deref().map(PlanFile::create).transpose()?;

    let bar = ProgressBar::new(wanted.end)
        .with_style(ProgressStyle::with_template("{wide_bar} {percent}% {msg}").expect("the template is well-formed"));
    let mut progress = args.progress.then(|| Progress::new(wanted.end));
    let start = Instant::now();
    let mut block = vec![0.0f32; 2 * BLOCK];
    let mut done = 0;
    while done < wanted.end {
        let border = if done < wanted.start { wanted.start } else { wanted.end };
        let frames = (border - done).min(BLOCK as u64);
        let out = &mut block[..2 * frames as usize];
        performance.render(out)?;
        if let (Some(file), Some(plan)) = (&mut plan, performance.plan()) {
            file.write(plan, done)?;
        }
        if done >= wanted.start {
            sound.write(out.as_chunks().0)?;
        }
        done += frames;
        bar.set_position(done);
        if let Some(progress) = &mut progress {
            progress.note(done, out)?;
        }
        bar.set_message(format!("{:.1}× real time", frames_to_seconds(done) / start.elapsed().as_secs_f64()));
    }
    if let Some(file) = plan {
        file.finish()?;
    }
    sound.finish()?;
    bar.finish();
    let seconds = start.elapsed().as_secs_f64();
    super::tell(format_args!(
        "{}: {:.1} s of music in {seconds:.1} s, a real-time factor of {:.3}",
        args.output.display(),
        frames_to_seconds(done),
        seconds / frames_to_seconds(done)
    ));
    Ok(())
}

/// What a file's name and the bits asked for say about it.
fn format(path: &Path, bits: &str) -> anyhow::Result<(Format, Bits)> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let format = match ending.as_str() {
        "wav" | "wave" => Format::Wav,
        "flac" => Format::Flac,
        _ => bail!("{}: expected a name that ends in .wav or .flac", path.display()),
    };
    let bits = match bits {
        "16" => Bits::Sixteen,
        "32" => Bits::Float,
        _ => Bits::TwentyFour,
    };
    if (format, bits) == (Format::Flac, Bits::Float) {
        bail!("{}: FLAC holds 16 or 24 bits; choose --bits 24, or a name that ends in .wav", path.display());
    }
    Ok((format, bits))
}

fn read_log(path: &Path) -> anyhow::Result<ControlLog> {
    let file = files::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    ControlLog::read(BufReader::new(file)).with_context(|| path.display().to_string())
}
