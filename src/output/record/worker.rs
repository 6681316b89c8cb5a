//! The recorder's thread.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;
use tracing::{error, info, warn};

use super::listeners::Listeners;
use super::pre_roll::PreRoll;
use super::sound_file::SoundFile;
use super::{
    Bits, Destination, PRE_ROLL_SECONDS, RecordError, Recorded, RecordedFile, RecorderStatus, Take, take_files,
};
use crate::engine::gap_in;
use crate::event::health::{Loss, Losses};
use crate::files::{create_folder, stamp};
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Maximum interval between reads of the tap.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum number of frames read from the tap at once.
const CHUNK: usize = 4096;
/// Number of frames between flushes, which make the file playable even after a crash.
const FLUSH_FRAMES: u64 = SAMPLE_RATE as u64;
/// Number of flushes between syncs to disk, which protect the file from a power cut, and between checks of the space limits.
const SYNC_FLUSHES: u64 = 10;
/// Maximum number of frames per file: two hours.
const MAX_FILE_FRAMES: u64 = 2 * 3600 * SAMPLE_RATE as u64;
/// Interval between deletions of expired recordings while not recording.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);
/// Time within which the clock of a machine without a battery is set after the start.
const CLOCK_SETTLING: Duration = Duration::from_secs(3600);
/// Maximum number of gaps kept; later ones are merged into the last.
const MAX_GAPS: usize = 100;

/// A request to the recorder.
#[derive(Debug)]
pub(super) enum Request {
    Start(Take),
    Stop,
    SetDestination(Destination),
}

struct Recording {
    take: Take,
    /// The first file.
    path: Arc<Path>,
    /// The current file's path.
    file_path: Arc<Path>,
    file: SoundFile,
    /// Frame on the timeline at which the take begins.
    start: u64,
    /// Number of frames in the previous files.
    previous_frames: u64,
    /// Number of frames after which the take continues in another file.
    max_file_frames: u64,
    /// Number of the current file, from 1.
    part: u32,
    /// Number of frames in the current file at its last flush.
    flushed: u64,
    /// The previous file, until it is announced.
    finished: Option<RecordedFile>,
    destination: Destination,
    status: Arc<RecorderStatus>,
}

/// State owned by the thread.
pub(super) struct Worker {
    tap: HeapCons<[f32; 2]>,
    listeners: Listeners,
    destination: Destination,
    status: Arc<RecorderStatus>,
    losses: Arc<Losses>,
    pre_roll: PreRoll,
    /// Number of frames read from the tap.
    frames_read: u64,
    /// Frame at which the last requested take ended.
    last_end: u64,
    /// Ranges missing from the tap, as far back as a take may start.
    gaps: VecDeque<Range<u64>>,
    recording: Option<Recording>,
    max_file_frames: u64,
    last_cleanup: Instant,
    started: Instant,
}

impl Worker {
    pub(super) fn new(
        tap: HeapCons<[f32; 2]>,
        listeners: Listeners,
        destination: Destination,
        status: Arc<RecorderStatus>,
        losses: Arc<Losses>,
    ) -> Self {
        Self {
            tap,
            listeners,
            destination,
            status,
            losses,
            pre_roll: PreRoll::new(),
            frames_read: 0,
            last_end: 0,
            gaps: VecDeque::new(),
            recording: None,
            max_file_frames: MAX_FILE_FRAMES,
            last_cleanup: Instant::now(),
            started: Instant::now(),
        }
    }

    /// Runs until the handle is dropped. When called again after a panic, ends the current take and clears the
    /// pre-roll.
    pub(super) fn run(&mut self, requests: &Receiver<Request>) {
        self.pre_roll = PreRoll::new();
        if let Some(recording) = self.recording.take() {
            self.fail(&RecordError::Crashed, Some(recording));
        }
        loop {
            let request = requests.recv_timeout(POLL_INTERVAL);
            self.drain();
            match request {
                Ok(Request::Start(take)) => self.start(take),
                Ok(Request::Stop) => self.stop(),
                Ok(Request::SetDestination(destination)) => {
                    self.destination = destination;
                    // Leaves time to correct a limit that was saved by mistake or while it was being typed.
                    self.last_cleanup = Instant::now();
                }
                Err(RecvTimeoutError::Timeout)
                    if self.recording.is_none() && self.last_cleanup.elapsed() >= CLEANUP_INTERVAL =>
                {
                    self.clean_up()
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
        }
    }

    /// Returns the time, once the clock has had the time to be set after the machine was switched on: otherwise, a wrong
    /// clock could make all recordings seem old.
    fn trusted_time(&self) -> Option<SystemTime> {
        (self.started.elapsed() >= CLOCK_SETTLING).then(SystemTime::now)
    }

    /// Deletes expired recordings.
    fn clean_up(&mut self) {
        self.last_cleanup = Instant::now();
        if let Some(now) = self.trusted_time() {
            self.destination.budget.delete_expired(&self.destination.folder, now);
        }
    }

    /// Reads everything from the tap.
    fn drain(&mut self) {
        let mut chunk = [[0.0; 2]; CHUNK];
        loop {
            let count = self.tap.pop_slice(&mut chunk);
            if count == 0 {
                return;
            }
            let mut rest = &chunk[..count];
            while let Some(index) = rest.iter().position(|frame| gap_in(*frame).is_some()) {
                self.process(&rest[..index]);
                self.process_gap(gap_in(rest[index]).unwrap_or(0).into());
                rest = &rest[index + 1..];
            }
            self.process(rest);
        }
    }

    /// Replaces missing frames with silence, so that the timeline stays intact.
    fn process_gap(&mut self, missing: u64) {
        let gap = self.frames_read..self.frames_read + missing;
        let at = self.recording.as_ref().map_or(0, |recording| gap.start.saturating_sub(recording.start));
        if self.recording.is_some() {
            let (at, seconds) = (frames_to_seconds(at), frames_to_seconds(missing));
            warn!(at, seconds, "the recorder did not keep up; the take has silence where frames are missing");
            self.status.update(|progress| progress.missing += missing);
        }
        let is_full = self.gaps.len() >= MAX_GAPS;
        match self.gaps.back_mut().filter(|_| is_full) {
            Some(last) => last.end = gap.end,
            None => self.gaps.push_back(gap),
        }
        let silence = [[0.0; 2]; CHUNK];
        let mut remaining = missing;
        while remaining > 0 {
            let count = remaining.min(CHUNK as u64);
            self.process(&silence[..count as usize]);
            remaining -= count;
        }
    }

    /// Passes frames on to the pre-roll, the listeners and the take.
    fn process(&mut self, frames: &[[f32; 2]]) {
        if frames.is_empty() {
            return;
        }
        self.pre_roll.push(frames);
        self.losses.add(Loss::Listeners, self.listeners.send(frames));
        self.frames_read += frames.len() as u64;
        let Some(mut recording) = self.recording.take() else { return };
        let result = recording.write(frames);
        if let Some(file) = recording.finished.take() {
            self.status.push_recorded_file(file);
        }
        self.status.frames.store(recording.frames(), Relaxed);
        match result {
            Ok(continues) => {
                self.recording = Some(recording);
                if !continues {
                    self.stop();
                }
            }
            Err(error) => self.fail(&error, Some(recording)),
        }
    }

    fn start(&mut self, take: Take) {
        self.stop();
        self.status.update(|progress| {
            progress.attempts += 1;
            progress.trouble = None;
            progress.missing = 0;
        });
        // The first frame that is still available as pre-roll.
        let oldest = self.frames_read.saturating_sub(u64::from(PRE_ROLL_SECONDS * SAMPLE_RATE));
        self.gaps.retain(|gap| gap.end > oldest);
        match self.create(take) {
            Ok(recording) => {
                info!(path = %recording.path.display(), "recording");
                let missing: u64 =
                    self.gaps_in(recording.start..self.frames_read).iter().map(|gap| gap.end - gap.start).sum();
                self.status.update(|progress| {
                    progress.path = Some(recording.path.to_path_buf());
                    progress.missing = missing;
                });
                self.status.frames.store(recording.frames(), Relaxed);
                self.status.recording.store(true, Relaxed);
                self.recording = Some(recording);
            }
            Err(error) => self.fail(&error, None),
        }
    }

    /// Creates the file of a take and writes the pre-roll.
    fn create(&mut self, take: Take) -> Result<Recording, RecordError> {
        let destination = self.destination.clone();
        let folder = &destination.folder;
        create_folder(folder).map_err(|source| RecordError::File { path: folder.clone(), source })?;
        destination.budget.make_room(folder, None).map_err(RecordError::NoSpace)?;
        let name = format!("{}_{}.{}", stamp("%Y-%m-%d_%H.%M.%S"), take.label, take.format.extension());
        let path = self.status.add_file(take_files::unused(&folder.join(name)));
        let file = SoundFile::create_new(&path, take.format, Bits::TwentyFour)?;
        let pre_roll = self.pre_roll.last(take.pre_roll.min(self.frames_read - self.last_end));
        let start = self.frames_read - pre_roll.iter().map(|frames| frames.len() as u64).sum::<u64>();
        let mut recording = Recording {
            take,
            file_path: Arc::clone(&path),
            path,
            file,
            start,
            previous_frames: 0,
            max_file_frames: self.max_file_frames,
            part: 1,
            flushed: 0,
            finished: None,
            destination,
            status: Arc::clone(&self.status),
        };
        for frames in pre_roll {
            recording.write(frames)?;
        }
        Ok(recording)
    }

    /// Returns the gaps within a range of frames.
    fn gaps_in(&self, frames: Range<u64>) -> Vec<Range<u64>> {
        let within = |gap: &Range<u64>| gap.start.max(frames.start)..gap.end.min(frames.end);
        self.gaps.iter().map(within).filter(|gap| !gap.is_empty()).collect()
    }

    fn stop(&mut self) {
        let Some(recording) = self.recording.take() else { return };
        let (recorded, file) = (self.describe(&recording), recording.current_file());
        match recording.file.finish() {
            Ok(()) => self.complete(recorded, file),
            Err(error) => self.fail(&error, None),
        }
    }

    /// Describes a recording that ends now. If it was requested, the pre-roll of later takes cannot reach back into it.
    fn describe(&mut self, recording: &Recording) -> Recorded {
        let frames = recording.start..recording.start + recording.frames();
        // Only the automatic recording has a limit. Nobody requested it, so a take's pre-roll may reach back into it.
        if recording.take.limit.is_none() {
            self.last_end = frames.end;
        }
        let gaps = self.gaps_in(frames.clone());
        Recorded { path: Arc::clone(&recording.path), frames, gaps }
    }

    /// Announces a recording whose last file is complete.
    fn complete(&mut self, recorded: Recorded, last_file: RecordedFile) {
        let (seconds, gaps) = (frames_to_seconds(recorded.frames.end - recorded.frames.start), recorded.gaps.len());
        if gaps == 0 {
            info!(path = %recorded.path.display(), seconds, "recorded");
        } else {
            warn!(path = %recorded.path.display(), seconds, gaps, "recording finished, with gaps");
        }
        self.status.push_recorded(recorded);
        self.status.push_recorded_file(last_file);
        self.status.end_take();
    }

    /// Ends a take that cannot continue, keeping what was written.
    fn fail(&mut self, error: &RecordError, recording: Option<Recording>) {
        error!(%error, "recording failed; the music continues");
        self.losses.add(Loss::Takes, 1);
        self.status.update(|progress| progress.trouble = Some(error.to_string()));
        if let Some(recording) = recording {
            let (recorded, file) = (self.describe(&recording), recording.current_file());
            if recording.file.rescue() && recorded.frames.end > recorded.frames.start {
                self.complete(recorded, file);
            }
        }
        self.status.end_take();
        self.status.failed.store(true, Relaxed);
    }
}

impl Recording {
    fn frames(&self) -> u64 {
        self.previous_frames + self.file.frames()
    }

    fn current_file(&self) -> RecordedFile {
        let frames = self.start + self.previous_frames..self.start + self.frames();
        RecordedFile { path: Arc::clone(&self.file_path), frames }
    }

    /// Writes frames, starting a new file if the current one is full; returns whether the take continues.
    fn write(&mut self, frames: &[[f32; 2]]) -> Result<bool, RecordError> {
        let remaining = self.take.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.frames()));
        let count = usize::try_from(remaining).map_or(frames.len(), |remaining| remaining.min(frames.len()));
        self.file.write(&frames[..count])?;
        if self.file.frames() >= self.max_file_frames {
            self.part += 1;
            let path = self.status.add_file(take_files::unused(&part_path(&self.path, self.part)));
            let next = SoundFile::create_new(&path, self.take.format, Bits::TwentyFour)?;
            self.finished = Some(self.current_file());
            self.file_path = path;
            self.previous_frames = self.frames();
            self.flushed = 0;
            std::mem::replace(&mut self.file, next).finish()?;
        } else if self.file.frames() >= self.flushed + FLUSH_FRAMES {
            self.flushed = self.file.frames();
            self.file.flush()?;
            if (self.flushed / FLUSH_FRAMES).is_multiple_of(SYNC_FLUSHES) {
                self.file.sync();
                self.destination
                    .budget
                    .make_room(&self.destination.folder, Some(self.file.path()))
                    .map_err(RecordError::NoSpace)?;
            }
        }
        Ok(remaining > count as u64)
    }
}

/// Returns the path of a later file of a take: for part 2 of `calm.wav`, `calm_part2.wav`.
fn part_path(path: &Path, part: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    path.with_file_name(format!("{stem}_part{part}.{extension}"))
}

#[cfg(test)]
mod tests;
