//! Runs the fuzz targets on every seed and on mutated seeds, to check that they compile and pass without a fuzzer.

#[path = "../../fuzz/src/daemon.rs"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "the module is part of another crate")]
mod fuzz;
#[path = "../../fuzz/src/seeds.rs"]
mod seeds;

use std::path::Path;

#[test]
fn every_target_passes_on_its_seeds_and_on_mutated_ones() {
    for (name, target) in fuzz::TARGETS {
        seeds::run(&Path::new("fuzz/seeds").join(name), target);
    }
}

#[test]
fn the_makefile_runs_every_target() {
    let (makefile, manifest) =
        (std::fs::read_to_string("Makefile").unwrap(), std::fs::read_to_string("fuzz/Cargo.toml").unwrap());
    let listed = makefile.lines().find_map(|line| line.strip_prefix("FUZZ_TARGETS := ")).unwrap();
    let mut listed: Vec<_> = listed.split(' ').collect();
    for name in &listed {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(Path::new("fuzz/fuzz_targets").join(name).with_extension("rs").is_file(), "{name}");
    }
    // Only the corpus tools read audio files; their tests run this target.
    listed.retain(|name| *name != "audio");
    assert_eq!(listed, fuzz::TARGETS.map(|(name, _)| name));
}
