use super::*;
use crate::music::theory::{Chord, Key, Mode};
use rosc::OscType;

fn client(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn valence(value: f32) -> Notice {
    Notice::Value(Param::Valence, Value::Number(value))
}

/// Ticks at `now` and gives what was sent: port, address, first argument.
fn sent(feedback: &mut Feedback, now: Instant) -> Vec<(u16, String, OscType)> {
    let mut out = Vec::new();
    feedback.tick(now, &mut out);
    out.into_iter().map(|(to, message)| (to.port(), message.addr, message.args[0].clone())).collect()
}

fn number(port: u16, address: &str, value: f32) -> (u16, String, OscType) {
    (port, address.to_owned(), OscType::Float(value))
}

#[test]
fn the_newest_value_goes_out_once_per_tick() {
    let (mut feedback, mut out, now) = (Feedback::new(), Vec::new(), Instant::now());
    feedback.subscribe(client(1), client(1), &mut out);
    assert!(out.len() > 50 && out.iter().all(|(to, _)| *to == client(1)));
    out.clear();
    for step in 0..1000u16 {
        feedback.notice(valence(f32::from(step) / 1000.0), &mut out);
    }
    assert!(out.is_empty());
    assert_eq!(sent(&mut feedback, now), [number(1, "/melos/valence", 0.999)]);
    assert_eq!(sent(&mut feedback, now), []);
}

#[test]
fn nothing_is_echoed_but_corrections_arrive() {
    let (mut feedback, mut out, now) = (Feedback::new(), Vec::new(), Instant::now());
    feedback.subscribe(client(1), client(1), &mut out);
    feedback.subscribe(client(2), client(3), &mut out);
    for step in 1..=10u16 {
        let value = Value::Number(f32::from(step) / 10.0);
        feedback.heard(client(2), Param::Valence, &value, now);
    }
    // A value of a moment ago is still on its way through while the fader has moved on.
    feedback.notice(valence(0.5), &mut out);
    assert_eq!(sent(&mut feedback, now), [number(1, "/melos/valence", 0.5)]);
    feedback.notice(valence(1.0), &mut out);
    assert_eq!(sent(&mut feedback, now + QUIET), [number(1, "/melos/valence", 1.0)]);
    // Somebody else moves it: that is news for both.
    feedback.notice(valence(-0.5), &mut out);
    let both = [number(1, "/melos/valence", -0.5), number(3, "/melos/valence", -0.5)];
    assert_eq!(sent(&mut feedback, now + QUIET), both);
    // What it set was refused: the client hears what stands.
    feedback.heard(client(2), Param::Valence, &Value::Number(0.9), now);
    assert_eq!(sent(&mut feedback, now + QUIET), [number(3, "/melos/valence", -0.5)]);
}

#[test]
fn streams_are_paced_and_events_are_not() {
    let (mut feedback, mut out, now) = (Feedback::new(), Vec::new(), Instant::now());
    feedback.subscribe(client(1), client(1), &mut out);
    out.clear();
    for beat in 0..4 {
        feedback.notice(Notice::Beat { beat, bar: 7, tempo: 90.0 }, &mut out);
        feedback.notice(Notice::Level { rms_db: -20.0 - beat as f32, peak_db: -3.0 }, &mut out);
    }
    let beats = out.iter().map(|(_, message)| message.args.clone()).collect::<Vec<_>>();
    assert_eq!(beats.len(), 4);
    assert_eq!(beats[3], [OscType::Int(4), OscType::Int(8), OscType::Float(90.0)]);
    assert_eq!(sent(&mut feedback, now), [number(1, "/melos/level", -23.0)]);
    assert_eq!(sent(&mut feedback, now), []);
}

#[test]
fn reading_the_chord_gives_what_was_asked_for_and_the_state_ends_with_what_sounds() {
    let (mut feedback, mut out) = (Feedback::new(), Vec::new());
    let key = Key { tonic: 9, mode: Mode::Minor };
    feedback.notice(Notice::Chord(Chord::parse("Am7").unwrap(), key), &mut out);
    let auto = [OscType::String("auto".to_owned())];
    assert_eq!(feedback.read(Param::Chord).unwrap().args, auto);
    feedback.state(client(1), &mut out);
    let told: Vec<_> = out.iter().filter(|(_, message)| message.addr == "/melos/chord").collect();
    let sounding = [OscType::String("Am7".to_owned()), OscType::String("A minor".to_owned())];
    assert_eq!(told.iter().map(|(_, message)| message.args.as_slice()).collect::<Vec<_>>(), [&auto[..], &sounding[..]]);
    assert!(feedback.read(Param::Panic).is_none());
}

#[test]
fn subscribers_are_bounded_and_renewing_does_not_double() {
    let (mut feedback, mut out) = (Feedback::new(), Vec::new());
    for port in 1..=100 {
        feedback.subscribe(client(port), client(port), &mut out);
        feedback.subscribe(client(port), client(port), &mut out);
    }
    assert_eq!(feedback.subscribers.len(), MAX_SUBSCRIBERS);
    assert_eq!(feedback.subscribers[0].to, client(37));
    feedback.unsubscribe(client(100));
    assert_eq!(feedback.subscribers.len(), MAX_SUBSCRIBERS - 1);
}
