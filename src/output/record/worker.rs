//! The recorder's thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;
use tracing::{error, info};

use super::listeners::Listeners;
use super::memory::Memory;
use super::tape::Tape;
use super::{RecordError, Recorded, RecorderStatus, Take};
use crate::event::health::{Loss, Losses};
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Longest time between two looks at the tap.
const LOOK: Duration = Duration::from_millis(50);
/// Frames taken from the tap at once.
const PART: usize = 4096;
/// Frames between two points from which a file can be played after a crash.
const SAFE: u64 = SAMPLE_RATE as u64;
/// Frames of one file: two hours, well below what WAV can count.
const FILE: u64 = 2 * 3600 * SAMPLE_RATE as u64;

/// What the recorder may be asked for.
#[derive(Debug)]
pub(super) enum Request {
    Start(Take),
    Stop,
}

struct Recording {
    take: Take,
    tape: Tape,
    /// Frame of its first sample.
    start: u64,
    /// Frames in the files before this one.
    before: u64,
    part: u32,
    safe: u64,
}

/// What the thread owns.
pub(super) struct Worker {
    tap: HeapCons<[f32; 2]>,
    listeners: Listeners,
    status: Arc<RecorderStatus>,
    losses: Arc<Losses>,
    memory: Memory,
    /// Frames taken from the tap.
    taken: u64,
    recording: Option<Recording>,
}

impl Worker {
    pub(super) fn new(
        tap: HeapCons<[f32; 2]>,
        listeners: Listeners,
        status: Arc<RecorderStatus>,
        losses: Arc<Losses>,
    ) -> Self {
        Self { tap, listeners, status, losses, memory: Memory::new(), taken: 0, recording: None }
    }

    /// Works until the handle is gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        loop {
            let request = requests.recv_timeout(LOOK);
            self.drain();
            match request {
                Ok(Request::Start(take)) => self.start(take),
                Ok(Request::Stop) => self.stop(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
        }
    }

    /// Takes everything from the tap.
    fn drain(&mut self) {
        let mut part = [[0.0; 2]; PART];
        loop {
            let count = self.tap.pop_slice(&mut part);
            if count == 0 {
                return;
            }
            self.memory.remember(&part[..count]);
            self.losses.add(Loss::Listeners, self.listeners.send(&part[..count]));
            self.taken += count as u64;
            let Some(mut recording) = self.recording.take() else { continue };
            match recording.write(&part[..count]) {
                Ok(more) => {
                    self.status.frames.store(recording.frames(), Relaxed);
                    self.recording = Some(recording);
                    if !more {
                        self.stop();
                    }
                }
                Err(error) => self.fail(&error),
            }
        }
    }

    fn start(&mut self, take: Take) {
        self.stop();
        self.status.set_trouble(None);
        let begin = || -> Result<Recording, RecordError> {
            let tape = Tape::create(&take.path, take.format)?;
            let before = self.memory.last(take.pre_roll);
            let start = self.taken - before.iter().map(|piece| piece.len() as u64).sum::<u64>();
            let mut recording = Recording { tape, start, before: 0, part: 1, safe: 0, take };
            for piece in before {
                recording.write(piece)?;
            }
            Ok(recording)
        };
        match begin() {
            Ok(recording) => {
                info!(path = %recording.take.path.display(), "recording");
                self.status.frames.store(recording.frames(), Relaxed);
                self.status.recording.store(true, Relaxed);
                self.recording = Some(recording);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn stop(&mut self) {
        let Some(recording) = self.recording.take() else { return };
        let frames = recording.start..recording.start + recording.frames();
        let (path, seconds) = (recording.take.path, frames_to_seconds(frames.end - frames.start));
        match recording.tape.finish() {
            Ok(()) => {
                info!(path = %path.display(), seconds, "recorded");
                self.status.add_recorded(Recorded { path, frames });
                self.status.recording.store(false, Relaxed);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &RecordError) {
        error!(%error, "recording ended; the music goes on");
        self.losses.add(Loss::Takes, 1);
        self.status.set_trouble(Some(error.to_string()));
        self.status.recording.store(false, Relaxed);
    }
}

impl Recording {
    fn frames(&self) -> u64 {
        self.before + self.tape.frames()
    }

    /// Writes on; `false` when the take is complete.
    fn write(&mut self, frames: &[[f32; 2]]) -> Result<bool, RecordError> {
        let left = self.take.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.frames()));
        let count = usize::try_from(left).map_or(frames.len(), |left| left.min(frames.len()));
        self.tape.write(&frames[..count])?;
        if self.tape.frames() >= FILE {
            self.part += 1;
            let next = Tape::create(&numbered(&self.take.path, self.part), self.take.format)?;
            self.before = self.frames();
            self.safe = 0;
            std::mem::replace(&mut self.tape, next).finish()?;
        } else if self.tape.frames() >= self.safe + SAFE {
            self.safe = self.tape.frames();
            self.tape.flush()?;
        }
        Ok(left > count as u64)
    }
}

/// `take.wav` becomes `take-2.wav`.
fn numbered(path: &std::path::Path, part: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{part}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_parts_are_numbered() {
        assert_eq!(numbered("/a/b.c.wav".as_ref(), 2), PathBuf::from("/a/b.c-2.wav"));
        assert_eq!(numbered("take".as_ref(), 3), PathBuf::from("take-3"));
    }
}
