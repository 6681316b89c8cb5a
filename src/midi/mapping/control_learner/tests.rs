use std::path::Path;

use super::*;
use crate::midi::Parser;
use crate::midi::mapping::Mapping;

fn learn(param: Param, bytes: &[u8]) -> String {
    learn_with(param, param.default_value(), bytes)
}

fn learn_with(param: Param, value: Value, bytes: &[u8]) -> String {
    let (mut parser, mut learner) = (Parser::default(), ControlLearner::new(param, value));
    for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
        learner.observe(message);
    }
    let block = learner.block().unwrap();
    let file = format!("schema = 1\nname = \"Learned\"\n{block}");
    Mapping::parse(Path::new("learned.toml"), &file).unwrap_or_else(|problems| panic!("{block}{problems:#?}"));
    block
}

#[test]
fn recognises_every_kind_of_control() {
    let fader: Vec<u8> = [0xB0].into_iter().chain((10..40).flat_map(|value| [7, value])).collect();
    let pairs: Vec<u8> = [0xB1].into_iter().chain((0..9).flat_map(|value| [33, value, 1, 20])).collect();
    for (param, bytes, expected) in [
        (Param::Valence, &fader[..], "cc = 7\nchannel = 1\nto = \"valence\"\nrange = [-1.0, 1.0]\n"),
        (Param::Valence, &pairs, "cc14 = 1\nchannel = 2\nto = \"valence\"\nrange = [-1.0, 1.0]\n"),
        (
            Param::Reverb,
            &[0xB0, 99, 2, 98, 44, 6, 64, 38, 1, 99, 2, 98, 44, 6, 65, 38, 1],
            "nrpn = 300\nchannel = 1\nto = \"reverb\"\nrange = [0.0, 1.0]\n",
        ),
        (
            Param::Reverb,
            &[0xB0, 7, 1, 7, 1, 7, 1, 7, 2, 7, 1, 7, 1],
            "cc = 7\nchannel = 1\nto = \"reverb\"\nrelative = \"twos-complement\"\nstep = 0.01\n",
        ),
        (
            Param::Reverb,
            &[0xB0, 7, 65, 7, 65, 7, 65, 7, 63, 7, 63, 7, 63],
            "cc = 7\nchannel = 1\nto = \"reverb\"\nrelative = \"binary-offset\"\nstep = 0.01\n",
        ),
        (Param::Hold, &[0xB0, 41, 127, 41, 0], "cc = 41\nchannel = 1\nto = \"hold\"\ntoggle = true\n"),
        (Param::Panic, &[0x99, 36, 100, 36, 0], "note = 36\nchannel = 10\nto = \"panic\"\n"),
        (Param::Emotion, &[0x90, 36, 100], "note = 36\nchannel = 1\nto = \"emotion\"\nvalue = \"calm\"\n"),
        (Param::Preset, &[0xC0, 4], "program = 5\nchannel = 1\nto = \"preset\"\nvalue = \"a-name\"\n"),
        (Param::Tone, &[0xE0, 0, 64, 0, 80], "pitch_bend = true\nchannel = 1\nto = \"tone\"\nrange = [-1.0, 1.0]\n"),
        (Param::Panic, &[0xF8, 0xFC], "message = \"stop\"\nto = \"panic\"\n"),
    ] {
        assert_eq!(learn(param, bytes), format!("[[bind]]\n{expected}"), "{bytes:?}");
    }
}

#[test]
fn ignores_a_control_touched_by_accident() {
    let block = learn(Param::Valence, &[0xB0, 1, 64, 7, 10, 7, 11, 7, 13, 7, 16]);
    assert!(block.contains("cc = 7\n"), "{block}");
    assert_eq!(ControlLearner::new(Param::Valence, Value::Number(0.0)).block(), None);
}

#[test]
fn a_learned_button_sets_the_current_value() {
    let press = [0x90, 36, 100, 36, 0];
    for (param, value, expected) in [
        (Param::Scene, Value::Text("act 2".to_owned()), "value = \"act 2\""),
        (Param::Emotion, Value::Choice(2), "value = \"energetic\""),
        (Param::LevelMaster, Value::Number(-6.0), "value = -6.0"),
    ] {
        let block = learn_with(param, value, &press);
        assert!(block.ends_with(&format!("{expected}\n")), "{block}");
    }
}
