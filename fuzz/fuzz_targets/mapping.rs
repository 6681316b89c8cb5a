//! Any text as a mapping file; one that is taken must route every message there is.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use melos::midi::mapping::Mapping;
use melos_fuzz::route;

/// Every kind of channel message with low and high data, on two channels, and the messages without a channel.
static MESSAGES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    for status in (0x80..=0xE0).step_by(0x10).flat_map(|kind| [kind, kind | 9]) {
        for first in 0..128 {
            for second in [0, 1, 63, 64, 65, 127] {
                bytes.extend([status, first, second]);
            }
        }
    }
    bytes.extend([0xFA, 0xFB, 0xFC]);
    bytes
});

fuzz_target!(|text: &str| {
    if let Ok(mapping) = Mapping::parse(Path::new("fuzz.toml"), text) {
        route(&Arc::new(mapping), &MESSAGES);
    }
});
