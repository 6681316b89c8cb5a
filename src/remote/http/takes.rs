//! HTTP routes for takes: the list, the files and their waveforms, renaming and deleting.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path as Name, Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api_state::{ApiState, is_file_name};
use super::reply::{self, Refusal};
use super::{Http, waveform};
use crate::music::emotion::Emotion;
use crate::quote::is_disruptive;
use crate::units::frames_to_seconds;

/// File extensions of takes.
const EXTENSIONS: [&str; 2] = ["wav", "flac"];
/// Extension of the file that keeps the mood of a renamed take.
const MOOD: &str = "mood";
/// Extension of the MIDI file with a take's notes.
const NOTES: &str = "mid";
/// Extensions of the files that accompany a take: its control log, the checkpoint from which rendering starts, its notes, and
/// its mood.
const COMPANIONS: [&str; 4] = ["log", "checkpoint", NOTES, MOOD];

/// A take as listed by the API.
#[derive(Debug, PartialEq, Serialize)]
struct Take {
    name: String,
    /// Length in seconds; `None` if it cannot be read.
    seconds: Option<f64>,
    bytes: u64,
    /// Time of the last change, in seconds since 1970.
    modified: u64,
    /// The emotion at its start, from the name that the recorder gave it; `None` if that name contains none.
    mood: Option<&'static str>,
    /// Whether its control log exists, so that it can be rendered again.
    log: bool,
    /// Whether the MIDI file with its notes exists.
    notes: bool,
}

/// The waveform of a take.
#[derive(Debug, Serialize)]
pub(super) struct Waveform {
    /// Peaks, relative to full scale; empty if the file cannot be read.
    peaks: Vec<f32>,
}

/// An action on a take.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Action {
    /// Rename the take; the extension is kept.
    Rename(String),
    /// Delete permanently; the value must be `true`.
    Delete(bool),
}

/// Serves `GET /takes`.
pub(super) async fn list(State(http): State<Arc<Http>>) -> Result<Json<Value>, Refusal> {
    let (folder, recording) = (http.api.takes_folder(), http.api.recording());
    let takes = http.run_blocking(move || read(&folder)).await??;
    Ok(Json(json!({ "recording": recording, "takes": takes })))
}

/// Serves `GET /takes/NAME`.
pub(super) async fn get(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
    request: Request,
) -> Result<Response, Refusal> {
    Ok(reply::file(&find(&http.api, &name)?, request).await)
}

/// Serves `GET /takes/NAME/notes`.
pub(super) async fn notes(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let path = find(&http.api, &name)?.with_extension(NOTES);
    if path.is_file() {
        return Ok(reply::file(&path, request).await);
    }
    Err(Refusal::not_found(format!("the notes of {name:?} have not been saved")))
}

/// Serves `GET /takes/NAME/picture`.
pub(super) async fn waveform(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
) -> Result<Json<Waveform>, Refusal> {
    let path = find(&http.api, &name)?;
    let peaks = http.run_blocking(move || waveform::of_file(&path)).await?;
    Ok(Json(Waveform { peaks: peaks.unwrap_or_default() }))
}

/// Serves `POST /takes/NAME`.
pub(super) async fn change(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
    action: Result<Json<Action>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let Json(action) = action?;
    let path = find(&http.api, &name)?;
    let recording = http.api.recording();
    if recording.on && recording.name.as_ref() == Some(&name) {
        return Err(Refusal::conflict(format!("{name} is being recorded; stop the recording first")));
    }
    let new_name = http.run_blocking(move || apply(&path, action)).await??;
    http.api.takes_changed();
    Ok(Json(json!({ "name": new_name })))
}

/// Returns the path of an existing take.
pub(super) fn find(api: &ApiState, name: &str) -> Result<PathBuf, Refusal> {
    let path = api.takes_folder().join(name);
    if is_file_name(name) && is_take(&path) && path.is_file() {
        return Ok(path);
    }
    Err(Refusal::not_found(format!("there is no take {name:?}")))
}

/// Returns the path of the control log beside a take.
pub(super) fn control_log(api: &ApiState, take: &str) -> Result<PathBuf, Refusal> {
    let log = find(api, take)?.with_extension("log");
    if log.is_file() {
        return Ok(log);
    }
    Err(Refusal::conflict(format!("{take:?} has no control log, so it cannot be rendered again")))
}

fn is_take(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Renames or deletes a take and its companions; returns its new name, or `None` if it was deleted.
fn apply(path: &Path, action: Action) -> Result<Option<String>, Refusal> {
    let companions = COMPANIONS.into_iter().filter(|extension| path.with_extension(extension).is_file());
    match action {
        Action::Delete(true) => {
            fs::remove_file(path)?;
            { companions }.try_for_each(|extension| fs::remove_file(path.with_extension(extension)))?;
            Ok(None)
        }
        Action::Delete(false) => Err(Refusal::bad_request("delete: expected true")),
        Action::Rename(name) => {
            let extension = path.extension().unwrap_or_default().to_string_lossy();
            let stem = name.strip_suffix(&format!(".{extension}")).unwrap_or(&name).trim();
            let name = format!("{stem}.{extension}");
            if stem.is_empty() || !is_file_name(&name) || name.contains(is_disruptive) {
                return Err(Refusal::bad_request(
                    "rename: expected a name of 1 to 115 bytes, without /, \\, control and text direction characters or a leading dot",
                ));
            }
            let to = path.with_file_name(&name);
            // Never overwrite another take or its companions.
            if to.exists() || COMPANIONS.into_iter().any(|extension| to.with_extension(extension).exists()) {
                return Err(Refusal::conflict(format!("a take {name:?} already exists")));
            }
            if let Some(mood) = mood(path).filter(|mood| mood_in_name(&name) != Some(mood)) {
                fs::write(to.with_extension(MOOD), mood)?;
            }
            fs::rename(path, &to)?;
            for extension in companions {
                fs::rename(path.with_extension(extension), to.with_extension(extension))?;
            }
            Ok(Some(name))
        }
    }
}

/// Returns the takes in a folder, newest first; none if the folder does not exist.
fn read(folder: &Path) -> Result<Vec<Take>, Refusal> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut takes: Vec<Take> = entries.flatten().filter_map(|entry| take(&entry.path())).collect();
    takes.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
    Ok(takes)
}

fn take(path: &Path) -> Option<Take> {
    let name = path.file_name()?.to_str().filter(|name| is_file_name(name) && is_take(path))?.to_owned();
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let [log, notes] = ["log", NOTES].map(|extension| path.with_extension(extension).is_file());
    Some(Take { mood: mood(path), name, seconds: seconds(path), bytes: metadata.len(), modified, log, notes })
}

/// Returns the emotion at the start of a take.
fn mood(path: &Path) -> Option<&'static str> {
    let saved = || fs::read_to_string(path.with_extension(MOOD)).ok();
    let name = mood_in_name(path.file_name()?.to_str()?);
    name.or_else(|| Emotion::from_name(&saved()?).map(Emotion::name))
}

/// Returns the emotion in a name given by the recorder, such as `2026-11-28_16.55.01_calm-2.wav`.
fn mood_in_name(name: &str) -> Option<&'static str> {
    let label = name.splitn(3, '_').nth(2)?;
    let word = label.split(|letter: char| !letter.is_ascii_lowercase()).next()?;
    Emotion::from_name(word).map(Emotion::name)
}

/// Returns the length in seconds according to the file's header.
fn seconds(path: &Path) -> Option<f64> {
    if path.extension()?.eq_ignore_ascii_case("wav") {
        return hound::WavReader::open(path).ok().map(|wav| frames_to_seconds(u64::from(wav.duration())));
    }
    // A FLAC file starts with the stream information, in which 36 bits hold the number of frames.
    let mut head = [0; 26];
    File::open(path).ok()?.read_exact(&mut head).ok()?;
    let frames = head[21..26].iter().fold(0u64, |frames, byte| frames << 8 | u64::from(*byte)) & 0xf_ffff_ffff;
    head.starts_with(b"fLaC").then(|| frames_to_seconds(frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn only_takes_are_listed() {
        let folder = folder_with(&["a.wav", "a.log", "b.flac", "b.mid", "notes.txt", ".hidden.wav"]);
        let mut takes = read(folder.path()).unwrap();
        takes.sort_by(|a, b| a.name.cmp(&b.name));
        let listed: Vec<_> = takes.iter().map(|take| (take.name.as_str(), take.log, take.notes)).collect();
        assert_eq!(listed, [("a.wav", true, false), ("b.flac", false, true)]);
        assert!(read(&folder.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn the_mood_is_read_from_the_name_given_by_the_recorder() {
        for (name, expected) in [
            ("2026-11-28_16.55.01_calm.wav", Some("calm")),
            ("2026-11-28_16.55.01_angry-2.flac", Some("angry")),
            ("2026-11-28_16.55.01_sad_part2.wav", Some("sad")),
            ("2026-11-28_16.55.01_first-minute.wav", None),
            ("Evening in März.wav", None),
        ] {
            assert_eq!(mood_in_name(name), expected, "{name}");
        }
    }

    #[test]
    fn a_renamed_take_keeps_its_mood() {
        let folder = folder_with(&["2026-11-28_16.55.01_calm.wav"]);
        let rename = |from: &str, to: &str| apply(&folder.path().join(from), Action::Rename(to.to_owned())).unwrap();
        rename("2026-11-28_16.55.01_calm.wav", "Evening");
        rename("Evening.wav", "Night");
        assert_eq!(mood(&folder.path().join("Night.wav")), Some("calm"));
        apply(&folder.path().join("Night.wav"), Action::Delete(true)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_length_is_read_from_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&path, spec).unwrap();
        (0..48_000).for_each(|_| wav.write_sample(0i16).unwrap());
        wav.finalize().unwrap();
        assert_eq!(seconds(&path), Some(0.5));
    }

    #[test]
    fn renaming_also_renames_the_companions_and_overwrites_nothing() {
        let folder = folder_with(&["a.wav", "a.log", "a.checkpoint", "a.mid", "b.wav"]);
        let path = |name: &str| folder.path().join(name);
        let rename = |from: &str, to: &str| apply(&path(from), Action::Rename(to.to_owned()));
        for name in ["\u{202e}vaw", "a\u{2028}b", "a\u{9b}b", "a\nb"] {
            let refusal = rename("a.wav", name).unwrap_err();
            assert!(refusal.1.contains("without /, \\, control and text direction characters"), "{refusal:?}");
        }
        assert!(rename("a.wav", "b").is_err() && rename("a.wav", "../c").is_err() && rename("a.wav", " ").is_err());
        assert_eq!(rename("a.wav", "Evening.wav").unwrap().as_deref(), Some("Evening.wav"));
        assert_eq!(fs::read_to_string(path("Evening.log")).unwrap(), "a.log");
        assert_eq!(fs::read_to_string(path("Evening.checkpoint")).unwrap(), "a.checkpoint");
        assert_eq!(fs::read_to_string(path("Evening.mid")).unwrap(), "a.mid");
        assert_eq!(fs::read_to_string(path("b.wav")).unwrap(), "b.wav");
        apply(&path("Evening.wav"), Action::Delete(true)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the other take should remain");
    }
}
