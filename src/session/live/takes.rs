//! Recordings of a performance, each with its control log and its notes.

mod note_files;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::log_file::LogFile;
use crate::event::health::Losses;
use crate::event::log::Entry;
use crate::event::{Part, Troubles};
use crate::output::record::{Destination, Format, Recorded, Recorder, RecorderStatus, Take};
use crate::session::notes::Notes;
use crate::units::SAMPLE_RATE;

use note_files::NoteFiles;

/// Frames between the end of a recording and the writing of its log and notes, which by then include any late splices that
/// affect the recording.
const SETTLING_FRAMES: u64 = SAMPLE_RATE as u64;
/// Time limit for completing the last recording on shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum length of the automatic recording, in frames.
const FIRST_MINUTE: u64 = 60 * SAMPLE_RATE as u64;
/// Minimum interval between a failed take and the next attempt.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The recorder and its recordings.
#[derive(Debug)]
pub(super) struct Takes {
    recorder: Recorder,
    /// Completed recordings beside which the log has yet to be copied.
    finished: VecDeque<Recorded>,
    note_files: NoteFiles,
    /// Whether a recording was requested.
    requested: bool,
    last_failure: Option<Instant>,
    troubles: Troubles,
}

impl Takes {
    /// Creates the takes of a recorder. `on_notes_written` is called when the notes of a take have been written, and `losses`
    /// counts the takes for which that failed.
    ///
    /// # Errors
    /// When no thread can be created.
    pub(super) fn new(
        recorder: Recorder,
        troubles: Troubles,
        losses: Arc<Losses>,
        on_notes_written: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let note_files = NoteFiles::open(losses, on_notes_written)?;
        Ok(Self { recorder, finished: VecDeque::new(), note_files, requested: false, last_failure: None, troubles })
    }

    /// Records the first minute when there is no audio device, so that there is something to listen to.
    pub(super) fn record_first_minute(&self, page: &str) {
        tracing::info!(page, "listen on the page; recording the first minute");
        let label = "first-minute".to_owned();
        let take = Take { label, format: Format::Wav, pre_roll: 0, limit: Some(FIRST_MINUTE) };
        if let Err(error) = self.recorder.start(take) {
            self.troubles.set(Part::Recording, error);
        }
    }

    /// Returns the recorder's status.
    pub(super) fn status(&self) -> &Arc<RecorderStatus> {
        self.recorder.status()
    }

    /// Starts a recording, with `pre_roll` frames of pre-roll, unless one was already requested. Returns whether a
    /// recording is now requested.
    pub(super) fn begin(&mut self, label: &str, format: Format, pre_roll: u64) -> bool {
        if self.requested {
            return true;
        }
        if self.last_failure.is_some_and(|failure| failure.elapsed() < RETRY_INTERVAL) {
            return false;
        }
        match self.recorder.start(Take { label: label.to_owned(), format, pre_roll, limit: None }) {
            Ok(()) => self.requested = true,
            Err(error) => {
                self.last_failure = Some(Instant::now());
                self.troubles.set(Part::Recording, error);
            }
        }
        self.requested
    }

    /// Stops the requested recording; the automatic recording continues.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.requested)
            && let Err(error) = self.recorder.stop()
        {
            self.troubles.set(Part::Recording, error);
        }
    }

    /// Changes where recordings are stored, or their space limits, starting with the next recording.
    pub(super) fn configure(&self, destination: Destination) {
        if let Err(error) = self.recorder.set_destination(destination) {
            self.troubles.set(Part::Recording, error);
        }
    }

    /// Updates the reported trouble with recording. Returns why a requested recording failed, once per failure. Must be
    /// called regularly.
    pub(super) fn failure(&mut self) -> Option<String> {
        let Some(failure) = self.recorder.status().take_failure() else {
            if self.recorder.status().is_recording() {
                self.troubles.clear(Part::Recording);
            }
            return None;
        };
        self.troubles.set(Part::Recording, &failure);
        // A failure of the automatic recording must not delay a requested one.
        if !std::mem::take(&mut self.requested) {
            return None;
        }
        self.last_failure = Some(Instant::now());
        Some(failure)
    }

    /// Copies the control log beside recordings that ended at least [`SETTLING_FRAMES`] frames ago.
    pub(super) fn copy_logs(&mut self, head: u64, log: &mut LogFile) {
        self.copy_logs_before(head.saturating_sub(SETTLING_FRAMES), log);
    }

    /// Writes the notes beside files that ended at least [`SETTLING_FRAMES`] frames ago, and forgets those that no take needs.
    /// Must be called regularly.
    pub(super) fn write_notes(&mut self, head: u64, notes: &mut Notes) {
        self.write_notes_before(head.saturating_sub(SETTLING_FRAMES), head, notes);
    }

    fn write_notes_before(&mut self, settled: u64, head: u64, notes: &mut Notes) {
        // In this order, because the recorder announces the last file of a take before it becomes idle.
        let idle = !self.requested && !self.recorder.status().is_recording();
        self.note_files.add(self.recorder.status().take_recorded_files());
        self.note_files.write(settled, head, idle, notes);
    }

    fn copy_logs_before(&mut self, frame: u64, log: &mut LogFile) {
        self.finished.extend(self.recorder.status().take_recorded());
        while let Some(finished) = self.finished.pop_front() {
            if finished.frames.end > frame {
                return self.finished.push_front(finished);
            }
            log.copy_beside(finished);
        }
    }

    /// Completes the current recording, its notes and its control log, and ends the session's control log at a frame.
    pub(super) fn close(&mut self, frame: u64, notes: &mut Notes, log: &mut LogFile) {
        let end = Instant::now() + CLOSE_TIMEOUT;
        if self.recorder.stop().is_ok() {
            while self.recorder.status().is_recording() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.write_notes_before(u64::MAX, frame, notes);
        self.copy_logs_before(u64::MAX, log);
        log.write(frame, Entry::End);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ringbuf::HeapRb;
    use ringbuf::traits::Split;

    use super::*;
    use crate::files::config::RecordingsConfig;
    use crate::output::record::{Budget, Listeners};

    fn takes(folder: &Path) -> Takes {
        let (_, tap) = HeapRb::new(1000).split();
        let destination = Destination { folder: folder.to_owned(), budget: Budget::new(&RecordingsConfig::default()) };
        let recorder = Recorder::spawn(tap, Listeners::default(), destination, std::sync::Arc::default()).unwrap();
        Takes::new(recorder, Troubles::default(), Arc::default(), || ()).unwrap()
    }

    fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
        let started = Instant::now();
        while !reached() {
            assert!(started.elapsed() < Duration::from_secs(20), "timed out waiting for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn repeated_requests_start_one_take() {
        let folder = tempfile::tempdir().unwrap();
        let mut takes = takes(folder.path());
        for _ in 0..180 {
            assert!(takes.begin("calm", Format::Wav, 0));
        }
        wait_until("the take", || takes.status().is_recording());
        takes.end();
        takes.end();
        wait_until("the end of the take", || !takes.status().is_recording());
        assert_eq!(takes.status().progress().attempts, 1);
        assert!(takes.begin("calm", Format::Wav, 0));
        wait_until("the second take", || takes.status().progress().attempts == 2);
    }

    #[test]
    fn a_failed_take_is_cancelled_and_reported_once() {
        let mut takes = takes(Path::new("/proc/nothing"));
        assert!(takes.begin("calm", Format::Wav, 0));
        let mut failure = None;
        wait_until("the failure", || {
            failure = takes.failure();
            failure.is_some()
        });
        assert!(failure.unwrap().contains("/proc/nothing"));
        assert!(takes.troubles.now().0.contains_key(&Part::Recording));
        for _ in 0..60 {
            assert!(!takes.begin("calm", Format::Wav, 0), "requests should be refused for a while");
        }
        assert_eq!((takes.failure(), takes.status().progress().attempts), (None, 1));
    }
}
