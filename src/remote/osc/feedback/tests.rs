use crate::event::health::Loss;
use std::net::IpAddr;
use std::sync::Arc;

use rosc::OscPacket;
use tokio::sync::mpsc::Receiver;

use super::super::fault::Counters;
use super::super::outbox::Datagram;
use super::*;
use crate::event::Part;
use crate::music::theory::{Chord, Key, Mode};

fn client(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn valence(value: f32) -> Notice {
    Notice::Value(Param::Valence, Value::Number(value))
}

fn number(port: u16, address: &str, value: f32) -> (u16, String, OscType) {
    (port, address.to_owned(), OscType::Float(value))
}

struct Rig {
    feedback: Feedback,
    out: Outbox,
    queue: Receiver<Datagram>,
    access: Access,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let now = Instant::now();
        let (out, queue) = Outbox::new(Arc::new(Counters::default()), now);
        Self { feedback: Feedback::new(), out, queue, access: Access::new(Vec::new(), now), now }
    }

    /// Returns the messages sent since the last call: port, address, first argument.
    fn sent(&mut self) -> Vec<(u16, String, OscType)> {
        let sent = std::iter::from_fn(|| self.queue.try_recv().ok());
        let messages = sent.map(|(to, bytes)| match rosc::decoder::decode_udp(&bytes) {
            Ok((_, OscPacket::Message(message))) => (to.port(), message.addr, message.args[0].clone()),
            other => panic!("{other:?}"),
        });
        messages.collect()
    }

    /// Runs one tick; returns the messages sent.
    fn tick(&mut self) -> Vec<(u16, String, OscType)> {
        self.feedback.tick(self.now, &self.out);
        self.feedback.expire(self.now, &self.access, &self.out);
        self.sent()
    }

    fn notice(&mut self, notice: Notice) {
        self.feedback.process_notice(notice, &self.out);
    }

    fn subscribe(&mut self, from: SocketAddr, to: SocketAddr) -> Result<(), TooManySubscribers> {
        self.feedback.subscribe(from, to, self.now, &mut self.out)
    }

    fn advance(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

#[test]
fn the_newest_value_is_sent_once_per_tick() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(1)).unwrap();
    let state = rig.sent();
    assert!(state.len() > 50 && state.iter().all(|(port, ..)| *port == 1));
    for step in 0..1000u16 {
        rig.notice(valence(f32::from(step) / 1000.0));
    }
    assert_eq!(rig.sent(), []);
    assert_eq!(rig.tick(), [number(1, "/melos/valence", 0.999)]);
    assert_eq!(rig.tick(), []);
}

#[test]
fn own_changes_are_not_echoed_but_corrections_are_sent() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(1)).unwrap();
    rig.subscribe(client(2), client(3)).unwrap();
    rig.sent();
    for step in 1..=10u16 {
        let value = Value::Number(f32::from(step) / 10.0);
        rig.feedback.set_by_client(client(2), Param::Valence, &value, rig.now);
    }
    // An older value is still in transit while the fader has moved on.
    rig.notice(valence(0.5));
    assert_eq!(rig.tick(), [number(1, "/melos/valence", 0.5)]);
    rig.notice(valence(1.0));
    rig.now += ECHO_GUARD;
    assert_eq!(rig.tick(), [number(1, "/melos/valence", 1.0)]);
    // A change by another client is sent to both.
    rig.notice(valence(-0.5));
    assert_eq!(rig.tick(), [number(1, "/melos/valence", -0.5), number(3, "/melos/valence", -0.5)]);
    // If its value is refused, the client gets the current value.
    rig.feedback.set_by_client(client(2), Param::Valence, &Value::Number(0.9), rig.now - ECHO_GUARD);
    assert_eq!(rig.tick(), [number(3, "/melos/valence", -0.5)]);
}

/// Some clients subscribe again every ten seconds, in case the daemon has restarted.
#[test]
fn renewing_while_a_fader_moves_does_not_return_old_values() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(1)).unwrap();
    rig.sent();
    rig.feedback.set_by_client(client(1), Param::Valence, &Value::Number(0.9), rig.now);
    rig.subscribe(client(1), client(1)).unwrap();
    assert!(!rig.sent().iter().any(|(_, address, _)| address == "/melos/valence"));
    rig.notice(valence(0.9));
    rig.now += ECHO_GUARD;
    assert_eq!(rig.tick(), [number(1, "/melos/valence", 0.9)]);
}

#[test]
fn levels_wait_for_a_tick_but_beats_are_sent_at_once() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(1)).unwrap();
    rig.sent();
    for beat in 0..4 {
        rig.notice(Notice::Beat { beat, bar: 7, tempo: 90.0 });
        rig.notice(Notice::Level { rms_db: -20.0 - beat as f32, peak_db: -3.0 });
    }
    let beats = rig.sent();
    assert_eq!((beats.len(), &beats[3]), (4, &(1, "/melos/beat".to_owned(), OscType::Int(4))));
    assert_eq!(rig.tick(), [number(1, "/melos/level", -23.0)]);
    assert_eq!(rig.tick(), []);
}

#[test]
fn the_full_state_includes_the_lead_chord_and_the_current_chord() {
    let mut rig = Rig::new();
    let key = Key { tonic: 9, mode: Mode::Minor };
    rig.notice(Notice::Chord(Chord::parse("Am7").unwrap(), key));
    let auto = [OscType::String("auto".to_owned())];
    assert_eq!(rig.feedback.read(Param::Chord).unwrap().args, auto);
    let chord_messages: Vec<_> = rig.feedback.full_state().filter(|message| message.addr == "/melos/chord").collect();
    let current = [OscType::String("Am7".to_owned()), OscType::String("A minor".to_owned())];
    assert_eq!(
        chord_messages.iter().map(|message| message.args.as_slice()).collect::<Vec<_>>(),
        [&auto[..], &current[..]]
    );
    assert!(rig.feedback.read(Param::Panic).is_none());
}

#[test]
fn every_stream_can_be_read_once_it_has_a_message() {
    let mut rig = Rig::new();
    let (trouble, others) =
        message::STREAMS.iter().enumerate().partition::<Vec<_>, _>(|(_, name)| **name == message::TROUBLE);
    assert!(others.iter().all(|(stream, _)| rig.feedback.query(*stream).is_empty()));
    assert_eq!(rig.feedback.query(trouble[0].0), [message::trouble("", "")]);
    let health = crate::event::notice::Health { state: "playing".to_owned(), load: 0.5, losses: [0; Loss::ALL.len()] };
    for notice in [
        Notice::Beat { beat: 0, bar: 0, tempo: 90.0 },
        Notice::Bar { bar: 0, tempo: 90.0 },
        Notice::Note { note: 60, velocity: 64, seconds: 0.5, melody: true },
        Notice::Onset { strength: 1.0 },
        Notice::Level { rms_db: -20.0, peak_db: -3.0 },
        Notice::Mood(crate::music::emotion::Mood::default()),
        Notice::Health(health),
    ] {
        rig.notice(notice);
    }
    for (stream, address) in message::STREAMS.iter().enumerate() {
        let addresses: Vec<_> = rig.feedback.query(stream).into_iter().map(|message| message.addr).collect();
        assert_eq!(addresses, [*address]);
    }
}

#[test]
fn a_new_subscriber_learns_of_current_troubles() {
    let mut rig = Rig::new();
    let trouble = |part, reason: &str| Notice::Trouble { part, reason: reason.to_owned() };
    for notice in [
        trouble(Part::State, "the disk is full"),
        trouble(Part::Recording, "no such folder"),
        trouble(Part::State, "the disk is read-only"),
        trouble(Part::Recording, ""),
    ] {
        rig.notice(notice);
    }
    rig.subscribe(client(9001), client(9001)).unwrap();
    let troubles: Vec<_> = rig.sent().into_iter().filter(|(_, address, _)| address == message::TROUBLE).collect();
    assert_eq!(troubles, [(9001, message::TROUBLE.to_owned(), OscType::String(Part::State.to_string()))]);
    let stream = message::STREAMS.iter().position(|address| *address == message::TROUBLE).unwrap();
    assert_eq!(rig.feedback.query(stream)[0].args[1], OscType::String("the disk is read-only".to_owned()));
}

#[test]
fn subscribers_beyond_the_limit_are_refused() {
    let mut rig = Rig::new();
    for port in 1..=64 {
        rig.subscribe(client(port), client(port)).unwrap();
        rig.subscribe(client(port), client(port)).unwrap();
        rig.sent();
    }
    assert_eq!(rig.subscribe(client(65), client(65)), Err(TooManySubscribers::InTotal));
    assert_eq!((rig.feedback.subscribers.len(), rig.feedback.subscribers[0].subscription.to), (64, client(1)));
    rig.subscribe(client(1), client(1)).expect("an existing subscriber should be able to subscribe again");
    assert!(rig.feedback.unsubscribe(client(64)));
    rig.subscribe(client(65), client(65)).expect("there should be room again");
}

#[test]
fn one_remote_host_cannot_take_all_subscriptions() {
    let mut rig = Rig::new();
    let at = |host, port| SocketAddr::new(IpAddr::from([192, 0, 2, host]), port);
    for port in 1..=16 {
        rig.subscribe(at(1, port), at(1, port)).unwrap();
    }
    assert_eq!(rig.subscribe(at(1, 17), at(1, 17)), Err(TooManySubscribers::OnHost));
    rig.subscribe(at(2, 1), at(2, 1)).expect("another host should have its own limit");
    for port in 1..=20 {
        rig.subscribe(client(port), client(port)).expect("this machine should have no such limit");
    }
}

#[test]
fn the_subscription_of_a_silent_client_expires_after_a_warning() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(9001)).unwrap();
    rig.subscribe(client(2), client(2)).unwrap();
    rig.sent();
    rig.advance(40);
    assert_eq!(rig.tick(), []);
    rig.feedback.renew(client(2), rig.now);
    rig.advance(11);
    let expires = |left| (9001, "/melos/subscription/expires".to_owned(), OscType::Int(left));
    assert_eq!(rig.tick(), [expires(9)]);
    assert_eq!(rig.tick(), [], "the client should be warned only once");
    rig.advance(10);
    assert_eq!(rig.tick(), [expires(0)]);
    rig.notice(valence(0.25));
    assert_eq!(rig.tick(), [number(2, "/melos/valence", 0.25)], "the other subscription should continue");
}

#[test]
fn a_datagram_from_either_address_renews_a_subscription() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(9001)).unwrap();
    rig.sent();
    for from in [1, 9001, 1, 9001] {
        rig.advance(55);
        assert_eq!(rig.tick().len(), 1, "the client should be warned of the expiry");
        rig.feedback.renew(client(from), rig.now);
    }
    rig.advance(55);
    rig.feedback.renew(client(2), rig.now);
    rig.advance(5);
    rig.tick();
    assert!(!rig.feedback.subscribes(client(9001)), "another client's datagram should not renew the subscription");
}

#[test]
fn a_remote_address_that_does_not_verify_again_is_dropped() {
    let mut rig = Rig::new();
    let remote = SocketAddr::from(([192, 0, 2, 7], 9001));
    rig.access.mark_verified(remote, rig.now);
    rig.subscribe(remote, remote).unwrap();
    rig.sent();
    while rig.access.expiry(remote).unwrap() > rig.now + EXPIRY_WARNING {
        rig.advance(10);
        rig.feedback.renew(remote, rig.now);
        rig.tick();
    }
    rig.feedback.renew(remote, rig.now);
    let sent = rig.tick();
    let addresses: Vec<_> = sent.iter().map(|(_, address, _)| address.as_str()).collect();
    assert_eq!(addresses, ["/melos/subscription/expires", "/melos/confirm"]);
    let OscType::String(token) = &sent[1].2 else { panic!("{sent:?}") };
    assert_eq!(rig.access.confirm(remote, token, rig.now), Some((Purpose::Subscribe, remote)));
    rig.feedback.renew(remote, rig.now);
    rig.advance(20);
    assert_eq!(rig.tick(), []);
    // From here on, the address sends datagrams but no tokens, as if the datagrams were forged.
    for _ in 0..70 {
        rig.advance(10);
        rig.feedback.renew(remote, rig.now);
        rig.tick();
    }
    assert!(!rig.feedback.subscribes(remote));
}

#[test]
fn restored_subscriptions_start_once_values_are_known() {
    let mut rig = Rig::new();
    let subscription = Subscription { from: client(1), to: client(9001) };
    rig.feedback.restore(vec![subscription]);
    assert_eq!(rig.feedback.subscriptions(), [subscription]);
    assert_eq!(rig.tick(), [], "nothing should be sent before the values are known");
    rig.notice(valence(0.25));
    assert_eq!(rig.tick(), []);
    rig.now += ECHO_GUARD;
    let sent = rig.tick();
    assert!(sent.len() > 50 && sent.contains(&number(9001, "/melos/valence", 0.25)), "{sent:?}");
    assert_eq!(rig.feedback.subscriptions(), [subscription]);
    rig.advance(61);
    rig.tick();
    assert_eq!(rig.feedback.subscriptions(), [], "a restored subscription should expire like any other");
}

#[test]
fn an_unsent_value_is_sent_with_the_next_tick() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(1)).unwrap();
    rig.notice(valence(0.25));
    // Fill the queue.
    while rig.out.send(client(2), message::learned(Param::Valence, String::new())) {}
    rig.feedback.tick(rig.now, &rig.out);
    rig.sent();
    assert_eq!(rig.tick(), [number(1, "/melos/valence", 0.25)]);
}

#[test]
fn subscribers_can_be_listed() {
    let mut rig = Rig::new();
    rig.subscribe(client(1), client(9001)).unwrap();
    rig.advance(20);
    let list = rig.feedback.list(rig.now);
    assert_eq!(list.args, [OscType::String("127.0.0.1:9001".to_owned()), OscType::Int(40)]);
}
