use super::*;
use crate::generator::vocoder::{Istft, Vocoder};
use crate::mel::MelAnalyzer;
use crate::units::SAMPLE_RATE;

/// Returns two decaying notes with four partials each.
fn music(seconds: f32) -> Vec<f32> {
    let partial = |time: f32, hz: f32, level: f32| level * (std::f32::consts::TAU * hz * time).sin();
    (0..(seconds * SAMPLE_RATE as f32) as usize)
        .map(|i| {
            let time = i as f32 / SAMPLE_RATE as f32;
            let note = |hz: f32| (1..5).map(|n| partial(time, hz * n as f32, 0.2 / n as f32)).sum::<f32>();
            (note(220.0) + note(329.6)) * (-time).exp()
        })
        .collect()
}

fn blocks(signal: &[f32]) -> Vec<MelBlock> {
    let frames: Vec<f32> = MelAnalyzer::new().log_mel(signal).concat();
    frames.chunks_exact(FRAMES_PER_LATENT * BANDS).map(|block| block.try_into().unwrap()).collect()
}

fn samples(vocoder: &mut Vocoder, istft: &mut Istft, blocks: &[MelBlock]) -> Vec<f32> {
    let mut hop = [0.0; HOP];
    let mut samples = Vec::new();
    for block in blocks {
        for (real, imag) in vocoder.step(block).unwrap().frames() {
            istft.push(real, imag, &mut hop);
            samples.extend_from_slice(&hop);
        }
    }
    samples
}

#[test]
fn preserves_the_spectrum_of_music() {
    let signal = music(2.0);
    let mut output = samples(&mut Vocoder::new(None), &mut Istft::new(), &blocks(&signal));
    // Remove the delay of the look-ahead and the inverse transform.
    output.drain(..(LOOK_AHEAD + 2) * HOP);
    let (actual, expected) = (MelAnalyzer::new().log_mel(&output), MelAnalyzer::new().log_mel(&signal));
    let (mut error, mut count) = (0.0f64, 0);
    for (actual, expected) in actual.iter().zip(&expected).skip(20).take(120) {
        for (a, b) in actual.iter().zip(expected).filter(|(_, b)| **b > -5.0) {
            error += f64::from((a - b).abs());
            count += 1;
        }
    }
    let nepers = error / f64::from(count);
    assert!(count > 1000 && nepers < 0.5, "{nepers} nepers over {count} values");
}

#[test]
fn a_restored_state_repeats_the_sound() {
    let blocks = blocks(&music(1.5));
    let (mut vocoder, mut istft) = (Vocoder::new(None), Istft::new());
    let uninterrupted = samples(&mut vocoder, &mut istft, &blocks);
    let (mut vocoder, mut istft) = (Vocoder::new(None), Istft::new());
    samples(&mut vocoder, &mut istft, &blocks[..8]);
    let (state, overlap) = (vocoder.state().to_vec(), *istft.overlap());
    // Change the state before restoring it.
    samples(&mut vocoder, &mut istft, &blocks[..3]);
    vocoder.state().copy_from_slice(&state);
    *istft.overlap() = overlap;
    let resumed = samples(&mut vocoder, &mut istft, &blocks[8..]);
    assert!(resumed == uninterrupted[8 * FRAMES_PER_LATENT * HOP..]);
}

#[test]
fn silence_stays_silent() {
    let silence = [crate::mel::FLOOR.ln(); FRAMES_PER_LATENT * BANDS];
    let samples = samples(&mut Vocoder::new(None), &mut Istft::new(), &[silence; 4]);
    assert!(samples.iter().all(|sample| sample.abs() < 1e-4));
}
