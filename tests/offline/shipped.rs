//! Every shipped preset and mapping is valid, and no two presets are too similar.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use melos::event::parameter::{Param, Value};
use melos::files::document::Problem;
use melos::files::preset::Preset;
use melos::midi::mapping::{Action, Mapping};
use melos::music::emotion::Emotion;

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

fn all<T>(folder: &str, read: impl Fn(&Path) -> Result<T, Vec<Problem>>) -> BTreeMap<String, T> {
    let mut problems = Vec::new();
    let mut found = BTreeMap::new();
    for file in files(folder) {
        match read(&file) {
            Ok(good) => drop(found.insert(file.file_stem().unwrap().to_string_lossy().into_owned(), good)),
            Err(bad) => problems.extend(bad.iter().map(Problem::to_string)),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    found
}

#[test]
fn presets_are_valid_and_distinct() {
    let presets = all("presets", Preset::read);
    assert!(presets.len() >= 12, "only {} presets", presets.len());
    for emotion in Emotion::ALL {
        let mood = (Param::Emotion, Value::Choice(emotion as u8));
        assert!(presets[emotion.name()].named.contains(&mood), "{emotion} has no preset");
    }
    assert!(presets.contains_key("slow-dawn"));
    assert!(presets.values().filter(|preset| !preset.journey.is_empty()).count() >= 2);
    for (name, preset) in &presets {
        assert!(!preset.description.is_empty(), "{name} has no description");
        for (other, second) in presets.range(name.clone()..).skip(1) {
            let differ = preset.settings().iter().filter(|setting| !second.settings().contains(setting)).count();
            assert!(differ >= 4 || preset.journey != second.journey, "{name} and {other} are too similar");
        }
    }
}

#[test]
fn mappings_are_valid_and_bind_each_control_once() {
    let presets = all("presets", Preset::read);
    let mappings = all("mappings", Mapping::read);
    for (name, port) in [
        ("apc-mini", "APC MINI:APC MINI MIDI 1 24:0"),
        ("apc-mini", "APC mini mk2:APC mini mk2 Control 24:0"),
        ("apc40", "Akai APC40:Akai APC40 MIDI 1 20:0"),
        ("bcr2000", "BCR2000:BCR2000 MIDI 1 20:0"),
        ("beatstep", "Arturia BeatStep:Arturia BeatStep MIDI 1 20:0"),
        ("launch-control-xl", "Launch Control XL:Launch Control XL MIDI 1 28:0"),
        ("launchkey", "Launchkey MK2 49:Launchkey MK2 49 MIDI 1 20:0"),
        ("launchpad", "Launchpad X:Launchpad X MIDI 2 20:1"),
        ("lpd8", "LPD8:LPD8 MIDI 1 20:0"),
        ("midi-fighter-twister", "Midi Fighter Twister:Midi Fighter Twister MIDI 1 20:0"),
        ("midimix", "MIDI Mix:MIDI Mix MIDI 1 24:0"),
        ("minilab", "Arturia MiniLab mkII:Arturia MiniLab mkII MIDI 1 20:0"),
        ("mpk-mini", "MPK mini 3:MPK mini 3 MIDI 1 32:0"),
        ("nanokontrol2", "nanoKONTROL2:nanoKONTROL2 nanoKONTROL2 _ CTRL 20:0"),
        ("x-touch-compact", "X-TOUCH COMPACT:X-TOUCH COMPACT MIDI 1 20:0"),
        ("x-touch-mini", "X-TOUCH MINI:X-TOUCH MINI MIDI 1 36:0"),
    ] {
        let matching: Vec<_> =
            mappings.iter().filter(|(_, mapping)| mapping.matches(port)).map(|(name, _)| name).collect();
        assert_eq!(matching, [name], "{port}");
    }
    assert!(mappings.contains_key("keyboard"));
    for (name, mapping) in &mappings {
        assert!(
            mapping.inherit.as_ref().is_none_or(|other| mappings.contains_key(other)),
            "{name} inherits from a missing mapping"
        );
        let mut bound = BTreeSet::new();
        for binding in &mapping.bindings {
            assert!(
                bound.insert(format!("{:?} {:?} {:?}", binding.control, binding.channel, binding.layer)),
                "{name}: {binding:?} is bound twice"
            );
            if let Action::Follow { scale: None, .. } = binding.action {
                assert!(!matches!(binding.to, Param::Preset | Param::Scene), "{name}: {binding:?}");
            }
        }
        for preset in &mapping.programs.presets {
            assert!(presets.contains_key(preset), "{name}: there is no preset {preset}");
        }
    }
}
