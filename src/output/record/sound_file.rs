//! A WAV or FLAC file being written.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use super::flac::FlacFile;
use super::wav::WavFile;
use super::{Bits, Format, RecordError};
use crate::files::{sync, sync_folder};
use crate::threads;

enum Writer {
    Wav(WavFile),
    Flac(Box<FlacFile>),
}

/// A stereo file at 48 kHz being written. It is playable even after a crash.
#[allow(missing_debug_implementations, reason = "an encoder has no useful debug output")]
pub struct SoundFile {
    path: PathBuf,
    writer: Writer,
    bits: Bits,
    frames: u64,
    syncer: Syncer,
}

impl SoundFile {
    /// Creates a file, never replacing an existing one.
    ///
    /// # Errors
    /// If it cannot be created or already exists, or if the file format does not support the sample format.
    pub fn create_new(path: &Path, format: Format, bits: Bits) -> Result<Self, RecordError> {
        let open = || {
            let file = File::options().read(true).write(true).create_new(true).open(path)?;
            sync_folder(path)?;
            Ok(file)
        };
        let file = open().map_err(|source| RecordError::File { path: path.to_owned(), source })?;
        // Without a header, the file would be an empty take.
        Self::new(file, path, format, bits).inspect_err(|_| drop(fs::remove_file(path)))
    }

    /// Creates a file, replacing an existing one.
    ///
    /// # Errors
    /// If it cannot be created, or if the file format does not support the sample format.
    pub fn create(path: &Path, format: Format, bits: Bits) -> Result<Self, RecordError> {
        let file = File::create(path).map_err(|source| RecordError::File { path: path.to_owned(), source })?;
        Self::new(file, path, format, bits)
    }

    fn new(file: File, path: &Path, format: Format, bits: Bits) -> Result<Self, RecordError> {
        let create = || {
            let syncer = Syncer::new(&file)?;
            let writer = match format {
                Format::Wav => Writer::Wav(WavFile::new(file, bits)?),
                Format::Flac => Writer::Flac(Box::new(FlacFile::new(file, bits)?)),
            };
            Ok(Self { path: path.to_owned(), writer, bits, frames: 0, syncer })
        };
        create().map_err(|source| RecordError::File { path: path.to_owned(), source })
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of frames written.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Writes stereo frames. Integer samples are rounded and clipped at full scale.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&mut self, frames: &[[f32; 2]]) -> Result<(), RecordError> {
        self.write_frames(frames).map_err(|source| self.error(source))?;
        self.frames += frames.len() as u64;
        Ok(())
    }

    fn write_frames(&mut self, frames: &[[f32; 2]]) -> io::Result<()> {
        let full_scale = 2f32.powi(8 * i32::from(self.bits.bytes()) - 1);
        // The largest positive value is one step below full scale.
        let to_integer = |sample: f32| (sample * full_scale).round().clamp(-full_scale, full_scale - 1.0) as i32;
        for frame in frames {
            match &mut self.writer {
                Writer::Flac(file) => file.write(frame.map(to_integer))?,
                Writer::Wav(file) if self.bits == Bits::Float => {
                    file.write_float(frame[0])?;
                    file.write_float(frame[1])?;
                }
                Writer::Wav(file) => {
                    file.write(to_integer(frame[0]))?;
                    file.write(to_integer(frame[1]))?;
                }
            }
        }
        Ok(())
    }

    /// Passes all WAV data to the operating system, so that the file is playable even after a crash; a FLAC file always
    /// is.
    ///
    /// # Errors
    /// If writing or an earlier sync failed, or if the file was moved or deleted.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let check = |file: &File, path: &Path| -> io::Result<()> {
            let (open, on_disk) = (file.metadata()?, path.metadata());
            match on_disk {
                Ok(on_disk) if (on_disk.dev(), on_disk.ino()) == (open.dev(), open.ino()) => Ok(()),
                _ => Err(io::Error::other("the file was moved or deleted during the recording")),
            }
        };
        let flushed = match &mut self.writer {
            Writer::Wav(file) => file.flush().and_then(|()| check(file.file(), &self.path)),
            Writer::Flac(file) => check(file.file(), &self.path),
        };
        flushed.and_then(|()| self.syncer.result()).map_err(|source| self.error(source))
    }

    /// Starts syncing to disk without waiting.
    pub fn sync(&self) {
        // If a sync is already pending, it covers these frames too.
        let _ = self.syncer.requests.try_send(());
    }

    /// Completes the file and waits until it is on disk.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(self) -> Result<(), RecordError> {
        let result = match self.writer {
            Writer::Wav(mut file) => file.flush().and_then(|()| sync(file.file())),
            Writer::Flac(file) => file.finish(),
        };
        result.map_err(|source| RecordError::File { path: self.path, source })
    }

    /// Completes, as far as possible, a file that can no longer be written to; returns whether this succeeded and the file
    /// still exists.
    pub(super) fn rescue(mut self) -> bool {
        let rescued = match &mut self.writer {
            Writer::Wav(file) => file.rescue(),
            Writer::Flac(file) => file.rescue(),
        };
        rescued.is_ok() && self.path.is_file()
    }

    fn error(&self, source: io::Error) -> RecordError {
        RecordError::File { path: self.path.clone(), source }
    }
}

/// A thread that syncs the file to disk, so that the recorder need not wait.
struct Syncer {
    requests: SyncSender<()>,
    errors: Receiver<io::Error>,
}

impl Syncer {
    fn new(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (requests, receiver) = sync_channel(1);
        let (report, errors) = sync_channel(1);
        let run = move || {
            for () in &receiver {
                if let Err(error) = sync(&file) {
                    let _ = report.try_send(error);
                    return;
                }
            }
        };
        threads::spawn_restarting("melos-sync", run)?;
        Ok(Self { requests, errors })
    }

    /// Returns the error if an earlier sync failed.
    fn result(&self) -> io::Result<()> {
        match self.errors.try_recv() {
            Ok(error) => Err(error),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(()),
        }
    }
}
