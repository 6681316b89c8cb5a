//! Pieces of a chosen length, rendered one at a time by a low-priority `melos render` process; the rest wait in a
//! bounded queue. Finished pieces are kept in a folder until they are deleted.

mod background;
mod request;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::Notify;

use super::api_state::ApiState;
use super::takes;
use crate::files;
pub(super) use request::PieceRequest;

/// Maximum number of waiting pieces.
const MAX_QUEUED: usize = 8;
/// Maximum number of pieces kept; beyond that, the user must delete some.
const MAX_PIECES: usize = 500;
/// Generator load above which no further piece is started, since the performance comes first.
const MAX_LOAD: f32 = 0.7;
/// Interval between checks of the load.
const LOAD_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of bytes kept of a process's error output.
const MAX_STDERR: u64 = 8192;

/// The state of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Waiting,
    Rendering,
    Ready,
    Failed,
}

/// A piece: its request and its progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) id: u64,
    pub(super) state: State,
    /// Fraction rendered, 0 to 1.
    done: f32,
    /// Estimated seconds until the render is complete.
    seconds_left: Option<f64>,
    /// Time of the request, in seconds since 1970.
    created: u64,
    #[serde(alias = "wish")]
    request: PieceRequest,
    /// Name of the file, once the piece is ready.
    file: Option<String>,
    /// Size of the file; 0 until the piece is ready.
    bytes: u64,
    /// Waveform of the part rendered so far, relative to full scale.
    picture: Vec<f32>,
    /// Why the render failed.
    error: Option<String>,
}

/// A line of progress from `melos render`.
#[derive(Debug, Deserialize)]
struct Progress {
    /// Fraction rendered, 0 to 1.
    done: f32,
    /// Peak since the previous line, relative to full scale.
    peak: f32,
}

/// Why no further piece can be requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("{MAX_QUEUED} pieces are already queued; try again when one is done")]
    Queue,
    #[error("there are already {MAX_PIECES} pieces; delete some first")]
    Folder,
}

/// All pieces, and the process that renders them.
#[derive(Debug)]
pub(super) struct Pieces {
    folder: PathBuf,
    /// Arguments of every `melos render` process: data folder and model.
    arguments: Vec<String>,
    api: Arc<ApiState>,
    pieces: Mutex<BTreeMap<u64, Piece>>,
    /// Signals that a piece was queued or deleted.
    changed: Notify,
}

impl Pieces {
    /// Reads the pieces in a folder. Those that were waiting or being rendered when the program stopped wait again.
    pub(super) fn open(folder: PathBuf, arguments: Vec<String>, api: Arc<ApiState>) -> Self {
        let pieces = read(&folder).into_iter().map(|piece| (piece.id, piece)).collect();
        Self { folder, arguments, api, pieces: Mutex::new(pieces), changed: Notify::new() }
    }

    /// Returns all pieces, newest first.
    pub(super) fn list(&self) -> Vec<Piece> {
        self.lock().values().rev().cloned().collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<Piece> {
        self.lock().get(&id).cloned()
    }

    /// Returns the path of a piece's file; `None` if the piece is not ready or does not exist.
    pub(super) fn file(&self, id: u64) -> Option<PathBuf> {
        self.lock().get(&id).and_then(|piece| piece.file.as_ref()).map(|file| self.folder.join(file))
    }

    /// Queues a piece and saves its description.
    pub(super) async fn add(&self, request: PieceRequest) -> Result<Piece, Full> {
        let piece = self.enqueue(request)?;
        self.save(&piece).await;
        self.changed.notify_one();
        self.api.pieces_changed();
        Ok(piece)
    }

    fn enqueue(&self, request: PieceRequest) -> Result<Piece, Full> {
        let mut pieces = self.lock();
        if pieces.values().filter(|piece| piece.state == State::Waiting).count() >= MAX_QUEUED {
            return Err(Full::Queue);
        }
        if pieces.len() >= MAX_PIECES {
            return Err(Full::Folder);
        }
        let id = pieces.last_key_value().map_or(1, |(id, _)| id + 1);
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let piece = Piece {
            id,
            state: State::Waiting,
            done: 0.0,
            seconds_left: None,
            created,
            request,
            file: None,
            bytes: 0,
            picture: Vec::new(),
            error: None,
        };
        pieces.insert(id, piece.clone());
        Ok(piece)
    }

    /// Deletes a piece and its files, aborting its render if necessary. Returns false if there is no such piece. Blocks
    /// on disk access.
    pub(super) fn delete(&self, id: u64) -> io::Result<bool> {
        let Some(piece) = self.lock().remove(&id) else { return Ok(false) };
        self.changed.notify_one();
        self.api.pieces_changed();
        for name in piece.file.into_iter().chain([description_file(id)]) {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Renders the waiting pieces one at a time, starting each once `load` is low enough. Never returns.
    pub(super) async fn run(self: Arc<Self>, load: impl Fn() -> f32) {
        loop {
            let next = self.lock().values().find(|piece| piece.state == State::Waiting).cloned();
            match next {
                None => self.changed.notified().await,
                // Until the folder of the takes is known, the daemon is still starting.
                Some(_) if load() > MAX_LOAD || self.api.takes_folder().as_os_str().is_empty() => {
                    tokio::time::sleep(LOAD_INTERVAL).await;
                }
                Some(piece) => self.render(piece).await,
            }
        }
    }

    async fn render(&self, piece: Piece) {
        let id = piece.id;
        self.update(id, |piece| piece.state = State::Rendering);
        let name = piece.request.file_name(id);
        // The file is hidden until it is complete.
        let unfinished = self.folder.join(format!(".{name}"));
        let outcome = self.run_process(&piece, &unfinished).await;
        let result = match outcome {
            Ok(()) => tokio::fs::rename(&unfinished, self.folder.join(&name)).await.map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        if result.is_err() {
            let _ = tokio::fs::remove_file(&unfinished).await;
        }
        let bytes = tokio::fs::metadata(self.folder.join(&name)).await.map_or(0, |metadata| metadata.len());
        let exists = self.update(id, |piece| {
            piece.seconds_left = None;
            match result {
                Ok(()) => {
                    (piece.state, piece.done, piece.bytes) = (State::Ready, 1.0, bytes);
                    piece.file = Some(name.clone());
                }
                Err(error) => {
                    tracing::warn!(piece = id, "cannot render a piece: {error}");
                    (piece.state, piece.error) = (State::Failed, Some(error));
                }
            }
        });
        match self.get(id) {
            Some(piece) if exists => self.save(&piece).await,
            // The piece was deleted in the meantime.
            _ => drop(tokio::fs::remove_file(self.folder.join(&name)).await),
        }
    }

    /// Runs `melos render` until it ends or the piece is deleted. The error says why it failed.
    async fn run_process(&self, piece: &Piece, output: &Path) -> Result<(), String> {
        tokio::fs::create_dir_all(&self.folder).await.map_err(|error| error.to_string())?;
        // This link leads to the running program even if an upgrade has replaced its file.
        let program = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        let mut command = background::command(&program);
        command.args(["render", "--progress", "--output"]).arg(output);
        command.args(&self.arguments).args(piece.request.arguments());
        if let Some(take) = &piece.request.take {
            command.arg("--control-log").arg(takes::control_log(&self.api, take).map_err(|refusal| refusal.1)?);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("cannot run `melos render`: {error}"))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("cannot read the output of `melos render`".to_owned());
        };
        let error_output = tokio::spawn(async move {
            let mut stderr = Vec::new();
            let mut err = err;
            let _ = (&mut err).take(MAX_STDERR).read_to_end(&mut stderr).await;
            // Any further output is discarded, so that the process never blocks on it.
            let _ = tokio::io::copy(&mut err, &mut tokio::io::sink()).await;
            String::from_utf8_lossy(&stderr).into_owned()
        });
        let (started, mut lines) = (Instant::now(), BufReader::new(out).lines());
        loop {
            tokio::select! {
                line = lines.next_line() => match line {
                    Ok(Some(line)) => {
                        if let Ok(progress) = serde_json::from_str(&line) {
                            self.update_progress(piece.id, &progress, started.elapsed());
                        }
                    }
                    Ok(None) | Err(_) => break,
                },
                () = self.changed.notified() => {
                    if self.get(piece.id).is_none() {
                        let _ = child.kill().await;
                        return Err("deleted".to_owned());
                    }
                }
            }
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        let stderr = error_output.await.unwrap_or_default();
        if status.success() { Ok(()) } else { Err(failure_reason(&stderr).unwrap_or_else(|| status.to_string())) }
    }

    fn update_progress(&self, id: u64, progress: &Progress, elapsed: Duration) {
        self.update(id, |piece| {
            piece.done = progress.done.clamp(0.0, 1.0);
            piece.picture.push(progress.peak);
            // Early on, the time taken to load the networks would distort the estimate.
            piece.seconds_left = (progress.done > 0.02)
                .then(|| elapsed.as_secs_f64() * f64::from(1.0 - progress.done) / f64::from(progress.done));
        });
    }

    /// Changes a piece; returns false if it no longer exists.
    fn update(&self, id: u64, change: impl FnOnce(&mut Piece)) -> bool {
        let states = self.lock().get_mut(&id).map(|piece| {
            (piece.state, {
                change(piece);
                piece.state
            })
        });
        if states.is_some_and(|(before, after)| before != after) {
            self.api.pieces_changed();
        }
        states.is_some()
    }

    /// Saves the description of a piece next to its file.
    async fn save(&self, piece: &Piece) {
        let (folder, name) = (self.folder.clone(), description_file(piece.id));
        let text = serde_json::to_vec_pretty(piece).unwrap_or_default();
        let write = move || fs::create_dir_all(&folder).and_then(|()| files::replace(&folder.join(name), &text));
        let written = tokio::task::spawn_blocking(write).await.map_err(io::Error::other).flatten();
        if let Err(error) = written {
            tracing::warn!(piece = piece.id, "cannot save the description of a piece: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Piece>> {
        // Every change leaves the pieces consistent, so they can be read even after a panic elsewhere.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn description_file(id: u64) -> String {
    format!("piece-{id}.json")
}

/// Reads the descriptions of all pieces in a folder, except those whose file is missing.
fn read(folder: &Path) -> Vec<Piece> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.flatten().map(|entry| entry.path());
    let pieces =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).filter_map(|path| {
            let piece = fs::read(&path).map_err(|error| error.to_string());
            piece
                .and_then(|text| serde_json::from_slice::<Piece>(&text).map_err(|error| error.to_string()))
                .inspect_err(|error| tracing::warn!(path = %path.display(), "ignoring a piece's description: {error}"))
                .ok()
        });
    pieces.filter(|piece| piece.file.as_ref().is_none_or(|file| folder.join(file).is_file())).collect()
}

/// Extracts the reason from a failed process's error output.
fn failure_reason(stderr: &str) -> Option<String> {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().find_map(|line| line.strip_prefix("Error: ").or_else(|| line.strip_prefix("error: ")));
    error.or_else(|| lines().next_back()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(folder: &Path) -> Pieces {
        Pieces::open(folder.to_owned(), Vec::new(), Arc::new(ApiState::default()))
    }

    fn request() -> PieceRequest {
        serde_json::from_str(r#"{ "emotion": "calm", "seconds": 10 }"#).unwrap()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn the_queue_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let pieces = pieces(folder.path());
        for id in 1..=MAX_QUEUED as u64 {
            assert_eq!(block_on(pieces.add(request())).unwrap().id, id);
        }
        assert_eq!(block_on(pieces.add(request())).unwrap_err(), Full::Queue);
        assert!(pieces.delete(3).unwrap() && !pieces.delete(3).unwrap());
        assert_eq!(block_on(pieces.add(request())).unwrap().id, MAX_QUEUED as u64 + 1);
    }

    #[test]
    fn pieces_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let before = pieces(folder.path());
        for file in [Some("there.wav"), Some("gone.wav"), None] {
            let mut piece = block_on(before.add(request())).unwrap();
            if file.is_some() {
                (piece.state, piece.file) = (State::Ready, file.map(str::to_owned));
                block_on(before.save(&piece));
            }
        }
        fs::write(folder.path().join("there.wav"), "x").unwrap();
        // Version 0.2.0 named the field `wish`.
        let saved = folder.path().join("piece-1.json");
        fs::write(&saved, fs::read_to_string(&saved).unwrap().replace("\"request\"", "\"wish\"")).unwrap();
        fs::write(folder.path().join("piece-9.json"), "nonsense").unwrap();
        let after: Vec<_> = pieces(folder.path()).list().into_iter().map(|piece| (piece.id, piece.state)).collect();
        assert_eq!(after, [(3, State::Waiting), (1, State::Ready)]);
    }

    #[test]
    fn the_failure_reason_is_the_error_message_of_the_process() {
        let stderr = "2026 INFO loading\nError: there is no preset \"x\"\n\nCaused by: nothing\n";
        assert_eq!(failure_reason(stderr).as_deref(), Some("there is no preset \"x\""));
        assert_eq!(failure_reason("killed\n").as_deref(), Some("killed"));
        assert_eq!(failure_reason(" \n"), None);
    }
}
