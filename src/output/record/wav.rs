//! WAV, or RF64 (EBU Tech 3306) when the length does not fit into 32 bits.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use super::Bits;
use crate::units::SAMPLE_RATE;

const CHANNELS: u16 = 2;
/// Size of the write buffer in bytes.
const BUFFER_BYTES: usize = 1 << 16;
/// Size in bytes of the `ds64` chunk without its header: two lengths, a frame count and an empty table.
const DS64_BYTES: u32 = 28;

/// A WAV file being written. Its header is correct as of the last [`WavFile::flush`], so that the file is playable even
/// after a crash.
#[derive(Debug)]
pub(super) struct WavFile {
    file: File,
    bits: Bits,
    pending: Vec<u8>,
    /// Length of the audio in the file, in bytes.
    written: u64,
}

impl WavFile {
    pub(super) fn new(mut file: File, bits: Bits) -> io::Result<Self> {
        file.write_all(&header(bits, 0))?;
        Ok(Self { file, bits, pending: Vec::with_capacity(BUFFER_BYTES), written: 0 })
    }

    /// Appends a 16- or 24-bit sample.
    pub(super) fn write(&mut self, sample: i32) -> io::Result<()> {
        self.append(&sample.to_le_bytes()[..usize::from(self.bits.bytes())])
    }

    /// Appends a floating-point sample.
    pub(super) fn write_float(&mut self, sample: f32) -> io::Result<()> {
        self.append(&sample.to_le_bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= BUFFER_BYTES { self.write_pending() } else { Ok(()) }
    }

    fn write_pending(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes all pending samples and updates the length in the header.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write_pending()?;
        self.write_header()
    }

    /// Completes, as far as possible, a file that can no longer be written to; only whole frames are kept.
    pub(super) fn rescue(&mut self) -> io::Result<()> {
        self.file.set_len(header(self.bits, 0).len() as u64 + self.written)?;
        self.write_header()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn write_header(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(self.bits, self.written))?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}

/// Returns the header of a file with `audio_bytes` bytes of audio. The header's own size depends only on `bits`.
fn header(bits: Bits, audio_bytes: u64) -> Vec<u8> {
    let is_float = bits == Bits::Float;
    let frame_bytes = CHANNELS * bits.bytes();
    let frames = audio_bytes / u64::from(frame_bytes);
    let mut header = Vec::with_capacity(96);
    let format_bytes: u32 = if is_float { 18 } else { 16 };
    let fact_bytes: u32 = if is_float { 12 } else { 0 };
    let riff_bytes = u64::from(4 + 8 + DS64_BYTES + 8 + format_bytes + fact_bytes + 8) + audio_bytes;
    // Both lengths must fit into 32 bits; the RIFF length is the larger one.
    let wav_bytes = u32::try_from(riff_bytes).ok();
    header.extend(if wav_bytes.is_some() { b"RIFF" } else { b"RF64" });
    header.extend(wav_bytes.unwrap_or(u32::MAX).to_le_bytes());
    header.extend(b"WAVE");
    // A `JUNK` chunk, which WAV readers skip, reserves space for RF64's lengths.
    header.extend(if wav_bytes.is_some() { b"JUNK" } else { b"ds64" });
    header.extend(DS64_BYTES.to_le_bytes());
    let lengths = if wav_bytes.is_some() { [0; 3] } else { [riff_bytes, audio_bytes, frames] };
    header.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
    header.extend([0; 4]);
    header.extend(b"fmt ");
    header.extend(format_bytes.to_le_bytes());
    header.extend(if is_float { 3u16 } else { 1 }.to_le_bytes());
    header.extend(CHANNELS.to_le_bytes());
    header.extend(SAMPLE_RATE.to_le_bytes());
    header.extend((SAMPLE_RATE * u32::from(frame_bytes)).to_le_bytes());
    header.extend(frame_bytes.to_le_bytes());
    header.extend((8 * bits.bytes()).to_le_bytes());
    if is_float {
        header.extend([0; 2]);
        header.extend(b"fact");
        header.extend(4u32.to_le_bytes());
        header.extend(u32::try_from(frames).unwrap_or(u32::MAX).to_le_bytes());
    }
    header.extend(b"data");
    header.extend(wav_bytes.map_or(u32::MAX, |_| audio_bytes as u32).to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn integer(header: &[u8], offset: usize, bytes: usize) -> u64 {
        header[offset..offset + bytes].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    #[test]
    fn short_files_are_wav() {
        for (bits, sample_format) in [
            (Bits::Sixteen, hound::SampleFormat::Int),
            (Bits::TwentyFour, hound::SampleFormat::Int),
            (Bits::Float, hound::SampleFormat::Float),
        ] {
            let audio_bytes = 10 * u64::from(2 * bits.bytes());
            let mut file = header(bits, audio_bytes);
            assert_eq!(integer(&file, 4, 4), file.len() as u64 + audio_bytes - 8);
            file.extend(std::iter::repeat_n(0, audio_bytes as usize));
            let wav = hound::WavReader::new(Cursor::new(file)).unwrap();
            assert_eq!(wav.spec().bits_per_sample, 8 * bits.bytes());
            assert_eq!((wav.spec().sample_format, wav.duration()), (sample_format, 10));
        }
    }

    #[test]
    fn long_files_are_rf64() {
        for bits in [Bits::Sixteen, Bits::TwentyFour, Bits::Float] {
            let frame_bytes = u64::from(2 * bits.bytes());
            let max_bytes = u64::from(u32::MAX) + 8 - header(bits, 0).len() as u64;
            for frames in [max_bytes / frame_bytes, max_bytes / frame_bytes + 1, 3 << 32] {
                let header = header(bits, frames * frame_bytes);
                let is_long = frames > max_bytes / frame_bytes;
                assert_eq!(
                    (&header[..4], &header[12..16]),
                    if is_long { (&b"RF64"[..], &b"ds64"[..]) } else { (&b"RIFF"[..], &b"JUNK"[..]) }
                );
                let data = integer(&header, header.len() - 4, 4);
                if is_long {
                    assert_eq!((integer(&header, 4, 4), data), (u64::from(u32::MAX), u64::from(u32::MAX)));
                    assert_eq!(integer(&header, 20, 8), header.len() as u64 + frames * frame_bytes - 8);
                    assert_eq!((integer(&header, 28, 8), integer(&header, 36, 8)), (frames * frame_bytes, frames));
                } else {
                    assert_eq!(data, frames * frame_bytes);
                }
            }
        }
    }

    /// Returns libsndfile's report on a file, and the number of frames in it.
    fn libsndfile_info(path: &std::path::Path) -> (String, u64) {
        let info = std::process::Command::new("sndfile-info").arg(path).output();
        let report = info.expect("sndfile-info is needed: apt-get install sndfile-programs").stdout;
        let report = String::from_utf8(report).unwrap();
        let frames =
            report.lines().find_map(|line| line.strip_prefix("Frames      : ")).unwrap_or_else(|| panic!("{report}"));
        (report.clone(), frames.trim().parse().unwrap())
    }

    #[test]
    fn libsndfile_reads_files_over_4_gb() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.wav");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let mut wav = WavFile::new(file, Bits::TwentyFour).unwrap();
        // A sparse file, ten frames short of the limit.
        let max_bytes = u64::from(u32::MAX) + 8 - header(Bits::TwentyFour, 0).len() as u64;
        let first_frames = max_bytes / 6 - 10;
        wav.written = first_frames * 6;
        wav.file.set_len(header(Bits::TwentyFour, 0).len() as u64 + wav.written).unwrap();
        wav.flush().unwrap();
        let (report, frames) = libsndfile_info(&path);
        assert!(frames == first_frames && report.contains("RIFF"), "{report}");
        for _ in 0..2 * 100_000 {
            wav.write(0x0012_3456).unwrap();
        }
        wav.flush().unwrap();
        let (report, frames) = libsndfile_info(&path);
        assert!(frames == first_frames + 100_000 && report.contains("RF64"), "{report}");
        let mut last = [0; 6];
        wav.file.seek(SeekFrom::End(-6)).unwrap();
        std::io::Read::read_exact(&mut wav.file, &mut last).unwrap();
        assert_eq!(last, [0x56, 0x34, 0x12, 0x56, 0x34, 0x12]);
        assert_eq!(wav.file.metadata().unwrap().len(), header(Bits::TwentyFour, 0).len() as u64 + 6 * frames);
    }
}
