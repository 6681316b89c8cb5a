//! HTTP routes for takes: the list, the files and their waveforms, renaming and deleting.

mod rename;

use std::fs;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path as Name, Request, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::action::Action;
use super::api_state::{ApiState, is_file_name};
use super::object::Object;
use super::reply::{self, Refusal};
use super::{Http, waveform};
use crate::event::log::Header;
use crate::files;
use crate::music::emotion::Emotion;
use crate::output::record::take_files::{COMPANIONS, EXTENSIONS, MOOD, NOTES, SOUND};
use crate::quote::is_disruptive;
use crate::units::frames_to_seconds;

/// Maximum time for which renaming or deleting a take waits until its log and notes have been written, which happens
/// about a second after its end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Interval at which that is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum size in bytes of the file that keeps the mood of a take.
const MAX_MOOD: u64 = 64;
/// Maximum size in bytes of the header of a control log.
const MAX_LOG_HEADER: u64 = 65_536;

/// Held while the files of a take are renamed or deleted, so that no other request changes them or uses the new name in
/// the meantime.
static CHANGES: Mutex<()> = Mutex::new(());

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

/// Serves `GET /takes`.
pub(super) async fn list(State(http): State<Arc<Http>>) -> Result<Json<Value>, Refusal> {
    let (folder, recording) = (folder(&http.api), http.api.recording());
    let takes = http.file_tasks.run(move || folder.map_or_else(|| Ok(Vec::new()), |folder| read(&folder))).await??;
    Ok(Json(json!({ "recording": recording, "takes": takes })))
}

/// Serves `GET /takes/NAME`.
pub(super) async fn get(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let api = Arc::clone(&http.api);
    let path = http.file_tasks.run(move || find(&api, &name)).await??;
    Ok(reply::file(&path, request).await)
}

/// Serves `GET /takes/NAME/notes`.
pub(super) async fn notes(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let api = Arc::clone(&http.api);
    let path = http.file_tasks.run(move || find_notes(&api, &name)).await??;
    Ok(reply::file(&path, request).await)
}

/// Serves `GET /takes/NAME/picture`.
pub(super) async fn waveform(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
) -> Result<Json<Waveform>, Refusal> {
    let api = Arc::clone(&http.api);
    let peaks = http.file_tasks.run(move || find(&api, &name).map(|path| waveform::of_file(&path))).await??;
    Ok(Json(Waveform { peaks: peaks.unwrap_or_default() }))
}

/// Serves `POST /takes/NAME`.
pub(super) async fn change(
    State(http): State<Arc<Http>>,
    Name(name): Name<String>,
    action: Result<Json<Object<Action>>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    let Json(Object(action)) = action?;
    let (api, wanted) = (Arc::clone(&http.api), name.clone());
    let path = http.file_tasks.run(move || find(&api, &wanted)).await??;
    wait_until_complete(&http.api, &path, &name).await?;
    let new_name = http.file_tasks.run(move || apply(&path, action)).await??;
    http.api.takes_changed();
    Ok(Json(json!({ "name": new_name })))
}

/// Waits until the log and the notes of a take have been written, so that they are renamed or deleted with it.
async fn wait_until_complete(api: &ApiState, path: &Path, name: &str) -> Result<(), Refusal> {
    let Some(recorder) = api.recorder() else { return Ok(()) };
    let end = Instant::now() + PATIENCE;
    while recorder.is_in_use(path) {
        if recorder.is_writing(path) {
            return Err(Refusal::conflict(format!("{name} is being recorded; stop the recording first")));
        }
        if Instant::now() >= end {
            let reason = format!("the log and the notes of {name} are still being written; try again in a moment");
            return Err(Refusal::conflict(reason));
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    Ok(())
}

/// Returns the folder of the takes; `None` while the daemon is starting.
fn folder(api: &ApiState) -> Option<PathBuf> {
    api.destination().map(|destination| destination.folder)
}

/// Returns the path of an existing take. Blocks on disk access, as do all functions below.
fn find(api: &ApiState, name: &str) -> Result<PathBuf, Refusal> {
    let path = folder(api).filter(|_| is_file_name(name)).map(|folder| folder.join(name));
    path.filter(|path| is_take(path) && path.is_file()).ok_or_else(|| no_take(name))
}

fn no_take(name: &str) -> Refusal {
    Refusal::not_found(format!("there is no take {name:?}"))
}

/// Returns the path of the notes of a take.
fn find_notes(api: &ApiState, name: &str) -> Result<PathBuf, Refusal> {
    let notes = find(api, name)?.with_extension(NOTES);
    if notes.is_file() {
        return Ok(notes);
    }
    Err(Refusal::not_found(format!("the notes of {name:?} have not been saved")))
}

/// Returns the path of the control log beside a take.
pub(super) fn control_log(api: &ApiState, take: &str) -> Result<PathBuf, Refusal> {
    let log = find(api, take)?.with_extension("log");
    if log.is_file() {
        return Ok(log);
    }
    Err(Refusal::conflict(format!("{take:?} has no control log, so it cannot be rendered again")))
}

/// Returns the length in seconds of what a take's control log renders: of the frames in its header or, if it gives
/// none, of the take beside it; `None` if neither can be read.
pub(super) fn rendered_seconds(log: &Path) -> Option<f64> {
    let beside = || SOUND.into_iter().find_map(|extension| seconds(&log.with_extension(extension)));
    logged_frames(log).map(frames_to_seconds).or_else(beside)
}

/// Returns the number of frames of a take according to the header of its control log.
fn logged_frames(log: &Path) -> Option<u64> {
    let header = Header::read(BufReader::new(files::open(log).ok()?.take(MAX_LOG_HEADER))).ok()?;
    header.take.map(|frames| frames.end - frames.start)
}

fn is_take(path: &Path) -> bool {
    path.extension().is_some_and(|extension| SOUND.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Renames or deletes a take and its companions; returns its new name, or `None` if it was deleted. Companions that may
/// belong to another take, of the same name but in another format, stay where they are.
fn apply(path: &Path, action: Action) -> Result<Option<String>, Refusal> {
    let _changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
    // Another request may have renamed or deleted the take since it was found.
    if !path.is_file() {
        return Err(no_take(&path.file_name().unwrap_or_default().to_string_lossy()));
    }
    let is_namesake = |other: &PathBuf| *other != path && other.is_file();
    let is_alone = !SOUND.into_iter().map(|extension| path.with_extension(extension)).any(|other| is_namesake(&other));
    let companions = COMPANIONS.into_iter().filter(|extension| is_alone && path.with_extension(extension).is_file());
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
            let taken = || Refusal::conflict(format!("a take {name:?} already exists"));
            let exists = |path: &Path| path.symlink_metadata().is_ok();
            if exists(&to) || EXTENSIONS.into_iter().any(|extension| exists(&to.with_extension(extension))) {
                return Err(taken());
            }
            let known_mood = mood(path);
            let mut renames = vec![(path.to_owned(), to.clone())];
            renames.extend(companions.map(|extension| (path.with_extension(extension), to.with_extension(extension))));
            rename::all_or_none(&renames)
                .map_err(|error| if error.kind() == ErrorKind::AlreadyExists { taken() } else { error.into() })?;
            if let Some(known) = known_mood.filter(|known| mood(&to) != Some(known))
                && let Err(error) = fs::write(to.with_extension(MOOD), known)
            {
                tracing::warn!("cannot keep the mood of {}: {error}", to.display());
            }
            Ok(Some(name))
        }
    }
}

/// Returns the takes in a folder, newest first; none if the folder does not exist.
fn read(folder: &Path) -> Result<Vec<Take>, Refusal> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let reason = format!("cannot read the folder of the recordings, {}: {error}", folder.display());
            return Err(Refusal::unavailable(reason));
        }
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
    let saved = || String::from_utf8(files::bytes(&path.with_extension(MOOD), MAX_MOOD).ok()?).ok();
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
        let wav = hound::WavReader::new(BufReader::new(files::open(path).ok()?)).ok()?;
        return Some(frames_to_seconds(u64::from(wav.duration())));
    }
    // A FLAC file starts with the stream information, in which 36 bits hold the number of frames.
    let mut head = [0; 26];
    files::open(path).ok()?.read_exact(&mut head).ok()?;
    let frames = head[21..26].iter().fold(0u64, |frames, byte| frames << 8 | u64::from(*byte)) & 0xf_ffff_ffff;
    head.starts_with(b"fLaC").then(|| frames_to_seconds(frames))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use axum::http::StatusCode;
    use ringbuf::HeapRb;
    use ringbuf::traits::Split;

    use super::*;
    use crate::event::Inbox;
    use crate::files::config::RecordingsConfig;
    use crate::output::record::{Budget, Destination, Format, Listeners, Recorder, Take as NewTake};

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
    fn a_file_in_place_of_the_folder_is_reported() {
        let parent = folder_with(&["recordings"]);
        let refusal = read(&parent.path().join("recordings")).unwrap_err();
        assert_eq!(refusal.0, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refusal.1.contains("/recordings: Not a directory"), "{}", refusal.1);
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

    fn wait_until(event: &str, mut has_happened: impl FnMut() -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !has_happened() {
            assert!(std::time::Instant::now() < end, "timed out waiting for {event}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_take_is_renamed_together_with_the_log_and_notes_that_are_still_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget::new(&RecordingsConfig { keep_free_gb: 0.0, ..RecordingsConfig::default() });
        let destination = Destination { folder: dir.path().to_owned(), budget };
        let (_, tap) = HeapRb::new(1000).split();
        let recorder = Recorder::spawn(tap, Listeners::default(), destination.clone(), Arc::default()).unwrap();
        let api = Arc::<ApiState>::default();
        let inbox = Arc::new(Inbox::new(Arc::default()));
        let http = Http::new(Arc::default(), Arc::clone(&api), inbox, dir.path().join("pieces"), Vec::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let rename = |name: &str, to: &str| {
            let action = Action::Rename(to.to_owned());
            runtime.block_on(change(State(Arc::clone(&http)), Name(name.to_owned()), Ok(Json(Object(action)))))
        };

        recorder.start(NewTake { label: "calm".to_owned(), format: Format::Wav, pre_roll: 0, limit: None }).unwrap();
        wait_until("the take to start", || recorder.status().is_recording());
        let path = recorder.status().progress().path.unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(rename(name, "Evening").unwrap_err().0, StatusCode::NOT_FOUND, "the daemon is still starting");
        api.set_recorder(Arc::clone(recorder.status()));
        api.set_destination(destination);
        let refusal = rename(name, "Evening").unwrap_err();
        assert!(refusal.0 == StatusCode::CONFLICT && refusal.1.contains("being recorded"), "{}", refusal.1);

        recorder.stop().unwrap();
        wait_until("the take to end", || !recorder.status().is_recording());
        let in_use = (recorder.status().take_recorded(), recorder.status().take_recorded_files());
        let written = path.clone();
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            for extension in ["log", "mid"] {
                fs::write(written.with_extension(extension), extension).unwrap();
            }
            drop(in_use);
        });
        assert_eq!(rename(name, "Evening").unwrap().0["name"], "Evening.wav");
        writer.join().unwrap();
        assert_eq!(names(dir.path()), ["Evening.log", "Evening.mid", "Evening.mood", "Evening.wav"]);
    }

    #[test]
    fn companions_of_takes_with_the_same_name_stay() {
        let folder = folder_with(&["a.wav", "a.flac", "a.log", "b.wav", "c.flac"]);
        let path = |name: &str| folder.path().join(name);
        let refusal = apply(&path("b.wav"), Action::Rename("c".to_owned())).unwrap_err();
        assert_eq!(refusal.0, StatusCode::CONFLICT, "the name of a FLAC file");
        apply(&path("a.wav"), Action::Delete(true)).unwrap();
        assert!(path("a.log").is_file(), "it may be the log of the FLAC file");
        apply(&path("a.flac"), Action::Delete(true)).unwrap();
        assert!(!path("a.log").exists());
    }

    #[test]
    fn only_small_regular_files_are_read_as_moods() {
        let folder = folder_with(&["a.wav", "b.wav", "c.wav"]);
        let status = std::process::Command::new("mkfifo").arg(folder.path().join("a.mood")).status();
        assert!(status.unwrap().success());
        fs::File::create_new(folder.path().join("b.mood")).unwrap().set_len(5 << 30).unwrap();
        fs::write(folder.path().join("c.mood"), "calm").unwrap();
        let mut takes = read(folder.path()).unwrap();
        takes.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(takes.iter().map(|take| take.mood).collect::<Vec<_>>(), [None, None, Some("calm")]);
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
        let log = path.with_extension("log");
        assert_eq!(rendered_seconds(&log), Some(0.5));
        assert_eq!(rendered_seconds(&folder.path().join("y.log")), None);
        for (frames, expected) in [
            ("take 512 48512\n", 1.0),
            // The last one counts, as in the renderer.
            ("take 0 48000\ntake 512 96512\n", 2.0),
            // The renderer refuses these.
            ("take 512 9000000000000000000\n", 0.5),
            ("take 9 8\n", 0.5),
            ("take x\n", 0.5),
            ("", 0.5),
        ] {
            fs::write(&log, format!("melos-control-log 1\n{frames}version \"0.2.0\"\n0 end\n")).unwrap();
            assert_eq!(rendered_seconds(&log), Some(expected), "{frames}");
        }
    }

    /// Returns the names in a folder, in order.
    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Applies two actions at the same time, each to the take of the given name.
    fn apply_at_once(folder: &Path, actions: [(&str, Action); 2]) -> [Result<Option<String>, Refusal>; 2] {
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            let threads = actions.map(|(name, action)| {
                let (path, barrier) = (folder.join(name), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    apply(&path, action)
                })
            });
            threads.map(|thread| thread.join().unwrap())
        })
    }

    #[test]
    fn only_one_of_two_takes_renamed_at_once_gets_the_name() {
        for second in ["b.wav", "b.flac"] {
            for _ in 0..100 {
                let folder = folder_with(&["a.wav", "a.log", "a.mid", second, "b.log", "b.mid"]);
                let rename = || Action::Rename("c".to_owned());
                let results = apply_at_once(folder.path(), [("a.wav", rename()), (second, rename())]);
                let refused: Vec<_> = results.into_iter().filter_map(Result::err).map(|refusal| refusal.0).collect();
                assert_eq!(refused, [StatusCode::CONFLICT]);
                let mut contents: Vec<_> = names(folder.path())
                    .iter()
                    .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
                    .collect();
                contents.sort();
                let mut expected = ["a.log", "a.mid", "a.wav", second, "b.log", "b.mid"];
                expected.sort_unstable();
                assert_eq!(contents, expected, "nothing should be lost");
            }
        }
    }

    #[test]
    fn a_take_that_is_renamed_and_deleted_at_once_stays_whole_or_goes() {
        for _ in 0..100 {
            let folder = folder_with(&["a.wav", "a.log", "a.mid"]);
            let rename = Action::Rename("b".to_owned());
            let [renamed, deleted] = apply_at_once(folder.path(), [("a.wav", rename), ("a.wav", Action::Delete(true))]);
            let (refusal, left) = match (renamed, deleted) {
                (Ok(_), Err(refusal)) => (refusal, vec!["b.log", "b.mid", "b.wav"]),
                (Err(refusal), Ok(_)) => (refusal, Vec::new()),
                both => panic!("exactly one should succeed: {both:?}"),
            };
            assert_eq!(refusal.0, StatusCode::NOT_FOUND, "{}", refusal.1);
            assert_eq!(names(folder.path()), left);
        }
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
