//! Decodes audio files of various formats to samples at 48 kHz.

use std::fs::File;
use std::path::Path;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use melos::units::SAMPLE_RATE;

/// Extensions of supported audio files.
pub const EXTENSIONS: [&str; 7] = ["wav", "flac", "mp3", "ogg", "m4a", "mp4", "aac"];
/// Accepted sample rates, in hertz. The limits keep a broken file from requiring an arbitrarily large transform.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=768_000;
/// Maximum length in seconds: an hour of mono samples at 48 kHz takes 690 MB.
pub const MAX_SECONDS: f64 = 3600.0;
/// Maximum fraction of broken packets in a usable file.
const MAX_BROKEN: f64 = 0.1;
/// Input frames per call of the resampler.
const CHUNK: usize = 4096;

/// Why a file cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file cannot be opened.
    #[error("cannot be opened: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The file is not in a supported audio format.
    #[error("cannot be decoded: {0}")]
    Unsupported(String),
    /// Too many packets are broken.
    #[error("broken: {broken} of {packets} packets cannot be decoded")]
    Broken {
        /// Number of broken packets.
        broken: usize,
        /// Total number of packets.
        packets: usize,
    },
    /// The file contains less audio than its header states.
    #[error("truncated: contains {decoded:.1} s of the stated {stated:.1} s")]
    Truncated {
        /// Length of the decoded audio in seconds.
        decoded: f64,
        /// Length stated in the header, in seconds.
        stated: f64,
    },
    /// There is no audio track, or it contains no samples.
    #[error("contains no audio")]
    Empty,
    /// The audio is longer than [`MAX_SECONDS`].
    #[error("longer than {} minutes; split the file", MAX_SECONDS / 60.0)]
    TooLong,
    /// The sample rate is implausible or cannot be converted.
    #[error("cannot be resampled from {rate} Hz: {reason}")]
    Rate {
        /// The stated sample rate.
        rate: u32,
        /// The cause.
        reason: String,
    },
}

/// Decodes the default audio track of a file to mono (the mean of its channels) at 48 kHz, skipping broken packets.
///
/// # Errors
/// [`DecodeError`] if the file is unreadable, unsupported, truncated, empty or too long, if its sample rate is
/// implausible or cannot be converted, or if more than a tenth of its packets are broken.
pub fn decode(path: &Path) -> Result<Vec<f32>, DecodeError> {
    let (samples, rate) = decode_frames(path, |frame| frame.iter().sum::<f32>() / frame.len() as f32)?;
    resample_to_48k(samples, rate)
}

/// Like [`decode`], but returns the left and right channels: the first two of several, or a mono channel twice.
///
/// # Errors
/// The same as for [`decode`].
pub fn decode_stereo(path: &Path) -> Result<[Vec<f32>; 2], DecodeError> {
    let (frames, rate) = decode_frames(path, |frame| [frame[0], *frame.get(1).unwrap_or(&frame[0])])?;
    let channel = |index: usize| resample_to_48k(frames.iter().map(|frame| frame[index]).collect(), rate);
    Ok([channel(0)?, channel(1)?])
}

/// Decodes a file, applies `mix` to each frame, and returns the results and the sample rate.
fn decode_frames<T>(path: &Path, mix: fn(&[f32]) -> T) -> Result<(Vec<T>, u32), DecodeError> {
    // A third-party decoder may panic on a malformed file; its state is then discarded.
    let (frames, rate) = std::panic::catch_unwind(|| decode_unguarded(path, mix))
        .unwrap_or_else(|_| Err(DecodeError::Unsupported("the decoder crashed".to_owned())))?;
    if !RATES.contains(&rate) {
        return Err(DecodeError::Rate { rate, reason: "implausible sample rate".to_owned() });
    }
    Ok((frames, rate))
}

fn decode_unguarded<T>(path: &Path, mix: fn(&[f32]) -> T) -> Result<(Vec<T>, u32), DecodeError> {
    let unsupported = |error: Error| DecodeError::Unsupported(error.to_string());
    let stream = MediaSourceStream::new(Box::new(File::open(path)?), Default::default());
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(unsupported)?;
    let track = format.default_track(TrackType::Audio).ok_or(DecodeError::Empty)?;
    let (id, stated) = (track.id, track.num_frames);
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).ok_or(DecodeError::Empty)?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(unsupported)?;

    let (mut frames, mut interleaved) = (Vec::new(), Vec::<f32>::new());
    let (mut rate, mut packets, mut broken) = (0, 0, 0);
    // Reading a truncated file ends with an error; the length check below decides whether too much is missing.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != id {
            continue;
        }
        packets += 1;
        match decoder.decode(&packet) {
            Ok(buffer) => {
                rate = buffer.spec().rate();
                let channels = buffer.spec().channels().count().max(1);
                buffer.copy_to_vec_interleaved(&mut interleaved);
                for sample in &mut interleaved {
                    *sample = if sample.is_finite() { *sample } else { 0.0 };
                }
                frames.extend(interleaved.chunks_exact(channels).map(mix));
            }
            Err(Error::DecodeError(_)) => broken += 1,
            Err(error) => return Err(unsupported(error)),
        }
        if frames.len() as f64 > MAX_SECONDS * f64::from(rate) {
            return Err(DecodeError::TooLong);
        }
    }
    if broken as f64 > MAX_BROKEN * packets as f64 {
        return Err(DecodeError::Broken { broken, packets });
    }
    if frames.is_empty() || rate == 0 {
        return Err(DecodeError::Empty);
    }
    let seconds = |count: f64| count / f64::from(rate);
    if let Some(stated) = stated.filter(|stated| (frames.len() as f64) < 0.98 * *stated as f64 - 4608.0) {
        return Err(DecodeError::Truncated { decoded: seconds(frames.len() as f64), stated: seconds(stated as f64) });
    }
    Ok((frames, rate))
}

/// Resamples to 48 kHz and removes the resampler's delay.
fn resample_to_48k(samples: Vec<f32>, rate: u32) -> Result<Vec<f32>, DecodeError> {
    if rate == SAMPLE_RATE {
        return Ok(samples);
    }
    resample(&samples, rate as usize, SAMPLE_RATE as usize).map_err(|reason| DecodeError::Rate { rate, reason })
}

/// Resamples from one rate to another and removes the resampler's delay. The error says why the samples cannot be
/// resampled.
pub(crate) fn resample(samples: &[f32], from: usize, to: usize) -> Result<Vec<f32>, String> {
    let mut resampler = Fft::<f32>::new(from, to, CHUNK, 1, FixedSync::Both).map_err(|error| error.to_string())?;
    let input = SequentialSlice::new(samples, 1, samples.len()).map_err(|error| error.to_string())?;
    let output = resampler.process_all(&input, samples.len(), None).map_err(|error| error.to_string())?;
    Ok(output.take_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_preserves_pitch_level_and_duration() {
        for rate in [22_050u32, 44_100, 96_000] {
            let tone = |rate: u32, i: usize| (std::f64::consts::TAU * 1000.0 * i as f64 / f64::from(rate)).sin() as f32;
            let samples = (0..rate as usize).map(|i| tone(rate, i)).collect();
            let resampled = resample_to_48k(samples, rate).expect("the rate should be valid");
            assert!(resampled.len().abs_diff(48_000) <= 1);
            let error = (2000..46_000).map(|i| (resampled[i] - tone(SAMPLE_RATE, i)).abs()).fold(0.0, f32::max);
            assert!(error < 1e-3, "{rate} Hz is off by {error}");
        }
    }
}
