use std::path::Path;
use std::time::Instant;

use super::*;
use crate::event::ControlEvent;
use crate::event::parameter::Param;
use crate::midi::mapping::{LiveMappings, Mapping};
use crate::midi::{Device, DeviceId, MidiEvent};

const DESK: DeviceId = DeviceId(0);

/// A mixing desk with a mapping. Parameters start at their defaults.
struct Desk {
    live: LiveMappings,
}

impl Desk {
    fn new(binds: &str) -> Self {
        let text = format!(
            "schema = 1\nname = \"Test\"\n[device]\nport_contains = \"desk\"\nfeedback = true\nlight = 60\n{binds}"
        );
        let mapping = Mapping::parse(Path::new("test.toml"), &text).unwrap();
        let mut desk = Self { live: LiveMappings::new(vec![mapping], Vec::new()) };
        desk.event(MidiEvent::Connected(Device { id: DESK, name: "Desk".to_owned() }));
        desk
    }

    fn event(&mut self, event: MidiEvent) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        self.live.process(event, |_| 0, &mut out);
        out
    }

    /// Sends messages from the desk and applies the resulting parameter changes.
    fn send(&mut self, messages: &[Message]) -> Vec<ControlEvent> {
        let mut all = Vec::new();
        for message in messages {
            all.extend(self.event(MidiEvent::Sent { device: DESK, at: Instant::now(), message: *message }));
        }
        for event in &all {
            if let ControlEvent::Set(param, value) = event {
                self.live.update_value(*param, value);
            }
        }
        all
    }

    fn feedback(&mut self) -> Vec<Message> {
        let mut out = Vec::new();
        self.live.feedback(&mut out);
        assert!(out.iter().all(|(device, _)| *device == DESK));
        out.into_iter().map(|(_, message)| message).collect()
    }

    /// Returns the feedback sent to the desk over some ticks.
    fn feedback_over(&mut self, ticks: u8) -> Vec<Message> {
        (0..ticks).flat_map(|_| self.feedback()).collect()
    }

    fn set(&mut self, param: Param, value: f32) {
        self.live.update_value(param, &Value::Number(value));
    }
}

const fn cc(controller: u8, value: u8) -> Message {
    Message::ControlChange { channel: 0, controller, value }
}

const FADER: &str = "[[bind]]\ncc = 7\nto = \"reverb\"\n";

#[test]
fn sends_every_kind_of_control_its_own_messages() {
    let mut desk = Desk::new(
        "[[bind]]\ncc = 7\nchannel = 3\nto = \"reverb\"\n[[bind]]\ncc14 = 1\nto = \"width\"\nrange = [0, 1]\n\
         [[bind]]\nnrpn = 300\nto = \"tone\"\n[[bind]]\nrpn = 1\nto = \"tone\"\n[[bind]]\npitch_bend = true\nto = \"tone\"\n\
         [[bind]]\nnote = 36\nto = \"emotion\"\nvalue = \"sad\"\n[[bind]]\nnote = 37\nto = \"hold\"\ntoggle = true\n\
         [[bind]]\ncc = 20\nrelative = \"twos-complement\"\nto = \"reverb\"\n[[bind]]\nnote = 38\nto = \"panic\"\n",
    );
    desk.live.update_value(Param::Width, &Value::Number(0.5));
    desk.live.update_value(Param::Emotion, &Value::Choice(1));
    let expected = [
        Message::ControlChange { channel: 2, controller: 7, value: 32 },
        cc(1, 64),
        cc(33, 0),
        cc(99, 2),
        cc(98, 44),
        cc(6, 64),
        cc(38, 0),
        cc(101, 0),
        cc(100, 1),
        cc(6, 64),
        cc(38, 0),
        Message::PitchBend { channel: 0, value: 8192 },
        Message::NoteOn { channel: 0, note: 36, velocity: 60 },
        Message::NoteOff { channel: 0, note: 37 },
        cc(20, 32),
    ];
    assert_eq!(desk.feedback(), expected);
    assert_eq!(desk.feedback_over(20), [], "an unchanged value should not be sent again");
    desk.live.update_value(Param::Emotion, &Value::Choice(2));
    assert_eq!(desk.feedback(), [Message::NoteOff { channel: 0, note: 36 }]);
}

#[test]
fn sends_only_the_newest_value_per_tick() {
    let mut desk = Desk::new(FADER);
    desk.feedback();
    for step in 0..100u8 {
        desk.set(Param::Reverb, f32::from(step) / 100.0);
    }
    assert_eq!(desk.feedback(), [cc(7, 126)]);
}

#[test]
fn resends_everything_to_a_device_that_may_have_been_reset() {
    let mut desk = Desk::new(FADER);
    assert_eq!(desk.feedback(), [cc(7, 32)]);
    desk.event(MidiEvent::FeedbackReady(DESK));
    assert_eq!(desk.feedback(), [cc(7, 32)]);
    desk.live.update_value(Param::Preset, &Value::Text("calm".to_owned()));
    assert_eq!(desk.feedback(), [cc(7, 32)]);
    desk.event(MidiEvent::Disconnected(DESK));
    assert_eq!(desk.feedback(), []);
    desk.event(MidiEvent::Connected(Device { id: DESK, name: "desk".to_owned() }));
    assert_eq!(desk.feedback(), [cc(7, 32)]);
}

#[test]
fn sends_no_feedback_to_a_fader_while_it_is_moved() {
    for binds in [FADER, "[[bind]]\ncc = 7\nto = \"level/master\"\nrange = [-60, 0]\ncurve = \"decibel\"\n"] {
        let mut desk = Desk::new(binds);
        let sent = desk.feedback().len();
        assert_eq!(sent, 1);
        for value in (0..=127).rev() {
            desk.send(&[cc(7, value)]);
            assert_eq!(desk.feedback(), [], "{value}");
        }
        assert_eq!(desk.feedback_over(20), [], "a fader that is already at the value should receive no feedback");
    }
    let mut desk = Desk::new(FADER);
    assert_eq!(desk.feedback(), [cc(7, 32)]);
    assert_eq!(
        desk.send(&[cc(7, 33), cc(7, 32)]).len(),
        2,
        "moving away and straight back should not count as an echo"
    );
    desk.set(Param::Reverb, 0.3);
    desk.send(&[cc(7, 38)]);
    assert_eq!(desk.send(&[cc(7, 40)]).len(), 1);
    desk.set(Param::Reverb, 1.0);
    for value in 41..60 {
        assert_eq!(
            (desk.send(&[cc(7, value)]), desk.feedback()),
            (vec![], vec![]),
            "a moving fader should receive no feedback"
        );
    }
    assert_eq!(desk.feedback_over(20), [cc(7, 127)], "a fader at rest should receive feedback");
}

#[test]
fn a_motor_fader_needs_no_takeover() {
    let mut desk = Desk::new(FADER);
    desk.feedback();
    desk.send(&[cc(7, 33)]);
    desk.set(Param::Reverb, 0.9);
    assert_eq!(desk.feedback_over(20), [cc(7, 114)]);
    // A jump of ten steps, without crossing or reaching the value.
    let moved = ControlEvent::Set(Param::Reverb, Value::Number(104.0 / 127.0));
    assert_eq!(desk.send(&[cc(7, 104)]), [moved]);
}

#[test]
fn ignores_echoes() {
    let mut desk = Desk::new(
        "[[bind]]\ncc = 7\nto = \"reverb\"\n[[bind]]\ncc14 = 1\nto = \"width\"\n[[bind]]\nnrpn = 300\nto = \"tone\"\n\
         [[bind]]\nnote = 37\nto = \"hold\"\ntoggle = true\n[[bind]]\ncc = 20\nrelative = \"binary-offset\"\nto = \"density\"\n",
    );
    let mut delayed = std::collections::VecDeque::new();
    for step in 0..60u16 {
        if step < 40 {
            let value = f32::from(step) / 41.0;
            for param in [Param::Reverb, Param::Width, Param::Density, Param::Tone] {
                desk.set(param, value);
            }
            desk.live.update_value(Param::Hold, &Value::Toggle(step % 3 == 0));
        }
        delayed.push_back(desk.feedback());
        // The device returns the messages two ticks later.
        if delayed.len() > 2 {
            let echo = delayed.pop_front().unwrap();
            assert_eq!(desk.send(&echo), [], "{step}");
        }
    }
    assert!(delayed.iter().all(Vec::is_empty), "{delayed:?}");
    // An echo that arrives too late is treated as a move if the value has changed since, but does not cause
    // oscillation.
    for on in [false, true] {
        desk.feedback();
        desk.live.update_value(Param::Hold, &Value::Toggle(on));
    }
    let mut echo = desk.feedback();
    assert_eq!(echo.len(), 1);
    for _ in 0..4 {
        desk.feedback_over(10);
        desk.send(&echo);
        echo = desk.feedback_over(10);
    }
    assert_eq!(echo, []);
}

#[test]
fn a_quick_second_press_is_not_an_echo() {
    let mut desk = Desk::new("[[bind]]\nnote = 37\nto = \"hold\"\ntoggle = true\n");
    desk.feedback();
    let (press, release) =
        (Message::NoteOn { channel: 0, note: 37, velocity: 127 }, Message::NoteOff { channel: 0, note: 37 });
    assert_eq!(desk.send(&[press]).len(), 1);
    assert_eq!(desk.feedback(), [Message::NoteOn { channel: 0, note: 37, velocity: 60 }]);
    assert_eq!(desk.send(&[release]).len(), 0);
    assert_eq!(desk.send(&[press]).len(), 1);
    assert_eq!(desk.feedback(), [release], "the light should be turned off again");
}

#[test]
fn rings_and_lights_can_use_separate_messages() {
    let mut desk = Desk::new(
        "[[bind]]\ncc = 1\nchannel = 11\nfeedback_cc = 9\nfeedback_range = [1, 13]\nto = \"reverb\"\n\
         [[bind]]\nnote = 8\nfeedback_note = 0\nlight = 1\nto = \"hold\"\ntoggle = true\n",
    );
    let ring = |value| Message::ControlChange { channel: 10, controller: 9, value };
    assert_eq!(
        desk.feedback(),
        [ring(4), Message::NoteOff { channel: 0, note: 0 }],
        "the ring should be a quarter of the way from 1 to 13"
    );
    desk.set(Param::Reverb, 1.0);
    desk.live.update_value(Param::Hold, &Value::Toggle(true));
    assert_eq!(desk.feedback(), [ring(13), Message::NoteOn { channel: 0, note: 0, velocity: 1 }]);
}

#[test]
fn an_active_layer_shows_its_own_values() {
    let mut desk = Desk::new(
        "[[layer]]\nname = \"shift\"\nnote = 98\n[[bind]]\ncc = 7\nto = \"reverb\"\n\
         [[bind]]\nlayer = \"shift\"\ncc = 7\nto = \"width\"\nrange = [0, 1]\n",
    );
    assert_eq!(desk.feedback(), [cc(7, 32)]);
    desk.send(&[Message::NoteOn { channel: 0, note: 98, velocity: 1 }]);
    assert_eq!(desk.feedback_over(2), [cc(7, 89)]);
    desk.send(&[Message::NoteOff { channel: 0, note: 98 }]);
    assert_eq!(desk.feedback_over(2), [cc(7, 32)]);
}
