//! The recorder's thread.

use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;
use tracing::{error, info, warn};

use super::listeners::Listeners;
use super::memory::Memory;
use super::sound_file::SoundFile;
use super::{Bits, Destination, PRE_ROLL_SECONDS, RecordError, Recorded, RecorderStatus, Take};
use crate::engine::gap_in;
use crate::event::health::{Loss, Losses};
use crate::files::{beside, stamp};
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Maximum interval between reads of the tap.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Frames read from the tap at once.
const CHUNK: usize = 4096;
/// Frames between flushes, after each of which the file is playable even after a crash.
const FLUSH_FRAMES: u64 = SAMPLE_RATE as u64;
/// Flushes between syncs to disk, which survive a power cut, and between checks of the free space.
const SYNC_FLUSHES: u64 = 10;
/// Frames per file: two hours.
const MAX_FILE_FRAMES: u64 = 2 * 3600 * SAMPLE_RATE as u64;
/// Interval for deleting old recordings while not recording.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(600);
/// Maximum gaps remembered; beyond that they merge.
const MAX_GAPS: usize = 100;

/// A request to the recorder.
#[derive(Debug)]
pub(super) enum Request {
    Start(Take),
    Stop,
    Destination(Destination),
}

struct Recording {
    take: Take,
    /// The first file.
    path: PathBuf,
    tape: SoundFile,
    /// Frame of its first sample.
    start: u64,
    /// Frames in the previous files.
    before: u64,
    part: u32,
    safe: u64,
    destination: Destination,
}

/// State owned by the thread.
pub(super) struct Worker {
    tap: HeapCons<[f32; 2]>,
    listeners: Listeners,
    destination: Destination,
    status: Arc<RecorderStatus>,
    losses: Arc<Losses>,
    memory: Memory,
    /// Frames read from the tap.
    taken: u64,
    /// End of the last take, in frames.
    ended: u64,
    /// Frames missing from the tap, as far back as a take may start.
    gaps: VecDeque<Range<u64>>,
    recording: Option<Recording>,
    tidied: Instant,
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
            memory: Memory::new(),
            taken: 0,
            ended: 0,
            gaps: VecDeque::new(),
            recording: None,
            tidied: Instant::now(),
        }
    }

    /// Runs until the handle is dropped. When called again after a panic, it restarts with only the tap.
    pub(super) fn run(&mut self, requests: &Receiver<Request>) {
        self.memory = Memory::new();
        if let Some(recording) = self.recording.take() {
            self.fail(&RecordError::Crashed, Some(recording));
        }
        self.tidy();
        loop {
            let request = requests.recv_timeout(POLL_INTERVAL);
            self.drain();
            match request {
                Ok(Request::Start(take)) => self.start(take),
                Ok(Request::Stop) => self.stop(),
                Ok(Request::Destination(destination)) => {
                    self.destination = destination;
                    self.tidy();
                }
                Err(RecvTimeoutError::Timeout)
                    if self.recording.is_none() && self.tidied.elapsed() >= CLEANUP_INTERVAL =>
                {
                    self.tidy()
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
        }
    }

    /// Deletes recordings that are too old, if that is configured.
    fn tidy(&mut self) {
        self.tidied = Instant::now();
        let writing = self.recording.as_ref().map(|recording| recording.tape.path().to_owned());
        // A full disk is reported when recording.
        let _ = self.destination.budget.make_room(&self.destination.folder, writing.as_deref());
    }

    /// Reads everything from the tap.
    fn drain(&mut self) {
        let mut part = [[0.0; 2]; CHUNK];
        loop {
            let count = self.tap.pop_slice(&mut part);
            if count == 0 {
                return;
            }
            let mut rest = &part[..count];
            while let Some(at) = rest.iter().position(|frame| gap_in(*frame).is_some()) {
                self.take(&rest[..at]);
                self.take_gap(gap_in(rest[at]).unwrap_or(0).into());
                rest = &rest[at + 1..];
            }
            self.take(rest);
        }
    }

    /// Inserts silence for missing frames, so that the timeline stays intact.
    fn take_gap(&mut self, missing: u64) {
        let gap = self.taken..self.taken + missing;
        let at = self.recording.as_ref().map_or(0, |recording| gap.start.saturating_sub(recording.start));
        if self.recording.is_some() {
            let (at, seconds) = (frames_to_seconds(at), frames_to_seconds(missing));
            warn!(at, seconds, "the recorder did not keep up; the take has silence where frames are missing");
        }
        let many = self.gaps.len() >= MAX_GAPS;
        match self.gaps.back_mut().filter(|_| many) {
            Some(last) => last.end = gap.end,
            None => self.gaps.push_back(gap),
        }
        let silence = [[0.0; 2]; CHUNK];
        let mut left = missing;
        while left > 0 {
            let now = left.min(CHUNK as u64);
            self.take(&silence[..now as usize]);
            left -= now;
        }
        self.status.change(|progress| progress.missing += missing);
    }

    fn take(&mut self, frames: &[[f32; 2]]) {
        if frames.is_empty() {
            return;
        }
        self.memory.remember(frames);
        self.losses.add(Loss::Listeners, self.listeners.send(frames));
        self.taken += frames.len() as u64;
        let Some(mut recording) = self.recording.take() else { return };
        let wrote = recording.write(frames);
        self.status.frames.store(recording.frames(), Relaxed);
        match wrote {
            Ok(more) => {
                self.recording = Some(recording);
                if !more {
                    self.stop();
                }
            }
            Err(error) => self.fail(&error, Some(recording)),
        }
    }

    fn start(&mut self, take: Take) {
        self.stop();
        self.status.change(|progress| {
            progress.attempts += 1;
            progress.trouble = None;
            progress.missing = 0;
        });
        // The audio available as pre-roll.
        let oldest = self.taken.saturating_sub(u64::from(PRE_ROLL_SECONDS * SAMPLE_RATE));
        self.gaps.retain(|gap| gap.end > oldest);
        match self.begin(take) {
            Ok(recording) => {
                info!(path = %recording.path.display(), "recording");
                let missing: u64 =
                    self.gaps_in(recording.start..self.taken).iter().map(|gap| gap.end - gap.start).sum();
                self.status.change(|progress| {
                    progress.path = Some(recording.path.clone());
                    progress.missing = missing;
                });
                self.status.frames.store(recording.frames(), Relaxed);
                self.status.recording.store(true, Relaxed);
                self.recording = Some(recording);
            }
            Err(error) => self.fail(&error, None),
        }
    }

    fn begin(&mut self, take: Take) -> Result<Recording, RecordError> {
        let destination = self.destination.clone();
        let folder = &destination.folder;
        fs::create_dir_all(folder).map_err(|source| RecordError::File { path: folder.clone(), source })?;
        destination.budget.make_room(folder, None).map_err(RecordError::NoRoom)?;
        let name = format!("{}_{}.{}", stamp("%Y-%m-%d_%H.%M.%S"), take.label, take.format.ending());
        let path = beside(&folder.join(name));
        let tape = SoundFile::create_new(&path, take.format, Bits::TwentyFour)?;
        let before = self.memory.last(take.pre_roll.min(self.taken - self.ended));
        let start = self.taken - before.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let mut recording = Recording { path, tape, start, before: 0, part: 1, safe: 0, take, destination };
        for piece in before {
            recording.write(piece)?;
        }
        Ok(recording)
    }

    /// The gaps within a range of frames.
    fn gaps_in(&self, frames: Range<u64>) -> Vec<Range<u64>> {
        let within = |gap: &Range<u64>| gap.start.max(frames.start)..gap.end.min(frames.end);
        self.gaps.iter().map(within).filter(|gap| !gap.is_empty()).collect()
    }

    fn stop(&mut self) {
        let Some(recording) = self.recording.take() else { return };
        let recorded = self.recorded(&recording);
        match recording.tape.finish() {
            Ok(()) => self.complete(recorded),
            Err(error) => self.fail(&error, None),
        }
    }

    /// The recording so far.
    fn recorded(&mut self, recording: &Recording) -> Recorded {
        let frames = recording.start..recording.start + recording.frames();
        // The automatic recording was not requested, so a take may reach back into it.
        if recording.take.limit.is_none() {
            self.ended = frames.end;
        }
        let gaps = self.gaps_in(frames.clone());
        Recorded { path: recording.path.clone(), frames, gaps }
    }

    fn complete(&mut self, recorded: Recorded) {
        let (seconds, gaps) = (frames_to_seconds(recorded.frames.end - recorded.frames.start), recorded.gaps.len());
        if gaps == 0 {
            info!(path = %recorded.path.display(), seconds, "recorded");
        } else {
            warn!(path = %recorded.path.display(), seconds, gaps, "recording finished, with gaps");
        }
        self.status.add_recorded(recorded);
        self.status.recording.store(false, Relaxed);
    }

    /// Ends a take that cannot continue, keeping what was written.
    fn fail(&mut self, error: &RecordError, recording: Option<Recording>) {
        error!(%error, "recording failed; the music continues");
        self.losses.add(Loss::Takes, 1);
        self.status.change(|progress| progress.trouble = Some(error.to_string()));
        if let Some(recording) = recording {
            let recorded = self.recorded(&recording);
            if recording.tape.rescue() && recorded.frames.end > recorded.frames.start {
                self.complete(recorded);
            }
        }
        self.status.recording.store(false, Relaxed);
        self.status.failed.store(true, Relaxed);
    }
}

impl Recording {
    fn frames(&self) -> u64 {
        self.before + self.tape.frames()
    }

    /// Writes frames; returns `false` when the take is complete.
    fn write(&mut self, frames: &[[f32; 2]]) -> Result<bool, RecordError> {
        let left = self.take.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.frames()));
        let count = usize::try_from(left).map_or(frames.len(), |left| left.min(frames.len()));
        self.tape.write(&frames[..count])?;
        if self.tape.frames() >= MAX_FILE_FRAMES {
            self.part += 1;
            let path = beside(&part(&self.path, self.part));
            let next = SoundFile::create_new(&path, self.take.format, Bits::TwentyFour)?;
            self.before = self.frames();
            self.safe = 0;
            std::mem::replace(&mut self.tape, next).finish()?;
        } else if self.tape.frames() >= self.safe + FLUSH_FRAMES {
            self.safe = self.tape.frames();
            self.tape.flush()?;
            if (self.safe / FLUSH_FRAMES).is_multiple_of(SYNC_FLUSHES) {
                self.tape.sync();
                self.destination
                    .budget
                    .make_room(&self.destination.folder, Some(self.tape.path()))
                    .map_err(RecordError::NoRoom)?;
            }
        }
        Ok(left > count as u64)
    }
}

/// Turns `calm.wav` into `calm_part2.wav`.
fn part(path: &Path, part: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    path.with_file_name(format!("{stem}_part{part}.{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_parts_are_numbered() {
        assert_eq!(part("/a/16.55.01_calm.wav".as_ref(), 2), PathBuf::from("/a/16.55.01_calm_part2.wav"));
    }
}
