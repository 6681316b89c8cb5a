//! Any text as a preset file; one that is taken must set only what a parameter can be, all along its journey.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use melos::files::preset::{Preset, Walk};
use melos_fuzz::fits;

fuzz_target!(|text: &str| {
    let Ok(preset) = Preset::parse(Path::new("fuzz.toml"), text) else { return };
    let walk = Walk::new(&preset, 0).take(100);
    for (param, value) in preset.settings().into_iter().chain(walk.flat_map(|(_, settings)| settings)) {
        assert!(fits(param, &value), "{} = {value:?}", param.spec().id);
    }
});
