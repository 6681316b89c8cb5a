//! A FLAC file being written, one block at a time.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, Stream, StreamInfo};
use flacenc::config::Encoder;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

use super::Bits;
use crate::files::sync;
use crate::units::SAMPLE_RATE;

/// Number of audio frames per block.
const BLOCK: usize = 4096;
/// Minimum block size of the encoder, in audio frames; a shorter last block is padded with silence.
const MIN_BLOCK: usize = 32;
const CHANNELS: usize = 2;

/// A FLAC file being written.
pub(super) struct FlacFile {
    file: File,
    encoder: Verified<Encoder>,
    info: StreamInfo,
    context: Context,
    block: FrameBuf,
    pending: Vec<i32>,
    blocks: usize,
    /// Length in bytes of the header and the complete FLAC frames.
    written: u64,
}

fn encoder_error(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("FLAC encoder: {error:?}"))
}

/// Returns the stream information with frame sizes of 0, which means unknown.
fn without_frame_sizes(info: &StreamInfo) -> io::Result<StreamInfo> {
    let mut info = info.clone();
    info.set_frame_sizes(0, 0).map_err(encoder_error)?;
    Ok(info)
}

impl FlacFile {
    pub(super) fn new(file: File, bits: Bits) -> io::Result<Self> {
        if bits == Bits::Float {
            return Err(io::Error::other("FLAC files can be written with 16 or 24 bits, not floating point"));
        }
        let bits = 8 * usize::from(bits.bytes());
        // The minimum block size in the header excludes the last block, which may be shorter.
        let mut info = StreamInfo::new(SAMPLE_RATE as usize, CHANNELS, bits).map_err(encoder_error)?;
        info.set_block_sizes(BLOCK, BLOCK).map_err(encoder_error)?;
        let mut flac = Self {
            file,
            encoder: Encoder::default().into_verified().map_err(|(_, error)| encoder_error(error))?,
            info,
            context: Context::new(bits, CHANNELS),
            block: FrameBuf::with_size(CHANNELS, BLOCK).map_err(encoder_error)?,
            pending: Vec::with_capacity(2 * CHANNELS * BLOCK),
            blocks: 0,
            written: 0,
        };
        // A length of 0 means unknown, so this header is valid even if the recording is never finished.
        flac.write_header(without_frame_sizes(&flac.info)?)?;
        Ok(flac)
    }

    /// Appends an audio frame.
    pub(super) fn write(&mut self, frame: [i32; 2]) -> io::Result<()> {
        self.pending.extend(frame);
        if self.pending.len() == CHANNELS * BLOCK { self.encode() } else { Ok(()) }
    }

    /// Writes the pending frames and completes the header.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            let frames = (self.pending.len() / CHANNELS).max(MIN_BLOCK);
            self.pending.resize(CHANNELS * frames, 0);
            self.block.resize(frames);
            self.encode()?;
        }
        self.info.set_total_samples(self.context.total_samples());
        self.info.set_md5_digest(&self.context.md5_digest());
        // Only whole blocks update the frame sizes, so the sizes are unknown in a file shorter than a block.
        let has_frame_sizes = self.info.max_frame_size() > 0;
        let info = if has_frame_sizes { self.info.clone() } else { without_frame_sizes(&self.info)? };
        self.write_header(info)?;
        sync(&self.file)
    }

    /// Truncates the file after the last complete FLAC frame.
    pub(super) fn rescue(&mut self) -> io::Result<()> {
        self.file.set_len(self.written)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn encode(&mut self) -> io::Result<()> {
        self.block.fill_interleaved(&self.pending).map_err(encoder_error)?;
        self.context.fill_interleaved(&self.pending).map_err(encoder_error)?;
        let frame = flacenc::encode_fixed_size_frame(&self.encoder, &self.block, self.blocks, &self.info);
        let frame = frame.map_err(encoder_error)?;
        if self.pending.len() == CHANNELS * BLOCK {
            self.info.update_frame_info(&frame);
        }
        self.written += self.write_component(&frame)?;
        self.blocks += 1;
        self.pending.clear();
        Ok(())
    }

    fn write_header(&mut self, info: StreamInfo) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let length = self.write_component(&Stream::with_stream_info(info))?;
        self.written = self.written.max(length);
        self.file.seek(SeekFrom::End(0)).map(drop)
    }

    /// Writes a component of the file and returns its length in bytes.
    fn write_component(&mut self, component: &impl BitRepr) -> io::Result<u64> {
        let mut bytes = ByteSink::new();
        component.write(&mut bytes).map_err(encoder_error)?;
        self.file.write_all(bytes.as_slice())?;
        Ok(bytes.as_slice().len() as u64)
    }
}
