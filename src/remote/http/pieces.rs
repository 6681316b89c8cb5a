//! Pieces of a chosen length, rendered one at a time by a low-priority `melos render` process; the rest wait in a
//! bounded queue. Finished pieces are kept in a folder until they are deleted.

mod background;
mod failure;
mod folder;
mod request;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::Notify;

use super::api_state::ApiState;
use super::reply::Refusal;
use super::takes;
use crate::threads;
use crate::units::GIGABYTE;
use folder::{Contents, Folder, MAX_ID};
pub(super) use request::PieceRequest;

/// Maximum number of waiting pieces.
const MAX_QUEUED: usize = 8;
/// Maximum number of pieces kept; beyond that, the user must delete some.
const MAX_PIECES: usize = 500;
/// Generator load above which no further piece is started, since the performance comes first.
const MAX_LOAD: f32 = 0.7;
/// Interval between checks of the load.
const LOAD_INTERVAL: Duration = Duration::from_secs(1);
/// Interval between attempts to read the folder.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of bytes kept of a process's error output.
const MAX_STDERR: u64 = 8192;
/// Number of bytes by which a file may exceed its planned size, for its headers, besides a twentieth of that size for
/// sound that FLAC cannot make smaller.
const SIZE_MARGIN: u64 = 1 << 20;

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

/// Why a requested piece is refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    #[error("{MAX_QUEUED} pieces are already queued; try again when one is done")]
    Queue,
    #[error("there are already {MAX_PIECES} pieces; delete some first")]
    Folder,
    #[error("there is no number left for another piece; remove the files of piece {MAX_ID} and restart Melos")]
    Ids,
    #[error("the folder of the pieces has not been read yet; try again")]
    Unread,
    #[error("no space for a piece of {gigabytes:.3} GB: {reason}")]
    Disk { gigabytes: f64, reason: String },
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Disk { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Refused::Queue | Refused::Folder | Refused::Ids | Refused::Unread => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, refused.to_string())
    }
}

/// The pieces by id.
#[derive(Debug, Default)]
struct Shelf {
    pieces: BTreeMap<u64, Piece>,
    /// The id of the next piece; `None` until the folder has been read.
    next_id: Option<u64>,
}

/// All pieces, and the process that renders them.
#[derive(Debug)]
pub(super) struct Pieces {
    folder: Folder,
    /// Arguments of every `melos render` process: data folder and model.
    arguments: Vec<String>,
    api: Arc<ApiState>,
    shelf: Mutex<Shelf>,
    /// Held while the files of a piece are created, completed or deleted, so that none of these undoes another.
    files: Mutex<()>,
    /// Signals that a piece was queued or deleted.
    changed: Notify,
}

/// The methods for HTTP requests.
impl Pieces {
    /// Creates an empty list; [`Pieces::run`] reads the pieces that are in the folder.
    pub(super) fn new(folder: PathBuf, arguments: Vec<String>, api: Arc<ApiState>) -> Self {
        Self {
            folder: Folder::new(folder),
            arguments,
            api,
            shelf: Mutex::default(),
            files: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Returns all pieces, newest first.
    pub(super) fn list(&self) -> Vec<Piece> {
        self.shelf().pieces.values().rev().cloned().collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<Piece> {
        self.shelf().pieces.get(&id).cloned()
    }

    /// Returns the path of a piece's file; `None` if the piece is not ready or does not exist. Blocks on disk access.
    pub(super) fn file(&self, id: u64) -> Option<PathBuf> {
        let path = self.folder.path().join(self.get(id)?.file?);
        Some(path).filter(|path| path.is_file())
    }

    /// Queues a piece and saves its description. Blocks on disk access.
    pub(super) fn add(&self, request: PieceRequest) -> Result<Piece, Refusal> {
        self.prepare(&request)?;
        let _files = self.lock_files();
        let piece = self.enqueue(request)?;
        self.save(&piece);
        self.changed.notify_one();
        self.api.pieces_changed();
        Ok(piece)
    }

    fn enqueue(&self, request: PieceRequest) -> Result<Piece, Refused> {
        let mut shelf = self.shelf();
        let id = shelf.next_id.ok_or(Refused::Unread)?;
        if shelf.pieces.values().filter(|piece| piece.state == State::Waiting).count() >= MAX_QUEUED {
            return Err(Refused::Queue);
        }
        if shelf.pieces.len() >= MAX_PIECES {
            return Err(Refused::Folder);
        }
        if id > MAX_ID {
            return Err(Refused::Ids);
        }
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
        shelf.pieces.insert(id, piece.clone());
        shelf.next_id = Some(id + 1);
        Ok(piece)
    }

    /// Deletes a piece and its files, aborting its render if necessary. Returns false if there is no such piece. If its
    /// files cannot be deleted, it stays. Blocks on disk access.
    pub(super) fn delete(&self, id: u64) -> io::Result<bool> {
        let _files = self.lock_files();
        let Some(piece) = self.get(id) else { return Ok(false) };
        self.folder.remove(&piece)?;
        self.shelf().pieces.remove(&id);
        self.changed.notify_one();
        self.api.pieces_changed();
        Ok(true)
    }
}

/// The methods for the task that renders.
impl Pieces {
    /// Reads the folder, then renders the waiting pieces one at a time, starting each once `load` is low enough. Those that
    /// were waiting or being rendered when the program stopped wait again. Never returns.
    pub(super) async fn run(self: Arc<Self>, load: impl Fn() -> f32) {
        self.read_until_done().await;
        loop {
            let next = self.shelf().pieces.values().find(|piece| piece.state == State::Waiting).cloned();
            match next {
                None => self.changed.notified().await,
                // Until the folder of the takes is known, the daemon is still starting.
                Some(_) if load() > MAX_LOAD || self.api.destination().is_none() => {
                    tokio::time::sleep(LOAD_INTERVAL).await;
                }
                Some(piece) => self.render(piece).await,
            }
        }
    }

    /// Reads the folder, without which no id can be given to a new piece, unless that has been done before.
    async fn read_until_done(self: &Arc<Self>) {
        let mut reported = None;
        while self.shelf().next_id.is_none() {
            let Err(error) = self.on_blocking_thread(Self::read).await else { return };
            if reported.as_ref() != Some(&error) {
                tracing::warn!("cannot read the pieces in {}: {error}; retrying", self.folder.path().display());
                reported = Some(error);
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    fn read(&self) -> Result<(), String> {
        let Contents { pieces, next_id } = self.folder.read().map_err(|error| error.to_string())?;
        *self.shelf() = Shelf { pieces, next_id: Some(next_id) };
        self.api.pieces_changed();
        Ok(())
    }

    async fn on_blocking_thread<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let pieces = Arc::clone(self);
        threads::blocking(move || work(&pieces)).await.map_err(|error| error.to_string()).flatten()
    }

    async fn render(self: &Arc<Self>, piece: Piece) {
        let (id, name) = (piece.id, piece.request.file_name(piece.id));
        self.update(id, |piece| piece.state = State::Rendering);
        let outcome = match self.on_blocking_thread(move |pieces| pieces.command(&piece)).await {
            Ok((command, max_bytes)) => self.run_process(id, command, max_bytes).await,
            Err(error) => Err(error),
        };
        let finish = move |pieces: &Self| {
            pieces.finish(id, &name, outcome);
            Ok(())
        };
        if let Err(error) = self.on_blocking_thread(finish).await {
            tracing::error!(piece = id, "cannot finish a piece: {error}");
        }
    }

    /// Returns the command that renders a piece, and the size in bytes planned for its file.
    fn command(&self, piece: &Piece) -> Result<(Command, u64), String> {
        let (control_log, bytes) = self.prepare(&piece.request).map_err(|refusal| refusal.1)?;
        let output = self.folder.begin(&piece.request.file_name(piece.id)).map_err(|error| error.to_string())?;
        // This link leads to the running program even if an upgrade has replaced its file.
        let program = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        let mut command = background::command(&program);
        command.args(["render", "--progress"]).arg(option("output", &output));
        command.args(&self.arguments).args(piece.request.arguments());
        command.args(control_log.map(|log| option("control-log", &log)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Ok((command, bytes))
    }

    /// Checks that the disk has space for a piece, within the limits for recordings. Returns the control log from which
    /// it is rendered, if it is rendered from one, and the maximum size of its file in bytes.
    fn prepare(&self, request: &PieceRequest) -> Result<(Option<PathBuf>, u64), Refusal> {
        let control_log = request.take.as_ref().map(|take| takes::control_log(&self.api, take)).transpose()?;
        let bytes = request.max_bytes(control_log.as_deref().and_then(takes::rendered_seconds));
        let Some(destination) = self.api.destination() else { return Ok((control_log, bytes)) };
        let (folder, total) = (self.folder.path(), self.folder.bytes());
        let gigabytes = bytes as f64 / GIGABYTE;
        let fits = destination.budget.check(folder, "pieces", total, bytes);
        fits.map_err(|reason| Refused::Disk { gigabytes, reason })?;
        Ok((control_log, bytes))
    }

    /// Completes a piece after its process has ended, unless it has been deleted in the meantime.
    fn finish(&self, id: u64, name: &str, outcome: Result<(), String>) {
        let _files = self.lock_files();
        let outcome = match outcome {
            Ok(()) if self.get(id).is_some() => self.folder.publish(name).map_err(|error| error.to_string()),
            Ok(()) => Err("deleted".to_owned()),
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            self.folder.discard(name);
        }
        self.update(id, |piece| {
            piece.seconds_left = None;
            match outcome {
                Ok((file, bytes)) => {
                    (piece.state, piece.done, piece.bytes) = (State::Ready, 1.0, bytes);
                    piece.file = Some(file);
                }
                Err(error) => {
                    tracing::warn!(piece = id, "cannot render a piece: {error}");
                    (piece.state, piece.error) = (State::Failed, Some(error));
                }
            }
        });
        if let Some(piece) = self.get(id) {
            self.save(&piece);
        }
    }

    /// Runs `melos render` until it ends, its file becomes much larger than `max_bytes`, or the piece is deleted. The
    /// error says why it failed.
    async fn run_process(&self, id: u64, mut command: Command, max_bytes: u64) -> Result<(), String> {
        let mut child = command.spawn().map_err(|error| format!("cannot run `melos render`: {error}"))?;
        let limit = max_bytes.saturating_add(max_bytes / 20).saturating_add(SIZE_MARGIN);
        if let Err(error) = background::limit_file_size(&child, limit) {
            tracing::warn!(piece = id, "cannot limit the size of a piece: {error}");
        }
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
                            self.update_progress(id, &progress, started.elapsed());
                        }
                    }
                    Ok(None) | Err(_) => break,
                },
                () = self.changed.notified() => {
                    if self.get(id).is_none() {
                        let _ = child.kill().await;
                        return Err("deleted".to_owned());
                    }
                }
            }
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        let stderr = error_output.await.unwrap_or_default();
        if status.success() { Ok(()) } else { Err(failure::reason(status, &stderr)) }
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

    /// Changes a piece, if it still exists.
    fn update(&self, id: u64, change: impl FnOnce(&mut Piece)) {
        let states = self.shelf().pieces.get_mut(&id).map(|piece| {
            (piece.state, {
                change(piece);
                piece.state
            })
        });
        if states.is_some_and(|(before, after)| before != after) {
            self.api.pieces_changed();
        }
    }

    /// Saves the description of a piece.
    fn save(&self, piece: &Piece) {
        if let Err(error) = self.folder.save(piece) {
            tracing::warn!(piece = piece.id, "cannot save the description of a piece: {error}");
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Every change leaves the pieces consistent, so they can be read even after a panic elsewhere.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns an option with its value as one argument, so that a value that starts with `-` is not read as an option.
fn option(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut argument = OsString::from(format!("--{name}="));
    argument.push(value);
    argument
}

/// Processes the body of a `POST /render` as far as the queue, for fuzzing; the only preset is `storm`. Returns the name of
/// the piece's file and the arguments that describe the piece to `melos render`.
///
/// # Errors
/// If the request is refused, with the reason.
#[doc(hidden)]
pub fn probe(body: &[u8]) -> Result<(String, Vec<OsString>), String> {
    let request: PieceRequest = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    request.check([("storm", "Storm")].into_iter())?;
    Ok((request.file_name(1), request.arguments()))
}

#[cfg(test)]
mod tests;
