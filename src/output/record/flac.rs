//! FLAC, written frame by frame as the sound comes.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, Stream, StreamInfo};
use flacenc::config::Encoder;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

use crate::units::SAMPLE_RATE;

/// Frames per block.
const BLOCK: usize = 4096;
/// Shortest block the format knows.
const SHORTEST: usize = 32;
const CHANNELS: usize = 2;
const BITS: usize = 24;

/// A FLAC file being written.
pub(super) struct FlacFile {
    file: File,
    encoder: Verified<Encoder>,
    info: StreamInfo,
    context: Context,
    block: FrameBuf,
    waiting: Vec<i32>,
    blocks: usize,
}

fn other(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("FLAC encoder: {error:?}"))
}

impl FlacFile {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let mut flac = Self {
            file,
            encoder: Encoder::default().into_verified().map_err(|(_, error)| other(error))?,
            info: StreamInfo::new(SAMPLE_RATE as usize, CHANNELS, BITS).map_err(other)?,
            context: Context::new(BITS, CHANNELS),
            block: FrameBuf::with_size(CHANNELS, BLOCK).map_err(other)?,
            waiting: Vec::with_capacity(2 * CHANNELS * BLOCK),
            blocks: 0,
        };
        flac.header()?;
        Ok(flac)
    }

    /// Takes one frame of 24-bit samples.
    pub(super) fn write(&mut self, frame: [i32; 2]) -> io::Result<()> {
        self.waiting.extend(frame);
        if self.waiting.len() == CHANNELS * BLOCK { self.encode() } else { Ok(()) }
    }

    /// Writes what is left and completes the header.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            let frames = (self.waiting.len() / CHANNELS).max(SHORTEST);
            self.waiting.resize(CHANNELS * frames, 0);
            self.block.resize(frames);
            self.encode()?;
        }
        self.info.set_total_samples(self.context.total_samples());
        self.info.set_md5_digest(&self.context.md5_digest());
        self.header()?;
        self.file.sync_all()
    }

    fn encode(&mut self) -> io::Result<()> {
        self.block.fill_interleaved(&self.waiting).map_err(other)?;
        self.context.fill_interleaved(&self.waiting).map_err(other)?;
        let frame = flacenc::encode_fixed_size_frame(&self.encoder, &self.block, self.blocks, &self.info);
        let frame = frame.map_err(other)?;
        // The last, shorter block does not count towards the block sizes in the header.
        if self.waiting.len() == CHANNELS * BLOCK {
            self.info.update_frame_info(&frame);
        }
        self.put(&frame)?;
        self.blocks += 1;
        self.waiting.clear();
        Ok(())
    }

    fn header(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.put(&Stream::with_stream_info(self.info.clone()))?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }

    fn put(&mut self, part: &impl BitRepr) -> io::Result<()> {
        let mut bytes = ByteSink::new();
        part.write(&mut bytes).map_err(other)?;
        self.file.write_all(bytes.as_slice())
    }
}
