use std::time::Duration;

use rosc::{OscBundle, OscPacket, OscTime, encoder};

use super::super::access::VALIDITY;
use super::super::feedback::ECHO_GUARD;
use super::*;
use crate::event::parameter::TABLE;
use crate::music::theory::{Chord, Key};

const OWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9000);
const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 9001);
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9001);

struct Rig {
    connection: Connection,
    outgoing: mpsc::Receiver<Datagram>,
    now: Now,
    sent_bytes: usize,
}

impl Rig {
    fn new() -> Self {
        let now = Now::read();
        let inbox = Arc::new(Inbox::new(Arc::default()));
        let counters = Arc::new(Counters::new(Arc::clone(inbox.losses())));
        let (connection, outgoing) = Connection::new(OWN, inbox, counters, Clients::default(), now.monotonic);
        Self { connection, outgoing, now, sent_bytes: 0 }
    }

    /// Sends a packet to Melos; returns the replies.
    fn send(&mut self, from: SocketAddr, packet: &OscPacket) -> Vec<(SocketAddr, OscMessage)> {
        let bytes = encoder::encode(packet).unwrap();
        self.sent_bytes += bytes.len();
        self.connection.receive_at(&bytes, from, self.now);
        self.replies()
    }

    fn query(&mut self, from: SocketAddr, address: &str) -> Vec<(SocketAddr, OscMessage)> {
        self.send(from, &message(address, &[]))
    }

    fn replies(&mut self) -> Vec<(SocketAddr, OscMessage)> {
        let datagrams = std::iter::from_fn(|| self.outgoing.try_recv().ok());
        let messages = datagrams.map(|(to, bytes)| match rosc::decoder::decode_udp(&bytes) {
            Ok((_, OscPacket::Message(message))) => (to, message),
            other => panic!("{other:?}"),
        });
        messages.collect()
    }

    /// Returns the events since the last call.
    fn events(&self) -> Vec<ControlEvent> {
        let mut incoming = Vec::new();
        self.connection.inbox.drain(&mut incoming);
        incoming.into_iter().map(|incoming| incoming.event).collect()
    }

    fn refused(&self) -> u64 {
        self.connection.inbox.losses().count(Loss::OscRefused)
    }
}

fn message(address: &str, args: &[OscType]) -> OscPacket {
    OscPacket::Message(OscMessage { addr: address.to_owned(), args: args.to_vec() })
}

fn text(text: &str) -> OscType {
    OscType::String(text.to_owned())
}

fn bytes_of(messages: &[(SocketAddr, OscMessage)]) -> usize {
    let encoded = messages.iter().map(|(_, message)| encoder::encode(&OscPacket::Message(message.clone())).unwrap());
    encoded.map(|bytes| bytes.len()).sum()
}

#[test]
fn an_unverified_address_gets_at_most_three_times_what_it_sent() {
    let mut rig = Rig::new();
    let flood = OscPacket::Bundle(OscBundle {
        timetag: OscTime { seconds: 0, fractional: 1 },
        content: (0..200).map(|_| message("/melos/*", &[])).collect(),
    });
    let subscribe = message("/melos/subscribe", &[]);
    let other_port = message("/melos/subscribe", &[OscType::Int(80)]);
    for packet in [
        subscribe,
        other_port,
        message("/melos/state", &[]),
        message("/melos/*", &[]),
        message("/melos/*/*", &[]),
        message("/melos/subscribers", &[]),
        message("/melos/valence", &[]),
        message("/melos/ping", &[text("x")]),
        flood,
    ] {
        rig.sent_bytes = 0;
        let replies = rig.send(REMOTE, &packet);
        assert!(bytes_of(&replies) <= 3 * rig.sent_bytes, "{packet:?}: {replies:?}");
    }
    // Nothing more is sent unprompted.
    for second in 0..100 {
        rig.connection.process_notice(Notice::Beat { beat: 0, bar: second, tempo: 90.0 });
        rig.connection.tick(rig.now.monotonic + Duration::from_secs(second));
    }
    assert_eq!(rig.replies(), []);
}

#[test]
fn a_remote_client_subscribes_by_returning_its_token() {
    let mut rig = Rig::new();
    let challenge = rig.send(REMOTE, &message("/melos/subscribe", &[OscType::Int(9002)]));
    let mut other = REMOTE;
    other.set_port(9002);
    let [(to, OscMessage { addr, args })] = challenge.as_slice() else { panic!("{challenge:?}") };
    assert_eq!((*to, addr.as_str()), (other, "/melos/confirm"));
    let state = rig.send(REMOTE, &message("/melos/confirm", args));
    assert!(state.len() > 50 && state.iter().all(|(to, _)| *to == other), "{state:?}");
    rig.connection.process_notice(Notice::Beat { beat: 0, bar: 0, tempo: 90.0 });
    assert_eq!(rig.replies().len(), 1);
    // The address is now verified, so subscribing again needs no token.
    assert!(rig.send(REMOTE, &message("/melos/subscribe", &[OscType::Int(9002)])).len() > 50);
    // Forged tokens are refused.
    for forged in ["s9001-0123456789abcdef", ""] {
        assert_eq!(rig.send(REMOTE, &message("/melos/confirm", &[text(forged)])), []);
    }
    assert_eq!(rig.refused(), 2);
}

#[test]
fn a_remote_client_gets_the_state_by_returning_its_token() {
    let mut rig = Rig::new();
    let challenge = rig.query(REMOTE, "/melos/state");
    assert_eq!(challenge.len(), 1);
    assert!(rig.send(REMOTE, &message("/melos/confirm", &challenge[0].1.args)).len() > 50);
    assert!(rig.query(REMOTE, "/melos/state").len() > 50);
    rig.connection.process_notice(Notice::Beat { beat: 0, bar: 0, tempo: 90.0 });
    assert_eq!(rig.replies(), [], "a read should not subscribe the client");
    rig.now.monotonic += VALIDITY;
    assert_eq!(rig.query(REMOTE, "/melos/state").len(), 1, "the verification should expire");
}

#[test]
fn replies_to_one_datagram_do_not_exceed_the_full_state() {
    let mut rig = Rig::new();
    let content: Vec<_> = (0..300).flat_map(|_| [message("/melos/*/*", &[]), message("/melos/state", &[])]).collect();
    let bundle = OscPacket::Bundle(OscBundle { timetag: OscTime { seconds: 0, fractional: 1 }, content });
    let replies = rig.send(LOCAL, &bundle);
    assert!(replies.len() > 50 && replies.len() <= TABLE.len() + 10, "{} replies", replies.len());
}

#[test]
fn replies_are_rate_limited_and_input_still_works() {
    let mut rig = Rig::new();
    let mut sent = 0;
    for _ in 0..2_000 {
        sent += bytes_of(&rig.query(LOCAL, "/melos/state"));
    }
    assert!((100_000..1_000_000).contains(&sent), "{sent} bytes");
    assert!(rig.connection.inbox.losses().count(Loss::OscUnsent) > 0, "omitted replies should be counted");
    rig.send(LOCAL, &message("/melos/valence", &[OscType::Float(0.5)]));
    let mut events = Vec::new();
    rig.connection.inbox.drain(&mut events);
    assert_eq!(events[0].event, ControlEvent::Set(Param::Valence, Value::Number(0.5)));
    rig.now.monotonic += Duration::from_secs(1);
    assert!(rig.query(LOCAL, "/melos/state").len() > 50, "replies should resume a second later");
}

#[test]
fn a_full_outgoing_queue_does_not_block() {
    let mut rig = Rig::new();
    for port in 1..=64 {
        let bytes = encoder::encode(&message("/melos/subscribe", &[OscType::Int(port)])).unwrap();
        rig.connection.receive_at(&bytes, LOCAL, rig.now);
    }
    for bar in 0..1_000 {
        rig.connection.process_notice(Notice::Beat { beat: 0, bar, tempo: 90.0 });
    }
    let queued = rig.replies().len();
    assert!(queued < 10_000, "{queued} messages are queued");
    assert!(rig.connection.inbox.losses().count(Loss::OscUnsent) > 50_000);
}

#[test]
fn a_refused_subscriber_gets_an_error() {
    let mut rig = Rig::new();
    for port in 1..=64 {
        rig.send(LOCAL, &message("/melos/subscribe", &[OscType::Int(port)]));
    }
    let replies = rig.send(LOCAL, &message("/melos/subscribe", &[OscType::Int(65)]));
    let [(to, OscMessage { addr, args })] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((to.port(), addr.as_str(), rig.refused()), (65, "/melos/error", 1));
    assert!(matches!(&args[0], OscType::String(error) if error.contains("64")), "{args:?}");
    let list = rig.query(LOCAL, "/melos/subscribers");
    assert_eq!(list[0].1.args.len(), 128);
}

#[test]
fn a_ping_is_answered_and_renews_a_subscription() {
    let mut rig = Rig::new();
    rig.query(LOCAL, "/melos/subscribe");
    for number in 0..4 {
        rig.now.monotonic += Duration::from_secs(50);
        let pong = rig.send(LOCAL, &message("/melos/ping", &[OscType::Int(number), OscType::Blob(vec![0; 4])]));
        let expected = OscMessage { addr: "/melos/pong".to_owned(), args: vec![OscType::Int(number)] };
        assert_eq!(pong, [(LOCAL, expected)], "only arguments that every client can read should be returned");
        rig.connection.tick(rig.now.monotonic);
        assert_eq!(rig.replies(), []);
    }
    assert_eq!(rig.connection.subscriptions().len(), 1);
}

#[test]
fn a_message_without_arguments_reads_a_stream() {
    let mut rig = Rig::new();
    assert_eq!(
        (rig.query(LOCAL, "/melos/health"), rig.refused()),
        (Vec::new(), 0),
        "a stream without a message should cause neither a reply nor a fault"
    );
    rig.connection.process_notice(Notice::Beat { beat: 2, bar: 0, tempo: 90.0 });
    let replies = rig.query(LOCAL, "/melos/beat");
    assert_eq!(replies[0].1.args, [OscType::Int(3), OscType::Int(1), OscType::Float(90.0)]);
    rig.send(LOCAL, &message("/melos/beat", &[OscType::Int(1)]));
    assert_eq!(rig.refused(), 1, "setting a stream should be refused");
}

#[test]
fn a_button_that_is_held_fires_its_trigger_once() {
    let mut rig = Rig::new();
    // The value of a button, at 60 Hz.
    for value in [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0] {
        rig.now.monotonic += Duration::from_micros(16_667);
        rig.send(LOCAL, &message("/melos/preset/next", &[OscType::Float(value)]));
    }
    assert_eq!(rig.events().len(), 2);
    // A client that sends no 0.
    for _ in 0..3 {
        rig.send(REMOTE, &message("/melos/preset/next", &[OscType::Int(1)]));
    }
    assert_eq!(rig.events().len(), 3);
}

#[test]
fn melos_does_not_steer_itself() {
    let mut rig = Rig::new();
    let replies = rig.send(LOCAL, &message("/melos/subscribe", &[OscType::Int(9000)]));
    let [(LOCAL, OscMessage { addr, args })] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!(addr, "/melos/error");
    assert!(
        args[0].clone().string().is_some_and(|text| text.contains("port 9000 is that of Melos itself")),
        "{args:?}"
    );
    assert_eq!((rig.connection.subscriptions(), rig.refused()), (vec![], 1));
    rig.send(OWN, &message("/melos/panic", &[]));
    assert_eq!((rig.events(), rig.refused()), (vec![], 2), "its own message");

    let own = Subscription { from: LOCAL, to: OWN };
    let other = Subscription { from: LOCAL, to: LOCAL };
    let inbox = Arc::new(Inbox::new(Arc::default()));
    let counters = Arc::new(Counters::new(Arc::clone(inbox.losses())));
    let clients = Clients { subscriptions: vec![own, other], ..Clients::default() };
    let (connection, _) = Connection::new(OWN, inbox, counters, clients, rig.now.monotonic);
    assert_eq!(connection.subscriptions(), [other], "a subscription restored from before");
}

#[test]
fn a_client_that_returns_what_it_receives_changes_nothing() {
    let mut rig = Rig::new();
    rig.connection.process_notice(Notice::Value(Param::Tempo, Value::Number(72.5)));
    let mut received = rig.query(LOCAL, "/melos/subscribe");
    rig.connection.process_notice(Notice::Value(Param::Tempo, Value::Number(73.5)));
    rig.connection.process_notice(Notice::Chord(Chord::parse("G").unwrap(), Key::parse("A minor").unwrap()));
    for _ in 0..10 {
        rig.now.monotonic += Duration::from_millis(20);
        rig.connection.tick(rig.now.monotonic);
        received.extend(rig.replies());
    }
    let tempi = received.iter().filter(|(_, message)| message.addr == "/melos/tempo").count();
    assert_eq!(tempi, 2);
    for (_, message) in received {
        rig.send(LOCAL, &OscPacket::Message(message));
    }
    assert_eq!(rig.events(), []);
    // Later, the same value is a request.
    rig.now.monotonic += Duration::from_secs(1);
    rig.send(LOCAL, &message("/melos/tempo", &[OscType::Float(73.5)]));
    assert_eq!(rig.events(), [ControlEvent::Set(Param::Tempo, Value::Number(73.5))]);
}

#[test]
fn subscribers_are_told_why_their_messages_are_refused() {
    let mut rig = Rig::new();
    let invalid = message("/melos/valence", &[OscType::String("high".to_owned())]);
    assert_eq!(rig.send(LOCAL, &invalid), [], "a client that is not subscribed may not listen");
    rig.query(LOCAL, "/melos/subscribe");
    let error = |reason: &str| (LOCAL, message::error(reason));
    let unknown = rig.send(LOCAL, &message("/melos/valenc", &[OscType::Float(0.5)]));
    assert_eq!(unknown, [error("there is no parameter /melos/valenc")]);
    assert_eq!(rig.send(LOCAL, &message("/melos/valenc", &[OscType::Float(0.5)])), [], "repeats are only counted");
    let refused = |client| Notice::Refused { client, reason: "there is no preset \"strom\"".to_owned() };
    rig.connection.process_notice(refused(LOCAL));
    rig.connection.process_notice(refused(REMOTE));
    assert_eq!(rig.replies(), [error("there is no preset \"strom\"")]);
    // Another Melos may subscribe to this one.
    let before = rig.refused();
    assert_eq!(rig.send(LOCAL, &message("/melos/error", &[OscType::String("no such preset".to_owned())])), []);
    assert_eq!(rig.refused(), before);
}

#[test]
fn a_client_is_told_the_value_that_is_not_what_it_has_sent() {
    let mut rig = Rig::new();
    rig.query(LOCAL, "/melos/subscribe");
    let mut set = |address: &str, argument, stored: &[(Param, Value)]| {
        assert_eq!(rig.send(LOCAL, &message(address, &[argument])), []);
        for (param, value) in stored {
            rig.connection.process_notice(Notice::Value(*param, value.clone()));
        }
        rig.now.monotonic += ECHO_GUARD;
        rig.connection.tick(rig.now.monotonic);
        rig.replies().into_iter().map(|(_, message)| (message.addr, message.args[0].clone())).collect::<Vec<_>>()
    };
    let text = |text: &str| OscType::String(text.to_owned());
    assert_eq!(set("/melos/valence", OscType::Float(0.5), &[(Param::Valence, Value::Number(0.5))]), []);
    let clamped = set("/melos/valence", OscType::Float(5.0), &[(Param::Valence, Value::Number(1.0))]);
    assert_eq!(clamped, [("/melos/valence".to_owned(), OscType::Float(1.0))]);
    let spelled = set("/melos/key", text("Gb"), &[(Param::Key, Value::Choice(6))]);
    assert_eq!(spelled, [("/melos/key".to_owned(), text("F#"))]);
    let minor = [(Param::Key, Value::Choice(2)), (Param::Mode, Value::Choice(2))];
    let both = set("/melos/key", text("D minor"), &minor);
    assert_eq!(both, [("/melos/key".to_owned(), text("D")), ("/melos/mode".to_owned(), text("minor"))]);
}

#[test]
fn a_query_is_answered_under_its_own_address() {
    let mut rig = Rig::new();
    for address in ["/melos/tempo", "/melos/tempo/value"] {
        let replies = rig.query(LOCAL, address);
        assert_eq!(replies.iter().map(|(_, message)| message.addr.as_str()).collect::<Vec<_>>(), [address]);
    }
}
