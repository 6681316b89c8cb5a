//! What the fuzz targets do, with every seed and with many changed ones: so that the targets compile, and hold, without a fuzzer.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../fuzz/src/stage.rs"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "a crate of its own")]
mod fuzz;
#[path = "../fuzz/src/seeds.rs"]
mod seeds;

use std::path::Path;

#[test]
fn every_target_holds_for_its_seeds_and_for_changed_ones() {
    for (name, target) in fuzz::TARGETS {
        seeds::run(&Path::new("fuzz/seeds").join(name), target);
    }
}

#[test]
fn every_target_is_built_and_run_by_the_makefile() {
    let (makefile, manifest) =
        (std::fs::read_to_string("Makefile").unwrap(), std::fs::read_to_string("fuzz/Cargo.toml").unwrap());
    let listed = makefile.lines().find_map(|line| line.strip_prefix("FUZZ_TARGETS := ")).unwrap();
    let mut listed: Vec<_> = listed.split(' ').collect();
    for name in &listed {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(Path::new("fuzz/fuzz_targets").join(name).with_extension("rs").is_file(), "{name}");
    }
    // Sound files are read away from the stage, and tested there.
    listed.retain(|name| *name != "audio");
    assert_eq!(listed, fuzz::TARGETS.map(|(name, _)| name));
}
