//! Any stream of bytes through every mapping that ships, and through the clock.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use melos::midi::{ClockEvent, ClockFollower, Parser};
use melos::midi::mapping::Mapping;
use melos_fuzz::route;

static MAPPINGS: LazyLock<Vec<Arc<Mapping>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings");
    let files = folder.read_dir().expect("the mappings ship").map(|file| file.expect("can be listed").path());
    files.map(|file| Arc::new(Mapping::read(&file).expect("checked by the tests"))).collect()
});

fuzz_target!(|bytes: &[u8]| {
    for mapping in MAPPINGS.iter() {
        route(mapping, bytes);
    }
    let (mut parser, mut clock, mut events) = (Parser::default(), ClockFollower::default(), Vec::new());
    let mut at = Instant::now();
    for byte in bytes {
        // Data bytes also say how long it takes until the next byte.
        at += Duration::from_micros(u64::from(byte % 128) * 500);
        if let Some(message) = parser.feed(*byte) {
            clock.message(message, at, &mut events);
        }
    }
    for event in events {
        if let ClockEvent::Tempo(tempo) = event {
            assert!(tempo.is_finite() && tempo > 0.0, "{tempo} bpm");
        }
    }
});
