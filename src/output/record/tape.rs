//! One file of a take, in either format.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};

use super::flac::FlacFile;
use super::{Format, RecordError};
use crate::units::SAMPLE_RATE;

/// Full scale in 24 bits, as `melos render` has it; its positive end is one step lower.
const FULL: f32 = 8_388_608.0;

enum Kind {
    Wav(WavWriter<BufWriter<File>>),
    Flac(Box<FlacFile>),
}

/// An open file.
pub(super) struct Tape {
    path: PathBuf,
    kind: Kind,
    frames: u64,
}

fn io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

impl Tape {
    /// Makes the file and its folders.
    pub(super) fn create(path: &Path, format: Format) -> Result<Self, RecordError> {
        let open = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let file = File::create(path)?;
            Ok(match format {
                Format::Flac => Kind::Flac(Box::new(FlacFile::new(file)?)),
                Format::Wav => {
                    let spec = WavSpec {
                        channels: 2,
                        sample_rate: SAMPLE_RATE,
                        bits_per_sample: 24,
                        sample_format: SampleFormat::Int,
                    };
                    Kind::Wav(WavWriter::new(BufWriter::new(file), spec).map_err(io_error)?)
                }
            })
        };
        let error = |source| RecordError::File { path: path.to_owned(), source };
        Ok(Self { path: path.to_owned(), kind: open().map_err(error)?, frames: 0 })
    }

    /// Frames written.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn write(&mut self, frames: &[[f32; 2]]) -> Result<(), RecordError> {
        let mut write = || {
            for frame in frames {
                let [left, right] = frame.map(|sample| (sample * FULL).round().clamp(-FULL, FULL - 1.0) as i32);
                match &mut self.kind {
                    Kind::Flac(file) => file.write([left, right])?,
                    Kind::Wav(file) => {
                        file.write_sample(left).map_err(io_error)?;
                        file.write_sample(right).map_err(io_error)?;
                    }
                }
            }
            Ok(())
        };
        write().map_err(|source| RecordError::File { path: self.path.clone(), source })?;
        self.frames += frames.len() as u64;
        Ok(())
    }

    /// Brings everything so far to the disk, so that a crash leaves a file that can be played. FLAC always is one.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        let Kind::Wav(file) = &mut self.kind else { return Ok(()) };
        file.flush().map_err(|error| RecordError::File { path: self.path.clone(), source: io_error(error) })
    }

    /// Completes the file.
    pub(super) fn finish(self) -> Result<(), RecordError> {
        let result = match self.kind {
            Kind::Wav(file) => file.finalize().map_err(io_error),
            Kind::Flac(file) => file.finish(),
        };
        result.map_err(|source| RecordError::File { path: self.path, source })
    }
}
