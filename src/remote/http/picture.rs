//! The waveform of a recording.

use std::path::Path;

/// Columns of a waveform.
pub(super) const COLUMNS: usize = 160;
/// Frames read per column, so that a long recording is not read in full.
const FRAMES_READ: u32 = 2048;

/// Peak, full scale 1, around the start of each of [`COLUMNS`] parts of a WAV file; `None` for other files.
pub(super) fn of_wav(path: &Path) -> Option<Vec<f32>> {
    let mut wav = hound::WavReader::open(path).ok()?;
    let spec = wav.spec();
    let full = match spec.sample_format {
        hound::SampleFormat::Int => 2f32.powi(i32::from(spec.bits_per_sample) - 1),
        hound::SampleFormat::Float => return None,
    };
    let part = (wav.duration() / COLUMNS as u32).max(1);
    let samples = part.min(FRAMES_READ) as usize * usize::from(spec.channels);
    let column = |column: u32| {
        wav.seek(column * part).ok()?;
        let peak = wav.samples::<i32>().take(samples).map_while(Result::ok).map(i32::unsigned_abs).max();
        Some(peak.unwrap_or(0) as f32 / full)
    };
    (0..COLUMNS as u32).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_rises_with_the_sound() {
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
        let peaks = of_wav(&path).unwrap();
        assert_eq!(peaks.len(), COLUMNS);
        assert!(peaks.is_sorted() && peaks[0] < 0.01 && peaks[159] > 0.98, "{peaks:?}");
    }
}
