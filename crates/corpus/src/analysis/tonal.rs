//! Estimates pitch classes and keys.

use melos::mel::{BANDS, BINS, MelFrame, N_FFT, band_centre, dot};
use melos::music::theory::{Key, Mode};
use melos::units::SAMPLE_RATE;

/// Strengths of the twelve pitch classes, starting with C.
pub type Chroma = [f32; 12];

/// Share of each chromatic degree in major-key pieces, tonic first (Albrecht and Shanahan, Music Perception 31, 2013).
const MAJOR: Chroma = [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081];
/// Share of each chromatic degree in minor-key pieces, tonic first (same source).
const MINOR: Chroma = [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052];

/// The key that fits a chroma best, and the fits of the best major and minor keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyEstimate {
    /// The best of the 24 keys.
    pub key: Key,
    /// Correlation with the best major key, −1..=1.
    pub major: f32,
    /// Correlation with the best minor key, −1..=1.
    pub minor: f32,
}

impl KeyEstimate {
    /// Correlates a chroma with the profiles of all 24 keys (the Krumhansl–Schmuckler algorithm).
    #[must_use]
    pub fn of(chroma: &Chroma) -> Self {
        let best = |profile: &Chroma| {
            let fits = (0..12u8).map(|tonic| (tonic, correlation(chroma, profile, usize::from(tonic))));
            fits.fold((0, f32::NEG_INFINITY), |best, fit| if fit.1 > best.1 { fit } else { best })
        };
        let ((major_tonic, major), (minor_tonic, minor)) = (best(&MAJOR), best(&MINOR));
        let key = if major >= minor {
            Key { tonic: major_tonic, mode: Mode::Major }
        } else {
            Key { tonic: minor_tonic, mode: Mode::Minor }
        };
        Self { key, major, minor }
    }
}

/// Returns the Pearson correlation between a chroma and a profile transposed to a tonic; 0 for a flat chroma.
fn correlation(chroma: &Chroma, profile: &Chroma, tonic: usize) -> f32 {
    let mean = |x: &Chroma| x.iter().sum::<f32>() / 12.0;
    let (mean_chroma, mean_profile) = (mean(chroma), mean(profile));
    let (mut product, mut power, mut profile_power) = (0.0, 0.0, 0.0);
    for degree in 0..12 {
        let a = chroma[(tonic + degree) % 12] - mean_chroma;
        let b = profile[degree] - mean_profile;
        product += a * b;
        power += a * a;
        profile_power += b * b;
    }
    if power > 0.0 { product / (power * profile_power).sqrt() } else { 0.0 }
}

/// Octaves from A0 to the pitch with the highest weight.
const CENTRE_OCTAVE: f64 = 5.0;
/// Width of the weighting in octaves.
const OCTAVE_WIDTH: f64 = 2.0;

/// A filter bank that maps spectra to chroma: every bin contributes to the pitch classes near its frequency, most
/// strongly in the middle octaves (Ellis, Chroma feature analysis and synthesis, 2007).
#[derive(Debug, Clone)]
pub struct ChromaBank {
    /// The weights of the bins for each pitch class.
    weights: Vec<[f32; BINS]>,
}

impl Default for ChromaBank {
    fn default() -> Self {
        Self::new()
    }
}

impl ChromaBank {
    /// Computes the weights.
    #[must_use]
    pub fn new() -> Self {
        let semitones = |bin: usize| {
            let hz = bin as f64 * f64::from(SAMPLE_RATE) / N_FFT as f64;
            12.0 * (hz / (440.0 / 16.0)).log2()
        };
        // The bin at 0 Hz has no pitch; placed 18 semitones below the next bin, it has almost no weight.
        let position = |bin: usize| if bin == 0 { semitones(1) - 18.0 } else { semitones(bin) };
        let mut weights = vec![[0.0; BINS]; 12];
        for bin in 0..BINS {
            let width = (position(bin + 1) - position(bin)).max(1.0);
            let gaussian = |class: usize| {
                let distance = (position(bin) - class as f64 + 6.0).rem_euclid(12.0) - 6.0;
                (-0.5 * (2.0 * distance / width).powi(2)).exp()
            };
            // Positions count from A, chroma from C.
            let raw: [f64; 12] = std::array::from_fn(|class| gaussian((class + 3) % 12));
            let norm = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
            let octave = (-0.5 * ((position(bin) / 12.0 - CENTRE_OCTAVE) / OCTAVE_WIDTH).powi(2)).exp();
            for (row, weight) in weights.iter_mut().zip(raw) {
                row[bin] = (weight / norm * octave) as f32;
            }
        }
        Self { weights }
    }

    /// Computes the chroma of a magnitude spectrum from its power. The largest value is 1; silence gives all zeros.
    #[must_use]
    pub fn chroma(&self, magnitudes: &[f32; BINS]) -> Chroma {
        let power = magnitudes.map(|magnitude| magnitude * magnitude);
        let mut chroma = [0.0; 12];
        for (strength, row) in chroma.iter_mut().zip(&self.weights) {
            *strength = dot(&power, row);
        }
        normalised(chroma)
    }
}

/// Range of frequencies, in hertz, in which piano tones lie and mel bands are narrow enough to resolve semitones.
const PITCHED_HZ: (f64, f64) = (480.0, 2500.0);

/// Computes a coarse chroma from mel frames, for use when no spectrum is available. The largest value is 1; silence
/// gives all zeros.
#[must_use]
pub fn chroma_of_mel(frames: &[MelFrame]) -> Chroma {
    let mut chroma = [0.0; 12];
    for band in 0..BANDS {
        let hz = band_centre(band);
        if !(PITCHED_HZ.0..PITCHED_HZ.1).contains(&hz) {
            continue;
        }
        let power: f32 = frames.iter().map(|frame| (2.0 * frame[band]).exp()).sum();
        let semitone = 12.0 * (hz / 440.0).log2() + 69.0;
        let below = semitone.floor();
        let share = (semitone - below) as f32;
        chroma[(below as usize) % 12] += power * (1.0 - share);
        chroma[(below as usize + 1) % 12] += power * share;
    }
    normalised(chroma)
}

fn normalised(chroma: Chroma) -> Chroma {
    let strongest = chroma.iter().copied().fold(0.0, f32::max);
    if strongest > f32::MIN_POSITIVE { chroma.map(|x| x / strongest) } else { [0.0; 12] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use melos::mel::MelAnalyzer;
    use melos::units::note_to_hz;

    #[test]
    fn scales_are_recognised_in_all_keys() {
        for tonic in 0..12u8 {
            for (mode, triad) in [(Mode::Major, [0, 4, 7]), (Mode::Minor, [0, 3, 7])] {
                let mut chroma = [0.0; 12];
                for degree in mode.degrees() {
                    chroma[usize::from((tonic + degree) % 12)] += 1.0;
                }
                for degree in triad {
                    chroma[usize::from((tonic + degree) % 12)] += 2.0;
                }
                assert_eq!(KeyEstimate::of(&chroma).key, Key { tonic, mode });
            }
        }
    }

    #[test]
    fn tones_map_to_their_pitch_classes() {
        let bank = ChromaBank::new();
        let mut analyzer = MelAnalyzer::new();
        for note in [57u8, 60, 64, 66, 71, 74, 79, 84, 90] {
            let hz = note_to_hz(f32::from(note));
            let tone: Vec<f32> =
                (0..9600).map(|i| (std::f32::consts::TAU * hz * i as f32 / SAMPLE_RATE as f32).sin()).collect();
            let mut magnitudes = [0.0; BINS];
            analyzer.magnitudes(&tone, 4800, &mut magnitudes);
            let chroma = bank.chroma(&magnitudes);
            assert_eq!(chroma[usize::from(note % 12)], 1.0, "note {note}: {chroma:?}");
            if note >= 71 {
                let coarse = chroma_of_mel(&analyzer.log_mel(&tone));
                let strongest = (0..12)
                    .max_by(|a, b| coarse[*a].total_cmp(&coarse[*b]))
                    .expect("there should be twelve pitch classes");
                assert_eq!(strongest, usize::from(note % 12), "note {note}: {coarse:?}");
            }
        }
    }
}
