//! Seeded random MIDI and damaged files: nothing panics, and no output is out of range.

use std::fs;
use std::path::Path;
use std::time::Instant;

use melos::event::ControlEvent;
use melos::event::parameter::{Kind, Value};
use melos::files::preset::Preset;
use melos::midi::mapping::{LiveMappings, Mapping};
use melos::midi::{Device, DeviceId, MidiEvent, Parser};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A mapping with many kinds of controls, with numbers that random input often hits.
const EVERYTHING: &str = r#"
schema = 1
name = "Everything"
[device]
clock = true
[[bind]]
cc = 1
to = "valence"
[[bind]]
cc14 = 2
to = "reverb"
[[bind]]
nrpn = 300
to = "tempo"
takeover = "jump"
[[bind]]
cc = 7
to = "level/master"
curve = "decibel"
takeover = "jump"
[[bind]]
cc = 8
to = "temperature"
curve = "exponential"
relative = "sign-magnitude"
[[bind]]
pitch_bend = true
to = "key"
[[bind]]
note = 60
to = "hold"
toggle = true
[[lead]]
[programs]
presets = ["a", "b", "c"]
scenes = ["d"]
"#;

#[test]
fn a_million_random_midi_bytes_give_only_valid_values() {
    let mapping = Mapping::parse(Path::new("everything.toml"), EVERYTHING).unwrap();
    let mut live = LiveMappings::new(vec![mapping], Vec::new());
    let device = DeviceId(0);
    let (mut parser, mut out, start) = (Parser::default(), Vec::new(), Instant::now());
    live.process(MidiEvent::Connected(Device { id: device, name: "noise".to_owned() }), |_| 0, &mut out);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut events = 0;
    for step in 0..1_000_000u64 {
        let byte = match random.next_u32() % 4 {
            0 => 0x80 | random.next_u32() as u8,
            1 => [1, 2, 34, 6, 7, 8, 38, 98, 99][random.next_u32() as usize % 9],
            _ => random.next_u32() as u8 & 0x7F,
        };
        let Some(message) = parser.feed(byte) else { continue };
        let at = start + std::time::Duration::from_micros(step * 320);
        live.process(MidiEvent::Sent { device, at, message }, |_| step, &mut out);
        for event in out.drain(..) {
            events += 1;
            match event {
                ControlEvent::Set(param, Value::Number(number)) => {
                    let Kind::Number { min, max, .. } = param.spec().kind else { panic!("{param:?}") };
                    assert!((min..=max).contains(&number), "{param:?} {number}");
                }
                ControlEvent::Tempo(tempo) => assert!((19.0..=301.0).contains(&tempo), "{tempo}"),
                _ => {}
            }
        }
    }
    assert!(events > 10_000, "only {events} events");
}

#[test]
fn damaged_files_are_rejected_or_read_without_panicking() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut files: Vec<_> = ["presets", "mappings"].iter().flat_map(|folder| fs::read_dir(folder).unwrap()).collect();
    files.sort_by_key(|entry| entry.as_ref().unwrap().path());
    let mut rejected = 0;
    for entry in files {
        let file = entry.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        for _ in 0..40 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=random.next_u32() % 6 {
                // Always keep at least one byte, so that the text is never empty.
                let Some(inside) = bytes.len().checked_sub(1).filter(|inside| *inside > 0) else { break };
                let at = random.next_u32() as usize % inside;
                match random.next_u32() % 4 {
                    0 => bytes[at] = random.next_u32() as u8,
                    1 => drop(bytes.drain(at..(at + 9).min(inside))),
                    2 => bytes.insert(at, b"=[]{}\".#\n0-"[random.next_u32() as usize % 11]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let damaged = String::from_utf8_lossy(&bytes);
            let preset = Preset::parse(&file, &damaged).err();
            let mapping = Mapping::parse(&file, &damaged).err();
            for problem in preset.iter().chain(&mapping).flatten() {
                assert!(!problem.hint.is_empty(), "{problem}");
            }
            rejected += usize::from(preset.is_some());
        }
    }
    assert!(rejected > 100, "only {rejected} presets were rejected");
}
