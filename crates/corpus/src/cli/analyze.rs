//! `melos-corpus analyze`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use melos::mel::{FRAMES_PER_SECOND, MelFrame};
use melos::music::theory::PITCH_NAMES;
use melos_corpus::analysis::{self, Analysis, Frame, decode, image};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Audio files: WAV, FLAC, MP3, OGG, M4A, MP4 or AAC
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print JSON: a list with one entry per file
    #[arg(long)]
    json: bool,
    /// Include the values of every frame in the JSON
    #[arg(long, requires = "json")]
    frames: bool,
    /// Write the mel spectrogram of each file as an image beside it, FILE.mel.png
    #[arg(long)]
    png: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut entries = Vec::new();
    let mut failed = 0;
    for file in &args.files {
        match measure(file, args.png) {
            Ok(analysis) if args.json => entries.push(entry(file, &analysis, args.frames)),
            Ok(analysis) => writeln!(out, "{}", table(file, &analysis))?,
            Err(error) => {
                eprintln!("melos-corpus: {error:#}");
                failed += 1;
            }
        }
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&entries)?)?;
    }
    if failed > 0 {
        bail!("{failed} of {} files could not be measured", args.files.len());
    }
    Ok(())
}

fn measure(file: &Path, png: bool) -> anyhow::Result<Analysis> {
    let signal = decode::decode(file).with_context(|| file.display().to_string())?;
    let analysis = analysis::analyze(&signal);
    if png {
        let mut name = file.as_os_str().to_owned();
        name.push(".mel.png");
        let image = PathBuf::from(name);
        let mel: Vec<MelFrame> = analysis.frames.iter().map(|frame| frame.mel).collect();
        image::write(&mel, &image).with_context(|| image.display().to_string())?;
    }
    Ok(analysis)
}

/// A measurement with one number per frame: its name, unit and accessor.
type Series = (&'static str, &'static str, fn(&Frame) -> f32);

const SERIES: [Series; 5] = [
    ("rms", "", |frame| frame.rms),
    ("centroid", "Hz", |frame| frame.spectral.centroid),
    ("rolloff", "Hz", |frame| frame.spectral.rolloff),
    ("flatness", "", |frame| frame.spectral.flatness),
    ("zero_crossings", "", |frame| frame.zero_crossing_rate),
];

/// Returns the mean and standard deviation of a value over the frames.
fn statistics(frames: &[Frame], value: impl Fn(&Frame) -> f32) -> (f64, f64) {
    let count = frames.len() as f64;
    let mean = frames.iter().map(|frame| f64::from(value(frame))).sum::<f64>() / count;
    let variance = frames.iter().map(|frame| (f64::from(value(frame)) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

fn table(file: &Path, analysis: &Analysis) -> String {
    let mut text = format!("{}\n", file.display());
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: String| _ = writeln!(text, "  {name:<16}{value}");
    line("length", format!("{:.2} s", analysis.seconds));
    line("tempo", format!("{:.1} BPM, {} beats", analysis.rhythm.tempo_bpm, analysis.rhythm.beats.len()));
    line("onsets", format!("{}", analysis.rhythm.onsets.len()));
    let key = analysis.key;
    line("key", format!("{} (fit of major {:.2}, of minor {:.2})", key.key, key.major, key.minor));
    line("", format!("{:>12} {:>12}", "mean", "deviation"));
    for (name, unit, value) in SERIES {
        let (mean, deviation) = statistics(&analysis.frames, value);
        line(name, format!("{mean:>12.4} {deviation:>12.4} {unit}"));
    }
    for index in 0..analysis::mfcc::COUNT {
        let (mean, deviation) = statistics(&analysis.frames, |frame| frame.mfcc[index]);
        let slope_deviation = statistics(&analysis.frames, |frame| frame.mfcc_delta[index]).1;
        line(
            &format!("mfcc {index}"),
            format!("{mean:>12.4} {deviation:>12.4} deviation of the slope {slope_deviation:.4}"),
        );
    }
    let chroma: Vec<String> =
        PITCH_NAMES.iter().zip(analysis.chroma).map(|(name, strength)| format!("{name} {strength:.2}")).collect();
    line("chroma", chroma.join("  "));
    text
}

fn entry(file: &Path, analysis: &Analysis, with_frames: bool) -> Value {
    let frames = &analysis.frames;
    let summary = |value: &dyn Fn(&Frame) -> f32| {
        let (mean, deviation) = statistics(frames, value);
        json!({ "mean": mean, "deviation": deviation })
    };
    let indices = 0..analysis::mfcc::COUNT;
    let mut entry = json!({
        "file": file.display().to_string(),
        "seconds": analysis.seconds,
        "tempo_bpm": analysis.rhythm.tempo_bpm,
        "beats": analysis.rhythm.beats,
        "onsets": analysis.rhythm.onsets,
        "key": analysis.key.key.to_string(),
        "key_major_fit": analysis.key.major,
        "key_minor_fit": analysis.key.minor,
        "chroma": analysis.chroma,
        "mfcc": indices.clone().map(|i| summary(&|frame| frame.mfcc[i])).collect::<Vec<_>>(),
        "mfcc_delta": indices.map(|i| summary(&|frame| frame.mfcc_delta[i])).collect::<Vec<_>>(),
    });
    for (name, _, value) in SERIES {
        entry[name] = summary(&value);
    }
    if with_frames {
        let mut series = json!({ "per_second": FRAMES_PER_SECOND });
        for (name, _, value) in SERIES {
            series[name] = frames.iter().map(value).collect();
        }
        series["mfcc"] = frames.iter().map(|frame| json!(frame.mfcc)).collect();
        series["mfcc_delta"] = frames.iter().map(|frame| json!(frame.mfcc_delta)).collect();
        series["chroma"] = frames.iter().map(|frame| json!(frame.chroma)).collect();
        series["mel"] = frames.iter().map(|frame| json!(frame.mel.to_vec())).collect();
        entry["frames"] = series;
    }
    entry
}
