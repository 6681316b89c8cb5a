use std::path::Path;
use std::time::Instant;

use super::*;
use crate::event::ControlEvent;
use crate::event::parameter::Param;
use crate::midi::mapping::{LiveMappings, Mapping};
use crate::midi::{Device, DeviceId, MidiEvent};

const DESK: DeviceId = DeviceId(0);

/// A mixer desk with a mapping and manual ticks; parameters start at their defaults.
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
        self.live.midi(event, |_| 0, &mut out);
        out
    }

    /// Sends messages from the desk and reports the resulting parameter changes back.
    fn sends(&mut self, messages: &[Message]) -> Vec<ControlEvent> {
        let mut all = Vec::new();
        for message in messages {
            all.extend(self.event(MidiEvent::Sent { device: DESK, at: Instant::now(), message: *message }));
        }
        for event in &all {
            if let ControlEvent::Set(param, value) = event {
                self.live.value(*param, value);
            }
        }
        all
    }

    fn receives(&mut self) -> Vec<Message> {
        let mut out = Vec::new();
        self.live.feedback(&mut out);
        assert!(out.iter().all(|(device, _)| *device == DESK));
        out.into_iter().map(|(_, message)| message).collect()
    }

    /// Messages that the desk receives during some ticks.
    fn receives_for(&mut self, ticks: u8) -> Vec<Message> {
        (0..ticks).flat_map(|_| self.receives()).collect()
    }

    fn set(&mut self, param: Param, value: f32) {
        self.live.value(param, &Value::Number(value));
    }
}

const fn cc(controller: u8, value: u8) -> Message {
    Message::ControlChange { channel: 0, controller, value }
}

const FADER: &str = "[[bind]]\ncc = 7\nto = \"reverb\"\n";

#[test]
fn every_kind_of_control_gets_its_own_messages() {
    let mut desk = Desk::new(
        "[[bind]]\ncc = 7\nchannel = 3\nto = \"reverb\"\n[[bind]]\ncc14 = 1\nto = \"width\"\nrange = [0, 1]\n\
         [[bind]]\nnrpn = 300\nto = \"tone\"\n[[bind]]\nrpn = 1\nto = \"tone\"\n[[bind]]\npitch_bend = true\nto = \"tone\"\n\
         [[bind]]\nnote = 36\nto = \"emotion\"\nvalue = \"sad\"\n[[bind]]\nnote = 37\nto = \"hold\"\ntoggle = true\n\
         [[bind]]\ncc = 20\nrelative = \"twos-complement\"\nto = \"reverb\"\n[[bind]]\nnote = 38\nto = \"panic\"\n",
    );
    desk.live.value(Param::Width, &Value::Number(0.5));
    desk.live.value(Param::Emotion, &Value::Choice(1));
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
    assert_eq!(desk.receives(), expected);
    assert_eq!(desk.receives_for(20), [], "once is enough");
    desk.live.value(Param::Emotion, &Value::Choice(2));
    assert_eq!(desk.receives(), [Message::NoteOff { channel: 0, note: 36 }]);
}

#[test]
fn the_newest_value_wins_once_a_tick() {
    let mut desk = Desk::new(FADER);
    desk.receives();
    for step in 0..100u8 {
        desk.set(Param::Reverb, f32::from(step) / 100.0);
    }
    assert_eq!(desk.receives(), [cc(7, 126)]);
}

#[test]
fn a_device_that_may_have_been_reset_gets_everything_again() {
    let mut desk = Desk::new(FADER);
    assert_eq!(desk.receives(), [cc(7, 32)]);
    desk.event(MidiEvent::FeedbackReady(DESK));
    assert_eq!(desk.receives(), [cc(7, 32)]);
    desk.live.value(Param::Preset, &Value::Text("calm".to_owned()));
    assert_eq!(desk.receives(), [cc(7, 32)]);
    desk.event(MidiEvent::Disconnected(DESK));
    assert_eq!(desk.receives(), []);
    desk.event(MidiEvent::Connected(Device { id: DESK, name: "desk".to_owned() }));
    assert_eq!(desk.receives(), [cc(7, 32)]);
}

#[test]
fn a_fader_gets_no_echo_and_its_motor_never_fights_a_hand() {
    for binds in [FADER, "[[bind]]\ncc = 7\nto = \"level/master\"\nrange = [-60, 0]\ncurve = \"decibel\"\n"] {
        let mut desk = Desk::new(binds);
        let sent = desk.receives().len();
        assert_eq!(sent, 1);
        for value in (0..=127).rev() {
            desk.sends(&[cc(7, value)]);
            assert_eq!(desk.receives(), [], "{value}");
        }
        assert_eq!(desk.receives_for(20), [], "nor afterwards");
    }
    let mut desk = Desk::new(FADER);
    assert_eq!(desk.receives(), [cc(7, 32)]);
    assert_eq!(desk.sends(&[cc(7, 33), cc(7, 32)]).len(), 2, "moving there and straight back is not an echo");
    desk.set(Param::Reverb, 0.3);
    desk.sends(&[cc(7, 38)]);
    assert_eq!(desk.sends(&[cc(7, 40)]).len(), 1);
    desk.set(Param::Reverb, 1.0);
    for value in 41..60 {
        assert_eq!((desk.sends(&[cc(7, value)]), desk.receives()), (vec![], vec![]), "while it is being moved");
    }
    assert_eq!(desk.receives_for(20), [cc(7, 127)], "after it is released");
}

#[test]
fn a_fader_moved_by_its_motor_has_taken_over() {
    let mut desk = Desk::new(FADER);
    desk.receives();
    desk.sends(&[cc(7, 33)]);
    desk.set(Param::Reverb, 0.9);
    assert_eq!(desk.receives_for(20), [cc(7, 114)]);
    // A jump of ten steps, without crossing or reaching the value.
    let moved = ControlEvent::Set(Param::Reverb, Value::Number(104.0 / 127.0));
    assert_eq!(desk.sends(&[cc(7, 104)]), [moved]);
}

#[test]
fn a_device_that_echoes_everything_changes_nothing() {
    let mut desk = Desk::new(
        "[[bind]]\ncc = 7\nto = \"reverb\"\n[[bind]]\ncc14 = 1\nto = \"width\"\n[[bind]]\nnrpn = 300\nto = \"tone\"\n\
         [[bind]]\nnote = 37\nto = \"hold\"\ntoggle = true\n[[bind]]\ncc = 20\nrelative = \"binary-offset\"\nto = \"density\"\n",
    );
    let mut late = std::collections::VecDeque::new();
    for step in 0..60u16 {
        if step < 40 {
            let share = f32::from(step) / 41.0;
            for param in [Param::Reverb, Param::Width, Param::Density, Param::Tone] {
                desk.set(param, share);
            }
            desk.live.value(Param::Hold, &Value::Toggle(step % 3 == 0));
        }
        late.push_back(desk.receives());
        // The device returns the messages two ticks later.
        if late.len() > 2 {
            let echo = late.pop_front().unwrap();
            assert_eq!(desk.sends(&echo), [], "{step}");
        }
    }
    assert!(late.iter().all(Vec::is_empty), "{late:?}");
    // An echo that returns much too late counts as a move where the values differ, but nothing oscillates.
    for on in [false, true] {
        desk.receives();
        desk.live.value(Param::Hold, &Value::Toggle(on));
    }
    let mut echo = desk.receives();
    assert_eq!(echo.len(), 1);
    for _ in 0..4 {
        desk.receives_for(10);
        desk.sends(&echo);
        echo = desk.receives_for(10);
    }
    assert_eq!(echo, []);
}

#[test]
fn a_quick_second_press_counts() {
    let mut desk = Desk::new("[[bind]]\nnote = 37\nto = \"hold\"\ntoggle = true\n");
    desk.receives();
    let (press, release) =
        (Message::NoteOn { channel: 0, note: 37, velocity: 127 }, Message::NoteOff { channel: 0, note: 37 });
    assert_eq!(desk.sends(&[press]).len(), 1);
    assert_eq!(desk.receives(), [Message::NoteOn { channel: 0, note: 37, velocity: 60 }]);
    assert_eq!(desk.sends(&[release]).len(), 0);
    assert_eq!(desk.sends(&[press]).len(), 1);
    assert_eq!(desk.receives(), [release], "the light is off again");
}

#[test]
fn rings_and_lights_with_their_own_numbers_use_those() {
    let mut desk = Desk::new(
        "[[bind]]\ncc = 1\nchannel = 11\nfeedback_cc = 9\nfeedback_range = [1, 13]\nto = \"reverb\"\n\
         [[bind]]\nnote = 8\nfeedback_note = 0\nlight = 1\nto = \"hold\"\ntoggle = true\n",
    );
    let ring = |value| Message::ControlChange { channel: 10, controller: 9, value };
    assert_eq!(
        desk.receives(),
        [ring(4), Message::NoteOff { channel: 0, note: 0 }],
        "a quarter of the way from 1 to 13"
    );
    desk.set(Param::Reverb, 1.0);
    desk.live.value(Param::Hold, &Value::Toggle(true));
    assert_eq!(desk.receives(), [ring(13), Message::NoteOn { channel: 0, note: 0, velocity: 1 }]);
}

#[test]
fn a_layer_shows_its_own_values() {
    let mut desk = Desk::new(
        "[[layer]]\nname = \"shift\"\nnote = 98\n[[bind]]\ncc = 7\nto = \"reverb\"\n\
         [[bind]]\nlayer = \"shift\"\ncc = 7\nto = \"width\"\nrange = [0, 1]\n",
    );
    assert_eq!(desk.receives(), [cc(7, 32)]);
    desk.sends(&[Message::NoteOn { channel: 0, note: 98, velocity: 1 }]);
    assert_eq!(desk.receives_for(2), [cc(7, 89)]);
    desk.sends(&[Message::NoteOff { channel: 0, note: 98 }]);
    assert_eq!(desk.receives_for(2), [cc(7, 32)]);
}
