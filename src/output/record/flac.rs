//! FLAC, encoded frame by frame.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, Stream, StreamInfo};
use flacenc::config::Encoder;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

use super::Bits;
use crate::units::SAMPLE_RATE;

/// Frames per block.
const BLOCK: usize = 4096;
/// Minimum block size in FLAC.
const MIN_BLOCK: usize = 32;
const CHANNELS: usize = 2;

/// A FLAC file being written.
pub(super) struct FlacFile {
    file: File,
    encoder: Verified<Encoder>,
    info: StreamInfo,
    context: Context,
    block: FrameBuf,
    waiting: Vec<i32>,
    blocks: usize,
    /// Bytes in complete frames written to the file.
    written: u64,
}

fn other(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("FLAC encoder: {error:?}"))
}

/// Frame sizes of 0 mean unknown.
fn without_frame_sizes(info: &StreamInfo) -> io::Result<StreamInfo> {
    let mut info = info.clone();
    info.set_frame_sizes(0, 0).map_err(other)?;
    Ok(info)
}

impl FlacFile {
    pub(super) fn new(file: File, bits: Bits) -> io::Result<Self> {
        if bits == Bits::Float {
            return Err(io::Error::other("FLAC supports 16 or 24 bits, not floating point"));
        }
        let bits = 8 * usize::from(bits.bytes());
        // The last block, which may be shorter, does not count.
        let mut info = StreamInfo::new(SAMPLE_RATE as usize, CHANNELS, bits).map_err(other)?;
        info.set_block_sizes(BLOCK, BLOCK).map_err(other)?;
        let mut flac = Self {
            file,
            encoder: Encoder::default().into_verified().map_err(|(_, error)| other(error))?,
            info,
            context: Context::new(bits, CHANNELS),
            block: FrameBuf::with_size(CHANNELS, BLOCK).map_err(other)?,
            waiting: Vec::with_capacity(2 * CHANNELS * BLOCK),
            blocks: 0,
            written: 0,
        };
        // A length of 0 means unknown, so that the header is valid whenever writing stops.
        flac.header(without_frame_sizes(&flac.info)?)?;
        Ok(flac)
    }

    /// Adds one frame.
    pub(super) fn write(&mut self, frame: [i32; 2]) -> io::Result<()> {
        self.waiting.extend(frame);
        if self.waiting.len() == CHANNELS * BLOCK { self.encode() } else { Ok(()) }
    }

    /// Writes the rest and completes the header.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            let frames = (self.waiting.len() / CHANNELS).max(MIN_BLOCK);
            self.waiting.resize(CHANNELS * frames, 0);
            self.block.resize(frames);
            self.encode()?;
        }
        self.info.set_total_samples(self.context.total_samples());
        self.info.set_md5_digest(&self.context.md5_digest());
        // The file is shorter than a block, so no frame was counted.
        let known = self.info.max_frame_size() > 0;
        let info = if known { self.info.clone() } else { without_frame_sizes(&self.info)? };
        self.header(info)?;
        self.file.sync_all()
    }

    /// Truncates the file after the last complete frame.
    pub(super) fn rescue(&mut self) -> io::Result<()> {
        self.file.set_len(self.written)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn encode(&mut self) -> io::Result<()> {
        self.block.fill_interleaved(&self.waiting).map_err(other)?;
        self.context.fill_interleaved(&self.waiting).map_err(other)?;
        let frame = flacenc::encode_fixed_size_frame(&self.encoder, &self.block, self.blocks, &self.info);
        let frame = frame.map_err(other)?;
        if self.waiting.len() == CHANNELS * BLOCK {
            self.info.update_frame_info(&frame);
        }
        self.written += self.put(&frame)?;
        self.blocks += 1;
        self.waiting.clear();
        Ok(())
    }

    fn header(&mut self, info: StreamInfo) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let length = self.put(&Stream::with_stream_info(info))?;
        self.written = self.written.max(length);
        self.file.seek(SeekFrom::End(0)).map(drop)
    }

    /// Writes bytes and returns their number.
    fn put(&mut self, part: &impl BitRepr) -> io::Result<u64> {
        let mut bytes = ByteSink::new();
        part.write(&mut bytes).map_err(other)?;
        self.file.write_all(bytes.as_slice())?;
        Ok(bytes.as_slice().len() as u64)
    }
}
