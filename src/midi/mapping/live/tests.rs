use std::path::Path;
use std::time::Duration;

use super::*;

fn mapping(text: &str) -> Mapping {
    Mapping::parse(Path::new("test.toml"), &format!("schema = 1\nname = \"Test\"\n{text}")).unwrap()
}

fn connected(id: u32, name: &str) -> MidiEvent {
    MidiEvent::Connected(Device { id: DeviceId(id), name: name.to_owned() })
}

struct Rig {
    live: LiveMappings,
    start: Instant,
}

impl Rig {
    fn new() -> Self {
        let box_mapping =
            mapping("[device]\nport_contains = \"box\"\n[[bind]]\nnote = 1\nto = \"panic\"\n[[lead]]\nchannel = 2\n");
        let default_mapping =
            mapping("[device]\nclock = true\n[[bind]]\nnote = 2\nto = \"hold\"\ntoggle = true\n[[lead]]\n");
        Self { live: LiveMappings::new(vec![box_mapping, default_mapping], Vec::new()), start: Instant::now() }
    }

    fn event(&mut self, event: MidiEvent) -> Vec<ControlEvent> {
        let (mut out, start) = (Vec::new(), self.start);
        let frame = |at: Instant| (at.saturating_duration_since(start).as_secs_f64() * 48_000.0).round() as u64;
        self.live.process(event, frame, &mut out);
        out
    }

    fn send(&mut self, id: u32, message: Message) -> Vec<ControlEvent> {
        let at = self.start;
        self.event(MidiEvent::Sent { device: DeviceId(id), at, message })
    }
}

const fn note_on(channel: u8, note: u8) -> Message {
    Message::NoteOn { channel, note, velocity: 100 }
}

#[test]
fn devices_use_the_mapping_that_matches_their_name() {
    let mut rig = Rig::new();
    rig.event(connected(0, "My BOX MIDI 1"));
    rig.event(connected(1, "Some keyboard"));
    assert_eq!(rig.send(0, note_on(0, 1)), [ControlEvent::Set(Param::Panic, Value::Trigger)]);
    assert_eq!(rig.send(0, note_on(0, 2)), []);
    assert_eq!(rig.send(1, note_on(0, 2))[0], ControlEvent::Set(Param::Hold, Value::Toggle(true)));
    assert_eq!(rig.send(7, note_on(0, 2)), [], "messages from an unknown device should be ignored");
    // A device that connects later starts from the current values.
    rig.event(connected(2, "Another keyboard"));
    assert_eq!(rig.send(2, note_on(0, 2))[0], ControlEvent::Set(Param::Hold, Value::Toggle(false)));
}

#[test]
fn a_held_button_restores_the_value_when_its_device_or_mapping_goes() {
    let holding = || mapping("[[bind]]\nnote = 1\non = \"hold\"\nto = \"reverb\"\nvalue = 1.0\n");
    let mut rig = Rig { live: LiveMappings::new(vec![holding()], Vec::new()), start: Instant::now() };
    let reverb = |value| ControlEvent::Set(Param::Reverb, Value::Number(value));
    rig.live.update_value(Param::Reverb, &Value::Number(0.25));
    rig.event(connected(0, "Pads"));
    assert_eq!(rig.send(0, note_on(0, 1)), [reverb(1.0)]);
    assert_eq!(rig.event(MidiEvent::Disconnected(DeviceId(0))), [reverb(0.25)]);
    rig.event(connected(1, "Pads"));
    assert_eq!(rig.send(1, note_on(0, 1)), [reverb(1.0)]);
    let mut out = Vec::new();
    rig.live.set_mappings(vec![holding()], &mut out);
    assert_eq!(out, [reverb(0.25)]);
    assert_eq!(rig.send(1, note_on(0, 1)), [reverb(1.0)], "the new mapping starts from the restored value");
}

#[test]
fn all_keyboards_set_the_lead_chord_until_disconnected() {
    let mut rig = Rig::new();
    rig.event(connected(0, "box"));
    rig.event(connected(1, "keyboard"));
    assert_eq!(rig.send(0, note_on(1, 60)), [ControlEvent::LeadNotes(1 << 60)]);
    assert_eq!(rig.send(1, note_on(0, 64)), [ControlEvent::LeadNotes(1 << 60 | 1 << 64)]);
    assert_eq!(rig.event(MidiEvent::Disconnected(DeviceId(0))), [ControlEvent::LeadNotes(1 << 64)]);
    let mut out = Vec::new();
    rig.live.set_mappings(Vec::new(), &mut out);
    assert_eq!(out, [ControlEvent::LeadNotes(0)]);
}

#[test]
fn follows_only_one_clock_at_a_time() {
    let mut rig = Rig::new();
    rig.event(connected(0, "box"));
    rig.event(connected(1, "sequencer"));
    rig.event(connected(2, "drum machine"));
    let mut out = Vec::new();
    for device in [0, 1, 2] {
        out.extend(rig.send(device, Message::Start));
    }
    for tick in 0..49 {
        rig.start += Duration::from_micros(20_833);
        for device in [0, 2, 1] {
            let events = rig.send(device, Message::Clock);
            assert!(device == 1 || events.is_empty(), "{device} {tick}");
            out.extend(events);
        }
    }
    let beats = out.iter().filter(|event| matches!(event, ControlEvent::Beat { .. })).count();
    assert_eq!(beats, 3);
    assert!(out.iter().any(|event| matches!(event, ControlEvent::Tempo(tempo) if (tempo - 120.0).abs() < 0.1)));
}

/// Returns the last tempo reported, in bpm, while the `ticking` devices each send ticks at their own tempo.
fn tempo_after(rig: &mut Rig, ticking: &[(u32, f64)], seconds: f64) -> Option<f64> {
    let started = rig.start;
    let mut ticks: Vec<_> = ticking
        .iter()
        .flat_map(|(device, bpm)| {
            let period = 60.0 / bpm / 24.0;
            (0..(seconds / period) as u32).map(move |tick| (f64::from(tick) * period, *device))
        })
        .collect();
    ticks.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut tempo = None;
    for (at, device) in ticks {
        rig.start = started + Duration::from_secs_f64(at);
        for event in rig.send(device, Message::Clock) {
            if let ControlEvent::Tempo(bpm) = event {
                tempo = Some(bpm.round());
            }
        }
    }
    rig.start = started + Duration::from_secs_f64(seconds);
    tempo
}

#[test]
fn follows_another_clock_when_the_first_becomes_silent() {
    let mut rig = Rig::new();
    rig.event(connected(1, "sequencer"));
    rig.event(connected(2, "drum machine"));
    assert_eq!(tempo_after(&mut rig, &[(1, 120.0), (2, 90.0)], 4.0), Some(120.0));
    assert_eq!(tempo_after(&mut rig, &[(2, 90.0)], 0.9), None, "a brief pause should not change the leader");
    assert_eq!(
        tempo_after(&mut rig, &[(2, 90.0)], 4.0),
        Some(90.0),
        "the new leader should report its unchanged tempo"
    );
    assert_eq!(tempo_after(&mut rig, &[(1, 120.0), (2, 90.0)], 4.0), None, "the second clock should keep the lead");
    rig.event(MidiEvent::Disconnected(DeviceId(2)));
    assert_eq!(tempo_after(&mut rig, &[(1, 120.0)], 2.0), Some(120.0));
}

#[test]
fn a_running_clock_takes_over_from_a_stopped_one() {
    let mut rig = Rig::new();
    rig.event(connected(1, "keyboard that always ticks"));
    rig.event(connected(2, "sequencer"));
    assert_eq!(tempo_after(&mut rig, &[(1, 100.0)], 4.0), Some(100.0));
    rig.send(2, Message::Start);
    assert_eq!(tempo_after(&mut rig, &[(1, 100.0), (2, 140.0)], 4.0), Some(140.0));
    // A note does not make its device's clock the leader.
    let mut rig = Rig::new();
    rig.event(connected(1, "keyboard"));
    rig.event(connected(2, "sequencer"));
    rig.send(1, note_on(0, 60));
    assert_eq!(tempo_after(&mut rig, &[(2, 90.0)], 2.0), Some(90.0));
}

#[test]
fn learned_controls_apply_when_their_device_reconnects() {
    let mut rig = Rig::new();
    rig.event(connected(0, "Box:Box MIDI 1 20:0"));
    let learned = |param: &str| {
        let block = format!("[[bind]]\ncc = 7\nto = \"{param}\"\ntakeover = \"jump\"\n");
        LearnedControl::new("Box:Box MIDI 1 20:0", &block).unwrap()
    };
    rig.live.learn(learned("reverb"));
    let fader = |value| Message::ControlChange { channel: 0, controller: 7, value };
    let reverb = |value| [ControlEvent::Set(Param::Reverb, Value::Number(value))];
    assert_eq!(rig.send(0, fader(127)), reverb(1.0));
    rig.event(MidiEvent::Disconnected(DeviceId(0)));
    rig.event(connected(1, "Other:Other MIDI 1 24:0"));
    rig.event(connected(2, "Box:Box MIDI 1 28:0"));
    assert_eq!(rig.send(1, fader(0)), []);
    assert_eq!(rig.send(2, fader(0)), reverb(0.0));
    rig.live.set_mappings(Vec::new(), &mut Vec::new());
    assert_eq!(rig.send(2, fader(127)), reverb(1.0), "a learned control should survive a change to the mapping files");
    rig.live.learn(learned("tone"));
    assert_eq!(rig.live.learned.len(), 1, "a learned control should replace one for the same control");
    assert_eq!(rig.send(2, fader(0)), [ControlEvent::Set(Param::Tone, Value::Number(-1.0))]);
    assert_eq!(rig.live.forget(Param::Reverb), 0);
    assert_eq!((rig.live.forget(Param::Tone), rig.live.learned.len()), (1, 0));
    assert_eq!(rig.send(2, fader(127)), [], "a forgotten control should have no effect");
    rig.event(connected(3, "box 0!"));
    for number in 0..2 * MAX_LEARNED {
        let other = LearnedControl::new(&format!("box {number}!"), "[[bind]]\ncc = 7\nto = \"reverb\"\n").unwrap();
        rig.live.learn(other);
    }
    assert_eq!(rig.live.learned.len(), MAX_LEARNED);
    assert_eq!(rig.send(3, fader(127)), [], "the oldest controls should be forgotten on connected devices too");
}

fn named(file: &str, text: &str) -> Mapping {
    Mapping::parse(Path::new(file), &format!("schema = 1\nname = \"Test\"\n{text}")).unwrap()
}

#[test]
fn mappings_inherit_what_they_do_not_define() {
    let keyboard = named(
        "keyboard.toml",
        "[device]\nclock = true\n[[bind]]\ncc = 1\nto = \"arousal\"\n[[bind]]\ncc = 7\nto = \"tone\"\n[[lead]]\n[programs]\npresets = [\"calm\"]\n",
    );
    let own = named(
        "mine.toml",
        "inherit = \"keyboard\"\n[device]\nport_contains = \"mine\"\n[[bind]]\ncc = 7\nchannel = 1\nto = \"reverb\"\n",
    );
    let orphan = named(
        "orphan.toml",
        "inherit = \"nothing\"\n[device]\nport_contains = \"orphan\"\n[[bind]]\ncc = 7\nto = \"reverb\"\n",
    );
    let cyclic = named("cyclic.toml", "inherit = \"cyclic\"\n[device]\nport_contains = \"cyclic\"\n");
    let live = LiveMappings::new(vec![keyboard, own, orphan, cyclic], Vec::new());
    let [_, own, orphan, cyclic] = live.mappings.as_slice() else { panic!("all four mappings should be kept") };
    let params = |mapping: &Mapping| mapping.bindings.iter().map(|binding| binding.to).collect::<Vec<_>>();
    assert_eq!(params(own), [Param::Reverb, Param::Arousal], "its own binding of CC 7 should take precedence");
    assert_eq!((own.leads.len(), own.clock, own.programs.presets.len()), (1, Some(true), 1));
    assert_eq!((own.port_contains.as_str(), own.name.as_str()), ("mine", "Test"));
    assert_eq!(params(orphan), [Param::Reverb], "a missing parent should leave the mapping's own bindings intact");
    assert!(params(cyclic).is_empty());
}

#[test]
fn reports_an_unmapped_control_once() {
    let mut rig = Rig::new();
    rig.event(connected(1, "A box"));
    let knob = Message::ControlChange { channel: 0, controller: 74, value: 1 };
    let hints = |rig: &Rig| rig.live.devices[&DeviceId(1)].hinted.len();
    rig.send(1, note_on(0, 1));
    assert_eq!(hints(&rig), 0, "a bound control should not be reported");
    rig.send(1, knob);
    rig.send(1, knob);
    assert_eq!(hints(&rig), 1);
    rig.send(1, note_on(0, 50));
    assert_eq!(hints(&rig), 2, "only keys on channel 2 set the lead chord");
}

#[test]
fn keys_play_until_released_by_the_pedal_or_a_disconnection() {
    let strike = |note, velocity| ControlEvent::PlayNote { note, velocity };
    let pedal = |value| Message::ControlChange { channel: 0, controller: 64, value };
    let off = |note| Message::NoteOff { channel: 0, note };
    let mut rig = Rig::new();
    let mut out = Vec::new();
    rig.live.set_mappings(vec![mapping("[[play]]\nnotes = [60, 127]\n[[lead]]\nnotes = [0, 59]\n")], &mut out);
    rig.event(connected(0, "keyboard"));
    assert_eq!(rig.send(0, note_on(0, 64)), [strike(64, 100)]);
    assert_eq!(rig.send(0, note_on(0, 64)), [strike(64, 100)], "a key can be struck again before it is released");
    assert_eq!(rig.send(0, note_on(0, 59)), [ControlEvent::LeadNotes(1 << 59)], "the zones should be separate");
    assert_eq!(rig.send(0, pedal(127)), []);
    assert_eq!(rig.send(0, off(64)), [], "the pedal should sustain the note");
    assert_eq!(rig.send(0, note_on(0, 67)), [strike(67, 100)], "a new note should not end sustained ones");
    assert_eq!(rig.send(0, pedal(0)), [strike(64, 0)]);
    rig.event(connected(1, "another keyboard"));
    rig.send(1, note_on(0, 67));
    assert_eq!(rig.send(0, off(67)), [], "the key is still down on the other keyboard");
    assert_eq!(rig.event(MidiEvent::Disconnected(DeviceId(1))), [strike(67, 0)]);
}
