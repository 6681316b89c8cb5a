use super::*;
use crate::event::parameter::{Param, Value};

fn parse(text: &str) -> Result<Mapping, Vec<String>> {
    let text = format!("schema = 1\nname = \"Test\"\n{text}");
    Mapping::parse(Path::new("test.toml"), &text).map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

#[test]
fn parses_every_kind_of_action() {
    let mapping = parse(
        "
[device]
port_contains = \"My Box\"
channel = 3
clock = true
light = 60
[[bind]]
cc = 7
channel = 2
to = \"level/master\"
range = [-40, 0]
curve = \"decibel\"
takeover = \"jump\"
feedback = true
[[bind]]
cc = 20
relative = \"twos-complement\"
step = 0.01
to = \"temperature\"
[[bind]]
note = 36
on = \"release\"
to = \"emotion\"
value = \"sad\"
[[bind]]
program = 1
to = \"hold\"
toggle = true
[[bind]]
message = \"stop\"
to = \"play\"
value = false
[[bind]]
nrpn = 300
to = \"key\"
[[bind]]
pitch_bend = true
to = \"panic\"
[[lead]]
notes = [36, 96]
sustain = false
[programs]
channel = 1
presets = [\"calm\"]
scenes = [\"verse\"]
",
    )
    .unwrap();
    assert!(mapping.matches("Somebody's MY BOX MIDI 1") && !mapping.matches("Other") && mapping.clock == Some(true));
    let scale = |low, high, curve| Scale { low, high, curve };
    let expected = [
        (
            Control::Cc(7),
            1,
            Param::LevelMaster,
            Action::Follow { scale: Some(scale(-40.0, 0.0, Curve::Decibel)), pickup: false },
        ),
        (
            Control::Cc(20),
            2,
            Param::Temperature,
            Action::Turn { encoder: Encoder::TwosComplement, step: 0.01, scale: scale(0.1, 2.0, Curve::Linear) },
        ),
        (Control::Note(36), 2, Param::Emotion, Action::Set { edge: Edge::Release, value: Value::Choice(1) }),
        (Control::Program(0), 2, Param::Hold, Action::Toggle { edge: Edge::Press }),
        (Control::Stop, 2, Param::Play, Action::Set { edge: Edge::Press, value: Value::Toggle(false) }),
        (Control::Nrpn(300), 2, Param::Key, Action::Follow { scale: None, pickup: false }),
        (Control::PitchBend, 2, Param::Panic, Action::Set { edge: Edge::Press, value: Value::Trigger }),
    ];
    assert_eq!(mapping.bindings.len(), expected.len());
    for (binding, (control, channel, to, action)) in mapping.bindings.into_iter().zip(expected) {
        let feedback =
            (control == Control::Cc(7)).then_some(FeedbackTarget { control, channel, range: [0, 127], light: 60 });
        assert_eq!(binding, Binding { control, channel: Some(channel), to, action, layer: None, feedback });
    }
    assert_eq!(mapping.leads, [KeyZone { channel: Some(2), notes: 36..=96, sustain: false }]);
    assert_eq!(mapping.programs.presets, ["calm"]);
}

#[test]
fn values_may_be_spelt_as_over_osc() {
    let text = |text: &str| Value::Text(text.to_owned());
    for (to, value, expected) in [
        ("key", "A minor", vec![(Param::Key, Value::Choice(9)), (Param::Mode, Value::Choice(2))]),
        ("key", "fis-moll", vec![(Param::Key, Value::Choice(6)), (Param::Mode, Value::Choice(2))]),
        ("key", "Sib", vec![(Param::Key, Value::Choice(10))]),
        ("mode", "aeolian", vec![(Param::Mode, Value::Choice(2))]),
        ("emotion", "joyful", vec![(Param::Emotion, Value::Choice(0))]),
        ("chord", "Do7", vec![(Param::Chord, text("Do7"))]),
    ] {
        let mapping = parse(&format!("[[bind]]\nnote = 1\nto = \"{to}\"\nvalue = \"{value}\"\n")).unwrap();
        let set = mapping.bindings.into_iter().map(|binding| match binding.action {
            Action::Set { value, .. } => (binding.to, value),
            other => panic!("{value}: {other:?}"),
        });
        assert_eq!(set.collect::<Vec<_>>(), expected, "{value}");
    }
}

#[test]
fn feedback_can_use_a_separate_message() {
    let mapping = parse(
        "
[[bind]]
cc = 1
channel = 11
feedback_cc = 9
feedback_range = [1, 13]
to = \"reverb\"
[[bind]]
note = 8
feedback_note = 0
feedback_channel = 2
light = 1
to = \"hold\"
toggle = true
[[bind]]
note = 8
feedback = true
to = \"record\"
toggle = true
[device]
port_contains = \"x\"
",
    )
    .unwrap();
    let feedback: Vec<Option<FeedbackTarget>> = mapping.bindings.into_iter().map(|binding| binding.feedback).collect();
    assert_eq!(
        feedback,
        [
            Some(FeedbackTarget { control: Control::Cc(9), channel: 10, range: [1, 13], light: 127 }),
            Some(FeedbackTarget { control: Control::Note(0), channel: 1, range: [0, 127], light: 1 }),
            None,
        ],
        "if two blocks bind one control, its feedback should show the first"
    );
}

#[test]
fn reports_invalid_layers_feedback_and_hold_buttons() {
    let problems = parse(
        "
[[layer]]
name = \"shift\"
note = 98
[[layer]]
name = \"nothing\"
[[bind]]
layer = \"shft\"
cc = 1
to = \"tone\"
[[bind]]
note = 1
on = \"hold\"
to = \"emotion\"
value = \"sad\"
[[bind]]
note = 2
on = \"hold\"
to = \"reverb\"
[[bind]]
cc = 3
feedback_range = [0, 300]
to = \"tone\"
",
    )
    .unwrap_err();
    let expected = [
        "there is no such [[layer]]; the only choice is shift",
        "there is no control",
        "emotion cannot return to its previous value",
        "on = \"hold\" needs value = …",
        "integers from 0 to 127",
    ];
    for hint in expected {
        assert!(problems.iter().any(|problem| problem.contains(hint)), "{hint} is missing from {problems:#?}");
    }
}

#[test]
fn reports_every_problem_and_what_is_expected() {
    let text = "\
[device]
port_contain = \"x\"
channel = 17
[[bind]]
cc = 120
to = \"valence\"
[[bind]]
cc = 1
note = 2
to = \"valence\"
[[bind]]
to = \"valense\"
rnge = [0, 1]
[[bind]]
cc = 2
to = \"valence\"
range = [-2, 1]
[[bind]]
cc = 3
to = \"valence\"
curve = \"exponential\"
[[bind]]
cc = 4
to = \"valence\"
toggle = true
[[bind]]
cc = 5
to = \"preset\"
[[bind]]
cc = 6
to = \"emotion\"
value = \"grumpy\"
[[bind]]
cc = 7
to = \"valence\"
on = \"push\"
[[bind]]
cc = 8
to = \"valence\"
relative = \"binary\"
[[bind]]
cc = 9
to = \"valence\"
on = \"press\"
[[lead]]
notes = [60, 50]
";
    assert_eq!(
        parse(text).unwrap_err(),
        [
            "test.toml:4: device.port_contain = \"x\": unknown key; did you mean \"port_contains\"? (expected one of \
             port_contains, channel, clock, feedback, light)",
            "test.toml:5: device.channel = 17: expected an integer from 1 to 16",
            "test.toml:7: bind.cc = 120: expected an integer from 0 to 119",
            "test.toml:11: bind.note = 2: only one control is allowed, and cc is already set",
            "test.toml:13: there is no control; expected one of cc, cc14, nrpn, rpn, note, program, \
             pitch_bend, channel_pressure, message",
            "test.toml:14: bind.to = \"valense\": there is no parameter \"valense\"; did you mean \"valence\"?",
            "test.toml:15: bind.rnge = [0, 1]: unknown key; did you mean \"range\"? (expected one of cc, cc14, nrpn, rpn, \
             note, program, pitch_bend, channel_pressure, message, channel, feedback, \
             feedback_cc, feedback_note, feedback_channel, feedback_range, light, layer, to, range, curve, takeover, relative, \
             step, on, value, toggle)",
            "test.toml:19: bind.range = [-2, 1]: both ends must be in the parameter's range from -1 to 1",
            "test.toml:20: an exponential curve needs both ends above 0",
            "test.toml:27: bind.toggle = true: valence is not an on/off parameter, so it cannot be toggled",
            "test.toml:28: preset needs value = \"…\"",
            "test.toml:34: bind.value = \"grumpy\": expected one of happy, sad, energetic, \
             calm, romantic, angry, nostalgic, mysterious",
            "test.toml:38: bind.on = \"push\": expected press, release or hold",
            "test.toml:42: bind.relative = \"binary\": expected twos-complement, binary-offset or sign-magnitude",
            "test.toml:43: on = … needs value = … or toggle = true for valence",
            "test.toml:48: lead.notes = [60, 50]: expected the lowest and the highest note, such as [36, 96]",
        ]
    );
}

#[test]
fn keys_for_numbers_are_refused_for_other_parameters_and_buttons() {
    let text = "\
[[bind]]
cc = 1
to = \"emotion\"
relative = \"binary-offset\"
step = 0.1
[[bind]]
cc = 2
to = \"hold\"
range = [0, 1]
[[bind]]
note = 3
to = \"panic\"
curve = \"linear\"
[[bind]]
note = 4
to = \"reverb\"
value = 0.5
takeover = \"jump\"
[[bind]]
note = 5
to = \"chord\"
value = \"Am\"
step = 0.1
";
    let only = "only a fader or an encoder that sets a number has this key";
    let choice = "emotion is a choice, which a fader sets by its position, or a button by value = \"…\"";
    assert_eq!(
        parse(text).unwrap_err(),
        [
            format!("test.toml:6: bind.relative = \"binary-offset\": {only}; {choice}; omit the key"),
            format!("test.toml:7: bind.step = 0.1: {only}; {choice}; omit the key"),
            format!(
                "test.toml:11: bind.range = [0, 1]: {only}; hold is on or off, which a fader sets by its position, or a button \
                 by toggle = true; omit the key"
            ),
            format!(
                "test.toml:15: bind.curve = \"linear\": {only}; panic is a trigger, which has no value; omit the key"
            ),
            format!("test.toml:20: bind.takeover = \"jump\": {only}; a button sets a number at once; omit the key"),
            format!("test.toml:25: bind.step = 0.1: {only}; chord is set by a button with value = \"…\"; omit the key"),
        ]
    );
}

#[test]
fn feedback_is_enabled_per_device_or_control() {
    let text = "[device]\nport_contains = \"x\"\nfeedback = true\n[[bind]]\ncc = 1\nto = \"tone\"\n[[bind]]\ncc = 2\nto = \"tone\"\nfeedback = false\n";
    let feedback: Vec<bool> = parse(text).unwrap().bindings.iter().map(|binding| binding.feedback.is_some()).collect();
    assert_eq!(feedback, [true, false]);
    let problems = parse("[[bind]]\ncc = 1\nto = \"tone\"\nfeedback = true\n").unwrap_err();
    assert!(problems[0].contains("device.port_contains"), "{problems:?}");
}
