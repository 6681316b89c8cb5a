//! `melos contract`: the constants shared by playback and training, for programs not written in Rust.

use melos::event::parameter::decimal;
use melos::generator::model::{LATENT_DIMS, LOOK_AHEAD, ROLLBACK, SCHEMA};
use melos::mel::{BANDS, BINS, FLOOR, FRAMES_PER_LATENT, HIGHEST_HZ, HOP, LOWEST_HZ, N_FFT};
use melos::music::conditions::{
    CONDITION_COUNT, DENSITY_SCALE, GROUP_NAMES, GROUP_VALUES, LOUDNESS_SCALE, REGISTER_SCALE, Scale, TEMPO_MIDDLE_BPM,
    VALUE_COUNT,
};
use melos::music::emotion::Emotion;
use melos::units::SAMPLE_RATE;
use serde_json::{Value, json};

use super::output::Output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON, as in models/training/melos_training/contract.json
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let contract = contract();
    let mut out = Output::lock();
    if args.json {
        return Ok(out.json(&contract)?);
    }
    let mut lines = Vec::new();
    flatten("", &contract, &mut lines);
    Ok(out.lines(lines.iter().map(|(key, value)| format!("{key:<32} {value}")))?)
}

/// Returns one entry per topic, with values in the units of the constants. The `first` and `end` of a group of
/// conditions delimit a half-open range.
fn contract() -> Value {
    let groups: Vec<Value> = GROUP_NAMES
        .into_iter()
        .zip(GROUP_VALUES)
        .map(|(name, values)| json!({ "name": name, "first": values.start, "end": values.end }))
        .collect();
    let emotions: Vec<Value> = Emotion::ALL
        .into_iter()
        .map(|emotion| {
            let anchor = emotion.anchor();
            json!({ "name": emotion.name(), "valence": decimal(anchor.valence), "arousal": decimal(anchor.arousal) })
        })
        .collect();
    json!({
        "audio": { "sample_rate": SAMPLE_RATE },
        "mel": {
            "n_fft": N_FFT,
            "hop": HOP,
            "bins": BINS,
            "bands": BANDS,
            "lowest_hz": LOWEST_HZ,
            "highest_hz": HIGHEST_HZ,
            "floor": decimal(FLOOR),
        },
        "latent": { "dims": LATENT_DIMS, "mel_frames": FRAMES_PER_LATENT },
        "vocoder": { "look_ahead": LOOK_AHEAD },
        "transformer": { "rollback": ROLLBACK },
        "conditions": {
            "count": CONDITION_COUNT,
            "values": VALUE_COUNT,
            "groups": groups,
            "density": scale(DENSITY_SCALE),
            "loudness": scale(LOUDNESS_SCALE),
            "register": scale(REGISTER_SCALE),
            "tempo": { "middle_bpm": decimal(TEMPO_MIDDLE_BPM) },
        },
        "emotions": emotions,
        "model": { "schema": SCHEMA },
    })
}

fn scale(Scale { middle, width }: Scale) -> Value {
    json!({ "middle": decimal(middle), "width": decimal(width) })
}

/// Lists every number and string in a JSON value, except names, with its path, such as `mel.hop`.
fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let mut child = |key: &str, value: &Value| {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        flatten(&path, value, lines);
    };
    match value {
        // The name of a list entry is part of the entry's path.
        Value::Object(entries) => {
            entries.iter().filter(|(key, _)| *key != "name").for_each(|(key, value)| child(key, value))
        }
        Value::Array(entries) => {
            for (index, value) in entries.iter().enumerate() {
                child(value["name"].as_str().unwrap_or(&index.to_string()), value);
            }
        }
        Value::String(text) => lines.push((path.to_owned(), text.clone())),
        value => lines.push((path.to_owned(), value.to_string())),
    }
}
