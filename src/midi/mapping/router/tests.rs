use std::path::Path;

use super::*;
use crate::midi::Parser;

/// A router for a mapping, with a parser for its input.
struct Rig {
    router: Router,
    parser: Parser,
}

impl Rig {
    fn new(text: &str) -> Self {
        let mapping = Mapping::parse(Path::new("test.toml"), &format!("schema = 1\nname = \"Test\"\n{text}")).unwrap();
        let values: Vec<Value> = TABLE.iter().map(|spec| spec.param.default_value()).collect();
        Self { router: Router::new(Arc::new(mapping), &values), parser: Parser::default() }
    }

    fn send(&mut self, bytes: &[u8]) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        for message in bytes.iter().filter_map(|byte| self.parser.feed(*byte)) {
            self.router.process(message, &mut out);
        }
        out
    }
}

fn number(param: Param, value: f32) -> ControlEvent {
    ControlEvent::Set(param, Value::Number(value))
}

fn toggle(param: Param, on: bool) -> ControlEvent {
    ControlEvent::Set(param, Value::Toggle(on))
}

fn text(param: Param, text: &str) -> ControlEvent {
    ControlEvent::Set(param, Value::Text(text.to_owned()))
}

#[test]
fn a_fader_takes_over_when_it_crosses_the_value() {
    let mut rig = Rig::new("[[bind]]\ncc = 7\nto = \"reverb\"\n");
    // Reverb is at 0.25, which is 31.75 of 127.
    assert_eq!(rig.send(&[0xB0, 7, 100, 7, 60]), []);
    assert_eq!(rig.send(&[7, 20]), [number(Param::Reverb, 20.0 / 127.0)]);
    assert_eq!(rig.send(&[7, 127]), [number(Param::Reverb, 1.0)]);
    // The values set by the fader are reported back late.
    rig.router.update_value(Param::Reverb, &Value::Number(20.0 / 127.0));
    assert_eq!(rig.send(&[7, 126]), [number(Param::Reverb, 126.0 / 127.0)]);
    // Another source changes the value.
    rig.router.update_value(Param::Reverb, &Value::Number(0.1));
    assert_eq!(rig.send(&[7, 120]), []);
    assert_eq!(rig.send(&[7, 0]), [number(Param::Reverb, 0.0)]);
}

#[test]
fn a_second_fader_for_the_same_value_must_take_over_again() {
    let mut rig = Rig::new("[[bind]]\ncc = 1\nto = \"reverb\"\n[[bind]]\ncc = 2\nto = \"reverb\"\n");
    assert_eq!(
        rig.send(&[0xB0, 1, 32, 2, 32]).len(),
        1,
        "the second fader should change nothing, because it is at the same value"
    );
    assert_eq!(rig.send(&[1, 100]).len(), 1);
    assert_eq!(rig.send(&[2, 40]), [], "a fader that no longer matches the value should have no effect");
    assert_eq!(rig.send(&[2, 110]).len(), 1);
}

#[test]
fn a_jump_fader_takes_over_immediately() {
    let mut rig = Rig::new("[[bind]]\ncc = 7\nto = \"reverb\"\ntakeover = \"jump\"\nrange = [1.0, 0.0]\n");
    assert_eq!(rig.send(&[0xB0, 7, 0]), [number(Param::Reverb, 1.0)]);
}

#[test]
fn high_resolution_controls_use_all_14_bits() {
    for (key, bytes) in [
        ("cc14 = 1", vec![0xB0, 1, 64, 33, 1]),
        ("cc14 = 1", vec![0xB0, 33, 1, 1, 64]),
        ("nrpn = 300", vec![0xB0, 99, 2, 98, 44, 6, 64, 38, 1]),
        ("nrpn = 300", vec![0xB0, 98, 44, 99, 2, 38, 1, 6, 64]),
        ("rpn = 1", vec![0xB0, 101, 0, 100, 1, 6, 64, 38, 1]),
        ("pitch_bend = true", vec![0xE0, 1, 64]),
    ] {
        let mut rig = Rig::new(&format!("[[bind]]\n{key}\nto = \"reverb\"\ntakeover = \"jump\"\n"));
        let Some(ControlEvent::Set(_, Value::Number(value))) = rig.send(&bytes).pop() else { panic!("{key}") };
        assert!((value - 8193.0 / 16_383.0).abs() < 1e-4 && value > 0.5, "{key}: {value}");
    }
}

#[test]
fn encoders_move_from_the_current_value() {
    let mut rig = Rig::new("[[bind]]\ncc = 7\nrelative = \"twos-complement\"\nstep = 0.125\nto = \"reverb\"\n");
    assert_eq!(rig.send(&[0xB0, 7, 1, 7, 2, 7, 127]), [0.375, 0.625, 0.5].map(|value| number(Param::Reverb, value)));
    rig.router.update_value(Param::Reverb, &Value::Number(0.875));
    assert_eq!(rig.send(&[7, 2]), [number(Param::Reverb, 1.0)]);
    assert_eq!(rig.send(&[7, 2]), [], "an encoder should have no effect at the end of the range");
}

#[test]
fn buttons_act_once_per_press() {
    let mut rig = Rig::new(
        "[[bind]]\ncc = 1\nto = \"hold\"\ntoggle = true\n[[bind]]\nnote = 36\non = \"release\"\nto = \"panic\"\n\
         [[bind]]\nnote = 37\nto = \"mute/pad\"\n[[bind]]\nmessage = \"stop\"\nto = \"play\"\nvalue = false\n",
    );
    assert_eq!(rig.send(&[0xB0, 1, 127, 1, 127, 1, 0]), [toggle(Param::Hold, true)]);
    assert_eq!(rig.send(&[1, 127, 1, 0]), [toggle(Param::Hold, false)]);
    assert_eq!(rig.send(&[0x90, 36, 1]), []);
    assert_eq!(rig.send(&[36, 0]), [ControlEvent::Set(Param::Panic, Value::Trigger)]);
    assert_eq!(rig.send(&[37, 127, 37, 0]), [toggle(Param::MutePad, true), toggle(Param::MutePad, false)]);
    assert_eq!(rig.send(&[0xFC, 0xFC]), [toggle(Param::Play, false), toggle(Param::Play, false)]);
}

#[test]
fn choices_divide_a_fader_equally() {
    let mut rig = Rig::new("[[bind]]\ncc = 1\nto = \"emotion\"\n");
    let chosen = [0, 16, 127].map(|value| rig.send(&[0xB0, 1, value]));
    let expected = [0, 1, 7].map(|position| vec![ControlEvent::Set(Param::Emotion, Value::Choice(position))]);
    assert_eq!(chosen, expected);
}

#[test]
fn program_changes_load_presets_and_scenes() {
    let mut rig = Rig::new("[programs]\npresets = [\"calm\", \"angry\"]\nscenes = [\"verse\"]\n");
    assert_eq!(rig.send(&[0xC0, 1]), [text(Param::Preset, "angry")]);
    assert_eq!(rig.send(&[0xB0, 0, 0, 32, 1, 0xC0, 0]), [text(Param::Scene, "verse")]);
    assert_eq!(rig.send(&[0xC0, 9]), []);
    assert_eq!(rig.send(&[0xB0, 32, 0, 0xC0, 0]), [text(Param::Preset, "calm")]);
}

#[test]
fn ignores_other_channels() {
    let mut rig = Rig::new(
        "[device]\nchannel = 2\n[[bind]]\nnote = 36\nto = \"panic\"\n[[bind]]\nnote = 37\nchannel = 3\nto = \"panic\"\n",
    );
    assert_eq!(rig.send(&[0x90, 36, 9, 37, 9]), []);
    assert_eq!(rig.send(&[0x91, 36, 9, 37, 9]).len(), 1);
    assert_eq!(rig.send(&[0x92, 36, 9, 37, 9]).len(), 1);
}

#[test]
fn ignores_unmapped_pressure_and_pitch_bend() {
    let mut rig = Rig::new("[[bind]]\nnote = 36\nto = \"panic\"\n");
    assert_eq!(rig.send(&[0xA0, 36, 100, 0xD3, 50, 0xE5, 0, 0]), []);
}

#[test]
fn one_control_can_set_several_parameters() {
    let mut rig = Rig::new(
        "[[bind]]\ncc = 7\nto = \"reverb\"\ntakeover = \"jump\"\n[[bind]]\ncc = 7\nto = \"tone\"\nrange = [0.5, -0.5]\ntakeover = \"jump\"\n",
    );
    assert_eq!(rig.send(&[0xB0, 7, 127]), [number(Param::Reverb, 1.0), number(Param::Tone, -0.5)]);
}

#[test]
fn a_hold_button_restores_the_previous_value() {
    let mut rig = Rig::new(
        "[[bind]]\nnote = 1\non = \"hold\"\nto = \"reverb\"\nvalue = 1.0\n[[bind]]\nnote = 2\non = \"hold\"\nto = \"hold\"\n",
    );
    assert_eq!(rig.send(&[0x90, 1, 100]), [number(Param::Reverb, 1.0)]);
    assert_eq!(
        rig.send(&[0x80, 1, 0]),
        [number(Param::Reverb, 0.25)],
        "the previous value, the default, should be restored"
    );
    assert_eq!(rig.send(&[0x80, 1, 0]), [], "the value should be restored only once");
    assert_eq!(rig.send(&[0x90, 2, 100, 2, 0]), [toggle(Param::Hold, true), toggle(Param::Hold, false)]);
}

#[test]
fn of_two_hold_buttons_the_last_release_restores_the_first_value() {
    let mut rig = Rig::new(
        "[[bind]]\nnote = 1\non = \"hold\"\nto = \"reverb\"\nvalue = 1.0\n[[bind]]\nnote = 2\non = \"hold\"\nto = \"reverb\"\nvalue = 0.6\n",
    );
    let reverb = |value| number(Param::Reverb, value);
    // Released in the order of the presses.
    assert_eq!(rig.send(&[0x90, 1, 100, 2, 100]), [reverb(1.0), reverb(0.6)]);
    assert_eq!(rig.send(&[1, 0]), [], "the newer button is still down");
    assert_eq!(rig.send(&[2, 0]), [reverb(0.25)]);
    // Released in the reverse order.
    assert_eq!(rig.send(&[1, 100, 2, 100, 2, 0, 1, 0]), [reverb(1.0), reverb(0.6), reverb(1.0), reverb(0.25)]);
    // Pressed again while the other is down.
    assert_eq!(rig.send(&[1, 100, 2, 100, 1, 0, 1, 100]), [reverb(1.0), reverb(0.6), reverb(1.0)]);
    assert_eq!(rig.send(&[2, 0, 1, 0]), [reverb(0.25)]);
}

#[test]
fn an_encoder_leaves_the_bottom_of_a_decibel_curve_click_by_click() {
    for range in ["", "range = [-20, 0]\n"] {
        let mapping = "[[bind]]\ncc = 8\nrelative = \"twos-complement\"\ncurve = \"decibel\"\nto = \"level/pad\"\n";
        let mut rig = Rig::new(&format!("{mapping}{range}"));
        rig.send(&[0xB0, 8, 65, 8, 65]);
        for click in 0..30 {
            assert_eq!(rig.send(&[8, 1]).len(), 1, "{range} {click}");
        }
    }
}

#[test]
fn a_button_sets_a_key_with_its_mode() {
    let mut rig = Rig::new(
        "[[bind]]\nnote = 1\nto = \"key\"\nvalue = \"A minor\"\n[[bind]]\nnote = 2\non = \"hold\"\nto = \"key\"\nvalue = \"Es-Dur\"\n",
    );
    let choice = |param, choice| ControlEvent::Set(param, Value::Choice(choice));
    let key = |tonic, mode| [choice(Param::Key, tonic), choice(Param::Mode, mode)];
    assert_eq!(rig.send(&[0x90, 1, 100]), key(9, 2));
    assert_eq!(rig.send(&[2, 100]), key(3, 1));
    assert_eq!(rig.send(&[2, 0]), key(9, 2), "both previous values should be restored");
}

const LAYERED: &str = "[[layer]]\nname = \"shift\"\nnote = 98\n[[layer]]\nname = \"lock\"\nnote = 99\ntoggle = true\n\
    [[bind]]\nnote = 1\nto = \"hold\"\ntoggle = true\n[[bind]]\nnote = 2\nto = \"play\"\ntoggle = true\n\
    [[bind]]\nlayer = \"shift\"\nnote = 1\nto = \"record\"\ntoggle = true\n\
    [[bind]]\nlayer = \"lock\"\nnote = 2\nto = \"panic\"\n";

#[test]
fn a_layer_overrides_only_the_controls_that_it_binds() {
    let mut rig = Rig::new(LAYERED);
    assert_eq!(rig.send(&[0x90, 1, 1, 1, 0]), [toggle(Param::Hold, true)]);
    assert_eq!(rig.send(&[98, 1, 1, 1, 1, 0]), [toggle(Param::Record, true)]);
    assert_eq!(
        rig.send(&[2, 1, 2, 0]),
        [toggle(Param::Play, false)],
        "a control that the layer does not bind should keep its function"
    );
    assert_eq!(rig.send(&[98, 0, 1, 1, 1, 0]), [toggle(Param::Hold, false)]);
    let panic = ControlEvent::Set(Param::Panic, Value::Trigger);
    assert_eq!(rig.send(&[99, 1, 99, 0, 2, 1, 2, 0]), [panic], "one press should activate the layer");
    assert_eq!(
        rig.send(&[99, 1, 99, 0, 2, 1, 2, 0]),
        [toggle(Param::Play, true)],
        "a second press should deactivate the layer"
    );
}

#[test]
fn the_binding_that_received_the_press_receives_the_release() {
    let mut rig = Rig::new(
        "[[layer]]\nname = \"shift\"\nnote = 98\n[[bind]]\nlayer = \"shift\"\nnote = 1\non = \"hold\"\nto = \"hold\"\n\
         [[bind]]\nnote = 1\nto = \"panic\"\n",
    );
    assert_eq!(rig.send(&[0x90, 98, 1, 1, 1]), [toggle(Param::Hold, true)]);
    assert_eq!(rig.send(&[98, 0]), []);
    assert_eq!(
        rig.send(&[1, 0]),
        [toggle(Param::Hold, false)],
        "the release should count although the layer is inactive"
    );
}

#[test]
fn a_fader_must_take_over_again_after_a_layer_change() {
    let mut rig = Rig::new(
        "[[layer]]\nname = \"shift\"\nnote = 98\n[[bind]]\ncc = 7\nto = \"reverb\"\n[[bind]]\nlayer = \"shift\"\ncc = 7\nto = \"width\"\nrange = [0, 1]\n",
    );
    assert_eq!(rig.send(&[0xB0, 7, 32]).len(), 1, "the fader should take over when it reaches the reverb's value");
    assert_eq!(
        rig.send(&[0x90, 98, 1, 0xB0, 7, 60]),
        [],
        "the fader should not take over before it reaches the width, 0.7"
    );
    assert_eq!(rig.send(&[7, 100]).len(), 1, "the fader should take over when it crosses the width");
    assert_eq!(
        rig.send(&[0x90, 98, 0, 0xB0, 7, 90]),
        [],
        "a fader that no longer matches the reverb should have no effect"
    );
    assert_eq!(rig.send(&[7, 10]).len(), 1);
}

#[test]
fn a_fader_above_its_centre_does_not_move_the_value_of_another_layer() {
    let mut rig = Rig::new(
        "[[layer]]\nname = \"shift\"\nnote = 98\n[[bind]]\ncc = 7\nto = \"reverb\"\ntakeover = \"jump\"\n\
         [[bind]]\nlayer = \"shift\"\ncc = 7\nto = \"width\"\ntakeover = \"jump\"\n",
    );
    assert_eq!(rig.send(&[0xB0, 7, 127]).len(), 1);
    let moved = rig.send(&[0x90, 98, 1, 0xB0, 7, 32]);
    assert!(matches!(moved[..], [ControlEvent::Set(Param::Width, _)]), "{moved:?}");
}

#[test]
fn reports_a_pending_takeover_once_with_its_direction() {
    let mut rig = Rig::new("[[bind]]\ncc = 7\nto = \"level/pad\"\nrange = [-60, 0]\n");
    rig.send(&[0xB0, 7, 0]);
    let hint = rig.router.take_pending_takeover().unwrap().to_string();
    assert_eq!(
        hint,
        "CC 7 on channel 1 is at -60.00 dB and takes over once it reaches level/pad, which is -23.00 dB: move it up"
    );
    rig.send(&[7, 1]);
    assert_eq!(rig.router.take_pending_takeover(), None);
}

#[test]
fn reports_whether_a_message_is_used() {
    let mut rig = Rig::new(
        "[[layer]]\nname = \"shift\"\nnote = 98\n[[bind]]\ncc14 = 1\nto = \"tone\"\n[[lead]]\nnotes = [36, 60]\n[programs]\npresets = [\"calm\"]\n",
    );
    let mut used = |bytes: &[u8]| {
        let mut parser = Parser::default();
        let messages: Vec<Message> = bytes.iter().filter_map(|byte| parser.feed(*byte)).collect();
        messages.into_iter().map(|message| rig.router.process(message, &mut Vec::new())).collect::<Vec<_>>()
    };
    assert_eq!(used(&[0xB0, 1, 5, 33, 5, 2, 5, 64, 127]), [true, true, false, true]);
    assert_eq!(used(&[0x90, 98, 1, 40, 1, 80, 1]), [true, true, false]);
    assert_eq!(used(&[0xC0, 0, 1]), [true, false]);
}

#[test]
fn increments_move_one_step_from_the_current_value() {
    let mut rig = Rig::new(
        "[[bind]]\nnrpn = 5\nto = \"reverb\"\n[[bind]]\nrpn = 7\nto = \"mode\"\n[[bind]]\nrpn = 8\nto = \"hold\"\n",
    );
    let nrpn = [0xB0, 99, 0, 98, 5];
    assert_eq!(rig.send(&[&nrpn[..], &[96, 0]].concat()), [number(Param::Reverb, 0.25 + 1.0 / 127.0)]);
    assert_eq!(rig.send(&[97, 127]), [number(Param::Reverb, 0.25)]);
    // After another source changes the value, the next step starts from there, without takeover.
    rig.router.update_value(Param::Reverb, &Value::Number(0.75));
    assert_eq!(rig.send(&[96, 1]), [number(Param::Reverb, 0.75 + 1.0 / 127.0)]);
    // At the end of the range, steps have no effect.
    rig.router.update_value(Param::Reverb, &Value::Number(1.0));
    assert_eq!(rig.send(&[96, 1]), []);
    // Steps select the next or previous choice and switch toggles.
    let choice = |position| ControlEvent::Set(Param::Mode, Value::Choice(position));
    assert_eq!(rig.send(&[101, 0, 100, 7, 96, 0, 96, 0, 97, 0]), [choice(1), choice(2), choice(1)]);
    assert_eq!(rig.send(&[100, 8, 96, 0, 97, 0]), [toggle(Param::Hold, true), toggle(Param::Hold, false)]);
}
