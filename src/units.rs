//! Units of measurement and conversions between them.
//!
//! A *frame* is one sample of every channel at [`SAMPLE_RATE`]; positions on the timeline of a performance are `u64`
//! counts of frames since its start. A *mel frame* is one column of a mel spectrogram; a *hop* is the number of frames
//! from one mel frame to the next.

/// Internal sample rate in frames per second; the audio output resamples for devices with another rate.
pub const SAMPLE_RATE: u32 = 48_000;

/// Bytes in a gigabyte, which is decimal, as is usual for disks.
pub(crate) const GIGABYTE: f64 = 1e9;
/// Bytes in a megabyte, which is decimal as well.
pub(crate) const MEGABYTE: u64 = 1_000_000;

/// Level in decibels at or below which the gain is 0.
pub const SILENCE_DB: f32 = -60.0;

/// Converts decibels to an amplitude factor; [`SILENCE_DB`] and below give exactly 0.
#[must_use]
pub fn db_to_gain(db: f32) -> f32 {
    if db <= SILENCE_DB { 0.0 } else { 10f32.powf(db / 20.0) }
}

/// Converts an amplitude factor to decibels, at least −200.
#[must_use]
pub fn gain_to_db(gain: f32) -> f32 {
    20.0 * gain.abs().max(1e-10).log10()
}

/// Returns the frequency in hertz of a MIDI note number, which may be fractional, in equal temperament (69 = A4 = 440
/// Hz).
#[must_use]
pub fn note_to_hz(note: f32) -> f32 {
    440.0 * ((note - 69.0) / 12.0).exp2()
}

/// Converts seconds to the nearest number of frames; negative durations count as 0.
#[must_use]
pub fn seconds_to_frames(seconds: f64) -> u64 {
    (seconds.max(0.0) * f64::from(SAMPLE_RATE)).round() as u64
}

/// Converts frames to seconds.
#[must_use]
pub fn frames_to_seconds(frames: u64) -> f64 {
    frames as f64 / f64::from(SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_round_trip() {
        for db in [-59.0, -20.0, -6.0, 0.0, 6.0] {
            assert!((gain_to_db(db_to_gain(db)) - db).abs() < 1e-4, "{db}");
        }
        assert_eq!(db_to_gain(SILENCE_DB), 0.0);
    }

    #[test]
    fn note_69_is_440_hz() {
        assert_eq!(note_to_hz(69.0), 440.0);
        assert!((note_to_hz(60.0) - 261.6256).abs() < 1e-3);
    }

    #[test]
    fn frames_round_trip() {
        assert_eq!(seconds_to_frames(1.5), 72_000);
        assert_eq!(frames_to_seconds(72_000), 1.5);
        assert_eq!(seconds_to_frames(-1.0), 0);
    }
}
