//! Pieces of a chosen length, made by a process of its own at the lowest priority: `melos render`, one at a time, the rest
//! in a bounded queue. What is finished stays in a folder until somebody deletes it.

mod wish;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::Notify;

use super::desk::Desk;
pub(super) use wish::Wish;

/// Pieces that may wait.
const WAITING: usize = 8;
/// Pieces that are kept; then somebody must delete some.
const KEPT: usize = 500;
/// Load of the generator above which a piece waits: the performance comes first.
const BUSY: f32 = 0.7;
/// How long until the load is looked at again.
const LATER: Duration = Duration::from_secs(1);
/// Bytes of what a failing process says that are looked at.
const SAID: u64 = 8192;

/// How far a piece has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Waiting,
    Rendering,
    Ready,
    Failed,
}

/// A piece; what it is asked for with, and what has become of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) id: u64,
    pub(super) state: State,
    /// Share that is done, 0 to 1.
    done: f32,
    /// About how long it will take from now on.
    seconds_left: Option<f64>,
    /// Seconds since 1970 at which it was asked for.
    created: u64,
    wish: Wish,
    /// Its file's name once it is ready.
    file: Option<String>,
    bytes: u64,
    /// How loud it is from beginning to end, full scale 1, as far as it is done.
    picture: Vec<f32>,
    /// Why it failed.
    error: Option<String>,
}

/// A line that the process says.
#[derive(Debug, Deserialize)]
struct Progress {
    done: f32,
    peak: f32,
}

/// Why no piece can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("{WAITING} pieces are already queued; try again when one is done")]
    Queue,
    #[error("there are already {KEPT} pieces; delete some first")]
    Folder,
}

/// All pieces, and the one process that makes them.
#[derive(Debug)]
pub(super) struct Pieces {
    folder: PathBuf,
    /// What every process is told: data folder and model.
    places: Vec<String>,
    desk: Arc<Desk>,
    pieces: Mutex<BTreeMap<u64, Piece>>,
    /// Something to be made has come, or what is being made has been deleted.
    changed: Notify,
}

impl Pieces {
    /// The pieces of a folder. What was not finished when the program ended has failed.
    pub(super) fn open(folder: PathBuf, places: Vec<String>, desk: Arc<Desk>) -> Self {
        let mut pieces = BTreeMap::new();
        for mut piece in read(&folder) {
            if matches!(piece.state, State::Waiting | State::Rendering) {
                piece.state = State::Failed;
                piece.error = Some("Melos stopped before it was rendered".to_owned());
            }
            pieces.insert(piece.id, piece);
        }
        Self { folder, places, desk, pieces: Mutex::new(pieces), changed: Notify::new() }
    }

    /// Every piece, newest first.
    pub(super) fn list(&self) -> Vec<Piece> {
        self.lock().values().rev().cloned().collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<Piece> {
        self.lock().get(&id).cloned()
    }

    /// Where the file of a piece is, once it is ready.
    pub(super) fn file(&self, id: u64) -> Option<PathBuf> {
        self.lock().get(&id).and_then(|piece| piece.file.as_ref()).map(|file| self.folder.join(file))
    }

    /// Puts a piece into the queue.
    pub(super) fn add(&self, wish: Wish) -> Result<Piece, Full> {
        let mut pieces = self.lock();
        if pieces.values().filter(|piece| piece.state == State::Waiting).count() >= WAITING {
            return Err(Full::Queue);
        }
        if pieces.len() >= KEPT {
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
            wish,
            file: None,
            bytes: 0,
            picture: Vec::new(),
            error: None,
        };
        pieces.insert(id, piece.clone());
        drop(pieces);
        self.changed.notify_one();
        self.desk.pieces_changed();
        Ok(piece)
    }

    /// Deletes a piece with its files; one that is being made is given up. False where there is none. Waits for the disk.
    pub(super) fn delete(&self, id: u64) -> io::Result<bool> {
        let Some(piece) = self.lock().remove(&id) else { return Ok(false) };
        self.changed.notify_one();
        self.desk.pieces_changed();
        for name in piece.file.into_iter().chain([about(id)]) {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Makes one piece after the other, while `load` says that there is room for it. Never returns.
    pub(super) async fn work(self: Arc<Self>, load: impl Fn() -> f32) {
        loop {
            let next = self.lock().values().find(|piece| piece.state == State::Waiting).cloned();
            match next {
                None => self.changed.notified().await,
                Some(_) if load() > BUSY => tokio::time::sleep(LATER).await,
                Some(piece) => self.make(piece).await,
            }
        }
    }

    async fn make(&self, piece: Piece) {
        let id = piece.id;
        self.update(id, |piece| piece.state = State::Rendering);
        let name = piece.wish.file_name(id);
        // Under a name that is not listed until it is complete.
        let unfinished = self.folder.join(format!(".{name}"));
        let outcome = self.render(&piece, &unfinished).await;
        let made = match outcome {
            Ok(()) => tokio::fs::rename(&unfinished, self.folder.join(&name)).await.map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        if made.is_err() {
            let _ = tokio::fs::remove_file(&unfinished).await;
        }
        let bytes = tokio::fs::metadata(self.folder.join(&name)).await.map_or(0, |about| about.len());
        let there = self.update(id, |piece| {
            piece.seconds_left = None;
            match made {
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
            Some(piece) if there => self.keep(&piece).await,
            // Deleted meanwhile.
            _ => drop(tokio::fs::remove_file(self.folder.join(&name)).await),
        }
    }

    /// Runs the process to its end, or until the piece is deleted.
    async fn render(&self, piece: &Piece, output: &Path) -> Result<(), String> {
        tokio::fs::create_dir_all(&self.folder).await.map_err(|error| error.to_string())?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(program).args(["render", "--progress", "--output"]).arg(output);
        command.args(&self.places).args(piece.wish.arguments());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("cannot run `nice`: {error}"))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("the process has no output".to_owned());
        };
        let complaint = tokio::spawn(async move {
            let mut said = Vec::new();
            let mut err = err;
            let _ = (&mut err).take(SAID).read_to_end(&mut said).await;
            // Whatever else it says is read and left, so that it never waits for somebody to read it.
            let _ = tokio::io::copy(&mut err, &mut tokio::io::sink()).await;
            String::from_utf8_lossy(&said).into_owned()
        });
        let (begun, mut lines) = (Instant::now(), BufReader::new(out).lines());
        loop {
            tokio::select! {
                line = lines.next_line() => match line {
                    Ok(Some(line)) => {
                        if let Ok(progress) = serde_json::from_str(&line) {
                            self.note(piece.id, &progress, begun.elapsed());
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
        let said = complaint.await.unwrap_or_default();
        if status.success() { Ok(()) } else { Err(last_words(&said).unwrap_or_else(|| status.to_string())) }
    }

    fn note(&self, id: u64, progress: &Progress, passed: Duration) {
        self.update(id, |piece| {
            piece.done = progress.done.clamp(0.0, 1.0);
            piece.picture.push(progress.peak);
            // The first moments, in which the networks are loaded, tell little about the rest.
            piece.seconds_left = (progress.done > 0.02)
                .then(|| passed.as_secs_f64() * f64::from(1.0 - progress.done) / f64::from(progress.done));
        });
    }

    /// Changes a piece; false where there is none any more.
    fn update(&self, id: u64, change: impl FnOnce(&mut Piece)) -> bool {
        let there = self.lock().get_mut(&id).map(|piece| {
            (piece.state, {
                change(piece);
                piece.state
            })
        });
        if there.is_some_and(|(before, after)| before != after) {
            self.desk.pieces_changed();
        }
        there.is_some()
    }

    /// Writes down what a piece is, beside its file.
    async fn keep(&self, piece: &Piece) {
        let path = self.folder.join(about(piece.id));
        let text = serde_json::to_vec_pretty(piece).unwrap_or_default();
        if let Err(error) = tokio::fs::write(&path, text).await {
            tracing::warn!(path = %path.display(), %error, "cannot save the description of a piece");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Piece>> {
        // Every change is complete in itself; a panic elsewhere leaves it readable.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn about(id: u64) -> String {
    format!("piece-{id}.json")
}

/// What a folder says about the pieces in it.
fn read(folder: &Path) -> Vec<Piece> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.flatten().map(|entry| entry.path());
    let pieces =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).filter_map(|path| {
            let piece = fs::read(&path).map_err(|error| error.to_string());
            piece
                .and_then(|text| serde_json::from_slice::<Piece>(&text).map_err(|error| error.to_string()))
                .inspect_err(|error| tracing::warn!(path = %path.display(), "ignoring a piece: {error}"))
                .ok()
        });
    pieces.filter(|piece| piece.file.as_ref().is_none_or(|file| folder.join(file).is_file())).collect()
}

/// The sentence that says why a process ended.
fn last_words(said: &str) -> Option<String> {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().find_map(|line| line.strip_prefix("Error: ").or_else(|| line.strip_prefix("error: ")));
    error.or_else(|| lines().next_back()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(folder: &Path) -> Pieces {
        Pieces::open(folder.to_owned(), Vec::new(), Arc::new(Desk::default()))
    }

    fn wish() -> Wish {
        serde_json::from_str(r#"{ "emotion": "calm", "seconds": 10 }"#).unwrap()
    }

    #[test]
    fn the_queue_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let pieces = pieces(folder.path());
        for id in 1..=WAITING as u64 {
            assert_eq!(pieces.add(wish()).unwrap().id, id);
        }
        assert_eq!(pieces.add(wish()).unwrap_err(), Full::Queue);
        assert!(pieces.delete(3).unwrap() && !pieces.delete(3).unwrap());
        assert_eq!(pieces.add(wish()).unwrap().id, WAITING as u64 + 1);
    }

    #[test]
    fn pieces_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let before = pieces(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for file in [Some("there.wav"), Some("gone.wav"), None] {
            let mut piece = before.add(wish()).unwrap();
            (piece.state, piece.file) = (State::Ready, file.map(str::to_owned));
            if file.is_none() {
                piece.state = State::Rendering;
            }
            runtime.block_on(before.keep(&piece));
        }
        fs::write(folder.path().join("there.wav"), "x").unwrap();
        fs::write(folder.path().join("piece-9.json"), "nonsense").unwrap();
        let after: Vec<_> = pieces(folder.path()).list().into_iter().map(|piece| (piece.id, piece.state)).collect();
        assert_eq!(after, [(3, State::Failed), (1, State::Ready)]);
    }

    #[test]
    fn the_reason_is_what_the_process_said() {
        let said = "2026 INFO loading\nError: there is no preset \"x\"\n\nCaused by: nothing\n";
        assert_eq!(last_words(said).as_deref(), Some("there is no preset \"x\""));
        assert_eq!(last_words("killed\n").as_deref(), Some("killed"));
        assert_eq!(last_words(" \n"), None);
    }
}
