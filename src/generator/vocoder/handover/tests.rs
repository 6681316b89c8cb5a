use super::*;
use crate::generator::parity;
use crate::generator::vocoder::Istft;
use crate::mel::HOP;

/// Returns held-out music as mel frames, repeated until it has `latents` latents.
fn music(latents: usize) -> Vec<MelBlock> {
    let mel = &parity::vectors(&parity::folder(), "vocoder.safetensors")["mel"];
    let blocks: Vec<MelBlock> =
        mel.chunks_exact(size_of::<MelBlock>() / 4).map(|block| block.try_into().unwrap()).collect();
    blocks.iter().cycle().take(latents).copied().collect()
}

fn vocoder() -> SwitchedVocoder {
    SwitchedVocoder::new(parity::models(&parity::folder()).vocoder)
}

/// Returns the sound of music of which the latents in `economy` are in economy mode.
fn sound(vocoder: &mut SwitchedVocoder, music: &[MelBlock], economy: std::ops::Range<usize>) -> Vec<f32> {
    let (mut istft, mut hop, mut sound) = (Istft::new(), [0.0; HOP], Vec::new());
    for (latent, mel) in music.iter().enumerate() {
        for (real, imag) in vocoder.step(mel, economy.contains(&latent)).unwrap().frames() {
            istft.push(real, imag, &mut hop);
            sound.extend_from_slice(&hop);
        }
    }
    sound
}

fn level(sound: &[f32]) -> f32 {
    10.0 * (sound.iter().map(|x| x * x).sum::<f32>() / sound.len() as f32).log10()
}

/// Number of samples of a latent.
const LATENT: usize = 8 * HOP;

#[test]
fn the_sound_changes_only_between_the_handovers() {
    let music = music(36);
    let (network, switched) = (sound(&mut vocoder(), &music, 0..0), sound(&mut vocoder(), &music, 12..20));
    let latents = network.chunks(LATENT).zip(switched.chunks(LATENT));
    let differs: Vec<bool> = latents.map(|(a, b)| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-4)).collect();
    // The network plays the first latent of economy mode, and listens to the first seven after it.
    let first = differs.iter().position(|differs| *differs);
    assert_eq!(first, Some(13), "{differs:?}");
    assert!(differs[13..27].iter().all(|differs| *differs), "{differs:?}");
}

#[test]
fn the_level_stays_across_the_handovers() {
    let music = music(36);
    let (network, switched) = (sound(&mut vocoder(), &music, 0..0), sound(&mut vocoder(), &music, 12..20));
    // Four hops each, over which the vocoders are blended.
    let pairs = network.chunks(LATENT / 2).zip(switched.chunks(LATENT / 2));
    let differences: Vec<f32> = pairs.map(|(network, switched)| level(switched) - level(network)).collect();
    assert!(differences.iter().all(|difference| difference.abs() < 2.5), "{differences:.1?} dB");
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    assert!(mean.abs() < 0.5, "{mean} dB");
}

#[test]
fn a_restored_state_repeats_the_handovers() {
    let music = music(24);
    let economy = 4..9;
    for restored in [3, 4, 5, 8, 9, 12, 16, 17] {
        let mut vocoder = vocoder();
        let mut step = |latent: usize| {
            let spectra = vocoder.step(&music[latent], economy.contains(&latent)).unwrap();
            let spectra = spectra.frames().map(|(real, imag)| [real, imag].concat()).collect::<Vec<_>>();
            (spectra, vocoder.save())
        };
        let mut before: Vec<_> = (0..24).map(&mut step).collect();
        let rest = before.split_off(restored);
        vocoder.restore(&before.last().unwrap().1);
        for (latent, expected) in (restored..).zip(rest) {
            let spectra = vocoder.step(&music[latent], economy.contains(&latent)).unwrap();
            let spectra: Vec<_> = spectra.frames().map(|(real, imag)| [real, imag].concat()).collect();
            assert!(spectra == expected.0, "latent {latent}, restored at {restored}");
        }
    }
}

#[test]
fn a_model_without_a_network_keeps_its_vocoder() {
    let music = music(12);
    let sound = |economy| sound(&mut SwitchedVocoder::new(None), &music, economy);
    assert!(sound(4..8) == sound(0..0));
}
