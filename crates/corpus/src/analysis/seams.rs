//! Measures steps and dips at the seams between segments of generated audio.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use melos::generator::model::{LOOK_AHEAD, ModelError, Models};
use melos::generator::notes::AHEAD;
use melos::generator::vocoder::{MelBlock, Vocoder};
use melos::mel::{BINS, HOP, N_FFT, hann_window};

/// Quantile of the steps from sample to sample that counts as the usual step.
const STEP_QUANTILE: f64 = 0.9999;
/// Number of frames around a seam over which energy is measured: 20 ms.
const ENERGY_WINDOW: usize = 960;
/// Energy per frame below which dips are inaudible: −80 dBFS.
const ENERGY_FLOOR: f64 = 1e-8;

/// Measurements at the seams of a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seams {
    /// Number of seams examined.
    pub count: usize,
    /// The usual step: the 99.99th percentile of the signal's steps from sample to sample.
    pub usual_step: f32,
    /// The largest step at a seam.
    pub largest_step: f32,
    /// Number of seams with a step above the usual one: about one in ten thousand if the seams are inaudible.
    pub above_usual: usize,
    /// The largest difference between the step at a seam and the step at the same sample of the same music decoded in
    /// one piece.
    pub added_step: f32,
    /// The largest loss of energy in the 20 ms around a seam, in decibels relative to the same music decoded in one
    /// piece; 0 or below.
    pub dip_db: f64,
}

/// Compares `played` with `whole`, the same music decoded in one piece. `seams` contains the position of the first
/// sample of each segment. Both signals are mono and start at the same time; the longer one is truncated.
#[must_use]
pub fn measure(played: &[f32], whole: &[f32], seams: impl Iterator<Item = usize>) -> Seams {
    let end = played.len().min(whole.len());
    let (played, whole) = (&played[..end], &whole[..end]);
    let step = |signal: &[f32], at: usize| signal[at] - signal[at - 1];
    let mut steps: Vec<f32> = (1..end).map(|at| step(played, at).abs()).collect();
    let rank = ((steps.len() as f64 * STEP_QUANTILE) as usize).min(steps.len().saturating_sub(1));
    let usual_step = if steps.is_empty() { 0.0 } else { *steps.select_nth_unstable_by(rank, f32::total_cmp).1 };
    let mut result = Seams { count: 0, usual_step, largest_step: 0.0, above_usual: 0, added_step: 0.0, dip_db: 0.0 };
    for at in seams.filter(|at| (ENERGY_WINDOW / 2..end.saturating_sub(ENERGY_WINDOW / 2)).contains(at)) {
        let size = step(played, at).abs();
        result.count += 1;
        result.above_usual += usize::from(size > usual_step);
        result.largest_step = result.largest_step.max(size);
        result.added_step = result.added_step.max((step(played, at) - step(whole, at)).abs());
        let around = at - ENERGY_WINDOW / 2..at + ENERGY_WINDOW / 2;
        let [energy, expected] = [&played[around.clone()], &whole[around]]
            .map(|part| part.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / ENERGY_WINDOW as f64 + ENERGY_FLOOR);
        result.dip_db = result.dip_db.min(10.0 * (energy / expected).log10());
    }
    result
}

/// Decodes the mel frames of a performance in one piece, without hops or rollbacks. The result is as long as the
/// frames, but its end is incomplete, because the networks look ahead.
///
/// # Errors
/// [`ModelError`] if a network fails.
pub fn decode_whole(models: Models, blocks: &[Box<MelBlock>]) -> Result<Vec<f32>, ModelError> {
    let mut vocoder = Vocoder::new(models.vocoder);
    let fft = RealFftPlanner::<f32>::new().plan_fft_inverse(N_FFT);
    let (mut bins, mut samples) = (fft.make_input_vec(), fft.make_output_vec());
    // The squared windows of overlapping frames add up to 3/2.
    let weights: Vec<f32> = hann_window().iter().map(|w| w / (1.5 * N_FFT as f32)).collect();
    // Frame f is centred on sample f · HOP, so half a window precedes the music.
    let lead = N_FFT / 2;
    let frames = blocks.len() * melos::mel::FRAMES_PER_LATENT;
    let mut audio = vec![0.0; frames * HOP + N_FFT];
    let mut frame = 0usize;
    for mel in blocks {
        for (real, imag) in vocoder.step(mel)?.frames() {
            // Because the pianist and the vocoder look ahead, the first outputs belong to frames before the music.
            if let Some(frame) = frame.checked_sub(AHEAD + LOOK_AHEAD) {
                for (bin, (real, imag)) in bins.iter_mut().zip(real.iter().zip(imag)) {
                    *bin = Complex::new(*real, *imag);
                }
                (bins[0].im, bins[BINS - 1].im) = (0.0, 0.0);
                fft.process(&mut bins, &mut samples)
                    .expect("the buffers should have the planned lengths, and the first and last bins should be real");
                let at = frame * HOP;
                for ((out, sample), weight) in audio[at..at + N_FFT].iter_mut().zip(&samples).zip(&weights) {
                    *out += sample * weight;
                }
            }
            frame += 1;
        }
    }
    audio.drain(..lead);
    audio.truncate(frames * HOP);
    Ok(audio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_and_dips_at_seams_are_measured() {
        let tone: Vec<f32> = (0..96_000).map(|n| (n as f32 * 0.05).sin() * 0.5).collect();
        let seams = || (4096..90_000).step_by(4096);
        let clean = measure(&tone, &tone, seams());
        assert_eq!((clean.count, clean.above_usual, clean.added_step, clean.dip_db), (21, 0, 0.0, 0.0));

        let mut click = tone.clone();
        click[8192] += 0.5;
        let clicked = measure(&click, &tone, seams());
        assert_eq!(clicked.above_usual, 1, "{clicked:?}");
        assert!(clicked.added_step > 0.4 && clicked.largest_step > clicked.usual_step, "{clicked:?}");

        let mut dip = tone.clone();
        dip[8192 - 480..8192 + 480].iter_mut().for_each(|x| *x *= 0.5);
        let dipped = measure(&dip, &tone, seams());
        assert!((dipped.dip_db + 6.02).abs() < 0.1, "{dipped:?}");
    }
}
