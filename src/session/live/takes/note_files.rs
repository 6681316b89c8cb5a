//! Writes the notes of each finished file of a take to a MIDI file beside it, on a thread of its own, so that the performance
//! never waits for the disk.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::event::health::{Loss, Losses};
use crate::files::{sync_folder, unused_path};
use crate::output::record::{PRE_ROLL_SECONDS, RecordedFile};
use crate::session::midi_file::MidiFile;
use crate::session::notes::Notes;
use crate::threads;
use crate::units::SAMPLE_RATE;

/// Number of frames for which notes are kept, because a take may begin with them: the longest pre-roll, and what the recorder
/// may be behind.
const RECENT: u64 = (PRE_ROLL_SECONDS as u64 + 5) * SAMPLE_RATE as u64;
/// Number of frames for which notes are kept at most: those of the longest file, and ten minutes during which the recorder may
/// be stuck.
const LONGEST: u64 = (2 * 60 + 10) * 60 * SAMPLE_RATE as u64;
/// Capacity of the queue of files to write.
const QUEUE_CAPACITY: usize = 4;
/// Time limit for writing on shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The MIDI files still to be written.
#[derive(Debug)]
pub(super) struct NoteFiles {
    /// Finished files whose notes may still change.
    finished: VecDeque<RecordedFile>,
    /// Everything before this frame is no longer needed.
    needed_from: u64,
    /// `None` once the thread has been told to end.
    requests: Option<SyncSender<(Arc<Path>, MidiFile)>>,
    thread: Option<JoinHandle<()>>,
    losses: Arc<Losses>,
}

impl NoteFiles {
    /// Starts the thread. `on_written` is called after each file, and `losses` counts those that could not be written.
    ///
    /// # Errors
    /// When no thread can be created.
    pub(super) fn open(losses: Arc<Losses>, on_written: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (requests, receiver) = sync_channel(QUEUE_CAPACITY);
        let failures = Arc::clone(&losses);
        let thread = threads::spawn_restarting("melos-notes", move || run(&receiver, &failures, &on_written))?;
        let requests = Some(requests);
        Ok(Self { finished: VecDeque::new(), needed_from: 0, requests, thread: Some(thread), losses })
    }

    /// Adds finished files.
    pub(super) fn add(&mut self, files: impl IntoIterator<Item = RecordedFile>) {
        self.finished.extend(files.into_iter().filter(|file| !file.frames.is_empty()));
    }

    /// Writes the notes of all files that end by frame `settled`, up to which notes no longer change. Then forgets notes that
    /// no take needs: those before the latest, if the recorder is `idle`, and those of files already written. `head` is the
    /// playhead.
    pub(super) fn write(&mut self, settled: u64, head: u64, idle: bool, notes: &mut Notes) {
        while self.finished.front().is_some_and(|file| file.frames.end <= settled)
            && let Some(file) = self.finished.pop_front()
        {
            self.needed_from = self.needed_from.max(file.frames.end.saturating_sub(RECENT));
            self.request(file, notes);
        }
        if idle && self.finished.is_empty() {
            self.needed_from = self.needed_from.max(head.saturating_sub(RECENT));
        }
        self.needed_from = self.needed_from.max(head.saturating_sub(LONGEST));
        notes.forget_before(self.needed_from);
    }

    fn request(&self, RecordedFile { path, frames }: RecordedFile, notes: &Notes) {
        let refusal = if frames.start < notes.start() {
            Some("the recorder was stuck for too long, so its first notes were not kept")
        } else {
            let request = (Arc::clone(&path), MidiFile::new(frames, notes.clone()));
            let sent = self.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok());
            (!sent).then_some("the disk does not keep up")
        };
        if let Some(reason) = refusal {
            report(&path, reason, &self.losses);
        }
    }
}

impl Drop for NoteFiles {
    fn drop(&mut self) {
        self.requests = None;
        let started = Instant::now();
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && started.elapsed() < CLOSE_TIMEOUT {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn run(requests: &Receiver<(Arc<Path>, MidiFile)>, losses: &Losses, on_written: &impl Fn()) {
    for (take, notes) in requests {
        match write_beside(&take, &notes) {
            Ok(Some(path)) => {
                tracing::info!(path = %path.display(), "wrote the notes beside the recording");
                on_written();
            }
            Ok(None) => {
                tracing::info!(take = %take.display(), "the take was deleted or renamed before its notes were written")
            }
            Err(error) => report(&take, error, losses),
        }
    }
}

/// Reports that a file of a take has no notes beside it.
fn report(take: &Path, reason: impl std::fmt::Display, losses: &Losses) {
    tracing::error!(take = %take.display(), "cannot write the notes beside the recording: {reason}");
    losses.add(Loss::NoteFiles, 1);
}

/// Writes the notes of a take beside it and returns the path of the MIDI file; `None` if the take no longer exists. Leaves
/// nothing behind on failure.
fn write_beside(take: &Path, notes: &MidiFile) -> io::Result<Option<PathBuf>> {
    if !take.exists() {
        return Ok(None);
    }
    let path = unused_path(&take.with_extension("mid"));
    let mut file = BufWriter::new(File::create_new(&path)?);
    let written = notes.write(&mut file).and_then(|()| file.into_inner()?.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(&path)))?;
    sync_folder(&path)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60 * SAMPLE_RATE as u64;

    /// Returns a take with the given frames.
    fn take(folder: &Path, name: &str, frames: std::ops::Range<u64>) -> RecordedFile {
        let path = folder.join(name);
        fs::write(&path, "").unwrap();
        RecordedFile { path: path.into(), frames }
    }

    #[test]
    fn notes_are_written_beside_takes_that_still_exist_and_overwrite_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (losses, mut notes) = (Arc::<Losses>::default(), Notes::default());
        let mut files = NoteFiles::open(Arc::clone(&losses), || ()).unwrap();
        fs::write(folder.path().join("mine.mid"), "mine").unwrap();
        files.add([
            take(folder.path(), "calm.wav", 0..MINUTE),
            take(folder.path(), "mine.wav", MINUTE..2 * MINUTE),
            take(folder.path(), "empty.wav", MINUTE..MINUTE),
            take(folder.path(), "unsettled.wav", 2 * MINUTE..4 * MINUTE),
            RecordedFile { path: folder.path().join("deleted.wav").into(), frames: 0..MINUTE },
        ]);
        files.write(3 * MINUTE, 3 * MINUTE, false, &mut notes);
        drop(files);
        let mut written: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        written.retain(|name| name.ends_with(".mid"));
        written.sort();
        assert_eq!(written, ["calm.mid", "mine-2.mid", "mine.mid"]);
        assert!(fs::read(folder.path().join("calm.mid")).unwrap().starts_with(b"MThd"));
        assert_eq!(losses.count(Loss::NoteFiles), 0);
    }

    #[test]
    fn a_failure_is_counted_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (losses, mut notes) = (Arc::<Losses>::default(), Notes::default());
        let mut files = NoteFiles::open(Arc::clone(&losses), || ()).unwrap();
        // A name that is too long once it ends in `-2.mid`.
        let name = format!("{}.wav", "x".repeat(251));
        fs::write(folder.path().join(&name).with_extension("mid"), "mine").unwrap();
        files.add([take(folder.path(), &name, 0..MINUTE)]);
        files.write(MINUTE, MINUTE, false, &mut notes);
        // Beyond what is kept.
        files.add([take(folder.path(), "long.wav", 0..LONGEST + 1)]);
        files.write(0, 2 * LONGEST, false, &mut notes);
        files.write(2 * LONGEST, 2 * LONGEST, false, &mut notes);
        drop(files);
        assert_eq!(losses.count(Loss::NoteFiles), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn notes_are_kept_only_while_a_take_may_need_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut notes = Notes::default();
        let mut files = NoteFiles::open(Arc::default(), || ()).unwrap();
        files.write(10 * MINUTE, 10 * MINUTE, true, &mut notes);
        assert_eq!(notes.start(), 10 * MINUTE - RECENT);
        files.write(60 * MINUTE, 60 * MINUTE, false, &mut notes);
        assert_eq!(notes.start(), 10 * MINUTE - RECENT, "a take with pre-roll may have begun");
        files.add([take(folder.path(), "first.wav", 10 * MINUTE..70 * MINUTE)]);
        files.write(69 * MINUTE, 70 * MINUTE, true, &mut notes);
        assert_eq!(notes.start(), 10 * MINUTE - RECENT, "the notes of the first file may still change");
        files.write(70 * MINUTE, 71 * MINUTE, false, &mut notes);
        assert_eq!(notes.start(), 70 * MINUTE - RECENT, "the next file may have begun before the end of the first");
        files.write(0, 70 * MINUTE + 2 * LONGEST, false, &mut notes);
        assert_eq!(notes.start(), 70 * MINUTE + LONGEST, "a stuck recorder should not fill the memory");
    }
}
