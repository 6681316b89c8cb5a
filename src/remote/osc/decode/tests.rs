use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rosc::{OscArray, OscBundle, OscTime, encoder};

use super::*;

fn message(addr: &str, args: &[OscType]) -> OscPacket {
    OscPacket::Message(OscMessage { addr: addr.to_owned(), args: args.to_vec() })
}

fn bundle(timetag: OscTime, content: Vec<OscPacket>) -> OscPacket {
    OscPacket::Bundle(OscBundle { timetag, content })
}

fn read(packet: &OscPacket) -> Result<Decoded, Fault> {
    decode(&encoder::encode(packet).unwrap(), Now::take())
}

fn text(text: &str) -> OscType {
    OscType::String(text.to_owned())
}

const AT_ONCE: OscTime = OscTime { seconds: 0, fractional: 1 };

fn ahead(now: Now, duration: Duration) -> OscTime {
    let since_unix = (now.wall + duration).duration_since(UNIX_EPOCH).unwrap();
    let seconds = (since_unix.as_secs() + 2_208_988_800) as u32;
    OscTime { seconds, fractional: ((u64::from(since_unix.subsec_nanos()) << 32) / 1_000_000_000) as u32 }
}

#[test]
fn arguments_are_coerced() {
    let number = |param, number| Request::Set(param, Value::Number(number), None);
    let toggle = |param, on| Request::Set(param, Value::Toggle(on), None);
    let choice = |param, position| Request::Set(param, Value::Choice(position), None);
    for (addr, args, expected) in [
        ("/melos/temperature", vec![OscType::Float(0.5)], number(Param::Temperature, 0.5)),
        ("/melos/temperature", vec![OscType::Double(0.5)], number(Param::Temperature, 0.5)),
        ("/melos/temperature", vec![OscType::Int(1)], number(Param::Temperature, 1.0)),
        ("/melos/tempo", vec![OscType::Long(90)], number(Param::Tempo, 90.0)),
        ("/melos/temperature", vec![text("0.5")], number(Param::Temperature, 0.5)),
        ("/melos/valence", vec![OscType::Float(0.25), OscType::Float(7.0)], number(Param::Valence, 0.25)),
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
        ("/melos/emotion/calm", vec![OscType::Float(0.8)], number(Param::Calm, 0.8)),
        ("/melos/key", vec![text("F#")], choice(Param::Key, 6)),
        ("/melos/chord", vec![text("Am7")], Request::Set(Param::Chord, Value::Text("Am7".into()), None)),
        ("/melos/panic", vec![], Request::Set(Param::Panic, Value::Trigger, None)),
        ("/melos/next/bar/tone", vec![OscType::Float(0.5)], Request::NextBar(Param::Tone, Value::Number(0.5), None)),
        ("/melos/next/bar/panic", vec![], Request::NextBar(Param::Panic, Value::Trigger, None)),
        ("/melos/panic", vec![OscType::Float(1.0)], Request::Set(Param::Panic, Value::Trigger, None)),
        ("/melos/valence", vec![], Request::Read(Param::Valence)),
        ("/melos/state", vec![], Request::State),
        ("/melos/subscribe", vec![], Request::Subscribe(None)),
        ("/melos/subscribe", vec![OscType::Int(9001)], Request::Subscribe(Some(9001))),
        ("/melos/unsubscribe", vec![OscType::Float(9001.0)], Request::Unsubscribe(Some(9001))),
    ] {
        let decoded = read(&message(addr, &args)).unwrap();
        assert_eq!(decoded, Decoded { requests: vec![expected], ..Decoded::default() }, "{addr} {args:?}");
    }
    let released = read(&message("/melos/panic", &[OscType::Float(0.0)])).unwrap();
    assert_eq!(released, Decoded::default());
}

#[test]
fn what_does_not_fit_is_named() {
    for (addr, args, hint) in [
        ("/melos/emotion", vec![text("bored")], "one of happy"),
        ("/melos/emotion", vec![text("bored"), OscType::Float(1.0)], "there is no \"bored\""),
        ("/melos/temperature", vec![text("hot")], "a number from 0.1 to 2"),
        ("/melos/hold", vec![text("perhaps")], "on or off"),
        ("/melos/temperature", vec![text("nan")], "finite"),
        ("/melos/temperature", vec![OscType::Blob(vec![0; 4])], "type of argument"),
        ("/melos/temperatur", vec![OscType::Float(1.0)], "there is no /melos/temperatur"),
        ("/other/valence", vec![OscType::Float(1.0)], "there is no /other/valence"),
        ("/melos/subscribe", vec![OscType::Int(70_000)], "a port from 1 to 65535"),
        ("/melos/next/bar/tone", vec![], "expected a value"),
        ("/melos/next/bar/tune", vec![OscType::Float(1.0)], "there is no /melos/next/bar/tune"),
        ("/melos/*/nothing", vec![OscType::Float(1.0)], "there is no /melos/*/nothing"),
    ] {
        let decoded = read(&message(addr, &args)).unwrap();
        assert_eq!(decoded.requests, [], "{addr} {args:?}");
        assert!(decoded.faults[0].to_string().contains(hint), "{:?}", decoded.faults);
    }
}

#[test]
fn a_number_outside_the_range_is_taken_to_its_end_and_named() {
    let decoded = read(&message("/melos/temperature", &[OscType::Float(99.0)])).unwrap();
    assert_eq!(decoded.requests, [Request::Set(Param::Temperature, Value::Number(2.0), None)]);
    assert_eq!(decoded.clipped, ["/melos/temperature: got the number 99, expected a number from 0.1 to 2"]);
    assert_eq!(read(&message("/melos/*", &[OscType::Float(99.0)])).unwrap().clipped, [""; 0]);
}

#[test]
fn patterns_reach_what_fits_and_never_a_trigger() {
    let muted = read(&message("/melos/mute/{bass,pad}", &[OscType::Int(1)])).unwrap().requests;
    assert_eq!(muted, [Param::MuteBass, Param::MutePad].map(|param| Request::Set(param, Value::Toggle(true), None)));
    let muted = read(&message("/melos/next/bar/mute/{bass,pad}", &[OscType::Int(1)])).unwrap().requests;
    assert_eq!(
        muted,
        [Param::MuteBass, Param::MutePad].map(|param| Request::NextBar(param, Value::Toggle(true), None))
    );
    let everything = read(&message("/melos/*", &[OscType::Float(1.0)])).unwrap();
    assert!(everything.requests.len() > 10 && everything.faults.is_empty());
    assert!(!everything.requests.iter().any(|request| matches!(request, Request::Set(Param::Panic, ..))));
    let levels = read(&message("/melos/level/*", &[])).unwrap().requests;
    assert_eq!(levels.len(), 6);
    assert!(levels.iter().all(|request| matches!(request, Request::Read(_))));
}

#[test]
fn bundles_are_timed() {
    let now = Now { monotonic: Instant::now(), wall: SystemTime::now() };
    let set = |value| message("/melos/valence", &[OscType::Float(value)]);
    let dues = |packet: &OscPacket| {
        let decoded = decode(&encoder::encode(packet).unwrap(), now).unwrap();
        let milliseconds = decoded.requests.iter().map(|request| match request {
            Request::Set(_, _, due) => due.map(|due| (due - now.monotonic).as_secs_f64().mul_add(1e3, 0.5) as u64),
            other => panic!("{other:?}"),
        });
        (milliseconds.collect::<Vec<_>>(), decoded.late)
    };
    let (soon, later) = (ahead(now, Duration::from_millis(200)), ahead(now, Duration::from_millis(500)));
    assert_eq!(dues(&bundle(AT_ONCE, vec![set(0.1), set(0.2)])), (vec![None, None], 0));
    assert_eq!(dues(&bundle(soon, vec![set(0.1)])), (vec![Some(200)], 0));
    assert_eq!(dues(&bundle(soon, vec![set(0.1), bundle(later, vec![set(0.2)])])), (vec![Some(200), Some(500)], 0));
    assert_eq!(dues(&bundle(later, vec![bundle(soon, vec![set(0.2)])])), (vec![Some(500)], 0));
    assert_eq!(dues(&bundle(soon, vec![bundle(AT_ONCE, vec![set(0.2)])])), (vec![Some(200)], 0));
    assert_eq!(dues(&bundle(OscTime { seconds: 5, fractional: 0 }, vec![set(0.1)])), (vec![None], 1));
    let lost = bundle(ahead(now, Duration::from_secs(86_400)), vec![set(0.1)]);
    assert!(matches!(read(&lost), Err(Fault::TooEarly(_))));
}

#[test]
fn a_packet_with_a_number_that_is_not_finite_changes_nothing() {
    let good = || message("/melos/valence", &[OscType::Float(0.5)]);
    for bad in [
        OscType::Float(f32::NAN),
        OscType::Float(f32::NEG_INFINITY),
        OscType::Double(f64::NAN),
        OscType::Array(OscArray { content: vec![OscType::Float(f32::NAN)] }),
    ] {
        let packet = bundle(AT_ONCE, vec![good(), message("/melos/arousal", &[bad]), good()]);
        assert_eq!(read(&packet), Err(Fault::NotFinite("/melos/arousal".to_owned())));
    }
}

/// `depth` bundles inside each other around one message, built by hand because the encoder recurses too.
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
fn deep_nesting_is_refused_before_it_is_decoded() {
    assert_eq!(decode(&nested_bundles(guard::MAX_DEPTH), Now::take()).unwrap().requests.len(), 1);
    assert_eq!(decode(&nested_bundles(guard::MAX_DEPTH + 1), Now::take()), Err(Fault::Nested));
    assert_eq!(decode(&nested_bundles(700), Now::take()), Err(Fault::Nested));
    assert!(matches!(decode(&nested_bundles(5000), Now::take()), Err(Fault::Oversized(100_016..))));
    // Without the limit on size the scan itself must not recurse deeply either.
    assert_eq!(guard::check_element(&nested_bundles(5000), guard::MAX_DEPTH), Err(Fault::Nested));

    let arrays = |depth: usize| {
        let mut packet = b"/melos/valence\0\0,".to_vec();
        packet.extend(std::iter::repeat_n(b'[', depth));
        packet.extend(std::iter::repeat_n(b']', depth));
        packet.resize(packet.len() / 4 * 4 + 4, 0);
        packet
    };
    assert!(decode(&arrays(guard::MAX_DEPTH), Now::take()).unwrap().requests.is_empty());
    assert_eq!(decode(&arrays(5000), Now::take()), Err(Fault::Nested));
}

#[test]
fn malformed_packets_are_refused() {
    for datagram in [
        &b""[..],
        b"\0\0\0\0",
        b"/melos/valence",
        b"/melos/valence\0\0",
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
        let result = decode(datagram, Now::take());
        assert!(matches!(result, Err(Fault::Malformed(_))), "{:?}: {result:?}", datagram.escape_ascii().to_string());
    }
    assert_eq!(decode(&[b'/'; 20_000], Now::take()), Err(Fault::Oversized(20_000)));
}

/// Random bytes, and good packets with some bytes changed or cut off.
#[test]
fn ten_thousand_random_datagrams_do_no_harm() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let seeds = [
        encoder::encode(&message("/melos/emotion", &[text("calm"), OscType::Float(0.8)])).unwrap(),
        encoder::encode(&bundle(AT_ONCE, vec![message("/melos/level/*", &[OscType::Double(-3.0)])])).unwrap(),
        nested_bundles(4),
    ];
    let (mut taken, mut refused) = (0, 0);
    for round in 0..10_000 {
        let mut datagram = match seeds.get(round % 4) {
            Some(seed) => seed.clone(),
            None => vec![0; random.next_u32() as usize % 200],
        };
        if round % 4 == 3 {
            random.fill_bytes(&mut datagram);
        }
        for _ in 0..random.next_u32() % 4 {
            if let Some(byte) = datagram.get_mut(random.next_u32() as usize % 60) {
                *byte = random.next_u32() as u8;
            }
        }
        if random.next_u32().is_multiple_of(3) {
            datagram.truncate(random.next_u32() as usize % 80);
        }
        match decode(&datagram, Now::take()) {
            Ok(decoded) => taken += decoded.requests.len(),
            Err(_) => refused += 1,
        }
    }
    assert!(taken > 1000 && refused > 1000, "both happen: {taken} taken, {refused} refused");
}

#[test]
fn a_control_is_learnt_for_a_parameter_that_exists() {
    let request = |addr, args: &[OscType]| read(&message(addr, args)).unwrap();
    assert_eq!(
        request("/melos/learn", &[text("valence")]).requests,
        [Request::Learn(LearnRequest::Control(Param::Valence))]
    );
    assert_eq!(request("/melos/learn/cancel", &[]).requests, [Request::Learn(LearnRequest::Cancel)]);
    let forget = [Request::Learn(LearnRequest::Forget(Param::Valence))];
    assert_eq!(request("/melos/learn/forget", &[text("valence")]).requests, forget);
    for (args, hint) in [(vec![], "such as"), (vec![text("valance")], "valance")] {
        for address in ["/melos/learn", "/melos/learn/forget"] {
            let decoded = request(address, &args);
            assert_eq!(decoded.requests, []);
            assert!(decoded.faults[0].to_string().contains(hint), "{decoded:?}");
        }
    }
}
