//! `melos render`.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use melos::event::ControlEvent;
use melos::event::log::{ControlLog, Entry};
use melos::files;
use melos::files::config::Config;
use melos::files::library::Library;
use melos::files::preset::{JourneySteps, Preset, initial_preset};
use melos::generator::Generator;
use melos::generator::model::{Models, find_model, runtime};
use melos::output::record::{Bits, Format, SoundFile};
use melos::session::checkpoint::{Checkpoint, checkpoint_files, checkpoint_folder, take_checkpoint_path};
use melos::session::midi_file::MidiFile;
use melos::session::offline::Offline;
use melos::units::{frames_to_seconds, seconds_to_frames};

use super::complete;
use super::data::DataArgs;
use super::destination::{Destination, refuse_shared_files};
use super::plan_file::PlanFile;
use super::progress::Progress;
use super::settings::{StartArgs, seed};

/// Frames rendered between updates of the progress bar: one latent.
const BLOCK_FRAMES: usize = 4096;
/// Maximum length of a render in seconds: eleven days.
const MAX_SECONDS: f64 = 1e6;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File to write: name.wav (RF64 beyond 4 GB) or name.flac, stereo, 48 kHz; name.mid for the notes only
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Preset to start with, including its journey
    #[arg(long, conflicts_with = "control_log", add = complete::preset_files())]
    preset: Option<String>,
    #[command(flatten)]
    start: StartArgs,
    /// Length in seconds [default: 30, or up to the end of the control log]
    #[arg(long, allow_negative_numbers = true)]
    seconds: Option<f64>,
    /// Position at which to start, in seconds from the start of the take (for a session's control log, from the start
    /// of the log)
    #[arg(long, value_name = "SECONDS", requires = "control_log", allow_negative_numbers = true)]
    from: Option<f64>,
    /// Seed for all random choices
    #[arg(long, default_value_t = 1, value_parser = seed())]
    seed: u64,
    /// Render a session or take again from its control log, bit for bit
    #[arg(long, value_name = "LOG", conflicts_with = "seed")]
    control_log: Option<PathBuf>,
    /// Also write the notes of piano, bass, pad and upper voice, with chords and tempo, as a Standard MIDI File
    #[arg(long, value_name = "FILE")]
    midi: Option<PathBuf>,
    /// Also write the plan as JSON Lines, one line every 4096 frames
    #[arg(long, value_name = "JSONL")]
    plan: Option<PathBuf>,
    /// Also print progress to standard output as JSON Lines, each line with the peak since the previous one
    #[arg(long)]
    progress: bool,
    /// Bits per sample; 32 is floating point
    #[arg(long, default_value = "24", value_parser = clap::builder::PossibleValuesParser::new(["16", "24", "32"]))]
    bits: String,
    /// Model: a folder in models/ [default: that of the control log, otherwise melos-piano]
    #[arg(long, add = complete::models())]
    model: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let sound = sound_format(&args.output, &args.bits)?;
    refuse_shared_files(&[
        ("--control-log", args.control_log.as_deref()),
        ("--output", Some(&*args.output)),
        ("--midi", args.midi.as_deref()),
        ("--plan", args.plan.as_deref()),
    ])?;
    let mut log = match &args.control_log {
        Some(path) => read_log(path)?,
        None => ControlLog::default(),
    };
    if args.control_log.is_none() {
        log.header.seed = args.seed;
    }
    // Before a preset adds its own entries, which say nothing about the length.
    let frames = requested_frames(&args, &log)?;
    let search_path = args.data.search_path()?;
    let mut journey = None;
    if let Some(name) = &args.preset {
        let (presets, problems) = Library::open(search_path.candidates("presets"), Preset::read);
        problems.iter().for_each(|problem| tracing::warn!("{problem}"));
        let (settings, preset) = initial_preset(&presets, name)?;
        log.header.settings = settings;
        // As in a live session, the plan of frame 0 is fixed before any modulation takes effect.
        let modulations = preset.modulations.iter();
        log.entries.extend(
            modulations.map(|(param, modulation)| (1, Entry::Event(ControlEvent::Modulate(*param, Some(*modulation))))),
        );
        journey = Some(JourneySteps::new(&preset, 0));
    }
    let start = args.start.values()?;
    if let Some((param, _)) = start.iter().find(|(param, _)| param.is_only_live()) {
        bail!(
            "--set {}: a render cannot use this; scenes, setlists, the timer, recordings and triggers belong to a live performance \
             (`melos run`)",
            param.spec().id
        );
    }
    if start.iter().any(|(param, _)| param.policy().ends_journey) {
        journey = None;
    }
    log.header.settings.extend(start);
    for (frame, step) in journey.into_iter().flatten().take_while(|(frame, _)| frames.contains(frame)) {
        // As in a live session, the plan of frame 0 is fixed before any event takes effect.
        let frame = frame.max(1);
        log.entries
            .extend(step.into_iter().map(|(param, value)| (frame, Entry::Event(ControlEvent::Set(param, value)))));
    }
    let default = Config::default().model;
    let (played, fingerprint) = log.header.model.rsplit_once(' ').unwrap_or((&default, ""));
    let models = Models::load(runtime()?, &find_model(&search_path, args.model.as_deref().unwrap_or(played))?)?;
    let same_model = fingerprint == models.manifest.fingerprint();
    if let Some(path) = args.control_log.as_deref().filter(|_| !same_model && !fingerprint.is_empty()) {
        tracing::warn!(
            "{}: the performance used another model, or another version of it, so this render differs from it",
            path.display()
        );
    }
    let log_info = LogInfo { start_frame: log.header.start_frame, model: log.header.model.clone() };
    let mut performance = Offline::new(log, Generator::new(models)?);
    let midi: Vec<&Path> = args.midi.as_deref().into_iter().chain(sound.is_none().then_some(&*args.output)).collect();
    if !midi.is_empty() {
        performance.collect_notes();
    }
    if let Some(path) = &args.control_log {
        // A MIDI file also needs the notes and mutes from before its first frame, and a plan file covers the whole log.
        let from_start = !midi.is_empty() || args.plan.is_some();
        let latest = if from_start { log_info.start_frame.unwrap_or(0) } else { frames.start };
        log_info.resume(path, same_model, latest, &mut performance)?;
    }
    let sound = sound.map(|(format, bits)| -> anyhow::Result<_> {
        let destination = Destination::new(&args.output)?;
        Ok((SoundFile::create(&destination.written, format, bits)?, destination))
    });
    let sound = sound.transpose()?;
    render(&args, &mut performance, frames.clone(), sound)?;
    let Some(notes) = performance.take_notes() else { return Ok(()) };
    let notes = MidiFile::new(frames, notes);
    for path in midi {
        let destination = Destination::new(path)?;
        let write = || {
            let mut file = File::create(&destination.written)?;
            notes.write(&mut file)?;
            files::sync(&file)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        destination.finish()?;
    }
    Ok(())
}

/// Returns the frames to render: the part of the log, or the length, that the options request.
fn requested_frames(args: &Args, log: &ControlLog) -> anyhow::Result<Range<u64>> {
    let mut frames = log.frames();
    if let Some(from) = args.from {
        if !(from >= 0.0 && seconds_to_frames(from) < frames.end - frames.start) {
            let seconds = frames_to_seconds(frames.end - frames.start);
            bail!("--from {from}: expected at least 0 and less than {seconds:.2}, the control log's length in seconds");
        }
        frames.start += seconds_to_frames(from);
    }
    match args.seconds {
        Some(seconds) if !(seconds > 0.0 && seconds < MAX_SECONDS) => {
            bail!("--seconds {seconds}: expected a number above 0 and below {MAX_SECONDS}")
        }
        Some(seconds) => frames.end = frames.start + seconds_to_frames(seconds),
        None if frames.is_empty() => frames.end = frames.start + seconds_to_frames(30.0),
        None => {}
    }
    let seconds = frames_to_seconds(frames.end - frames.start);
    if let Some(path) = args.control_log.as_deref().filter(|_| seconds > MAX_SECONDS) {
        let path = path.display();
        bail!(
            "{path}: expected a part of at most {MAX_SECONDS} s, not {seconds:.0} s; choose its length with --seconds"
        );
    }
    Ok(frames)
}

/// The properties of a control log that determine which checkpoints can be used.
struct LogInfo {
    /// The frame of the checkpoint at which the log begins; `None` if it begins with the session.
    start_frame: Option<u64>,
    model: String,
}

impl LogInfo {
    /// Resumes from a usable checkpoint of the log at or before frame `latest`, if there is one: preferably the one
    /// beside the take, otherwise the newest.
    ///
    /// # Errors
    /// If there is none, and the log does not begin with the session.
    fn resume(&self, log: &Path, same_model: bool, latest: u64, performance: &mut Offline) -> anyhow::Result<()> {
        let checkpoints =
            checkpoint_files(&checkpoint_folder(log)).into_iter().filter(|file| file.frame <= latest).rev();
        let take_checkpoint = Some(take_checkpoint_path(log)).filter(|path| path.exists());
        for path in take_checkpoint.into_iter().chain(checkpoints.map(|file| file.path)).filter(|_| same_model) {
            let resumed = Checkpoint::read(&path, &self.model).and_then(|checkpoint| {
                let is_early_enough = checkpoint.frame <= latest;
                if is_early_enough { performance.resume(&checkpoint).map(|()| true) } else { Ok(false) }
            });
            match resumed {
                Ok(true) => {
                    let seconds = frames_to_seconds(performance.frame());
                    tracing::info!("rendering from {}, {seconds:.0} s into the session", path.display());
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => tracing::warn!("cannot use the checkpoint {}: {error}", path.display()),
            }
        }
        match self.start_frame {
            Some(frame) => bail!(
                "{}: the log begins at a checkpoint (frame {frame}), and neither that one nor a later one up to frame {latest} can \
                 be used; put the log's checkpoints in {} and render with the model that the performance used",
                log.display(),
                checkpoint_folder(log).display()
            ),
            None => Ok(()),
        }
    }
}

/// Renders up to `range.end`, and writes the frames in `range` to the sound file, if there is one.
fn render(
    args: &Args,
    performance: &mut Offline,
    range: Range<u64>,
    mut sound: Option<(SoundFile, Destination)>,
) -> anyhow::Result<()> {
    let plan = args.plan.as_deref().map(|path| -> anyhow::Result<_> {
        let destination = Destination::new(path)?;
        Ok((PlanFile::create(&destination.written)?, destination))
    });
    let mut plan = plan.transpose()?;

    let progress_bar = ProgressBar::new(range.end).with_style(
        ProgressStyle::with_template("{wide_bar} {percent}% {msg}").expect("the template should be well-formed"),
    );
    let mut progress = args.progress.then(|| Progress::new(range.end));
    let start = Instant::now();
    let mut block = vec![0.0f32; 2 * BLOCK_FRAMES];
    let first_frame = performance.frame();
    let mut done = first_frame;
    while done < range.end {
        let boundary = if done < range.start { range.start } else { range.end };
        let frames = (boundary - done).min(BLOCK_FRAMES as u64);
        let out = &mut block[..2 * frames as usize];
        performance.render(out)?;
        if let (Some((file, _)), Some(plan)) = (&mut plan, performance.plan()) {
            file.write(plan, done)?;
        }
        if let Some((sound, _)) = sound.as_mut().filter(|_| done >= range.start) {
            sound.write(out.as_chunks().0)?;
        }
        done += frames;
        progress_bar.set_position(done);
        // The render does not depend on whoever reads the progress.
        if progress.as_mut().is_some_and(|progress| progress.report(done, out).is_err()) {
            progress = None;
        }
        progress_bar.set_message(format!(
            "{:.1}× real time",
            frames_to_seconds(done - first_frame) / start.elapsed().as_secs_f64()
        ));
    }
    if let Some((file, destination)) = plan {
        file.finish()?;
        destination.finish()?;
    }
    if let Some((sound, destination)) = sound {
        sound.finish()?;
        destination.finish()?;
    }
    progress_bar.finish();
    let seconds = start.elapsed().as_secs_f64();
    // The music before the requested part is generated too, but not written.
    super::to_stderr(format_args!(
        "{}: {:.1} s of music in {seconds:.1} s, real-time factor {:.3}",
        args.output.display(),
        frames_to_seconds(range.end - range.start),
        seconds / frames_to_seconds(done - first_frame)
    ));
    Ok(())
}

/// Returns the format and sample size that a file name and `--bits` request; `None` for a MIDI file.
fn sound_format(path: &Path, bits: &str) -> anyhow::Result<Option<(Format, Bits)>> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let format = match extension.as_str() {
        "wav" | "wave" => Format::Wav,
        "flac" => Format::Flac,
        "mid" | "midi" => return Ok(None),
        _ => bail!("{}: expected a name ending in .wav, .flac or .mid", path.display()),
    };
    let bits = match bits {
        "16" => Bits::Sixteen,
        "32" => Bits::Float,
        _ => Bits::TwentyFour,
    };
    if (format, bits) == (Format::Flac, Bits::Float) {
        bail!(
            "{}: FLAC has no floating-point samples; choose --bits 16 or 24, or a name ending in .wav",
            path.display()
        );
    }
    Ok(Some((format, bits)))
}

fn read_log(path: &Path) -> anyhow::Result<ControlLog> {
    let file = files::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    ControlLog::read(BufReader::new(file)).with_context(|| path.display().to_string())
}
