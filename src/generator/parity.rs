//! Tests that the shipped networks, run step by step as in a performance, match what PyTorch computed for whole sequences at
//! export.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::generator::model::{Graph, Models, runtime, stateful};
use crate::generator::vocoder::{Istft, MelBlock, Vocoder};
use crate::mel::{BINS, FRAMES_PER_LATENT, HOP};

/// Returns the model folder that `MELOS_TEST_MODEL` names, or else the folder of the shipped model.
pub(super) fn folder() -> PathBuf {
    std::env::var_os("MELOS_TEST_MODEL").map_or_else(|| "models/melos-piano".into(), PathBuf::from)
}

pub(super) fn models(folder: &Path) -> Models {
    Models::load(runtime().unwrap(), folder).unwrap()
}

/// Reads the float tensors of a safetensors file, which consists of the length of its header, a JSON header, and data.
pub(super) fn vectors(folder: &Path, name: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(folder.join("vectors").join(name)).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let read = |entry: &Value| {
        assert_eq!(entry["dtype"], "F32");
        let [start, end] = [0, 1].map(|i| 8 + header + entry["data_offsets"][i].as_u64().unwrap() as usize);
        bytes[start..end].chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    tensors
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, entry)| (name.clone(), read(entry)))
        .collect()
}

fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Runs a stateful graph over sequences of inputs and compares its outputs with the expected ones. `inputs` gives the index of
/// each input and its name in `expected`.
fn compare(mut graph: Graph, expected: &BTreeMap<String, Vec<f32>>, inputs: &[(usize, &str)], outputs: &[&str]) {
    let steps = expected[outputs[0]].len() / graph.outputs().next().unwrap().len();
    for step in 0..steps {
        for (index, name) in inputs {
            let input = graph.input(*index);
            input.copy_from_slice(&expected[*name][step * input.len()..][..input.len()]);
        }
        graph.step().unwrap();
        for (output, name) in graph.outputs().zip(outputs) {
            let difference = max_difference(output, &expected[*name][step * output.len()..][..output.len()]);
            assert!(difference < 1e-3, "{name}, step {step}: {difference}");
        }
    }
    assert!(steps > 4);
}

#[test]
fn the_prior_matches_pytorch() {
    let folder = folder();
    let expected = vectors(&folder, "prior.safetensors");
    let inputs = [(stateful::INPUT, "before"), (2, "roll"), (3, "piano"), (4, "mood")];
    compare(models(&folder).pianist.prior, &expected, &inputs, &["mean", "deviation"]);
}

#[test]
fn the_decoder_matches_pytorch() {
    let folder = folder();
    let expected = vectors(&folder, "decoder.safetensors");
    compare(models(&folder).pianist.decoder, &expected, &[(stateful::INPUT, "z"), (2, "roll"), (3, "piano")], &["mel"]);
}

#[test]
fn the_vocoder_matches_pytorch() {
    let folder = folder();
    let mut vocoder = Vocoder::new(models(&folder).vocoder);
    let expected = vectors(&folder, "vocoder.safetensors");
    let (mut actual, mut reference) = (Istft::new(), Istft::new());
    let mut hops = [[0.0; HOP]; 2];
    let mut loudest = 0.0f32;
    for (block, mel) in expected["mel"].chunks_exact(size_of::<MelBlock>() / 4).enumerate() {
        for (i, (real, imag)) in vocoder.step(mel.try_into().unwrap()).unwrap().frames().enumerate() {
            let range = (block * FRAMES_PER_LATENT + i) * BINS..(block * FRAMES_PER_LATENT + i + 1) * BINS;
            actual.push(real, imag, &mut hops[0]);
            reference.push(&expected["real"][range.clone()], &expected["imag"][range], &mut hops[1]);
            let difference = max_difference(&hops[0], &hops[1]);
            assert!(difference < 1e-4, "block {block}, frame {i}: {difference}");
            loudest = loudest.max(hops[1].iter().copied().fold(0.0, f32::max));
        }
    }
    assert!(loudest > 0.01, "the test vectors should not be silent");
}
