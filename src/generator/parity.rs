//! Tests that the shipped networks, streamed as on stage, match PyTorch's results for whole sequences at export.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::context::{Context, Cursor, StepInput};
use crate::generator::model::{LATENT_DIMS, Models, runtime, stateful};
use crate::generator::vocoder::{Istft, MelBlock, Vocoder};
use crate::mel::{BINS, FRAMES_PER_LATENT, HOP};
use crate::music::conditions::CONDITION_COUNT;

/// Returns the folder of the shipped model, or of `MELOS_TEST_MODEL` if set.
fn folder() -> PathBuf {
    std::env::var_os("MELOS_TEST_MODEL").map_or_else(|| "models/melos-piano".into(), PathBuf::from)
}

fn models(folder: &Path) -> Models {
    Models::load(runtime().unwrap(), folder).unwrap()
}

/// Reads the float tensors of a safetensors file: header length, JSON header, data.
fn vectors(folder: &Path, name: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(folder.join("vectors").join(name)).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let read = |entry: &Value| {
        assert_eq!(entry["dtype"], "F32");
        let [from, until] = [0, 1].map(|i| 8 + header + entry["data_offsets"][i].as_u64().unwrap() as usize);
        bytes[from..until].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    tensors
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, entry)| (name.clone(), read(entry)))
        .collect()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_transformer_generates_the_same_latents() {
    let folder = folder();
    let Models { manifest, transformer, .. } = models(&folder);
    let expected = vectors(&folder, "transformer.safetensors");
    let mut context = Context::new(transformer, manifest.context);
    let mut z = [0.0; LATENT_DIMS];
    let steps =
        expected["noise"].chunks_exact(LATENT_DIMS).zip(expected["conditions"].chunks_exact(2 * CONDITION_COUNT));
    for (position, (noise, conditions)) in steps.enumerate() {
        let input = StepInput {
            conditions: conditions[..CONDITION_COUNT].try_into().unwrap(),
            reference: conditions[CONDITION_COUNT..].try_into().unwrap(),
            noise: noise.try_into().unwrap(),
            guidance: expected["guidance"][0],
        };
        z = context.step(Cursor { position: position as u64, begin: 0 }, &z, &input).unwrap();
        let apart = apart(&z, &expected["z_next"][position * LATENT_DIMS..][..LATENT_DIMS]);
        assert!(apart < 1e-3, "latent {position}: {apart}");
    }
}

#[test]
fn the_decoder_produces_the_same_mel_frames() {
    let folder = folder();
    let mut decoder = models(&folder).decoder;
    let expected = vectors(&folder, "decoder.safetensors");
    let blocks = expected["mel"].chunks_exact(size_of::<MelBlock>() / 4);
    for (latent, (z, mel)) in expected["z"].chunks_exact(LATENT_DIMS).zip(blocks).enumerate() {
        decoder.input(stateful::INPUT).copy_from_slice(z);
        decoder.step().unwrap();
        let apart = apart(decoder.output(0), mel);
        assert!(apart < 1e-3, "latent {latent}: {apart}");
    }
}

#[test]
fn the_vocoder_produces_the_same_samples() {
    let folder = folder();
    let mut vocoder = Vocoder::new(models(&folder).vocoder);
    let expected = vectors(&folder, "vocoder.safetensors");
    let (mut ours, mut theirs) = (Istft::new(), Istft::new());
    let mut hops = [[0.0; HOP]; 2];
    let mut loudest = 0.0f32;
    for (block, mel) in expected["mel"].chunks_exact(size_of::<MelBlock>() / 4).enumerate() {
        for (i, (real, imag)) in vocoder.step(mel.try_into().unwrap()).unwrap().frames().enumerate() {
            let at = (block * FRAMES_PER_LATENT + i) * BINS..(block * FRAMES_PER_LATENT + i + 1) * BINS;
            ours.push(real, imag, &mut hops[0]);
            theirs.push(&expected["real"][at.clone()], &expected["imag"][at], &mut hops[1]);
            let apart = apart(&hops[0], &hops[1]);
            assert!(apart < 1e-4, "block {block}, frame {i}: {apart}");
            loudest = loudest.max(hops[1].iter().copied().fold(0.0, f32::max));
        }
    }
    assert!(loudest > 0.01, "the vectors sound");
}
