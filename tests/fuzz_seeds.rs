//! What the fuzz targets do, with every seed and with many changed ones: so that the targets compile, and hold, without a fuzzer.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "a crate of its own")]
mod fuzz;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Changed seeds of each target.
const CHANGED: u32 = 300;

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new("fuzz/seeds").join(target);
    let files = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Changes some bytes, or cuts, doubles or moves a part.
fn change(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let mut below = |end: usize| random.next_u32() as usize % end.max(1);
    for _ in 0..=below(4) {
        let (at, length) = (below(bytes.len()), below(16));
        let part = at..(at + length).min(bytes.len());
        match below(6) {
            0 => drop(bytes.drain(part)),
            1 => {
                let copy = bytes[part].to_vec();
                let to = below(bytes.len());
                bytes.splice(to..to, copy);
            }
            2 => bytes.truncate(at),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 0xFF, b'\n', b'"', b'[', *byte ^ 1, byte.wrapping_add(1), below(256) as u8][below(8)];
                }
            }
        }
    }
}

#[test]
fn every_target_holds_for_its_seeds_and_for_changed_ones() {
    for (name, target) in fuzz::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for seed in &seeds {
            target(seed);
        }
        for round in 0..CHANGED as usize {
            let mut bytes = seeds[round % seeds.len()].clone();
            change(&mut bytes, &mut random);
            target(&bytes);
        }
    }
}

#[test]
fn every_target_is_built_and_run_by_the_makefile() {
    let (makefile, manifest) =
        (std::fs::read_to_string("Makefile").unwrap(), std::fs::read_to_string("fuzz/Cargo.toml").unwrap());
    let listed = makefile.lines().find_map(|line| line.strip_prefix("FUZZ_TARGETS := ")).unwrap();
    assert_eq!(listed.split(' ').collect::<Vec<_>>(), fuzz::TARGETS.map(|(name, _)| name));
    for (name, _) in fuzz::TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(std::path::Path::new("fuzz/fuzz_targets").join(name).with_extension("rs").is_file(), "{name}");
    }
}
