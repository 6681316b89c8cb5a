use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rosc::{OscArray, OscBundle, OscPacket, OscTime, encoder};

use super::*;

fn message(addr: &str, args: &[OscType]) -> OscPacket {
    OscPacket::Message(OscMessage { addr: addr.to_owned(), args: args.to_vec() })
}

fn bundle(timetag: OscTime, content: Vec<OscPacket>) -> OscPacket {
    OscPacket::Bundle(OscBundle { timetag, content })
}

fn read(packet: &OscPacket) -> Decoded {
    decode(&encoder::encode(packet).unwrap(), Now::read())
}

/// Returns the faults of a datagram that yields no requests.
fn refused(datagram: &[u8]) -> Vec<Fault> {
    let decoded = decode(datagram, Now::read());
    assert_eq!(decoded.requests, []);
    decoded.faults
}

fn text(text: &str) -> OscType {
    OscType::String(text.to_owned())
}

const AT_ONCE: OscTime = OscTime { seconds: 0, fractional: 1 };

fn tag_after(now: Now, duration: Duration) -> OscTime {
    let since_unix = (now.wall + duration).duration_since(UNIX_EPOCH).unwrap();
    let seconds = (since_unix.as_secs() + 2_208_988_800) as u32;
    OscTime { seconds, fractional: ((u64::from(since_unix.subsec_nanos()) << 32) / 1_000_000_000) as u32 }
}

#[test]
fn arguments_are_coerced() {
    let number = |param, number| set(param, Value::Number(number), None);
    let toggle = |param, on| set(param, Value::Toggle(on), None);
    let choice = |param, position| set(param, Value::Choice(position), None);
    for (addr, args, expected) in [
        ("/melos/temperature", vec![OscType::Float(0.5)], number(Param::Temperature, 0.5)),
        ("/melos/temperature", vec![OscType::Double(0.5)], number(Param::Temperature, 0.5)),
        ("/melos/temperature", vec![OscType::Int(1)], number(Param::Temperature, 1.0)),
        ("/melos/tempo", vec![OscType::Long(90)], number(Param::Tempo, 90.0)),
        ("/melos/temperature", vec![text("0.5")], number(Param::Temperature, 0.5)),
        ("/melos/hold", vec![OscType::Bool(true)], toggle(Param::Hold, true)),
        ("/melos/hold", vec![text("on")], toggle(Param::Hold, true)),
        ("/melos/hold", vec![text("False")], toggle(Param::Hold, false)),
        ("/melos/hold", vec![OscType::Inf], toggle(Param::Hold, true)),
        ("/melos/hold", vec![OscType::Nil], toggle(Param::Hold, false)),
        ("/melos/hold", vec![OscType::Int(0)], toggle(Param::Hold, false)),
        ("/melos/hold", vec![OscType::Char('1')], toggle(Param::Hold, true)),
        ("/melos/emotion", vec![text("Calm")], choice(Param::Emotion, 3)),
        ("/melos/emotion", vec![OscType::Int(1)], choice(Param::Emotion, 1)),
        ("/melos/emotion", vec![text("calm"), OscType::Float(0.8)], number(Param::Calm, 0.8)),
        ("/melos/emotion", vec![text("calm"), text("50%")], number(Param::Calm, 0.5)),
        ("/melos/emotion", vec![text("calm"), OscType::Bool(true)], number(Param::Calm, 1.0)),
        ("/melos/level/pad", vec![OscType::Float(-6.5), text("dB")], number(Param::LevelPad, -6.5)),
        (
            "/melos/scene/store",
            vec![text("my"), text("verse"), OscType::Int(2)],
            set(Param::SceneStore, Value::Text("my verse 2".into()), None),
        ),
        ("/melos/panic", vec![OscType::Int(1), OscType::Int(1)], set(Param::Panic, Value::Trigger, None)),
        ("/melos/emotion/calm", vec![OscType::Float(0.8)], number(Param::Calm, 0.8)),
        ("/melos/key", vec![text("F#")], choice(Param::Key, 6)),
        ("/melos/chord", vec![text("Am7")], set(Param::Chord, Value::Text("Am7".into()), None)),
        ("/melos/panic", vec![], set(Param::Panic, Value::Trigger, None)),
        (
            "/melos/next/bar/tone",
            vec![OscType::Float(0.5)],
            Request::Control(ControlEvent::NextBar(Param::Tone, Value::Number(0.5)), None),
        ),
        ("/melos/next/bar/panic", vec![], Request::Control(ControlEvent::NextBar(Param::Panic, Value::Trigger), None)),
        ("/melos/panic", vec![OscType::Float(1.0)], set(Param::Panic, Value::Trigger, None)),
        ("/melos/valence", vec![], Request::Read { param: Param::Valence, is_leaf: false }),
        ("/melos/tempo/value", vec![], Request::Read { param: Param::Tempo, is_leaf: true }),
        ("/melos/state", vec![], Request::State),
        ("/melos/subscribe", vec![], Request::Subscribe(None)),
        ("/melos/subscribe", vec![OscType::Int(9001)], Request::Subscribe(Some(9001))),
        ("/melos/unsubscribe", vec![OscType::Float(9001.0)], Request::Unsubscribe(Some(9001))),
    ] {
        let decoded = read(&message(addr, &args));
        assert_eq!((decoded.requests, decoded.faults), (vec![expected], vec![]), "{addr} {args:?}");
    }
    let released = read(&message("/melos/panic", &[OscType::Float(0.0)]));
    assert_eq!(released.requests, [Request::Release(Param::Panic)]);
}

#[test]
fn invalid_arguments_are_reported() {
    for (addr, args, hint) in [
        ("/melos/emotion", vec![text("bored")], "one of happy"),
        (
            "/melos/emotion",
            vec![text("bored"), OscType::Float(1.0)],
            "there is no emotion \"bored\"; choose from happy, sad",
        ),
        ("/melos/temperature", vec![text("hot")], "a number from 0.1 to 2"),
        ("/melos/hold", vec![text("perhaps")], "on or off"),
        ("/melos/temperature", vec![text("nan")], "finite"),
        ("/melos/temperature", vec![OscType::Blob(vec![0; 4])], "an argument of this type"),
        ("/melos/valence", vec![OscType::Float(0.4), OscType::Float(0.8)], "\"0.4 0.8\""),
        ("/melos/valence", vec![OscType::Float(0.4), OscType::Nil], "expected one value, got 2"),
        ("/melos/hold", vec![OscType::Int(1), OscType::Int(0)], "on or off"),
        ("/melos/key", vec![text("D"), OscType::Int(5)], "\"D 5\""),
        ("/melos/emotion", vec![text("calm"), OscType::Float(0.5), text("sad")], "\"calm 0.5 sad\""),
        (
            "/melos/emotion",
            vec![text("calm"), OscType::Float(0.5), text("bored"), OscType::Float(0.5)],
            "no emotion \"bored\"",
        ),
        ("/melos/mute/*", vec![OscType::Int(1), OscType::Int(1)], "on or off"),
        ("/melos/subscribe", vec![OscType::Int(9001), OscType::Int(9002)], "a port"),
        ("/melos/learn", vec![text("valence"), text("arousal")], "expected a parameter"),
        ("/melos/temperatur", vec![OscType::Float(1.0)], "there is no parameter /melos/temperatur"),
        ("/other/valence", vec![OscType::Float(1.0)], "there is no parameter /other/valence"),
        ("/melos/subscribe", vec![OscType::Int(70_000)], "a port from 1 to 65535"),
        ("/melos/next/bar/tone", vec![], "expected a value"),
        ("/melos/next/bar/tune", vec![OscType::Float(1.0)], "there is no parameter /melos/next/bar/tune"),
        ("/melos/*/nothing", vec![OscType::Float(1.0)], "there is no parameter /melos/*/nothing"),
    ] {
        let decoded = read(&message(addr, &args));
        assert_eq!(decoded.requests, [], "{addr} {args:?}");
        assert!(decoded.faults[0].to_string().contains(hint), "{:?}", decoded.faults);
    }
}

#[test]
fn the_weights_of_several_emotions_can_be_set_at_once() {
    let args = [text("calm"), OscType::Float(0.5), text("Sad"), OscType::Int(1)];
    let decoded = read(&message("/melos/emotion", &args));
    let weights = [(Param::Calm, 0.5), (Param::Sad, 1.0)];
    assert_eq!(decoded.requests, weights.map(|(param, weight)| set(param, Value::Number(weight), None)));
}

#[test]
fn a_text_may_be_split_into_words() {
    for words in [&["A", "minor"][..], &["A", "harmonic", "minor"]] {
        let words: Vec<_> = words.iter().map(|word| text(word)).collect();
        assert_eq!(read(&message("/melos/key", &words)).requests.len(), 2, "{words:?}");
        assert_eq!(read(&message("/melos/next/bar/key", &words)).requests.len(), 2, "{words:?}");
    }
}

#[test]
fn what_is_not_reported_as_it_was_sent_is_known() {
    for (addr, args, adjusted) in [
        ("/melos/valence", vec![OscType::Float(0.3)], vec![]),
        ("/melos/valence", vec![OscType::Double(0.3)], vec![]),
        ("/melos/tempo/value", vec![OscType::Int(90)], vec![]),
        ("/melos/hold", vec![OscType::Bool(true)], vec![]),
        ("/melos/emotion", vec![text("calm")], vec![]),
        ("/melos/emotion", vec![OscType::Int(3)], vec![]),
        ("/melos/scene", vec![text("verse")], vec![]),
        ("/melos/valence", vec![OscType::Float(5.0)], vec![Param::Valence]),
        ("/melos/valence", vec![text("0.5")], vec![Param::Valence]),
        ("/melos/seed", vec![OscType::Float(1.5)], vec![Param::Seed]),
        ("/melos/key", vec![text("Gb")], vec![Param::Key]),
        ("/melos/key", vec![text("D minor")], vec![Param::Key, Param::Mode]),
        ("/melos/emotion", vec![text("calm"), OscType::Float(0.5)], vec![Param::Calm]),
        ("/melos/mute/{bass,pad}", vec![OscType::Int(1)], vec![Param::MuteBass, Param::MutePad]),
        ("/melos/mute/{bass,pad}", vec![], vec![]),
    ] {
        let decoded = read(&message(addr, &args));
        assert!(decoded.faults.is_empty() && !decoded.requests.is_empty(), "{addr} {args:?}");
        assert_eq!(decoded.adjusted, adjusted.into_iter().collect(), "{addr} {args:?}");
    }
}

#[test]
fn a_number_that_is_clamped_or_rounded_is_reported() {
    let decoded = read(&message("/melos/temperature", &[OscType::Float(99.0)]));
    assert_eq!(decoded.requests, [set(Param::Temperature, Value::Number(2.0), None)]);
    assert_eq!(decoded.clamped, ["/melos/temperature: got the number 99, expected a number from 0.1 to 2; clamped"]);
    let decoded = read(&message("/melos/setlist/go", &[OscType::Float(2.5)]));
    assert_eq!(decoded.requests, [set(Param::SetlistGo, Value::Number(3.0), None)]);
    let rounded = "/melos/setlist/go: got the number 2.5, expected a whole number from 0 to 256; rounded";
    assert_eq!(decoded.clamped, [rounded]);
    assert_eq!(read(&message("/melos/*", &[OscType::Float(99.0)])).clamped, [""; 0]);
}

#[test]
fn the_number_of_a_setlist_entry_is_refused_if_it_is_out_of_range() {
    for address in ["/melos/setlist/go", "/melos/next/bar/setlist/go"] {
        for argument in [OscType::Int(257), OscType::Float(-1.0), text("300"), OscType::Bool(true)] {
            let decoded = read(&message(address, std::slice::from_ref(&argument)));
            assert_eq!((decoded.requests.len(), decoded.clamped.len()), (0, 0), "{address} {argument:?}");
            let fault = decoded.faults[0].to_string();
            assert!(fault.starts_with("/melos/setlist/go: got ") && fault.ends_with("from 0 to 256"), "{fault}");
        }
        assert_eq!(read(&message(address, &[OscType::Int(256)])).requests.len(), 1, "{address}");
    }
}

#[test]
fn patterns_skip_triggers_and_parameters_that_reject_the_value() {
    let muted = read(&message("/melos/mute/{bass,pad}", &[OscType::Int(1)])).requests;
    assert_eq!(muted, [Param::MuteBass, Param::MutePad].map(|param| set(param, Value::Toggle(true), None)));
    let muted = read(&message("/melos/next/bar/mute/{bass,pad}", &[OscType::Int(1)])).requests;
    assert_eq!(
        muted,
        [Param::MuteBass, Param::MutePad]
            .map(|param| Request::Control(ControlEvent::NextBar(param, Value::Toggle(true)), None))
    );
    let everything = read(&message("/melos/*", &[OscType::Float(1.0)]));
    assert!(everything.requests.len() > 10 && everything.faults.is_empty());
    assert!(
        !everything
            .requests
            .iter()
            .any(|request| matches!(request, Request::Control(ControlEvent::Set(Param::Panic, _), _)))
    );
    let levels = read(&message("/melos/level/*", &[])).requests;
    assert_eq!(levels.len(), 6);
    assert!(levels.iter().all(|request| matches!(request, Request::Read { .. })));
}

#[test]
fn bundles_take_effect_at_their_time_tags() {
    let now = Now { monotonic: Instant::now(), wall: SystemTime::now() };
    let set = |value| message("/melos/valence", &[OscType::Float(value)]);
    let due_times = |packet: &OscPacket| {
        let decoded = decode(&encoder::encode(packet).unwrap(), now);
        let milliseconds = decoded.requests.iter().map(|request| match request {
            Request::Control(ControlEvent::Set(..), due) => {
                due.map(|due| (due - now.monotonic).as_secs_f64().mul_add(1e3, 0.5) as u64)
            }
            other => panic!("{other:?}"),
        });
        (milliseconds.collect::<Vec<_>>(), decoded.late)
    };
    let (soon, later) = (tag_after(now, Duration::from_millis(200)), tag_after(now, Duration::from_millis(500)));
    assert_eq!(due_times(&bundle(AT_ONCE, vec![set(0.1), set(0.2)])), (vec![None, None], 0));
    assert_eq!(due_times(&bundle(soon, vec![set(0.1)])), (vec![Some(200)], 0));
    assert_eq!(
        due_times(&bundle(soon, vec![set(0.1), bundle(later, vec![set(0.2)])])),
        (vec![Some(200), Some(500)], 0)
    );
    assert_eq!(due_times(&bundle(later, vec![bundle(soon, vec![set(0.2)])])), (vec![Some(500)], 0));
    assert_eq!(due_times(&bundle(soon, vec![bundle(AT_ONCE, vec![set(0.2)])])), (vec![Some(200)], 0));
    assert_eq!(due_times(&bundle(tag_after(now, Duration::ZERO), vec![set(0.1)])), (vec![None], 1));
    let too_far_ahead = bundle(tag_after(now, Duration::from_secs(86_400)), vec![set(0.1)]);
    assert!(matches!(read(&too_far_ahead).faults[..], [Fault::TooFarAhead(_)]));
    let mixed = bundle(AT_ONCE, vec![set(0.1), too_far_ahead, set(0.2)]);
    assert_eq!(due_times(&mixed), (vec![None, None], 0), "only the inner bundle should be refused");
}

/// Builds a message that rosc cannot read because of `tail`, its type tags and arguments.
fn unreadable(tail: &[u8]) -> Vec<u8> {
    [b"/melos/arousal\0\0".as_slice(), tail].concat()
}

/// Builds an immediate bundle from raw elements.
fn bundle_of(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bundle = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
    for element in elements {
        bundle.extend((element.len() as u32).to_be_bytes());
        bundle.extend(element);
    }
    bundle
}

#[test]
fn valid_messages_in_a_bundle_survive_invalid_ones() {
    let good = |value| encoder::encode(&message("/melos/valence", &[OscType::Float(value)])).unwrap();
    let bad = |argument| encoder::encode(&message("/melos/arousal", &[argument])).unwrap();
    let both = [0.25, 0.5].map(|value| set(Param::Valence, Value::Number(value), None));
    for bad in [
        unreadable(b",S\0\0sym\0"),
        unreadable(b",fq\0\x3f\0\0\0"),
        unreadable(b",f\0\0"),
        unreadable(b",[f\0\x3f\0\0\0"),
        b"melos\0\0\0,f\0\0\0\0\0\0".to_vec(),
        b"/\xff\xfe\0,\0\0\0".to_vec(),
        bad(OscType::Float(f32::NAN)),
        bad(OscType::Float(f32::NEG_INFINITY)),
        bad(OscType::Double(f64::NAN)),
        bad(OscType::Array(OscArray { content: vec![OscType::Float(f32::NAN)] })),
        bad(OscType::Blob(vec![0; 4])),
        encoder::encode(&message("/melos/nothing", &[])).unwrap(),
        nested_bundles(fault::MAX_DEPTH),
        bundle_of(&[b"/a\0\0".to_vec()]),
        b"#bundle\0\0\0\0\0".to_vec(),
    ] {
        let shown = bad.escape_ascii().to_string();
        let decoded = decode(&bundle_of(&[good(0.25), bad, good(0.5)]), Now::read());
        assert_eq!(
            (decoded.requests.as_slice(), decoded.faults.len()),
            (&both[..], 1),
            "{shown}: {:?}",
            decoded.faults
        );
    }
    // After a truncated element, the start of the next is unknown; the elements before it are intact.
    let mut broken = bundle_of(&[good(0.25), good(0.5), good(0.75)]);
    broken.truncate(broken.len() - 4);
    let decoded = decode(&broken, Now::read());
    assert_eq!((decoded.requests.as_slice(), decoded.faults.len()), (&both[..], 1));
}

#[test]
fn refused_text_cannot_forge_or_flood_log_lines() {
    for packet in [
        message("/melos/x\n2026-01-01T00:00:00Z  INFO melos: all is well", &[]),
        message("/melos/next/bar/\u{1b}[2J", &[OscType::Int(1)]),
        message("/melos/\r\u{2028}x", &[OscType::Float(f32::NAN)]),
        message("/melos/emotion", &[text("a\nb")]),
        message("/melos/emotion", &[text("a\nb"), OscType::Float(1.0)]),
        message("/melos/learn", &[text(&"\n".repeat(5_000))]),
        message("/melos/key", &[text(&"x".repeat(10_000))]),
        message("/melos/scene", &[text(&"\n".repeat(10_000))]),
        message(&format!("/melos/{}", "x".repeat(10_000)), &[]),
    ] {
        let faults = read(&packet).faults;
        let description = faults[0].to_string();
        assert!(!description.contains(char::is_control) && description.len() < 1_000, "{description:?}");
    }
}

#[test]
fn long_patterns_are_refused() {
    let long = message(&format!("/melos/{}", "*a".repeat(4_000)), &[OscType::Float(0.5)]);
    assert_eq!(read(&long).faults, [Fault::LongAddress(8_007)]);
    let longest = message(&format!("/melos/{{valence,{}}}", "x".repeat(230)), &[OscType::Float(0.5)]);
    assert_eq!(read(&longest).requests.len(), 1);
}

#[test]
fn common_spellings_are_accepted() {
    let choice = |param, position| set(param, Value::Choice(position), None);
    let chord = |symbol: &str| vec![set(Param::Chord, Value::Text(symbol.to_owned()), None)];
    for (addr, argument, expected) in [
        ("/melos/key", "Db", vec![choice(Param::Key, 1)]),
        ("/melos/key", "G#", vec![choice(Param::Key, 8)]),
        ("/melos/key", "a♯ ", vec![choice(Param::Key, 10)]),
        ("/melos/key", "C minor", vec![choice(Param::Key, 0), choice(Param::Mode, 2)]),
        ("/melos/key", "E♭ Dorian", vec![choice(Param::Key, 3), choice(Param::Mode, 3)]),
        ("/melos/mode", "Harmonic Minor", vec![choice(Param::Mode, 7)]),
        ("/melos/mode", "aeolian", vec![choice(Param::Mode, 2)]),
        ("/melos/emotion", " SAD\n", vec![choice(Param::Emotion, 1)]),
        ("/melos/emotion", "nostalgia", vec![choice(Param::Emotion, 6)]),
        ("/melos/emotion", "peaceful", vec![choice(Param::Emotion, 3)]),
        ("/melos/key", "H", vec![choice(Param::Key, 11)]),
        ("/melos/key", "la mineur", vec![choice(Param::Key, 9), choice(Param::Mode, 2)]),
        ("/melos/hold", "on ", vec![set(Param::Hold, Value::Toggle(true), None)]),
        ("/melos/chord", " Am7 ", chord("Am7")),
    ] {
        assert_eq!(read(&message(addr, &[text(argument)])).requests, expected, "{addr} {argument}");
    }
    let next = read(&message("/melos/next/bar/key", &[text("A minor")])).requests;
    assert_eq!(next.len(), 2);
    assert!(next.iter().all(|request| matches!(request, Request::Control(ControlEvent::NextBar(..), _))), "{next:?}");
    assert_eq!(read(&message("/melos/key", &[text("X")])).requests, []);
}

/// Builds `depth` nested bundles around one message, by hand because the encoder recurses too.
fn nested_bundles(depth: usize) -> Vec<u8> {
    let mut packet = encoder::encode(&message("/melos/panic", &[])).unwrap();
    for _ in 0..depth {
        let mut outer = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
        outer.extend((packet.len() as u32).to_be_bytes());
        outer.extend(packet);
        packet = outer;
    }
    packet
}

#[test]
fn deep_nesting_is_refused_before_decoding() {
    assert_eq!(decode(&nested_bundles(fault::MAX_DEPTH), Now::read()).requests.len(), 1);
    assert_eq!(refused(&nested_bundles(fault::MAX_DEPTH + 1)), [Fault::TooDeep]);
    assert_eq!(refused(&nested_bundles(700)), [Fault::TooDeep]);
    assert!(matches!(refused(&nested_bundles(5000))[..], [Fault::Oversized(100_016..)]));
    // Even without the size limit, the recursion is bounded.
    let mut decoded = Decoded::default();
    decoded.read_packet(&nested_bundles(5000), When::AtOnce, fault::MAX_DEPTH, Now::read());
    assert_eq!(decoded.faults, [Fault::TooDeep]);

    let arrays = |depth: usize| {
        let mut packet = b"/melos/valence\0\0,".to_vec();
        packet.extend(std::iter::repeat_n(b'[', depth));
        packet.extend(std::iter::repeat_n(b']', depth));
        packet.resize(packet.len() / 4 * 4 + 4, 0);
        packet
    };
    assert!(decode(&arrays(fault::MAX_DEPTH), Now::read()).requests.is_empty());
    assert_eq!(refused(&arrays(5000)), [Fault::TooDeep]);
}

#[test]
fn malformed_packets_are_refused() {
    for datagram in [
        &b""[..],
        b"\0\0\0\0",
        b"/melos/valence",
        b"/melos/panic\0",
        b"melos\0\0\0,f\0\0\0\0\0\0",
        b"/melos/valence\0\0,f\0\0\x3f\0",
        b"/melos/valence\0\0,q\0\0\x3f\0\0\0",
        b"/melos/valence\0\0,[f\0\x3f\0\0\0",
        b"/melos/valence\0\0,]\0\0",
        b"/\xff\xfe\0,\0\0\0",
        b"#bundle\0",
        b"#bundle\0\0\0\0\0\0\0\0\x01\xff\xff\xff\xfc/melos/panic\0\0\0\0,\0\0\0",
        b"#bundle\0\0\0\0\0\0\0\0\x01\0\0\0\x04",
        b"#bundle\0\0\0\0\0\0\0\0\x01\0\0",
    ] {
        let faults = refused(datagram);
        assert!(matches!(faults[..], [Fault::Malformed(_)]), "{}: {faults:?}", datagram.escape_ascii());
    }
    assert_eq!(refused(&[b'/'; 20_000]), [Fault::Oversized(20_000)]);
}

/// Decodes random bytes, and valid packets with bytes changed or cut off.
#[test]
fn decoding_random_datagrams_never_panics() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let seeds = [
        encoder::encode(&message("/melos/emotion", &[text("calm"), OscType::Float(0.8)])).unwrap(),
        encoder::encode(&bundle(AT_ONCE, vec![message("/melos/level/*", &[OscType::Double(-3.0)])])).unwrap(),
        nested_bundles(4),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for iteration in 0..10_000 {
        let mut datagram = match seeds.get(iteration % 4) {
            Some(seed) => seed.clone(),
            None => vec![0; rng.next_u32() as usize % 200],
        };
        if iteration % 4 == 3 {
            rng.fill_bytes(&mut datagram);
        }
        for _ in 0..rng.next_u32() % 4 {
            if let Some(byte) = datagram.get_mut(rng.next_u32() as usize % 60) {
                *byte = rng.next_u32() as u8;
            }
        }
        if rng.next_u32().is_multiple_of(3) {
            datagram.truncate(rng.next_u32() as usize % 80);
        }
        let decoded = decode(&datagram, Now::read());
        accepted += decoded.requests.len();
        refused += decoded.faults.len();
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}

#[test]
fn learning_requires_an_existing_parameter() {
    let request = |addr, args: &[OscType]| read(&message(addr, args));
    assert_eq!(
        request("/melos/learn", &[text("valence")]).requests,
        [Request::Learn(LearnRequest::Control(Param::Valence))]
    );
    assert_eq!(request("/melos/learn/cancel", &[]).requests, [Request::Learn(LearnRequest::Cancel)]);
    let forget = [Request::Learn(LearnRequest::Forget(Param::Valence))];
    assert_eq!(request("/melos/learn/forget", &[text("valence")]).requests, forget);
    for (name, param) in [
        (" valence ", Param::Valence),
        ("/melos/valence", Param::Valence),
        (" /melos/level/pad\n", Param::LevelPad),
        ("/melos/tempo/value", Param::Tempo),
    ] {
        let learn = Request::Learn(LearnRequest::Control(param));
        assert_eq!(request("/melos/learn", &[text(name)]).requests, [learn], "{name:?}");
        let forget = Request::Learn(LearnRequest::Forget(param));
        assert_eq!(request("/melos/learn/forget", &[text(name)]).requests, [forget], "{name:?}");
    }
    for (args, hint) in [(vec![], "such as"), (vec![text("valance")], "valance"), (vec![text("/melos/")], "/melos/")] {
        for address in ["/melos/learn", "/melos/learn/forget"] {
            let decoded = request(address, &args);
            assert_eq!(decoded.requests, []);
            assert!(decoded.faults[0].to_string().contains(hint), "{decoded:?}");
        }
    }
}

#[test]
fn renaming_a_scene_requires_two_names() {
    let rename = |args: &[OscType]| read(&message("/melos/scene/rename", args));
    let request =
        Request::Control(ControlEvent::RenameScene { from: "verse".to_owned(), to: "intro 2".to_owned() }, None);
    assert_eq!(rename(&[text("verse"), text(" intro 2 ")]).requests, [request]);
    let request = Request::Control(ControlEvent::RenameScene { from: "1".to_owned(), to: "2.5".to_owned() }, None);
    assert_eq!(rename(&[OscType::Int(1), OscType::Float(2.5)]).requests, [request]);
    let long = text(&"x".repeat(10_000));
    for args in [
        &[][..],
        &[text("verse")],
        &[text("verse"), text(" ")],
        &[text("verse"), OscType::Bool(true)],
        &[text("verse"), long],
    ] {
        let decoded = rename(args);
        assert!(decoded.requests.is_empty(), "{args:?}");
        assert!(decoded.faults[0].to_string().contains("such as \"verse\" \"intro\""), "{:?}", decoded.faults);
    }
}

#[test]
fn a_played_note_needs_a_key_of_the_piano_and_a_velocity() {
    let play = |args: &[OscType]| read(&message("/melos/play/note", args));
    let request = |note, velocity| Request::Control(ControlEvent::PlayNote { note, velocity }, None);
    assert_eq!(play(&[OscType::Int(60), OscType::Int(90)]).requests, [request(60, 90)]);
    for args in [
        [OscType::Float(108.0), OscType::Float(0.0)],
        [OscType::Long(108), OscType::Double(0.0)],
        [text("108 "), text("0")],
    ] {
        assert_eq!(play(&args).requests, [request(108, 0)], "{args:?}");
    }
    for args in [
        &[][..],
        &[OscType::Int(60)],
        &[OscType::Int(20), OscType::Int(90)],
        &[OscType::Int(60), OscType::Int(128)],
        &[OscType::Float(60.5), OscType::Int(90)],
        &[text("C4"), OscType::Int(90)],
        &[OscType::Bool(true), OscType::Int(90)],
        &[OscType::Long(1 << 40), OscType::Int(90)],
    ] {
        let decoded = play(args);
        assert!(decoded.requests.is_empty(), "{args:?}");
        assert!(decoded.faults[0].to_string().contains("such as 60 90"), "{:?}", decoded.faults);
    }
}

/// Builds a message from raw type tags and arguments, which are padded to a multiple of four bytes.
fn raw(address: &str, tags: &[u8], arguments: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for text in [address.as_bytes(), tags] {
        message.extend(text);
        message.resize(message.len() / 4 * 4 + 4, 0);
    }
    [&message, arguments].concat()
}

#[test]
fn every_address_accepts_the_same_types() {
    let subscribe = || Request::Subscribe(Some(9001));
    let reverb = || set(Param::Reverb, Value::Number(0.5), None);
    let store = |name: &str| set(Param::SceneStore, Value::Text(name.to_owned()), None);
    let calm = || set(Param::Emotion, Value::Choice(3), None);
    for (address, tags, arguments, expected) in [
        ("/melos/subscribe", ",h", &b"\0\0\0\0\0\0\x23\x29"[..], subscribe()),
        ("/melos/subscribe", ",d", b"\x40\xc1\x94\x80\0\0\0\0", subscribe()),
        ("/melos/subscribe", ",s", b" 9001 \0\0", subscribe()),
        ("/melos/subscribe", ",S", b"9001\0\0\0\0", subscribe()),
        ("/melos/subscribe", ",[i]", b"\0\0\x23\x29", subscribe()),
        ("/melos/unsubscribe", ",h", b"\0\0\0\0\0\0\x23\x29", Request::Unsubscribe(Some(9001))),
        ("/melos/reverb", ",[f]", b"\x3f\0\0\0", reverb()),
        ("/melos/reverb", ",[[f]]", b"\x3f\0\0\0", reverb()),
        ("/melos/reverb", ",S", b"0.5\0", reverb()),
        ("/melos/hold", ",[T]", b"", set(Param::Hold, Value::Toggle(true), None)),
        ("/melos/hold", ",S", b"off\0", set(Param::Hold, Value::Toggle(false), None)),
        ("/melos/emotion", ",S", b"calm\0\0\0\0", calm()),
        ("/melos/emotion", ",[s]", b"calm\0\0\0\0", calm()),
        ("/melos/emotion", ",[Sf]", b"calm\0\0\0\0\x3f\0\0\0", set(Param::Calm, Value::Number(0.5), None)),
        ("/melos/key", ",c", b"\0\0\0F", set(Param::Key, Value::Choice(5), None)),
        ("/melos/scene/store", ",c", b"\0\0\0A", store("A")),
        ("/melos/scene/store", ",S", b"dawn\0\0\0\0", store("dawn")),
        ("/melos/scene/store", ",i", b"\0\0\0\x03", store("3")),
        ("/melos/scene/store", ",h", b"\0\0\0\0\0\0\0\x03", store("3")),
        ("/melos/scene/store", ",f", b"\x40\x40\0\0", store("3")),
        ("/melos/scene/store", ",f", b"\x3d\xcc\xcc\xcd", store("0.1")),
        ("/melos/scene/store", ",d", b"\x40\x08\0\0\0\0\0\0", store("3")),
        ("/melos/scene", ",i", b"\0\0\0\x03", set(Param::Scene, Value::Text("3".to_owned()), None)),
        ("/melos/preset", ",f", b"\x40\x40\0\0", set(Param::Preset, Value::Text("3".to_owned()), None)),
        ("/melos/confirm", ",S", b"s1-0 \0\0\0", Request::Confirm("s1-0".to_owned())),
        ("/melos/learn", ",S", b"valence\0", Request::Learn(LearnRequest::Control(Param::Valence))),
        ("/melos/ping", ",[iS]", b"\0\0\0\x07abc\0", Request::Ping(vec![OscType::Int(7), text("abc")])),
    ] {
        let decoded = decode(&raw(address, tags.as_bytes(), arguments), Now::read());
        assert_eq!((decoded.requests, decoded.faults), (vec![expected], vec![]), "{address} {tags}");
    }
    // A number sent to several addresses at once is not a name.
    for (pattern, requests) in [("/melos/scene/{store,crossfade}", 1), ("/melos/scene/{store,delete}", 0)] {
        let decoded = decode(&raw(pattern, b",i", b"\0\0\0\x01"), Now::read());
        assert_eq!((decoded.requests.len(), decoded.faults.len()), (requests, 1 - requests), "{pattern}");
    }
    for tags in [",T", ",F", ",I", ",N"] {
        assert_eq!(refused(&raw("/melos/subscribe", tags.as_bytes(), b"")).len(), 1, "{tags}");
        assert_eq!(refused(&raw("/melos/scene/store", tags.as_bytes(), b"")).len(), 1, "{tags}");
    }
}

#[test]
fn a_message_without_arguments_needs_no_type_tags() {
    let panic = set(Param::Panic, Value::Trigger, None);
    assert_eq!(decode(b"/melos/panic\0\0\0\0", Now::read()).requests, std::slice::from_ref(&panic));
    assert_eq!(
        decode(b"/melos/valence\0\0", Now::read()).requests,
        [Request::Read { param: Param::Valence, is_leaf: false }]
    );
    let decoded = decode(&bundle_of(&[b"/melos/panic\0\0\0\0".to_vec()]), Now::read());
    assert_eq!(decoded.requests, [panic]);
}

#[test]
fn faults_say_what_is_wrong_and_what_would_be_right() {
    let reverb = |tags: &str, arguments: &[u8]| raw("/melos/reverb", tags.as_bytes(), arguments);
    let half = b"\x3f\0\0\0";
    for (datagram, expected) in [
        (reverb("f", b"\x3f\x28\xf5\xc3"), "/melos/reverb: expected type tags after the address: a comma and"),
        (reverb("i", b"\0\0\0\x01"), "expected type tags after the address"),
        (b"/melos/reverb\0\0\0\x3f\x28\xf5\xc3".to_vec(), "a letter per argument, such as ,f"),
        (b"/melos/reverb\0\0\0\0\0\0\0".to_vec(), "expected type tags after the address"),
        (b"/melos/reverb\0\0\0,fff".to_vec(), "the type tags are cut off; they must end with a zero byte"),
        (reverb(",q", half), "/melos/reverb: argument 1 (type tag q) is of an unknown type; expected i, h, f or d"),
        (reverb(",f\n", half), "argument 2 (type tag \\n) is of an unknown type"),
        (reverb(",f", b"\x3f\0"), "/melos/reverb: argument 1 (type tag f) is missing or cut off"),
        (reverb(",b", b"\0\0\0\x05abcde\0\0"), "argument 1 (type tag b) is cut off"),
        (reverb(",b", b"\0\0\0\x05abcde\0\0\0"), "an argument of this type is not supported; send a number or"),
        (reverb(",", half), "bytes are left after the last argument; expected a type tag per argument, such as ,ff"),
        (reverb(",[]", b""), "an array is empty; expected a value in it"),
        (reverb(",[f", half), "the type tag [ has no ] after it"),
        (reverb(",f]", half), "the type tag ] has no [ before it"),
        (reverb(",c", b"\xff\xff\xff\xff"), "argument 1 (type tag c) is not a character"),
        (reverb(",is", b"\0\0\0\x01d\xe9j\0"), "argument 2 (type tag s) is not valid UTF-8"),
        (reverb(",s", b"half"), "argument 1 (type tag s) is missing or cut off; text must be followed by"),
        (b"/\xe9\0\0".to_vec(), "an address is not valid UTF-8"),
        (b"/melos/panic".to_vec(), "an address must be followed by 1 to 4 zero bytes, up to a multiple of 4 bytes"),
        (b"nonsense".to_vec(), "not OSC: a message starts with an address, such as /melos/valence"),
        (b"#bundle\0".to_vec(), "a bundle is cut off; #bundle must be followed by a time tag of 8 bytes"),
        ([&bundle_of(&[])[..], b"\0\0\0\x10/a\0\0"].concat(), "a message should have 16 bytes, but only 4 follow"),
        ([&bundle_of(&[])[..], b"\0\0"].concat(), "a bundle is cut off within the size of a message"),
    ] {
        let faults: Vec<_> = refused(&datagram).iter().map(ToString::to_string).collect();
        let [fault] = faults.as_slice() else { panic!("{}: {faults:?}", datagram.escape_ascii()) };
        assert!(fault.contains(expected), "{}: {fault}", datagram.escape_ascii());
    }
}

/// Adds an element to a bundle with a size of its own, which need not be that of its bytes.
fn add_element(bundle: &mut Vec<u8>, size: u32, bytes: &[u8]) {
    bundle.extend(size.to_be_bytes());
    bundle.extend(bytes);
}

#[test]
fn messages_after_an_element_of_an_unusual_size_are_recovered() {
    let good = |value| encoder::encode(&message("/melos/valence", &[OscType::Float(value)])).unwrap();
    let both = [0.25, 0.5].map(|value| set(Param::Valence, Value::Number(value), None));
    let sad = encoder::encode(&message("/melos/emotion", &[text("sad")])).unwrap();
    let cut = &sad[..sad.len() - 3];
    let decode_with = |elements: &[(u32, &[u8])]| {
        let mut bundle = bundle_of(&[good(0.25)]);
        for (size, bytes) in elements {
            add_element(&mut bundle, *size, bytes);
        }
        add_element(&mut bundle, 24, &good(0.5));
        let Decoded { requests, faults, .. } = decode(&bundle, Now::read());
        (requests, faults.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let size = sad.len() as u32;
    // Empty elements.
    assert_eq!(decode_with(&[(0, b""), (0, b"")]), (both.to_vec(), vec![]));
    // A size without the padding.
    let [first, last] = both.clone();
    let with_sad = vec![first.clone(), set(Param::Emotion, Value::Choice(1), None), last];
    assert_eq!(decode_with(&[(size - 1, &sad)]), (with_sad.clone(), vec![]));
    assert_eq!(decode_with(&[(0, b""), (size - 3, &sad), (0, b"")]), (with_sad, vec![]));
    // No padding at all: the message itself is unreadable.
    for bytes in [cut, b"/melos/x/", b"?"] {
        let (requests, faults) = decode_with(&[(bytes.len() as u32, bytes)]);
        assert_eq!((requests.as_slice(), faults.len()), (&both[..], 1), "{}: {faults:?}", bytes.escape_ascii());
    }
    // A size that leads nowhere.
    let (requests, faults) = decode_with(&[(size - 5, &sad)]);
    let expected =
        format!("a size in a bundle is {}, not a multiple of 4; the messages from there on are lost", size - 5);
    assert_eq!((requests, faults), (vec![first], vec![expected]));
    // Many empty elements cost nothing.
    let mut empty = bundle_of(&[]);
    empty.resize(16_000, 0);
    assert_eq!(decode(&empty, Now::read()), Decoded::default());
}

#[test]
fn text_that_is_not_utf_8_costs_only_its_message() {
    let good = |value| encoder::encode(&message("/melos/valence", &[OscType::Float(value)])).unwrap();
    let bad = raw("/melos/preset", b",s", b"d\xe9j\0");
    let decoded = decode(&bundle_of(&[good(0.25), bad, good(0.5)]), Now::read());
    assert_eq!(decoded.requests, [0.25, 0.5].map(|value| set(Param::Valence, Value::Number(value), None)));
    assert_eq!(decoded.faults.len(), 1);
}
