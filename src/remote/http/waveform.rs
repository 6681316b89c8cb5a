//! The waveform of a recording.

use std::io::BufReader;
use std::path::Path;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, SeekMode, SeekTo, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::Timestamp;

use crate::files;

/// Number of columns in a waveform.
pub(super) const COLUMNS: usize = 160;
/// Maximum number of frames read from a WAV file for each column, so that a long recording is not read in full.
const FRAMES_PER_COLUMN: u32 = 2048;

/// Returns the peaks, relative to full scale, at the starts of [`COLUMNS`] equal parts of a WAV or FLAC file; `None` if
/// the file cannot be read or has floating-point samples. Blocks on disk access.
pub(super) fn of_file(path: &Path) -> Option<Vec<f32>> {
    if path.extension()?.eq_ignore_ascii_case("flac") { of_flac(path) } else { of_wav(path) }
}

fn of_wav(path: &Path) -> Option<Vec<f32>> {
    let mut wav = hound::WavReader::new(BufReader::new(files::open(path).ok()?)).ok()?;
    let spec = wav.spec();
    let full_scale = match spec.sample_format {
        hound::SampleFormat::Int => 2f32.powi(i32::from(spec.bits_per_sample) - 1),
        hound::SampleFormat::Float => return None,
    };
    let part = (wav.duration() / COLUMNS as u32).max(1);
    let samples = part.min(FRAMES_PER_COLUMN) as usize * usize::from(spec.channels);
    let column = |column: u32| {
        wav.seek(column * part).ok()?;
        let peak = wav.samples::<i32>().take(samples).map_while(Result::ok).map(i32::unsigned_abs).max();
        Some(peak.unwrap_or(0) as f32 / full_scale)
    };
    (0..COLUMNS as u32).map(column).collect()
}

fn of_flac(path: &Path) -> Option<Vec<f32>> {
    let stream = MediaSourceStream::new(Box::new(files::open(path).ok()?), Default::default());
    let (options, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader =
        symphonia::default::get_probe().probe(Hint::new().with_extension("flac"), stream, options, metadata).ok()?;
    let track = reader.default_track(TrackType::Audio)?;
    let (track_id, part) = (track.id, track.num_frames? / COLUMNS as u64);
    let codec = track.codec_params.as_ref()?.audio()?;
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(codec, &AudioDecoderOptions::default()).ok()?;
    let mut samples = Vec::<f32>::new();
    let column = |column: u64| {
        let ts = Timestamp::new(i64::try_from(column * part).ok()?);
        reader.seek(SeekMode::Coarse, SeekTo::Timestamp { ts, track_id }).ok()?;
        decoder.reset();
        let packet = reader.next_packet().ok()??;
        decoder.decode(&packet).ok()?.copy_to_vec_interleaved(&mut samples);
        Some(samples.iter().fold(0.0, |peak: f32, sample| peak.max(sample.abs())))
    };
    (0..COLUMNS as u64).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::record::{Bits, Format, SoundFile};

    #[test]
    fn the_waveform_follows_the_level() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 48_000,
            bits_per_sample: 24,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&path, spec).unwrap();
        for frame in 0..160_000 {
            wav.write_sample(frame * 52).unwrap();
            wav.write_sample(0).unwrap();
        }
        wav.finalize().unwrap();
        let peaks = of_file(&path).unwrap();
        assert_eq!(peaks.len(), COLUMNS);
        assert!(peaks.is_sorted() && peaks[0] < 0.01 && peaks[159] > 0.98, "{peaks:?}");
        assert_eq!(of_file(&path.with_extension("flac")), None);
    }

    #[test]
    fn flac_files_have_a_waveform() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.flac");
        let mut flac = SoundFile::create(&path, Format::Flac, Bits::TwentyFour).unwrap();
        for block in 0..160u16 {
            flac.write(&[[f32::from(block) / 160.0, 0.0]; 4800]).unwrap();
        }
        flac.finish().unwrap();
        let peaks = of_file(&path).unwrap();
        assert_eq!(peaks.len(), COLUMNS);
        assert!(peaks.is_sorted() && peaks[0] < 0.02 && peaks[159] > 0.97, "{peaks:?}");
    }
}
